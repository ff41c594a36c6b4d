"""A transaction: who charged, how much, how long, and its measurements over time."""

from __future__ import annotations

import sqlite3

from inspector.browse.views.charging import SAMPLES, Point, circumstances, series
from inspector.browse.views.request import Ask, NotThere, View
from inspector.browse.views.serialize import session_row, transaction_row
from inspector.store import reader


def view(db: sqlite3.Connection, ask: Ask) -> View:
    """One transaction with its session and what was measured in it."""
    found = reader.transactions(db, id=ask.id)
    if not found:
        raise NotThere(f"There is no transaction {ask.id} in this recording.")
    one = found[0]
    session = reader.session(db, one.session_id)
    samples = reader.samples(db, transaction_id=one.id, most=SAMPLES)
    first = one.started_ns or min((sample.ts_ns for sample in samples), default=0)
    last = one.stopped_ns or max((sample.seen_ns for sample in samples), default=first)
    whole = circumstances(db, session) if session else {"limits": [], "statuses": [], "findings": []}
    return {
        "transaction": transaction_row(one),
        "session": session_row(session) if session else None,
        "plot": {
            "start_ms": first / 1e6,
            "end_ms": last / 1e6,
            "series": list(series(samples, first - 3_600_000_000_000, last + 3_600_000_000_000)),
            "limits": [
                {**each, "points": points}
                for each in whole["limits"]
                if (points := within(each["points"], first / 1e6, last / 1e6))
            ],
            "transactions": [],
            "statuses": [each for each in whole["statuses"] if first / 1e6 <= each["ms"] <= last / 1e6],
            "findings": [each for each in whole["findings"] if first / 1e6 <= each["ms"] <= last / 1e6],
        },
    }


def within(points: list[Point], start: float, end: float) -> list[Point]:
    """The part of a line of steps between two moments, cut off where they are."""
    inside = [point for point in points if start <= point[0] <= end]
    before = [value for at, value in points if at < start]
    after = [value for at, value in points if at > end]
    opening = [(start, before[-1])] if before and (inside or after) else []
    closing = [(end, (inside or opening)[-1][1])] if after and (inside or opening) else []
    return opening + inside + closing
