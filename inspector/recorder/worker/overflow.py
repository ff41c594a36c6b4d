"""Lose and count frames when too many records wait, and make the gap records that are stored afterwards.

A session that has more than its share waiting loses its own frames, long before the limit is reached. When the limit is
reached, all frames are lost until half of it is free again: one long gap is easier to understand than many short ones.
Ends of sessions are always kept. Beginnings of sessions are recorded after the gap, and only if the session is still
open, so that the memory in use stays bounded.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass

from inspector.records import CloseRecord, FrameRecord, GapRecord, OpenRecord, Record

log = logging.getLogger("chargesentinel.recorder")

REASON = "more waited to be stored than --queue-limit allows"
"""The reason that is stored in gaps of all sessions."""
REASON_OF_ONE = "this charge point sent more than its share of --queue-limit while the recorder was behind"
"""The reason that is stored in gaps of a single session."""


@dataclass(slots=True)
class _Share:
    """How much one session has lost in its own gap."""

    since_ns: int
    frames: int = 0
    events: int = 0


class Overflow:
    """Counts lost frames and events, and makes the gap records."""

    def __init__(self, limit: int) -> None:
        """Begin without a gap; callers lose records when more than `limit` bytes wait."""
        self.limit = limit
        self.losing = False
        self.lost_all = 0
        """How many frames were lost in all gaps together."""
        self._lost: Counter[int] = Counter()  # frames by session number
        self._frames = self._events = self._sessions = 0
        self._since_ns = 0
        # The OpenRecords of sessions that began in the gap, by session number.
        self._unannounced: dict[int, OpenRecord] = {}
        self.losing_sessions: dict[int, _Share] = {}
        """The sessions that lose frames because they have more than their share waiting, by session number."""

    def lose_of_session(self, record: Record) -> None:
        """Count a frame or event as lost because its session has more than its share waiting."""
        share = self.losing_sessions.get(record.session_number)
        if share is None:
            share = self.losing_sessions[record.session_number] = _Share(record.ts_ns)
        if isinstance(record, FrameRecord):
            share.frames += 1
            self.lost_all += 1
        else:
            share.events += 1

    def end_gap_of(self, session: int, ts_ns: int, mono_ns: int) -> list[Record]:
        """End the gap of a single session; return its gap record, or nothing if it has no gap."""
        share = self.losing_sessions.pop(session, None)
        if share is None:
            return []
        log.warning("session %d of this run is recorded again after a gap of %d frames", session, share.frames)
        more = {"events": share.events} if share.events else {}
        more_and_why = {**more, "reason": REASON_OF_ONE}
        return [GapRecord(session, ts_ns, mono_ns, share.frames, share.since_ns, more_and_why)]

    def lose(self, record: Record, waiting_bytes: int) -> list[Record]:
        """Begin or continue the gap of all sessions with a record; return the records to keep in its place."""
        if not self.losing:
            self.losing, self._since_ns = True, record.ts_ns
            log.error("RECORDING STOPPED: %d bytes wait to be stored; frames are being lost", waiting_bytes)
        session = record.session_number
        if isinstance(record, FrameRecord):
            self._lost[session] += 1
            self._frames += 1
            self.lost_all += 1
            return []
        if isinstance(record, OpenRecord):
            self._unannounced[session] = record
            return []
        if isinstance(record, CloseRecord):
            now = record.ts_ns, record.mono_ns
            gaps = self.end_gap_of(session, *now)
            if self._unannounced.pop(session, None) is not None:
                self._sessions += 1
                self._lost.pop(session, None)
                return []
            if missing := self._lost.pop(session, 0):
                gaps.append(self._gap_of(session, *now, missing))
            return [*gaps, record]
        self._events += 1
        return []

    def end_gap(self, ts_ns: int, mono_ns: int) -> list[Record]:
        """End the gap of all sessions; return its gap records and the OpenRecords of sessions that began in it."""
        log.warning("recording resumes after a gap of %d frames", self._frames)
        others = {what: n for what, n in (("events", self._events), ("sessions", self._sessions)) if n}
        more = {**others, "reason": REASON}
        records: list[Record] = [GapRecord(0, ts_ns, mono_ns, self._frames, self._since_ns, more)]
        for opening in self._unannounced.values():
            records.append(opening._replace(facts={**opening.facts, "from_start": False}))
        records += [self._gap_of(session, ts_ns, mono_ns, frames) for session, frames in self._lost.items()]
        self.losing = False
        self._frames = self._events = self._sessions = 0
        self._lost, self._unannounced = Counter(), {}
        return records

    def _gap_of(self, session: int, ts_ns: int, mono_ns: int, frames: int) -> GapRecord:
        """Return the gap record for the lost frames of one session."""
        return GapRecord(session, ts_ns, mono_ns, frames, self._since_ns, {"reason": REASON})
