"""The home page: charge points and rules that need attention, and all sessions, newest first."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from inspector.browse.views.commands import opening_line
from inspector.browse.views.request import PAGE, Ask, View
from inspector.browse.views.serialize import SEVERITIES, charge_point_row, event_row, session_row
from inspector.browse.views.time_range import nanoseconds
from inspector.store.files import rotation
from inspector.store.reading import reader
from inspector.store.reading.failed_attempts import how_many
from inspector.store.reading.finding_counts import count

STATES = ("live", "closed", "interrupted")
VERSIONS = ("1.6", "2.0.1", "2.1")
SORTS = ("opened", "charge_point", "seen", "duration", "frames", "errors")
WORST = 3
"""The most charge points, and the most rules, that are listed as needing attention."""


def view(db: sqlite3.Connection, ask: Ask) -> View:
    """Return charge points, failed connection attempts, and a page of sessions.

    Filters of the sessions: charge_point, make, version, state, severity, q, `from` and `until`. `sort` is one of
    SORTS. In the order of opening the page begins below the session id `before`, in others after `skip` sessions.
    """
    chosen = {
        "charge_point": ask.text("charge_point"),
        "make": ask.text("make"),
        "from": ask.text("from"),
        "until": ask.text("until"),
        "version": ask.choice("version", VERSIONS),
        "state": ask.choice("state", STATES),
        "severity": ask.choice("severity", SEVERITIES),
        "sort": ask.choice("sort", SORTS[1:]),
        "q": ask.text("q"),
    }
    sort, skip = chosen["sort"] or "opened", ask.number("skip", 0, 1_000_000) or 0
    found = reader.sessions(
        db,
        charge_point_id=chosen["charge_point"],
        version=chosen["version"],
        state=chosen["state"],
        severity=chosen["severity"],
        text=chosen["q"],
        make=chosen["make"],
        since_ns=nanoseconds(chosen["from"]),
        until_ns=nanoseconds(chosen["until"]),
        before=ask.number("before") if sort == "opened" else None,
        order=sort,
        skip=skip if sort != "opened" else 0,
        limit=PAGE + 1,
    )
    page, more = found[:PAGE], len(found) > PAGE
    points = [charge_point_row(one) for one in reader.charge_points(db)]
    failed = how_many(db)
    by_severity = {severity: times for (severity,), times in count(db, "severity").items()}
    totals = {
        "charge_points": len(points),
        "sessions": sum(point["sessions"] for point in points),
        "live": sum(point["live"] for point in points),
        "frames": sum(point["frames"] for point in points),
        "errors": by_severity.get("error", 0),
        "warnings": by_severity.get("warning", 0),
        "infos": by_severity.get("info", 0),
        "failed_attempts": failed,
    }
    return {
        "charge_points": points,
        "totals": totals,
        "attention": _attention(db),
        "sessions": rows(db, page, {point["charge_point_id"]: point for point in points}),
        "earlier_files": [opening_line(path) for path in rotation.earlier(Path(ask.name))],
        "unconnected": [event_row(one) for one in reader.unconnected(db)],
        "filters": chosen,
        "choices": {"version": VERSIONS, "state": STATES, "severity": SEVERITIES},
        "next": page[-1].id if more and sort == "opened" else None,
        "next_skip": skip + PAGE if more and sort != "opened" else None,
    }


def _attention(db: sqlite3.Connection) -> View:
    """Return the charge points and the rules with most errors, or if there are no errors, with most warnings."""
    for severity in ("error", "warning"):
        worst = [
            {"charge_point_id": name, "count": times}
            for (name, which), times in count(db, "charge_point", "severity").items()
            if which == severity and name
        ]
        rules = [
            {"rule_id": rule, "count": times}
            for (rule, which), times in count(db, "rule", "severity").items()
            if which == severity
        ]
        if rules:
            return {"severity": severity, "charge_points": worst[:WORST], "rules": rules[:WORST]}
    return {"severity": None, "charge_points": [], "rules": []}


def rows(db: sqlite3.Connection, page: list[reader.Session], points: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return sessions for a list, each with its make, its traffic, its findings and the worst severity."""
    ids = [one.id for one in page]
    severities, traffic = reader.severities(db, ids), reader.traffic(db, page)
    worst: dict[int, dict[str, Any]] = {}
    broken = count(db, "session", "severity", "rule", sessions=ids).items()
    for (session, severity, rule), times in sorted(broken, key=lambda item: (SEVERITIES.index(item[0][1]), -item[1])):
        worst.setdefault(session, {"rule_id": rule, "severity": severity, "count": times})
    made = []
    for one in page:
        point = points.get(one.charge_point_id or "", {})
        made.append(
            {
                **session_row(one, severities[one.id]),
                "traffic": traffic[one.id],
                "make": " ".join(str(point[name]) for name in ("vendor", "model") if point.get(name)),
                "worst": worst.get(one.id),
            }
        )
    return made
