"""Judge whether a 2.x station does what it has answered to a reset: nothing, one EVSE, or a restart once it is idle."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment
from inspector.rules.durations import duration
from inspector.rules.fields import member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import DEADLINE, V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.example_frames import csms, script, started, status_2x, transaction_event
from inspector.rules.topics.provisioning.reset_ends_v2x import BY_RESET, boot_2x

_REFUSED = csms("Reset", {"type": "Immediate"}, {"status": "Rejected"})
_WHOLE = csms("Reset", {"type": "Immediate"})
_ONE_EVSE = csms("Reset", {"type": "Immediate", "evseId": 1})
_LATER = csms("Reset", {"type": "OnIdle"}, {"status": "Scheduled"})
_RESUME = csms("Reset", {"type": "ImmediateAndResume"})
_CUT = {"stoppedReason": "ImmediateReset"}
_LEFT = transaction_event("Ended", "EVDeparted", 1, {"stoppedReason": "EVDisconnected"})
_BUSY = frozenset({"Occupied", "Reserved"})


class ResetDone2x(Topic):
    """The rules about what follows the answer to a reset."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._refused: Frame | None = None  # the answer Rejected to the latest reset
        self._evse: Frame | None = None  # the answer Accepted to the latest reset, if that is of one EVSE
        self._later: Frame | None = None  # the answer Scheduled to a reset of the station, until it boots
        self._due = False  # whether a reset of the whole station was accepted or scheduled, and no boot has come since
        self._resume: Frame | None = None  # the answer Accepted to ImmediateAndResume, until the station boots
        self._transactions = self.station.topic(Transactions2x)
        self._evidence = self.station.topic(Observation)

    @rule(
        "reset.refused-done",
        call("BootNotification"),
        title="A station restarts by a remote reset that it has rejected",
        severity=Severity.WARNING,
        spec="OCPP 2.x B11.FR.06; OCPP 2.1 B12.FR.10",
        remedy="Answer Rejected only where the station does not reset; Scheduled where it resets later.",
        bad=script(_REFUSED, boot_2x("RemoteReset")),
        good=script(_REFUSED, _WHOLE, boot_2x("RemoteReset")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: topic._refused is None,
    )
    def refused_done(self, frame: Frame) -> Faults:
        if self._refused is None or not self._is_due(self._refused, frame):
            return None
        return Fault(f"the reason is {frame.payload['reason']}, but the Reset was answered with Rejected", "/3/reason")

    @rule(
        "reset.evse-restarts-station",
        call("BootNotification"),
        title="The whole station restarts for the reset of one EVSE",
        severity=Severity.WARNING,
        spec="OCPP 2.x B11.FR.08; OCPP 2.1 B13.FR.11",
        remedy="Reset only the EVSE that evseId names. Answer Rejected where the station cannot do that.",
        bad=script(_ONE_EVSE, boot_2x("RemoteReset")),
        good=script(_ONE_EVSE, boot_2x("PowerUp")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: topic._evse is None,
    )
    def evse_restarts_station(self, frame: Frame) -> Faults:
        if self._evse is None or not self._is_due(self._evse, frame):
            return None
        evse = self._evse.request.get("evseId")
        return Fault(f"the station restarts, but the Reset was for EVSE {evse} only", "/3/reason", key=str(evse))

    def _is_due(self, answer: Frame, boot: Frame) -> bool:
        within = boot.mono_ns - answer.mono_ns < self.settings.reboot_after_reset_s * 1e9
        return within and string(boot.payload, "reason") in BY_RESET

    @rule(
        "reset.scheduled-not-done",
        DEADLINE,
        title="A scheduled reset is not carried out after the last transaction has ended",
        severity=Severity.WARNING,
        spec="OCPP 2.x B11.FR.07, B12.FR.01, B12.FR.03",
        remedy="Restart once every transaction has ended and its events were sent.",
        bad=script(started(), _LATER, _LEFT, "+ 11m"),
        good=script(started(), _LATER, _LEFT, "+ 2m", boot_2x("ScheduledReset"), status_2x("Available"), "+ 11m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def scheduled_not_done(self, moment: Moment, answer: Frame, ended: Frame) -> Faults:
        if self._later is not answer or self.session not in self.station.sessions:
            return None
        busy = _BUSY & set(self.station.topic(Evses2x).connectors.values())
        if busy or self._transactions.open_transactions():
            return None
        self._later = None
        wait = duration(2 * self.settings.reboot_after_reset_s)
        text = f"the Reset was answered with Scheduled, but no boot came within {wait} of the last transaction"
        return Fault(text, "/2/status", frame=answer)

    @rule(
        "reset.ended-instead",
        call("TransactionEvent"),
        title="A transaction is ended by a reset that it should outlive",
        severity=Severity.WARNING,
        spec="OCPP 2.1 B13.FR.04, B13.FR.12, B13.FR.23",
        remedy="After an accepted Reset(ImmediateAndResume) send Updated with ResetCommand and resume the transaction.",
        bad=script(started(), _RESUME, transaction_event("Ended", "ResetCommand", 1, _CUT)),
        good=script(started(), _RESUME, transaction_event("Updated", "ResetCommand", 1)),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: topic._resume is None,
        plain=False,
    )
    def ended_instead(self, frame: Frame) -> Faults:
        if self._resume is None or frame.payload.get("eventType") != "Ended":
            return None
        info, evse = member(frame.payload, "transactionInfo"), self._resume.request.get("evseId")
        event = self._transactions.event
        if event is None or (evse is not None and event.transaction.evse != evse):
            return None
        if frame.payload.get("triggerReason") != "ResetCommand" and info.get("stoppedReason") != "ImmediateReset":
            return None
        text = f"{event.transaction} is ended by Reset(ImmediateAndResume)"
        return Fault(text, "/3/eventType", key=event.transaction.transaction_id)

    @track(result("Reset"))
    def answered(self, frame: Frame) -> None:
        status, whole = frame.payload.get("status"), "evseId" not in frame.request
        self._due = self._due or (whole and status != "Rejected")
        if self._due:
            self._refused = self._evse = None
        elif status == "Rejected":
            self._refused = frame
        else:
            self._evse = frame
        if status == "Accepted":
            self._resume = frame if frame.request.get("type") == "ImmediateAndResume" else None
        if status == "Scheduled" and whole and self._transactions.open_transactions():
            self._later = frame
        elif status == "Accepted" and whole:
            self._later = None
        self.station.refresh_listeners()

    @track(call("TransactionEvent"), dormant=lambda topic: topic._later is None, plain=False)
    def ended(self, frame: Frame) -> None:
        if self._later is None or frame.payload.get("eventType") != "Ended":
            return
        if not self._transactions.open_transactions():
            wait = 2 * self.settings.reboot_after_reset_s
            self.station.deadline(frame, wait, self.scheduled_not_done, self._later, frame)

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._refused = self._evse = self._later = self._resume = None
        self._due = False
        self.station.refresh_listeners()
