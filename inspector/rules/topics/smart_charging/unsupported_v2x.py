"""Judge what a 2.x station does with charging profiles that it cannot use: ignore the profile, or refuse it."""

from __future__ import annotations

from typing import NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import NOW, Payload, csms, script, variable_2x
from inspector.rules.topics.smart_charging.phase_switching import switches_phases
from inspector.rules.topics.smart_charging.reading import profiles_in, schedules_of
from inspector.rules.topics.smart_charging.reported import asked, reported
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent

_TX = profile("TxProfile", "Relative")
_TOKEN = {"idToken": "T", "type": "Central"}
_START = csms("RequestStartTransaction", {"evseId": 1, "remoteStartId": 1, "idToken": _TOKEN, "chargingProfile": _TX})
_ASKED = asked(chargingProfilePurpose="TxProfile")
_NO_SWITCH = variable_2x("EVSE", "ACPhaseSwitchingSupported", "false").replace(
    '"name":"EVSE"', '"name":"EVSE","evse":{"id":1}'
)
_ON_PHASE_2 = profile(period={"numberPhases": 1, "phaseToUse": 2})


def _composite(phase: int) -> str:
    period = {"startPeriod": 0, "limit": 16.0, "numberPhases": 1, "phaseToUse": phase}
    schedule: Payload = {"evseId": 1, "duration": 600, "scheduleStart": NOW, "chargingRateUnit": "A"}
    told = {"status": "Accepted", "schedule": {**schedule, "chargingSchedulePeriod": [period]}}
    return csms("GetCompositeSchedule", {"duration": 600, "evseId": 1}, told)


PROOF_S = 60.0
"""How long a station has to show that it uses the phase of a profile."""
_FLOWS = ("Current.Import", "Power.Active.Import")


class _OnPhase(NamedTuple):
    """An accepted profile that selects a phase, on an EVSE that cannot switch phases."""

    number: int
    phase: int
    answer: Frame


class UnusableProfiles2x(Topic):
    """The rules about charging profiles that a station cannot use."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._unusable: Known[int, None] = (
            Known()
        )  # ids of profiles in remote starts of stations without smart charging
        self._phases: Known[int, _OnPhase] = Known()  # by EVSE
        self._shown: Known[int, int] = Known()  # by EVSE: the phase that it has shown to use
        self._transactions = self.station.topic(Transactions2x)
        self._configuration = self.station.topic(ConfigurationState)

    def _without_smart_charging(self) -> bool:
        return any(
            (self._configuration.variable("SmartChargingCtrlr", name) or "").lower() == "false"
            for name in ("Enabled", "Available")
        )

    @track(result("RequestStartTransaction"))
    def started(self, frame: Frame) -> None:
        number = integer(member(frame.request, "chargingProfile"), "id")
        if number is not None and self._without_smart_charging():
            self._unusable.note(number, None)

    @rule(
        "profile.not-ignored",
        call("ReportChargingProfiles"),
        title="A station without smart charging keeps the charging profile of a remote start",
        severity=Severity.WARNING,
        spec="OCPP 2.x F01.FR.12, F02.FR.20, K05.FR.04",
        remedy="Ignore the chargingProfile of RequestStartTransaction while SmartChargingCtrlr.Enabled is false.",
        bad=script(variable_2x("SmartChargingCtrlr", "Enabled", "false"), _START, _ASKED, reported(_TX)),
        good=script(variable_2x("SmartChargingCtrlr", "Enabled", "true"), _START, _ASKED, reported(_TX)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_ignored(self, frame: Frame) -> Faults:
        for index, one in enumerate(elements(frame.payload, "chargingProfile")):
            number = integer(one, "id")
            if number in self._unusable and one.get("chargingProfilePurpose") == "TxProfile":
                if not self._without_smart_charging():
                    return None
                text = f"profile {number} of a remote start is kept, but the station has no smart charging"
                return Fault(text, f"/3/chargingProfile/{index}", key=str(number))
        return None

    @rule(
        "profile.phase-not-rejected",
        result("GetCompositeSchedule"),
        title="A charging profile is accepted, but its phase is not used",
        severity=Severity.WARNING,
        spec="OCPP 2.x K01.FR.48",
        remedy="Reject a profile whose phaseToUse the EVSE will not use.",
        bad=script(_NO_SWITCH, sent(_ON_PHASE_2), _composite(1)),
        good=script(_NO_SWITCH, sent(_ON_PHASE_2), _composite(2)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def phase_not_rejected(self, frame: Frame) -> Faults:
        place = integer(frame.request, "evseId") or 0
        known = self._phases.get(place)
        if known is None:
            return None
        for period in elements(member(frame.payload, "schedule"), "chargingSchedulePeriod"):
            used = integer(period, "phaseToUse")
            if used == known.phase:
                self._shown.note(place, used)
            if used is not None and used != known.phase and period.get("numberPhases") == 1:
                text = f"profile {known.number} with phaseToUse {known.phase} is accepted, but phase {used} is used"
                return Fault(text, "/2/status", frame=known.answer, key=str(known.number))
        return None

    @rule(
        "profile.phase-accepted",
        DEADLINE,
        title="A charging profile that selects a phase is accepted for an EVSE that cannot switch phases",
        severity=Severity.WARNING,
        spec="OCPP 2.x K01.FR.48",
        remedy="Reject a profile with phaseToUse unless the EVSE will use this phase.",
        bad=script(_NO_SWITCH, sent(_ON_PHASE_2), "+ 5m"),
        good=script(_NO_SWITCH, sent(_ON_PHASE_2), _composite(2), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def phase_accepted(self, moment: Moment, place: int, known: _OnPhase) -> Faults:
        if self._phases.get(place) is not known or self._shown.get(place) == known.phase:
            return None
        text = (
            f"profile {known.number} with phaseToUse {known.phase} is accepted, but EVSE {place} cannot switch phases"
        )
        return Fault(text, "/2/status", frame=known.answer, key=str(known.number))

    @track(call("MeterValues", "TransactionEvent"), dormant=lambda topic: not topic._phases)
    def metered(self, frame: Frame) -> None:
        if not self._phases or "meterValue" not in frame.payload:
            return
        event = self._transactions.event
        place = integer(frame.payload, "evseId") if frame.action == "MeterValues" else event and event.transaction.evse
        known = self._phases.get(place or 0)
        for value in elements(frame.payload, "meterValue") if known is not None else ():
            for one in elements(value, "sampledValue"):
                number, phase = one.get("value"), str(one.get("phase"))[:2]
                flows = isinstance(number, int | float) and number > 1 and one.get("measurand") in _FLOWS
                if known is not None and flows and phase == f"L{known.phase}":
                    self._shown.note(place or 0, known.phase)

    @track(result("SetChargingProfile", "ClearChargingProfile"))
    def set(self, frame: Frame) -> None:
        if frame.payload.get("status") != "Accepted":
            return
        if frame.action == "ClearChargingProfile":
            self._phases.clear()
            return
        for found in profiles_in(frame.request):
            place = found.place or 0
            phases = {integer(one, "phaseToUse") for _, periods in schedules_of(found) for one in periods}
            self._phases.pop(place, None)  # the profile may select another phase
            if not place:
                self._phases.clear()
            begins = [seconds(string(one, "startSchedule")) for one in elements(found.profile, "chargingSchedule")]
            late = any(each is not None and each > frame.ts_ns / 1e9 + 1 for each in begins)
            phase = phases.pop() if len(phases) == 1 else None
            if phase is None or late or "validFrom" in found.profile or switches_phases(self, place) is not False:
                continue
            known = _OnPhase(integer(found.profile, "id") or 0, phase, frame)
            if not self._phases:
                self.station.refresh_listeners()
            self._shown.pop(place, None)
            self._phases.note(place, known)
            if place:
                self.station.deadline(frame, PROOF_S, self.phase_accepted, place, known, at_close=AtClose.JUDGED)
