"""Judge how an OCPP 2.1 station reports charging profiles that an external system changes or has made."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.topics.example_frames import BOOT_2X, NOW, Payload, cp, script, status_2x
from inspector.rules.topics.smart_charging.reported import asked, reported
from inspector.rules.topics.smart_charging.sent_v2x import profile

_LATER = "2026-01-01T12:05:00Z"
_OUTSIDE = "ChargingStationExternalConstraints"


def _dynamic(limit: float, at: str = NOW) -> str:
    period = {"limit": limit, "operationMode": "ExternalLimits"}
    return reported(profile(_OUTSIDE, "Dynamic", number=-1, period=period, dynUpdateTime=at), source="EMS", evse=0)


_ASKED = asked(chargingLimitSource=["EMS"])
_NOTIFIED = cp("NotifyChargingLimit", {"chargingLimit": {"chargingLimitSource": "EMS"}})
_BOOTED = (BOOT_2X, status_2x("Available"))


class DynamicProfiles21(Topic):
    """The rules about profiles of external systems."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._told: Known[int, tuple[str, str]] = Known()  # by id: dynUpdateTime and periods in the last report
        self._sources: Known[str, None] = Known()  # the sources of limits that the station has notified
        self._configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)

    @rule(
        "profile.update-time-unchanged",
        call("ReportChargingProfiles"),
        title="A dynamic profile has changed, but the time of its last update has not",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q05.FR.05, Q05.FR.06, Q06.FR.07",
        remedy="Set dynUpdateTime to the current time when a value of a dynamic profile changes.",
        bad=script(_NOTIFIED, _ASKED, _dynamic(16), "+ 5m", _ASKED, _dynamic(10)),
        good=script(_NOTIFIED, _ASKED, _dynamic(16), "+ 5m", _ASKED, _dynamic(10, _LATER)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def unchanged(self, frame: Frame) -> Faults:
        faults: list[Fault] = []
        for index, one in enumerate(elements(frame.payload, "chargingProfile")):
            number, at = integer(one, "id"), string(one, "dynUpdateTime")
            if number is None or at is None or one.get("chargingProfileKind") != "Dynamic":
                continue
            now = str([elements(each, "chargingSchedulePeriod") for each in elements(one, "chargingSchedule")])
            before = self._told.get(number)
            if before is not None and before[0] == at and before[1] != now:
                text = f"profile {number} has other periods than in the last report, but still dynUpdateTime {at[:40]}"
                faults.append(Fault(text, f"/3/chargingProfile/{index}/dynUpdateTime", key=str(number)))
            self._told.note(number, (at, now))
        return faults

    @rule(
        "v2x.limit-not-notified",
        call("ReportChargingProfiles"),
        title="A profile of an external system is reported, but its limit was never notified",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q06.FR.10, Q06.FR.11",
        remedy="Send NotifyChargingLimit when an external system sets a limit or a setpoint.",
        bad=script(*_BOOTED, _ASKED, _dynamic(16)),
        good=script(*_BOOTED, _NOTIFIED, _ASKED, _dynamic(16)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def not_notified(self, frame: Frame) -> Faults:
        source = string(frame.payload, "chargingLimitSource")
        if source is None or source in self._sources or self._evidence.seen_since is None or self._evidence.boots > 1:
            return None
        kept = self._configuration.variable("SmartChargingCtrlr", "ChargingProfilePersistence", None, _OUTSIDE)
        if (kept or "").lower() == "true":
            return None  # it may be from before the boot
        for index, one in enumerate(elements(frame.payload, "chargingProfile")):
            if one.get("chargingProfilePurpose") == _OUTSIDE and _external(one):
                text = f"profile {one.get('id')} has the source {source[:20]}, but no NotifyChargingLimit has named it"
                return Fault(text, f"/3/chargingProfile/{index}", key=source[:20])
        return None

    @track(call("NotifyChargingLimit"))
    def notified(self, frame: Frame) -> None:
        source = string(member(frame.payload, "chargingLimit"), "chargingLimitSource")
        if source is not None:
            self._sources.note(source, None)

    @track(result("SetChargingProfile", "UpdateDynamicSchedule", "PullDynamicScheduleUpdate"))
    def updated(self, frame: Frame) -> None:
        number = integer(frame.request, "chargingProfileId")
        if number is None:
            number = integer(member(frame.request, "chargingProfile"), "id")
        if number is not None:
            self._told.pop(number, None)


def _external(one: Payload) -> bool:
    """Whether a profile follows an external system."""
    modes = {
        string(period, "operationMode")
        for schedule in elements(one, "chargingSchedule")
        for period in elements(schedule, "chargingSchedulePeriod")
    }
    return bool(modes & {"ExternalLimits", "ExternalSetpoint"})
