"""Judge the schedule that a car has chosen (NotifyEVChargingSchedule) by the TxProfile of its transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise
from inspector.rules.rule import OPENED, V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import BOOT_2X, NOW, Payload, cp, script, started, status_2x
from inspector.rules.topics.smart_charging.needs import given, needs, needs_2

_END = float("inf")


def chosen(*limits: float, status: str = "Accepted", selected: int | None = None, unit: str = "A") -> str:
    """Return a NotifyEVChargingSchedule of EVSE 1 with these limits, a minute each, and its answer."""
    periods = [{"startPeriod": 60 * number, "limit": limit} for number, limit in enumerate(limits)]
    schedule = {"id": 1, "chargingRateUnit": unit, "chargingSchedulePeriod": periods}
    more = {} if selected is None else {"selectedChargingScheduleId": selected}
    told = {"timeBase": NOW, "evseId": 1, "chargingSchedule": schedule, **more}
    return cp("NotifyEVChargingSchedule", told, {"status": status})


def _by_version(old: str, new: str, *, told: bool = True) -> dict[str, str]:
    """Return examples with a TxProfile and the schedule of a car in 2.0.1 and 2.1; `told` adds the car's needs."""
    begun = (BOOT_2X, status_2x("Available"), started(), status_2x("Occupied"), *([needs_2()] if told else []), given())
    return {"2.0.1": script(*begun, old), "2.1": script(*begun, new)}


class Step(NamedTuple):
    begins: float
    ends: float
    limit: float


class _Given(NamedTuple):
    """The latest TxProfile of a transaction; `several` is whether there are others."""

    number: int | None
    transaction: str
    profile: Payload
    several: bool


def steps(schedule: Payload, base: float) -> list[Step] | None:
    """Return the limits of a schedule over time; None if there are none or one is missing."""
    periods = elements(schedule, "chargingSchedulePeriod")
    lasts = integer(schedule, "duration")
    end = base + lasts if lasts else _END
    found = []
    for index, period in enumerate(periods):
        start, limit = integer(period, "startPeriod"), period.get("limit")
        if start is None or not isinstance(limit, int | float):
            return None
        after = integer(periods[index + 1], "startPeriod") if index + 1 < len(periods) else None
        found.append(Step(base + start, min(end, base + after if after is not None else end), float(limit)))
    return found or None


class CarSchedules(Topic):
    """The rules about NotifyEVChargingSchedule."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._given: Known[int, _Given] = Known()  # the latest TxProfile, by EVSE
        self._modes: Known[int, str] = Known()  # by EVSE: the controlMode of its car
        self._needed: Known[int, None] = Known()  # the EVSEs that have sent charging needs
        self._transactions = self.station.topic(Transactions2x)
        self._evidence = self.station.topic(Observation)

    @rule(
        "ev-schedule.selected",
        call("NotifyEVChargingSchedule"),
        title="The schedule of a car does not name the schedule that the car has selected",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K15.FR.21, K16.FR.14, K17.FR.18, K18.FR.10, K19.FR.10",
        remedy="Set selectedChargingScheduleId to the id of a schedule of the transaction's TxProfile.",
        bad=script(started(), needs(), given(), chosen(16)),
        good=script(started(), needs(), given(), chosen(16, selected=1)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def selected(self, frame: Frame) -> Faults:
        evse = integer(frame.payload, "evseId") or 0
        number, one = integer(frame.payload, "selectedChargingScheduleId"), self._current(evse)
        if number is None:
            mode = self._modes.get(evse)
            if mode is not None:
                return Fault(f"selectedChargingScheduleId is missing; the car uses {mode[:20]}", "/3")
            return Fault("selectedChargingScheduleId is missing", "/3", severity=Severity.INFO) if one else None
        if one is None or one.several:
            return None
        if self._modes.get(evse) == "DynamicControl" and (differs := self._differs(frame, one)):
            return Fault(
                f"{differs}, but a car in dynamic control follows the TxProfile", "/3/chargingSchedule", key="own"
            )
        ids = [integer(schedule, "id") for schedule in elements(one.profile, "chargingSchedule")]
        if number in ids:
            return None
        known = ", ".join(str(name) for name in ids[:3])
        return Fault(f"schedule {number} is selected; the TxProfile has {known}", "/3/selectedChargingScheduleId")

    def _differs(self, frame: Frame, one: _Given) -> str | None:
        """Return how the schedule differs from the only one of the TxProfile; None if it does not."""
        wanted, told = elements(one.profile, "chargingSchedule"), member(frame.payload, "chargingSchedule")
        if len(wanted) != 1 or wanted[0].get("chargingRateUnit") != told.get("chargingRateUnit"):
            return None
        before, after = (steps(each, 0.0) for each in (wanted[0], told))
        if before is None or after is None or len(before) != 1 or len(after) != 1:
            return None
        if abs(before[0].limit - after[0].limit) <= 0.1:
            return None
        return f"the limit is {after[0].limit:g}; that of the TxProfile is {before[0].limit:g}"

    @rule(
        "ev-schedule.answer",
        result("NotifyEVChargingSchedule"),
        title="The CSMS accepts a car's schedule beyond its own limits, or rejects one within them",
        severity=Severity.WARNING,
        spec="OCPP 2.x K15.FR.11, K15.FR.12, K16.FR.06, K16.FR.07, K17.FR.11, K17.FR.12; OCPP 2.1 K18.FR.11, K18.FR.12",
        remedy="Answer Accepted where the car's schedule is within the limits of the TxProfile, else Rejected.",
        bad=script(started(), given(), chosen(20)),
        good=script(started(), given(), chosen(16)),
        versions=V2X,
        side=Side.CSMS,
    )
    def answer(self, frame: Frame) -> Faults:
        evse, status = integer(frame.request, "evseId") or 0, frame.payload.get("status")
        one, told = self._current(evse), member(frame.request, "chargingSchedule")
        base = seconds(string(frame.request, "timeBase"))
        if one is None or one.several or base is None or self._modes.get(evse) == "DynamicControl":
            return None
        wanted = integer(frame.request, "selectedChargingScheduleId")
        schedules = [
            schedule
            for schedule in elements(one.profile, "chargingSchedule")
            if wanted in (None, integer(schedule, "id"))
        ]
        if not schedules or any(told.get("chargingRateUnit") != each.get("chargingRateUnit") for each in schedules):
            return None
        verdicts = {self._within(told, base, one.profile, schedule) for schedule in schedules}
        if status == "Accepted" and verdicts == {False}:
            return Fault("Accepted, but the car's schedule exceeds the limits of the TxProfile", "/2/status")
        if status == "Rejected" and verdicts == {True}:
            return Fault("Rejected, but the car's schedule is within the limits of the TxProfile", "/2/status")
        return None

    @rule(
        "ev-schedule.exceeds",
        call("NotifyEVChargingSchedule"),
        title="The schedule of a car exceeds the limits of its charging profile",
        severity=Severity.INFO,
        spec="OCPP 2.x K15.FR.09, K16.FR.04, K17.FR.09; OCPP 2.1 K18.FR.09",
        remedy="Check the car's schedule against the TxProfile. The CSMS rejects one that exceeds it.",
        bad=_by_version(chosen(20, status="Rejected"), chosen(20, status="Rejected", selected=1)),
        good=_by_version(chosen(16), chosen(16, selected=1)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def exceeds(self, frame: Frame) -> Faults:
        evse, told = integer(frame.payload, "evseId") or 0, member(frame.payload, "chargingSchedule")
        one, base = self._current(evse), seconds(string(frame.payload, "timeBase"))
        if one is None or one.several or base is None or self._modes.get(evse) == "DynamicControl":
            return None
        schedules = elements(one.profile, "chargingSchedule")
        if any(told.get("chargingRateUnit") != each.get("chargingRateUnit") for each in schedules):
            return None
        if {self._within(told, base, one.profile, schedule) for schedule in schedules} != {False}:
            return None
        return Fault("the car's schedule exceeds the limits of the TxProfile", "/3/chargingSchedule")

    @rule(
        "ev-schedule.no-needs",
        call("NotifyEVChargingSchedule"),
        title="The schedule of a car is reported, but its charging needs were not",
        severity=Severity.WARNING,
        spec="OCPP 2.x K15.FR.01; OCPP 2.1 K18.FR.03",
        remedy="Send NotifyEVChargingNeeds when the car gives its needs, before the schedule that it has chosen.",
        bad=_by_version(chosen(16), chosen(16, selected=1), told=False),
        good=_by_version(chosen(16), chosen(16, selected=1)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def no_needs(self, frame: Frame) -> Faults:
        evse = integer(frame.payload, "evseId") or 0
        running = self._transactions.open_on(evse)
        if evse in self._needed or not running or self._evidence.seen_since is None:
            return None
        if any(not one.known_from_start or one.connection != self._evidence.connections for one in running):
            return None
        return Fault(f"EVSE {evse} has sent no NotifyEVChargingNeeds", "/3", key=str(evse))

    @track(call("NotifyEVChargingNeeds"))
    def needed(self, frame: Frame) -> None:
        self._needed.note(integer(frame.payload, "evseId") or 0, None)

    no_renegotiation = Promise(
        "ev-schedule.no-renegotiation",
        "NotifyEVChargingSchedule",
        promised=lambda topic, frame: (
            integer(frame.request, "evseId") if frame.payload.get("status") == "Rejected" else None
        ),
        kept_by=call("SetChargingProfile", "ClearChargingProfile"),
        keeps=lambda topic, frame: integer(
            frame.payload if frame.action == "SetChargingProfile" else member(frame.payload, "chargingProfileCriteria"),
            "evseId",
        ),
        excused=lambda topic, frame: not topic._transactions.open_on(integer(frame.request, "evseId") or 0),
        text="the schedule of the car at EVSE {key} was rejected, but no SetChargingProfile came within {wait}",
        title="The CSMS rejects the schedule of a car and does not renegotiate",
        severity=Severity.WARNING,
        spec="OCPP 2.x K15.FR.13, K16.FR.08, K17.FR.13; OCPP 2.1 K18.FR.13",
        remedy="After answering Rejected, send a new TxProfile for the EVSE.",
        bad=script(started(), given(), chosen(20, status="Rejected", selected=None), "+ 5m"),
        good=script(started(), given(), chosen(20, status="Rejected", selected=None), given(), "+ 5m"),
        versions=V2X,
        side=Side.CSMS,
    )

    def _within(self, told: Payload, base: float, whole: Payload, schedule: Payload) -> bool | None:
        """Return whether a car's schedule is within a schedule of the CSMS; None if that is not known."""
        start = seconds(string(schedule, "startSchedule")) if whole.get("chargingProfileKind") == "Absolute" else None
        theirs, ours = steps(told, base), steps(schedule, start or 0.0)
        if theirs is None or ours is None:
            return None
        highest = max(step.limit for step in theirs)
        if highest > max(step.limit for step in ours) + 0.05:
            return False
        if highest <= min(step.limit for step in ours) and ours[-1].ends == _END:
            return True
        if start is None:
            return None
        if any(mine.limit + 0.05 < his.limit for mine, his in _meeting(ours, theirs)):
            return False
        return True if ours[0].begins <= theirs[0].begins and ours[-1].ends >= theirs[-1].ends else None

    def _current(self, evse: int) -> _Given | None:
        """Return the latest TxProfile of an EVSE; None if there is none or its transaction has ended."""
        one = self._given.get(evse)
        known = self._transactions.by_id.get(one.transaction) if one is not None else None
        return one if known is None or known.open else None

    @track(result("SetChargingProfile"))
    def profile_set(self, frame: Frame) -> None:
        one, evse = member(frame.request, "chargingProfile"), integer(frame.request, "evseId")
        name, number = string(one, "transactionId"), integer(one, "id")
        if frame.payload.get("status") != "Accepted" or not evse or one.get("chargingProfilePurpose") != "TxProfile":
            return
        before = self._current(evse)
        several = before is not None and before.transaction == name and (before.several or before.number != number)
        self._given.note(evse, _Given(number, name or "", one, several))

    @track(result("ClearChargingProfile"))
    def profile_cleared(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            self._given.clear()

    @track(result("NotifyEVChargingNeeds"), versions=V21)
    def needs_told(self, frame: Frame) -> None:
        evse, mode = integer(frame.request, "evseId"), string(member(frame.request, "chargingNeeds"), "controlMode")
        if evse is not None and mode is not None:
            self._modes.note(evse, mode)
        elif evse is not None:
            self._modes.pop(evse, None)

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self._given.clear()
            self._modes.clear()


def _meeting(ours: list[Step], theirs: list[Step]) -> Iterator[tuple[Step, Step]]:
    """Yield each pair of steps that overlap in time by more than a second, because times may be rounded."""
    for mine in ours:
        for his in theirs:
            if min(mine.ends, his.ends) - max(mine.begins, his.begins) > 1:
                yield mine, his
