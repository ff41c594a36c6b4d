"""Whether composite schedules follow a charging profile that does not hold: a guess, as the station may have limits."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import BOOT_2X, Payload, script, started, status_2x
from inspector.rules.topics.smart_charging.composite import CompositeSchedules, bounds_of, composite
from inspector.rules.topics.smart_charging.ev_schedule import Step, steps
from inspector.rules.topics.smart_charging.profiles import ChargingProfiles
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent

_OWN = ("TxProfile", "TxDefaultProfile")
_HIGH = profile("TxProfile", number=2, transactionId="t1", period={"limit": 32.0})
_BEGUN = (BOOT_2X, status_2x("Available"), sent(profile()), started(), status_2x("Occupied"), sent(_HIGH))


_RATINGS = frozenset({6, 10, 13, 15, 16, 20, 25, 32, 40, 48, 50, 63, 64, 80, 125})  # usual limits of stations, in A
STEPS_LIMIT = 50
"""At most so many steps of a composite schedule are judged."""


class OverruledProfiles(Topic):
    """The rule about composite schedules that follow a profile which does not hold."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._cleared: Known[int, Payload] = Known()  # profiles that were cleared, by id
        self._priority = ""  # the transaction that uses PriorityCharging
        self._composite = self.station.topic(CompositeSchedules)
        self._profiles = self.station.topic(ChargingProfiles)
        self._transactions = self.station.topic(Transactions2x)

    @rule(
        "profile.composite-overruled",
        result("GetCompositeSchedule"),
        title="A composite schedule has the limit of a charging profile that does not hold",
        severity=Severity.WARNING,
        spec="OCPP 2.x K01.FR.17, K01.FR.30, K01.FR.37, K02.FR.04, K10.FR.05, K10.FR.07, K13.FR.01, "
        "K01.FR.11; OCPP 2.1 K21.FR.04, K22.FR.02, K28.FR.13, K28.FR.15, K29.FR.07",
        remedy="Use a profile only while it is valid, until it is cleared, and where no other overrules it: TxProfile "
        "overrules TxDefaultProfile, and PriorityCharging both.",
        bad=script(*_BEGUN, composite(16)),
        good=script(*_BEGUN, composite(32)),
        versions=V2X,
        side=Side.CHARGE_POINT,
        heuristic=True,
        dormant=lambda topic: not topic._composite.active,
    )
    def overruled(self, frame: Frame) -> Faults:
        schedule, evse = member(frame.payload, "schedule"), integer(frame.request, "evseId")
        base = seconds(string(schedule, "scheduleStart"))
        told = steps(schedule, base) if base is not None else None
        if not evse or base is None or not told or frame.payload.get("status") != "Accepted":
            return None
        unit, stacks = schedule.get("chargingRateUnit"), self._stacks(evse)
        for step in told[:STEPS_LIMIT] if stacks is not None else ():
            if fault := self._from_idle(step, unit, stacks or [], evse):
                return fault
        return None

    def _from_idle(self, step: Step, unit: object, stacks: list[list[Payload]], evse: int) -> Fault | None:
        """Return the fault of a step whose limit is that of a profile which is not in force then."""
        at = step.begins
        if any(self._at(stack, unit, at) <= step.limit + 0.1 for stack in stacks):
            return None
        for number, one in self._idle(stacks, evse, at):
            limits = {period.get("limit") for each in elements(one, "chargingSchedule") for period in _periods(each)}
            units = {each.get("chargingRateUnit") for each in elements(one, "chargingSchedule")}
            if number in self._cleared and not stacks and step.limit in _RATINGS:
                continue  # without another profile, this may be the limit of the station itself
            if units == {unit} and (limits == {step.limit} or step.limit in self._beyond(one)):
                what = f"profile {number}" if isinstance(number, int) else number[:20]
                text = f"the limit {step.limit} comes from {what}, which is not in force then"
                return Fault(text, "/2/schedule/chargingSchedulePeriod", key=str(number))
        return None

    def _stacks(self, evse: int) -> list[list[Payload]] | None:
        """Return the stacks of profiles that hold; None if it is not known which profile of a transaction does."""
        prior, accepted = self._uses_priority(evse), self._profiles.accepted
        deciding = list(self._composite.deciding(evse))
        found = [stack for what, stack in deciding if not (prior and what.startswith(_OWN))]
        for number, kept in accepted.items() if prior else ():
            if kept.purpose == "PriorityCharging":
                found.append([self._composite.contents.get(number, {})])
        has_own = any(kept.purpose in _OWN and kept.place in (0, evse) for kept in accepted.values())
        if has_own and not prior and not any(what.startswith(_OWN) for what, _ in deciding):
            return None
        return found

    def _uses_priority(self, evse: int) -> bool:
        return any(one.transaction_id == self._priority for one in self._transactions.open_on(evse))

    def _at(self, stack: list[Payload], unit: object, base: float) -> float:
        """Return the limit of a stack at a time; 0 if it is not known, infinite if no profile holds."""
        for one in stack:
            for step in bounds_of(one, unit, base):
                if step.begins <= base < step.ends:
                    return step.limit if step.limit < float("inf") else 0.0
        return float("inf")

    def _beyond(self, one: Payload) -> set[object]:
        """Return the limits of periods that begin only after the duration of their schedule."""
        return {
            period.get("limit")
            for each in elements(one, "chargingSchedule")
            for period in _periods(each)
            if (integer(period, "startPeriod") or 0) >= (integer(each, "duration") or float("inf"))
        }

    def _idle(self, stacks: list[list[Payload]], evse: int, base: float) -> Iterator[tuple[int | str, Payload]]:
        """Yield the profiles of an EVSE that do not hold at a time."""
        yield from self._cleared.items()
        if stacks:
            yield from self._composite.released.items()
        first = [next((one for one in stack if _holds(one, base)), None) for stack in stacks]
        for number, kept in self._profiles.accepted.items():
            one = self._composite.contents.get(number)
            if one is None or kept.place not in (0, evse) or any(one is each for each in first):
                continue
            if kept.purpose in _OWN or not _holds(one, base):
                yield number, one

    @track(result("ClearChargingProfile"))
    def cleared(self, frame: Frame) -> None:
        number, criteria = integer(frame.request, "chargingProfileId"), member(frame.request, "chargingProfileCriteria")
        if frame.payload.get("status") != "Accepted":
            return
        for known, one in self._composite.contents.items():
            purpose, level = criteria.get("chargingProfilePurpose"), criteria.get("stackLevel")
            by_name = known == number if number is not None else purpose == one.get("chargingProfilePurpose")
            if by_name and level in (None, one.get("stackLevel")) and not criteria.get("evseId"):
                self._cleared.note(known, one)

    @track(result("SetChargingProfile"))
    def replaced(self, frame: Frame) -> None:
        self._cleared.clear()

    @track(result("UsePriorityCharging"), call("NotifyPriorityCharging"), versions=V21)
    def priority(self, frame: Frame) -> None:
        answer = frame.call is not None
        told = frame.request if answer else frame.payload
        if not answer or frame.payload.get("status") == "Accepted":
            active = told.get("activate" if answer else "activated")
            self._priority = (string(told, "transactionId") or "") if active is True else ""


def _periods(schedule: Payload) -> list[Payload]:
    return elements(schedule, "chargingSchedulePeriod")


def _holds(one: Payload, base: float) -> bool:
    units = [each.get("chargingRateUnit") for each in elements(one, "chargingSchedule")]
    return any(step.begins <= base < step.ends for unit in units[:1] for step in bounds_of(one, unit, base))
