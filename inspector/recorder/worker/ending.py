"""Limit how long the end of a recording may take, and make the gaps that replace records which cannot be stored."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable

from inspector.records import CloseRecord, FrameRecord, GapRecord, OpenRecord, Record, SetAsideRecord

LOOK_EVERY_S = 0.2
"""So often, in seconds, the end of a recording checks whether to continue."""
GIVE_UP_S = 2.0
"""So long, in seconds, a recorder may take to store the gaps in place of records that are given up."""
REASON = "the recording ended before everything was stored"
"""The reason in the gaps of records that are given up."""


class Ending:
    """Decides how long a recorder may continue to store records after recording has ended."""

    def __init__(self, patience_s: float, progress: Callable[[int], bool] | None = None) -> None:
        """Start the clock.

        Args:
            patience_s: after so many seconds in which nothing is stored, do not continue.
            progress: called several times a second with the number of waiting records; returns False to give up.
        """
        self._patience_s, self._progress = patience_s, progress
        self._deadline = time.monotonic() + patience_s
        self._acknowledged = -1
        self.given_up = False

    def may_continue(self, acknowledged: int, waiting: int) -> bool:
        """Return whether to continue, given how many records are stored by now and how many wait."""
        now = time.monotonic()
        if acknowledged != self._acknowledged:
            self._acknowledged = acknowledged
            self._deadline = now + self._patience_s
        if self._progress is not None and not self.given_up:
            self.given_up = not self._progress(waiting)
        return not self.given_up and now < self._deadline


def gaps_in_place_of(given_up: Iterable[Record]) -> tuple[list[Record], int]:
    """Return the records to store in place of records that are given up, and how many frames are given up.

    Earlier gaps and the ends of sessions are still stored. A session whose OpenRecord is given up gets no row; the gap
    counts it.
    """
    kept: list[Record] = []
    lost: Counter[int] = Counter()  # how many frames are given up, by session number
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
