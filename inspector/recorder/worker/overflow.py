"""What a door does when its bound is reached: loses frames, counts every one, and says so once it can; keeps nothing.

One session that has more than its share waiting loses its own frames, long before the bound is reached for all. There,
from the first frame that cannot be kept to the moment half of the bound is free, all are lost: one gap with a
beginning and an end says more than many. Ends of sessions are always kept, and beginnings are told afterwards, so
that what waits stays bounded whatever peers do meanwhile.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass

from inspector.records import CLOSE, FRAME, OPEN, Record, gap

log = logging.getLogger("chargesentinel.recorder")

REASON = "more waited to be stored than --queue-limit allows"
"""What gaps give as their reason."""
REASON_OF_ONE = "this charge point sent more than its share of --queue-limit while the recorder was behind"
"""The same where one session lost frames, and not all of them."""


@dataclass(slots=True)
class _Share:
    """What one session has lost since some time."""

    since_ns: int
    frames: int = 0
    events: int = 0


class Overflow:
    """The state of one gap, while there is one."""

    def __init__(self, limit: int) -> None:
        """`limit` is in bytes."""
        self.limit = limit
        self.losing = False
        self.lost_all = 0
        """Frames lost so far, in all gaps."""
        self._lost: Counter[int] = Counter()  # frames by link
        self._frames = self._events = self._sessions = 0
        self._since_ns = 0
        self._unannounced: dict[int, Record] = {}
        self.refused: dict[int, _Share] = {}
        """Sessions that lose frames because they have more than their share waiting."""

    def refuse(self, record: Record) -> None:
        """Lose a frame or event of a session that has more than its share waiting."""
        share = self.refused.get(record[1])
        if share is None:
            share = self.refused[record[1]] = _Share(record[2])
        if record[0] == FRAME:
            share.frames += 1
            self.lost_all += 1
        else:
            share.events += 1

    def accept(self, session: int, ts_ns: int, mono_ns: int) -> list[Record]:
        """End the gap of a session, if there is one; returns the record that tells of it."""
        share = self.refused.pop(session, None)
        if share is None:
            return []
        log.warning("recording of link %d goes on after a gap of %d frames", session, share.frames)
        more = {"events": share.events} if share.events else {}
        return [gap(ts_ns, mono_ns, share.frames, share.since_ns, session, {**more, "reason": REASON_OF_ONE})]

    def take(self, record: Record, waiting_bytes: int) -> list[Record]:
        """Take a record that comes while frames are lost, or at the bound; returns what is to be kept of it."""
        if not self.losing:
            self.losing, self._since_ns = True, record[2]
            log.error("RECORDING STOPPED: %d bytes wait to be stored; frames are being lost", waiting_bytes)
        kind, link = record[0], record[1]
        if kind == FRAME:
            self._lost[link] += 1
            self._frames += 1
            self.lost_all += 1
            return []
        if kind == OPEN:
            self._unannounced[link] = record
            return []
        if kind == CLOSE:
            own = self.accept(link, record[2], record[3])
            if self._unannounced.pop(link, None) is not None:
                self._sessions += 1
                self._lost.pop(link, None)
                return []
            missing = self._lost.pop(link, 0)
            return [*own, *([self._share(record[2], record[3], missing, link)] if missing else []), record]
        self._events += 1
        return []

    def resume(self, ts_ns: int, mono_ns: int) -> list[Record]:
        """End the gap; returns the records that tell of it, and of the sessions that began in it."""
        log.warning("recording resumes after a gap of %d frames", self._frames)
        others = {what: n for what, n in (("events", self._events), ("sessions", self._sessions)) if n}
        told = [gap(ts_ns, mono_ns, self._frames, self._since_ns, 0, {**others, "reason": REASON})]
        begun = self._unannounced
        told += [(*record[:4], {**record[4], "from_start": False}) for record in begun.values()]
        told += [self._share(ts_ns, mono_ns, frames, link) for link, frames in self._lost.items()]
        self.losing = False
        self._frames = self._events = self._sessions = 0
        self._lost, self._unannounced = Counter(), {}
        return told

    def _share(self, ts_ns: int, mono_ns: int, frames: int, link: int) -> Record:
        """The record that tells how much of the gap is one session's."""
        return gap(ts_ns, mono_ns, frames, self._since_ns, link, {"reason": REASON})
