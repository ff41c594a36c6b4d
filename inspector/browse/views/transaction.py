"""The page of a transaction: id token, energy, duration, frames, findings, and measurements over time."""

from __future__ import annotations

import sqlite3
from typing import Any

from inspector.browse.views.charging import SAMPLES, circumstances, series
from inspector.browse.views.limits import Point
from inspector.browse.views.request import Ask, NotThere, View
from inspector.browse.views.serialize import SEVERITIES, finding_row, frame_row, session_row, transaction_row
from inspector.store.reading import charging_rows, occurrences, reader
from inspector.store.reading.filter import names_transaction

FRAMES = 200
"""The most frames of a transaction that are listed."""


def view(db: sqlite3.Connection, ask: Ask) -> View:
    """Return one transaction with its session, its frames and its measurements."""
    found = reader.transactions(db, id=ask.id)
    if not found:
        raise NotThere(f"There is no transaction {ask.id} in this recording.")
    one = found[0]
    session = reader.session(db, one.session_id)
    samples = charging_rows.samples(db, transaction_id=one.id, most=SAMPLES)
    times = charging_rows.times_of(db, [i for i in (one.start_frame_id, one.stop_frame_id) if i is not None])
    seen = [sample.seen_ns for sample in samples]
    first = times.get(one.start_frame_id or 0) or min(seen, default=one.started_ns or 0)
    last = times.get(one.stop_frame_id or 0) or max(seen, default=first)
    whole: dict[str, Any] = (
        circumstances(db, session) if session else {"limits": [], "statuses": [], "findings": [], "gaps": []}
    )
    start, end = first / 1e6, last / 1e6
    listed = _frames(db, one)
    return {
        "transaction": transaction_row(one),
        "session": session_row(session) if session else None,
        "frames": [frame_row(each, session.opened_ns) for each in listed[:FRAMES] if session],
        "more_frames": len(listed) > FRAMES,
        "findings": _findings(db, [each.id for each in listed if each.max_severity]),
        "plot": {
            "start_ms": start,
            "end_ms": end,
            "series": list(series(samples, [(int(a * 1e6), int(b * 1e6)) for a, b in whole["gaps"]])),
            "limits": [
                {**each, "points": points} for each in whole["limits"] if (points := within(each["points"], start, end))
            ],
            "transactions": [],
            "statuses": [each for each in whole["statuses"] if start <= each["ms"] <= end],
            "findings": [each for each in whole["findings"] if start <= each["ms"] <= end],
            "gaps": [each for each in whole["gaps"] if start <= each[1] and each[0] <= end],
        },
    }


def _frames(db: sqlite3.Connection, one: reader.Transaction) -> list[reader.Frame]:
    """Return the first frames that name the transaction, and its first and last frame, in order."""
    after = None if one.start_frame_id is None else one.start_frame_id - 1
    named = reader.frames(db, one.session_id, after=after, text=one.transaction_id, limit=4 * FRAMES)
    kept = {each.id: each for each in named if each.raw is not None and names_transaction(one.transaction_id, each.raw)}
    for edge in (one.start_frame_id, one.stop_frame_id):
        if edge is not None and edge not in kept and (frame := reader.frame(db, edge)) is not None:
            kept[edge] = frame
    return [kept[each] for each in sorted(kept)]


def _findings(db: sqlite3.Connection, frames: list[int]) -> list[dict[str, Any]]:
    """Return the findings on these frames, each once, with the ids of its frames among them."""
    rows: dict[int, dict[str, Any]] = {}
    for frame in frames:
        for finding in occurrences.findings_on(db, frame):
            rows.setdefault(finding.id, {**finding_row(finding), "frames": []})["frames"].append(frame)
    return sorted(rows.values(), key=lambda row: SEVERITIES.index(row["severity"]))


def within(points: list[Point], start: float, end: float) -> list[Point]:
    """Return the part of a step line between two times, with points exactly at these times."""
    inside = [point for point in points if start <= point[0] <= end]
    before = [value for at, value in points if at < start]
    after = [value for at, value in points if at > end]
    opening = [(start, before[-1])] if before and (inside or after) else []
    closing = [(end, (inside or opening)[-1][1])] if after and (inside or opening) else []
    return opening + inside + closing
