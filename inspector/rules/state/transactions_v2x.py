"""Track which transactions of a 2.x charging station are open, and how each TransactionEvent relates to them.

Events may arrive out of order (part 2 section E 1.3.2); `seqNo` gives their order. Topics judged after this one read
`event`, the current TransactionEvent. At most TRANSACTIONS_LIMIT transactions and EVENTS_LIMIT events of each are
remembered; beyond that, the oldest are forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.rule import V2X, Topic, call, event, track
from inspector.rules.state.observation import Observation

TRANSACTIONS_LIMIT = 1000
EVENTS_LIMIT = 64
EVSES_LIMIT = 500
CONNECTED = frozenset({"EVConnected", "Charging", "SuspendedEV", "SuspendedEVSE"})
"""The charging states in which a car is connected."""


type Said = tuple[str | None, str | None, str | None]
"""Kind, timestamp and trigger of an event. Two events with the same seqNo and these three are repetitions."""


@dataclass(slots=True, eq=False)
class Transaction2x:
    """One transaction, from its events."""

    transaction_id: str
    known_from_start: bool  # whether the capture has all of its events
    evse: int | None = None
    connector: int | None = None
    started: Said | None = None
    ended: Said | None = None
    ended_seq: int | None = None
    ended_ns: int | None = None  # monotonic time of its Ended event
    highest_seq: int | None = None
    stopped_locally: bool = False  # whether the driver stopped it at the station
    stopped_remotely: bool = False  # whether a remote stop ended it
    connected: bool = False  # whether a car is connected, according to its events
    placed: bool = False  # whether an event has named the EVSE since the car was connected
    connection: int = 0  # the number of the station's connection, from 1, on which its latest event came
    events: dict[int, Said] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        return self.ended is None

    def __str__(self) -> str:
        place = f" on EVSE {self.evse}" if self.evse is not None else ""
        return f"transaction {self.transaction_id[:36]}{place}"


class Event(NamedTuple):
    """The content of a TransactionEvent, and the state before it. A field is None if the payload has no such value."""

    transaction: Transaction2x
    kind: str | None  # Started, Updated or Ended
    trigger: str | None
    sequence: int | None
    timestamp: str | None
    offline: bool
    info: dict[str, Any]  # transactionInfo
    evse: int | None
    connector: int | None
    token: dict[str, Any] | None
    repeated: bool  # whether the same event has come before
    first: bool  # whether it is the first event of its transaction in the capture
    reused: bool  # whether it is a Started with the id of a transaction that has ended
    before: Said | None  # an earlier, different event with the same seqNo
    evse_before: int | None  # this and the following fields: the state of the transaction before this event
    connector_before: int | None
    sequence_before: int | None
    ended_before: bool
    started_before: Said | None
    connection_before: int
    placed_before: bool  # whether an earlier event has named the EVSE since the car was connected


class Transactions2x(Topic):
    """The transactions of one charging station, across its connections.

    Attributes:
        by_id: every known transaction, also ended ones, by transaction id, oldest first.
        event: the latest TransactionEvent; None before the first, or if it has no transaction id.
        unseen: the EVSEs that were occupied when they were first named: they may have a transaction that started before
            the capture.
    """

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self.by_id: dict[str, Transaction2x] = {}
        self.event: Event | None = None
        self.unseen: set[int] = set()
        self._heard_of: set[int] = set()
        self._open: dict[str, Transaction2x] = {}
        self._evidence = self.station.topic(Observation)

    def open_transactions(self) -> list[Transaction2x]:
        """Return every transaction whose Ended event was not seen, oldest first."""
        return list(self._open.values())

    def open_on(self, evse: int) -> list[Transaction2x]:
        """Return the open transactions of one EVSE, oldest first."""
        return [one for one in self._open.values() if one.evse == evse]

    def would_have_been_seen(self, timestamp: str | None, evse: int | None = None) -> bool:
        """Return whether the Started event of an unknown transaction would have been seen if it had been sent.

        Args:
            timestamp: the date-time in the message that names the transaction; it may be from before the capture.
            evse: the EVSE in that message; None if it has none.
        """
        if self.unseen if evse is None else evse in self.unseen:
            return False
        return self._evidence.has_seen_since(seconds(timestamp))

    @track(call("TransactionEvent"))
    def update(self, frame: Frame) -> None:
        payload = frame.payload
        info = payload.get("transactionInfo")
        name = info.get("transactionId") if type(info) is dict else None
        if type(name) is not str:
            self.event = None
            return
        kind, timestamp = string(payload, "eventType"), string(payload, "timestamp")
        trigger, sequence = string(payload, "triggerReason"), integer(payload, "seqNo")
        place = payload.get("evse")
        evse, connector = (integer(place, "id"), integer(place, "connectorId")) if type(place) is dict else (None, None)
        said = (kind, timestamp, trigger)
        known = self.by_id.get(name)
        first = reused = False
        if known is None:
            first = True
        elif kind == "Started" and known.started is not None and known.ended is not None:
            first = reused = said not in known.events.values()
        if known is None or reused:
            known = self._begin(name, timestamp, evse)
        same = known.events.get(sequence) if sequence is not None else None
        token = payload.get("idToken")
        self.event = Event(
            known,
            kind,
            trigger,
            sequence,
            timestamp,
            payload.get("offline") is True,
            info,
            evse,
            connector,
            token if type(token) is dict else None,
            same == said,
            first,
            reused,
            same if same != said else None,
            known.evse,
            known.connector,
            known.highest_seq,
            known.ended is not None,
            known.started,
            known.connection,
            known.placed,
        )
        state = info.get("chargingState")
        if (type(state) is str and state in CONNECTED) or trigger == "CablePluggedIn":
            known.connected = True
        elif state == "Idle" or trigger == "EVDeparted":
            known.connected = known.placed = False
        known.placed = known.placed or (known.connected and evse is not None)
        if sequence is not None:
            known.events[sequence] = said
            if len(known.events) > EVENTS_LIMIT:
                del known.events[next(iter(known.events))]
            if known.highest_seq is None or sequence > known.highest_seq:
                known.highest_seq = sequence
        if evse is not None and evse != known.evse:
            known.evse = evse
            self.unseen.discard(evse)
            if len(self._heard_of) < EVSES_LIMIT:
                self._heard_of.add(evse)
        if connector is not None:
            known.connector = connector
        known.connection = self._evidence.connections
        if trigger == "StopAuthorized":
            known.stopped_locally = True
        elif trigger == "RemoteStop":
            known.stopped_remotely = True
        if kind == "Started" and known.started is None:
            known.started = said
        elif kind == "Ended" and known.ended is None:
            known.ended, known.ended_seq, known.ended_ns = said, sequence, frame.mono_ns
            self._open.pop(name, None)

    def _begin(self, name: str, timestamp: str | None, evse: int | None) -> Transaction2x:
        known = Transaction2x(name, self.would_have_been_seen(timestamp, evse))
        self.by_id[name] = self._open[name] = known
        if len(self.by_id) > TRANSACTIONS_LIMIT:
            oldest = next(iter(self.by_id))
            del self.by_id[oldest]
            self._open.pop(oldest, None)
        return known

    @track(call("StatusNotification"))
    def status(self, frame: Frame) -> None:
        evse = integer(frame.payload, "evseId")
        if evse is not None:
            self._heard(evse, frame.payload.get("connectorStatus"))

    @track(call("NotifyEvent"))
    def notified(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "eventData"):
            if string(member(entry, "variable"), "name") == "AvailabilityState":
                evse = integer(member(member(entry, "component"), "evse"), "id")
                if evse is not None:
                    self._heard(evse, entry.get("actualValue"))

    def _heard(self, evse: int, status: Any) -> None:
        if evse in self._heard_of or len(self._heard_of) >= EVSES_LIMIT:
            return
        self._heard_of.add(evse)
        if status == "Occupied" and not self.open_on(evse):
            self.unseen.add(evse)

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        # Rules must not report the events in the gap as missing, so forget the sequence numbers.
        for known in self._open.values():
            known.highest_seq = None
            known.known_from_start = False
