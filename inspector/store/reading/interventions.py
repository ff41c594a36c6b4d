"""Find the frames that interventions changed or made, and the frames that they were made from. Reads only."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from inspector.records import INTERVENTION

_NEAR = 1_000
"""A frame that an intervention made is at most so many frames of its session after the frame it was made from."""


def notes_of(
    db: sqlite3.Connection, session_id: int, first: int | None = None, last: int | None = None
) -> dict[int, dict[str, Any]]:
    """Return the notes of a session's frames with interventions, by frame id, from the frame `first` to `last`."""
    rows = db.execute(
        """SELECT after_frame_id, detail FROM events WHERE session_id = ? AND kind = ?
        AND after_frame_id >= ? AND after_frame_id <= ? ORDER BY id""",
        [session_id, INTERVENTION, first or 0, 2**62 if last is None else last],
    )
    return {frame_id: notes for frame_id, text in rows if (notes := _parsed(text))}


def origin(db: sqlite3.Connection, session_id: int, frame_id: int, notes: dict[str, Any]) -> int | None:
    """Return the frame that an intervention made this frame from, None if it is not in the recording."""
    behind = notes.get("made_from")
    if type(behind) is not int or not 0 < behind <= _NEAR:
        return None
    sql = "SELECT id FROM frames WHERE session_id = ? AND id < ? ORDER BY id DESC LIMIT 1 OFFSET ?"
    row = db.execute(sql, [session_id, frame_id, behind - 1]).fetchone()
    return int(row[0]) if row else None


def related(db: sqlite3.Connection, session_id: int, frame_id: int) -> tuple[dict[str, Any], int | None, list[int]]:
    """Return the notes of a frame, the frame that it was made from, and the frames that were made from it."""
    (last,) = db.execute(
        "SELECT max(id) FROM (SELECT id FROM frames WHERE session_id = ? AND id >= ? ORDER BY id LIMIT 100)",
        [session_id, frame_id],
    ).fetchone()
    near = notes_of(db, session_id, frame_id, last)
    notes = near.pop(frame_id, {})
    made = [one for one, its in near.items() if origin(db, session_id, one, its) == frame_id] if notes else []
    return notes, origin(db, session_id, frame_id, notes), made


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):  # a crafted recording may have anything
        return {}
    return found if isinstance(found, dict) else {}
