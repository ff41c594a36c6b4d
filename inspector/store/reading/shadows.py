"""Which sessions are with a shadow. It reads events, because recordings of older versions have no view `shadows`."""

from __future__ import annotations

import sqlite3

from inspector.records import SHADOW

SHADOW_SESSIONS = f"(SELECT session_id FROM events WHERE kind = '{SHADOW}' AND session_id IS NOT NULL)"
"""SQL: the ids of the sessions with shadows."""


def shadow_links(db: sqlite3.Connection) -> dict[int, int | None]:
    """Return the id of the mirrored session by the id of the session with a shadow; None if it is not known."""
    sql = f"""SELECT session_id, detail ->> '$.shadow_of' FROM events
        WHERE kind = '{SHADOW}' AND json_valid(detail) AND session_id IS NOT NULL"""
    return {session_id: mirrored if isinstance(mirrored, int) else None for session_id, mirrored in db.execute(sql)}
