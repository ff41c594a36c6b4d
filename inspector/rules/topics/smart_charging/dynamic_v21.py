"""Judge how an OCPP 2.1 station reports charging profiles that an external system changes or has made."""

from __future__ import annotations

import json

from inspector.protocol.frame import Frame
from inspector.rules.fields import earlier, elements, integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.topics.example_frames import BOOT_2X, NOW, Payload, cp, script, started, status_2x, variable_2x
from inspector.rules.topics.smart_charging.reported import asked, reported
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent

_LATER = "2026-01-01T12:05:00Z"
_OUTSIDE = "ChargingStationExternalConstraints"


def _dynamic(limit: float, at: str = NOW) -> str:
    period = {"limit": limit, "operationMode": "ExternalLimits"}
    return reported(profile(_OUTSIDE, "Dynamic", number=-1, period=period, dynUpdateTime=at), source="EMS", evse=0)


_ASKED = asked(chargingLimitSource=["EMS"])
_NOTIFIED = cp("NotifyChargingLimit", {"chargingLimit": {"chargingLimitSource": "EMS"}})
_BOOTED = (BOOT_2X, status_2x("Available"))


_TX = profile("TxProfile", number=4, transactionId="t1")
_KEPT = (*_BOOTED, started(), sent(_TX))
_BOOTED_AGAIN = cp(
    "BootNotification",
    {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}},
    {"status": "Accepted", "currentTime": NOW, "interval": 86400},
)


def _limited(limit: float) -> str:
    schedule = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}
    return _NOTIFIED.replace('"EMS"}', f'"EMS"}},"chargingSchedule":[{json.dumps(schedule)}]').replace("]}}", "]}")


def _persistent(value: str) -> str:
    told = variable_2x("SmartChargingCtrlr", "ChargingProfilePersistence", value)
    return told.replace(
        '"name":"ChargingProfilePersistence"', '"name":"ChargingProfilePersistence","instance":"TxProfile"'
    )


_NOT_KEPT = ("TxProfile", _OUTSIDE, "LocalGeneration")
"""Profiles with these purposes may be lost in a restart."""
_TRANSIENT, _LASTING = _persistent("false"), _persistent("true")


class DynamicProfiles21(Topic):
    """The rules about profiles of external systems."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._told: Known[int, tuple[str, str]] = Known()  # by id: dynUpdateTime and periods in the last report
        self._sources: Known[str, None] = Known()  # the sources of limits that the station has notified
        self._limits: Known[str, tuple[float, str, int]] = Known()  # by source: limit, unit and EVSE that were notified
        self._set: Known[int, None] = Known()  # profiles that the CSMS has set since the boot
        self._before: Known[int, None] = Known()  # profiles that the CSMS has set before the boot
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
            if before is not None and before[0] != at and before[1] != now and earlier(at, before[0]):
                text = f"profile {number} has other periods than in the last report, but dynUpdateTime was later then"
                faults.append(Fault(text, f"/3/chargingProfile/{index}/dynUpdateTime", key=str(number)))
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
            set_at = seconds(string(one, "dynUpdateTime"))
            if set_at is not None and not self._evidence.has_seen_since(set_at):
                continue  # it is from before the boot
            if one.get("chargingProfilePurpose") == _OUTSIDE and _external(one):
                text = f"profile {one.get('id')} has the source {source[:20]}, but no NotifyChargingLimit has named it"
                return Fault(text, f"/3/chargingProfile/{index}", key=source[:20])
        return None

    @rule(
        "profile.external-outdated",
        call("ReportChargingProfiles"),
        title="The limit of an external system's dynamic profile differs from the notified one",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K29.FR.03, K29.FR.05",
        remedy="Update the limit or the setpoint of the profile when the external system does.",
        bad=script(_limited(16), _ASKED, _dynamic(16), "+ 5m", _limited(10), _ASKED, _dynamic(16, _LATER)),
        good=script(_limited(16), _ASKED, _dynamic(16), "+ 5m", _limited(10), _ASKED, _dynamic(10, _LATER)),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._limits,
    )
    def external_outdated(self, frame: Frame) -> Faults:
        source = string(frame.payload, "chargingLimitSource") or ""
        wanted = self._limits.get(source)
        if wanted is None and source == "CSO" and len(self._limits) == 1:
            wanted = next(iter(self._limits.values()))  # a profile of the CSMS for limits of external systems
        if wanted is None or wanted[2] != integer(frame.payload, "evseId"):
            return None
        for index, one in enumerate(elements(frame.payload, "chargingProfile")):
            if one.get("chargingProfileKind") != "Dynamic" or not (_external(one) or source != "CSO"):
                continue
            schedule = (elements(one, "chargingSchedule") or [{}])[0]
            period = (elements(schedule, "chargingSchedulePeriod") or [{}])[0]
            told = period.get("limit", period.get("setpoint"))
            if schedule.get("chargingRateUnit") != wanted[1] or not isinstance(told, int | float):
                continue
            if abs(told - wanted[0]) > 0.1:
                text = f"profile {one.get('id')} has {told:g} {wanted[1]}, but {wanted[0]:g} was notified"
                return Fault(text, f"/3/chargingProfile/{index}", key=source[:20])
        return None

    @rule(
        "profile.persistence-untold",
        call("ReportChargingProfiles"),
        title="A station keeps a charging profile over a restart without saying that it does",
        severity=Severity.INFO,
        spec="OCPP 2.1 K01.FR.55",
        remedy="Report ChargingProfilePersistence as true for the purpose of the profile.",
        bad=script(*_KEPT, _BOOTED_AGAIN, _TRANSIENT, asked(chargingProfilePurpose="TxProfile"), reported(_TX)),
        good=script(*_KEPT, _BOOTED_AGAIN, _LASTING, asked(chargingProfilePurpose="TxProfile"), reported(_TX)),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._before,
    )
    def persistence_untold(self, frame: Frame) -> Faults:
        for index, one in enumerate(elements(frame.payload, "chargingProfile")):
            number, purpose = integer(one, "id"), string(one, "chargingProfilePurpose") or ""
            if (
                number is None
                or number not in self._before
                or purpose not in ("TxProfile", _OUTSIDE, "LocalGeneration")
            ):
                continue
            told = self._configuration.variable("SmartChargingCtrlr", "ChargingProfilePersistence", None, purpose)
            if (told or "").lower() == "false":
                text = f"profile {number} is from before the restart, but persistence of {purpose} is false"
                return Fault(text, f"/3/chargingProfile/{index}", key=purpose)
        return None

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        for number in self._set:
            self._before.note(number, None)
        self._set.clear()
        self._limits.clear()
        self.station.refresh_listeners()

    @track(result("SetChargingProfile"))
    def set_by_csms(self, frame: Frame) -> None:
        number = integer(member(frame.request, "chargingProfile"), "id")
        if number is not None and frame.payload.get("status") == "Accepted":
            self._set.note(number, None)
            self._before.pop(number, None)

    @track(call("NotifyChargingLimit", "ClearedChargingLimit"))
    def limited(self, frame: Frame) -> None:
        source = string(member(frame.payload, "chargingLimit"), "chargingLimitSource")
        self._limits.pop(source or string(frame.payload, "chargingLimitSource") or "", None)
        schedules = elements(frame.payload, "chargingSchedule")
        periods = elements(schedules[0], "chargingSchedulePeriod") if len(schedules) == 1 else []
        told = periods[0].get("limit", periods[0].get("setpoint")) if len(periods) == 1 else None
        unit = string(schedules[0], "chargingRateUnit") if told is not None else None
        if source is not None and unit is not None and isinstance(told, int | float):
            self._limits.note(source, (float(told), unit, integer(frame.payload, "evseId") or 0))
        self.station.refresh_listeners()

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
