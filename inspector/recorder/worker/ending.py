"""Say how long the end of a recording may take, and what stands for records that are given up; knows no socket."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable

from inspector.records import CLOSE, FRAME, GAP, OPEN, SET_ASIDE, Record, gap

LOOK_EVERY_S = 0.2
"""How often a recorder that ends looks whether it is to go on."""
GIVE_UP_S = 2.0
"""How long a recorder has to store what tells of records that are given up."""
REASON = "the recording ended before what waited was stored"
"""What the gaps of records that are given up give as their reason."""


class Ending:
    """An end that goes on as long as records are being stored, and nobody says that it is enough."""

    def __init__(self, patience_s: float, tell: Callable[[int], bool] | None = None) -> None:
        """Begin.

        Args:
            patience_s: how long to wait while nothing at all is stored.
            tell: is told several times a second how many records wait; returns False where that is not waited for.
        """
        self._patience_s, self._tell = patience_s, tell
        self._deadline = time.monotonic() + patience_s
        self._acknowledged = -1
        self.given_up = False

    def goes_on(self, acknowledged: int, waiting: int) -> bool:
        """Whether to go on, now that so many records have been stored and so many wait."""
        now = time.monotonic()
        if acknowledged != self._acknowledged:
            self._acknowledged = acknowledged
            self._deadline = now + self._patience_s
        if self._tell is not None and not self.given_up:
            self.given_up = not self._tell(waiting)
        return not self.given_up and now < self._deadline


def gaps_in_place_of(given_up: Iterable[Record]) -> tuple[list[Record], int]:
    """Return what tells of records that are given up, and how many frames are among them.

    Ends of sessions, and gaps that were there already, are kept. A session that began among these records is only
    counted.
    """
    kept: list[Record] = []
    lost: Counter[int] = Counter()  # frames by session
    begun: set[int] = set()
    since_ns = events = 0
    frames = 0
    for record in given_up:
        kind, session = record[0], record[1]
        since_ns = since_ns or record[2]
        if kind in (FRAME, SET_ASIDE):
            frames += 1
            lost[session] += 1
        elif kind == OPEN:
            begun.add(session)
        elif kind == GAP or (kind == CLOSE and session not in begun):
            kept.append(record)
        elif kind != CLOSE:
            events += 1
    if not since_ns:
        return [], 0
    others = {what: number for what, number in (("events", events), ("sessions", len(begun))) if number}
    now = time.time_ns(), time.monotonic_ns()
    told = [gap(*now, frames, since_ns, 0, {**others, "reason": REASON})] if frames or others else []
    told += [
        gap(*now, share, since_ns, session, {"reason": REASON})
        for session, share in lost.items()
        if session not in begun
    ]
    return [*told, *kept], frames
