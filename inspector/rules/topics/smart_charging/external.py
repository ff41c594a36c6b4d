"""Limits of external systems, and how a charging station reports them as charging profiles."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import OPENED, V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.topics.example_frames import cp, script
from inspector.rules.topics.smart_charging.reported import asked, reported
from inspector.rules.topics.smart_charging.sent_v2x import profile

_EXTERNAL = frozenset({"ChargingStationExternalConstraints", "LocalGeneration"})
_LOCAL = profile("LocalGeneration", number=-1)
_OUTSIDE = profile("ChargingStationExternalConstraints", number=-1)
_EMS, _EMS_GONE = asked(chargingLimitSource=["EMS"]), asked(status="NoProfiles", chargingLimitSource=["EMS"])
_CLEARED = cp("ClearedChargingLimit", {"chargingLimitSource": "EMS"})


def limited(source: str = "EMS", **more: object) -> str:
    """NotifyChargingLimit."""
    return cp("NotifyChargingLimit", {"chargingLimit": {"chargingLimitSource": source, **more}})


class ExternalLimits(Topic):
    """Rules about charging profiles of external systems."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._local = ""  # the source of local generation that was reported and has not ended
        self._seen: Known[str, int] = Known()  # by source: when its limit was last reported as a profile
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
        spec="OCPP 2.x K13.FR.02",
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
            if wanted and frame.mono_ns - when > self.settings.effect_timeout_s * 1e9:
                return Fault(
                    f"the limit of {source} is gone, but no ClearedChargingLimit came", "/2/status", key=source
                )
        return None

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

    @track(call("NotifyChargingLimit", "ClearedChargingLimit"), versions=V21)
    def told(self, frame: Frame) -> None:
        if frame.action == "ClearedChargingLimit":
            self._local = ""  # it may be this one
        elif member(frame.payload, "chargingLimit").get("isLocalGeneration") is True:
            self._local = string(member(frame.payload, "chargingLimit"), "chargingLimitSource") or ""

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self._local = ""
            self._seen.clear()
            self._wanted.clear()
