"""Decides which records are kept for a recorder: all of them up to a bound, and beyond it only those of others."""

from __future__ import annotations

import logging
import time

from inspector.recorder.worker.backlog import Backlog
from inspector.recorder.worker.overflow import Overflow
from inspector.records import EVENT, FRAME, Record

log = logging.getLogger("chargesentinel.recorder")


class Intake:
    """The way into a backlog while much waits in it."""

    def __init__(self, backlog: Backlog, limit: int, unwatched: int) -> None:
        """`limit` is in bytes: what is kept at most; up to `unwatched` bytes nobody has too much."""
        self._backlog, self._limit, self._unwatched = backlog, limit, unwatched
        self._overflow = Overflow(limit)
        self.bound = unwatched
        """Bytes up to which there is nothing to decide; -1 while frames are lost, so that one comparison tells."""

    @property
    def lost(self) -> int:
        """How many frames were lost so far."""
        return self._overflow.lost_all

    def take(self, record: Record) -> None:
        """Take a record that comes above `bound`: lose it at a bound, else have its charge point wait at once."""
        backlog, overflow = self._backlog, self._overflow
        session = record[1]
        if overflow.losing or backlog.bytes > self._limit:
            self.bound = -1
            for kept in overflow.take(record, backlog.bytes):
                backlog.keep(kept)
        elif record[0] in (FRAME, EVENT) and session and self._has_its_share(session):
            self.bound = -1
            if session not in overflow.refused:
                name = (backlog.charge_point_of(session) or "?")[:100]
                log.error("%s (link %d) sends more than can be stored: frames of it are being lost", name, session)
            overflow.refuse(record)
        else:
            self._accept(session)
            backlog.keep(record)
            # Not at the next tick: by then it may have sent much more.
            backlog.sort()

    def _has_its_share(self, session: int) -> bool:
        """Whether a charge point has as much waiting as is free for all others; half of it, once it lost frames."""
        free = self._limit - self._backlog.bytes
        return self._backlog.station(session).bytes > (free / 2 if session in self._overflow.refused else free)

    def _accept(self, session: int) -> None:
        """End the gap of a session, if there is one: from here on its frames are kept again."""
        for told in self._overflow.accept(session, time.time_ns(), time.monotonic_ns()):
            self._backlog.keep(told)

    def room(self, *, over: bool = False) -> None:
        """End those gaps for which there is room again; with `over` all of them, as no more is to come."""
        overflow = self._overflow
        if self.bound >= 0:
            return
        if overflow.losing and (over or self._backlog.bytes < self._limit // 2):
            for told in overflow.resume(time.time_ns(), time.monotonic_ns()):
                self._backlog.keep(told)
        if not overflow.losing:
            for session in list(overflow.refused):
                if over or not self._has_its_share(session):
                    self._accept(session)
            if not overflow.refused:
                self.bound = self._unwatched
