"""Read the meter samples of a recording, and where frames are missing."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from inspector.store.reading.reader import EVENT
from inspector.store.rows import Event, Sample


def samples(
    db: sqlite3.Connection, *, session_id: int | None = None, transaction_id: int | None = None, most: int = 40_000
) -> list[Sample]:
    """Return meter samples of a session or a transaction, oldest first.

    If there are more than `most`, about that many remain: evenly spaced runs of sixteen samples, so that no measurand
    disappears.
    """
    column, key = ("session_id", session_id) if session_id is not None else ("transaction_id", transaction_id)
    ids = f"FROM meter_samples WHERE {column} = ?"
    rows = f"""SELECT m.frame_id, m.ts_ns, f.ts_ns, m.measurand, m.phase, m.location, m.value, m.unit,
          m.transaction_id, {_CONNECTOR}, m.id
        FROM meter_samples m JOIN frames f ON f.id = m.frame_id
        WHERE m.{column} = ? AND m.id >= ? ORDER BY m.id LIMIT ?"""
    if db.execute(f"SELECT id {ids} ORDER BY id LIMIT 1 OFFSET ?", [key, most]).fetchone() is None:
        return [Sample(*row[:-1]) for row in db.execute(rows, [key, 0, most])]
    first, last = db.execute(f"SELECT (SELECT min(id) {ids}), (SELECT max(id) {ids})", [key, key]).fetchone()
    kept: list[Sample] = []
    behind = first
    for start in range(first, last + 1, max(1, (last - first) * _RUN // most)):
        if start < behind:
            continue
        run = db.execute(rows, [key, start, _RUN]).fetchall()
        kept += [Sample(*row[:-1]) for row in run]
        behind = run[-1][-1] + 1 if run else last + 1
    return kept


_RUN = 16
"""The length of a run, see `samples`."""
_CONNECTOR = """CASE WHEN m.transaction_id IS NULL AND typeof(f.raw) = 'text' AND json_valid(f.raw)
  THEN coalesce(f.raw ->> '$[3].connectorId', f.raw ->> '$[3].evseId') END"""
"""SQL for the connector or EVSE of a sample that was measured outside of a transaction."""


def gaps(db: sqlite3.Connection, session_id: int, since_ns: int, until_ns: int, limit: int = 1000) -> list[Event]:
    """Return the gaps of a session, and those of the whole recording between the two times."""
    rows = db.execute(
        f"""{EVENT} WHERE kind = 'gap' AND (session_id = ? OR (session_id IS NULL AND ts_ns BETWEEN ? AND ?))
        ORDER BY id LIMIT ?""",
        [session_id, since_ns, until_ns, limit],
    )
    return [Event(*row) for row in rows]


def times_of(db: sqlite3.Connection, ids: Sequence[int]) -> dict[int, int]:
    """Return when the frames with these ids crossed the wire, by id, in nanoseconds since 1970."""
    found: dict[int, int] = {}
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        found |= dict(
            db.execute(f"SELECT id, ts_ns FROM frames WHERE id IN ({', '.join('?' * len(part))})", part).fetchall()
        )
    return found


def frame_at(db: sqlite3.Connection, session_id: int, ts_ns: int) -> int | None:
    """Return the id of the first frame of a session at or after a time, else of its last frame."""
    for sql in (
        "SELECT min(id) FROM frames WHERE session_id = ? AND ts_ns >= ?",
        "SELECT max(id) FROM frames WHERE session_id = ? AND ts_ns <= ?",
    ):
        (found,) = db.execute(sql, [session_id, ts_ns]).fetchone()
        if found is not None:
            return int(found)
    return None


def frames_beside(db: sqlite3.Connection, session_id: int, ts_ns: int) -> tuple[int | None, int | None]:
    """Return the ids of the last frame of a session up to a time, and of the first one after it."""
    sql = """SELECT max(id) FILTER (WHERE ts_ns <= :ts), min(id) FILTER (WHERE ts_ns > :ts) FROM frames
      WHERE session_id = :id"""
    before, after = db.execute(sql, {"ts": ts_ns, "id": session_id}).fetchone()
    return before, after
