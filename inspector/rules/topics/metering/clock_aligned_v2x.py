"""When 2.x meter values come, of which time they are, and whether they are signed, as the station is configured."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.durations import duration
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import ABSENT, Fault, Severity, Side
from inspector.rules.rule import ASIDE, DEADLINE, V2X, Faults, Topic, aside, call, event, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import NOW, Payload, cp, csms, script, started, transaction_event

LONGEST_S = 86400
"""Values that are to come less often than this are not waited for."""
CURRENT_S = 60.0
"""A triggered value may be this much older than its trigger, as clocks differ."""
QUARTER_S = 900
"""Midnights of all time zones are multiples of a quarter of an hour apart."""
LEAST_ALIGNED_S = 30
"""Values that come more often are not judged by their time."""
_DEFAULT = "Energy.Active.Import.Register"
_BEHIND = frozenset({"Cable", "EV", "Outlet"})


def _set(component: str, **values: str) -> str:
    names = [{"component": {"name": component}, "variable": {"name": name}} for name in values]
    told = [
        {"attributeStatus": "Accepted", "attributeValue": value, **name}
        for name, value in zip(names, values.values(), strict=True)
    ]
    return csms("GetVariables", {"getVariableData": names}, {"getVariableResult": told})


def _values(at: str = NOW, **more: Any) -> list[Payload]:
    return [{"timestamp": at, "sampledValue": [{"value": 1.0, **more}]}]


def _meter(evse: int = 1, **more: Any) -> str:
    return cp("MeterValues", {"evseId": evse, "meterValue": _values(**more)})


_ALIGNED = _set("AlignedDataCtrlr", Interval="60", Measurands="Voltage")
_TRIGGER = csms("TriggerMessage", {"requestedMessage": "MeterValues", "evse": {"id": 1}})
_TWO = [*_values("2026-01-01T11:00:00Z"), *_values()]
_SIGNED = {"signedMeterData": "x", "signingMethod": "y", "encodingMethod": "z", "publicKey": ""}


class ClockAligned2x(Topic):
    """Rules about the time and the form of meter values."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._interval = 0
        self._since_s = 0.0
        self._seen_ns = 0  # when clock-aligned values came last
        self._quiet = False  # whether they are not to be sent during transactions
        self._signs = False
        self._signing = False  # whether clock-aligned values were signed
        self._signs_clock = False  # the same for clock-aligned values
        self._spacing: int | None = None  # TxUpdatedInterval
        self._triggered: dict[int, tuple[int, float]] = {}  # by EVSE: when MeterValues were triggered, in both clocks
        self._transactions = self.station.topic(Transactions2x)
        self._configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)

    @rule(
        "meter.clock-aligned",
        DEADLINE,
        title="No clock-aligned meter values came for more than twice their interval",
        severity=Severity.WARNING,
        spec="OCPP 2.x J01.FR.14, J01.FR.22",
        remedy="Send MeterValues (in a transaction also a TransactionEvent) every AlignedDataCtrlr.Interval seconds.",
        bad=script(_ALIGNED, "+ 5m"),
        good=script(_ALIGNED, "+ 1m", _meter(measurand="Voltage", context="Sample.Clock"), "+ 1m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def clock_aligned(self, moment: Moment, interval: int, connections: int) -> Faults:
        if interval != self._interval or self._evidence.connections != connections:
            return None
        if self.session not in self.station.sessions:
            return None
        passed = (moment.mono_ns - self._seen_ns) / 1e9
        late = 2 * interval + self.settings.answer_timeout_s
        self._wait(moment, late - passed if passed < late else late)
        if passed < late or (self._quiet and self._transactions.open_transactions()):
            return None
        text = f"no clock-aligned meter values for {duration(passed)}; their interval is {duration(interval)}"
        return Fault(text, frame=ABSENT)

    def _wait(self, after: Moment | Frame, wait: float) -> None:
        self.station.deadline(after, wait, self.clock_aligned, self._interval, self._evidence.connections)

    @rule(
        "meter.idle-only",
        call("MeterValues"),
        title="Clock-aligned meter values are sent in a transaction, although only idle EVSEs are to send them",
        severity=Severity.WARNING,
        spec="OCPP 2.x J01.FR.19, J01.FR.20",
        remedy="While SendDuringIdle is true, send no clock-aligned values of an EVSE or station with a transaction.",
        bad=script(_set("AlignedDataCtrlr", SendDuringIdle="true"), started(), _meter(2, context="Sample.Clock")),
        good=script(_set("AlignedDataCtrlr", SendDuringIdle="true"), _meter(2, context="Sample.Clock"), started()),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not (topic._interval or topic._quiet or topic._triggered or topic._signs_clock),
    )
    def idle_only(self, frame: Frame) -> Faults:
        evse, samples = integer(frame.payload, "evseId"), list(_samples(frame.payload))
        faults = self._current(frame, evse, samples)
        contexts = {string(sample, "context") for sample in samples}
        if contexts & {"Sample.Clock", None, "Sample.Periodic"}:
            self._seen_ns = frame.mono_ns
        if "Sample.Clock" not in contexts or evse is None:
            return faults
        if faults is None:
            faults = aside(self.alignment, frame) or self._unsigned_clock(evse, samples)
        if not self._quiet:
            return faults
        everywhere = self._quiet_on(None)
        if not everywhere and not self._quiet_on(evse):
            return faults
        running = self._transactions.open_transactions() if everywhere else self._transactions.open_on(evse)
        running = [one for one in running if one.connection == self._evidence.connections]
        if running:
            text = f"clock-aligned values of EVSE {evse}, although {running[0]} is open; SendDuringIdle is true"
            return Fault(text, "/3/meterValue", key=str(evse))
        return faults

    def _quiet_on(self, evse: int | None) -> bool:
        """Return whether SendDuringIdle is true for an EVSE; None is the whole station."""
        return (self._configuration.variable("AlignedDataCtrlr", "SendDuringIdle", evse) or "").lower() == "true"

    def _unsigned_clock(self, evse: int, samples: list[Payload]) -> Fault | None:
        """Return the fault of registers that are not signed, although AlignedDataCtrlr.SignReadings is true."""
        known = self._configuration
        if not self._signs_clock or not evse:
            return None
        if (known.variable("AlignedDataCtrlr", "SignUpdatedReadings") or "true").lower() != "true":
            return None
        registers = [sample for sample in samples if sample.get("measurand", _DEFAULT) == _DEFAULT]
        if any("signedMeterValue" in sample for sample in samples):
            self._signing = True
        if not registers or self._signing:
            return None  # the meters of some EVSEs may be unable to sign
        text = f"clock-aligned values of EVSE {evse} have no signedMeterValue, but SignReadings is true"
        return Fault(text, "/3/meterValue", key=f"clock {evse}", rule=self.unsigned.rule)

    @rule(
        "meter.alignment",
        ASIDE,
        title="A clock-aligned meter value was not taken at a multiple of its interval",
        severity=Severity.WARNING,
        spec="OCPP 2.x J01.FR.14, J01.FR.22; part 2, AlignedDataInterval",
        remedy="Take clock-aligned values at multiples of AlignedDataCtrlr.Interval since midnight.",
        bad=script(_ALIGNED, _meter(measurand="Voltage", context="Sample.Clock").replace("12:00:00Z", "12:00:37Z")),
        good=script(_ALIGNED, _meter(measurand="Voltage", context="Sample.Clock").replace("12:00:00Z", "12:01:02Z")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def alignment(self, frame: Frame) -> Fault | None:
        every = gcd(self._interval, QUARTER_S)  # midnight may be that of any time zone
        if every < LEAST_ALIGNED_S:
            return None
        for index, value in enumerate(elements(frame.payload, "meterValue")):
            at = seconds(string(value, "timestamp"))
            clock = any(one.get("context") == "Sample.Clock" for one in elements(value, "sampledValue"))
            if at is None or not clock or at < self._since_s:
                continue
            off = min(at % every, every - at % every)
            if off > max(5.0, every * 0.1):
                text = f"a clock-aligned value of {value['timestamp']}, {off:.0f} s from a multiple of {every} s"
                return Fault(text, f"/3/meterValue/{index}/timestamp")
        return None

    def _current(self, frame: Frame, evse: int | None, samples: list[Payload]) -> Faults:
        """Judge MeterValues that were triggered."""
        asked = self._triggered.pop(evse if evse is not None else -1, None)
        if asked is None:
            return None
        self.station.refresh_listeners()
        if frame.mono_ns - asked[0] > self.settings.effect_timeout_s * 1e9:
            return None
        return aside(self.triggered_values, frame, samples, asked[1])

    @rule(
        "trigger.meter-values",
        ASIDE,
        title="Triggered meter values lack configured measurands, or are old",
        severity=Severity.WARNING,
        spec="OCPP 2.x F06.FR.06, F06.FR.09",
        remedy="Send the latest value of each measurand in AlignedDataCtrlr.Measurands.",
        bad=script(_ALIGNED, _TRIGGER, _meter(measurand="SoC", context="Trigger")),
        good=script(_ALIGNED, _TRIGGER, _meter(measurand="Voltage", context="Trigger")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def triggered_values(self, frame: Frame, samples: list[Payload], asked_s: float) -> Fault | None:
        listed = self._configuration.variable("AlignedDataCtrlr", "Measurands") or ""
        wanted = {name.strip() for name in listed.split(",")[:100] if name.strip()} - {"SoC"}
        missing = sorted(wanted - {string(sample, "measurand") or _DEFAULT for sample in samples})
        if missing:
            text = f"MeterValues were triggered, but have no {', '.join(missing)[:200]}, which Measurands lists"
            return Fault(text, "/3/meterValue")
        times = [seconds(string(value, "timestamp")) for value in elements(frame.payload, "meterValue")]
        old = [at for at in times if at is not None and at < asked_s - CURRENT_S - self.settings.clock_skew_s]
        if old and self._evidence.timed:
            text = f"triggered meter values are {duration(asked_s - old[0])} older than their trigger"
            return Fault(text, "/3/meterValue/0/timestamp", key="old")
        return None

    @rule(
        "meter.unsigned",
        call("TransactionEvent"),
        title="The meter values of a transaction are not signed, although the station is to sign them",
        severity=Severity.WARNING,
        spec="OCPP 2.x E02.FR.14, E03.FR.10, E04.FR.10, E05.FR.06, E07.FR.12, E08.FR.12, E09.FR.08, E10.FR.07, "
        "E11.FR.08, E12.FR.10, J02.FR.21",
        remedy="Send signedMeterValue while SampledDataCtrlr.SignReadings is true.",
        bad=script(
            _set("SampledDataCtrlr", SignReadings="true"),
            started(),
            transaction_event("Ended", "StopAuthorized", 1, meterValue=_values(context="Transaction.End")),
        ),
        good=script(
            _set("SampledDataCtrlr", SignReadings="true"),
            started(),
            transaction_event(
                "Ended",
                "StopAuthorized",
                1,
                meterValue=_values(context="Transaction.End", signedMeterValue=_SIGNED),
            ),
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._signs,
    )
    def unsigned(self, frame: Frame) -> Faults:
        severity = self._unsigned_severity(string(frame.payload, "eventType") or "")
        if not self._signs or "meterValue" not in frame.payload or severity is None:
            return None
        samples = list(_samples(frame.payload))
        if not any(sample.get("measurand", _DEFAULT) == _DEFAULT for sample in samples):
            return None
        if any("signedMeterValue" in sample for sample in samples):
            return None
        kind = string(frame.payload, "eventType") or ""
        text = f"no value of {kind} has signedMeterValue, but SignReadings is true"
        return Fault(text, "/3/meterValue", severity=severity, key=kind)

    def _unsigned_severity(self, kind: str) -> Severity | None:
        """Return the severity of unsigned values in an event of this kind; None if they need no signature."""
        if kind == "Ended":
            return Severity.WARNING
        signs = self._configuration.variable("SampledDataCtrlr", f"Sign{kind}Readings")
        if signs is not None:
            return Severity.WARNING if signs.lower() == "true" else None
        return Severity.WARNING if kind in ("Started", "Updated") else None

    @rule(
        "meter.old-values",
        call("TransactionEvent"),
        title="An event has meter values of another time than its own",
        severity=Severity.WARNING,
        spec="OCPP 2.x J02.FR.10",
        remedy="Send only values of the current interval with Started and Updated; Ended may have those of all.",
        bad=script(
            _set("SampledDataCtrlr", TxUpdatedInterval="60"),
            transaction_event("Updated", "MeterValuePeriodic", 1, meterValue=_TWO),
        ),
        good=script(
            _set("SampledDataCtrlr", TxUpdatedInterval="60"),
            transaction_event("Ended", "StopAuthorized", 1, meterValue=_TWO),
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._spacing and not topic._interval and not topic._quiet,
    )
    def old_values(self, frame: Frame) -> Faults:
        values = frame.payload.get("meterValue")
        if frame.payload.get("triggerReason") == "MeterValueClock":
            self._seen_ns = frame.mono_ns
            event = self._transactions.event
            if self._quiet and event is not None and frame.payload.get("eventType") == "Updated" and not event.offline:
                evse = event.transaction.evse
                if self._quiet_on(None) or (evse is not None and self._quiet_on(evse)):
                    text = (
                        f"a TransactionEvent with clock-aligned values of {event.transaction}; SendDuringIdle is true"
                    )
                    return Fault(text, "/3/triggerReason", rule=self.idle_only.rule)
        if type(values) is not list or len(values) < 2 or not self._spacing:
            return None
        happened = seconds(string(frame.payload, "timestamp"))
        if happened is None or frame.payload.get("eventType") == "Ended":
            return None
        for index, value in enumerate(elements(frame.payload, "meterValue")):
            at = seconds(string(value, "timestamp"))
            if at is not None and not happened - self._spacing - 1 < at < happened + 1:
                text = f"a value of {value['timestamp']} in an event of {frame.payload['timestamp']}; "
                text += f"TxUpdatedInterval is {duration(self._spacing)}"
                return Fault(text, f"/3/meterValue/{index}/timestamp")
        return None

    @rule(
        "meter.main-meter",
        call("MeterValues"),
        title="Energy of the whole station is measured at an outlet, a cable or a car",
        severity=Severity.WARNING,
        spec="OCPP 2.x J01.FR.03, J01.FR.04",
        remedy="Send energy for EVSE 0 from the main meter, with the location Inlet or Upstream.",
        bad=script(_meter(0, measurand=_DEFAULT, location="Outlet")),
        good=script(_meter(0, measurand=_DEFAULT, location="Inlet")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def main_meter(self, frame: Frame) -> Faults:
        if frame.payload.get("evseId") != 0:
            return None
        for sample in _samples(frame.payload):
            place = string(sample, "location")
            if place in _BEHIND and str(sample.get("measurand", _DEFAULT)).startswith("Energy."):
                return Fault(f"energy for EVSE 0 with the location {place}", "/3/meterValue")
        return None

    @track(result("TriggerMessage"))
    def triggered(self, frame: Frame) -> None:
        evse = integer(member(frame.request, "evse"), "id")
        wanted = frame.request.get("requestedMessage") == "MeterValues" and frame.payload.get("status") == "Accepted"
        if wanted and evse is not None and len(self._triggered) < 100:
            self._triggered[evse] = frame.mono_ns, (frame.call or frame).ts_ns / 1e9
            self.station.refresh_listeners()

    @track(result("GetVariables", "SetVariables"))
    def configured(self, frame: Frame) -> None:
        self._learn(frame)

    @track(call("NotifyReport"))
    def reported(self, frame: Frame) -> None:
        self._learn(frame)

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        self._seen_ns = moment.mono_ns

    def _learn(self, frame: Frame) -> None:
        known = self._configuration
        on = (known.variable("AlignedDataCtrlr", "Enabled") or "true").lower() == "true"
        interval = known.variable_number("AlignedDataCtrlr", "Interval") if on else None
        if not known.variable("AlignedDataCtrlr", "Measurands") or not 0 < (interval or 0) <= LONGEST_S:
            interval = 0
        before = self._interval, self._quiet, self._signs, self._spacing, self._signs_clock
        self._quiet = any(
            (setting.value or "").lower() == "true"
            for name, setting in known.settings_2x.items()
            if name[:2] == ("aligneddatactrlr", "sendduringidle")
        )
        self._signs = (known.variable("SampledDataCtrlr", "SignReadings") or "").lower() == "true"
        self._signs_clock = (known.variable("AlignedDataCtrlr", "SignReadings") or "").lower() == "true"
        self._spacing = known.variable_number("SampledDataCtrlr", "TxUpdatedInterval")
        if interval and interval != self._interval:
            self._interval, self._seen_ns = interval, frame.mono_ns
            self._since_s = frame.ts_ns / 1e9  # values from before may have another interval
            self._wait(frame, 2 * interval + self.settings.answer_timeout_s)
        self._interval = interval or 0
        if before != (self._interval, self._quiet, self._signs, self._spacing, self._signs_clock):
            self.station.refresh_listeners()


def _samples(payload: dict[str, Any]) -> Iterator[Payload]:
    for value in elements(payload, "meterValue"):
        yield from elements(value, "sampledValue")
