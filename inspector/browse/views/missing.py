"""The page of a missing frame: the finding, the time, and the frames before and after it."""

from __future__ import annotations

import bisect
import sqlite3
from typing import Any

from inspector.browse import formatting
from inspector.browse.views.request import Ask, NotThere, View
from inspector.browse.views.serialize import finding_row
from inspector.store.reading import occurrences, reader
from inspector.store.reading.charging_rows import frames_beside

LISTED = 500
"""The most absences in one answer that also has frames."""


def name_of(finding_id: int, number: int) -> str:
    """Return the name of an absence in addresses: `m12.3` is the third one of finding 12."""
    return f"m{finding_id}.{number}"


def view(db: sqlite3.Connection, ask: Ask) -> View:
    """Return the content of the page: one time at which the frame of a finding was missing."""
    number = int(ask.values["number"])
    found = reader.findings_where(db, "id = ? AND frame_id IS NULL", [ask.id], 1)
    times = occurrences.times_of(db, ask.id) if found else []
    if not 1 <= number <= len(times):
        raise NotThere(f"No frame is missing here: finding {ask.id} has no time {number}.")
    (one,) = found
    session = None if one.session_id is None else reader.session(db, one.session_id)
    if session is None:
        raise NotThere(f"Finding {ask.id} is outside of any session.")
    before, after = frames_beside(db, session.id, times[number - 1])
    return {
        "id": name_of(one.id, number),
        "ts": formatting.iso(times[number - 1]),
        "session": {"id": session.id, "charge_point_id": session.charge_point_id},
        "finding": {
            **finding_row(one),
            "here": None,
            "message_here": one.message if number == 1 else None,
            "occurrence": {
                "number": number,
                "kept": len(times),
                "previous": name_of(one.id, number - 1) if number > 1 else None,
                "next": name_of(one.id, number + 1) if number < len(times) else None,
            },
        },
        "before": before,
        "after": after,
    }


def among(
    db: sqlite3.Connection,
    one: reader.Session,
    page: list[reader.Frame],
    wanted: tuple[list[str], str | None],
    since: int | None,
    until: int | None,
) -> list[dict[str, Any]]:
    """Return the absences between the frames of a page; `wanted` are rules and a severity, if not all are wanted.

    If `since` and `until` are given, only absences between these frames are returned.
    """
    silent = occurrences.silent_findings(db, one.id, *wanted)
    if not silent:
        return []
    edges = [None if frame is None else reader.frame(db, frame) for frame in (since, until)]
    since_ns, until_ns = (None if edge is None else edge.ts_ns for edge in edges)
    times = [frame.ts_ns for frame in page]
    rows = []
    for each in occurrences.absences(db, silent, since_ns, until_ns)[:LISTED]:
        place = bisect.bisect_right(times, each.ts_ns)
        rows.append(
            {
                "id": name_of(each.finding.id, each.number),
                "finding_id": each.finding.id,
                "number": each.number,
                "ts": formatting.iso(each.ts_ns),
                "after_frame_id": page[place - 1].id if place else since,
                "severity": each.finding.severity,
                "rule_id": each.finding.rule_id,
                "summary": each.finding.message[:300],
            }
        )
    return rows
