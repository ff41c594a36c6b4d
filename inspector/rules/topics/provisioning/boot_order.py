"""Judge the messages before a charge point is accepted."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.protocol.messages import CallError, CallResult
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.rules.context import Moment, SessionContext
from inspector.rules.durations import duration
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import (
    ANY_CALL,
    ANY_ERROR,
    ANY_RESULT,
    CLOSED,
    V2X,
    V16,
    Faults,
    Topic,
    call,
    refusal,
    result,
    rule,
)
from inspector.rules.state.registration import RESTART_REASONS, Registration, RegistrationState

TOLERANCE_S = 1.0
"""A boot may come so many seconds before its interval is over, because the network has delayed the last answer."""
BOOT_S = 60.0
"""A boot that comes more than so many seconds after the first CALL of a connection was not due before that CALL.

Then the charge point had been accepted before the capture and has been reset since.
"""
RESTART_S = 10.0
"""No charge point restarts and reconnects in fewer seconds."""
EARLY_LIMIT = 200
"""At most so many CALLs that were sent too early are remembered in each session until they are answered."""

_WARNING_IN_16 = {
    OcppVersion.V16: Severity.WARNING,
    OcppVersion.V201: Severity.ERROR,
    OcppVersion.V21: Severity.ERROR,
}
_BOOT = {
    "1.6": '> [2,"b","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]',
    "2x": '> [2,"b","BootNotification",{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}]',
}
_BOOT_AGAIN = {version: boot.replace('"b"', '"c"') for version, boot in _BOOT.items()}
_ANSWER = '< [3,"b",{"status":"%s","currentTime":"2026-01-01T12:00:00Z","interval":60}]'

_READ = (
    '< [2,"1","GetVariables",{"getVariableData":[{"component":{"name":"OCPPCommCtrlr"},'
    '"variable":{"name":"HeartbeatInterval"}}]}]\n'
)


def _after(status: str, rest: str, before: str = "") -> dict[str, str]:
    """Return a script by version: a boot, its answer with this status (no answer if it is empty), and the rest."""
    answer = f"\n{_ANSWER % status}" if status else ""
    return {version: f"open\n{before}{boot}{answer}\n{rest}" for version, boot in _BOOT.items()}


class BootOrder(Topic):
    """The rules for a charge point that is not accepted yet, on one WebSocket."""

    def setup(self) -> None:
        self._boot = self.session.topic(RegistrationState)
        self._first: Frame | None = None  # the first CALL of the charge point, if no boot was seen before it
        self._early: dict[str, None] = {}  # ids of CALLs that the CSMS should answer with SecurityError

    @rule(
        "boot.too-early",
        ANY_CALL,
        title="A charge point sends a CALL before its boot has been accepted",
        severity=Severity.ERROR,
        side=Side.CHARGE_POINT,
        spec="OCPP 1.6 §4.2; B01.FR.08, B02.FR.02",
        remedy="Send BootNotification first, and nothing else until the answer is Accepted. While Pending, send "
        "only what the CSMS requests with TriggerMessage (2.x: also with GetBaseReport and GetReport).",
        bad=_after("", '> [2,"1","Heartbeat",{}]'),
        good=_after("Accepted", '> [2,"1","Heartbeat",{}]'),
        moot=lambda version, sender, kind, action: sender is Direction.FROM_CSMS,
        dormant=lambda topic: topic._boot.state is Registration.ACCEPTED,
    )
    def too_early(self, frame: Frame) -> Faults:
        boot = self._boot
        state = boot.state
        if state is Registration.ACCEPTED or frame.direction is Direction.FROM_CSMS:
            return None
        if state is Registration.UNKNOWN:
            return self._before_boot(frame)
        if frame.action == "BootNotification" or boot.was_asked(frame.action):
            return None
        if state is not Registration.UNANSWERED:
            # Until the boot is answered, the CSMS may already have accepted it, so only after that it must refuse.
            self._early[frame.message_id] = None
            if len(self._early) > EARLY_LIMIT:
                del self._early[next(iter(self._early))]
        if state is Registration.REJECTED and boot.waiting_s(frame.mono_ns) > 0:
            return None  # the rule boot.while-rejected reports this more precisely
        unanswered = "was answered with a CALLERROR" if boot.refused else "is not answered yet"
        why = unanswered if state is Registration.UNANSWERED else f"was answered with {state.name.title()}"
        return Fault(f"{frame.action} is sent while the BootNotification {why}")

    def _before_boot(self, frame: Frame) -> Faults:
        """Remember the first CALL before a boot. If the boot comes soon after it, report that it came too late."""
        first = self._first
        if frame.action != "BootNotification":
            if first is None and self.session.from_start and self._boot.connection is not self.session:
                self._first = frame
            return None
        self._first = None
        asked = "BootNotification" in self._boot.asked or frame.payload.get("reason") == "Triggered"
        if first is None or asked or not self.session.from_start:
            return None
        if frame.mono_ns - first.mono_ns > BOOT_S * 1e9:
            return None
        return Fault(f"{first.action} is sent before the BootNotification on this connection", frame=first)

    @rule(
        "boot.not-refused",
        ANY_RESULT,
        ANY_ERROR,
        title="The CSMS does not answer SecurityError to a CALL that the charge point may not send yet",
        severity=_WARNING_IN_16,
        spec="OCPP-J 1.6 errata 3.10; B01.FR.10, B02.FR.09, B03.FR.07",
        remedy="Answer such a CALL with the CALLERROR SecurityError.",
        bad=_after("Pending", '> [2,"1","Heartbeat",{}]\n< [3,"1",{"currentTime":"2026-01-01T12:00:00Z"}]'),
        good=_after("Pending", '> [2,"1","Heartbeat",{}]\n< [4,"1","SecurityError","",{}]'),
        moot=lambda version, sender, kind, action: sender is Direction.FROM_CHARGE_POINT,
        dormant=lambda topic: topic._boot.state is Registration.ACCEPTED and not topic._early,
    )
    def not_refused(self, frame: Frame) -> Faults:
        if not self._early or frame.direction is Direction.FROM_CHARGE_POINT:
            return None
        if self._early.pop(frame.message_id, self) is self:
            return None
        text = f"{frame.action} came before the boot was accepted; expected SecurityError"
        if isinstance(frame.message, CallError):
            code = frame.message.error_code
            if code == "SecurityError" or self.session.version is OcppVersion.V16:
                return None
            return Fault(f"{text}, not {code[:30]}", "/2", severity=Severity.WARNING, key=code[:30])
        return Fault(text, "/0")

    @rule(
        "boot.retry-too-soon",
        call("BootNotification"),
        title="BootNotification is sent again before the interval is over",
        severity=_WARNING_IN_16,
        side=Side.CHARGE_POINT,
        spec="OCPP 1.6 §4.2; B02.FR.04, B02.FR.08, B03.FR.06",
        remedy="Wait for the interval of the last answer, unless the CSMS triggers a boot.",
        bad={
            version: f"open\n{_BOOT[version]}\n{_ANSWER % 'Pending'}\n+ 30s\n{_BOOT_AGAIN[version]}"
            for version in _BOOT
        },
        good={
            version: f"open\n{_BOOT[version]}\n{_ANSWER % 'Pending'}\n+ 60s\n{_BOOT_AGAIN[version]}"
            for version in _BOOT
        },
    )
    def retry_too_soon(self, frame: Frame) -> Faults:
        boot = self._boot
        left_s = boot.waiting_s(frame.mono_ns)
        if left_s <= TOLERANCE_S or boot.was_asked("BootNotification") or self._restarted(frame):
            return None
        status, interval = boot.state.name.title(), boot.interval_s or 0
        return Fault(
            f"boots again {duration(left_s)} before the interval of {duration(interval)} is over (status {status})"
        )

    def _restarted(self, frame: Frame) -> bool:
        """Return whether a boot says that the station has restarted, and there was enough time for that."""
        reason = frame.payload.get("reason")
        if type(reason) is not str or reason not in RESTART_REASONS or self._boot.connection is self.session:
            return False
        lost_ns = self._boot.lost_ns
        return lost_ns is not None and self.session.opened_at.mono_ns - lost_ns >= RESTART_S * 1e9

    @rule(
        "boot.while-rejected",
        ANY_CALL,
        ANY_RESULT,
        ANY_ERROR,
        title="Messages are exchanged with a charge point that was rejected",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §4.2; B03.FR.02, B03.FR.03, B03.FR.08",
        remedy="A rejected charge point sends nothing until the interval is over, then a BootNotification; the CSMS "
        "sends it no CALL.",
        bad=_after("Rejected", '> [2,"1","Heartbeat",{}]'),
        good=_after("Rejected", "+ 60s"),
        moot=lambda version, sender, kind, action: sender is Direction.FROM_CSMS and kind != "call",
        dormant=lambda topic: topic._boot.state is not Registration.REJECTED,
    )
    def while_rejected(self, frame: Frame) -> Faults:
        boot = self._boot
        if boot.state is not Registration.REJECTED:
            return None
        answer = frame.answer_status is not None
        old = self.session.version is OcppVersion.V16
        if frame.direction is Direction.FROM_CSMS:
            if answer:
                return None
            severity = Severity.WARNING if old else Severity.ERROR
            return Fault(f"{frame.action} is sent to a charge point that was rejected", severity=severity)
        left_s = boot.waiting_s(frame.mono_ns)
        if left_s <= 0 or frame.action == "BootNotification":
            return None
        if answer:
            if frame.call is None or boot.answered is None or frame.call.mono_ns < boot.answered.mono_ns:
                return None
            refused = isinstance(frame.message, CallError) and frame.message.error_code == "SecurityError"
            if not old and (refused or not isinstance(frame.message, CallResult | CallError)):
                return None  # B03.FR.08 requires this CALLERROR
        what = f"an answer to {frame.action}" if answer else str(frame.action)
        return Fault(f"{what} is sent {duration(left_s)} before the interval after Rejected is over")

    @rule(
        "boot.remote-while-pending",
        call("RemoteStartTransaction", "RemoteStopTransaction"),
        title="The CSMS starts or stops a transaction of a charge point that is Pending",
        versions=V16,
        severity=Severity.ERROR,
        spec="OCPP 1.6 §4.2",
        remedy="Accept the charge point first.",
        bad=_after("Pending", '< [2,"1","RemoteStartTransaction",{"idTag":"A"}]'),
        good=_after("Accepted", '< [2,"1","RemoteStartTransaction",{"idTag":"A"}]'),
    )
    def remote_while_pending(self, frame: Frame) -> Faults:
        if self._boot.state is not Registration.PENDING or frame.direction is Direction.FROM_CHARGE_POINT:
            return None
        return Fault(f"{frame.action} is sent while the charge point is Pending")

    @rule(
        "boot.remote-not-rejected",
        result("RequestStartTransaction", "RequestStopTransaction"),
        title="A charging station that is Pending does not reject a remote start or stop",
        versions=V2X,
        severity=Severity.ERROR,
        spec="B02.FR.05",
        remedy="Answer with status Rejected until the boot has been accepted.",
        bad=_after(
            "Pending",
            '< [2,"1","RequestStopTransaction",{"transactionId":"T"}]\n> [3,"1",{"status":"Accepted"}]',
        ),
        good=_after(
            "Pending",
            '< [2,"1","RequestStopTransaction",{"transactionId":"T"}]\n> [3,"1",{"status":"Rejected"}]',
        ),
    )
    def remote_not_rejected(self, frame: Frame) -> Faults:
        status = frame.payload.get("status")
        if self._boot.state is not Registration.PENDING or status != "Accepted":
            return None  # an unknown status counts as not accepted
        return Fault(f"{frame.action} is answered with {status!r} while Pending; expected Rejected", "/2/status")

    @rule(
        "boot.pending-refused",
        refusal("GetVariables", "SetVariables", "GetBaseReport", "GetReport"),
        title="A charging station that is Pending refuses to tell or change its configuration",
        versions=V2X,
        severity=Severity.WARNING,
        spec="B02.FR.01",
        remedy="Answer these requests while Pending: the CSMS needs them before it accepts the station.",
        bad=_after("Pending", f'{_READ}> [4,"1","SecurityError","",{{}}]'),
        good=_after("Pending", f'{_READ}> [4,"1","FormatViolation","",{{}}]'),
    )
    def pending_refused(self, frame: Frame) -> Faults:
        code = frame.message.error_code if isinstance(frame.message, CallError) else None
        if self._boot.state is not Registration.PENDING or code != "SecurityError":
            return None
        return Fault(f"{frame.action} is answered with {code} while Pending; expected an answer", "/2", key=code)

    @rule(
        "boot.closed-while-pending",
        CLOSED,
        title="The connection is closed while the charge point is Pending",
        severity=_WARNING_IN_16,
        spec="OCPP 1.6 §4.2; B02.FR.06",
        remedy="Keep the connection open: Pending means that the CSMS wants to read or change something first.",
        bad=_after("Pending", 'close {"closed_by":"csms","csms_close_code":1000}'),
        good=_after("Accepted", 'close {"closed_by":"csms","csms_close_code":1000}'),
    )
    def closed_while_pending(self, session: SessionContext, moment: Moment) -> Faults:
        boot, closer = self._boot, session.facts.get("closed_by")
        side = {"charge-point": Side.CHARGE_POINT, "csms": Side.CSMS}.get(str(closer))
        if boot.state is not Registration.PENDING or boot.connection is not session or side is None:
            return None
        code = session.facts.get("cp_close_code" if side is Side.CHARGE_POINT else "csms_close_code")
        if code is None:
            return None  # the connection was lost, not closed
        return Fault(f"closed with code {code} while Pending", side=side)
