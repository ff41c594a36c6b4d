"""Count how often rules were broken. No other module adds up findings.

A fault that repeats in a session is one finding: one row with a count. Every page, query and command shows the sum of
these counts, so that their numbers agree.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

OCCURRENCES = "sum(f.count)"
"""SQL for the occurrences in a group of findings `f`, for queries that select other columns too."""

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
    """Count occurrences, grouped by severity, rule, side, session or charge point; the most frequent group first.

    Args:
        db: the recording.
        by: what to group by; without any, the only key is the empty tuple.
        sessions: only findings of these sessions.
        charge_point: only findings of this charge point's sessions.
        rule: only findings of this rule.
        run: only findings of sessions in this run of a recorder.
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
