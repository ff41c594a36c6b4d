"""Judge the sequence of 2.x TransactionEvents: beginning, end, sequence numbers, ids, one transaction per EVSE.

Events may arrive out of order. So a missing event is reported only after a deadline or at the close of the session.
"""

from __future__ import annotations

from itertools import pairwise

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.fields import earlier, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import EVENTS_LIMIT, Event, Transaction2x, Transactions2x

OLDER_ENDS = frozenset({"PowerLoss", "Reboot", "ImmediateReset"})
"""Values of stoppedReason with which a transaction from before the last boot may end."""
PAIRS_LIMIT = 3
"""A new transaction is compared with so many of the latest open transactions on its EVSE."""

_BOOT = """open {"from_start": true}
> [2,"b","BootNotification",{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}]
< [3,"b",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":86400}]
"""


def _event(kind: str, sequence: int, transaction: str = "t1", evse: int = 1) -> str:
    trigger = {"Started": "CablePluggedIn", "Updated": "MeterValuePeriodic", "Ended": "EVDeparted"}[kind]
    return (
        f'> [2,"{transaction}-{sequence}{kind[0]}","TransactionEvent",{{"eventType":"{kind}","timestamp":'
        f'"2026-01-01T12:00:{10 + sequence}Z","triggerReason":"{trigger}","seqNo":{sequence},"evse":'
        f'{{"id":{evse},"connectorId":1}},"transactionInfo":{{"transactionId":"{transaction}"}}}}]\n'
        f'< [3,"{transaction}-{sequence}{kind[0]}",{{}}]\n'
    )


class TransactionEvents2x(Topic):
    """The rules about the sequence of events."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._known = self.station.topic(Transactions2x)
        self._evidence = self.station.topic(Observation)

    @rule(
        "transaction-event.not-started",
        DEADLINE,
        title="A transaction has events but no Started",
        severity=Severity.ERROR,
        spec="OCPP 2.x part 2, TransactionEventRequest.eventType; queued while offline: C15.FR.02, E04.FR.01, "
        "E04.FR.02, E08.FR.05, E08.FR.06, E11.FR.01, E12.FR.01",
        remedy="Begin each transaction with an event of type Started; send it later if the station is offline.",
        bad=_BOOT + _event("Updated", 0) + _event("Ended", 1) + "+ 5m",
        good=_BOOT + _event("Updated", 1) + _event("Started", 0) + "+ 5m",
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_started(self, moment: Moment, transaction: Transaction2x, frame: Frame) -> Faults:
        if transaction.started is not None or not transaction.known_from_start:
            return None
        text = f"{transaction} has no Started; its first event is {frame.payload.get('eventType')}"
        return Fault(text, "/3/eventType", frame=frame, key=transaction.transaction_id)

    @rule(
        "transaction-event.second-started",
        call("TransactionEvent"),
        title="A transaction is Started a second time",
        severity=Severity.ERROR,
        spec="OCPP 2.x part 2, TransactionEventRequest.eventType",
        remedy="Send Started once and Updated from then on; repeat Started unchanged only if it was not answered.",
        bad=_event("Started", 0) + _event("Started", 1),
        good=_event("Started", 0) + _event("Started", 0) + _event("Updated", 1),
        versions=V2X,
        side=Side.CHARGE_POINT,
        plain=False,
    )
    def second_started(self, frame: Frame) -> Faults:
        event = self._known.event
        if event is None or event.kind != "Started" or event.started_before is None or event.ended_before:
            return None
        if event.repeated:
            return None
        return Fault(
            f"{event.transaction} has a second Started event", "/3/eventType", key=event.transaction.transaction_id
        )

    @rule(
        "transaction-event.id-reused",
        call("TransactionEvent"),
        title="A transaction id is used for a second transaction",
        severity=Severity.ERROR,
        spec="OCPP 2.x E01.FR.08, E02.FR.08",
        remedy="Use a new id, such as a UUID, for every transaction, also after a reboot.",
        bad=_event("Started", 0) + _event("Ended", 1) + _event("Started", 2),
        good=_event("Started", 0) + _event("Ended", 1) + _event("Started", 2, "t2"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def id_reused(self, frame: Frame) -> Faults:
        event = self._known.event
        if event is None or not event.reused:
            return None
        text = f"{event.transaction.transaction_id[:36]!r} is also the id of a transaction that has ended"
        return Fault(text, "/3/transactionInfo/transactionId", key=event.transaction.transaction_id)

    @rule(
        "transaction-event.after-ended",
        call("TransactionEvent"),
        title="An event comes after the transaction has Ended",
        severity=Severity.ERROR,
        spec="OCPP 2.x part 2, TransactionEventRequest.eventType",
        remedy="Let Ended be the last event of a transaction.",
        bad=_event("Started", 0) + _event("Ended", 1) + _event("Updated", 2),
        good=_event("Started", 0) + _event("Ended", 2) + _event("Updated", 1),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def after_ended(self, frame: Frame) -> Faults:
        event = self._known.event
        if event is None or not event.ended_before or event.sequence is None or event.kind == "Started":
            return None
        last = event.transaction.ended_seq
        if last is None or event.sequence <= last:
            return None
        text = f"seqNo {event.sequence} of {event.transaction}, which Ended with {last}"
        return Fault(text, "/3/seqNo", key=event.transaction.transaction_id)

    @rule(
        "transaction-event.sequence-gap",
        DEADLINE,
        title="A sequence number is missing",
        severity=Severity.ERROR,
        spec="OCPP 2.x part 2, E 1.3.2.1 and E04.FR.07, E04.FR.08, J02.FR.13, E01.FR.07, E02.FR.07, E03.FR.06, "
        "E04.FR.04, E05.FR.04, E06.FR.14, E07.FR.11, E08.FR.08, E09.FR.04, E10.FR.03; queued while offline: "
        "E04.FR.01, E04.FR.02, E08.FR.05, E08.FR.06, E11.FR.01, E12.FR.01; left out: E11.FR.05, E12.FR.05",
        remedy="Increase seqNo by one with every event. Low on memory, drop every second Updated of a time "
        "offline and nothing else.",
        bad=_event("Started", 0) + _event("Updated", 2) + "+ 5m",
        good=_event("Started", 0) + _event("Updated", 2) + _event("Updated", 1) + "+ 5m",
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def sequence_gap(self, moment: Moment, event: Event, expected: int, dropped: bool, frame: Frame) -> Faults:
        assert event.sequence is not None
        events = event.transaction.events
        missing = [n for n in range(expected, min(event.sequence, expected + EVENTS_LIMIT)) if n not in events]
        if not missing:
            return None
        named = ", ".join(str(n) for n in missing[:10]) + (", …" if event.sequence - expected > 10 else "")
        text = f"seqNo {event.sequence} of {event.transaction}; {named} never came"
        if dropped:
            text += " (of a time offline)"
        # Low on memory, a station may drop every other Updated of a time offline (E04.FR.07, E04.FR.08).
        thinned = all(one + 1 != other for one, other in pairwise(missing))
        severity = (Severity.INFO if thinned else Severity.WARNING) if dropped else None
        key = f"{event.transaction.transaction_id} {severity or ''}"  # an excused gap must not hide another one
        return Fault(text, "/3/seqNo", severity=severity, frame=frame, key=key)

    @rule(
        "transaction-event.sequence-reused",
        call("TransactionEvent"),
        title="Two different events have the same sequence number",
        severity=Severity.ERROR,
        spec="OCPP 2.x part 2, E 1.3.2.1, E01.FR.07, E02.FR.07, E03.FR.06, E04.FR.04, E05.FR.04, E06.FR.14, E07.FR.11, "
        "E08.FR.08, E09.FR.04, E10.FR.03",
        remedy="Increase seqNo by one with every event.",
        bad=_event("Started", 0) + _event("Updated", 0),
        good=_event("Started", 0) + _event("Started", 0) + _event("Updated", 1),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def sequence_reused(self, frame: Frame) -> Faults:
        event = self._known.event
        if event is None or event.before is None or event.kind == "Started":
            return None
        text = f"seqNo {event.sequence} of {event.transaction} was that of {event.before[0]} at {event.before[1]}"
        return Fault(text, "/3/seqNo", key=event.transaction.transaction_id)

    @rule(
        "transaction-event.out-of-order",
        call("TransactionEvent"),
        title="An event arrives after one that happened later",
        severity=Severity.INFO,
        spec="OCPP 2.x part 2, E 1.3.2",
        remedy="Nothing: the CSMS has to order events by seqNo.",
        bad=_event("Started", 0) + _event("Updated", 2) + _event("Updated", 1),
        good=_event("Started", 0) + _event("Updated", 1) + _event("Updated", 2),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def out_of_order(self, frame: Frame) -> Faults:
        event = self._known.event
        if event is None or event.sequence is None or event.sequence_before is None or event.repeated:
            return None
        if event.sequence >= event.sequence_before or event.before is not None:
            return None
        text = f"seqNo {event.sequence} of {event.transaction} comes after {event.sequence_before}"
        return Fault(text, "/3/seqNo", key=event.transaction.transaction_id)

    @rule(
        "transaction-event.first-sequence",
        call("TransactionEvent"),
        title="The sequence numbers of a transaction do not start with 0",
        severity=Severity.INFO,
        spec="OCPP 2.x part 2, E 1.3.2.1, E01.FR.07, E02.FR.07, E03.FR.06, E04.FR.04, E05.FR.04, E06.FR.14, E07.FR.11, "
        "E08.FR.08, E09.FR.04, E10.FR.03",
        remedy="Start each transaction with seqNo 0. A counter that continues over transactions is allowed, too.",
        bad=_event("Started", 4),
        good=_event("Started", 0),
        versions=V2X,
        side=Side.CHARGE_POINT,
        plain=False,
    )
    def first_sequence(self, frame: Frame) -> Faults:
        event = self._known.event
        if event is None or event.kind != "Started" or not event.first or not event.sequence:
            return None
        return Fault(f"{event.transaction} starts with seqNo {event.sequence}", "/3/seqNo")

    @rule(
        "transaction-event.two-on-evse",
        DEADLINE,
        title="Two transactions are open on one EVSE",
        severity=Severity.ERROR,
        spec="OCPP 2.x E01.FR.14, E02.FR.11",
        remedy="End the open transaction of an EVSE before you start the next.",
        bad=_event("Started", 0) + _event("Started", 1, "t2") + "+ 5m",
        good=_event("Started", 0) + _event("Started", 1, "t2", evse=2) + "+ 5m",
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def two_on_evse(
        self, moment: Moment, transaction: Transaction2x, other: Transaction2x, timestamp: str | None, frame: Frame
    ) -> Faults:
        if transaction.evse != other.evse:
            return None
        if other.ended is not None and not earlier(timestamp, other.ended[1]):
            return None  # the other transaction had ended, but its Ended event was delivered later
        text = f"{transaction} is open while transaction {other.transaction_id[:36]} on the same EVSE has not ended"
        return Fault(text, "/3/evse/id", frame=frame, key=transaction.transaction_id)

    @track(call("TransactionEvent"))
    def watch(self, frame: Frame) -> None:
        event = self._known.event
        if event is None:
            return
        transaction, wait = event.transaction, self.settings.answer_timeout_s
        if event.first and event.kind in ("Updated", "Ended") and transaction.known_from_start:
            older = event.trigger == "TxResumed" or string(event.info, "stoppedReason") in OLDER_ENDS
            if not older:
                self.station.deadline(
                    frame, self.settings.effect_timeout_s, self.not_started, transaction, frame, at_close=AtClose.JUDGED
                )
        expected = None if event.sequence_before is None else event.sequence_before + 1
        if event.sequence is not None and expected is not None and event.sequence > expected and not event.ended_before:
            dropped = event.offline or event.connection_before != self._evidence.connections
            self.station.deadline(
                frame, wait, self.sequence_gap, event, expected, dropped, frame, at_close=AtClose.JUDGED
            )
        if event.evse is not None and event.evse != event.evse_before and transaction.open:
            for other in self._known.open_on(event.evse)[-PAIRS_LIMIT:]:
                if other is not transaction:
                    self.station.deadline(
                        frame,
                        wait,
                        self.two_on_evse,
                        transaction,
                        other,
                        event.timestamp,
                        frame,
                        at_close=AtClose.JUDGED,
                    )
