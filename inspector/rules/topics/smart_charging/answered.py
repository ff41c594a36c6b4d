"""Judge how a charge point answers requests about charging profiles, and what it reports about limits and cars."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import duration
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Promise
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.example_frames import ACCEPTED, BOOT_2X, NOW, Payload, cp, csms, script, started, status_2x
from inspector.rules.topics.smart_charging.profiles import ChargingProfiles
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent

_PERIOD = [{"startPeriod": 0, "limit": 16.0}]
_UNITS = (
    '> [2,"u","NotifyReport",{"requestId":1,"generatedAt":"2026-01-01T12:00:00Z","seqNo":0,"reportData":[{"component":'
    '{"name":"SmartChargingCtrlr"},"variable":{"name":"RateUnit"},"variableAttribute":[{"value":"A"}],'
    '"variableCharacteristics":{"dataType":"MemberList","supportsMonitoring":false}}]}]\n< [3,"u",{}]\n'
)


_DC = {"requestedEnergyTransfer": "DC", "dcChargingParameters": {"evMaxCurrent": 200, "evMaxVoltage": 400}}
_NEEDS_DC = cp("NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": _DC}, {"status": "Accepted"})


def _composite(answer: dict[str, object] | None, **asked: object) -> str:
    schedule = {"evseId": 1, "duration": 60, "scheduleStart": NOW, "chargingRateUnit": "A"}
    told = {"schedule": {**schedule, "chargingSchedulePeriod": _PERIOD, **answer}} if answer is not None else {}
    return csms("GetCompositeSchedule", {"evseId": 1, "duration": 60, **asked}, {"status": "Accepted", **told})


_COMPOSITE_16 = '< [2,"g","GetCompositeSchedule",{"connectorId":1,"duration":60}]\n> [3,"g",{"status":"Accepted"%s}]'
_SCHEDULE_16 = (
    ',"connectorId":1,"scheduleStart":"2026-01-01T12:00:00Z","chargingSchedule":{"chargingRateUnit":"A",'
    '"chargingSchedulePeriod":[{"startPeriod":0,"limit":16.0}]}'
)
_SET_16 = (
    '< [2,"p","SetChargingProfile",{"connectorId":1,"csChargingProfiles":{"chargingProfileId":1,"stackLevel":0,'
    '"chargingProfilePurpose":"TxDefaultProfile","chargingProfileKind":"Relative","chargingSchedule":{'
    '"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":16.0}]}}}]\n'
    '> [3,"p",{"status":"Accepted"}]\n'
)
_CLEAR_16 = '< [2,"c","ClearChargingProfile",{"id":1}]\n> [3,"c",{"status":"%s"}]'


_FOR_EVSE = {"GetCompositeSchedule": "a composite schedule", "SetDefaultTariff": "a tariff"}


class ProfileAnswers(Topic):
    """The rules about the charge point's answers and reports."""

    scope = "station"

    def setup(self) -> None:
        self._profiles = self.station.topic(ChargingProfiles)
        self._configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)

    @rule(
        "profile.composite",
        result("GetCompositeSchedule"),
        title="The composite schedule is missing, or is not the one that was requested",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §5.7 and §6.22; OCPP 2.x K08.FR.02, K08.FR.03",
        remedy="Answer Accepted with the schedule of the requested connector or EVSE, in the requested unit.",
        bad={"1.6": _COMPOSITE_16 % "", "2x": script(_composite(None))},
        good={"1.6": _COMPOSITE_16 % _SCHEDULE_16, "2x": script(_composite({}))},
        side=Side.CHARGE_POINT,
    )
    def composite(self, frame: Frame) -> Faults:
        if frame.payload.get("status") != "Accepted":
            return None
        old = self.session.version is OcppVersion.V16
        name, place = ("chargingSchedule", "connectorId") if old else ("schedule", "evseId")
        schedule = member(frame.payload, name)
        if not schedule:
            return Fault(f"the status is Accepted, but {name} is missing", "/2")
        told, asked = integer(frame.payload if old else schedule, place), integer(frame.request, place)
        if told is not None and asked is not None and told != asked:
            at = f"/2/{place}" if old else f"/2/{name}/{place}"
            return Fault(f"a schedule for {place} {told}; {asked} was requested", at, key="place")
        unit, wanted = string(schedule, "chargingRateUnit"), string(frame.request, "chargingRateUnit")
        if unit is not None and wanted is not None and unit != wanted:
            text = f"a schedule in {unit[:9]}; {wanted[:9]} was requested"
            return Fault(text, f"/2/{name}/chargingRateUnit", key="unit")
        return None if old else self._time(frame, schedule)

    def _time(self, frame: Frame, schedule: Payload) -> Fault | None:
        """Return the fault of a schedule that does not begin now, or is longer or shorter than was requested."""
        lasts, wanted = integer(schedule, "duration"), integer(frame.request, "duration")
        begins = seconds(string(schedule, "scheduleStart"))
        if lasts is not None and wanted is not None and lasts != wanted:
            severity = Severity.WARNING if lasts > wanted + 1 else Severity.INFO
            text = f"a schedule of {lasts} s; {wanted} s were requested"
            return Fault(text, "/2/schedule/duration", key="duration", severity=severity)
        off = abs(begins - frame.ts_ns / 1e9) if begins is not None and self._evidence.timed else 0.0
        if off > self.settings.clock_skew_s + self._evidence.skew_s:
            text = f"the schedule begins {duration(off)} from the time of the request"
            return Fault(text, "/2/schedule/scheduleStart", key="start", severity=Severity.WARNING)
        return None

    @rule(
        "profile.rate-unit",
        result("GetCompositeSchedule", "SetChargingProfile"),
        title="A schedule is accepted in a unit that the station does not support",
        severity=Severity.WARNING,
        spec="OCPP 2.x K01.FR.26, K08.FR.07",
        remedy="Answer Rejected when SmartChargingCtrlr.RateUnit does not list the unit.",
        bad=script(_UNITS, _composite({"chargingRateUnit": "W"}, chargingRateUnit="W")),
        good=script(_UNITS, _composite({}, chargingRateUnit="A")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def rate_unit(self, frame: Frame) -> Faults:
        listed = self._rate_units()
        if frame.payload.get("status") != "Accepted" or not listed:
            return None
        schedules = elements(member(frame.request, "chargingProfile"), "chargingSchedule")
        for wanted in [string(one, "chargingRateUnit") for one in (frame.request, *schedules)]:
            if wanted is not None and wanted not in listed:
                text = f"Accepted for the unit {wanted[:9]}; the station supports {', '.join(listed)}"
                return Fault(text, "/2/status")
        return None

    def _rate_units(self) -> list[str]:
        told = self._configuration.variable("SmartChargingCtrlr", "RateUnit")
        return [unit.strip() for unit in (told or "").split(",") if unit.strip() in ("A", "W")]

    @rule(
        "profile.unknown-evse",
        DEADLINE,
        title="A charging profile, schedule or tariff is accepted for an EVSE that does not exist",
        severity=Severity.ERROR,
        spec="OCPP 2.x K01.FR.28, K08.FR.05; OCPP 2.1 I07.FR.06",
        remedy="Answer Rejected where the station has no EVSE with this number.",
        bad=script(BOOT_2X, status_2x("Available"), sent(profile(), 9), "+ 5m"),
        good=script(BOOT_2X, status_2x("Available"), sent(profile()), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unknown_evse(self, moment: Moment, place: int, frame: Frame) -> Faults:
        known = {evse for evse, _ in self.station.topic(Evses2x).connectors}
        known |= {one.evse for one in self.station.topic(Transactions2x).by_id.values() if one.evse is not None}
        if not known or place <= max(known) or self._evidence.seen_since is None:
            return None
        what = _FOR_EVSE.get(frame.action or "", "a profile")
        text = f"{what} for EVSE {place} is accepted; the highest EVSE that the station has reported is {max(known)}"
        return Fault(text, "/2/status", frame=frame, key=str(place))

    @track(result("SetChargingProfile", *_FOR_EVSE), versions=V2X)
    def profile_set(self, frame: Frame) -> None:
        place = integer(frame.request, "evseId")
        if place and frame.payload.get("status") == "Accepted" and self._evidence.seen_since is not None:
            wait = self.settings.status_after_boot_s  # the time in which every EVSE must report its status
            self.station.deadline(frame, wait, self.unknown_evse, place, frame, at_close=AtClose.JUDGED)

    @rule(
        "profile.clear-unknown",
        result("ClearChargingProfile"),
        title="A charging profile that the charge point has accepted is called unknown",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §5.4 and §6.10; OCPP 2.x K10.FR.03",
        remedy="Remove the profile with the requested id and answer Accepted.",
        bad={
            "1.6": _SET_16 + _CLEAR_16 % "Unknown",
            "2x": script(
                sent(profile()), csms("ClearChargingProfile", {"chargingProfileId": 1}, {"status": "Unknown"})
            ),
        },
        good={
            "1.6": _SET_16 + _CLEAR_16 % "Accepted",
            "2x": script(sent(profile()), csms("ClearChargingProfile", {"chargingProfileId": 1})),
        },
        side=Side.CHARGE_POINT,
    )
    def clear_unknown(self, frame: Frame) -> Faults:
        number = integer(frame.request, "id" if self.session.version is OcppVersion.V16 else "chargingProfileId")
        kept = self._profiles.accepted.get(number if number is not None else -1)
        if frame.payload.get("status") != "Unknown" or kept is None or kept.purpose == "TxProfile":
            return None
        if kept.valid_to != float("inf"):
            return None  # the profile may have expired
        return Fault(f"profile {number} is called unknown, though it was accepted", "/2/status", key=str(number))

    @rule(
        "profile.duplicate-default",
        result("SetChargingProfile"),
        title="TxDefaultProfiles of the same stack level are accepted for EVSE 0 and for another EVSE",
        severity=Severity.ERROR,
        spec="OCPP 2.x K01.FR.52, K01.FR.53",
        remedy="Answer Rejected (DuplicateProfile) to the second of two such profiles.",
        bad=script(sent(profile(), 0), sent(profile(number=2), 1)),
        good=script(sent(profile(), 0), sent(profile(number=2), 1, "Rejected")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def duplicate_default(self, frame: Frame) -> Faults:
        one, place = member(frame.request, "chargingProfile"), integer(frame.request, "evseId")
        if frame.payload.get("status") != "Accepted" or one.get("chargingProfilePurpose") != "TxDefaultProfile":
            return None
        number, level = integer(one, "id"), integer(one, "stackLevel")
        for other, kept in self._profiles.accepted.items():
            same = kept.purpose == "TxDefaultProfile" and kept.level == level and other != number
            if same and place is not None and kept.place is not None and (kept.place == 0) != (place == 0):
                text = f"profile {number} for EVSE {place} is accepted, although profile {other} for EVSE {kept.place}"
                return Fault(f"{text} has the same stack level {level}", "/2/status", key=f"{number} {other}")
        return None

    not_sent = Promise(
        "profile.not-sent",
        "NotifyEVChargingNeeds",
        promised=lambda topic, frame: (
            integer(frame.request, "evseId") if frame.payload.get("status") == "Accepted" else None
        ),
        kept_by=call("SetChargingProfile"),
        keeps=lambda topic, frame: (
            integer(frame.payload, "evseId")
            if member(frame.payload, "chargingProfile").get("chargingProfilePurpose") == "TxProfile"
            else None
        ),
        text="the charging needs of EVSE {key} were accepted, but no TxProfile came within {wait}",
        title="Accepted charging needs are not followed by a charging profile",
        severity=Severity.WARNING,
        spec="OCPP 2.x K15.FR.03, K15.FR.07, K16.FR.12, K17.FR.07; OCPP 2.1 K17.FR.19, K18.FR.07, K19.FR.07, K20.FR.03",
        remedy="Send a TxProfile for the EVSE after answering Accepted, or answer Rejected.",
        bad=script(_NEEDS_DC, "+ 5m"),
        good=script(started(), _NEEDS_DC, sent(profile("TxProfile", transactionId="t1")), "+ 5m"),
        versions=V2X,
        side=Side.CSMS,
    )

    @rule(
        "profile.limit-source",
        call("NotifyChargingLimit"),
        title="A charging limit from an external system is reported with the source CSO",
        severity=Severity.WARNING,
        spec="OCPP 2.x K11.FR.05, K12.FR.04",
        remedy="Name the external system in chargingLimitSource: EMS, SO or Other.",
        bad=script(cp("NotifyChargingLimit", {"chargingLimit": {"chargingLimitSource": "CSO"}})),
        good=script(cp("NotifyChargingLimit", {"chargingLimit": {"chargingLimitSource": "EMS"}})),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def limit_source(self, frame: Frame) -> Faults:
        source = string(member(frame.payload, "chargingLimit"), "chargingLimitSource")
        if source is None or source.upper() != "CSO":
            return None
        return Fault(f"chargingLimitSource is {source}", "/3/chargingLimit/chargingLimitSource")

    @rule(
        "profile.charging-needs",
        call("NotifyEVChargingNeeds"),
        title="The charging needs of a car have no parameters for AC or DC, or both",
        severity=Severity.ERROR,
        spec="OCPP 2.x K15.FR.06, K17.FR.06",
        remedy="Send acChargingParameters for AC charging, dcChargingParameters for DC charging.",
        bad=script(
            cp("NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": "DC"}}, ACCEPTED)
        ),
        good=script(_NEEDS_DC),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def charging_needs(self, frame: Frame) -> Faults:
        needs = member(frame.payload, "chargingNeeds")
        given = [name for name in ("acChargingParameters", "dcChargingParameters") if name in needs]
        if not needs or len(given) == 1 or (not given and "v2xChargingParameters" in needs):
            return None
        text = "acChargingParameters and dcChargingParameters are both given" if given else "no charging parameters"
        return Fault(text, "/3/chargingNeeds", key=str(len(given)))
