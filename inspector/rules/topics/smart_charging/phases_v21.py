"""Whether a 2.1 station combines the phases of its charging profiles, and reports only modes that fit a purpose."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V21, Faults, Topic, call, result, rule
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import NOW, Payload, cp, csms, script, started
from inspector.rules.topics.smart_charging.contents_v2x import ProfileContents
from inspector.rules.topics.smart_charging.profiles import ChargingProfiles
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent

_MAX, _EXTERNAL = "ChargingStationMaxProfile", "ChargingStationExternalConstraints"
_MODES = {
    _EXTERNAL: (None, "ChargingOnly", "ExternalLimits", "ExternalSetpoint"),
    "LocalGeneration": (None, "ChargingOnly", "ExternalLimits"),
}
_SINGLE = profile(_MAX, period={"numberPhases": 1})
_ON_1 = profile(_MAX, period={"numberPhases": 1, "phaseToUse": 1})
_ON_3 = profile("TxProfile", number=2, transactionId="t1", period={"numberPhases": 1, "phaseToUse": 3})
_THREE = profile("TxProfile", transactionId="t1", period={"limit_L2": 10.0, "limit_L3": 10.0})


def _composite(**period: object) -> str:
    schedule: Payload = {"evseId": 1, "duration": 600, "scheduleStart": NOW, "chargingRateUnit": "A"}
    schedule["chargingSchedulePeriod"] = [{"startPeriod": 0, "limit": 10.0, **period}]
    return csms("GetCompositeSchedule", {"duration": 600, "evseId": 1}, {"status": "Accepted", "schedule": schedule})


def _limit(mode: str) -> str:
    schedule = profile(period={"operationMode": mode})["chargingSchedule"]
    return cp("NotifyChargingLimit", {"chargingLimit": {"chargingLimitSource": "EMS"}, "chargingSchedule": schedule})


class ProfilePhases21(Topic):
    """The rules about phases in composite schedules, and about modes in reports."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._contents = self.station.topic(ProfileContents)
        self._profiles = self.station.topic(ChargingProfiles)
        self._transactions = self.station.topic(Transactions2x)

    @rule(
        "profile.reported-mode",
        call("ReportChargingProfiles", "NotifyChargingLimit"),
        title="The limit of an external system has a mode of operation that it may not have",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K01.FR.112, K01.FR.113",
        remedy="Use ChargingOnly, ExternalLimits, ExternalSetpoint or no operationMode for external constraints, and "
        "for local generation ChargingOnly, ExternalLimits or none.",
        bad=script(_limit("CentralSetpoint")),
        good=script(_limit("ExternalSetpoint")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def reported_mode(self, frame: Frame) -> Faults:
        found = elements(frame.payload, "chargingProfile")
        if frame.action == "NotifyChargingLimit":
            local = member(frame.payload, "chargingLimit").get("isLocalGeneration") is True
            found = [{**frame.payload, "chargingProfilePurpose": "LocalGeneration" if local else _EXTERNAL}]
        for one in found:
            purpose = string(one, "chargingProfilePurpose") or ""
            if purpose not in _MODES or (purpose == _EXTERNAL and frame.action == "ReportChargingProfiles"):
                continue  # another rule judges reports of external constraints
            for period in _periods(one):
                if (mode := string(period, "operationMode")) not in _MODES[purpose]:
                    return Fault(f"{purpose} with operationMode {(mode or '')[:20]}", "/3", key=purpose)
        return None

    def _sole(self, evse: int, purpose: str, base: float) -> Iterator[tuple[int, Payload]]:
        """Yield the accepted profile of a purpose that applies to an EVSE from `base` on, if no other may overrule."""
        alike = [number for number, kept in self._profiles.accepted.items() if kept.purpose == purpose]
        one = self._contents.contents.get(alike[0]) if len(alike) == 1 else None
        kept = self._profiles.accepted[alike[0]] if alike else None
        if one is None or kept is None or kept.place not in (0, evse) or "validFrom" in one or "validTo" in one:
            return
        schedules = elements(one, "chargingSchedule")
        if len(schedules) == 1 and "duration" not in schedules[0] and kept.kind in ("Absolute", "Relative"):
            begins = seconds(string(schedules[0], "startSchedule"))
            if begins is None or begins <= base + 1:
                yield alike[0], one

    def _applied(self, frame: Frame) -> Iterator[tuple[int, Payload]]:
        """Yield the profiles that decide about a composite schedule."""
        schedule, evse = member(frame.payload, "schedule"), integer(frame.request, "evseId")
        base = seconds(string(schedule, "scheduleStart"))
        if base is None or not evse or frame.payload.get("status") != "Accepted":
            return
        yield from self._sole(evse, _MAX, base)
        names = {kept.purpose for kept in self._profiles.accepted.values()}
        if "PriorityCharging" not in names:
            own = "TxProfile" in names
            if not own or self._transactions.open_on(evse):
                yield from self._sole(evse, "TxProfile" if own else "TxDefaultProfile", base)

    @rule(
        "profile.composite-phases",
        result("GetCompositeSchedule"),
        title="A composite schedule has more phases than a charging profile allows",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K01.FR.140",
        remedy="Use the lowest numberPhases of all profiles that apply.",
        bad=script(sent(_SINGLE, 0), _composite(numberPhases=3)),
        good=script(sent(_SINGLE, 0), _composite(numberPhases=1)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def composite_phases(self, frame: Frame) -> Faults:
        told = [integer(one, "numberPhases") or 0 for one in _composite_periods(frame)]
        for number, one in self._applied(frame) if any(told) else ():
            most = max((integer(period, "numberPhases") or 3 for period in _periods(one)), default=3)
            if max(told) > most:
                text = f"numberPhases is {max(told)}, but profile {number} allows {most}"
                return Fault(text, "/2/schedule/chargingSchedulePeriod", key=str(number))
        return None

    @rule(
        "profile.composite-phase-limits",
        result("GetCompositeSchedule"),
        title="A composite schedule lacks the limits of single phases",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K08.FR.09",
        remedy="Report limit_L2 and limit_L3 in the composite schedule when a profile that applies has them.",
        bad=script(started(), sent(_THREE), _composite()),
        good=script(started(), sent(_THREE), _composite(limit_L2=10.0, limit_L3=10.0)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def composite_phase_limits(self, frame: Frame) -> Faults:
        for number, one in self._applied(frame):
            periods = list(_periods(one))
            for name in ("limit_L2", "limit_L3"):
                given = bool(periods) and all(name in period for period in periods)
                if given and any(name not in period for period in _composite_periods(frame)):
                    text = f"profile {number} has {name}, but the composite schedule does not"
                    return Fault(text, "/2/schedule/chargingSchedulePeriod", key=name)
        return None

    @rule(
        "profile.phase-conflict",
        result("SetChargingProfile"),
        title="A charging profile is accepted with another phase than a profile that applies together with it",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K01.FR.141",
        remedy="Answer Rejected with the reasonCode PhaseConflict.",
        bad=script(started(), sent(_ON_1, 0), sent(_ON_3)),
        good=script(started(), sent(_ON_1, 0), sent(_ON_3, status="Rejected")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def phase_conflict(self, frame: Frame) -> Faults:
        one, evse = member(frame.request, "chargingProfile"), integer(frame.request, "evseId")
        mine = _phases(one)
        if frame.payload.get("status") != "Accepted" or len(mine) != 1 or _passing(one):
            return None
        purpose, number = one.get("chargingProfilePurpose"), integer(one, "id")
        for other, there in self._contents.contents.items():
            kept = self._profiles.accepted.get(other)
            if kept is None or other == number or (kept.purpose == _MAX) == (purpose == _MAX) or _passing(there):
                continue
            theirs = _phases(there)
            if len(theirs) == 1 and theirs != mine and (0 in (kept.place, evse) or kept.place == evse):
                text = f"profile {number} with phaseToUse {mine.pop()} is accepted, but profile {other} has "
                return Fault(f"{text}{theirs.pop()}", "/2/status", key=f"{number} {other}")
        return None


def _periods(one: Payload) -> Iterator[Payload]:
    schedules = elements(one, "chargingSchedule")
    return (period for schedule in schedules for period in elements(schedule, "chargingSchedulePeriod"))


def _composite_periods(frame: Frame) -> list[Payload]:
    return elements(member(frame.payload, "schedule"), "chargingSchedulePeriod")


def _phases(one: Payload) -> set[int]:
    """Return the values of phaseToUse if every period has one; otherwise an empty set."""
    found = [integer(period, "phaseToUse") for period in _periods(one)]
    return {phase for phase in found if phase is not None} if None not in found else set()


def _passing(one: Payload) -> bool:
    """Return whether a profile may apply for a limited time only."""
    odd = any(name in one for name in ("validFrom", "validTo"))
    return odd or any("duration" in schedule for schedule in elements(one, "chargingSchedule"))
