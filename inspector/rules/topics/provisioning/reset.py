"""Judge whether an accepted reset is followed by a boot."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.rules.context import AtClose, Moment, SessionContext
from inspector.rules.durations import since
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import ANY_CALL, DEADLINE, OPENED, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x

_RESET = {"1.6": '< [2,"r","Reset",{"type":"Soft"}]', "2x": '< [2,"r","Reset",{"type":"Immediate"}]'}
_DONE = '> [3,"r",{"status":"Accepted"}]'
_BOOT = {
    "1.6": '> [2,"b","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]',
    "2x": '> [2,"b","BootNotification",{"reason":"RemoteReset","chargingStation":{"model":"M","vendorName":"V"}}]',
}
_STARTED = (
    'open\n> [2,"t","TransactionEvent",{"eventType":"Started","timestamp":"2026-01-01T12:00:00Z",'
    '"triggerReason":"CablePluggedIn","seqNo":0,"transactionInfo":{"transactionId":"T","chargingState":"EVConnected"},'
    '"evse":{"id":1,"connectorId":1}}]\n< [3,"t",{}]\n< [2,"r","Reset",{"type":"OnIdle"}]\n'
)
ALIVE_S = 60.0
"""A station that still sends messages so long after it has accepted a reset is not about to restart."""


class Reset(Topic):
    """The rules about the resets of one charge point."""

    scope = "station"

    def setup(self) -> None:
        self._again = False  # whether a new connection has opened since the accepted reset
        self._promised: Frame | None = None  # the answer to the oldest accepted reset without a boot after it

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._promised = None

    @track(result("Reset"))
    def accepted(self, frame: Frame) -> None:
        if frame.payload.get("status") != "Accepted" or self._promised is not None:
            return
        if self.session.version is not OcppVersion.V16 and "evseId" in frame.request:
            return  # after the reset of one EVSE, the station does not boot (B11.FR.08)
        self._promised, self._again = frame, False
        self.station.deadline(frame, self.settings.reboot_after_reset_s, self.no_boot, frame, at_close=AtClose.LATE)

    @rule(
        "reset.no-boot",
        DEADLINE,
        title="An accepted reset is not followed by a boot",
        severity=Severity.WARNING,
        side=Side.CHARGE_POINT,
        spec="OCPP 1.6 §5.14; B01.FR.01, B01.FR.03, B11.FR.03, B11.FR.04; 2.1 B13.FR.21",
        remedy="Restart and send BootNotification, or answer the Reset with Rejected.",
        bad={version: f"open\n{reset}\n{_DONE}\n+ 301s" for version, reset in _RESET.items()},
        good={version: f"open\n{reset}\n{_DONE}\n+ 60s\nopen\n{_BOOT[version]}" for version, reset in _RESET.items()},
    )
    def no_boot(self, moment: Moment, promised: Frame) -> Faults:
        if self._promised is not promised:
            return None
        waited_s = (moment.mono_ns - promised.mono_ns) / 1e9
        if waited_s < self.settings.reboot_after_reset_s:  # the session ends, perhaps to restart
            heard_ns = self.session.heard_ns or 0
            if self.session.facts.get("closed_by") != "unknown" or heard_ns - promised.mono_ns < ALIVE_S * 1e9:
                return None
        self._promised = None
        return Fault(f"the Reset was accepted, but no boot came within {since(promised, moment)}", frame=promised)

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if self._promised is not None and session.from_start:
            self._again = True
            self.station.refresh_listeners()

    @rule(
        "reset.boot-left-out",
        ANY_CALL,
        title="A station sends another message than BootNotification first after an accepted reset",
        severity=Severity.WARNING,
        side=Side.CHARGE_POINT,
        spec="OCPP 1.6 §4.2 and §5.14; B01.FR.03, B01.FR.08",
        remedy="Send BootNotification first after each restart.",
        bad={
            version: f"open\n{reset}\n{_DONE}\n+ 5s\nclose\n+ 20s\nopen\n" + '> [2,"h","Heartbeat",{}]'
            for version, reset in _RESET.items()
        },
        good={
            version: f"open\n{reset}\n{_DONE}\n+ 5s\nclose\n+ 20s\nopen\n{_BOOT[version]}"
            for version, reset in _RESET.items()
        },
        dormant=lambda topic: not topic._again,
    )
    def boot_left_out(self, frame: Frame) -> Faults:
        if not self._again or frame.direction is not Direction.FROM_CHARGE_POINT:
            return None
        promised, self._again, self._promised = self._promised, False, None
        self.station.refresh_listeners()
        if promised is None or frame.action == "BootNotification":
            return None
        return Fault(f"the Reset was accepted, but the first message of the next connection is {frame.action}", "/2")

    @rule(
        "reset.not-scheduled",
        result("Reset"),
        title="A Reset(OnIdle) is accepted at once during a transaction",
        versions=V2X,
        severity=Severity.ERROR,
        spec="B12.FR.01",
        remedy="Answer Reset(OnIdle) with Scheduled while a transaction is open.",
        bad=_STARTED + '> [3,"r",{"status":"Accepted"}]',
        good=_STARTED + '> [3,"r",{"status":"Scheduled"}]',
    )
    def not_scheduled(self, frame: Frame) -> Faults:
        if frame.request.get("type") != "OnIdle" or frame.payload.get("status") != "Accepted":
            return None
        transactions, evidence = self.station.topic(Transactions2x), self.station.topic(Observation)
        evse = frame.request.get("evseId")
        running = transactions.open_on(evse) if type(evse) is int else transactions.open_transactions()
        # The end of a transaction may not be visible: it may have come on an earlier connection, or it waits until an
        # earlier CALL is answered.
        running = [one for one in running if one.connection == evidence.connections]
        if not running or not evidence.has_sent_all(self.session):
            return None
        return Fault(f"{running[0]} is open; expected Scheduled", "/2/status")
