"""The live page: the connected charge points, and the frames of all sessions since the last request."""

from __future__ import annotations

import sqlite3
from typing import Any

from inspector.browse.views.request import Ask, View
from inspector.browse.views.serialize import SEVERITIES, frame_row
from inspector.store.reading import reader

MOST = 400
"""The most frames in one answer."""
CONNECTED = 60
"""The most live sessions that are listed."""
FILTERS = ("charge_point", "action", "direction", "severity", "q")


def view(db: sqlite3.Connection, ask: Ask) -> View:
    """Return live sessions, and the frames above the id `after` (without it, the newest ones), oldest first.

    Filters: charge_point, action, direction, severity, q.
    """
    newest = reader.last_frame_id(db)
    found = reader.latest_frames(
        db,
        ask.number("after"),
        limit=ask.number("limit", 100, MOST) or 100,
        action=ask.text("action"),
        direction=ask.choice("direction", ("cp-to-csms", "csms-to-cp")),
        severity=ask.choice("severity", (*SEVERITIES, "any")),
        charge_point=ask.text("charge_point"),
        text=ask.text("q"),
    )
    names: dict[int, reader.Session | None] = {}
    rows: list[dict[str, Any]] = []
    for one in found:
        if one.session_id not in names:
            names[one.session_id] = reader.session(db, one.session_id)
        session = names[one.session_id]
        rows.append(
            {
                **frame_row(one, session.opened_ns if session else one.ts_ns),
                "session_id": one.session_id,
                "charge_point_id": session.charge_point_id if session else None,
            }
        )
    connected = reader.sessions(db, state="live", limit=CONNECTED + 1)
    return {
        "frames": rows,
        "newest": newest,
        "sessions": [
            {
                "id": one.id,
                "charge_point_id": one.charge_point_id,
                "ocpp_version": one.ocpp_version,
                "frame_count": one.frame_count,
                "error_count": one.error_count,
            }
            for one in connected[:CONNECTED]
        ],
        "more_sessions": len(connected) > CONNECTED,
        "filters": {name: ask.text(name) for name in FILTERS},
    }
