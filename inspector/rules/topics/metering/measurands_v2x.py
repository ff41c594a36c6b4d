"""Judge whether the events of a 2.x transaction have the measurands that the station is configured to send."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment
from inspector.rules.fields import elements
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import ASIDE, DEADLINE, V2X, Faults, Topic, aside, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import Event, Transactions2x
from inspector.rules.topics.example_frames import NOW, Payload, csms, script, started, transaction_event, variable_2x

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
_CONTEXTS = {"Started": "Transaction.Begin", "Ended": "Transaction.End"}
_TWO = variable_2x("SampledDataCtrlr", "TxUpdatedMeasurands", "Voltage,Current.Import")


def _sampled(context: str, measurand: str = "Voltage") -> list[Payload]:
    return [{"timestamp": NOW, "sampledValue": [{"value": 230.0, "measurand": measurand, "context": context}]}]


def _periodic(sequence: int, measurand: str) -> str:
    values = _sampled("Sample.Periodic", measurand)
    return transaction_event("Updated", "MeterValuePeriodic", sequence, meterValue=values)


_METER = _sampled("Transaction.Begin")
_PART, _OTHER_PART = _periodic(1, "Voltage"), _periodic(2, "Current.Import")


class Measurands2x(Topic):
    """The rules about configured measurands; they are dormant while the configuration is not known."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._wanted: dict[str, list[str]] = {}  # the configured measurands, by kind of event
        self._parts: Known[tuple[str, str | None], set[str]] = Known()  # by transaction and time: what is still missing
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
        if kind == "Updated":
            if len(missing) < len(wanted):
                self._note_part(event, missing, frame)
                return None  # periodic values may be split into several messages
        elif not missing:
            return aside(self.context, event, kind, frame.payload, wanted)
        if not missing:
            return None
        text = f"{event.kind} without {', '.join(missing)[:200]}, which {VARIABLES[kind]} lists"
        return Fault(text, "/3/meterValue" if samples else "/3", key=kind)

    def _note_part(self, event: Event, missing: list[str], frame: Frame) -> None:
        """Remember what a message with periodic values lacks, until others with its timestamp have come."""
        name = event.transaction.transaction_id
        key = (name, event.timestamp)
        before = self._parts.get(key)
        if before is not None:
            before.intersection_update(missing)
        elif missing:
            lacks = set(missing)
            self._parts.note(key, lacks)
            self.station.deadline(frame, self.settings.answer_timeout_s, self.partial, event, lacks, frame)

    @rule(
        "meter.measurands-partial",
        DEADLINE,
        title="Periodic meter values lack some of the measurands that the station is configured to send",
        severity=Severity.WARNING,
        spec="OCPP 2.x E02.FR.10, E03.FR.08, E04.FR.06, E11.FR.03, E12.FR.03, J02.FR.11; split over several messages: "
        "E02.FR.11, E03.FR.09, E04.FR.09, E11.FR.06, E12.FR.06, J02.FR.14",
        remedy="Send all measurands of TxUpdatedMeasurands; if they are split over several messages, give these the "
        "same timestamp.",
        bad=script(_TWO, started(), _PART, "+ 5m"),
        good=script(_TWO, started(), _PART, _OTHER_PART, "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def partial(self, moment: Moment, event: Event, lacks: set[str], frame: Frame) -> Faults:
        wanted = self._wanted.get("Updated", [])
        left = [name for name in wanted if name in lacks]
        if not left or self.session not in self.station.sessions:
            return None
        text = f"the values of {event.timestamp} lack {', '.join(left)[:200]}, which {VARIABLES['Updated']} lists"
        return Fault(text, "/3/meterValue", frame=frame, key=", ".join(left)[:100])

    @rule(
        "meter.transaction-context",
        ASIDE,
        title="The meter values at the start or the end of a transaction have the context of other values",
        severity=Severity.WARNING,
        spec="OCPP 2.x E01.FR.09, E01.FR.17, E02.FR.09, E02.FR.21, E03.FR.07, E03.FR.11, E04.FR.05, E04.FR.11, "
        "E05.FR.05, E05.FR.08, E06.FR.11, E07.FR.08",
        remedy="Give the values at the start the context Transaction.Begin, and those at the end Transaction.End.",
        bad=script(_CONFIGURED, started(meterValue=_sampled("Sample.Periodic"))),
        good=script(_CONFIGURED, started(meterValue=_sampled(_CONTEXTS["Started"]))),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def context(self, event: Event, kind: str, payload: Payload, wanted: list[str]) -> Fault | None:
        fitting = _CONTEXTS[kind]
        told = {
            sample.get("measurand", _DEFAULT)
            for value in elements(payload, "meterValue")
            for sample in elements(value, "sampledValue")
            if sample.get("context") == fitting
        }
        lacks = [name for name in wanted if name not in told]
        if not lacks:
            return None
        text = f"{event.kind} has {lacks[0][:50]} without the context {fitting}"
        return Fault(text, "/3/meterValue", key=kind)

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
