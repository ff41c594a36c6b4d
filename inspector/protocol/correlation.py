"""Pair answers with open CALLs, by sender and message id.

At most OPEN_LIMIT open CALLs and ANSWERED_LIMIT answered CALLs are remembered in each direction. Beyond that the oldest
ones are forgotten, so that a peer that never answers cannot fill the memory.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from inspector.protocol.frame import AnswerStatus, Frame
from inspector.protocol.vocabulary import Direction

OPEN_LIMIT = 1000
ANSWERED_LIMIT = 200
_OPPOSITE = {direction: direction.opposite for direction in Direction}
COVERED_LIMIT = 10
"""If open CALLs share a message id, at most so many older ones are remembered behind the newest."""


def forget_oldest(kept: dict[str, Any], count: int) -> None:
    """Drop the first `count` entries of a dict, which are its oldest.

    Callers drop many at once: a dict finds its first entry slowly, because it skips the slots of all dropped entries.
    """
    for key in list(islice(kept, count)):
        del kept[key]


class Correlation:
    """The CALLs of one session that are open or were answered recently, in the order in which they were sent."""

    __slots__ = ("_answered", "_asked", "_covered", "_open", "overrun")

    def __init__(self) -> None:
        self.overrun = False
        """Whether an open CALL was ever forgotten: from then on, an orphan may be the answer to it."""
        self._open: dict[Direction, dict[str, Frame]] = {direction: {} for direction in Direction}
        self._answered: dict[Direction, dict[str, Frame]] = {direction: {} for direction in Direction}
        self._covered: dict[tuple[Direction, str], list[Frame]] = {}
        self._asked: dict[tuple[Direction, str], Frame] = {}

    def note_call(self, frame: Frame, message_id: str) -> None:
        """Remember an open CALL. If two open CALLs have the same id, the next answer belongs to the newer one."""
        calls = self._open[frame.direction]
        if (covered := calls.pop(message_id, None)) is not None:
            below = self._covered.setdefault((frame.direction, message_id), [])
            below.append(covered)
            del below[:-COVERED_LIMIT]
            if len(self._covered) > OPEN_LIMIT:
                del self._covered[next(iter(self._covered))]
        calls[message_id] = frame
        if len(calls) > OPEN_LIMIT:
            del calls[next(iter(calls))]
            self.overrun = True

    def note_malformed(self, frame: Frame, message_id: str) -> None:
        """Remember a malformed frame whose message id could be read: the receiver may answer it with an error."""
        self._asked[frame.direction, message_id] = frame
        if len(self._asked) > ANSWERED_LIMIT:
            del self._asked[next(iter(self._asked))]

    def note_answer(self, direction: Direction, message_id: str) -> tuple[AnswerStatus, Frame | None]:
        """Find the CALL that an answer in `direction` belongs to, and close it.

        Returns:
            The status of the answer, and the CALL (None for an orphan).
        """
        caller = _OPPOSITE[direction]
        call = self._open[caller].pop(message_id, None)
        done = self._answered[caller]
        if call is None and self._asked:
            call = self._asked.pop((caller, message_id), None)
        if call is None:
            earlier = done.get(message_id)
            return (AnswerStatus.ORPHAN, None) if earlier is None else (AnswerStatus.DUPLICATE, earlier)
        if self._covered and (below := self._covered.get((caller, message_id))):
            self._open[caller][message_id] = below.pop()
            if not below:
                del self._covered[caller, message_id]
        done.pop(message_id, None)
        done[message_id] = call
        if len(done) > ANSWERED_LIMIT:
            forget_oldest(done, ANSWERED_LIMIT // 8)
        return AnswerStatus.PAIRED, call

    def forget(self, frame: Frame) -> None:
        """Forget an open CALL, so that it is never overdue."""
        message_id, calls = frame.message_id, self._open[frame.direction]
        below = self._covered.get((frame.direction, message_id), [])
        if calls.get(message_id) is frame:
            del calls[message_id]
            if below:
                calls[message_id] = below.pop()
        elif frame in below:
            below.remove(frame)
        else:
            return
        self.overrun = True
        if not below:
            self._covered.pop((frame.direction, message_id), None)

    def end(self) -> None:
        """Drop what only later messages would need. Open CALLs stay, because rules still check their deadlines."""
        for caller in self._answered:
            self._answered[caller] = {}
        self._covered, self._asked = {}, {}

    def answered_call(self, caller: Direction, message_id: str) -> Frame | None:
        """Return the recently answered CALL of `caller` with this id, or None."""
        return self._answered[caller].get(message_id)

    def open_calls(self, caller: Direction) -> dict[str, Frame]:
        """Return the CALLs of `caller` that wait for an answer, oldest first, by message id."""
        return self._open[caller]
