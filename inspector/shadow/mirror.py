"""Decide what a shadow gets of one charge point's session: messages and times in, texts to send out. Opens no socket.

A shadow gets each CALL and SEND of the charge point, one CALL at a time (OCPP-J 4.1.1), as if the charge point were
connected to it. It gets neither the primary's CALLs nor the answers to them.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from inspector.protocol.messages import Call, CallError, CallResult, Message, Send, parse
from inspector.protocol.vocabulary import OcppVersion
from inspector.shadow.message_ids import mirrored_id
from inspector.shadow.own_calls import OwnCalls
from inspector.shadow.shadow_ids import OPTIONAL_KINDS, ShadowIds, ids_in

ANSWER_S = 30.0
"""How long the next CALL waits for the shadow's answer to the one before; a later answer is still recorded."""
ENTRY_BYTES = 200
"""What a waiting message takes besides its own bytes, for the limit."""
LEAST_LIMIT = 16 * 1024
MOST_OPEN = 100
"""CALLs of each side whose answers are awaited; the oldest one is forgotten first."""
MOST_ANSWERS = 20
"""Answers to CALLs of the shadow that may wait while it does not read."""
MOST_IDS = 10_000
"""Message ids of the charge point that are remembered, to tell a repeated one."""
ATTEMPTS = 2
"""How often a CALL is sent if the connection to the shadow ends before its answer."""

FULL, NO_TRANSACTION, UNANSWERED, NEVER_SENT = "shadow-queue", "shadow-transaction", "shadow-lost", "shadow-ended"
CAUSES = {
    FULL: "the queue of this shadow was full",
    NO_TRANSACTION: "they belong to a transaction to which this shadow has given no id",
    UNANSWERED: "the connection to this shadow ended twice before it answered",
    NEVER_SENT: "the session ended before they could be sent",
}
"""Why CALLs of the charge point never reached the shadow."""


class Outgoing(NamedTuple):
    """A text for the shadow; `made` says that it answers a CALL of the shadow, so no charge point has sent it."""

    text: str
    made: bool


class Loss(NamedTuple):
    """CALLs of the charge point that the shadow does not get: how many, and a key of CAUSES."""

    frames: int
    cause: str


@dataclass(slots=True)
class _Exchange:
    """A mirrored CALL: the ids in the primary's answer and in the shadow's, as payloads; None while there is none."""

    action: str
    primary: object = None
    shadow: object = None


@dataclass(slots=True, eq=False)
class _Waiting:
    """A CALL or SEND of the charge point that waits to be sent."""

    message: Call | Send
    raw: bytes
    exchange: _Exchange
    fresh_id: str
    attempts: int = 0

    @property
    def size(self) -> int:
        return len(self.raw) + ENTRY_BYTES


class Mirror:
    """One charge point's session at one shadow."""

    def __init__(
        self,
        ids: ShadowIds,
        version: OcppVersion | None = None,
        *,
        limit_bytes: int = 1024 * 1024,
        answering: bool = False,
        answer_s: float = ANSWER_S,
    ) -> None:
        """Begin without a connection.

        Args:
            ids: shared by all sessions of the charge point at this shadow.
            version: the OCPP version, None if it is not known.
            limit_bytes: how much may wait, in bytes.
            answering: answer CALLs of the shadow as the charge point answered the primary, instead of rejecting them.
            answer_s: how long to wait for an answer of the shadow, in seconds.
        """
        self._ids, self._version, self._answer_s = ids, version, answer_s
        self._limit = max(limit_bytes, LEAST_LIMIT)
        self.own_calls = OwnCalls(ids, answering)
        self.open = False
        """Whether the shadow is connected."""
        self.waiting_bytes = 0
        self._arrived: deque[tuple[bool, bytes]] = deque()
        self._queue: deque[_Waiting] = deque()
        self._answers: deque[str] = deque()
        self._flying: _Waiting | None = None
        self._sent_s = 0.0
        self._of_primary: dict[str, _Exchange] = {}  # CALLs of the charge point by their ids
        self._of_shadow: dict[str, _Exchange] = {}  # the same by their ids at the shadow
        self._times: dict[str, int] = {}  # how often each message id of the charge point was mirrored
        self._boot: _Waiting | None = None
        self._booted = False
        self._lost: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        """CALLs of the charge point that are not for the shadow, because they follow from CALLs of the primary."""

    def offer(self, from_charge_point: bool, raw: bytes, full: bool = False) -> bool:
        """Take a text message that has crossed the wire between charge point and primary; this is fast.

        With `full` it is not taken, because too much waits for other charge points.

        Returns:
            Whether it was taken: False if too much waits already.
        """
        size = len(raw) + ENTRY_BYTES
        if full or self.waiting_bytes + size > self._limit:
            if from_charge_point and raw.lstrip()[1:8].lstrip()[:1] in (b"2", b"6"):
                self._lost[FULL] += 1
            return False
        self.waiting_bytes += size
        self._arrived.append((from_charge_point, raw))
        return True

    def settle(self) -> None:
        """Parse and sort what has arrived."""
        while self._arrived:
            from_charge_point, raw = self._arrived.popleft()
            self.waiting_bytes -= len(raw) + ENTRY_BYTES
            message = parse(raw, self._version)
            if from_charge_point:
                self._from_charge_point(message, raw)
            else:
                self._from_primary(message)

    def connected(self, now_s: float) -> None:
        """Note that the shadow has accepted a connection: what waits can be sent, the BootNotification first."""
        self.open, self._sent_s = True, now_s
        self.settle()
        if self._boot is None or self._booted or self._boot in self._queue or self._boot is self._flying:
            return
        boot = self._boot = self._again(self._boot)
        self._queue.appendleft(boot)
        self.waiting_bytes += boot.size

    def disconnected(self) -> None:
        """Note that the connection to the shadow has ended; the CALL without an answer is sent once more."""
        self.open = False
        self._answers.clear()
        self._of_shadow.clear()
        flying, self._flying = self._flying, None
        if flying is None:
            return
        if flying.attempts >= ATTEMPTS:
            self.waiting_bytes -= flying.size
            self._lost[UNANSWERED] += 1
            return
        again = self._again(flying)
        self._boot = again if flying is self._boot else self._boot
        self._queue.appendleft(again)

    def _again(self, one: _Waiting) -> _Waiting:
        return _Waiting(one.message, one.raw, one.exchange, self._fresh_id(one.message.message_id), one.attempts)

    def received(self, raw: bytes) -> None:
        """Take a text message of the shadow."""
        self.settle()  # the answer of the primary may have come before it
        message = parse(raw, self._version)
        if isinstance(message, Call):
            self._answers.append(self.own_calls.answer(message))
        elif isinstance(message, CallResult | CallError):
            self._answered(message)

    def due(self, now_s: float) -> Iterator[Outgoing]:
        """Yield what to send to the shadow now, answers first. Call it only while the shadow is connected."""
        self.settle()
        while self._answers:
            yield Outgoing(self._answers.popleft(), True)
        if self._flying is not None and now_s >= self._sent_s + self._answer_s:
            self._landed()
        while self.open and self._flying is None and self._queue:
            waiting = self._queue.popleft()
            if (text := self._text_of(waiting)) is None:
                self.waiting_bytes -= waiting.size
                continue
            waiting.attempts += 1
            if isinstance(waiting.message, Call):
                self._flying, self._sent_s = waiting, now_s
                _keep(self._of_shadow, waiting.fresh_id, waiting.exchange)
            else:
                self.waiting_bytes -= waiting.size
            yield Outgoing(text, False)

    def next_due(self) -> float | None:
        """Return when `due` has to be called next although nothing arrives, None if there is no such time."""
        return self._sent_s + self._answer_s if self._flying is not None and self._queue else None

    @property
    def crowded(self) -> bool:
        """Whether so many answers wait that no more CALLs of the shadow should be read."""
        return len(self._answers) >= MOST_ANSWERS

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be sent or answered."""
        return not (self._arrived or self._queue or self._answers or self._flying)

    def ended(self) -> None:
        """Note that nothing can be sent any more: what waits is lost."""
        self.settle()
        self._lost[NEVER_SENT] += sum(not waiting.attempts for waiting in self._queue)
        self.waiting_bytes -= sum(waiting.size for waiting in self._queue)
        self._queue.clear()

    def take_losses(self) -> list[Loss]:
        """Return the CALLs that were lost since the last time."""
        lost, self._lost = self._lost, Counter()
        return [Loss(frames, cause) for cause, frames in lost.items() if frames]

    # --- the session of the charge point and the primary ----------------------------------------------------------

    def _from_charge_point(self, message: Message, raw: bytes) -> None:
        if isinstance(message, CallResult | CallError):
            self.own_calls.answered_by_charge_point(message)
        if not isinstance(message, Call | Send):
            return
        exchange = _Exchange(message.action)
        if isinstance(message, Call):
            _keep(self._of_primary, message.message_id, exchange)
        waiting = _Waiting(message, raw, exchange, self._fresh_id(message.message_id))
        if message.action == "BootNotification":
            self._boot, self._booted = waiting, False
        self._queue.append(waiting)
        self.waiting_bytes += waiting.size

    def _from_primary(self, message: Message) -> None:
        if isinstance(message, Call):
            self.own_calls.asked_by_primary(message)
        elif isinstance(message, CallResult | CallError):
            exchange = self._of_primary.pop(message.message_id, None)
            if exchange is not None and isinstance(message, CallResult) and _has_ids(exchange.action, message):
                exchange.primary = message.payload
                self._learn(exchange)

    def _fresh_id(self, message_id: str) -> str:
        """Return the message id for the next CALL with this id."""
        times = self._times.pop(message_id, 0) + 1
        self._times[message_id] = times
        if len(self._times) > MOST_IDS:
            del self._times[next(iter(self._times))]
        return mirrored_id(message_id, times)

    # --- the session with the shadow ------------------------------------------------------------------------------

    def _text_of(self, waiting: _Waiting) -> str | None:
        """Return a CALL as the shadow gets it, None if it gets none."""
        message = waiting.message
        missing = self._ids.missing(message.action, message.payload)
        if "transaction" in missing:
            self._lost[NO_TRANSACTION] += 1
            return None
        if "request" in missing or (missing and message.action == "ReservationStatusUpdate"):
            self.left_out[message.action] += 1  # it reports what only the primary has asked for
            return None
        fresh = waiting.fresh_id
        text = self._ids.mirrored(waiting.raw, message.action, message.message_id, fresh, missing & OPTIONAL_KINDS)
        if fresh not in text[:100]:
            self.left_out[message.action] += 1  # its message id is a number, so no answer could be recognised
            return None
        return text

    def _answered(self, message: CallResult | CallError) -> None:
        exchange = self._of_shadow.pop(message.message_id, None)
        if exchange is None:
            return
        if isinstance(message, CallResult):
            if exchange.action == "BootNotification" and isinstance(message.payload, dict):
                self._booted = message.payload.get("status") == "Accepted"
            if _has_ids(exchange.action, message):
                exchange.shadow = message.payload
                self._learn(exchange)
        if self._flying is not None and self._flying.fresh_id == message.message_id:
            self._landed()

    def _landed(self) -> None:
        if self._flying is not None:
            self.waiting_bytes -= self._flying.size
            self._flying = None

    def _learn(self, exchange: _Exchange) -> None:
        if exchange.primary is not None and exchange.shadow is not None:
            self._ids.learn(exchange.action, exchange.primary, exchange.shadow)


def _has_ids(action: str, message: CallResult) -> bool:
    return next(ids_in(action, message.payload), None) is not None


def _keep[V](known: dict[str, V], key: str, value: V) -> None:
    known.pop(key, None)
    known[key] = value
    if len(known) > MOST_OPEN:
        del known[next(iter(known))]
