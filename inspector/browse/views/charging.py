"""The data of a session's plot: measurements, limits, transactions and status changes over time.

All times are the recorder's, as in the ladder. Points are [milliseconds since 1970, value, frame id, the charge
point's own time] in base units (W, Wh, A, %). There are as many as a screen can show, with the lowest and the highest
value of each stretch. A line breaks where no values are known: between transactions, and in gaps of the recording.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from inspector.browse.views.limits import PROFILES, Span, limits, payload_of
from inspector.store.reading import occurrences, reader
from inspector.store.reading.charging_rows import gaps, samples, times_of
from inspector.store.rows import Sample

POINTS = 800
"""The most points of one series."""
SAMPLES = 5_000
"""About how many measured values are read for a plot: many times more than a screen can show."""
TICKS = 5_000
"""The most occurrences of findings that a plot marks, the worst first."""
TRANSACTIONS = 2_000

type Measured = tuple[float, float, int, float]
type Gap = tuple[int, int]
"""The begin and the end of a time without frames, in ns since 1970."""

_MEASURANDS = {
    "Power.Active.Import": ("power", "W"),
    "Energy.Active.Import.Register": ("energy", "Wh"),
    "Current.Import": ("current", "A"),
    "SoC": ("soc", "%"),
    "Power.Offered": ("offered_power", "W"),
    "Current.Offered": ("offered_current", "A"),
}
STATUSES = ("StatusNotification",)
_HOUR_NS = 3_600_000_000_000


def charging(db: sqlite3.Connection, one: reader.Session) -> dict[str, Any]:
    """Return all data of a session's plot."""
    found = samples(db, session_id=one.id, most=SAMPLES)
    missing = _gaps(db, one)
    return {
        "start_ms": one.opened_ns / 1e6,
        "end_ms": end_of(one) / 1e6,
        "series": list(series(found, missing)),
        **circumstances(db, one, missing),
    }


def circumstances(db: sqlite3.Connection, one: reader.Session, missing: list[Gap] | None = None) -> dict[str, Any]:
    """Return the data of a session's plot besides measurements: limits, transactions, statuses, findings, gaps."""
    end_ns = end_of(one)
    found = list(reversed(reader.transactions(db, session_id=one.id, limit=TRANSACTIONS)))
    times = times_of(db, [i for each in found for i in (each.start_frame_id, each.stop_frame_id) if i])
    spans = [_span(each, times, one, end_ns) for each in found]
    frames = reader.frames_by_action(db, one, (*STATUSES, *PROFILES), 2)
    return {
        "limits": limits(db, [each for each in frames if each.action in PROFILES], spans, end_ns),
        "transactions": [
            {
                "id": each.id,
                "transaction_id": each.transaction_id,
                "connector": each.connector_id if each.evse_id is None else each.evse_id,
                "start_ms": span.start_ns and span.start_ns / 1e6,
                "end_ms": span.end_ns / 1e6,
                "open": each.stopped_ns is None,
                "start_frame_id": each.start_frame_id,
                "stop_frame_id": each.stop_frame_id,
                "stop_reason": each.stop_reason,
            }
            for each, span in zip(found, spans, strict=True)
        ],
        "statuses": list(statuses([each for each in frames if each.action in STATUSES])),
        "findings": [
            {
                "ms": each.ts_ns / 1e6,
                "frame_id": each.frame_id,
                "severity": each.severity,
                "rule_id": each.rule_id,
                "finding_id": each.finding_id,
                "number": each.number,
            }
            for each in occurrences.ticks(db, one.id, TICKS)
        ],
        "gaps": [[since / 1e6, until / 1e6] for since, until in (_gaps(db, one) if missing is None else missing)],
    }


def end_of(one: reader.Session) -> int:
    """Return when a session ended, or else the time of its last frame."""
    return one.closed_ns or one.last_seen_ns or one.opened_ns


def _span(each: reader.Transaction, times: dict[int, int], one: reader.Session, end_ns: int) -> Span:
    """Return begin and end of a transaction by the recorder's clock; the charge point's clock may be wrong."""
    start = times.get(each.start_frame_id or 0)
    stop = times.get(each.stop_frame_id or 0, end_ns)
    if start is None and each.started_ns is not None:
        start = max(one.opened_ns, min(each.started_ns, stop))  # the transaction began before this recording
    return Span(each.transaction_id, each.connector_id if each.evse_id is None else each.evse_id, start, stop)


def _gaps(db: sqlite3.Connection, one: reader.Session) -> list[Gap]:
    """Return the times of a session in which frames are missing."""
    found: list[Gap] = []
    for event in gaps(db, one.id, one.opened_ns, end_of(one)):
        try:
            detail = json.loads(event.detail)
            since, until = int(detail.get("since_ns", event.ts_ns)), int(detail.get("until_ns", event.ts_ns))
        except (ValueError, TypeError, AttributeError):
            since = until = event.ts_ns
        found.append((since, max(since, until)))
    return sorted(found)


def series(found: list[Sample], missing: list[Gap]) -> Iterator[dict[str, Any]]:
    """Yield one series for each measurand, phase and location.

    `breaks` are the indexes in `points` at which a new line begins: with another transaction, or after a gap.
    """
    placed = _placed(found)
    grouped: dict[tuple[str, str, str, str], dict[Any, list[Measured]]] = defaultdict(lambda: defaultdict(list))
    for sample in found:
        known = _MEASURANDS.get(sample.measurand)
        if known is None or sample.value is None or not math.isfinite(sample.value):
            continue
        at = placed[sample.frame_id] + sample.ts_ns
        at = at if abs(at - sample.seen_ns) <= _HOUR_NS else sample.seen_ns
        line = sample.transaction_id if sample.transaction_id is not None else f"at {sample.connector}"
        point = at / 1e6, sample.value, sample.frame_id, sample.ts_ns / 1e6
        grouped[*known, sample.phase or "", sample.location or ""][line].append(point)
    whole = {kind for kind, _, phase, _ in grouped if not phase}
    for (kind, unit, phase, location), lines in grouped.items():
        # Leave out the phases if there is a total, which says the same; but show current by phase.
        if phase and kind in whole and kind != "current":
            continue
        parts = sorted(_parts(lines, missing), key=lambda part: part[0][0])
        count = sum(map(len, parts))
        thinned = [thin(part, max(8, POINTS * len(part) // count)) for part in parts]
        points = [point for part in thinned for point in part]
        breaks = [sum(map(len, thinned[:place])) for place in range(1, len(thinned))]
        yield {
            "kind": kind,
            "unit": unit,
            "phase": phase or None,
            "location": location or None,
            "points": points,
            "breaks": breaks,
            "samples": count,
        }


def _placed(found: list[Sample]) -> dict[int, int]:
    """Return, by frame, the recorder's time minus the charge point's (ns): the newest sample was just measured."""
    newest: dict[int, Sample] = {}
    for sample in found:
        if sample.frame_id not in newest or sample.ts_ns > newest[sample.frame_id].ts_ns:
            newest[sample.frame_id] = sample
    return {frame: sample.seen_ns - sample.ts_ns for frame, sample in newest.items()}


def _parts(lines: dict[Any, list[Measured]], missing: list[Gap]) -> Iterator[list[Measured]]:
    """Yield the lines cut at gaps; a line outside of transactions is also cut where a transaction ran."""
    ran = [(min(p[0] for p in points), max(p[0] for p in points)) for line, points in lines.items() if _ran(line)]
    cut = [(since / 1e6, until / 1e6) for since, until in missing]
    for line, points in lines.items():
        points.sort()
        cuts = cut if _ran(line) else cut + ran
        begin = 0
        for place in range(1, len(points)):
            last, now = points[place - 1][0], points[place][0]
            if any(last <= until and since <= now for since, until in cuts):
                yield points[begin:place]
                begin = place
        yield points[begin:]


def _ran(line: Any) -> bool:
    return isinstance(line, int)


def thin(points: list[Measured], most: int = POINTS) -> list[Measured]:
    """Return at most `most` points: of each stretch the first, the lowest, the highest and the last one."""
    if len(points) <= most:
        return points
    width = -(-len(points) * 4 // most)
    kept: list[Measured] = []
    for start in range(0, len(points), width):
        part = points[start : start + width]
        lowest, highest = min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])
        kept += sorted({part[0], lowest, highest, part[-1]})
    return kept


def statuses(frames: list[reader.Frame]) -> Iterator[dict[str, Any]]:
    """Yield the status changes that the charge point reported in StatusNotifications."""
    for frame in frames[:1000]:
        payload = payload_of(frame)
        evse = payload.get("evseId")
        yield {
            "ms": frame.ts_ns / 1e6,
            "frame_id": frame.id,
            "status": str(payload.get("connectorStatus", payload.get("status", "?")))[:40],
            "connector": ".".join(str(part) for part in (evse, payload.get("connectorId")) if part is not None)[:20],
        }
