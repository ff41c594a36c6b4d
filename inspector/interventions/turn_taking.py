"""Let CALLs of the proxy take turns with those of a peer: a receiver never has two of them to answer at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from inspector.protocol.vocabulary import Direction

PATIENCE_S = 30.0
"""How long a CALL without an answer makes others wait."""
MOST_OPEN = 1_000
"""CALLs without an answer that are remembered; the oldest one is forgotten first."""
SETTLE_S = 1.0
"""How long CALLs of the proxy wait in a session that was taken over: the CALLs before that are not known."""
_UNKNOWN = "\0"


@dataclass(slots=True)
class Waiting:
    """Frames that wait for their time, for their turn, or for later frames to overtake them.

    Attributes:
        due_s: When to send them, on the monotonic clock.
        data: The frames, each with the direction in which it travels.
        behind: How many later frames of the direction overtake them.
        later: (number, description) in the recording, for each frame that is recorded before it is sent.
    """

    due_s: float
    data: list[tuple[Direction, bytes]]
    behind: int = 0
    later: list[tuple[int, str]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """The size of the frames in bytes."""
        return sum(len(data) for _, data in self.data)


class CallTurns:
    """The CALLs in one direction of a session.

    While no CALL of the proxy is involved, the peer's CALLs pass at once, even if the peer breaks the rule itself.
    """

    def __init__(self) -> None:
        self.waiting: deque[tuple[str, Waiting, bool]] = deque()
        """(message id, frames, whether the CALL is the proxy's), in the order of sending."""
        self.waiting_bytes = 0
        self._open: dict[str, float] = {}  # the peer's CALLs without an answer, and when each was sent
        self._own: dict[str, float] = {}  # at most one of the proxy
        self._own_before: dict[str, None] = {}  # ids of the proxy's earlier CALLs: a late answer is the proxy's too

    def settle(self, now_s: float) -> None:
        """Let the proxy's CALLs wait for a moment, because the peer may have an open CALL that nobody has noted."""
        self._open[_UNKNOWN] = now_s + SETTLE_S - PATIENCE_S

    def may_send(self, message_id: str, waiting: Waiting, own: bool) -> bool:
        """Return whether a CALL may go out now; otherwise it waits for its turn."""
        if self.must_wait(own):
            self.waiting.append((message_id, waiting, own))
            self.waiting_bytes += waiting.size
            return False
        self._sent(message_id, waiting.due_s, own)
        return True

    def must_wait(self, own: bool) -> bool:
        """Return whether the next CALL has to wait for its turn."""
        return bool(self.waiting or self._own or (own and self._open))

    def passed(self, message_id: str, now_s: float) -> None:
        """Note a CALL of the peer that went out at once."""
        self._sent(message_id, now_s, False)

    def closed(self, message_id: str) -> None:
        """Note an answer to a CALL of the peer, while no CALL waits."""
        self._open.pop(message_id, None)

    def answered(self, message_id: str, now_s: float) -> tuple[bool, list[Waiting]]:
        """Note an answer: return whether its CALL was the proxy's, and the frames whose turn has come."""
        own = message_id in self._own_before
        self._own.pop(message_id, None)
        if self._open.pop(message_id, None) is None and not own:
            self._open.pop(_UNKNOWN, None)
        return own, list(self._next(now_s))

    def withdrawn(self, message_id: str, now_s: float) -> list[Waiting]:
        """Note that a CALL will not reach its receiver; return the frames whose turn has come."""
        self._open.pop(message_id, None)
        return list(self._next(now_s))

    def expired(self, now_s: float) -> Iterator[Waiting]:
        """Return the frames that have waited long enough for an answer to an earlier CALL."""
        if self.waiting:
            for calls in (self._open, self._own):
                for message_id in [one for one, at in calls.items() if at + PATIENCE_S <= now_s]:
                    del calls[message_id]
            yield from self._next(now_s)

    def next_expiry(self) -> float | None:
        """Return when `expired` has to be called, None if nothing waits."""
        if not self.waiting:
            return None
        return min([*self._open.values(), *self._own.values()], default=0.0) + PATIENCE_S

    def _next(self, now_s: float) -> Iterator[Waiting]:
        while self.waiting and not self._own and not (self.waiting[0][2] and self._open):
            message_id, waiting, own = self.waiting.popleft()
            self.waiting_bytes -= waiting.size
            waiting.due_s = max(waiting.due_s, now_s)
            self._sent(message_id, waiting.due_s, own)
            yield waiting

    def _sent(self, message_id: str, at_s: float, own: bool) -> None:
        calls = self._own if own else self._open
        calls[message_id] = at_s
        if own:
            self._own_before[message_id] = None
        for remembered in (calls, self._own_before):
            if len(remembered) > MOST_OPEN:
                del remembered[next(iter(remembered))]
