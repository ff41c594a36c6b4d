"""Track which transactions of a 1.6 charge point are open, and how each frame relates to them.

A transaction begins with its StartTransaction CALL and gets its id from the answer. A CALL that repeats an earlier one
belongs to the same transaction (1.6 section 3.7.1). Other topics are judged after this one: they see the state after
the frame, and `starting`, `answering`, `stopping` and `metered` describe the frame. At most TRANSACTIONS_LIMIT
transactions are remembered; beyond that, the oldest is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import Direction
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.rule import CLOSED, V16, Topic, call, refusal, result, track
from inspector.rules.state.observation import Observation

TRANSACTIONS_LIMIT = 1000
LOST_S = 30.0
"""An answer may be lost if it was sent less than so many seconds before its connection ended.

A broken connection may be noticed only after this time.
"""
NO_ID = -1
"""The transaction id that a charge point uses if its StartTransaction was not answered (errata 3.18)."""
LARGEST_IDS = frozenset({2**31 - 1, 2**63 - 1})
"""Ids that some charge points use for "none"; the larger one also violates the schema."""
TAKEN = frozenset({"Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"})
"""The statuses that a connector has during a transaction."""


class Stop(NamedTuple):
    """The content of a StopTransaction."""

    meter_stop: int | None
    timestamp: str | None
    reason: str | None
    id_tag: str | None


@dataclass(slots=True, eq=False)
class Transaction16:
    """One transaction, from its frames; `transaction_id` is None until its StartTransaction is answered."""

    connector: int | None
    id_tag: str | None
    meter_start: int | None
    timestamp: str | None
    started_ns: int  # monotonic time of its first StartTransaction
    transaction_id: int | None = None
    status: str | None = None  # the status of the idTag in the answer of the CSMS
    answered_ts_ns: int | None = None  # wall-clock time of the answer
    stop: Stop | None = None
    latest: str | None = None  # the timestamp in its latest message
    metered_ns: int | None = None  # monotonic time of its latest meter values

    @property
    def open(self) -> bool:
        return self.stop is None

    def __str__(self) -> str:
        name = "without an id" if self.transaction_id is None else str(self.transaction_id)
        return f"transaction {name} on connector {self.connector}"


@dataclass(frozen=True, slots=True)
class Reservation:
    """A reservation that the charge point has accepted; `connector` 0 means any connector."""

    reservation_id: int
    connector: int
    id_tag: str
    expires_s: float | None
    accepted_ns: int


class Starting(NamedTuple):
    """A StartTransaction CALL; `again` is whether it repeats an earlier one."""

    transaction: Transaction16
    again: bool
    others: list[Transaction16]  # other open transactions on the same connector
    reservation: Reservation | None  # the reservation that it uses, even if the CALL does not name it


class Answering(NamedTuple):
    """An answer to a StartTransaction: its transaction, and another one that had the same id before, or None."""

    transaction: Transaction16
    holder: Transaction16 | None


class Stopping(NamedTuple):
    """A StopTransaction CALL: its transaction if that is known, and an earlier StopTransaction with the same id."""

    transaction_id: int | None
    transaction: Transaction16 | None
    stop: Stop
    earlier: Stop | None


class Transactions16(Topic):
    """The transactions of one charge point, across its connections.

    Attributes:
        by_id: all transactions with an id, also stopped ones, by that id, oldest first.
        reservations: the accepted reservations that were not used or cancelled, by reservation id.
        starting, answering, stopping: describe the latest StartTransaction, its answer, and StopTransaction.
        metered: the transaction of the latest MeterValues, if it is known.
        heard_of: the connectors that a StatusNotification or StartTransaction has named since the capture began.
        unseen: the connectors that were in use when they were first named: they may have a transaction that started
            before the capture.
        undelivered: whether an answer to a StartTransaction is missing, or may have been lost with the connection, so
            that the id -1 is allowed.
        refused_stops: the transaction ids whose StopTransaction the CSMS has answered with an error, oldest first.
        remote_stops: the transaction ids of remote stops that were not refused, with the monotonic time.
        unlocked: the connectors that the CSMS has unlocked, with the monotonic time.
        reset_ns: the monotonic time when a Reset was last accepted; None if never.
    """

    scope = "station"
    versions = V16

    def setup(self) -> None:
        self.by_id: dict[int, Transaction16] = {}
        self.reservations: dict[int, Reservation] = {}
        self.starting: Starting | None = None
        self.answering: Answering | None = None
        self.stopping: Stopping | None = None
        self.metered: Transaction16 | None = None
        self.unseen: set[int] = set()
        self.undelivered = False
        self.refused_stops: dict[int, None] = {}
        self._answered_ns: int | None = None  # monotonic time of the last answer to a StartTransaction
        self.remote_stops: dict[int, int] = {}
        self.unlocked: dict[int, int] = {}
        self.reset_ns: int | None = None
        self.heard_of: set[int] = set()
        self._starts: dict[tuple[Any, ...], Transaction16] = {}
        self._open: list[Transaction16] = []
        self._stops: dict[int, Stop] = {}
        self._evidence = self.station.topic(Observation)

    def open_transactions(self) -> list[Transaction16]:
        """Return every transaction whose StopTransaction was not seen, even if it has no id, oldest first."""
        return list(self._open)

    def open_on(self, connector: int) -> list[Transaction16]:
        """Return the open transactions of one connector, oldest first."""
        return [one for one in self._open if one.connector == connector]

    def started_since(self, connector: int, mono_ns: int) -> bool:
        """Return whether a transaction has started on a connector since `mono_ns`, even if it is over by now."""
        return any(
            one.connector == connector and one.started_ns >= mono_ns for one in (*self._open, *self.by_id.values())
        )

    def would_have_been_seen(self, timestamp: str | None, connector: int | None = None) -> bool:
        """Return whether the StartTransaction of an unknown transaction would have been seen if it had been sent.

        Args:
            timestamp: the date-time in the message that names the transaction; it may be from before the capture.
            connector: the connector in that message; None if it has none.
        """
        if self.unseen if connector is None else connector in self.unseen:
            return False
        return self._evidence.has_seen_since(seconds(timestamp))

    def may_lack_id(self) -> bool:
        """Return whether a transaction may have no id, because its StartTransaction is not answered."""
        return self.undelivered or any(one.transaction_id is None for one in self._open)

    @track(call("StartTransaction"))
    def start(self, frame: Frame) -> None:
        payload = frame.payload
        connector = integer(payload, "connectorId")
        id_tag, timestamp = string(payload, "idTag"), string(payload, "timestamp")
        meter_start = integer(payload, "meterStart")
        identity = (connector, id_tag, meter_start, timestamp)
        known = self._starts.get(identity)
        again = known is not None and known.open
        if known is None or not again:
            known = Transaction16(connector, id_tag, meter_start, timestamp, frame.mono_ns, latest=timestamp)
            _keep(self._starts, identity, known)
            self._open.append(known)
            if len(self._open) > TRANSACTIONS_LIMIT:
                del self._open[0]
        others = [one for one in self.open_on(connector) if one is not known] if connector is not None else []
        self.starting = Starting(known, again, others, None if again else self._reserved_for(frame))
        if connector is not None:
            self.unseen.discard(connector)
            if len(self.heard_of) < TRANSACTIONS_LIMIT:
                self.heard_of.add(connector)

    def _reserved_for(self, frame: Frame) -> Reservation | None:
        number = integer(frame.payload, "reservationId")
        if number is not None:
            return self.reservations.pop(number, None)
        if not self.reservations:
            return None
        connector, id_tag = integer(frame.payload, "connectorId"), string(frame.payload, "idTag") or ""
        started = seconds(string(frame.payload, "timestamp"))
        for one in self.reservations.values():
            now_s = frame.ts_ns / 1e9 if self._evidence.timed else started
            over = one.expires_s is None or now_s is None or one.expires_s <= now_s
            before = self._evidence.timed and started is not None and started * 1e9 < one.accepted_ns
            if one.connector in (0, connector) and one.id_tag.lower() == id_tag.lower() and not over and not before:
                return self.reservations.pop(one.reservation_id)
        return None

    @track(result("StartTransaction"))
    def started(self, frame: Frame) -> None:
        self.answering = None
        self._answered_ns = frame.mono_ns
        transaction = self._of_call(frame)
        number = integer(frame.payload, "transactionId")
        if transaction is None or number is None:
            self.undelivered = True
            return
        holder = self.by_id.get(number)
        self.answering = Answering(transaction, holder if holder is not transaction else None)
        transaction.transaction_id = number
        transaction.status = string(member(frame.payload, "idTagInfo"), "status")
        transaction.answered_ts_ns = frame.ts_ns
        _keep(self.by_id, number, transaction)

    @track(refusal("StartTransaction"))
    def start_refused(self, frame: Frame) -> None:
        self.undelivered = True

    @track(CLOSED)
    def closed(self, session: SessionContext, moment: Moment) -> None:
        lost_ns = moment.mono_ns - int(LOST_S * 1e9)
        if self._answered_ns is not None and self._answered_ns > lost_ns:
            self.undelivered = True

    @track(refusal("StopTransaction"))
    def stop_refused(self, frame: Frame) -> None:
        number = integer(frame.request, "transactionId")
        if number is not None:
            _keep(self.refused_stops, number, None)

    @track(call("StopTransaction"))
    def stop(self, frame: Frame) -> None:
        payload = frame.payload
        number = integer(payload, "transactionId")
        stop = Stop(
            integer(payload, "meterStop"),
            string(payload, "timestamp"),
            string(payload, "reason"),
            string(payload, "idTag"),
        )
        if number is None:
            self.stopping = Stopping(None, None, stop, None)
            return
        transaction, earlier = self.by_id.get(number), self._stops.get(number)
        nameless = transaction is None and self.session.unseen(Direction.FROM_CSMS, "answers")
        if number == NO_ID or nameless:
            for one in self.open_transactions():
                if one.transaction_id is None:
                    self._close(one, stop)
                    self.undelivered = True
        if transaction is not None and transaction.stop is None:
            self._close(transaction, stop)
            earlier = None  # the earlier StopTransaction was for another transaction with the same id
        self.stopping = Stopping(number, transaction, stop, earlier)
        _keep(self._stops, number, stop)

    def _close(self, transaction: Transaction16, stop: Stop) -> None:
        transaction.stop = stop
        if transaction in self._open:
            self._open.remove(transaction)

    @track(call("MeterValues"))
    def meter(self, frame: Frame) -> None:
        number = frame.payload.get("transactionId")
        if type(number) is int:
            self.metered = transaction = self.by_id.get(number)
            if transaction is not None:
                transaction.metered_ns = frame.mono_ns
        else:
            self.metered = None
            for one in self._open:
                if one.connector == frame.payload.get("connectorId"):
                    one.metered_ns = frame.mono_ns

    @track(call("StatusNotification"))
    def status(self, frame: Frame) -> None:
        connector = frame.payload.get("connectorId")
        if self.reservations and string(frame.payload, "status") in ("Faulted", "Unavailable"):
            # These statuses end a reservation (1.6 section 5.13).
            for one in [one for one in self.reservations.values() if connector in (0, one.connector)]:
                del self.reservations[one.reservation_id]
        if type(connector) is not int or connector in self.heard_of or len(self.heard_of) >= TRANSACTIONS_LIMIT:
            return
        self.heard_of.add(connector)
        if connector > 0 and string(frame.payload, "status") in TAKEN and not self.open_on(connector):
            self.unseen.add(connector)

    @track(call("RemoteStopTransaction"))
    def stop_asked(self, frame: Frame) -> None:
        number = integer(frame.payload, "transactionId")
        if number is not None:
            _keep(self.remote_stops, number, frame.mono_ns)

    @track(result("RemoteStopTransaction"))
    def stop_answered(self, frame: Frame) -> None:
        number = integer(frame.request, "transactionId")
        if number is not None and frame.payload.get("status") != "Accepted":
            self.remote_stops.pop(number, None)

    @track(result("UnlockConnector"))
    def unlock_answered(self, frame: Frame) -> None:
        connector = integer(frame.request, "connectorId")
        if connector is not None and frame.payload.get("status") == "Unlocked":
            _keep(self.unlocked, connector, frame.mono_ns)

    @track(result("Reset"))
    def reset_answered(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            self.reset_ns = frame.mono_ns

    @track(result("ReserveNow"))
    def reserved(self, frame: Frame) -> None:
        request = frame.request
        number, connector = integer(request, "reservationId"), integer(request, "connectorId")
        id_tag = string(request, "idTag")
        if number is None or connector is None or id_tag is None or frame.payload.get("status") != "Accepted":
            return
        expires = seconds(string(request, "expiryDate"))
        _keep(self.reservations, number, Reservation(number, connector, id_tag, expires, frame.ts_ns))

    @track(result("CancelReservation"))
    def cancelled(self, frame: Frame) -> None:
        number = integer(frame.request, "reservationId")
        if number is not None and frame.payload.get("status") == "Accepted":
            self.reservations.pop(number, None)

    def _of_call(self, answer: Frame) -> Transaction16 | None:
        request = answer.request
        names = "connectorId", "idTag", "meterStart", "timestamp"
        connector, id_tag = integer(request, names[0]), string(request, names[1])
        return self._starts.get((connector, id_tag, integer(request, names[2]), string(request, names[3])))


def last_sampled(payload: dict[str, Any]) -> str | None:
    """Return the timestamp in the last element of `meterValue`; None if there is none."""
    values = elements(payload, "meterValue")
    return string(values[-1], "timestamp") if values else None


def _keep[K, V](known: dict[K, V], key: K, value: V) -> None:
    known.pop(key, None)
    known[key] = value
    if len(known) > TRANSACTIONS_LIMIT:
        del known[next(iter(known))]
