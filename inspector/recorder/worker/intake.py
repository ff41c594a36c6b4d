"""Decide which records are kept for a recorder: all of them, until a charge point has more than its share in memory."""

from __future__ import annotations

import logging
import time

from inspector.recorder.worker.backlog import Backlog
from inspector.recorder.worker.overflow import Overflow
from inspector.records import EventRecord, FrameRecord, Record

log = logging.getLogger("chargesentinel.recorder")


class Intake:
    """Adds records to a backlog, or counts them as lost if there is no room."""

    def __init__(self, backlog: Backlog, limit: int, unwatched: int) -> None:
        """Begin with an empty backlog.

        Args:
            backlog: the records that are kept.
            limit: how many bytes it may have.
            unwatched: while it has fewer bytes than this, no charge point can have more than its share.
        """
        self._backlog, self._limit, self._unwatched = backlog, limit, unwatched
        self._overflow = Overflow(limit)
        self.bound = unwatched
        """While the backlog has at most so many bytes, `take` need not be called: every record is kept.

        It is -1 while frames are being lost, so that callers need only this one comparison.
        """

    @property
    def lost(self) -> int:
        """How many frames have been lost."""
        return self._overflow.lost_all

    def take(self, record: Record) -> None:
        """Keep a record if there is room for it, otherwise count it as lost; for records that come above `bound`."""
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
            # Do not leave this to the next batch: before that, the charge point may send much more.
            backlog.sort_by_charge_point()

    def _has_its_share(self, session: int) -> bool:
        """Return whether a charge point has more bytes waiting than are free; half as many once it has lost frames."""
        free = self._limit - self._backlog.bytes
        return self._backlog.station(session).bytes > (free / 2 if session in self._overflow.losing_sessions else free)

    def _accept(self, session: int) -> None:
        """End the gap of a session, if it has one, because its next frames are kept."""
        for gap in self._overflow.end_gap_of(session, time.time_ns(), time.monotonic_ns()):
            self._backlog.keep(gap)

    def make_room(self, *, over: bool = False) -> None:
        """End the gaps for which there is room again; end all of them if recording is `over`."""
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
