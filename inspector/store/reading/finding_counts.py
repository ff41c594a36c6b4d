"""Count how often rules were broken: the one place that adds up findings; reads only.

A finding is one row for a fault that repeats in a session, with a count. Every page, query and command shows
occurrences, the sum of those counts, so that one number means one thing everywhere.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

OCCURRENCES = "sum(f.count)"
"""How often a group of findings `f` occurred, for queries that select more than a count."""

_KEYS = {
    "severity": "f.severity",
    "rule": "f.rule_id",
    "side": "f.side",
    "session": "f.session_id",
    "charge_point": "s.charge_point_id",
}


def occurrences_of(severity: str) -> str:
    """Return the SQL that counts the occurrences of one severity in a group of findings `f`."""
    return f"{OCCURRENCES} FILTER (WHERE f.severity = '{severity}')"


def count(
    db: sqlite3.Connection,
    *by: str,
    sessions: Iterable[int] | None = None,
    charge_point: str | None = None,
    rule: str | None = None,
    run: int | None = None,
) -> dict[tuple[Any, ...], int]:
    """Count occurrences by severity, rule, side, session or charge point; the most frequent first.

    Args:
        db: the recording.
        by: what to group by; without any, the only key is the empty tuple.
        sessions: only findings of these sessions.
        charge_point: only those of this charge point's sessions.
        rule: only those of this rule.
        run: only those of the sessions of one run of a recorder.
    """
    terms, values = ["1"], list[Any]()
    if sessions is not None:
        ids = [int(each) for each in sessions]
        terms.append(f"f.session_id IN ({', '.join('?' * len(ids))})")
        values += ids
    for term, value in (("s.charge_point_id = ?", charge_point), ("f.rule_id = ?", rule), ("s.recording_id = ?", run)):
        if value is not None:
            terms.append(term)
            values.append(value)
    joined = "LEFT JOIN sessions s ON s.id = f.session_id"
    if charge_point is not None or run is not None:
        joined = "JOIN sessions s ON s.id = f.session_id"
    elif "charge_point" not in by:
        joined = ""
    columns = "".join(f"{_KEYS[each]}, " for each in by)
    grouped = f"GROUP BY {', '.join(_KEYS[each] for each in by)}" if by else ""
    rows = db.execute(
        f"SELECT {columns}coalesce({OCCURRENCES}, 0) FROM findings f {joined} WHERE {' AND '.join(terms)} {grouped}"
        f" ORDER BY {len(by) + 1} DESC",
        values,
    )
    return {tuple(row[:-1]): int(row[-1]) for row in rows}
