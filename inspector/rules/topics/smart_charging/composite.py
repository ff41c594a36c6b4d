"""Whether composite schedules keep the limits of the charging profiles that they are made of."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import OPENED, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import BOOT_2X, NOW, Payload, csms, script
from inspector.rules.topics.smart_charging.ev_schedule import Step, steps
from inspector.rules.topics.smart_charging.profiles import ChargingProfiles
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent

_MAX = "ChargingStationMaxProfile"


def composite(*limits: float, evse: int = 1, unit: str = "A") -> str:
    """GetCompositeSchedule and its answer with these limits, a minute each."""
    periods = [{"startPeriod": 60 * number, "limit": limit} for number, limit in enumerate(limits)]
    told = {"evseId": evse, "duration": 60 * len(limits), "scheduleStart": NOW, "chargingRateUnit": unit}
    asked = {"evseId": evse, "duration": 60 * len(limits)}
    answer = {"status": "Accepted", "schedule": {**told, "chargingSchedulePeriod": periods}}
    return csms("GetCompositeSchedule", asked, answer)


class CompositeSchedules(Topic):
    """The rule about the limits of composite schedules."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._contents: Known[int, Payload] = Known()  # accepted profiles, by id
        self._generation = False  # whether local generation may add to a limit
        self._profiles = self.station.topic(ChargingProfiles)
        self._transactions = self.station.topic(Transactions2x)
        self._evidence = self.station.topic(Observation)

    @rule(
        "profile.composite-limit",
        result("GetCompositeSchedule"),
        title="A composite schedule exceeds the limit of a charging profile",
        severity=Severity.WARNING,
        spec="OCPP 2.x K08.FR.04, K01.FR.04",
        remedy="Report, and charge with, the lowest limit of the valid profiles at each moment.",
        bad=script(BOOT_2X, sent(profile(_MAX), 0), composite(32)),
        good=script(BOOT_2X, sent(profile(_MAX), 0), composite(16)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def limit(self, frame: Frame) -> Faults:
        schedule, evse = member(frame.payload, "schedule"), integer(frame.request, "evseId")
        base = seconds(string(schedule, "scheduleStart"))
        if base is None or evse is None or self._generation or frame.payload.get("status") != "Accepted":
            return None
        told = steps(schedule, base)
        for number in self._deciding(evse) if told is not None else ():
            one = self._contents.get(number, {})
            bound = self._steps(one, schedule.get("chargingRateUnit"))
            for step in told or []:
                most = self._most(bound, step)
                if step.limit > most + 0.1:
                    purpose = string(one, "chargingProfilePurpose")
                    text = f"the limit {step.limit} exceeds {most}, that of the {purpose} {number}"
                    return Fault(text, "/2/schedule/chargingSchedulePeriod", key=str(number))
        return None

    def _most(self, bound: list[Step], step: Step) -> float:
        """The highest limit of a profile at the time of a step, or a little earlier or later: clocks differ."""
        skew = self.settings.clock_skew_s
        near = [one.limit for one in bound if one.begins < step.ends + skew and one.ends > step.begins - skew]
        covered = bool(near) and bound[0].begins <= step.begins + 1 and bound[-1].ends >= step.ends + skew
        return max(near) if covered else float("inf")

    def _deciding(self, evse: int) -> list[int]:
        """The profiles that no other profile of their purpose can overrule."""
        found = []
        accepted = self._profiles.accepted
        if any(kept.purpose in ("LocalGeneration", "PriorityCharging") for kept in accepted.values()):
            return []
        for number, kept in accepted.items():
            alike = [other for other, there in accepted.items() if there.purpose == kept.purpose and other != number]
            if alike:
                continue
            if kept.purpose == _MAX and kept.place == 0 and self._evidence.seen_since is not None:
                found.append(number)
            elif kept.purpose == "TxProfile" and kept.place == evse:
                known = self._transactions.by_id.get(str(kept.transaction))
                if known is not None and known.open and known.known_from_start:
                    found.append(number)
        return found

    def _steps(self, one: Payload, unit: object) -> list[Step]:
        """The limits of a profile over time; empty where it is not Absolute, or has a validity of its own."""
        schedules = elements(one, "chargingSchedule")
        if (
            one.get("chargingProfileKind") != "Absolute"
            or len(schedules) != 1
            or "validFrom" in one
            or "validTo" in one
        ):
            return []
        start = seconds(string(schedules[0], "startSchedule"))
        odd = any(name in schedules[0] for name in ("useLocalTime", "randomizedDelay", "limitAtSoC"))
        if start is None or odd or schedules[0].get("chargingRateUnit") != unit:
            return []
        return steps(schedules[0], start) or []

    @track(result("SetChargingProfile", "RequestStartTransaction"))
    def accepted(self, frame: Frame) -> None:
        one = member(frame.request, "chargingProfile")
        number = integer(one, "id")
        if number is None or frame.payload.get("status") != "Accepted":
            return
        if frame.action == "SetChargingProfile":
            self._contents.note(number, one)
        else:
            self._contents.clear()  # its place is not known, and it may overrule others

    @track(call("NotifyChargingLimit"))
    def told(self, frame: Frame) -> None:
        if member(frame.payload, "chargingLimit").get("isLocalGeneration") is True:
            self._generation = True

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self._contents.clear()
            self._generation = False
