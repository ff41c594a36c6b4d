"""Delete old frames, or everything about certain charge points.

Deleted data is overwritten, also in the search index. A session that spans the time limit keeps its later frames, and
an event has the number of its deleted frames.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from inspector.records import OF_SESSION
from inspector.units import quantity

PRUNED = "pruned"
"""The kind of the event in a session that has lost its older frames."""
_KEPT = ", ".join(f"'{kind}'" for kind in OF_SESSION)
_OF_SESSION = "SELECT id FROM findings WHERE session_id = :session"
SLICE = 20_000
"""Frames deleted in one transaction."""

_DANGLING = (
    ("frames", "call_id", "frames"),
    ("findings", "frame_id", "frames"),
    ("findings", "last_frame_id", "frames"),
    ("events", "after_frame_id", "frames"),
    ("transactions", "start_frame_id", "frames"),
    ("transactions", "stop_frame_id", "frames"),
    ("meter_samples", "transaction_id", "transactions"),
)


@dataclass(slots=True)
class Pruned:
    """Counts of deleted rows, or of rows to delete; `shortened` sessions lose only a part of their frames."""

    frames: int = 0
    sessions: int = 0
    shortened: int = 0

    def __str__(self) -> str:
        text = f"{quantity(self.frames, 'frame')} and {quantity(self.sessions, 'whole session')}"
        return f"{text}, {self.shortened} shortened" if self.shortened else text

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Part:
    """What to delete of one session: its frames up to the id `last`, or everything if `whole`."""

    session_id: int
    frames: int
    last: int
    whole: bool


def plan(connection: sqlite3.Connection, before_ns: int | None, charge_points: Collection[str]) -> list[Part]:
    """Find frames to delete: older than `before_ns` (None: of any age), of these charge points (empty: of all)."""
    terms, values = ["1"], dict[str, object](before=before_ns)
    if charge_points:
        terms.append("charge_point_id IN (SELECT value FROM json_each(:points))")
        values["points"] = json.dumps(list(charge_points))
    if before_ns is not None:
        terms.append("opened_ns < :before")
    parts = []
    for session_id, ended_ns in connection.execute(
        "SELECT id, coalesce(closed_ns, last_seen_ns, opened_ns) FROM sessions"
        f" WHERE {' AND '.join(terms)} ORDER BY id",
        values,
    ).fetchall():
        whole = before_ns is None or ended_ns < before_ns
        older = "" if whole else "AND ts_ns < :before"
        sql = f"SELECT count(*), coalesce(max(id), 0) FROM frames WHERE session_id = :session {older}"
        frames, last = connection.execute(sql, {"session": session_id, "before": before_ns}).fetchone()
        if whole or frames:
            parts.append(Part(session_id, frames, last, whole))
    return parts


def total(parts: Collection[Part]) -> Pruned:
    """Count the rows that a plan deletes."""
    whole = sum(part.whole for part in parts)
    return Pruned(sum(part.frames for part in parts), whole, len(parts) - whole)


def prune(
    connection: sqlite3.Connection,
    parts: Collection[Part],
    before_ns: int | None,
    charge_points: Collection[str],
    now_ns: int,
    progress: Callable[[int], None],
) -> None:
    """Delete what `plan` found, in slices that readers hardly notice; `progress` gets the number of deleted frames.

    Raises:
        sqlite3.Error: earlier slices stay deleted; call this function again to delete the rest.
    """
    connection.execute("PRAGMA secure_delete = ON")
    with _transaction(connection):
        for (index,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%fts5%'"
        ).fetchall():
            connection.execute(f'DROP TABLE "{index}"')  # the next search builds it again
    gone = 0
    for part in parts:
        for deleted in _frames(connection, part):
            gone += deleted
            progress(gone)
        with _transaction(connection):
            _session(connection, part, before_ns, now_ns)
    with _transaction(connection):
        _loose_ends(connection, before_ns, charge_points)


def _frames(connection: sqlite3.Connection, part: Part) -> Iterator[int]:
    values = {"session": part.session_id, "last": part.last, "slice": SLICE}
    of = "session_id = :session AND id <= :last"
    while True:
        with _transaction(connection):
            sql = f"SELECT max(id) FROM (SELECT id FROM frames WHERE {of} ORDER BY id LIMIT :slice)"
            (upto,) = connection.execute(sql, values).fetchone()
            if upto is None:
                return
            within = {**values, "last": upto}
            connection.execute("DELETE FROM meter_samples WHERE session_id = :session AND frame_id <= :last", within)
            # Also for findings of other sessions: a missed deadline may be reported in a later session than its frame.
            connection.execute(f"DELETE FROM occurrences WHERE frame_id IN (SELECT id FROM frames WHERE {of})", within)
            yield connection.execute(f"DELETE FROM frames WHERE {of}", within).rowcount


def _session(connection: sqlite3.Connection, part: Part, before_ns: int | None, now_ns: int) -> None:
    values = {"session": part.session_id, "last": part.last, "before": before_ns}
    run = connection.execute
    if part.whole:
        # A transaction that ended in a remaining session now belongs to that session.
        run(
            "UPDATE transactions SET session_id = (SELECT session_id FROM frames WHERE id = stop_frame_id)"
            " WHERE session_id = :session AND stop_frame_id IN (SELECT id FROM frames)",
            values,
        )
        for table in ("occurrences", "absences"):
            run(f"DELETE FROM {table} WHERE finding_id IN ({_OF_SESSION})", values)
        for table in ("findings", "events", "meter_samples", "transactions"):
            run(f"DELETE FROM {table} WHERE session_id = :session", values)
        run("DELETE FROM sessions WHERE id = :session", values)
        return
    run(f"DELETE FROM absences WHERE finding_id IN ({_OF_SESSION}) AND ts_ns < :before", values)
    over = (
        "session_id = :session AND ts_ns < :before AND coalesce(last_frame_id, 0) <= :last"
        " AND id NOT IN (SELECT finding_id FROM absences)"
    )
    run(f"DELETE FROM occurrences WHERE finding_id IN (SELECT id FROM findings WHERE {over})", values)
    run(f"DELETE FROM findings WHERE {over}", values)
    run(
        "UPDATE findings SET ts_ns = coalesce((SELECT min(ts_ns) FROM absences WHERE finding_id = findings.id), ts_ns)"
        " WHERE session_id = :session AND last_frame_id IS NULL AND ts_ns < :before",
        values,
    )
    run("UPDATE findings SET frame_id = last_frame_id WHERE session_id = :session AND frame_id <= :last", values)
    run("DELETE FROM transactions WHERE session_id = :session AND stop_frame_id <= :last", values)
    run(
        f"DELETE FROM events WHERE session_id = :session AND ts_ns < :before AND kind NOT IN ({_KEPT}, 'continued')",
        values,
    )
    run(
        # The id is below those of all other events, so that this event comes first.
        "INSERT INTO events (id, session_id, ts_ns, kind, detail)"
        " VALUES ((SELECT min(0, coalesce(min(id), 0)) - 1 FROM events), ?, ?, ?, ?)",
        (part.session_id, before_ns, PRUNED, json.dumps({"frames": part.frames, "pruned_ns": now_ns})),
    )
    run(
        "UPDATE sessions SET frame_count = (SELECT count(*) FROM frames WHERE session_id = :session),"
        " error_count = (SELECT coalesce(sum(count), 0) FROM findings"
        " WHERE session_id = :session AND severity = 'error')"
        " WHERE id = :session",
        values,
    )


def _loose_ends(connection: sqlite3.Connection, before_ns: int | None, charge_points: Collection[str]) -> None:
    """Delete rows without a session, and clear references to deleted rows."""
    run = connection.execute
    if charge_points:
        run(
            "DELETE FROM events WHERE session_id IS NULL AND (?1 IS NULL OR ts_ns < ?1)"
            " AND detail ->> '$.charge_point_id' IN (SELECT value FROM json_each(?2))",
            (before_ns, json.dumps(list(charge_points))),
        )
    else:
        run("DELETE FROM events WHERE session_id IS NULL AND ts_ns < ? AND kind <> 'continued'", (before_ns,))
        run("DELETE FROM findings WHERE session_id IS NULL AND ts_ns < ?", (before_ns,))
        run("DELETE FROM absences WHERE finding_id NOT IN (SELECT id FROM findings)")
    for table, column, target in _DANGLING:
        run(
            f"UPDATE {table} SET {column} = NULL WHERE {column} IS NOT NULL"
            f" AND NOT EXISTS (SELECT 1 FROM {target} t WHERE t.id = {table}.{column})"
        )
    run("DELETE FROM charge_points WHERE charge_point_id NOT IN (SELECT coalesce(charge_point_id, '') FROM sessions)")
    run(
        "DELETE FROM recordings WHERE id NOT IN (SELECT recording_id FROM sessions)"
        " AND id < (SELECT max(id) FROM recordings) AND id NOT IN (SELECT recording_id FROM _progress)"
    )


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
