"""Find sessions that a recording holds twice, for example after a file was imported twice. Reads only."""

from __future__ import annotations

import sqlite3

# Compare the first and last frames too: all sessions of inputs without times begin at the same moment.
_REPEATED = """
SELECT new.id, min(old.id) FROM sessions new JOIN sessions old
  ON old.charge_point_id IS new.charge_point_id AND old.opened_ns = new.opened_ns
  AND old.frame_count = new.frame_count AND old.recording_id < new.recording_id
WHERE new.recording_id = ? AND new.frame_count > 0
  AND (SELECT raw FROM frames WHERE session_id = new.id ORDER BY id LIMIT 1)
    = (SELECT raw FROM frames WHERE session_id = old.id ORDER BY id LIMIT 1)
  AND (SELECT raw FROM frames WHERE session_id = new.id ORDER BY id DESC LIMIT 1)
    = (SELECT raw FROM frames WHERE session_id = old.id ORDER BY id DESC LIMIT 1)
GROUP BY new.id ORDER BY new.id
"""


def repeated_sessions(db: sqlite3.Connection, recording_id: int) -> dict[int, int]:
    """Return the sessions of a run that an earlier run has stored too, as {id: id of the earlier session}."""
    return {int(new): int(old) for new, old in db.execute(_REPEATED, [recording_id])}
