"""Judge how a 2.1 station resumes its transactions after Reset(ImmediateAndResume)."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import duration, since
from inspector.rules.fields import integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.device_model import NO_SUCH, DeviceModel, Name
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import csms, script, started, status_2x, transaction_event, variable_2x
from inspector.rules.topics.provisioning.reset_ends_v2x import boot_2x
from inspector.rules.topics.smart_charging.profiles import ChargingProfiles
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent
from inspector.rules.topics.transactions.deauthorization_v2x import Deauthorization2x

TIMEOUT = ("TxCtrlr", "TxResumptionTimeout")
_RESET = csms("Reset", {"type": "ImmediateAndResume"})
_ANNOUNCED = transaction_event("Updated", "ResetCommand", 1)
_BOOT = boot_2x("RemoteReset") + status_2x("Occupied").replace('"#"', '"status"')
_RESUMED = transaction_event("Updated", "TxResumed", 2, {"chargingState": "EVConnected"})
_OTHER_STATE = transaction_event("Updated", "TxResumed", 2, {"chargingState": "Charging"})
_OWN_STATE = _RESUMED
SAMPLES = frozenset({"MeterValuePeriodic", "MeterValueClock"})
"""The triggers of events about a moment in which the charging state is as reported."""
_PROFILE = sent(profile("TxProfile", transactionId="t1"))
_NOT_KEPT = variable_2x("SmartChargingCtrlr", "ChargingProfilePersistence", "false").replace(
    '"ChargingProfilePersistence"', '"ChargingProfilePersistence","instance":"TxProfile"'
)


def _sample(state: str, second: int) -> str:
    at = {"timestamp": f"2026-01-01T12:{second // 60:02}:{second % 60:02}Z"}
    return transaction_event("Updated", "MeterValuePeriodic", 2, {"chargingState": state}, **at)


class ResetResume21(Topic):
    """The rules about transactions that continue after a reset."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._model = self.station.topic(DeviceModel)
        self._transactions = self.station.topic(Transactions2x)
        self._evidence = self.station.topic(Observation)
        self._due: Known[str, str | None] = Known()  # by id of a transaction to resume: its charging state before
        self._reset: Frame | None = None  # the answer that has accepted the reset
        self._stopped_s: Known[str, float] = Known()  # by id: the time of its event with ResetCommand, until a boot
        self._profiles: Known[str, None] = Known()  # ids of transactions whose profile the CSMS must send again

    @rule(
        "reset.resume-answer",
        result("Reset"),
        title="The answer to Reset(ImmediateAndResume) contradicts TxResumptionTimeout",
        severity=Severity.WARNING,
        spec="OCPP 2.1 B13.FR.01, B13.FR.02, B13.FR.03",
        remedy="Answer Accepted where TxResumptionTimeout is above 0, and Rejected where it is 0 or does not exist.",
        bad=script(variable_2x(*TIMEOUT, "0"), _RESET),
        good=script(variable_2x(*TIMEOUT, "60"), _RESET),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def resume_answer(self, frame: Frame) -> Faults:
        status = frame.payload.get("status")
        if frame.request.get("type") != "ImmediateAndResume":
            return None
        known = self._model.get(*TIMEOUT)
        if known is None or (self._model.whole and not known.listed and known.value is None):
            if self._model.whole and "txctrlr" in self._model.components and status in ("Accepted", "Scheduled"):
                return Fault(f"the status is {status}, but the full inventory has no TxResumptionTimeout", "/2/status")
            return None
        if status in ("Accepted", "Scheduled") and (known.unknown in NO_SUCH or known.value == "0"):
            value = "0" if known.unknown is None else "unknown to the station"
            return Fault(f"the status is {status}, but TxResumptionTimeout is {value}", "/2/status")
        evse = integer(frame.request, "evseId")
        allowed = self._model.variables.get(Name("evse", "", evse, None, "allowreset", ""))
        may = evse is None or (allowed is not None and (allowed.value or "").lower() == "true")
        if status == "Rejected" and may and (known.value or "").isdecimal() and known.value != "0":
            text = f"the status is Rejected, though TxResumptionTimeout is {(known.value or '')[:9]}"
            return Fault(text, "/2/status", key="refused")
        return None

    @track(result("Reset"))
    def answered(self, frame: Frame) -> None:
        if frame.request.get("type") != "ImmediateAndResume" or frame.payload.get("status") != "Accepted":
            return
        evse, states = integer(frame.request, "evseId"), self.station.topic(Deauthorization2x).charging
        running = self._transactions.open_transactions() if evse is None else self._transactions.open_on(evse)
        for one in running:
            if one.connection == self._evidence.connections:
                self._due.note(one.transaction_id, states.get(one.transaction_id))
        for kept in self.station.topic(ChargingProfiles).accepted.values():
            if kept.purpose == "TxProfile" and kept.transaction in self._due:
                self._profiles.note(kept.transaction, None)
        self._reset = frame
        if evse is not None and self._due:
            wait = self.settings.reboot_after_reset_s
            self.station.deadline(frame, wait, self.not_resumed, frame, at_close=AtClose.LATE)
        self.station.refresh_listeners()

    @track(result("BootNotification"), dormant=lambda topic: not topic._due)
    def booted(self, frame: Frame) -> None:
        self._stopped_s.clear()
        if frame.payload.get("status") == "Accepted" and self._reset is not None:
            wait = self.settings.effect_timeout_s
            self.station.deadline(frame, wait, self.not_resumed, self._reset, at_close=AtClose.LATE)

    @rule(
        "reset.not-resumed",
        DEADLINE,
        title="A transaction is not resumed after Reset(ImmediateAndResume)",
        severity=Severity.WARNING,
        spec="OCPP 2.1 B13.FR.12, B13.FR.23, B13.FR.30",
        remedy="Send Updated with TxResumed for each transaction that was open before the reset.",
        bad=script(started(), _RESET, _ANNOUNCED, _BOOT, "+ 5m"),
        good=script(started(), _RESET, _ANNOUNCED, _BOOT, _RESUMED, "+ 5m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def not_resumed(self, moment: Moment, promised: Frame) -> Faults:
        left = [name for name in self._due if (one := self._transactions.by_id.get(name)) is not None and one.open]
        if self._reset is not promised:
            return None
        self._due.clear()
        self.station.refresh_listeners()
        if not left or self.session not in self.station.sessions:
            return None
        wait = since(promised, moment)
        return Fault(
            f"transaction {left[0][:36]} has not reported TxResumed within {wait}", frame=promised, key=left[0]
        )

    @rule(
        "reset.still-charges",
        call("TransactionEvent"),
        title="A car still charges after Reset(ImmediateAndResume) was announced for its transaction",
        severity=Severity.WARNING,
        spec="OCPP 2.1 B13.FR.10, B13.FR.20",
        remedy="Stop the energy transfer after the event with ResetCommand, until the transaction is resumed.",
        bad=script(started(), _RESET, _ANNOUNCED, _sample("Charging", 60)),
        good=script(started(), _RESET, _ANNOUNCED, _sample("SuspendedEVSE", 60)),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._due,
    )
    def still_charges(self, frame: Frame) -> Faults:
        event = self._transactions.event
        name = event.transaction.transaction_id if event is not None else ""
        at = seconds(event.timestamp) if event is not None else None
        if event is None or at is None or name not in self._due:
            return None
        if event.trigger == "ResetCommand":
            self._stopped_s.note(name, at)  # the energy stops after this event, which may still say Charging
            return None
        accepted_s = self._reset.ts_ns / 1e9 if self._reset is not None and self.session.dated else at
        since = "the event with ResetCommand" if name in self._stopped_s else "the reset was accepted"
        passed = at - self._stopped_s.get(name, accepted_s)
        charges = event.info.get("chargingState") == "Charging" and event.trigger in SAMPLES
        if not charges or passed < self.settings.answer_timeout_s:
            return None
        text = f"{event.transaction} still charges {duration(passed)} after {since}"
        return Fault(text, "/3/transactionInfo/chargingState", key=name)

    @rule(
        "reset.resumed-state",
        call("TransactionEvent"),
        title="A transaction resumes in another charging state than it had before the reset",
        severity=Severity.WARNING,
        spec="OCPP 2.1 B13.FR.12, B13.FR.13, B13.FR.14, B13.FR.23, B13.FR.24, B13.FR.25",
        remedy="Resume in the charging state from before the reset; in SuspendedEVSE instead of Charging where "
        "TxAllowEnergyTransferResumption is false.",
        bad=script(started(), _RESET, _ANNOUNCED, _BOOT, _OTHER_STATE),
        good=script(started(), _RESET, _ANNOUNCED, _BOOT, _OWN_STATE),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._due,
    )
    def resumed_state(self, frame: Frame) -> Faults:
        event = self._transactions.event
        name = event.transaction.transaction_id if event is not None else ""
        if event is None or event.trigger != "TxResumed" or name not in self._due:
            return None
        before, state = self._due.pop(name), string(event.info, "chargingState")
        self._want_profile(name, frame)
        if not self._due:
            self.station.refresh_listeners()
        if state is None or before is None:
            return None
        text = None
        if state == "Charging" and before == "Charging":
            allowed = self._model.value("TxCtrlr", "TxAllowEnergyTransferResumption")
            if (allowed or "").lower() == "false":
                text = "resumed in Charging, though TxAllowEnergyTransferResumption is false"
        elif before == "Charging" and state == "SuspendedEVSE":
            allowed = self._model.value("TxCtrlr", "TxAllowEnergyTransferResumption")
            if (allowed or "").lower() == "true":
                text = f"resumed in {state}, though TxAllowEnergyTransferResumption is true"
        elif "Charging" in (state, before) and state != "SuspendedEVSE":
            text = f"resumed in {state[:20]}; the state before the reset was {before}"
        return Fault(text, "/3/transactionInfo/chargingState", key=name) if text else None

    def _want_profile(self, name: str, frame: Frame) -> None:
        wanted = Name("smartchargingctrlr", "", None, None, "chargingprofilepersistence", "txprofile")
        known = self._model.variables.get(wanted)
        lost = known is not None and (known.unknown is not None or (known.value or "").lower() == "false")
        if not lost:
            self._profiles.pop(name, None)
        elif name in self._profiles:
            self.station.deadline(
                frame, self.settings.effect_timeout_s, self.profile_not_resent, name, frame, at_close=AtClose.LATE
            )

    @track(call("SetChargingProfile"), dormant=lambda topic: not topic._profiles)
    def profile_sent(self, frame: Frame) -> None:
        self._profiles.pop(string(member(frame.payload, "chargingProfile"), "transactionId") or "", None)

    @rule(
        "reset.profile-not-resent",
        DEADLINE,
        title="The charging profile of a resumed transaction is not sent again",
        severity=Severity.WARNING,
        spec="OCPP 2.1 B13.FR.31",
        remedy="Send the TxProfile again after TxResumed where the station does not keep it over a reset.",
        bad=script(started(), _NOT_KEPT, _PROFILE, _RESET, _ANNOUNCED, _BOOT, _RESUMED, "+ 5m"),
        good=script(started(), _NOT_KEPT, _PROFILE, _RESET, _ANNOUNCED, _BOOT, _RESUMED, _PROFILE, "+ 5m"),
        versions=V21,
        side=Side.CSMS,
    )
    def profile_not_resent(self, moment: Moment, name: str, frame: Frame) -> Faults:
        one = self._transactions.by_id.get(name)
        if name not in self._profiles or self.session not in self.station.sessions or one is None or not one.open:
            return None
        del self._profiles[name]
        wait = since(frame, moment)
        text = f"transaction {name[:36]} was resumed, but its TxProfile is not sent again within {wait}"
        return Fault(text, frame=frame, key=name[:36])
