"""Judge which charging profiles a 2.x station clears, and the limits of external systems that it reports."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import OPENED, V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.topics.example_frames import Payload, cp, csms, script
from inspector.rules.topics.smart_charging.profiles import ChargingProfiles
from inspector.rules.topics.smart_charging.reported import asked, reported
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent
from inspector.rules.topics.smart_charging.supported_v21 import told

_EXTERNAL = ("ChargingStationExternalConstraints", "LocalGeneration")


def cleared(status: str = "Accepted", number: int | None = 1, **criteria: object) -> str:
    """Return a ClearChargingProfile by criteria, or by id if there are none, and its answer."""
    named: Payload = {"chargingProfileCriteria": criteria} if criteria else {"chargingProfileId": number}
    return csms("ClearChargingProfile", named, {"status": status})


_OUTSIDE = profile("ChargingStationExternalConstraints", number=-1)
_REPORTED = (asked(chargingLimitSource=["EMS"]), reported(_OUTSIDE, evse=0, source="EMS"))


class ClearedProfiles(Topic):
    """The rules about ClearChargingProfile."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._gone: Known[int, None] = Known()  # ids of profiles that were cleared
        self._sent: Known[int, tuple[int | None, Payload]] = Known()  # accepted profiles, by id, with the EVSE
        self._cleared: Known[int, None] = Known()  # ids of those that the station has cleared, by its answer
        self._external: Known[int, str] = Known()  # the purpose of each profile of an external system, by profile id
        self._profiles = self.station.topic(ChargingProfiles)

    @rule(
        "profile.cleared-again",
        result("ClearChargingProfile"),
        title="A charging profile that is gone is cleared again",
        severity=Severity.ERROR,
        spec="OCPP 2.x K10.FR.01",
        remedy="Answer Unknown where no profile matches.",
        bad=script(sent(profile()), cleared(), cleared()),
        good=script(sent(profile()), cleared(), cleared("Unknown")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def cleared_again(self, frame: Frame) -> Faults:
        number = integer(frame.request, "chargingProfileId")
        if number is None or frame.payload.get("status") != "Accepted" or number not in self._gone:
            return None
        return Fault(f"profile {number} is cleared; it was cleared before", "/2/status", key=str(number))

    @rule(
        "profile.clear-external",
        result("ClearChargingProfile"),
        title="The CSMS clears the charging profile of an external system",
        severity=Severity.WARNING,
        spec="OCPP 2.x K10.FR.08, K10.FR.09",
        remedy="Answer Unknown: only the external system ends its own profiles.",
        bad=script(*_REPORTED, cleared(number=-1)),
        good=script(*_REPORTED, cleared("Unknown", number=-1)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def clear_external(self, frame: Frame) -> Faults:
        if frame.payload.get("status") != "Accepted":
            return None
        number = integer(frame.request, "chargingProfileId")
        wanted = string(member(frame.request, "chargingProfileCriteria"), "chargingProfilePurpose")
        purpose = self._external.get(number) if number is not None else wanted if wanted in _EXTERNAL else None
        if purpose is None or (
            number is None and any(one.purpose == wanted for one in self._profiles.accepted.values())
        ):
            return None
        return Fault(f"a {purpose} profile is cleared", "/2/status", key=purpose)

    @rule(
        "profile.not-cleared",
        result("ClearChargingProfile"),
        title="Accepted charging profiles that match the request are called unknown",
        severity=Severity.ERROR,
        spec="OCPP 2.x K10.FR.04",
        remedy="Clear every profile that matches all criteria of the request, and answer Accepted.",
        bad=script(sent(profile()), cleared("Unknown", stackLevel=0)),
        good=script(sent(profile()), cleared("Unknown", stackLevel=1)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_cleared(self, frame: Frame) -> Faults:
        criteria = member(frame.request, "chargingProfileCriteria")
        if frame.payload.get("status") != "Unknown" or "chargingProfileId" in frame.request:
            return None
        for number, kept in self._profiles.accepted.items():
            if kept.purpose in ("TxProfile", "LocalGeneration", None) or kept.valid_to != float("inf"):
                continue  # the station may have removed it since
            values = {"evseId": kept.place, "chargingProfilePurpose": kept.purpose, "stackLevel": kept.level}
            if criteria and all(criteria.get(name) in (None, value) for name, value in values.items()):
                text = f"Unknown, although profile {number} matches and was accepted"
                return Fault(text, "/2/status", key=str(number))
        return None

    @rule(
        "profile.still-there",
        call("ReportChargingProfiles"),
        title="A charging profile that was cleared is reported",
        severity=Severity.ERROR,
        spec="OCPP 2.x K10.FR.03, K10.FR.04",
        remedy="Remove a profile when you answer Accepted to ClearChargingProfile.",
        bad=script(sent(profile()), cleared(), asked(), reported(profile())),
        good=script(sent(profile()), cleared(), sent(profile()), asked(), reported(profile())),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._cleared,
    )
    def still_there(self, frame: Frame) -> Faults:
        for index, one in enumerate(elements(frame.payload, "chargingProfile")):
            number = integer(one, "id")
            if number is not None and number in self._cleared and one.get("chargingProfilePurpose") not in _EXTERNAL:
                text = f"profile {number} is reported, but the station has cleared it"
                return Fault(text, f"/3/chargingProfile/{index}", key=str(number))
        return None

    @track(result("ClearChargingProfile"))
    def removed(self, frame: Frame) -> None:
        if frame.payload.get("status") != "Accepted":
            return
        number, criteria = integer(frame.request, "chargingProfileId"), member(frame.request, "chargingProfileCriteria")
        for name, (place, one) in list(self._sent.items()):
            values = {"evseId": place, **one}
            chosen = name == number if number is not None else bool(criteria)
            if chosen and (number is not None or all(values.get(key) == value for key, value in criteria.items())):
                del self._sent[name]
                if not self._cleared:
                    self.station.refresh_listeners()
                self._cleared.note(name, None)

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self._cleared.clear()
            self._sent.clear()
            self._gone.clear()  # cleared profiles may have been set again before the capture

    @track(result("ClearChargingProfile"))
    def gone(self, frame: Frame) -> None:
        number = integer(frame.request, "chargingProfileId")
        if number is not None and frame.payload.get("status") in ("Accepted", "Unknown"):
            self._gone.note(number, None)
            self._external.pop(number, None)

    @track(result("SetChargingProfile", "RequestStartTransaction"))
    def accepted(self, frame: Frame) -> None:
        number = integer(member(frame.request, "chargingProfile"), "id")
        if number is not None and frame.payload.get("status") == "Accepted":
            one = member(frame.request, "chargingProfile")
            told = {name: one.get(name) for name in ("chargingProfilePurpose", "stackLevel")}
            self._sent.note(number, (integer(frame.request, "evseId"), told))
            self._cleared.pop(number, None)
            self._gone.pop(number, None)
            self._external.pop(number, None)

    @track(call("ReportChargingProfiles"))
    def listed(self, frame: Frame) -> None:
        for one in elements(frame.payload, "chargingProfile"):
            number, purpose = integer(one, "id"), string(one, "chargingProfilePurpose")
            if number is None or purpose is None:
                continue
            self._gone.pop(number, None)
            if purpose in _EXTERNAL:
                self._external.note(number, purpose)
            else:
                self._external.pop(number, None)


class ChargingLimits(Topic):
    """The rules about NotifyChargingLimit."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "profile.limit-schedules",
        call("NotifyChargingLimit"),
        title="A charging limit is reported without the schedules that the station is to report",
        severity=Severity.WARNING,
        spec="OCPP 2.x K11.FR.03, K12.FR.03; OCPP 2.1 K27.FR.04",
        remedy="Send chargingSchedule in NotifyChargingLimit while NotifyChargingLimitWithSchedules is true.",
        bad=script(
            told("NotifyChargingLimitWithSchedules", "true"),
            cp("NotifyChargingLimit", {"chargingLimit": {"chargingLimitSource": "EMS"}}),
        ),
        good=script(cp("NotifyChargingLimit", {"chargingLimit": {"chargingLimitSource": "EMS"}})),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def limit_schedules(self, frame: Frame) -> Faults:
        wanted = self._configuration.variable("SmartChargingCtrlr", "NotifyChargingLimitWithSchedules")
        if (wanted or "").lower() != "true" or elements(frame.payload, "chargingSchedule"):
            return None
        return Fault("NotifyChargingLimitWithSchedules is true, but chargingSchedule is missing", "/3")

    @rule(
        "profile.local-generation",
        call("NotifyChargingLimit"),
        title="Local generation is reported with the source of a grid limit",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K27.FR.03",
        remedy="Set chargingLimitSource to EMS or Other where isLocalGeneration is true.",
        bad=script(
            cp("NotifyChargingLimit", {"chargingLimit": {"chargingLimitSource": "SO", "isLocalGeneration": True}})
        ),
        good=script(
            cp("NotifyChargingLimit", {"chargingLimit": {"chargingLimitSource": "EMS", "isLocalGeneration": True}})
        ),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def local_generation(self, frame: Frame) -> Faults:
        limit = member(frame.payload, "chargingLimit")
        source = string(limit, "chargingLimitSource")
        if limit.get("isLocalGeneration") is not True or source in (None, "EMS", "Other", "CSO"):
            return None  # another rule reports CSO
        text = f"isLocalGeneration is true, but the source is {(source or '')[:20]}"
        return Fault(text, "/3/chargingLimit/chargingLimitSource")
