"""The dashboards: the most frequent findings, slow actions, reconnections, and the charged energy.

Each dashboard reads only indexes or the newest frames, so that it is fast for a recording of any length. The template
draws the charts: Datasette's chart plugins use Vega, which compiles expressions from strings, and the security policy
of these pages forbids that.
"""

from __future__ import annotations

import itertools
import math
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from inspector.browse import formatting, queries
from inspector.browse.views.finding_groups import FINDINGS, MAKES, grouped
from inspector.browse.views.request import Ask, View
from inspector.browse.views.serialize import RULES
from inspector.browse.views.time_range import TimeRange, time_marks, time_range, top_of
from inspector.store.reading import reader
from inspector.store.reading.occurrences import absence_table, table

MATRIX = 12
"""The most makes and the most rules in the matrix: those with most findings."""


def view(db: sqlite3.Connection, ask: Ask) -> View:
    """Return the data of all dashboards; `frames` is how many of the newest frames to read, `from` and `until` a range.

    With a range of time, the dashboards are about the sessions that were open in it.
    """
    frames = ask.number("frames", queries.LATEST, 1_000_000) or queries.LATEST
    span = time_range(db, ask)
    asked = _Asked(db, span)
    groups = grouped(asked.tuples(FINDINGS), asked.tuples(MAKES))
    for row in groups.rules:
        row["title"] = RULES[row["rule_id"]].title if row["rule_id"] in RULES else None
    totals = {
        severity: sum(row["times"] for row in groups.rules if row["severity"] == severity)
        for severity in ("error", "warning", "info")
    }
    top = {"top": asked.number(queries.TOP), "frames": frames}
    if span is None or not span.chosen:
        top |= {"top": reader.last_frame_id(db), "since": -(2**63), "until": 2**63 - 1}
    unanswered = asked.rows(queries.UNANSWERED_IN_RANGE, **top)
    over_time = queries.FINDINGS_IN_RANGE.format(occurrences=table(db), absences=absence_table(db))
    findings = [_moments(row) for row in asked.rows(over_time)] if span else []
    drawn = sum(row["errors"] + row["warnings"] + row["infos"] for row in findings)
    return {
        "frames": frames,
        "range": span.as_view() if span else None,
        "figures": {
            "errors": totals["error"],
            "warnings": totals["warning"],
            "infos": totals["info"],
            "sessions": asked.number("SELECT count(*) FROM sessions"),
            "at_once": at_once(asked.tuples(OPEN)),
            "unanswered": len(unanswered),
            "energy_wh": asked.number(queries.ALL_ENERGY),
        },
        "findings": findings,
        "findings_elsewhen": sum(totals.values()) - drawn,
        "rules": groups.rules,
        "models": groups.models,
        "charge_points": groups.charge_points,
        "matrix": matrix(groups.makes_and_rules),
        "latency": latency(asked.rows(queries.LATENCIES, **top)),
        "unanswered": unanswered[:50],
        "connections": asked.rows(queries.CONNECTIONS),
        "rates": [_moments(row) for row in asked.rows(queries.RATES_IN_RANGE)] if span else [],
        "energy": asked.rows(queries.ENERGY),
        "vendors": asked.rows(queries.VENDORS),
        "time_marks": time_marks(span) if span else [],
    }


class _Asked:
    """Run the queries of the dashboards within a range of time."""

    def __init__(self, db: sqlite3.Connection, span: TimeRange | None) -> None:
        self._db, self._span = db, span

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        cursor = self._run(sql, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def tuples(self, sql: str) -> list[tuple[Any, ...]]:
        return self._run(sql, {}).fetchall()

    def number(self, sql: str) -> Any:
        return self._run(sql, {}).fetchone()[0]

    def _run(self, sql: str, values: dict[str, Any]) -> sqlite3.Cursor:
        if self._span is None:
            return self._db.execute(sql, {"until": 2**63 - 1, **values})
        return self._db.execute(self._span.query(sql), {**self._span.values, **values})


OPEN = "SELECT opened_ns, coalesce(closed_ns, last_seen_ns, 0) FROM sessions"


def at_once(spans: list[tuple[int, int]]) -> int:
    """Return how many of the sessions were open at the same time, at most."""
    steps = [(opened, 1) for opened, _ in spans]
    steps += [(max(opened + 1, closed), -1) for opened, closed in spans]
    return max(itertools.accumulate(step for _, step in sorted(steps)), default=0)


def latency(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return nearest-rank percentiles by action: the result of `queries.LATENCY_BY_ACTION` in a third of the time."""
    found = []
    for action, group in itertools.groupby(rows, key=lambda row: row["action"]):
        sorted_us = [row["latency_us"] for row in group]
        answers = len(sorted_us)
        ranks = {f"p{percent}_us": sorted_us[-(-answers * percent // 100) - 1] for percent in (50, 95, 99)}
        found.append({"action": action, "answers": answers, **ranks, "max_us": sorted_us[-1]})
    return sorted(found, key=lambda row: -row["p95_us"])


def matrix(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the matrix of rules (columns) and makes (rows) with the number of findings; the worst ones first."""
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
    """Return the values that the charts need besides the JSON: the common axis of the latencies, and marks of axes."""
    rows = view["latency"]
    low = max(1, min((row["p50_us"] for row in rows), default=1))
    high = max((row["p99_us"] for row in rows), default=1)
    return {"latency_at": scale(low, high), "decades": decades(low, high), "top_of": top_of}


def scale(low: float, high: float) -> Callable[[float], float]:
    """Return a function from a value to its place in percent on a logarithmic axis that includes `low` and `high`."""
    first = math.floor(math.log10(max(1, low)))
    last = max(first + 1, math.ceil(math.log10(max(1, high))))
    return lambda value: round(100 * (math.log10(max(1, value)) - first) / (last - first), 2)


def decades(low: float, high: float) -> list[tuple[float, str]]:
    """Return the powers of ten on the axis of `scale`, as (percent, "10 ms")."""
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
