"""How long ending a recording may take, and which gaps replace the records that are given up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable

from inspector.records import CloseRecord, FrameRecord, GapRecord, OpenRecord, Record, SetAsideRecord

LOOK_EVERY_S = 0.2
"""How often a recorder that is ending checks whether to continue."""
GIVE_UP_S = 2.0
"""How long a recorder has to store the gaps of records that are given up."""
REASON = "the recording ended before everything was stored"
"""The reason in the gaps of records that are given up."""


class Ending:
    """Decides how long a recorder may go on storing records once recording has ended."""

    def __init__(self, patience_s: float, progress: Callable[[int], bool] | None = None) -> None:
        """Begin to wait.

        Args:
            patience_s: how long to wait while nothing at all is stored.
            progress: called several times a second with the number of records that wait; returns False to give up.
        """
        self._patience_s, self._progress = patience_s, progress
        self._deadline = time.monotonic() + patience_s
        self._acknowledged = -1
        self.given_up = False

    def may_continue(self, acknowledged: int, waiting: int) -> bool:
        """Whether to continue, given how many records are stored by now and how many wait."""
        now = time.monotonic()
        if acknowledged != self._acknowledged:
            self._acknowledged = acknowledged
            self._deadline = now + self._patience_s
        if self._progress is not None and not self.given_up:
            self.given_up = not self._progress(waiting)
        return not self.given_up and now < self._deadline


def gaps_in_place_of(given_up: Iterable[Record]) -> tuple[list[Record], int]:
    """Return the records to store in place of records that are given up, and how many frames are among those.

    Ends of sessions and gaps that existed already are kept. A session that began among the given-up records is only
    counted.
    """
    kept: list[Record] = []
    lost: Counter[int] = Counter()  # frames by session
    begun: set[int] = set()
    since_ns = events = 0
    frames = 0
    for record in given_up:
        session = record.session_number
        since_ns = since_ns or record.ts_ns
        if isinstance(record, FrameRecord | SetAsideRecord):
            frames += 1
            lost[session] += 1
        elif isinstance(record, OpenRecord):
            begun.add(session)
        elif isinstance(record, GapRecord) or (isinstance(record, CloseRecord) and session not in begun):
            kept.append(record)
        elif not isinstance(record, CloseRecord):
            events += 1
    if not since_ns:
        return [], 0
    others = {what: number for what, number in (("events", events), ("sessions", len(begun))) if number}
    now = time.time_ns(), time.monotonic_ns()
    gaps = [GapRecord(0, *now, frames, since_ns, {**others, "reason": REASON})] if frames or others else []
    gaps += [
        GapRecord(session, *now, share, since_ns, {"reason": REASON})
        for session, share in lost.items()
        if session not in begun
    ]
    return [*gaps, *kept], frames
