"""Return what was added to a recording since the last call, for `tail`. Reads only, and never waits."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from inspector.store.reading import reader
from inspector.store.reading.filter import Filter
from inspector.store.reading.paging import LAST, highest, paged
from inspector.store.reading.search import Search
from inspector.store.rows import Event, Finding, Frame, Session

_MOST = 2000
"""The most frames that one `look` returns; the next one returns the rest."""


@dataclass(slots=True)
class News:
    """Rows that are new since the last `look`, oldest first."""

    opened: list[Session]
    closed: list[Session]
    frames: list[Frame]
    findings: list[Finding]
    events: list[Event]
    more: bool = False


class Follower:
    """Read a growing recording step by step.

    Each `look` returns the findings since the one before, even those about earlier frames. It leaves out events of
    quiet kinds.
    """

    def __init__(self, db: sqlite3.Connection, wanted: Filter, continues_from_ns: int | None = None) -> None:
        """Begin at the end of the recording; with `continues_from_ns` at its start, as it continues another file.

        Sessions opened before that time were already open in the other file.
        """
        self._db, self._wanted, self._from_ns = db, wanted, continues_from_ns or 0
        self.last_ns = self._from_ns
        self._open: set[int] = set()
        self._frame = self._finding = self._event = self._session = 0
        if continues_from_ns is None:
            self._skip()

    def _skip(self) -> None:
        db = self._db
        self._frame, self._finding, self._event, self._session = (
            int(db.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0])
            for table in ("frames", "findings", "events", "sessions")
        )
        self._open = {found for (found,) in db.execute("SELECT id FROM sessions WHERE closed_ns IS NULL")}
        (self.last_ns,) = db.execute("SELECT coalesce(max(ts_ns), 0) FROM frames").fetchone()

    def latest(self, count: int) -> list[Frame]:
        """Return the last wanted frames from before the first look."""
        found = list(Search(self._db, self._wanted).frames(newest_first=True, limit=count, before=self._frame + 1))
        return found[::-1]

    def look(self) -> News:
        """Return what is new, read at one moment."""
        self._db.execute("BEGIN")
        try:
            return self._news()
        finally:
            self._db.execute("COMMIT")

    def _news(self) -> News:
        (last,) = self._db.execute("SELECT coalesce(max(id), 0) FROM frames").fetchone()
        until = min(last, self._frame + _MOST)
        frames = []
        if until > self._frame:
            frames = list(Search(self._db, self._wanted).frames(after=self._frame, before=until + 1))
        self._frame = until
        self.last_ns = max([self.last_ns, *(frame.ts_ns for frame in frames)])
        opened = self._sessions("s.id > ?", [self._session])
        self._session = max([self._session, *(one.id for one in opened)])
        self._open |= {one.id for one in opened}
        opened = [one for one in opened if one.opened_ns > self._from_ns]
        closed: list[Session] = []
        if until == last and self._open:
            # A session counts as closed only when all its frames were returned.
            ids = sorted(self._open)
            closed = self._sessions(f"s.closed_ns IS NOT NULL AND s.id IN ({', '.join('?' * len(ids))})", ids)
            self._open -= {one.id for one in closed}
        events = [Event(*row) for row in self._after("events", reader.EVENT, self._event)]
        findings = [Finding(*row) for row in self._after("findings", reader.FINDING, self._finding)]
        self._event = max([self._event, *(one.id for one in events)])
        self._finding = max([self._finding, *(one.id for one in findings)])
        return News(opened, closed, frames, findings, events, more=until < last)

    def _sessions(self, where: str, values: list[int]) -> list[Session]:
        return reader.sessions_where(self._db, where, values)[::-1]

    def _after(self, table: str, select: str, last: int) -> list[tuple[Any, ...]]:
        return self._db.execute(f"{select} WHERE id > ? ORDER BY id", (last,)).fetchall()


def events_of(db: sqlite3.Connection, session_id: int) -> Iterator[Event]:
    """Yield all events of a session, oldest first."""
    sql = f"{reader.EVENT} WHERE session_id = :session AND id BETWEEN :low AND :high ORDER BY id"
    for row in paged(db, sql, {"session": session_id}, low=-LAST, high=highest(db, "events")):
        yield Event(*row)
