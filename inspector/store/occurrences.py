"""Find the frames of a finding, and the findings of a frame. Reads only.

Older files have no table `occurrences`; they have the first and the latest frame of each finding.
"""

from __future__ import annotations

import sqlite3

from inspector.store.reader import FINDING
from inspector.store.rows import Finding

_OF_OLD_FILE = """SELECT frame_id FROM findings WHERE id = :id AND frame_id IS NOT NULL
  UNION SELECT last_frame_id FROM findings WHERE id = :id AND last_frame_id IS NOT NULL"""


def _has_table(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = 'occurrences'").fetchone() is not None


def frames_of(db: sqlite3.Connection, finding_id: int, *, after: int = 0, limit: int = 1000) -> list[int]:
    """Return the ids of the frames that a finding was found on, above `after`, in order."""
    kept = "SELECT frame_id FROM occurrences WHERE finding_id = :id" if _has_table(db) else _OF_OLD_FILE
    sql = f"SELECT frame_id FROM ({kept}) WHERE frame_id > :after ORDER BY 1 LIMIT :limit"
    return [frame for (frame,) in db.execute(sql, {"id": finding_id, "after": after, "limit": limit})]


def findings_on(db: sqlite3.Connection, frame_id: int, limit: int = 500) -> list[Finding]:
    """Return every finding on a frame, even if it was first found on an earlier frame; oldest first."""
    own = "id IN (SELECT id FROM findings WHERE frame_id = :frame)"
    if _has_table(db):
        own += " OR id IN (SELECT finding_id FROM occurrences WHERE frame_id = :frame)"
    sql = f"{FINDING} WHERE {own} ORDER BY id LIMIT :limit"
    return [Finding(*row) for row in db.execute(sql, {"frame": frame_id, "limit": limit})]
