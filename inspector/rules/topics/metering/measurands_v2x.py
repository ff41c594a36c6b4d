"""Judge whether the events of a 2.x transaction have the measurands that the station is configured to send."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import NOW, csms, script, started

VARIABLES = {
    "Started": "TxStartedMeasurands",
    "Updated": "TxUpdatedMeasurands",
    "Ended": "TxEndedMeasurands",
}
"""For each kind of event, the variable of SampledDataCtrlr that lists its measurands."""
_DEFAULT = "Energy.Active.Import.Register"

_NAME = {"component": {"name": "SampledDataCtrlr"}, "variable": {"name": "TxStartedMeasurands"}}
_CONFIGURED = csms(
    "GetVariables",
    {"getVariableData": [_NAME]},
    {"getVariableResult": [{"attributeStatus": "Accepted", "attributeValue": "Voltage", **_NAME}]},
)
_METER = [{"timestamp": NOW, "sampledValue": [{"value": 230.0, "measurand": "Voltage"}]}]


class Measurands2x(Topic):
    """The rule about configured measurands; it is dormant while the configuration is not known."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._wanted: dict[str, list[str]] = {}  # the configured measurands, by kind of event
        self._late: Known[str, None] = Known()  # ids of transactions that started without an EVSE and do not charge yet
        self._transactions = self.station.topic(Transactions2x)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "meter.measurands",
        call("TransactionEvent"),
        title="An event of a transaction lacks measurands that the station is configured to send",
        severity=Severity.WARNING,
        spec="OCPP 2.x E01.FR.09, E02.FR.09, E02.FR.10, E03.FR.07, E03.FR.08, E04.FR.05, E04.FR.06, "
        "E05.FR.05, E06.FR.11, E07.FR.08, E08.FR.09, E09.FR.05, E10.FR.04, E11.FR.03, E12.FR.03, E12.FR.07, E15.FR.01, "
        "F01.FR.14, F01.FR.15, F02.FR.02, F02.FR.03, F03.FR.04, F04.FR.04, J02.FR.11; without an EVSE at the start: "
        "E01.FR.17, E02.FR.21, E03.FR.11, E04.FR.11, E05.FR.08",
        remedy="Send the measurands of TxStartedMeasurands with Started, of TxUpdatedMeasurands with periodic "
        "Updated and "
        "of TxEndedMeasurands with Ended.",
        bad=script(_CONFIGURED, started()),
        good=script(_CONFIGURED, started(meterValue=_METER)),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._wanted,
    )
    def measurands(self, frame: Frame) -> Faults:
        event = self._transactions.event
        if event is None or event.repeated:
            return None
        kind, name = event.kind or "", event.transaction.transaction_id
        if kind == "Started" and event.evse is None:
            if event.info.get("chargingState") != "Charging":
                self._late.note(name, None)
            return None
        if name in self._late and event.info.get("chargingState") == "Charging":
            del self._late[name]
            kind = "Started"  # without an EVSE at the start, this event must have the measurands of Started
        wanted = self._wanted.get(kind, [])
        if not wanted or (kind == "Updated" and event.trigger != "MeterValuePeriodic"):
            return None
        samples = [
            sample.get("measurand", _DEFAULT)
            for value in elements(frame.payload, "meterValue")
            for sample in elements(value, "sampledValue")
        ]
        missing = [name for name in wanted if name not in samples]
        if not missing or (kind == "Updated" and len(missing) < len(wanted)):
            return None  # periodic values may be split into several messages
        text = f"{event.kind} without {', '.join(missing)[:200]}, which {VARIABLES[kind]} lists"
        return Fault(text, "/3/meterValue" if samples else "/3", key=kind)

    @track(result("GetVariables", "SetVariables"))
    def configured(self, frame: Frame) -> None:
        self._learn()

    @track(call("NotifyReport"))
    def reported(self, frame: Frame) -> None:
        self._learn()

    def _learn(self) -> None:
        wanted = {}
        for kind, variable in VARIABLES.items():
            listed = self._configuration.variable("SampledDataCtrlr", variable)
            names = [name.strip() for name in (listed or "").split(",")[:100] if name.strip()]
            if names:
                wanted[kind] = names
        if wanted != self._wanted:
            self._wanted = wanted
            self.station.refresh_listeners()
