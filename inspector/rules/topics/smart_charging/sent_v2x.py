"""Judge the content of charging profiles that a 2.x CSMS sends, and how it selects profiles.

Only the rule about several schedules in one profile depends on earlier messages.
"""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V2X, Faults, Topic, call, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.device_model import DeviceModel
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import NOW, Payload, cp, csms, script, started
from inspector.rules.topics.smart_charging.phase_switching import switches_phases
from inspector.rules.topics.smart_charging.reading import profiles_of, schedules_of

_SET = call("SetChargingProfile")
_STARTS = call("RequestStartTransaction")


def profile(purpose: str = "TxDefaultProfile", kind: str = "Absolute", *, number: int = 1, **more: Any) -> Payload:
    """Return a profile with one schedule of one period.

    The arguments `schedule` and `period` add members to these; None in `schedule` leaves a member out.
    """
    period = {"startPeriod": 0, "limit": 16.0, **more.pop("period", {})}
    begins = {"startSchedule": NOW} if kind in ("Absolute", "Recurring") else {}
    schedule = {"id": 1, **begins, "chargingRateUnit": "A", "chargingSchedulePeriod": [period]}
    schedule = {name: value for name, value in {**schedule, **more.pop("schedule", {})}.items() if value is not None}
    told = {"id": number, "stackLevel": 0, "chargingProfilePurpose": purpose, "chargingProfileKind": kind}
    return {**told, "chargingSchedule": [schedule], **more}


def sent(one: Payload, evse: int = 1, status: str = "Accepted") -> str:
    """Return a SetChargingProfile with this profile, and its answer."""
    return csms("SetChargingProfile", {"evseId": evse, "chargingProfile": one}, {"status": status})


_TX: Payload = {"transactionId": "t1"}
_TWO = [profile()["chargingSchedule"][0], {**profile()["chargingSchedule"][0], "id": 2}]
_AC = {"energyAmount": 20, "evMinCurrent": 6, "evMaxCurrent": 32, "evMaxVoltage": 230}
_NEEDS = cp(
    "NotifyEVChargingNeeds",
    {"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": "AC_three_phase", "acChargingParameters": _AC}},
    {"status": "Accepted"},
)


class SentProfiles2x(Topic):
    """The rules about profiles that the CSMS sends."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._iso15118: set[int] = set()  # the EVSEs whose transaction uses ISO 15118
        self._configuration = self.station.topic(ConfigurationState)
        self._transactions = self.station.topic(Transactions2x)
        self._model = self.station.topic(DeviceModel)

    @rule(
        "profile.transaction-missing",
        _SET,
        title="A TxProfile does not name its transaction",
        severity=Severity.ERROR,
        spec="OCPP 2.x K01.FR.03",
        remedy="Set transactionId to the transaction that the TxProfile is for.",
        bad=script(sent(profile("TxProfile"))),
        good=script(sent(profile("TxProfile", **_TX))),
        versions=V2X,
        side=Side.CSMS,
    )
    def transaction_missing(self, frame: Frame) -> Faults:
        one = member(frame.payload, "chargingProfile")
        if one.get("chargingProfilePurpose") != "TxProfile" or "transactionId" in one:
            return None
        return Fault("a TxProfile without transactionId", "/3/chargingProfile")

    @rule(
        "profile.phase-to-use",
        _SET,
        _STARTS,
        title="A charging profile selects a phase where the station cannot use it",
        severity=Severity.ERROR,
        spec="OCPP 2.x K01.FR.19, K01.FR.20",
        remedy="Set phaseToUse only together with numberPhases 1, and only where ACPhaseSwitchingSupported is true.",
        bad=script(sent(profile(period={"numberPhases": 3, "phaseToUse": 2}))),
        good=script(sent(profile(period={"numberPhases": 1, "phaseToUse": 2}))),
        versions=V2X,
        side=Side.CSMS,
    )
    def phase_to_use(self, frame: Frame) -> Faults:
        for found in profiles_of(frame):
            for pointer, periods in schedules_of(found):
                for index, period in enumerate(periods):
                    if "phaseToUse" not in period:
                        continue
                    count, at = period.get("numberPhases"), f"{pointer}/{index}/phaseToUse"
                    if count != 1:
                        said = f"is {count}" if count is not None else "is left out, which means 3"
                        return Fault(f"phaseToUse is set, but numberPhases {said}", at)
                    if switches_phases(self, found.place) is False:
                        return Fault(f"phaseToUse is set, but EVSE {found.place} cannot switch phases", at, key="no")
        return None

    @rule(
        "profile.purpose",
        call("SetChargingProfile", "ClearChargingProfile"),
        title="The CSMS sets or clears a charging profile that belongs to an external system",
        severity=Severity.ERROR,
        spec="OCPP 2.x K01.FR.22, K10.FR.06, K02.FR.07, K03.FR.08, K14.FR.06",
        remedy="Use ChargingStationMaxProfile, TxDefaultProfile or TxProfile. External systems set "
        "ChargingStationExternalConstraints themselves.",
        bad=script(sent(profile("ChargingStationExternalConstraints"), 0)),
        good=script(sent(profile("ChargingStationMaxProfile"), 0)),
        versions=V2X,
        side=Side.CSMS,
    )
    def purpose(self, frame: Frame) -> Faults:
        name = "chargingProfile" if frame.action == "SetChargingProfile" else "chargingProfileCriteria"
        wanted = string(member(frame.payload, name), "chargingProfilePurpose")
        external = wanted == "ChargingStationExternalConstraints"
        if not external and not (wanted == "LocalGeneration" and frame.action == "ClearChargingProfile"):
            return None
        return Fault(f"the CSMS may not use the purpose {wanted}", f"/3/{name}/chargingProfilePurpose")

    @rule(
        "profile.several-schedules",
        _SET,
        title="A charging profile has several schedules although the car has not asked for them",
        severity=Severity.ERROR,
        spec="OCPP 2.x K01.FR.34",
        remedy="Send one chargingSchedule. A TxProfile may have up to three, but only after NotifyEVChargingNeeds.",
        bad=script(started(), sent(profile("TxProfile", **_TX, chargingSchedule=_TWO))),
        good=script(started(), _NEEDS, sent(profile("TxProfile", **_TX, chargingSchedule=_TWO))),
        versions=V2X,
        side=Side.CSMS,
    )
    def several_schedules(self, frame: Frame) -> Faults:
        one, place = member(frame.payload, "chargingProfile"), integer(frame.payload, "evseId")
        count = len(elements(one, "chargingSchedule"))
        if count < 2 or place in self._iso15118:
            return None
        if one.get("chargingProfilePurpose") == "TxProfile":
            known = self._transactions.by_id.get(string(one, "transactionId") or "")
            if known is None or known.started is None:
                return None  # NotifyEVChargingNeeds may have come before the capture
        text = f"{count} schedules, but no NotifyEVChargingNeeds has come from EVSE {place}"
        return Fault(text, "/3/chargingProfile/chargingSchedule", key=str(place))

    @rule(
        "profile.relative-maximum",
        _SET,
        title="The profile for the whole station is relative",
        severity=Severity.ERROR,
        spec="OCPP 2.x K01.FR.38",
        remedy="Make a ChargingStationMaxProfile Absolute or Recurring: it has no transaction to begin with.",
        bad=script(sent(profile("ChargingStationMaxProfile", "Relative"), 0)),
        good=script(sent(profile("ChargingStationMaxProfile"), 0)),
        versions=V2X,
        side=Side.CSMS,
    )
    def relative_maximum(self, frame: Frame) -> Faults:
        one = member(frame.payload, "chargingProfile")
        if one.get("chargingProfilePurpose") != "ChargingStationMaxProfile":
            return None
        if one.get("chargingProfileKind") != "Relative":
            return None
        return Fault("a ChargingStationMaxProfile of kind Relative", "/3/chargingProfile/chargingProfileKind")

    @rule(
        "profile.start-schedule",
        _SET,
        _STARTS,
        title="The start of a charging schedule does not fit the kind of its profile",
        severity=Severity.ERROR,
        spec="OCPP 2.x K01.FR.40, K01.FR.41",
        remedy="Give startSchedule for Absolute and Recurring profiles, and leave it out for Relative ones.",
        bad=script(sent(profile(schedule={"startSchedule": None}))),
        good=script(sent(profile())),
        versions=V2X,
        side=Side.CSMS,
    )
    def start_schedule(self, frame: Frame) -> Faults:
        one = member(frame.payload, "chargingProfile")
        kind = string(one, "chargingProfileKind")
        for index, schedule in enumerate(elements(one, "chargingSchedule")):
            given, at = "startSchedule" in schedule, f"/3/chargingProfile/chargingSchedule/{index}"
            if kind in ("Absolute", "Recurring") and not given:
                return Fault(f"a schedule of kind {kind} without startSchedule", at, key=kind)
            if kind == "Relative" and given:
                return Fault("a schedule of kind Relative with startSchedule", f"{at}/startSchedule")
        return None

    @rule(
        "profile.criteria",
        call("ClearChargingProfile", "GetChargingProfiles"),
        title="The CSMS does not say which charging profiles it means",
        severity=Severity.WARNING,
        spec="OCPP 2.x K10.FR.02, K09.FR.03",
        remedy="Name a profile id, or at least one criterion.",
        bad=script(csms("ClearChargingProfile", {})),
        good=script(csms("ClearChargingProfile", {"chargingProfileCriteria": {"stackLevel": 0}})),
        versions=V2X,
        side=Side.CSMS,
    )
    def criteria(self, frame: Frame) -> Faults:
        payload = frame.payload
        if frame.action == "GetChargingProfiles":
            given = member(payload, "chargingProfile")
            named = any(name in given for name in ("chargingProfileId", *_CRITERIA, "chargingLimitSource"))
        else:
            given = member(payload, "chargingProfileCriteria")
            named = "chargingProfileId" in payload or any(name in given for name in ("evseId", *_CRITERIA))
        return None if named else Fault("neither a profile id nor a criterion is given", "/3")

    @track(call("NotifyEVChargingNeeds"))
    def needs_told(self, frame: Frame) -> None:
        place = integer(frame.payload, "evseId")
        if place is not None and len(self._iso15118) < 500:
            self._iso15118.add(place)
            self.station.refresh_listeners()

    @track(call("TransactionEvent"), dormant=lambda topic: not topic._iso15118)
    def transaction_ended(self, frame: Frame) -> None:
        event = self._transactions.event
        if event is not None and event.kind == "Ended" and event.transaction.evse is not None:
            self._iso15118.discard(event.transaction.evse)


_CRITERIA = ("stackLevel", "chargingProfilePurpose")
