"""Judge what OCPP 2.1 adds to smart charging: dynamic profiles, priority charging, modes of operation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise, ongoing
from inspector.rules.rule import V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.topics.example_frames import BOOT_2X, cp, csms, script, started
from inspector.rules.topics.smart_charging.profiles import ChargingProfiles
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent

_LIMITS = tuple(f"{name}{phase}" for name in ("limit", "dischargeLimit") for phase in ("", "_L2", "_L3"))
_SETPOINTS = tuple(f"{name}{phase}" for name in ("setpoint", "setpointReactive") for phase in ("", "_L2", "_L3"))
_CURVE = [{"frequency": 49.8, "power": 1000}, {"frequency": 50.2, "power": -1000}]
_PRIORITY = csms("UsePriorityCharging", {"transactionId": "t1", "activate": True})


_NO_PRIORITY = csms("UsePriorityCharging", {"transactionId": "t1", "activate": False})


def _notified(activated: bool) -> str:
    return cp("NotifyPriorityCharging", {"transactionId": "t1", "activated": activated})


def _mode(mode: str, unit: str = "W", **period: Any) -> str:
    """Return a SetChargingProfile with one period that has this mode of operation."""
    told = {"startPeriod": 0, "operationMode": mode, **period}
    return sent(profile(schedule={"chargingRateUnit": unit, "chargingSchedulePeriod": [told]}))


class Profiles21(Topic):
    """The rules about dynamic profiles, priority charging and modes of operation."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._profiles = self.station.topic(ChargingProfiles)
        self._evidence = self.station.topic(Observation)
        self._priority: Known[str, None] = Known()  # the ids of transactions with active priority charging

    @rule(
        "profile.dynamic-periods",
        call("SetChargingProfile"),
        result("SetChargingProfile"),
        title="A dynamic charging profile has more than one period",
        severity=Severity.ERROR,
        spec="OCPP 2.1 K28.FR.01, K28.FR.02, K28.FR.03, K29.FR.01, K29.FR.02",
        remedy="Give a Dynamic profile one schedule with one period that starts at 0. The charging station answers "
        "Rejected to others.",
        bad=script(
            sent(profile(kind="Dynamic", schedule={"chargingSchedulePeriod": [{"startPeriod": n} for n in (0, 60)]}))
        ),
        good=script(sent(profile(kind="Dynamic"))),
        versions=V21,
    )
    def dynamic_periods(self, frame: Frame) -> Faults:
        answer = frame.call is not None
        one = member(frame.request if answer else frame.payload, "chargingProfile")
        if one.get("chargingProfileKind") != "Dynamic" or (answer and frame.payload.get("status") != "Accepted"):
            return None
        schedules = elements(one, "chargingSchedule")
        periods = [period for schedule in schedules for period in elements(schedule, "chargingSchedulePeriod")]
        if len(schedules) == 1 and len(periods) == 1 and (not answer or not integer(periods[0], "startPeriod")):
            return None
        many = f"{len(schedules)} schedules" if len(schedules) > 1 else f"{len(periods)} periods"
        if answer:
            said = "a period that does not start at 0" if len(periods) == 1 else many
            return Fault(f"a Dynamic profile with {said} is accepted", "/2/status")
        return Fault(f"a Dynamic profile with {many}; one is allowed", "/3/chargingProfile/chargingSchedule")

    @rule(
        "profile.dynamic-interval",
        result("SetChargingProfile"),
        title="A profile that is not dynamic is accepted with an update interval",
        severity=Severity.ERROR,
        spec="OCPP 2.1 K28.FR.04, K01.FR.122",
        remedy="Answer Rejected to a profile that has dynUpdateInterval or dynUpdateTime but is not Dynamic.",
        bad=script(sent(profile(dynUpdateInterval=60))),
        good=script(sent(profile(kind="Dynamic", dynUpdateInterval=60))),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def dynamic_interval(self, frame: Frame) -> Faults:
        one = member(frame.request, "chargingProfile")
        kind = string(one, "chargingProfileKind")
        given = [name for name in ("dynUpdateInterval", "dynUpdateTime") if name in one]
        if frame.payload.get("status") != "Accepted" or not given or kind in (None, "Dynamic"):
            return None
        return Fault(f"a profile of kind {kind} with {given[0]} is accepted", "/2/status")

    @rule(
        "profile.not-dynamic",
        result("UpdateDynamicSchedule", "PullDynamicScheduleUpdate"),
        title="The update of a profile that is not dynamic, or does not exist, is accepted",
        severity=Severity.ERROR,
        spec="OCPP 2.1 K28.FR.07, K28.FR.11, K28.FR.12",
        remedy="Answer Rejected where the profile is not of kind Dynamic.",
        bad=script(
            sent(profile()), csms("UpdateDynamicSchedule", {"chargingProfileId": 1, "scheduleUpdate": {"limit": 8}})
        ),
        good=script(
            sent(profile(kind="Dynamic")),
            csms("UpdateDynamicSchedule", {"chargingProfileId": 1, "scheduleUpdate": {"limit": 8}}),
        ),
        versions=V21,
    )
    def not_dynamic(self, frame: Frame) -> Faults:
        number = integer(frame.request, "chargingProfileId")
        kept = self._profiles.accepted.get(number if number is not None else -1)
        missing = frame.action == "PullDynamicScheduleUpdate" and "scheduleUpdate" not in frame.payload
        if missing and frame.payload.get("status") == "Accepted":
            return Fault("Accepted, but scheduleUpdate is missing", "/2", key="missing", severity=Severity.WARNING)
        if kept is None and number is not None and frame.payload.get("status") == "Accepted":
            return self._unknown(number)
        if frame.payload.get("status") != "Accepted" or kept is None or kept.kind in (None, "Dynamic"):
            return None
        return Fault(
            f"an update of profile {number} is accepted; its kind is {kept.kind}", "/2/status", key=str(number)
        )

    def _unknown(self, number: int) -> Fault | None:
        if self._evidence.seen_since is None:
            return None
        text = f"an update of profile {number} is accepted, but no such profile was set since the boot"
        return Fault(text, "/2/status", key=str(number), severity=Severity.INFO)  # it may be from before the boot

    @rule(
        "profile.dynamic-refused",
        result("UpdateDynamicSchedule", "PullDynamicScheduleUpdate"),
        title="The update of a dynamic profile is refused",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K28.FR.06, K28.FR.07",
        remedy="Answer Accepted for a profile of kind Dynamic that was accepted.",
        bad=script(
            sent(profile(kind="Dynamic")),
            csms(
                "UpdateDynamicSchedule",
                {"chargingProfileId": 1, "scheduleUpdate": {"limit": 8}},
                {"status": "Rejected"},
            ),
        ),
        good=script(
            sent(profile(kind="Dynamic")),
            csms("UpdateDynamicSchedule", {"chargingProfileId": 1, "scheduleUpdate": {"limit": 8}}),
        ),
        versions=V21,
    )
    def dynamic_refused(self, frame: Frame) -> Faults:
        number = integer(frame.request, "chargingProfileId")
        kept = self._profiles.accepted.get(number if number is not None else -1)
        if frame.payload.get("status") != "Rejected" or kept is None or kept.kind != "Dynamic":
            return None
        if kept.purpose == "TxProfile" or kept.valid_to != float("inf"):
            return None  # the station may have removed it since
        return Fault(f"an update of the dynamic profile {number} is rejected", "/2/status", key=str(number))

    @rule(
        "priority.no-transaction",
        result("UsePriorityCharging"),
        title="Priority charging is accepted for a transaction that does not exist",
        severity=Severity.ERROR,
        spec="OCPP 2.1 K21.FR.02",
        remedy="Answer Rejected where no such transaction is active.",
        bad=script(BOOT_2X, _PRIORITY),
        good=script(BOOT_2X, started(), _PRIORITY),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def no_transaction(self, frame: Frame) -> Faults:
        name = string(frame.request, "transactionId")
        if frame.payload.get("status") != "Accepted" or name is None or ongoing(self, name) is not False:
            return None
        return Fault(
            f"priority charging is accepted for transaction {name[:36]!r}, which is not active",
            "/2/status",
            key=name[:36],
        )

    not_notified = Promise(
        "priority.not-notified",
        "UsePriorityCharging",
        kept_by=call("NotifyPriorityCharging"),
        promised=lambda topic, frame: (
            string(frame.request, "transactionId")
            if frame.payload.get("status") == "Accepted" and frame.request.get("activate") is True
            else None
        ),
        keeps=lambda topic, frame: (
            string(frame.payload, "transactionId") if frame.payload.get("activated") is not False else None
        ),
        excused=lambda topic, frame: ongoing(topic, string(frame.request, "transactionId")) is False,
        at_close=AtClose.LATE,
        text="priority charging of {key} was accepted, but no NotifyPriorityCharging came within {wait}",
        title="Priority charging is accepted, but not reported as activated",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K21.FR.05",
        remedy="Send NotifyPriorityCharging with activated true and the transactionId once the profile applies.",
        bad=script(started(), _PRIORITY, "+ 5m"),
        good=script(started(), _PRIORITY, _notified(True), "+ 5m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )

    not_ended = Promise(
        "priority.not-ended",
        "UsePriorityCharging",
        promised=lambda topic, frame: topic.ends(frame),
        kept_by=call("NotifyPriorityCharging"),
        keeps=lambda topic, frame: (
            string(frame.payload, "transactionId") if frame.payload.get("activated") is False else None
        ),
        excused=lambda topic, frame: ongoing(topic, string(frame.request, "transactionId")) is False,
        at_close=AtClose.LATE,
        text="the end of priority charging of {key} was accepted, but no NotifyPriorityCharging came within {wait}",
        title="The end of priority charging is accepted, but not reported",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K21.FR.08",
        remedy="Send NotifyPriorityCharging with activated false and the transactionId once the profile no longer "
        "applies.",
        bad=script(started(), _PRIORITY, _notified(True), _NO_PRIORITY, "+ 5m"),
        good=script(started(), _PRIORITY, _notified(True), _NO_PRIORITY, _notified(False), "+ 5m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )

    def ends(self, frame: Frame) -> str | None:
        """Return the transaction whose priority charging this answer ends; None if it ends none."""
        name = string(frame.request, "transactionId")
        off = frame.request.get("activate") is False and frame.payload.get("status") == "Accepted"
        return name if off and name in self._priority else None

    @track(call("NotifyPriorityCharging"))
    def notified(self, frame: Frame) -> None:
        name = string(frame.payload, "transactionId")
        if name is not None and frame.payload.get("activated") is True:
            self._priority.note(name, None)
        elif name is not None:
            self._priority.pop(name, None)

    @rule(
        "profile.setpoint-limit",
        call("SetChargingProfile"),
        title="A period with a central setpoint also has limits",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q03.FR.02",
        remedy="Leave limit and dischargeLimit out of periods with operationMode CentralSetpoint.",
        bad=script(_mode("CentralSetpoint", setpoint=-2000, limit=3000)),
        good=script(_mode("CentralSetpoint", setpoint=-2000)),
        versions=V21,
        side=Side.CSMS,
    )
    def setpoint_limit(self, frame: Frame) -> Faults:
        for pointer, period, _ in _periods(frame.payload, "CentralSetpoint"):
            if named := [name for name in _LIMITS if name in period]:
                return Fault(f"operationMode is CentralSetpoint, but {named[0]} is given", f"{pointer}/{named[0]}")
        return None

    @rule(
        "profile.charging-only",
        call("SetChargingProfile"),
        title="A period has a setpoint or a limit for discharging that its operationMode does not allow",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q02.FR.02, Q03.FR.01",
        remedy="Leave dischargeLimit, setpoint and setpointReactive out of periods with operationMode ChargingOnly or "
        "none. For setpoints use CentralSetpoint.",
        bad=script(_mode("ChargingOnly", limit=3000, dischargeLimit=-3000)),
        good=script(_mode("ChargingOnly", limit=3000)),
        versions=V21,
        side=Side.CSMS,
    )
    def charging_only(self, frame: Frame) -> Faults:
        for pointer, period, _ in _periods(frame.payload, "ChargingOnly"):
            if named := [name for name in (*_LIMITS[3:], *_SETPOINTS) if name in period]:
                return Fault(f"operationMode is ChargingOnly, but {named[0]} is given", f"{pointer}/{named[0]}")
        own = member(frame.payload, "chargingProfile").get("chargingProfilePurpose") in (
            "TxProfile",
            "TxDefaultProfile",
        )
        for pointer, period, _ in _periods(frame.payload, None):
            if named := [name for name in (*(_LIMITS[3:] if own else ()), *_SETPOINTS) if name in period]:
                text = f"operationMode is left out, which means ChargingOnly, but {named[0]} is given"
                return Fault(text, f"{pointer}/{named[0]}", key="none")
        for mode in ("ExternalSetpoint", "ExternalLimits"):
            for pointer, period, _ in _periods(frame.payload, mode):
                if named := [name for name in _SETPOINTS if name in period]:
                    text = f"operationMode is {mode}, but {named[0]} is given; expected CentralSetpoint"
                    return Fault(text, f"{pointer}/{named[0]}", key=mode)
        return None

    @rule(
        "profile.frequency-curve",
        call("SetChargingProfile"),
        result("SetChargingProfile"),
        title="A period with operationMode LocalFrequency lacks its curve, or has a limit or setpoint",
        severity=Severity.ERROR,
        spec="OCPP 2.1 Q08.FR.01 to Q08.FR.05",
        remedy="For LocalFrequency give v2xBaseline and a v2xFreqWattCurve of two points or more, in W, and no limit "
        "or setpoint. The charging station answers Rejected (NoFreqWattCurve) where baseline or curve is missing.",
        bad=script(_mode("LocalFrequency", v2xBaseline=0)),
        good=script(_mode("LocalFrequency", v2xBaseline=0, v2xFreqWattCurve=_CURVE)),
        versions=V21,
    )
    def frequency_curve(self, frame: Frame) -> Faults:
        answer = frame.call is not None
        if answer and frame.payload.get("status") != "Accepted":
            return None
        for pointer, period, schedule in _periods(frame.request if answer else frame.payload, "LocalFrequency"):
            if "v2xBaseline" not in period or len(elements(period, "v2xFreqWattCurve")) < 2:
                text = "operationMode is LocalFrequency, but v2xBaseline or a curve of two points is missing"
                return Fault(f"{text}, and it is accepted", "/2/status") if answer else Fault(text, pointer)
            if named := [name for name in (*_LIMITS, *_SETPOINTS) if name in period]:
                text = f"operationMode is LocalFrequency, but {named[0]} is given"
                if answer:
                    return Fault(f"{text}, and it is accepted", "/2/status", key="limit")
                return Fault(text, f"{pointer}/{named[0]}")
            if answer:
                continue
            if schedule.get("chargingRateUnit") not in ("W", None):
                return Fault("a frequency-watt curve in a schedule whose chargingRateUnit is not W", pointer, key="W")
        return None

    @rule(
        "profile.idle-limit",
        call("SetChargingProfile"),
        result("SetChargingProfile"),
        title="A period with operationMode Idle has a limit or a setpoint",
        severity=Severity.ERROR,
        spec="OCPP 2.1 Q10.FR.01, Q10.FR.02, Q08.FR.04",
        remedy="Leave limits and setpoints out of periods with operationMode Idle. Where they are given, the charging "
        "station answers Rejected (InvalidSchedule).",
        bad=script(_mode("Idle", limit=0)),
        good=script(_mode("Idle")),
        versions=V21,
    )
    def idle_limit(self, frame: Frame) -> Faults:
        answer = frame.call is not None
        if answer and frame.payload.get("status") != "Accepted":
            return None
        for pointer, period, _ in _periods(frame.request if answer else frame.payload, "Idle"):
            if named := [name for name in (*_LIMITS, *_SETPOINTS) if name in period]:
                text = f"operationMode is Idle, but {named[0]} is given"
                return (
                    Fault(f"{text}, and it is accepted", "/2/status")
                    if answer
                    else Fault(text, f"{pointer}/{named[0]}")
                )
        return None


def _periods(payload: dict[str, Any], mode: str | None) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield each period with this mode of operation (None: without one), as (JSON pointer, period, its schedule)."""
    for number, schedule in enumerate(elements(member(payload, "chargingProfile"), "chargingSchedule")):
        for index, period in enumerate(elements(schedule, "chargingSchedulePeriod")):
            if period.get("operationMode") == mode:
                pointer = f"/3/chargingProfile/chargingSchedule/{number}/chargingSchedulePeriod/{index}"
                yield pointer, period, schedule
