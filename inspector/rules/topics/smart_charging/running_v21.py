"""Judge what a 2.1 station does while profiles run: it pulls updates, reports modes, and allows priority charging."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.durations import duration
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import ABSENT, Fault, Severity, Side
from inspector.rules.kit import Known, ongoing
from inspector.rules.rule import DEADLINE, OPENED, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import BOOT_2X, cp, csms, script, started, status_2x, transaction_event
from inspector.rules.topics.smart_charging.profiles import ChargingProfiles
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent

LONGEST_S = 86400.0
"""There is no deadline for a change of mode that is more than so many seconds (a day) away."""
CHANGES_LIMIT = 20
_DYNAMIC = profile("ChargingStationMaxProfile", "Dynamic", dynUpdateInterval=60)

_BEGUN = (BOOT_2X, status_2x("Available"), started(), status_2x("Occupied"))


def pulled(number: int = 1) -> str:
    """Return a PullDynamicScheduleUpdate and its answer."""
    return cp(
        "PullDynamicScheduleUpdate",
        {"chargingProfileId": number},
        {"status": "Accepted", "scheduleUpdate": {"limit": 8}},
    )


def modes(*named: str) -> str:
    """Return a SetChargingProfile with a TxProfile of transaction "t1" that has these modes, a minute each."""
    periods = [{"startPeriod": 60 * number, "operationMode": mode} for number, mode in enumerate(named)]
    one = profile(
        "TxProfile", transactionId="t1", schedule={"chargingRateUnit": "W", "chargingSchedulePeriod": periods}
    )
    return sent(one)


def used(status: str, activate: bool = True) -> str:
    """Return a UsePriorityCharging for transaction "t1", and its answer."""
    return csms("UsePriorityCharging", {"transactionId": "t1", "activate": activate}, {"status": status})


def _changed(mode: str | None) -> str:
    return transaction_event("Updated", "OperationModeChanged", 1, {"operationMode": mode} if mode else {})


def _notified(activated: bool = True) -> str:
    return cp("NotifyPriorityCharging", {"transactionId": "t1", "activated": activated})


_NONE = csms(
    "GetChargingProfiles",
    {"requestId": 1, "chargingProfile": {"chargingProfilePurpose": "PriorityCharging"}},
    {"status": "NoProfiles"},
)


class RunningProfiles21(Topic):
    """The rules about running profiles."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._none = False  # whether the station has said that it has no profile for priority charging
        self._updated: Known[int, int] = Known()  # by profile id: the frame that last set or updated it, if Dynamic
        self._intervals: Known[int, int] = Known()  # by profile id: seconds between the updates, if it is Dynamic
        self._modes: Known[str, dict[str, int]] = Known()  # by transaction: when each mode was last reported
        self._latest: Known[str, str] = Known()  # by transaction: the last reported mode
        self._profiles = self.station.topic(ChargingProfiles)
        self._transactions = self.station.topic(Transactions2x)
        self._evidence = self.station.topic(Observation)

    @rule(
        "profile.not-pulled",
        DEADLINE,
        title="The station does not request the updates of a dynamic profile",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K28.FR.10",
        remedy="Send PullDynamicScheduleUpdate when dynUpdateInterval has passed since the last update.",
        bad=script(sent(_DYNAMIC, 0), "+ 10m"),
        good=script(sent(_DYNAMIC, 0), "+ 1m", pulled(), "+ 2m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def not_pulled(self, moment: Moment, number: int, interval: int, frame: Frame, connections: int) -> Faults:
        kept = self._profiles.accepted.get(number)
        if self._updated.get(number) != frame.frame_id or kept is None or kept.kind != "Dynamic":
            return None
        if self._evidence.connections != connections or self.session not in self.station.sessions:
            return None
        if kept.purpose in ("TxProfile", "TxDefaultProfile", "PriorityCharging"):
            where = self._transactions.open_on(kept.place) if kept.place else self._transactions.open_transactions()
            if not where:
                return None
        text = (
            f"profile {number} is to be updated every {duration(interval)}, but no PullDynamicScheduleUpdate has come"
        )
        return Fault(text, frame=ABSENT, key=str(number))

    @track(result("SetChargingProfile", "UpdateDynamicSchedule", "PullDynamicScheduleUpdate"))
    def updated(self, frame: Frame) -> None:
        number, accepted = integer(frame.request, "chargingProfileId"), frame.payload.get("status") == "Accepted"
        if frame.action == "SetChargingProfile":
            one = member(frame.request, "chargingProfile")
            number, interval = integer(one, "id"), integer(one, "dynUpdateInterval")
            if number is not None and accepted:
                self._intervals.pop(number, None)
                if interval and interval > 0 and one.get("chargingProfileKind") == "Dynamic":
                    self._intervals.note(number, interval)
        interval = self._intervals.get(number) if number is not None else None
        if number is None or interval is None or (not accepted and frame.action != "PullDynamicScheduleUpdate"):
            return
        self._updated.note(number, frame.frame_id)
        wait = interval + min(self.settings.effect_timeout_s, interval + self.settings.answer_timeout_s)
        self.station.deadline(frame, wait, self.not_pulled, number, interval, frame, self._evidence.connections)

    @rule(
        "profile.mode-not-reported",
        DEADLINE,
        title="The station does not report that the mode of operation of a transaction has changed",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K01.FR.110",
        remedy="Send a TransactionEvent with triggerReason OperationModeChanged and the new mode when a period "
        "with another mode begins.",
        bad=script(*_BEGUN, modes("ChargingOnly", "CentralSetpoint"), "+ 15m"),
        good=script(
            *_BEGUN,
            modes("ChargingOnly", "CentralSetpoint"),
            "+ 1m",
            _changed("CentralSetpoint"),
            "+ 15m",
        ),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def mode_not_reported(self, moment: Moment, name: str, mode: str, number: int, frame: Frame, since: int) -> Faults:
        known, kept = self._transactions.by_id.get(name), self._profiles.accepted.get(number)
        if known is None or not known.open or kept is None or kept.transaction != name:
            return None
        if self.session not in self.station.sessions or self._evidence.connections != known.connection:
            return None
        if self._latest.get(name) == mode or self._modes.get(name, {}).get(mode, 0) >= since:
            return None
        text = f"{mode[:20]} has begun in profile {number}, but {known} has not reported this mode"
        return Fault(text, frame=ABSENT, key=f"{name[:36]} {mode[:20]}")

    @rule(
        "transaction.operation-mode",
        call("TransactionEvent"),
        title="A change of the mode of operation is reported without the mode",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K01.FR.110",
        remedy="Give transactionInfo.operationMode with triggerReason OperationModeChanged.",
        bad=script(started(), _changed(None)),
        good=script(started(), _changed("CentralSetpoint")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def operation_mode(self, frame: Frame) -> Faults:
        info = member(frame.payload, "transactionInfo")
        mode, name = info.get("operationMode"), info.get("transactionId")
        if mode is None:
            if frame.payload.get("triggerReason") != "OperationModeChanged":
                return None
            return Fault("triggerReason is OperationModeChanged, but operationMode is missing", "/3/transactionInfo")
        if type(mode) is str and type(name) is str:
            self._latest.note(name, mode)
            self._modes.setdefault(name, {})[mode] = frame.mono_ns
            self._modes.note(name, self._modes[name])
        return None

    @track(result("SetChargingProfile"))
    def modes_given(self, frame: Frame) -> None:
        one = member(frame.request, "chargingProfile")
        name, number = string(one, "transactionId"), integer(one, "id")
        schedules = elements(one, "chargingSchedule")
        known = self._transactions.by_id.get(name or "")
        if frame.payload.get("status") != "Accepted" or known is None or name is None or number is None:
            return
        if len(schedules) != 1 or one.get("chargingProfilePurpose") != "TxProfile" or "validFrom" in one:
            return
        others = [other for other, kept in self._profiles.accepted.items() if kept.transaction == name]
        start = seconds(string(schedules[0], "startSchedule"))
        periods = elements(schedules[0], "chargingSchedulePeriod")
        if (
            [other for other in others if other != number]
            or "useLocalTime" in schedules[0]
            or len(periods) > CHANGES_LIMIT
        ):
            return
        if one.get("chargingProfileKind") != "Absolute" or start is None or not self._evidence.timed:
            return
        before = self._latest.get(name, "ChargingOnly" if known.known_from_start else None)
        for index, period in enumerate(periods):
            mode = string(period, "operationMode") or "ChargingOnly"
            begins = start + (integer(period, "startPeriod") or 0) - frame.ts_ns / 1e9
            lasts = integer(schedules[0], "duration")
            over = lasts is not None and (integer(period, "startPeriod") or 0) >= lasts
            after = integer(periods[index + 1], "startPeriod") if index + 1 < len(periods) else None
            gone = after is not None and start + after <= frame.ts_ns / 1e9
            if before is not None and mode != before and begins < LONGEST_S and not over and not gone:
                wait = max(begins, 0.0) + (integer(schedules[0], "randomizedDelay") or 0)
                wait += self.settings.effect_timeout_s + self.settings.clock_skew_s
                since = frame.mono_ns + int((max(begins, 0.0) - self.settings.clock_skew_s) * 1e9)
                self.station.deadline(frame, wait, self.mode_not_reported, name, mode, number, frame, since)
            before = mode

    @rule(
        "priority.refused",
        result("UsePriorityCharging"),
        title="Priority charging, or its end, is refused for a transaction that could have it",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K21.FR.03, K21.FR.06",
        remedy="Answer Accepted for an active transaction where a PriorityCharging profile is installed, and always to "
        "activate false.",
        bad=script(started(), sent(profile("PriorityCharging"), 0), used("NoProfile")),
        good=script(started(), sent(profile("PriorityCharging"), 0), used("Accepted"), _notified()),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def refused(self, frame: Frame) -> Faults:
        name, status = string(frame.request, "transactionId"), string(frame.payload, "status")
        if status in (None, "Accepted") or not ongoing(self, name):
            return None
        if frame.request.get("activate") is False:
            return Fault(f"the end of priority charging is answered {status}", "/2/status", key="end")
        known = self._transactions.by_id.get(name or "")
        for number, kept in self._profiles.accepted.items():
            here = kept.place == 0 or (known is not None and kept.place is not None and kept.place == known.evse)
            always = kept.valid_to == float("inf") and kept.valid_from == float("-inf")
            if kept.purpose == "PriorityCharging" and here and always:
                return Fault(f"{status}, although the PriorityCharging profile {number} was accepted", "/2/status")
        return None

    @rule(
        "priority.no-profile",
        result("UsePriorityCharging"),
        title="Priority charging is accepted without a charging profile for it",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K21.FR.01",
        remedy="Answer NoProfile where no PriorityCharging profile is installed.",
        bad=script(started(), _NONE, used("Accepted"), _notified()),
        good=script(started(), _NONE, sent(profile("PriorityCharging"), 0), used("Accepted"), _notified()),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def no_profile(self, frame: Frame) -> Faults:
        if frame.payload.get("status") == "Rejected" and "statusInfo" not in frame.payload:
            name = string(frame.request, "transactionId")
            if frame.request.get("activate") is True and ongoing(self, name) and not self._has_priority():
                return Fault("Rejected for an active transaction; expected NoProfile", "/2/status", key="Rejected")
        accepted = frame.payload.get("status") == "Accepted" and frame.request.get("activate") is True
        if not accepted or not self._none:
            return None
        return Fault("Accepted, although the station has reported that it has no PriorityCharging profile", "/2/status")

    def _has_priority(self) -> bool:
        return any(kept.purpose == "PriorityCharging" for kept in self._profiles.accepted.values())

    @track(result("GetChargingProfiles", "SetChargingProfile"))
    def priority_profiles(self, frame: Frame) -> None:
        if frame.action == "SetChargingProfile":
            wanted = member(frame.request, "chargingProfile").get("chargingProfilePurpose")
            self._none = self._none and wanted != "PriorityCharging"
            return
        criteria = member(frame.request, "chargingProfile")
        if "evseId" not in frame.request and criteria == {"chargingProfilePurpose": "PriorityCharging"}:
            self._none = frame.payload.get("status") == "NoProfiles"

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        self._none = self._none and session.from_start

    @rule(
        "priority.unknown-transaction",
        call("NotifyPriorityCharging"),
        title="Priority charging is reported for a transaction that does not exist",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K21.FR.05, K21.FR.08, K22.FR.03, K22.FR.05",
        remedy="Give the transactionId of the transaction that charges with priority.",
        bad=script(BOOT_2X, _notified()),
        good=script(BOOT_2X, started(), _notified()),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def unknown_transaction(self, frame: Frame) -> Faults:
        name = string(frame.payload, "transactionId")
        known = self._transactions.by_id.get(name or "")
        if name is None or (known is None and not self._transactions.would_have_been_seen(None)):
            return None
        if known is not None and (known.open or frame.payload.get("activated") is not True):
            return None
        return Fault(f"transaction {name[:36]!r} is not active", "/3/transactionId", key=name[:36])
