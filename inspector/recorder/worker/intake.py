"""Decide which records are kept for a recorder: all of them, until a charge point has more than its share waiting."""

from __future__ import annotations

import logging
import time

from inspector.recorder.worker.backlog import Backlog
from inspector.recorder.worker.overflow import Overflow
from inspector.records import EventRecord, FrameRecord, Record

log = logging.getLogger("chargesentinel.recorder")


class Intake:
    """The way into a backlog."""

    def __init__(self, backlog: Backlog, limit: int, unwatched: int) -> None:
        """Keep at most `limit` bytes; up to `unwatched` bytes no charge point can have too much."""
        self._backlog, self._limit, self._unwatched = backlog, limit, unwatched
        self._overflow = Overflow(limit)
        self.bound = unwatched
        """Bytes up to which every record is kept; -1 while frames are being lost, so that one comparison is enough."""

    @property
    def lost(self) -> int:
        """How many frames were lost so far."""
        return self._overflow.lost_all

    def take(self, record: Record) -> None:
        """Take a record that comes above `bound`: keep it if there is room, else count it as lost."""
        backlog, overflow = self._backlog, self._overflow
        session = record.session_number
        if overflow.losing or backlog.bytes > self._limit:
            self.bound = -1
            for kept in overflow.lose(record, backlog.bytes):
                backlog.keep(kept)
        elif isinstance(record, FrameRecord | EventRecord) and session and self._has_its_share(session):
            self.bound = -1
            if session not in overflow.losing_sessions:
                name = (backlog.charge_point_of(session) or "?")[:100]
                log.error("%s (session %d of this run) sends more than can be stored; losing its frames", name, session)
            overflow.lose_of_session(record)
        else:
            self._accept(session)
            backlog.keep(record)
            # Now and not at the next tick: by then its charge point may have sent much more.
            backlog.sort_by_charge_point()

    def _has_its_share(self, session: int) -> bool:
        """Whether a charge point has as much waiting as is free for all others; half as much once it lost frames."""
        free = self._limit - self._backlog.bytes
        return self._backlog.station(session).bytes > (free / 2 if session in self._overflow.losing_sessions else free)

    def _accept(self, session: int) -> None:
        """End the gap of a session, if it has one: from here on its frames are kept."""
        for gap in self._overflow.end_gap_of(session, time.time_ns(), time.monotonic_ns()):
            self._backlog.keep(gap)

    def make_room(self, *, over: bool = False) -> None:
        """End the gaps for which there is room again; with `over`, all of them, as nothing more will come."""
        overflow = self._overflow
        if self.bound >= 0:
            return
        if overflow.losing and (over or self._backlog.bytes < self._limit // 2):
            for gap in overflow.end_gap(time.time_ns(), time.monotonic_ns()):
                self._backlog.keep(gap)
        if not overflow.losing:
            for session in list(overflow.losing_sessions):
                if over or not self._has_its_share(session):
                    self._accept(session)
            if not overflow.losing_sessions:
                self.bound = self._unwatched
