"""Whether composite schedules keep the limits of the charging profiles that they are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import OPENED, V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import BOOT_2X, NOW, Payload, csms, script
from inspector.rules.topics.smart_charging.ev_schedule import Step, steps
from inspector.rules.topics.smart_charging.profiles import ChargingProfiles
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent

_REPEATED = ("Relative", "Recurring")
EDGES_LIMIT = 30
"""With more times at which limits change, only the highest limit during a step is compared."""
_OFFSET = re.compile(r"[+-]\d\d:\d\d")
_LENGTHS = {"Daily": 86400.0, "Weekly": 7 * 86400.0}
_MAX = "ChargingStationMaxProfile"


def composite(*limits: float, evse: int = 1, unit: str = "A") -> str:
    """GetCompositeSchedule and its answer with these limits, a minute each."""
    periods = [{"startPeriod": 60 * number, "limit": limit} for number, limit in enumerate(limits)]
    told = {"evseId": evse, "duration": 60 * len(limits), "scheduleStart": NOW, "chargingRateUnit": unit}
    asked = {"evseId": evse, "duration": 60 * len(limits)}
    answer = {"status": "Accepted", "schedule": {**told, "chargingSchedulePeriod": periods}}
    return csms("GetCompositeSchedule", asked, answer)


class CompositeSchedules(Topic):
    """The rule about the limits of composite schedules, and which profiles decide.

    Attributes:
        active: whether there was any profile or external limit.
        changed_ns: the monotonic time when a profile was last set or a limit reported.
        contents: the accepted profiles, by id; a Dynamic one as an Absolute one that begins with its latest update.
        released: the limits of external systems that have ended, by source.
    """

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self.active = False
        self.changed_ns = 0
        self.contents: Known[int, Payload] = Known()
        self.released: Known[str, Payload] = Known()
        self._generation = False  # whether local generation may add to a limit
        self._external: Known[str, tuple[int | None, Payload]] = Known()  # limits of external systems, by source
        self._pending: Known[int, Payload] = Known()  # profiles of remote starts, by remoteStartId
        self._remote: Known[str, Payload] = Known()  # profiles of remote starts, by transaction
        self._priority: Known[str, bool] = Known()  # by transaction: whether PriorityCharging is active
        self._profiles = self.station.topic(ChargingProfiles)
        self._transactions = self.station.topic(Transactions2x)
        self._evidence = self.station.topic(Observation)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "profile.composite-limit",
        result("GetCompositeSchedule"),
        title="A composite schedule exceeds the limit of a charging profile",
        severity=Severity.WARNING,
        spec="OCPP 2.x K08.FR.04, K01.FR.04, K01.FR.07, K01.FR.10, K01.FR.12, K01.FR.13, K01.FR.17, K01.FR.32, "
        "K01.FR.36, F01.FR.10, F02.FR.18, K02.FR.04, K02.FR.08, K03.FR.03, K05.FR.03, K08.FR.06, "
        "K10.FR.05, K11.FR.01, K12.FR.01; "
        "OCPP 2.1 K01.FR.90, K01.FR.92, K01.FR.102, K21.FR.07, K22.FR.04, K28.FR.06, K28.FR.08, "
        "K28.FR.13 to K28.FR.15, K29.FR.07, K29.FR.08",
        remedy="Report, and charge with, the lowest limit of the valid profiles at each moment.",
        bad=script(BOOT_2X, sent(profile(_MAX), 0), composite(32)),
        good=script(BOOT_2X, sent(profile(_MAX), 0), composite(16)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def limit(self, frame: Frame) -> Faults:
        schedule, evse = member(frame.payload, "schedule"), integer(frame.request, "evseId")
        base = seconds(string(schedule, "scheduleStart"))
        if base is None or evse is None or self._generation or frame.payload.get("status") != "Accepted":
            return None
        told, unit = steps(schedule, base), schedule.get("chargingRateUnit")
        # A schedule that begins now shows how much the clock of the station differs.
        skew = min(self.settings.clock_skew_s, abs(base - frame.ts_ns / 1e9) + 5) if self._evidence.timed else None
        for what, stack in self.deciding(evse) if told is not None else ():
            bounds = [bounds_of(one, unit, base) for one in stack]
            for step in told or []:
                most = self.least(bounds, step, skew)
                if step.limit > most + 0.1:
                    text = f"the limit {step.limit} exceeds {most}, that of the {what}"
                    return Fault(text, "/2/schedule/chargingSchedulePeriod", key=what)
        return None

    def most(self, bounds: list[list[Step]], step: Step, skew: float | None = None) -> float:
        """The highest limit of a stack of profiles at the time of a step, or a little earlier or later: clocks differ.

        At each moment the first profile decides that has a limit then. Clocks differ by at most `skew` seconds.
        """
        skew = self.settings.clock_skew_s if skew is None else skew
        begins, ends = step.begins - skew, step.ends + skew
        times = {begins, ends, *(time for bound in bounds for one in bound for time in (one.begins, one.ends))}
        within = sorted(time for time in times if begins <= time <= ends)
        most = float("-inf")
        for time, after in pairwise(within):
            middle = (time + after) / 2
            limits = (one.limit for bound in bounds for one in bound if one.begins <= middle < one.ends)
            limit = next(limits, None)
            if limit is not None:
                most = max(most, limit)
            elif after > step.begins + 1:
                return float("inf")  # no profile holds at this time
        return most if within else float("inf")

    def least(self, bounds: list[list[Step]], step: Step, skew: float | None = None) -> float:
        """The lowest of the highest limits at the moments of a step; see `most`."""
        wide = self.settings.clock_skew_s if skew is None else skew
        edges = {edge for bound in bounds for one in bound for edge in (one.begins, one.ends)}
        if len(edges) > EDGES_LIMIT:
            return self.most(bounds, step, skew)
        shifted = {edge + by for edge in edges for by in (-wide, wide)}
        times = sorted({step.begins, step.ends, *(time for time in shifted if step.begins < time < step.ends)})
        middles = [time if after == float("inf") else (time + after) / 2 for time, after in pairwise(times)]
        found = [self.most(bounds, Step(middle, middle + 0.1, 0.0), wide) for middle in middles]
        return min([*found, self.most(bounds, step, skew)])

    def deciding(self, evse: int) -> Iterator[tuple[str, list[Payload]]]:
        """Yield stacks of profiles that a composite schedule must keep, each with the name of its first profile."""
        accepted = self._profiles.accepted
        if any(kept.purpose == "LocalGeneration" for kept in accepted.values()):
            return
        for source, (place, limit) in self._external.items():
            if place in (None, 0, evse):
                yield f"limit of {source[:20]}", [limit]
        seen = self._evidence.seen_since is not None
        if seen and (stack := self._stack(_MAX, (0,))):
            yield stack
        if not evse or self._pending or not self._may_use_transaction_profiles(evse):
            return
        own = self._stack("TxProfile", (evse,))
        running = self._transactions.open_on(evse)
        for one in running:
            remote = self._remote.get(one.transaction_id)
            if remote is not None and own is None:
                own = f"TxProfile {remote.get('id')}", [remote]
        default = self._stack("TxDefaultProfile", (0, evse)) if seen else None
        if own is not None and running:
            yield own[0], [*own[1], *(default[1] if default is not None else ())]
        elif own is None and default is not None and (running or self._transactions.would_have_been_seen(None, evse)):
            yield default

    def is_for_all(self, what: str) -> bool:
        """Return whether `deciding` gives this name to an external limit of the whole station."""
        return any(not place and what == f"limit of {source[:20]}" for source, (place, _) in self._external.items())

    def _may_use_transaction_profiles(self, evse: int) -> bool:
        """Return whether the TxProfile or TxDefaultProfile decides, as far as is known, and not PriorityCharging."""
        running = self._transactions.open_on(evse)
        if not all(one.known_from_start for one in running):
            return False
        if all(kept.purpose != "PriorityCharging" for kept in self._profiles.accepted.values()):
            return True
        return bool(running) and all(self._priority.get(one.transaction_id) is False for one in running)

    def _stack(self, purpose: str, places: tuple[int, ...]) -> tuple[str, list[Payload]] | None:
        """Return the profiles of a purpose for these places, the highest stackLevel first; None if there are none."""
        found = [
            (kept.level or 0, number)
            for number, kept in self._profiles.accepted.items()
            if kept.purpose == purpose and kept.place in places
        ]
        order = [number for _, number in sorted(found, reverse=True)]
        if not order or any(number not in self.contents for number in order):
            return None
        return f"{purpose} {order[0]}", [self.contents[number] for number in order]

    @track(result("SetChargingProfile", "RequestStartTransaction"))
    def accepted(self, frame: Frame) -> None:
        one = member(frame.request, "chargingProfile")
        number = integer(one, "id")
        if number is None or frame.payload.get("status") != "Accepted":
            return
        self.changed_ns = frame.mono_ns
        if frame.action == "SetChargingProfile":
            self.contents.note(number, self._lasting(one, frame))
        else:
            self._pending.note(integer(frame.request, "remoteStartId") or 0, one)
        if not self.active or self._pending:
            self.active = True
            self.station.refresh_listeners()

    def _lasting(self, one: Payload, frame: Frame) -> Payload:
        """Return a profile; a Dynamic one as an Absolute one that begins now, for the duration of its schedule."""
        schedules = elements(one, "chargingSchedule")
        local = string(schedules[0], "startSchedule") if len(schedules) == 1 else None
        if local is not None and schedules[0].get("useLocalTime") is True:
            offset = self._configuration.variable("ClockCtrlr", "TimeOffset") or ""
            if not _OFFSET.fullmatch(offset) or self._configuration.variable("ClockCtrlr", "TimeZone"):
                return one
            plain = {**schedules[0], "startSchedule": f"{local[:19]}{offset}", "useLocalTime": False}
            return {**one, "chargingSchedule": [plain]}
        if one.get("chargingProfileKind") != "Dynamic" or len(schedules) != 1 or not self._evidence.timed:
            return one
        now = datetime.fromtimestamp(frame.ts_ns // 10**9, UTC).isoformat()
        return {**one, "chargingProfileKind": "Absolute", "chargingSchedule": [{**schedules[0], "startSchedule": now}]}

    @track(result("UpdateDynamicSchedule", "PullDynamicScheduleUpdate"), versions=V21)
    def updated(self, frame: Frame) -> None:
        number = integer(frame.request, "chargingProfileId")
        told = member(frame.payload if frame.action == "PullDynamicScheduleUpdate" else frame.request, "scheduleUpdate")
        one = self.contents.get(number) if number is not None else None
        if number is None or one is None or frame.payload.get("status") != "Accepted" or not told:
            return
        schedule = elements(one, "chargingSchedule")[:1]
        periods = [{**period, **told} for each in schedule for period in elements(each, "chargingSchedulePeriod")]
        changed = [{**each, "chargingSchedulePeriod": periods} for each in schedule]
        self.changed_ns = frame.mono_ns
        self.contents.note(
            number, self._lasting({**one, "chargingProfileKind": "Dynamic", "chargingSchedule": changed}, frame)
        )

    @track(call("TransactionEvent"), plain=False, dormant=lambda topic: not topic._pending)
    def begun(self, frame: Frame) -> None:
        info = member(frame.payload, "transactionInfo")
        one = self._pending.pop(integer(info, "remoteStartId") or -1, None)
        if one is not None:
            self._remote.note(string(info, "transactionId") or "", one)

    @track(call("NotifyChargingLimit", "ClearedChargingLimit"))
    def told(self, frame: Frame) -> None:
        limit, schedules = member(frame.payload, "chargingLimit"), elements(frame.payload, "chargingSchedule")
        self.changed_ns = frame.mono_ns
        if not self.active:
            self.active = True
            self.station.refresh_listeners()
        if limit.get("isLocalGeneration") is True:
            self._generation = True
        self._external.pop(string(limit, "chargingLimitSource") or "", None)
        self.released.clear()
        if frame.action == "ClearedChargingLimit":
            for source, (_, one) in self._external.items():
                self.released.note(source, one)
            self._external.clear()
        elif len(schedules) == 1:
            kind = "Absolute" if "startSchedule" in schedules[0] else "Relative"
            one = {"chargingProfileKind": kind, "chargingSchedule": schedules}
            if kind == "Relative" and "duration" in schedules[0]:
                one = self._lasting({**one, "chargingProfileKind": "Dynamic"}, frame)
            self._external.note(string(limit, "chargingLimitSource") or "", (integer(frame.payload, "evseId"), one))

    @track(result("UsePriorityCharging"), call("NotifyPriorityCharging"), versions=V21)
    def priority(self, frame: Frame) -> None:
        answer = frame.call is not None
        told = frame.request if answer else frame.payload
        if not answer or frame.payload.get("status") == "Accepted":
            active = told.get("activate" if answer else "activated")
            self._priority.note(string(told, "transactionId") or "", active is not False)

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        for number, one in list(self.contents.items()):
            if one.get("invalidAfterOfflineDuration") is True:
                del self.contents[number]  # it may have become invalid while the station was offline
        if not session.from_start:
            for known in (self.contents, self._external, self._pending, self._remote, self._priority):
                known.clear()
            self._generation = False


def bounds_of(one: Payload, unit: object, about: float | None = None) -> list[Step]:
    """The highest limits of a profile over time; infinite where they are not known.

    Args:
        one: the profile.
        unit: the chargingRateUnit to compare with; a schedule in another unit is not known.
        about: a time near which a recurring schedule is repeated; without it, its highest limit holds always.
    """
    unknown = [Step(float("-inf"), float("inf"), float("inf"))]
    schedules, kind = elements(one, "chargingSchedule"), one.get("chargingProfileKind")
    if len(schedules) != 1 or schedules[0].get("chargingRateUnit") != unit:
        return unknown
    schedule = schedules[0]
    start = seconds(string(schedule, "startSchedule"))
    found = steps(schedule, start or 0.0)
    odd = schedule.get("useLocalTime") is True or "limitAtSoC" in schedule
    if found is None or odd or (start is None) != (kind == "Relative") or kind not in ("Absolute", *_REPEATED):
        return unknown
    length = _LENGTHS.get(string(one, "recurrencyKind") or "")
    if kind == "Recurring" and "duration" in schedule and start is not None and length and about is not None:
        first = (about - start) // length
        times = [max(0.0, first + number) * length for number in range(-1, 3)]
        found = [Step(one.begins + time, one.ends + time, one.limit) for time in sorted({*times}) for one in found]
    elif kind in _REPEATED:
        if "duration" in schedule:
            return unknown
        most = max(step.limit for step in found)
        found = [Step(float("-inf") if start is None else start, float("inf"), most)]
    if delay := integer(schedule, "randomizedDelay"):
        found = list(_delayed(found, delay))
    begins = seconds(string(one, "validFrom")) or float("-inf")
    ends = seconds(string(one, "validTo")) or float("inf")
    clipped = [Step(max(step.begins, begins), min(step.ends, ends), step.limit) for step in found]
    return [step for step in clipped if step.begins < step.ends]


def _delayed(found: list[Step], delay: int) -> Iterator[Step]:
    """Yield the highest limits of steps of which each but the first may begin so many seconds late."""
    before = float("-inf")
    for number, step in enumerate(found):
        late = min(step.begins + delay, step.ends) if number else step.begins
        if late > step.begins:
            yield Step(step.begins, late, max(before, step.limit))
        yield Step(late, step.ends, step.limit)
        before = max(before, step.limit)
