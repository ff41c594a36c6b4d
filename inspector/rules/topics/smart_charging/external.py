"""Limits of external systems, and how a charging station reports them as charging profiles."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment, SessionContext
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, OPENED, V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.topics.example_frames import Payload, cp, script
from inspector.rules.topics.smart_charging.reported import asked, reported
from inspector.rules.topics.smart_charging.sent_v2x import profile

_EXTERNAL = frozenset({"ChargingStationExternalConstraints", "LocalGeneration"})
_LOCAL = profile("LocalGeneration", number=-1)
_OUTSIDE = profile("ChargingStationExternalConstraints", number=-1)
_LOWER = profile("ChargingStationExternalConstraints", number=-1, period={"limit": 8.0})
_EMS, _EMS_GONE = asked(chargingLimitSource=["EMS"]), asked(status="NoProfiles", chargingLimitSource=["EMS"])
_CLEARED = cp("ClearedChargingLimit", {"chargingLimitSource": "EMS"})


def limited(source: str = "EMS", **more: object) -> str:
    """NotifyChargingLimit."""
    return cp("NotifyChargingLimit", {"chargingLimit": {"chargingLimitSource": source, **more}})


def _reported(one: Payload) -> str:
    return reported(one, evse=0, source="EMS")


GONE_S = 20.0
"""How soon the end of an external limit must have been reported once its profile is gone."""


class ExternalLimits(Topic):
    """Rules about charging profiles of external systems."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._local = ""  # the source of local generation that was reported and has not ended
        self._seen: Known[str, int] = Known()  # by source: when its limit was last reported as a profile
        self._constants: Known[tuple[str, int], tuple[str, float]] = (
            Known()
        )  # by source and id: the limit reported last
        self._notified = 0  # how often the station has reported a limit, or that one is gone
        self._configuration = self.station.topic(ConfigurationState)
        self._wanted: Known[int, None] = Known()  # requests whose report must have LocalGeneration

    @rule(
        "profile.external-purpose",
        call("ReportChargingProfiles"),
        title="The limit of an external system is reported with a purpose of the CSMS",
        severity=Severity.WARNING,
        spec="OCPP 2.x K11.FR.06, K12.FR.05",
        remedy="Report limits of the sources EMS, SO and Other with the purpose ChargingStationExternalConstraints, or "
        "LocalGeneration in 2.1.",
        bad=script(asked(chargingLimitSource=["EMS"]), reported(profile(), source="EMS")),
        good=script(
            asked(chargingLimitSource=["EMS"]), reported(profile("ChargingStationExternalConstraints"), source="EMS")
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def external_purpose(self, frame: Frame) -> Faults:
        source = string(frame.payload, "chargingLimitSource")
        if source not in ("EMS", "SO", "Other"):
            return None
        for index, one in enumerate(elements(frame.payload, "chargingProfile")):
            purpose = string(one, "chargingProfilePurpose")
            if purpose is not None and purpose not in _EXTERNAL:
                text = f"a {purpose} is reported with the source {source}"
                return Fault(text, f"/3/chargingProfile/{index}/chargingProfilePurpose", key=purpose)
        return None

    @rule(
        "profile.generation-missing",
        result("GetChargingProfiles"),
        call("ReportChargingProfiles"),
        title="Local generation that was reported is missing among the charging profiles",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K27.FR.01, K27.FR.02",
        remedy="Report the LocalGeneration profile until ClearedChargingLimit is sent.",
        bad=script(
            limited(isLocalGeneration=True), asked(status="NoProfiles", chargingProfilePurpose="LocalGeneration")
        ),
        good=script(
            limited(isLocalGeneration=True),
            asked(chargingProfilePurpose="LocalGeneration"),
            reported(_LOCAL, evse=0, source="EMS"),
        ),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def generation_missing(self, frame: Frame) -> Faults:
        answer = frame.call is not None
        number = integer(frame.request if answer else frame.payload, "requestId")
        if number is None or not self._local:
            return None
        if answer:
            criteria = member(frame.request, "chargingProfile")
            sources = criteria.get("chargingLimitSource")
            if frame.request.get("evseId") or "stackLevel" in criteria or "chargingProfileId" in criteria:
                return None
            if criteria.get("chargingProfilePurpose") not in (None, "LocalGeneration"):
                return None
            if type(sources) is list and self._local not in sources:
                return None
            if frame.payload.get("status") == "NoProfiles":
                return Fault("NoProfiles, although local generation was reported", "/2/status")
            self._wanted.note(number, None)
            return None
        if number not in self._wanted:
            return None
        found = {one.get("chargingProfilePurpose") for one in elements(frame.payload, "chargingProfile")}
        if "LocalGeneration" in found:
            del self._wanted[number]
        elif frame.payload.get("tbc") is not True:
            del self._wanted[number]
            return Fault("local generation was reported, but no LocalGeneration profile is", "/3/chargingProfile")
        return None

    @rule(
        "profile.limit-not-cleared",
        result("GetChargingProfiles"),
        title="The limit of an external system is gone, but its end was not reported",
        severity=Severity.WARNING,
        spec="OCPP 2.x K13.FR.02, K14.FR.03",
        remedy="Send ClearedChargingLimit when an external system releases its limit.",
        bad=script(_EMS, reported(_OUTSIDE, evse=0, source="EMS"), "+ 5m", _EMS_GONE),
        good=script(_EMS, reported(_OUTSIDE, evse=0, source="EMS"), "+ 5m", _CLEARED, _EMS_GONE),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def limit_not_cleared(self, frame: Frame) -> Faults:
        criteria = member(frame.request, "chargingProfile")
        sources = criteria.get("chargingLimitSource")
        if frame.payload.get("status") != "NoProfiles" or frame.request.get("evseId") or not self._seen:
            return None
        if any(name not in ("chargingLimitSource", "chargingProfilePurpose") for name in criteria):
            return None
        if criteria.get("chargingProfilePurpose") not in (None, "ChargingStationExternalConstraints"):
            return None
        for source, when in self._seen.items():
            wanted = type(sources) is not list or source in sources
            if wanted and frame.mono_ns - when > GONE_S * 1e9:
                return Fault(
                    f"the limit of {source} is gone, but no ClearedChargingLimit came", "/2/status", key=source
                )
        return None

    @rule(
        "profile.limit-not-notified",
        DEADLINE,
        title="The limit of an external system has changed, but no NotifyChargingLimit came",
        severity=Severity.WARNING,
        spec="OCPP 2.x K11.FR.02, K12.FR.02, K14.FR.02",
        remedy="Send NotifyChargingLimit when an external limit changes by more than LimitChangeSignificance.",
        bad=script(_EMS, _reported(_OUTSIDE), "+ 5m", _EMS, _reported(_LOWER), "+ 5m"),
        good=script(_EMS, _reported(_OUTSIDE), "+ 5m", _EMS, _reported(_LOWER), limited(), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def limit_not_notified(self, moment: Moment, source: str, text: str, frame: Frame, notified: int) -> Faults:
        if self._notified != notified or self.session not in self.station.sessions:
            return None
        return Fault(f"{text} without NotifyChargingLimit", "/3/chargingProfile", frame=frame, key=source)

    @track(call("ReportChargingProfiles"))
    def changes(self, frame: Frame) -> None:
        source, told = (
            (string(frame.payload, "chargingLimitSource") or "")[:20],
            elements(frame.payload, "chargingProfile"),
        )
        least = self._configuration.variable_number("SmartChargingCtrlr", "LimitChangeSignificance")
        for one in told:
            number, now = integer(one, "id"), _constant(one)
            if number is None or now is None:
                continue
            before = self._constants.get((source, number))
            self._constants.note((source, number), now)
            if before is None or before[0] != now[0] or before[1] <= 0:
                continue
            if abs(now[1] - before[1]) / before[1] * 100 > (10 if least is None else least):
                text = f"the limit of {source} has changed from {before[1]:g} to {now[1]:g} {now[0]}"
                wait = self.settings.effect_timeout_s
                self.station.deadline(
                    frame,
                    wait,
                    self.limit_not_notified,
                    source,
                    text,
                    frame,
                    self._notified,
                    at_close=AtClose.LATE,
                )

    @track(call("ReportChargingProfiles"))
    def limits(self, frame: Frame) -> None:
        source = string(frame.payload, "chargingLimitSource")
        for one in elements(frame.payload, "chargingProfile"):
            lasting = "validTo" not in one and all("duration" not in each for each in elements(one, "chargingSchedule"))
            external = one.get("chargingProfilePurpose") == "ChargingStationExternalConstraints"
            if source is not None and external and lasting:
                self._seen.note(source[:20], frame.mono_ns)

    @track(call("ClearedChargingLimit", "NotifyChargingLimit", "BootNotification"))
    def ended(self, frame: Frame) -> None:
        self._seen.clear()
        self._constants.clear()
        self._notified += 1

    @track(call("NotifyChargingLimit", "ClearedChargingLimit"), versions=V21)
    def told(self, frame: Frame) -> None:
        if frame.action == "ClearedChargingLimit":
            self._local = ""  # it may be this one
        elif member(frame.payload, "chargingLimit").get("isLocalGeneration") is True:
            self._local = string(member(frame.payload, "chargingLimit"), "chargingLimitSource") or ""

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        self._constants.clear()  # a NotifyChargingLimit may still wait to be sent
        if not session.from_start:
            self._local = ""
            self._seen.clear()
            self._wanted.clear()


def _constant(one: Payload) -> tuple[str, float] | None:
    """Return the unit and limit of an external profile that has one limit for all time; None for others."""
    schedules = elements(one, "chargingSchedule")
    periods = elements(schedules[0], "chargingSchedulePeriod") if len(schedules) == 1 else []
    if one.get("chargingProfilePurpose") != "ChargingStationExternalConstraints" or len(periods) != 1:
        return None
    limit, unit = periods[0].get("limit"), string(schedules[0], "chargingRateUnit")
    passing = any(name in part for part in (one, schedules[0]) for name in ("validFrom", "validTo", "duration"))
    return (unit, float(limit)) if unit is not None and isinstance(limit, int | float) and not passing else None
