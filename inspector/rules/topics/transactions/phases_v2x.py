"""Judge what a 2.x station reports when the energy transfer starts: its phases, and its signed meter values."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import since
from inspector.rules.fields import elements, integer
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import Event, Transaction2x, Transactions2x
from inspector.rules.topics.example_frames import NOW, Payload, cp, script, started, transaction_event, variable_2x

POINT = "DataSigned"
_CHARGING = {"chargingState": "Charging"}
_SIGNED: Payload = {"signedMeterData": "x", "signingMethod": "y", "encodingMethod": "z", "publicKey": ""}


def _values(signed: bool) -> list[Payload]:
    sample = {"value": 1.0, **({"signedMeterValue": _SIGNED} if signed else {})}
    return [{"timestamp": NOW, "sampledValue": [sample]}]


def _sampled(sequence: int, signed: bool) -> str:
    return transaction_event("Updated", "MeterValuePeriodic", sequence, meterValue=_values(signed))


def _idle(signed: bool) -> str:
    return cp("MeterValues", {"evseId": 1, "meterValue": _values(signed)})


_FIRST = (
    started(_CHARGING, numberOfPhasesUsed=3),
    transaction_event("Ended", "StopAuthorized", 1, {"stoppedReason": "Local"}),
)
_STARTS = (variable_2x("TxCtrlr", "TxStartPoint", POINT), variable_2x("SampledDataCtrlr", "SignReadings", "true"))
_STOPS = variable_2x("TxCtrlr", "TxStopPoint", POINT)


class PhasesAndSignatures2x(Topic):
    """The rules about phases and signatures."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._points: list[str] = []  # the variables that have DataSigned
        self._able: Known[int | None, None] = Known()  # EVSEs that have reported the number of phases
        self._charges: Known[str, None] = Known()  # transactions that have begun to charge
        self._signed: Known[str, None] = Known()  # transactions with signed values
        self._transactions = self.station.topic(Transactions2x)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "transaction-event.phases-missing",
        call("TransactionEvent"),
        title="Charging starts without the number of phases, which the EVSE has reported in another transaction",
        severity=Severity.WARNING,
        spec="OCPP 2.x E02.FR.18, E03.FR.13",
        remedy="Send numberOfPhasesUsed when the energy transfer starts.",
        bad=script(*_FIRST, started(_CHARGING).replace('"t1"', '"t2"')),
        good=script(*_FIRST, started(_CHARGING, numberOfPhasesUsed=1).replace('"t1"', '"t2"')),
        versions=V2X,
        side=Side.CHARGE_POINT,
        plain=False,
    )
    def phases(self, frame: Frame) -> Faults:
        event = self._transactions.event
        if event is None or event.repeated:
            return None
        one, told = event.transaction, integer(frame.payload, "numberOfPhasesUsed") is not None
        if told:
            self._charges.note(one.transaction_id, None)
            self._able.note(one.evse, None)
        if event.info.get("chargingState") != "Charging" or one.transaction_id in self._charges:
            return None
        self._charges.note(one.transaction_id, None)
        if told or one.evse is None or one.evse not in self._able or one.started is None:
            return None
        text = f"{one} starts to charge without numberOfPhasesUsed, which this EVSE has reported before"
        return Fault(text, "/3", key=one.transaction_id)

    @rule(
        "transaction-event.unsigned-goes-on",
        DEADLINE,
        title="A transaction continues without signed meter values, though TxStopPoint ends it",
        severity=Severity.ERROR,
        spec="OCPP 2.x E06.FR.05",
        remedy="Send Ended when no signed meter values can be read and TxStopPoint has DataSigned.",
        bad=script(_STOPS, started(_CHARGING), _sampled(1, True), _sampled(2, False), "+ 5m"),
        good=script(_STOPS, started(_CHARGING), _sampled(1, True), _sampled(2, True), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unsigned(self, moment: Moment, one: Transaction2x, frame: Frame) -> Faults:
        if not one.open or one.transaction_id in self._signed or self.session not in self.station.sessions:
            return None
        wait = since(frame, moment)
        text = f"{one} has no signed values any more, but has not ended within {wait}; TxStopPoint has {POINT}"
        return Fault(text, "/3/meterValue", frame=frame, key=one.transaction_id)

    @rule(
        "transaction-event.signed-not-started",
        DEADLINE,
        title="No transaction starts with a signed meter value, though TxStartPoint wants it",
        severity=Severity.WARNING,
        spec="OCPP 2.x E01.FR.04",
        remedy="Send Started when the meter has signed a value and TxStartPoint has DataSigned.",
        bad=script(*_STARTS, _idle(True), "+ 5m"),
        good=script(*_STARTS, _idle(False), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_started(self, moment: Moment, before: Event | None, frame: Frame) -> Faults:
        if self._transactions.event is not before or self.session not in self.station.sessions:
            return None
        wait = since(frame, moment)
        text = f"EVSE {frame.payload.get('evseId')} has a signed value, but no transaction has started within {wait}"
        return Fault(text, "/3/meterValue", frame=frame, key=str(frame.payload.get("evseId")))

    @track(result("GetVariables", "SetVariables"))
    def configured(self, frame: Frame) -> None:
        self._learn()

    @track(call("NotifyReport"))
    def reported(self, frame: Frame) -> None:
        self._learn()

    def _learn(self) -> None:
        points = [name for name in ("TxStartPoint", "TxStopPoint") if self._has(name)]
        if points != self._points:
            self._points = points
            self.station.refresh_listeners()

    @track(call("MeterValues", "TransactionEvent"), dormant=lambda topic: not topic._points)
    def sampled(self, frame: Frame) -> None:
        signed = _is_signed(frame.payload) if "meterValue" in frame.payload else None
        if signed is None:
            return
        wait = self.settings.effect_timeout_s
        if frame.action == "MeterValues":
            evse = integer(frame.payload, "evseId")
            signs = (self._configuration.variable("SampledDataCtrlr", "SignReadings") or "").lower() == "true"
            idle = not self._transactions.open_transactions()
            if signed and evse and signs and idle and self._has("TxStartPoint"):
                self.station.deadline(
                    frame, wait, self.not_started, self._transactions.event, frame, at_close=AtClose.LATE
                )
            return
        event = self._transactions.event
        if event is None:
            return
        name = event.transaction.transaction_id
        if signed:
            self._signed.note(name, None)
        elif name in self._signed and event.kind == "Updated" and self._has("TxStopPoint"):
            del self._signed[name]
            self.station.deadline(frame, wait, self.unsigned, event.transaction, frame, at_close=AtClose.LATE)

    def _has(self, variable: str) -> bool:
        return POINT in (self._configuration.variable("TxCtrlr", variable) or "")


def _is_signed(payload: Payload) -> bool | None:
    """Whether a message has signed values; None if it has no values of energy."""
    samples = [
        sample
        for value in elements(payload, "meterValue")
        for sample in elements(value, "sampledValue")
        if str(sample.get("measurand", "Energy.")).startswith("Energy.")
    ]
    return any("signedMeterValue" in sample for sample in samples) if samples else None
