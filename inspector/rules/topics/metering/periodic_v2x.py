"""Judge whether the periodic meter values of 2.x transactions come, and whether clock-aligned values are complete."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.durations import duration
from inspector.rules.fields import elements, integer, string
from inspector.rules.finding import ABSENT, Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, event, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transaction2x, Transactions2x
from inspector.rules.topics.example_frames import NOW, cp, script, started, transaction_event, variable_2x
from inspector.rules.topics.transactions.deauthorization_v2x import Deauthorization2x

LONGEST_S = 86400
LEAST = 3
"""So many clock-aligned messages of an EVSE may come for each configured measurand before one is missed."""
_DEFAULT = "Energy.Active.Import.Register"
_ON = (
    variable_2x("SampledDataCtrlr", "TxUpdatedInterval", "60"),
    variable_2x("SampledDataCtrlr", "TxUpdatedMeasurands", "Voltage"),
)
_CHARGING = started({"chargingState": "Charging"})
_SAMPLE = transaction_event(
    "Updated",
    "MeterValuePeriodic",
    1,
    meterValue=[{"timestamp": NOW, "sampledValue": [{"value": 230.0, "measurand": "Voltage"}]}],
)
_ENDED = transaction_event("Ended", "StopAuthorized", 2, {"stoppedReason": "Local"})
_ALIGNED = (
    variable_2x("AlignedDataCtrlr", "Interval", "60"),
    variable_2x("AlignedDataCtrlr", "Measurands", "Voltage,Frequency"),
)


def _clock(minute: int, *measurands: str) -> str:
    at = f"2026-01-01T12:{minute:02}:00Z"
    samples = [{"value": 1.0, "measurand": name, "context": "Sample.Clock"} for name in measurands]
    return cp("MeterValues", {"evseId": 1, "meterValue": [{"timestamp": at, "sampledValue": samples}]})


def _minutes(*measurands: str) -> list[str]:
    return [step for minute in range(1, 7) for step in ("+ 1m", _clock(minute, *measurands))]


class PeriodicSamples2x(Topic):
    """The rules about periodic and clock-aligned values."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._interval = 0
        self._seen: Known[str, int] = Known()  # by transaction: when values came last, or charging began (monotonic)
        self._clock: Known[int, tuple[int, frozenset[str]]] = Known()  # by EVSE: messages, and the measurands in them
        self._transactions = self.station.topic(Transactions2x)
        self._states = self.station.topic(Deauthorization2x)
        self._configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)

    @rule(
        "meter.periodic-missing",
        DEADLINE,
        title="A charging transaction has sent no meter values for more than twice their interval",
        severity=Severity.WARNING,
        spec="OCPP 2.x J02.FR.11, E02.FR.10, E03.FR.08, E04.FR.06, E11.FR.03, E12.FR.03, F01.FR.15, F02.FR.03",
        remedy="Send Updated with triggerReason MeterValuePeriodic every SampledDataCtrlr.TxUpdatedInterval seconds.",
        bad=script(*_ON, _CHARGING, "+ 2m", cp("Heartbeat", {}, {"currentTime": NOW}), "+ 5m"),
        good=script(*_ON, _CHARGING, "+ 1m", _SAMPLE, "+ 1m", _ENDED, "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def missing(self, moment: Moment, one: Transaction2x, interval: int, connections: int) -> Faults:
        name = one.transaction_id
        seen_ns = self._seen.get(name)
        if not one.open or seen_ns is None or interval != self._interval:
            self._seen.pop(name, None)
            return None
        if self._evidence.connections != connections or self.session not in self.station.sessions:
            self._seen.pop(name, None)
            return None
        if self._states.charging.get(name) != "Charging":
            self._seen.pop(name, None)
            return None
        late, passed = 2 * interval + self.settings.answer_timeout_s, (moment.mono_ns - seen_ns) / 1e9
        self._wait(moment, late - passed if passed < late else late, one)
        if passed < late:
            return None
        if self.session.heard_ns is None or self.session.heard_ns - seen_ns < interval * 1e9:
            return None  # it sends nothing at all: perhaps it is offline, and delivers its values later
        text = f"{one} charges, but has sent no meter values for {duration(passed)}; TxUpdatedInterval is "
        return Fault(text + duration(interval), frame=ABSENT, key=name)

    def _wait(self, after: Moment | Frame, wait: float, one: Transaction2x) -> None:
        self.station.deadline(after, wait, self.missing, one, self._interval, self._evidence.connections)

    @track(call("TransactionEvent"), dormant=lambda topic: not topic._interval)
    def sampled(self, frame: Frame) -> None:
        one = self._transactions.event
        if one is None or not self._interval:
            return
        name = one.transaction.transaction_id
        if name in self._seen:
            if "meterValue" in frame.payload:
                self._seen[name] = frame.mono_ns
        elif not one.offline and one.kind != "Ended" and self._states.charging.get(name) == "Charging":
            self._seen.note(name, frame.mono_ns)
            self._wait(frame, 2 * self._interval + self.settings.answer_timeout_s, one.transaction)

    @rule(
        "meter.clock-measurands",
        call("MeterValues"),
        title="Clock-aligned meter values lack a measurand that the station is configured to send",
        severity=Severity.WARNING,
        spec="OCPP 2.x J01.FR.14, J01.FR.22",
        remedy="Send all measurands in AlignedDataCtrlr.Measurands that the EVSE supports, in one message or more.",
        bad=script(*_ALIGNED, *_minutes("Voltage")),
        good=script(*_ALIGNED, *_minutes("Voltage", "Frequency")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def clock_measurands(self, frame: Frame) -> Faults:
        evse = integer(frame.payload, "evseId")
        listed = self._configuration.variable("AlignedDataCtrlr", "Measurands")
        if not evse or not listed:
            return None  # EVSE 0 is the main meter, which has others
        given = {
            string(sample, "measurand") or _DEFAULT
            for value in elements(frame.payload, "meterValue")
            for sample in elements(value, "sampledValue")
            if sample.get("context") == "Sample.Clock"
        }
        if not given:
            return None
        wanted = {name.strip() for name in listed.split(",")[:100] if name.strip()} - {"SoC"}
        count, before = self._clock.get(evse, (0, frozenset()))
        came = before | given & wanted
        self._clock.note(evse, (count + 1, came))
        missing = sorted(name for name in wanted if name not in came)
        if count + 1 < LEAST * len(wanted):
            return None  # the measurands may be split over several messages
        if not missing:
            return None
        text = f"{count + 1} clock-aligned messages of EVSE {evse} have no {missing[0]}, which Measurands lists"
        return Fault(text, "/3/meterValue", key=f"{evse} {missing[0]}")

    @track(result("GetVariables", "SetVariables"))
    def configured(self, frame: Frame) -> None:
        self._learn()

    @track(call("NotifyReport"))
    def reported(self, frame: Frame) -> None:
        self._learn()

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        for name in self._seen:
            self._seen[name] = moment.mono_ns

    def _learn(self) -> None:
        known, before = self._configuration, self._interval
        interval = known.variable_number("SampledDataCtrlr", "TxUpdatedInterval") or 0
        on = (known.variable("SampledDataCtrlr", "Enabled") or "true").lower() == "true"
        listed = known.variable("SampledDataCtrlr", "TxUpdatedMeasurands")
        self._interval = interval if on and listed != "" and 0 < interval <= LONGEST_S else 0
        if self._interval != before:
            self._seen.clear()
            self.station.refresh_listeners()
