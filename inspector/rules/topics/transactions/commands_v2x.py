"""Judge whether a 2.x event that names a command of the CSMS as its trigger follows such a command."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import seconds
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V2X, Faults, Topic, call, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import BOOT_2X, csms, script, started, transaction_event

COMMANDS = {
    "RemoteStart": "RequestStartTransaction",
    "RemoteStop": "RequestStopTransaction",
    "ResetCommand": "Reset",
    "Trigger": "TriggerMessage",
    "UnlockCommand": "UnlockConnector",
}
"""For each triggerReason that names a command, the action of this command."""

_BEGUN = BOOT_2X + started().replace('"#"', '"started"')
_METER = [{"timestamp": "2026-01-01T12:00:00Z", "sampledValue": [{"value": 1000}]}]
_TRIGGERED = transaction_event("Updated", "Trigger", 1, {"chargingState": "EVConnected"}, meterValue=_METER)


class Commands2x(Topic):
    """The rule about events that a command has triggered."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._sent: set[str] = set()  # the actions of COMMANDS that the CSMS has sent
        self._evidence = self.station.topic(Observation)
        self._transactions = self.station.topic(Transactions2x)

    @track(call(*COMMANDS.values()))
    def sent(self, frame: Frame) -> None:
        self._sent.add(frame.action or "")

    @rule(
        "transaction-event.no-command",
        call("TransactionEvent"),
        title="An event names a command of the CSMS as its trigger, but there was no such command",
        severity=Severity.WARNING,
        spec="OCPP 2.x E01.FR.15, E02.FR.15, E06.FR.15, F01.FR.17, F03.FR.09, and the description of "
        "TriggerReasonEnumType",
        remedy="Set triggerReason to what caused the event: a command only after the CSMS has sent it.",
        bad=script(_BEGUN, _TRIGGERED),
        good=script(_BEGUN, csms("TriggerMessage", {"requestedMessage": "TransactionEvent"}), _TRIGGERED),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def no_command(self, frame: Frame) -> Faults:
        event = self._transactions.event
        action = COMMANDS.get(event.trigger or "") if event is not None else None
        if event is None or action is None or action in self._sent or event.repeated:
            return None
        if not event.transaction.known_from_start or not self._evidence.has_seen_since(seconds(event.timestamp)):
            return None
        return Fault(f"triggerReason is {event.trigger}, but there was no {action}", "/3/triggerReason", key=action)
