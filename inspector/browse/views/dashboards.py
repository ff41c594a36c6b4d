"""The dashboards: what breaks most, what is slow, who reconnects, how much was charged.

Each answers from indexes or from the newest frames only, so that a recording of any length answers at once. The
charts are drawn by the template: the chart plugins for Datasette bring Vega, which compiles its expressions from
strings, and no page here may do that.
"""

from __future__ import annotations

import itertools
import math
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from inspector.browse import formatting, queries
from inspector.browse.views.request import Ask, View
from inspector.browse.views.serialize import RULES
from inspector.store.reading.finding_counts import count
from inspector.store.reading.occurrences import table

MATRIX = 12
"""Makes and rules in the matrix of them: the ones with most findings."""


def view(db: sqlite3.Connection, ask: Ask) -> View:
    """All dashboards at once; `frames` is how many of the newest frames are looked at."""
    frames = ask.number("frames", queries.LATEST, 1_000_000)
    rules = _rows(db, queries.FINDINGS_BY_RULE)
    for row in rules:
        row["title"] = RULES[row["rule_id"]].title if row["rule_id"] in RULES else None
    by_severity = {severity: times for (severity,), times in count(db, "severity").items()}
    unanswered = _rows(db, queries.UNANSWERED_CALLS, frames=frames)
    begin, end = db.execute(queries.WHOLE_TIME).fetchone()
    return {
        "frames": frames,
        "from": formatting.iso(begin),
        "until": formatting.iso(end),
        "figures": {
            "errors": by_severity.get("error", 0),
            "warnings": by_severity.get("warning", 0),
            "sessions": db.execute("SELECT count(*) FROM sessions").fetchone()[0],
            "at_once": db.execute(queries.AT_ONCE).fetchone()[0],
            "unanswered": len(unanswered),
            "energy_wh": db.execute(queries.ALL_ENERGY).fetchone()[0],
        },
        "findings": [_moments(row) for row in _rows(db, queries.FINDINGS_OVER_TIME.format(occurrences=table(db)))],
        "rules": rules,
        "models": _rows(db, queries.FINDINGS_BY_MODEL),
        "charge_points": _rows(db, queries.FINDINGS_BY_CHARGE_POINT),
        "matrix": matrix(_rows(db, queries.MAKES_AND_RULES)),
        "latency": latency(db, frames or queries.LATEST),
        "unanswered": unanswered[:50],
        "connections": _rows(db, queries.CONNECTIONS),
        "rates": [_moments(row) for row in _rows(db, queries.RATES)],
        "energy": _rows(db, queries.ENERGY),
        "vendors": _rows(db, queries.VENDORS),
    }


def latency(db: sqlite3.Connection, frames: int) -> list[dict[str, Any]]:
    """What `queries.LATENCY_BY_ACTION` answers, in a third of the time: nearest-rank percentiles by action."""
    rows = []
    for action, group in itertools.groupby(_rows(db, queries.LATENCIES, frames=frames), key=lambda row: row["action"]):
        sorted_us = [row["latency_us"] for row in group]
        answers = len(sorted_us)
        ranks = {f"p{percent}_us": sorted_us[-(-answers * percent // 100) - 1] for percent in (50, 95, 99)}
        rows.append({"action": action, "answers": answers, **ranks, "max_us": sorted_us[-1]})
    return sorted(rows, key=lambda row: -row["p95_us"])


def matrix(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Makes against rules: `rules` across, `makes` down, each with how often it broke them; the worst first."""
    by_rule: dict[str, int] = defaultdict(int)
    by_make: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    severity: dict[str, str] = {}
    for row in rows:
        by_rule[row["rule_id"]] += row["times"]
        by_make[row["vendor"], row["model"]][row["rule_id"]] += row["times"]
        severity.setdefault(row["rule_id"], row["severity"])
    rules = sorted(by_rule, key=lambda rule: -by_rule[rule])[:MATRIX]
    makes = sorted(by_make, key=lambda make: -sum(by_make[make].values()))[:MATRIX]
    return {
        "rules": [{"rule_id": rule, "severity": severity[rule]} for rule in rules],
        "makes": [
            {"vendor": vendor, "model": model, "times": [by_make[vendor, model].get(rule, 0) for rule in rules]}
            for vendor, model in makes
        ],
    }


def markup(view: View) -> dict[str, Any]:
    """What the charts need besides the JSON: the place of a latency on their common axis, and the axis's marks."""
    rows = view["latency"]
    low = max(1, min((row["p50_us"] for row in rows), default=1))
    high = max((row["p99_us"] for row in rows), default=1)
    whole = view["from"], view["until"]
    return {"latency_at": scale(low, high), "decades": decades(low, high), "whole": whole}


def scale(low: float, high: float) -> Callable[[float], float]:
    """A logarithmic axis in percent: from below `low` to `high`, so that milliseconds show beside minutes."""
    first = math.floor(math.log10(max(1, low)))
    last = max(first + 1, math.ceil(math.log10(max(1, high))))
    return lambda value: round(100 * (math.log10(max(1, value)) - first) / (last - first), 2)


def decades(low: float, high: float) -> list[tuple[float, str]]:
    """The powers of ten on that axis: (percent, "10 ms")."""
    at = scale(low, high)
    first = math.floor(math.log10(max(1, low)))
    last = max(first + 1, math.ceil(math.log10(max(1, high))))
    return [(at(10**power), formatting.span(10**power * 1000)) for power in range(first, last + 1)]


def _moments(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "from": formatting.iso(row.pop("from_ns")),
        "until": formatting.iso(row.pop("until_ns")),
        **row,
    }


def _rows(db: sqlite3.Connection, sql: str, **values: Any) -> list[dict[str, Any]]:
    cursor = db.execute(sql, {name: str(value) for name, value in values.items()})
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
