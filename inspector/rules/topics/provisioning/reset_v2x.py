"""Judge how a 2.x station answers resets, ends its transactions before them, and gives the reason of its boots."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.context import SessionContext
from inspector.rules.fields import member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transaction2x, Transactions2x
from inspector.rules.topics.example_frames import NOW, cp, csms, script, started, transaction_event

_RESETS = frozenset({"RemoteReset", "ScheduledReset", "Unknown"})
BUSY = "TxInProgress"
"""The reason code for an answer that a transaction in progress prevents something."""
_IMMEDIATE = csms("Reset", {"type": "Immediate"})
_RESUME = csms("Reset", {"type": "ImmediateAndResume"})


def _boot(reason: str) -> str:
    station = {"model": "M", "vendorName": "V"}
    answer = {"status": "Accepted", "currentTime": NOW, "interval": 600}
    return cp("BootNotification", {"reason": reason, "chargingStation": station}, answer)


_CHANCE = frozenset({"ApplicationReset", "PowerUp", "Unknown", "Watchdog"})
"""Reasons of boots that nobody has asked for."""


class Reset2x(Topic):
    """The rules about Reset and the boot after it."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._reset: Frame | None = None  # the answer to a reset of the whole station, until it boots
        self._open: list[Transaction2x] = []  # the transactions that were open at that answer
        self._announced: set[str] = set()  # the ids of transactions whose events have reported the reset
        self._later = False  # whether a Reset was scheduled during a transaction
        self._triggered = False  # whether a trigger for a boot was accepted
        self._asked = False  # whether any trigger for a boot has come
        self._seen: SessionContext | None = None  # the connection of the latest boot
        self._transactions = self.station.topic(Transactions2x)
        self._evidence = self.station.topic(Observation)

    @rule(
        "reset.not-immediate",
        result("Reset"),
        title="An immediate reset is scheduled, or a reset is rejected because of a transaction",
        severity=Severity.WARNING,
        spec="OCPP 2.x B12.FR.01, B12.FR.02",
        remedy="Answer Reset(Immediate) with Accepted and Reset(OnIdle) with Scheduled during a transaction; Rejected "
        "only where another reason prevents the reset.",
        bad=script(started(), csms("Reset", {"type": "Immediate"}, {"status": "Scheduled"})),
        good=script(started(), csms("Reset", {"type": "OnIdle"}, {"status": "Scheduled"})),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_immediate(self, frame: Frame) -> Faults:
        kind = frame.request.get("type")
        if (
            frame.payload.get("status") == "Rejected"
            and string(member(frame.payload, "statusInfo"), "reasonCode") == BUSY
        ):
            expected = "Scheduled" if kind == "OnIdle" else "Accepted"
            return Fault(f"Rejected because of a transaction; expected {expected}", "/2/status", key="refused")
        here = self._evidence.connections
        running = [one for one in self._transactions.open_transactions() if one.connection == here]
        if frame.payload.get("status") == "Rejected" and kind in ("Immediate", "OnIdle") and running:
            if "statusInfo" in frame.payload or "evseId" in frame.request:
                return None  # another reason may prevent it
            expected = "Scheduled" if kind == "OnIdle" else "Accepted"
            text = f"Reset({kind}) is rejected without a reason while {running[0]} is open; expected {expected}"
            # 2.1 allows another reason to reject an immediate reset (B12.FR.10).
            unsure = kind == "Immediate" and self.session.version is OcppVersion.V21
            return Fault(text, "/2/status", severity=Severity.INFO if unsure else None, key="no reason")
        if frame.payload.get("status") != "Scheduled" or kind in (None, "OnIdle"):
            return None
        return Fault(f"Reset({frame.request['type']}) is answered with Scheduled", "/2/status")

    @rule(
        "reset.transaction-open",
        call("BootNotification"),
        title="A station restarts for an immediate reset without ending its transactions",
        severity=Severity.WARNING,
        spec="OCPP 2.x B12.FR.04",
        remedy="Send Ended with ResetCommand and ImmediateReset for each transaction, then restart.",
        bad=script(started(), _IMMEDIATE, _boot("RemoteReset")),
        good=script(
            started(),
            _IMMEDIATE,
            transaction_event("Ended", "ResetCommand", 1, {"stoppedReason": "ImmediateReset"}),
            _boot("RemoteReset"),
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def transaction_open(self, frame: Frame) -> Faults:
        if self._reset is None or self._reset.request.get("type") != "Immediate":
            return None
        left = [one for one in self._open if one.open]
        return Fault(f"{left[0]} has not ended before the reset", "/3", key=left[0].transaction_id) if left else None

    @rule(
        "reset.not-announced",
        call("BootNotification"),
        title="A station restarts for ImmediateAndResume without reporting it in its transactions",
        severity=Severity.WARNING,
        spec="OCPP 2.1 B13.FR.04",
        remedy="Send Updated with ResetCommand for each transaction before the restart for Reset(ImmediateAndResume).",
        bad=script(started(), _RESUME, _boot("RemoteReset")),
        good=script(started(), _RESUME, transaction_event("Updated", "ResetCommand", 1), _boot("RemoteReset")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def not_announced(self, frame: Frame) -> Faults:
        if self._reset is None or self._reset.request.get("type") != "ImmediateAndResume":
            return None
        left = [one for one in self._open if one.open and one.transaction_id not in self._announced]
        return Fault(f"{left[0]} has not reported the reset", "/3", key=left[0].transaction_id) if left else None

    @rule(
        "boot.reason",
        call("BootNotification"),
        title="A boot reports another reason than its cause",
        severity=Severity.WARNING,
        spec="OCPP 2.x B01.FR.09",
        remedy="Give reason RemoteReset or ScheduledReset after an accepted Reset, Triggered after a TriggerMessage.",
        bad=script(_IMMEDIATE, _boot("PowerUp")),
        good=script(_IMMEDIATE, _boot("RemoteReset")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def reason(self, frame: Frame) -> Faults:
        reason, reset, triggered = string(frame.payload, "reason"), self._reset, self._triggered
        self._reset, self._triggered = None, False
        self._announced.clear()
        seen, self._seen = self._seen, self.session
        asked, self._asked = self._asked, False
        later, self._later = self._later, False
        if reset is None and not triggered:
            ended_ns = max((one.ended_ns or 0 for one in self._transactions.by_id.values()), default=0)
            soon = 0 < frame.mono_ns - ended_ns < self.settings.reboot_after_reset_s * 1e9
            if later and reason in _CHANCE and soon and not self._transactions.open_transactions():
                return Fault(
                    f"the reason is {reason}, but the boot follows a scheduled Reset", "/3/reason", key="later"
                )
            if reason != "Triggered" or seen is not self.session or asked:
                return None
            return Fault("the reason is Triggered, but no TriggerMessage has asked for it", "/3/reason", key="trigger")
        within = reset is None or frame.mono_ns - reset.mono_ns < self.settings.reboot_after_reset_s * 1e9
        allowed = (_RESETS if reset is not None else frozenset()) | ({"Triggered"} if triggered else frozenset())
        if reason is None or reason in allowed or not within:
            return None
        cause = "a Reset that was accepted" if reset is not None else "a TriggerMessage that was accepted"
        return Fault(f"the reason is {reason}, but the boot follows {cause}", "/3/reason")

    @track(result("Reset"))
    def answered(self, frame: Frame) -> None:
        if "evseId" not in frame.request:
            self._later = frame.payload.get("status") == "Scheduled" and bool(self._transactions.open_transactions())
        if frame.payload.get("status") != "Accepted" or "evseId" in frame.request:
            return
        here = self._evidence.connections
        self._reset = frame
        self._open = [one for one in self._transactions.open_transactions() if one.connection == here]
        self.station.refresh_listeners()

    @track(call("TriggerMessage"))
    def asked(self, frame: Frame) -> None:
        self._asked = self._asked or frame.payload.get("requestedMessage") == "BootNotification"

    @track(result("TriggerMessage"))
    def triggered(self, frame: Frame) -> None:
        if frame.request.get("requestedMessage") == "BootNotification" and frame.payload.get("status") == "Accepted":
            self._triggered = True

    @track(call("TransactionEvent"), dormant=lambda topic: topic._reset is None)
    def event(self, frame: Frame) -> None:
        event = self._transactions.event
        if event is not None and event.trigger == "ResetCommand":
            self._announced.add(event.transaction.transaction_id)
