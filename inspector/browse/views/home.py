"""The home page: charge points and their sessions, newest first."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from inspector.browse.views.commands import opening_line
from inspector.browse.views.request import PAGE, Ask, View
from inspector.browse.views.serialize import SEVERITIES, charge_point_row, event_row, session_row
from inspector.store import reader, rotation

STATES = ("live", "closed", "interrupted")
VERSIONS = ("1.6", "2.0.1", "2.1")


def view(db: sqlite3.Connection, ask: Ask) -> View:
    """Charge points, what failed to connect, and a page of sessions.

    Filters of the sessions: charge_point, version, state, severity, q; `before` is where a page goes on.
    """
    chosen = {
        "charge_point": ask.text("charge_point"),
        "version": ask.choice("version", VERSIONS),
        "state": ask.choice("state", STATES),
        "severity": ask.choice("severity", SEVERITIES),
        "q": ask.text("q"),
    }
    found = reader.sessions(
        db,
        charge_point_id=chosen["charge_point"],
        version=chosen["version"],
        state=chosen["state"],
        severity=chosen["severity"],
        text=chosen["q"],
        before=ask.number("before"),
        limit=PAGE + 1,
    )
    page, more = found[:PAGE], len(found) > PAGE
    severities = reader.severities(db, [one.id for one in page])
    traffic = reader.traffic(db, page)
    points = [charge_point_row(one) for one in reader.charge_points(db)]
    return {
        "charge_points": points,
        "totals": {
            "charge_points": len(points),
            "sessions": sum(point["sessions"] for point in points),
            "live": sum(point["live"] for point in points),
            "frames": sum(point["frames"] for point in points),
            "errors": sum(point["errors"] for point in points),
        },
        "sessions": [{**session_row(one, severities[one.id]), "traffic": traffic[one.id]} for one in page],
        "earlier_files": [opening_line(path) for path in rotation.earlier(Path(ask.name))],
        "unconnected": [event_row(one) for one in reader.unconnected(db)],
        "filters": chosen,
        "choices": {"version": VERSIONS, "state": STATES, "severity": SEVERITIES},
        "next": page[-1].id if more else None,
    }
