"""Judge whether a 2.x station signs the meter values that it is configured to sign."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, Faults, Topic, call, rule
from inspector.rules.state.device_model import DeviceModel
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import NOW, cp, script, set_2x

CONTROLLERS = {"Sample.Clock": "AlignedDataCtrlr", "Sample.Periodic": "SampledDataCtrlr"}
"""For each context of a sample, the component whose variable SignReadings asks for signatures."""
_SIGNATURE = {"signedMeterData": "YQ==", "signingMethod": "", "encodingMethod": "OCMF", "publicKey": ""}
_SIGN = set_2x("AlignedDataCtrlr", "SignReadings", "true")


def _values(*, signed: bool) -> str:
    sample = {"value": 1000, "context": "Sample.Clock", **({"signedMeterValue": _SIGNATURE} if signed else {})}
    return cp("MeterValues", {"evseId": 1, "meterValue": [{"timestamp": NOW, "sampledValue": [sample]}]})


class SignedValues2x(Topic):
    """The rule about signed meter values; it is about those measurands that the station has signed before."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._model = self.station.topic(DeviceModel)
        self._transactions = self.station.topic(Transactions2x)
        # The samples that have been signed, by EVSE, context, measurand, phase and location.
        self._signed: Known[tuple[int | None, str, str, str, str], None] = Known()

    @rule(
        "meter.signature-stops",
        call("MeterValues", "TransactionEvent"),
        title="A meter value is no longer signed, although SignReadings is true",
        severity=Severity.WARNING,
        spec="OCPP 2.x J01.FR.21, J02.FR.21",
        remedy="Put the signed value into signedMeterValue as long as SignReadings is true.",
        bad=script(_SIGN, _values(signed=True), _values(signed=False)),
        good=script(_SIGN, _values(signed=True), _values(signed=True)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unsigned(self, frame: Frame) -> Faults:
        if "meterValue" not in frame.payload or not (self._signed or b"signedMeterValue" in frame.raw):
            return None
        wanted = [context for context, name in CONTROLLERS.items() if self._signs(name)]
        if not wanted:
            return None
        event = self._transactions.event if frame.action == "TransactionEvent" else None
        evse = event.transaction.evse if event is not None else integer(frame.payload, "evseId")
        for sample in (s for value in elements(frame.payload, "meterValue") for s in elements(value, "sampledValue")):
            context = str(sample.get("context", "Sample.Periodic"))
            if context not in wanted:
                continue
            measurand = str(sample.get("measurand", "Energy.Active.Import.Register"))[:50]
            phase, location = str(sample.get("phase", ""))[:20], str(sample.get("location", "Outlet"))[:20]
            key = (evse, context, measurand, phase, location)
            if "signedMeterValue" in sample:
                self._signed.note(key, None)
            elif key in self._signed:
                text = f"{measurand} ({context}) is not signed, but {CONTROLLERS[context]}.SignReadings is true"
                return Fault(text, "/3/meterValue", key=f"{evse} {context} {measurand}")
        return None

    def _signs(self, component: str) -> bool:
        return (self._model.value(component, "SignReadings") or "").lower() == "true"
