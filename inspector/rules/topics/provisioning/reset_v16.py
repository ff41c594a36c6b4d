"""Whether a 1.6 charge point ends its transactions for a soft reset."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import DEADLINE, V16, Faults, Topic, call, result, rule, track
from inspector.rules.state.transactions_v16 import Transaction16, Transactions16
from inspector.rules.topics.example_frames import BOOT_16, NOW, cp, csms, script

_START = cp("Authorize", {"idTag": "T"}, {"idTagInfo": {"status": "Accepted"}}).replace('"#"', '"a"') + cp(
    "StartTransaction",
    {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": NOW},
    {"transactionId": 7, "idTagInfo": {"status": "Accepted"}},
)
_SOFT = csms("Reset", {"type": "Soft"})
_STOP = cp("StopTransaction", {"transactionId": 7, "meterStop": 9, "timestamp": NOW, "reason": "SoftReset"})
_BOOT = BOOT_16.partition("\n")[2] + "".join(
    cp("StatusNotification", {"connectorId": one, "errorCode": "NoError", "status": "Available"}).replace(
        '"#"', f'"s{one}"'
    )
    for one in (0, 1)
)


class Reset16(Topic):
    """The rule about transactions that a soft reset leaves open."""

    scope = "station"
    versions = V16

    def setup(self) -> None:
        self._transactions = self.station.topic(Transactions16)
        self._open: list[Transaction16] = []

    @rule(
        "reset.transaction-left",
        DEADLINE,
        title="A transaction is still open after a soft reset",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §5.14",
        remedy="Send StopTransaction for every open transaction before the restart for Reset(Soft).",
        bad=script(_START, _SOFT, _BOOT, "+ 5m"),
        good=script(_START, _SOFT, _STOP, _BOOT, "+ 5m"),
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def left(self, moment: Moment, one: Transaction16, boot: Frame) -> Faults:
        if not one.open or self.session not in self.station.sessions:
            return None
        return Fault(f"{one} was not stopped for the reset", frame=boot, key=str(one.transaction_id))

    @track(result("Reset"))
    def accepted(self, frame: Frame) -> None:
        soft = frame.request.get("type") == "Soft" and frame.payload.get("status") == "Accepted"
        self._open = self._transactions.open_transactions()[:100] if soft else []

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        for one in self._open:
            self.station.deadline(frame, self.settings.effect_timeout_s, self.left, one, frame, at_close=AtClose.LATE)
        self._open = []
