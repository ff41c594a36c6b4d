"""Count what one run of a recorder stored."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from inspector.store.reading.finding_counts import count
from inspector.store.reading.reader import Session, sessions
from inspector.units import quantity

SEVERITIES = ("error", "warning", "info")

_OF_SESSIONS = "SELECT count(*) FROM {} WHERE session_id IN (SELECT id FROM sessions WHERE recording_id = ?)"
_COUNTS = {
    "recordings": "SELECT count(*) FROM recordings WHERE id = ?",
    "sessions": "SELECT count(*) FROM sessions WHERE recording_id = ?",
    **{table: _OF_SESSIONS.format(table) for table in ("frames", "findings", "events")},
    "charge_points": (
        "SELECT count(*) FROM charge_points WHERE charge_point_id IN"
        " (SELECT charge_point_id FROM sessions WHERE recording_id = ?)"
    ),
    **{table: _OF_SESSIONS.format(table) for table in ("transactions", "meter_samples")},
}


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of one run: its sessions in order, rows by table, and occurrences of findings by severity."""

    sessions: tuple[Session, ...]
    rows: dict[str, int]
    findings: dict[str, int]

    def __str__(self) -> str:
        return ", ".join(quantity(count, _noun(table)) for table, count in self.rows.items())


def _noun(table: str) -> str:
    return table.removesuffix("s").replace("_", " ")


def latest_recording(db: sqlite3.Connection) -> int | None:
    """Return the id of the newest run in the file, or None in an empty one."""
    (newest,) = db.execute("SELECT max(id) FROM recordings").fetchone()
    return None if newest is None else int(newest)


def contents(db: sqlite3.Connection, recording_id: int) -> Contents:
    """Count the rows of the run `recording_id`, and list at most its newest 1,000 sessions."""
    listed = [one for one in reversed(sessions(db, limit=1000)) if one.recording_id == recording_id]
    rows = {table: int(db.execute(query, (recording_id,)).fetchone()[0]) for table, query in _COUNTS.items()}
    by_severity = {severity: times for (severity,), times in count(db, "severity", run=recording_id).items()}
    return Contents(tuple(listed), rows, {severity: by_severity.get(severity, 0) for severity in SEVERITIES})
