"""Judge whether a trigger that names no EVSE is obeyed for all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import since
from inspector.rules.fields import integer, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.transactions_v2x import Transaction2x, Transactions2x
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.example_frames import NOW, cp, csms, script, transaction_event

TRIGGERS_LIMIT = 20
_EVENTS = csms("TriggerMessage", {"requestedMessage": "TransactionEvent"})


def _event(name: str, kind: str, sequence: int, trigger: str) -> str:
    values = [{"timestamp": NOW, "sampledValue": [{"value": 1.0, "context": "Trigger"}]}]
    evse = {"id": 1 if name == "t1" else 2, "connectorId": 1}
    place = {"evse": evse} if kind == "Started" else {}
    one = transaction_event(kind, trigger, sequence, {"chargingState": "Charging"}, **place, meterValue=values)
    return one.replace('"t1"', f'"{name}"')


_TWO = (_event("t1", "Started", 0, "CablePluggedIn"), _event("t2", "Started", 0, "CablePluggedIn"))
_METERS = csms("TriggerMessage", {"requestedMessage": "MeterValues"})


def _meter(evse: int) -> str:
    values = [{"timestamp": NOW, "sampledValue": [{"value": 1.0, "context": "Trigger"}]}]
    return cp("MeterValues", {"evseId": evse, "meterValue": values})


@dataclass(slots=True, eq=False)
class _Asked:
    """A trigger, and for which EVSEs and transactions its message has come."""

    wanted: str
    came: set[object] = field(default_factory=set)


class TriggersForAll2x(Topic):
    """The rule about triggers for all EVSEs."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._open: dict[int, _Asked] = {}
        self._transactions = self.station.topic(Transactions2x)
        self._evses = self.station.topic(Evses2x)

    @rule(
        "trigger.not-for-all",
        DEADLINE,
        title="A triggered message comes for some EVSEs or transactions, but not for all",
        severity=Severity.WARNING,
        spec="OCPP 2.x F06.FR.11",
        remedy="Where a trigger names no EVSE, send the message for each EVSE, or each transaction.",
        bad=script(*_TWO, _EVENTS, _event("t1", "Updated", 1, "Trigger"), "+ 5m"),
        good=script(
            *_TWO, _EVENTS, _event("t1", "Updated", 1, "Trigger"), _event("t2", "Updated", 1, "Trigger"), "+ 5m"
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_for_all(self, moment: Moment, open_then: list[Transaction2x], evses: set[int], frame: Frame) -> Faults:
        asked = self._open.pop(frame.call.frame_id if frame.call is not None else -1, None)
        self.station.refresh_listeners()
        if asked is None or not asked.came or self.session not in self.station.sessions:
            return None  # no message at all is the business of `trigger.not-sent`
        if asked.wanted == "TransactionEvent":
            missing = [str(one) for one in open_then if one.open and one.transaction_id not in asked.came]
        else:
            missing = [f"EVSE {evse}" for evse in sorted(evses) if evse not in asked.came]
            if not any(asked.came):
                return None  # only the main meter, EVSE 0, has values
        if not missing:
            return None
        wait = since(frame, moment)
        text = f"{asked.wanted} was triggered for all EVSEs, but did not come for {missing[0]} within {wait}"
        return Fault(text, "/2/status", frame=frame, key=asked.wanted)

    @track(call("TriggerMessage"))
    def asked(self, frame: Frame) -> None:
        wanted = string(frame.payload, "requestedMessage")
        if wanted in ("MeterValues", "TransactionEvent") and "evse" not in frame.payload:
            self._open[frame.frame_id] = _Asked(wanted)
            if len(self._open) > TRIGGERS_LIMIT:
                del self._open[next(iter(self._open))]
            self.station.refresh_listeners()

    @track(result("TriggerMessage"))
    def answered(self, frame: Frame) -> None:
        number = frame.call.frame_id if frame.call is not None else -1
        if number not in self._open:
            return
        if frame.payload.get("status") != "Accepted":
            del self._open[number]
            self.station.refresh_listeners()
            return
        running = self._transactions.open_transactions()
        evses = {evse for evse, _ in self._evses.connectors if evse > 0}
        self.station.deadline(
            frame, self.settings.effect_timeout_s, self.not_for_all, running, evses, frame, at_close=AtClose.LATE
        )

    @track(call("MeterValues", "TransactionEvent"), dormant=lambda topic: not topic._open)
    def sent(self, frame: Frame) -> None:
        event = self._transactions.event
        if frame.action == "MeterValues":
            key: object = integer(frame.payload, "evseId")
        else:
            key = event.transaction.transaction_id if event is not None else None
        for one in self._open.values():
            if one.wanted == frame.action and key is not None:
                one.came.add(key)
