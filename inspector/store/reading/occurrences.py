"""Find the frames of a finding or the times at which its frame was missing, and the findings of a frame. Reads only.

Older files have no table `occurrences`: there, only the first and the latest frame of each finding are known. In files
without a table `absences`, only the first time at which a frame was missing is known.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from inspector.store.reading.reader import FINDING
from inspector.store.rows import Finding

_OF_OLD_FILE = """(SELECT id AS finding_id, frame_id FROM findings WHERE frame_id IS NOT NULL
  UNION SELECT id, last_frame_id FROM findings WHERE last_frame_id IS NOT NULL)"""
_ABSENCES_OF_OLD_FILE = "(SELECT id AS finding_id, ts_ns FROM findings WHERE frame_id IS NULL)"
_WORST_FIRST = "CASE f.severity WHEN 'error' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, f.id"
_FINDINGS = 2_000
"""The most findings of a session that a plot shows."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One occurrence in time; without a `frame_id` a frame is missing, for the `number`th time."""

    ts_ns: int
    frame_id: int | None
    severity: str
    rule_id: str
    finding_id: int
    number: int | None = None

    def __str__(self) -> str:
        return f"{self.severity} {self.rule_id} at frame {self.frame_id}"


@dataclass(frozen=True, slots=True)
class Absence:
    """One time at which a frame was missing; `number` counts those of its finding from 1."""

    ts_ns: int
    number: int
    finding: Finding

    def __str__(self) -> str:
        return f"{self.finding.severity} {self.finding.rule_id}: a frame is missing, {self.number}"


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a frame among the stored frames of a finding: `number` of `kept`, and its neighbours' ids."""

    number: int
    kept: int
    previous: int | None
    next: int | None

    def __str__(self) -> str:
        return f"{self.number} of {self.kept}"


def table(db: sqlite3.Connection) -> str:
    """Return the table or subquery, in SQL, that has the columns `finding_id` and `frame_id`."""
    return "occurrences" if _known(db, "occurrences") else _OF_OLD_FILE


def absence_table(db: sqlite3.Connection) -> str:
    """Return the table or subquery, in SQL, that has the columns `finding_id` and `ts_ns`."""
    return "absences" if _known(db, "absences") else _ABSENCES_OF_OLD_FILE


def _known(db: sqlite3.Connection, name: str) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [name]).fetchone() is not None


def times_of(db: sqlite3.Connection, finding_id: int, limit: int = 1000) -> list[int]:
    """Return the times at which the frame of a finding was missing, in order."""
    sql = f"SELECT ts_ns FROM {absence_table(db)} WHERE finding_id = ? ORDER BY 1 LIMIT ?"
    return [ts_ns for (ts_ns,) in db.execute(sql, [finding_id, limit])]


def absences(
    db: sqlite3.Connection, findings: Sequence[Finding], since_ns: int | None = None, until_ns: int | None = None
) -> list[Absence]:
    """Return the times at which frames of findings were missing, in order: from `since_ns` to before `until_ns`."""
    found = [
        Absence(ts_ns, number, finding)
        for finding in findings
        for number, ts_ns in enumerate(times_of(db, finding.id), 1)
        if (since_ns is None or ts_ns >= since_ns) and (until_ns is None or ts_ns < until_ns)
    ]
    return sorted(found, key=lambda each: each.ts_ns)


def silent_findings(
    db: sqlite3.Connection, session_id: int, rules: Sequence[str] = (), severity: str | None = None
) -> list[Finding]:
    """Return the findings of a session about missing frames, limited to `rules` and a severity if these are given."""
    where, values = "session_id = ? AND frame_id IS NULL", list[Any]([session_id])
    if rules:
        where += f" AND rule_id IN ({', '.join('?' * len(rules))})"
        values += rules
    if severity not in (None, "any"):
        where += " AND severity = ?"
        values.append(severity)
    return [Finding(*row) for row in db.execute(f"{FINDING} WHERE {where} ORDER BY id LIMIT {_FINDINGS}", values)]


def frames_of(db: sqlite3.Connection, finding_id: int, *, after: int = 0, limit: int = 1000) -> list[int]:
    """Return the ids above `after` of the frames that have a finding, in order."""
    sql = f"SELECT frame_id FROM {table(db)} WHERE finding_id = ? AND frame_id > ? ORDER BY 1 LIMIT ?"
    return [frame for (frame,) in db.execute(sql, [finding_id, after, limit])]


def findings_on(db: sqlite3.Connection, frame_id: int, limit: int = 500) -> list[Finding]:
    """Return every finding on a frame, even if it was first found on an earlier frame; oldest first."""
    sql = f"""{FINDING} WHERE id IN (SELECT id FROM findings WHERE frame_id = :frame)
      OR id IN (SELECT finding_id FROM {table(db)} WHERE frame_id = :frame) ORDER BY id LIMIT :limit"""
    return [Finding(*row) for row in db.execute(sql, {"frame": frame_id, "limit": limit})]


def place_of(db: sqlite3.Connection, finding_id: int, frame_id: int) -> Place:
    """Return the place of a frame among the frames that have a finding."""
    sql = f"""SELECT count(*) FILTER (WHERE frame_id <= :frame), count(*),
      max(frame_id) FILTER (WHERE frame_id < :frame), min(frame_id) FILTER (WHERE frame_id > :frame)
      FROM {table(db)} WHERE finding_id = :finding"""
    return Place(*db.execute(sql, {"finding": finding_id, "frame": frame_id}).fetchone())


def frames_breaking(db: sqlite3.Connection, session_id: int, rules: Sequence[str]) -> tuple[str, list[Any]]:
    """Return a query, with its values, for the frames of a session on which some rules were broken."""
    marks = ", ".join("?" * len(rules))
    sql = f"""SELECT o.frame_id FROM findings x JOIN {table(db)} o ON o.finding_id = x.id
      WHERE x.session_id = ? AND x.rule_id IN ({marks})"""
    return sql, [session_id, *rules]


def ticks(db: sqlite3.Connection, session_id: int, most: int) -> list[Tick]:
    """Return at most `most` occurrences of a session's findings, worst first; each finding has at least its first."""
    source = table(db)
    found = db.execute(
        f"""SELECT f.id, f.severity, f.rule_id, f.ts_ns, f.frame_id FROM findings f WHERE f.session_id = ?
        ORDER BY {_WORST_FIRST} LIMIT ?""",
        [session_id, min(most, _FINDINGS)],
    ).fetchall()
    room = most - len(found)
    made: list[Tick] = []
    for finding_id, severity, rule_id, ts_ns, frame_id in found:
        if frame_id is None:
            times = times_of(db, finding_id, max(1, room + 1)) or [ts_ns]
            room -= len(times) - 1
            made += [Tick(ns, None, severity, rule_id, finding_id, place) for place, ns in enumerate(times, 1)]
            continue
        rows = db.execute(
            f"""SELECT fr.ts_ns, fr.id FROM {source} o JOIN frames fr ON fr.id = o.frame_id WHERE o.finding_id = ?
            ORDER BY o.frame_id LIMIT ?""",
            [finding_id, max(1, room + 1)],
        ).fetchall()
        room -= max(0, len(rows) - 1)
        made += [Tick(ns, frame, severity, rule_id, finding_id) for ns, frame in rows]
    return made
