"""Whether a 2.x station keeps the schedules of its charging profiles as they were sent."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import OPENED, V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.topics.example_frames import NOW, Payload, csms, script
from inspector.rules.topics.smart_charging.profiles import ChargingProfiles
from inspector.rules.topics.smart_charging.reported import asked, reported
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent

_ROUNDING = 0.11
"""Limits have one decimal, and the station may round them."""

_LOWER = profile(period={"limit": 8.0})
_DYNAMIC = profile(kind="Dynamic", dynUpdateInterval=86400)
_REPORTED = {**_DYNAMIC, "dynUpdateTime": NOW}
_APPLIED = {**profile(kind="Dynamic", dynUpdateInterval=86400, period={"limit": 8.0}), "dynUpdateTime": NOW}
_UPDATED = csms("UpdateDynamicSchedule", {"chargingProfileId": 1, "scheduleUpdate": {"limit": 8.0}})
_NOT_CENTRAL = frozenset({"ExternalLimits", "ExternalSetpoint", "LocalFrequency", "LocalLoadBalancing", "Idle"})


class ProfileContents(Topic):
    """The rules about the schedules in reports, and what the accepted profiles say.

    Attributes:
        contents: the accepted profiles of SetChargingProfile, by id, as the CSMS sent them.
    """

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self.contents: Known[int, Payload] = Known()
        self._set: Known[int, int] = Known()  # by id: the frame that last set or updated this profile
        self._updates: Known[int, Payload] = Known()  # by id: the latest values of a Dynamic profile
        self._asked: Known[int, int] = Known()  # by requestId: the frame of this GetChargingProfiles
        self._profiles = self.station.topic(ChargingProfiles)

    @rule(
        "profile.schedule-differs",
        call("ReportChargingProfiles"),
        title="A charging profile is reported with another schedule than the CSMS sent",
        severity=Severity.WARNING,
        spec="OCPP 2.x K01.FR.05; OCPP 2.1 K01.FR.94",
        remedy="Replace the whole profile when one with its id is accepted, and report its schedule as it was sent.",
        bad=script(sent(profile()), sent(_LOWER), asked(), reported(profile())),
        good=script(sent(profile()), sent(_LOWER), asked(), reported(_LOWER)),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic.contents,
    )
    def schedule_differs(self, frame: Frame) -> Faults:
        for index, told in enumerate(elements(frame.payload, "chargingProfile")):
            number, at = integer(told, "id"), f"/3/chargingProfile/{index}/chargingSchedule"
            if number is None or number not in self._profiles.accepted or not self._after_change(frame, number):
                continue
            kept = self.contents.get(number, {})
            same = all(kept.get(name) == told.get(name) for name in ("chargingProfilePurpose", "chargingProfileKind"))
            if not same or kept.get("chargingProfileKind") == "Dynamic":
                continue
            if difference := _difference(kept, told):
                return Fault(f"profile {number} is reported with {difference}", at, key=str(number))
        return None

    @rule(
        "profile.update-not-applied",
        call("ReportChargingProfiles"),
        title="A dynamic charging profile is reported without the values of its latest update",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K28.FR.06, K28.FR.08",
        remedy="Apply the values of UpdateDynamicSchedule and PullDynamicScheduleUpdate to the profile at once.",
        bad=script(sent(_DYNAMIC), _UPDATED, asked(), reported(_REPORTED)),
        good=script(sent(_DYNAMIC), _UPDATED, asked(), reported(_APPLIED)),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._updates,
    )
    def update_not_applied(self, frame: Frame) -> Faults:
        for index, told in enumerate(elements(frame.payload, "chargingProfile")):
            number = integer(told, "id")
            wanted = self._updates.get(number if number is not None else -1)
            if wanted is None or number not in self._profiles.accepted or not self._after_change(frame, number):
                continue
            for schedule in elements(told, "chargingSchedule")[:1]:
                for period in elements(schedule, "chargingSchedulePeriod")[:1]:
                    for name in ("limit", "setpoint", "dischargingLimit"):
                        value, given = wanted.get(name), period.get(name)
                        if string(period, "operationMode") not in _NOT_CENTRAL and _differ(value, given):
                            text = f"profile {number} is reported with {name} {given}; it was updated to {value}"
                            return Fault(text, f"/3/chargingProfile/{index}/chargingSchedule/0", key=str(number))
        return None

    def _after_change(self, frame: Frame, number: int) -> bool:
        """Return whether the report was requested after the profile was last set or updated."""
        request = integer(frame.payload, "requestId")
        return self._asked.get(request if request is not None else -1, 0) > self._set.get(number, 0)

    @track(call("GetChargingProfiles"), dormant=lambda topic: not topic.contents)
    def requested(self, frame: Frame) -> None:
        number = integer(frame.payload, "requestId")
        if number is not None:
            self._asked.note(number, frame.frame_id)

    @track(result("SetChargingProfile", "RequestStartTransaction"))
    def accepted(self, frame: Frame) -> None:
        one = member(frame.request, "chargingProfile")
        number = integer(one, "id")
        if number is None or frame.payload.get("status") != "Accepted":
            return
        self._updates.pop(number, None)
        if frame.action == "RequestStartTransaction":
            self.contents.pop(number, None)
            return
        first = not self.contents
        self.contents.note(number, one)
        self._set.note(number, frame.frame_id)
        if first:
            self.station.refresh_listeners()

    @track(result("UpdateDynamicSchedule", "PullDynamicScheduleUpdate"), versions=V21)
    def updated(self, frame: Frame) -> None:
        number = integer(frame.request, "chargingProfileId")
        pulled = frame.action == "PullDynamicScheduleUpdate"
        values = member(frame.payload if pulled else frame.request, "scheduleUpdate")
        if number is None or frame.payload.get("status") != "Accepted" or not values:
            return
        first = not self._updates
        self._updates.note(number, {**self._updates.get(number, {}), **values})
        self._set.note(number, frame.frame_id)
        if first:
            self.station.refresh_listeners()

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            for known in (self.contents, self._updates, self._asked):
                known.clear()
            self.station.refresh_listeners()


def _differ(one: object, other: object) -> bool:
    return isinstance(one, int | float) and isinstance(other, int | float) and abs(one - other) > _ROUNDING


def _difference(kept: Payload, told: Payload) -> str | None:
    """Return how the schedules of a reported profile differ from the accepted ones; None if they do not."""
    mine, theirs = elements(kept, "chargingSchedule"), elements(told, "chargingSchedule")
    if not theirs or len(mine) != len(theirs):
        return f"{len(theirs)} schedules instead of {len(mine)}" if theirs else None
    for one, other in zip(mine, theirs, strict=True):
        if one.get("chargingRateUnit") != other.get("chargingRateUnit"):
            return None  # the limits may be converted
        if (lasts := integer(other, "duration")) is not None and lasts != integer(one, "duration"):
            return f"duration {lasts} instead of {one.get('duration')}"
        begins, said = seconds(string(one, "startSchedule")), seconds(string(other, "startSchedule"))
        fixed = kept.get("chargingProfileKind") == "Absolute" and one.get("useLocalTime") is not True
        if fixed and begins is not None and said is not None and abs(begins - said) > 1:
            return f"startSchedule {other['startSchedule'][:30]} instead of {one['startSchedule'][:30]}"
        periods, reported = elements(one, "chargingSchedulePeriod"), elements(other, "chargingSchedulePeriod")
        if len(periods) != len(reported):
            return f"{len(reported)} periods instead of {len(periods)}"
        for period, there in zip(periods, reported, strict=True):
            delayed = one.get("randomizedDelay")
            for name in ("limit", "setpoint") if delayed else ("startPeriod", "limit", "setpoint"):
                if _differ(period.get(name), there.get(name)):
                    return f"{name} {there[name]} instead of {period[name]}"
    return None
