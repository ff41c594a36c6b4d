"""Judge composite schedules by the schedule of the car, and by each other where periods begin at random."""

from __future__ import annotations

from typing import NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import BOOT_2X, Payload, script, started, status_2x
from inspector.rules.topics.smart_charging.composite import CompositeSchedules, bounds_of, composite
from inspector.rules.topics.smart_charging.ev_schedule import Step, chosen, steps
from inspector.rules.topics.smart_charging.needs import given, needs_2
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent

CLOCK_S = 5.0
"""Times in schedules of one station may differ by so many seconds."""
SPAN_S = 3600.0
"""A period without end is compared for so many seconds."""
LEAST_DELAY_S = 30
"""With a randomizedDelay of so many seconds, hardly any delay is 0."""
_BEGUN = (BOOT_2X, status_2x("Available"), started(), status_2x("Occupied"))
_PERIODS = [{"startPeriod": 60 * number, "limit": 8.0 + number} for number in range(3)]
_RANDOM = profile("TxProfile", transactionId="t1", schedule={"randomizedDelay": 40, "chargingSchedulePeriod": _PERIODS})


def _delayed(*starts: int) -> str:
    """Return a composite schedule of EVSE 1 whose periods begin at these seconds, with the limits 8, 9 and 10 A."""
    told = composite(8.0, 9.0, 10.0)
    for number, start in enumerate(starts, 1):
        told = told.replace(f'"startPeriod":{60 * number},', f'"startPeriod":{start},')
    return told


_DEFAULT = (*_BEGUN[:2], sent(profile()), *_BEGUN[2:], needs_2("Rejected"))


class _Chosen(NamedTuple):
    steps: list[Step]
    unit: object
    transaction: str


class ComparedComposites(Topic):
    """The rules that compare composite schedules with other schedules."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._chosen: Known[int, _Chosen] = Known()  # by EVSE: the schedule of its car
        self._told: Known[int, tuple[int, dict[float, float]]] = Known()  # by EVSE: limits of a composite by start
        self._composite = self.station.topic(CompositeSchedules)
        self._transactions = self.station.topic(Transactions2x)

    @rule(
        "profile.composite-car",
        result("GetCompositeSchedule"),
        title="A composite schedule ignores the schedule that the car has chosen",
        severity=Severity.INFO,
        spec="OCPP 2.x K15.FR.14, K16.FR.10, K17.FR.14; OCPP 2.1 K18.FR.14",
        remedy="Report no more than the car will use according to its NotifyEVChargingSchedule.",
        bad=script(*_BEGUN, needs_2(), given(), chosen(10), composite(16)),
        good=script(*_BEGUN, needs_2(), given(), chosen(10), composite(10)),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._chosen,
    )
    def car(self, frame: Frame) -> Faults:
        schedule, evse = member(frame.payload, "schedule"), integer(frame.request, "evseId")
        one = self._chosen.get(evse or 0)
        base = seconds(string(schedule, "scheduleStart"))
        if one is None or base is None or frame.payload.get("status") != "Accepted":
            return None
        if schedule.get("chargingRateUnit") != one.unit or one.transaction not in self._open(evse or 0):
            return None
        for step in (steps(schedule, base) or [])[:50]:
            middle = step.begins + min(30.0, (step.ends - step.begins) / 2)
            limits = [each.limit for each in one.steps if each.begins + 1 < middle < each.ends - 1]
            if limits and step.limit > limits[0] + 0.1:
                text = f"the limit {step.limit} exceeds {limits[0]}, that of the schedule of the car"
                return Fault(text, "/2/schedule/chargingSchedulePeriod", key=str(evse))
        return None

    @rule(
        "ev-schedule.beyond-default",
        call("NotifyEVChargingSchedule"),
        title="The schedule of a car that got no profile exceeds the limits of the station",
        severity=Severity.WARNING,
        spec="OCPP 2.x K15.FR.15, K17.FR.15; OCPP 2.1 K18.FR.15, K19.FR.11",
        remedy="Offer the car a schedule within the TxDefaultProfile and all other limits.",
        bad=script(*_DEFAULT, chosen(20)),
        good=script(*_DEFAULT, chosen(16)),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._composite.active,
    )
    def beyond_default(self, frame: Frame) -> Faults:
        evse, one = integer(frame.payload, "evseId"), member(frame.payload, "chargingSchedule")
        base = seconds(string(frame.payload, "timeBase"))
        if not evse or base is None:
            return None
        unit = one.get("chargingRateUnit")
        stacks = list(self._composite.deciding(evse))
        if any(what.startswith("TxProfile") for what, _ in stacks):
            return None  # ev-schedule.exceeds judges it
        for what, stack in stacks:
            bounds = [bounds_of(each, unit, base) for each in stack]
            for step in (steps(one, base) or [])[:50]:
                most = self._composite.most(bounds, step._replace(ends=min(step.ends, step.begins + SPAN_S)))
                if step.limit > most + 0.1:
                    text = f"the limit {step.limit} exceeds {most}, that of the {what}"
                    return Fault(text, "/3/chargingSchedule", key=what)
        return None

    def _open(self, evse: int) -> set[str]:
        return {one.transaction_id for one in self._transactions.open_on(evse)}

    @rule(
        "profile.random-delay",
        result("GetCompositeSchedule"),
        title="The periods of a charging profile do not begin at random",
        severity=Severity.INFO,
        spec="OCPP 2.1 K01.FR.92",
        remedy="Delay each period except the first by a random time of up to randomizedDelay seconds.",
        bad=script(*_BEGUN, sent(_RANDOM), _delayed()),
        good=script(*_BEGUN, sent(_RANDOM), _delayed(77, 125)),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._composite.active,
    )
    def random_delay(self, frame: Frame) -> Faults:
        told, one = self._starts(frame), self._random(integer(frame.request, "evseId") or 0)
        schedule = elements(one, "chargingSchedule")[0] if one else {}
        start = seconds(string(schedule, "startSchedule"))
        if len(told) < 3 or start is None:
            return None
        periods = elements(schedule, "chargingSchedulePeriod")
        wanted = {start + (integer(each, "startPeriod") or 0): each.get("limit") for each in periods}
        late = list(told.items())[1:]
        if any(wanted.get(time) != limit for time, limit in late):
            return None
        return Fault("every period begins without a delay", "/2/schedule/chargingSchedulePeriod")

    @rule(
        "profile.delay-changes",
        result("GetCompositeSchedule"),
        title="The random delays of a charging profile change while a transaction runs",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K01.FR.93",
        remedy="Choose the delays once, when the transaction starts or the profile is set.",
        bad=script(*_BEGUN, sent(_RANDOM), _delayed(77, 125), _delayed(92, 150)),
        good=script(*_BEGUN, sent(_RANDOM), _delayed(77, 125), _delayed(77, 125)),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._composite.active,
    )
    def delay_changes(self, frame: Frame) -> Faults:
        evse, told = integer(frame.request, "evseId") or 0, self._starts(frame)
        if not self._random(evse) or len(told) < 2:
            return None
        changed, before = self._composite.changed_ns, self._told.get(evse)
        self._told.note(evse, (changed, told))
        if before is None or before[0] != changed:
            return None
        by_limit = {limit: time for time, limit in list(before[1].items())[1:]}
        for time, limit in list(told.items())[1:]:
            there = by_limit.get(limit)
            if there is not None and abs(there - time) > CLOCK_S and len(by_limit) == len(before[1]) - 1:
                text = f"the period with the limit {limit} has moved by {abs(there - time):.0f} s since the last answer"
                return Fault(text, "/2/schedule/chargingSchedulePeriod", key=str(evse))
        return None

    def _starts(self, frame: Frame) -> dict[float, float]:
        """Return the limits of a composite schedule by the times at which they begin."""
        schedule = member(frame.payload, "schedule")
        base = seconds(string(schedule, "scheduleStart"))
        found = steps(schedule, base) if base is not None and frame.payload.get("status") == "Accepted" else None
        return {step.begins: step.limit for step in (found or [])[:100]}

    def _random(self, evse: int) -> Payload:
        """Return the profile with randomizedDelay that decides about an EVSE alone; {} if there is none."""
        found = [stack[0] for what, stack in self._composite.deciding(evse) if stack] if evse else []
        if len(found) != 1:
            return {}
        schedules = elements(found[0], "chargingSchedule")
        delay = integer(schedules[0], "randomizedDelay") if len(schedules) == 1 else None
        return found[0] if delay is not None and delay >= LEAST_DELAY_S else {}

    @track(call("NotifyEVChargingSchedule"))
    def schedule(self, frame: Frame) -> None:
        evse, one = integer(frame.payload, "evseId"), member(frame.payload, "chargingSchedule")
        base = seconds(string(frame.payload, "timeBase"))
        found = steps(one, base) if base is not None else None
        running = self._transactions.open_on(evse) if evse is not None else []
        if evse is not None and found and len(running) == 1:
            self._chosen.note(evse, _Chosen(found[:100], one.get("chargingRateUnit"), running[0].transaction_id))
            self.station.refresh_listeners()

    @track(result("SetChargingProfile", "ClearChargingProfile"))
    def changed(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            self._chosen.clear()  # the car chooses again
            self.station.refresh_listeners()
