"""The dashboards: what breaks most, what is slow, who reconnects, how much was charged.

Each answers from indexes or from the newest frames only, so that a recording of any length answers at once.
"""

from __future__ import annotations

import itertools
import sqlite3
from typing import Any

from inspector.browse import queries
from inspector.browse.views.ask import Ask, View
from inspector.browse.views.rows import RULES


def view(db: sqlite3.Connection, ask: Ask) -> View:
    """All dashboards at once; `frames` is how many of the newest frames are looked at."""
    frames = ask.number("frames", queries.LATEST, 1_000_000)
    rules = _rows(db, queries.FINDINGS_BY_RULE)
    for row in rules:
        row["title"] = RULES[row["rule_id"]].title if row["rule_id"] in RULES else None
    return {
        "frames": frames,
        "rules": rules,
        "models": _rows(db, queries.FINDINGS_BY_MODEL),
        "charge_points": _rows(db, queries.FINDINGS_BY_CHARGE_POINT),
        "latency": latency(db, frames or queries.LATEST),
        "unanswered": _rows(db, queries.UNANSWERED_CALLS, frames=frames)[:50],
        "connections": _rows(db, queries.CONNECTIONS),
        "energy": _rows(db, queries.ENERGY),
        "vendors": _rows(db, queries.VENDORS),
    }


def latency(db: sqlite3.Connection, frames: int) -> list[dict[str, Any]]:
    """What `queries.LATENCY_BY_ACTION` answers, in a third of the time: nearest-rank percentiles by action."""
    rows = []
    for action, group in itertools.groupby(_rows(db, queries.LATENCIES, frames=frames), key=lambda row: row["action"]):
        sorted_us = [row["latency_us"] for row in group]
        count = len(sorted_us)
        ranks = {f"p{percent}_us": sorted_us[-(-count * percent // 100) - 1] for percent in (50, 95, 99)}
        rows.append({"action": action, "answers": count, **ranks, "max_us": sorted_us[-1]})
    return sorted(rows, key=lambda row: -row["p95_us"])


def _rows(db: sqlite3.Connection, sql: str, **values: Any) -> list[dict[str, Any]]:
    cursor = db.execute(sql, {name: str(value) for name, value in values.items()})
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
