"""Charging over time: measurements, limits, transactions and status changes of a session; knows payloads, no page.

Series are [milliseconds since 1970, value, frame id] in base units (W, Wh, A, %), thinned to what a screen can
show with the lowest and highest of each stretch kept.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from inspector.store import reader

POINTS = 800
"""Points of one series."""

type Point = tuple[float, float]
type Measured = tuple[float, float, int]

_MEASURANDS = {
    "Power.Active.Import": ("power", "W"),
    "Energy.Active.Import.Register": ("energy", "Wh"),
    "Current.Import": ("current", "A"),
    "SoC": ("soc", "%"),
    "Power.Offered": ("offered_power", "W"),
    "Current.Offered": ("offered_current", "A"),
}
STATUSES = ("StatusNotification",)
PROFILES = ("SetChargingProfile", "ClearChargingProfile")
"""CALLs the plot is told things by, besides what is measured."""
_HOUR_NS = 3_600_000_000_000


SAMPLES = 5_000
"""About how many measured values a plot is made of: many times what a screen can show."""


def charging(db: sqlite3.Connection, one: reader.Session) -> dict[str, Any]:
    """Everything the plot of a session shows."""
    end_ns = _end(one)
    samples = reader.samples(db, session_id=one.id, most=SAMPLES)
    return {
        "start_ms": one.opened_ns / 1e6,
        "end_ms": end_ns / 1e6,
        "series": list(series(samples, one.opened_ns - _HOUR_NS, end_ns + _HOUR_NS)),
        **circumstances(db, one),
    }


def circumstances(db: sqlite3.Connection, one: reader.Session) -> dict[str, Any]:
    """What a session's plot shows besides what was measured: limits, transactions, statuses, the worst 300 findings."""
    end_ns = _end(one)
    transactions = reader.transactions(db, session_id=one.id)
    told = reader.frames_by_action(db, one, (*STATUSES, *PROFILES), 2)
    return {
        "limits": limits(db, [each for each in told if each.action in PROFILES], transactions, end_ns),
        "transactions": [
            {
                "id": each.id,
                "transaction_id": each.transaction_id,
                "start_ms": each.started_ns and each.started_ns / 1e6,
                "end_ms": (each.stopped_ns or end_ns) / 1e6,
                "open": each.stopped_ns is None,
                "start_frame_id": each.start_frame_id,
                "stop_frame_id": each.stop_frame_id,
                "stop_reason": each.stop_reason,
            }
            for each in reversed(transactions)
        ],
        "statuses": list(statuses([each for each in told if each.action in STATUSES])),
        "findings": [
            {"ms": each.ts_ns / 1e6, "frame_id": each.frame_id, "severity": each.severity, "rule_id": each.rule_id}
            for each in reversed(reader.findings(db, session_id=one.id, limit=300))
            if each.frame_id is not None
        ],
    }


def _end(one: reader.Session) -> int:
    return one.closed_ns or one.last_seen_ns or one.opened_ns


def series(samples: list[reader.Sample], first_ns: int, last_ns: int) -> Iterator[dict[str, Any]]:
    """One series for each measurand and phase; a sample whose own time is far off is placed when it was sent."""
    grouped: dict[tuple[str, str, str], list[Measured]] = defaultdict(list)
    for sample in samples:
        known = _MEASURANDS.get(sample.measurand)
        if known is None or sample.value is None or not math.isfinite(sample.value):
            continue
        at = sample.ts_ns if first_ns <= sample.ts_ns <= last_ns else sample.seen_ns
        grouped[(*known, sample.phase or "")].append((at / 1e6, sample.value, sample.frame_id))
    whole = {kind for kind, _, phase in grouped if not phase}
    for (kind, unit, phase), points in grouped.items():
        # Where the total is measured too, its phases only repeat it; current is shown by phase.
        if phase and kind in whole and kind != "current":
            continue
        points.sort()
        yield {"kind": kind, "unit": unit, "phase": phase or None, "points": thin(points), "samples": len(points)}


def thin(points: list[Measured], most: int = POINTS) -> list[Measured]:
    """At most `most` points: of each stretch its first, lowest, highest and last."""
    if len(points) <= most:
        return points
    width = -(-len(points) * 4 // most)
    kept: list[Measured] = []
    for start in range(0, len(points), width):
        part = points[start : start + width]
        lowest, highest = min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])
        kept += sorted({part[0], lowest, highest, part[-1]})
    return kept


def statuses(told: list[reader.Frame]) -> Iterator[dict[str, Any]]:
    """Status changes as the charge point reported them in StatusNotifications."""
    for frame in told[:1000]:
        payload = _payload(frame)
        evse = payload.get("evseId")
        yield {
            "ms": frame.ts_ns / 1e6,
            "frame_id": frame.id,
            "status": str(payload.get("connectorStatus", payload.get("status", "?")))[:40],
            "connector": ".".join(str(part) for part in (evse, payload.get("connectorId")) if part is not None)[:20],
        }


def limits(
    db: sqlite3.Connection, asked: list[reader.Frame], transactions: list[reader.Transaction], end_ns: int
) -> list[dict[str, Any]]:
    """The limit the CSMS set last, over time: steps by unit, from the profiles that were accepted until cleared."""
    steps: dict[str, list[Point]] = {"W": [], "A": []}
    accepted = []
    for frame in asked[:1000]:
        answer = reader.frame(db, frame.answer_id) if frame.answer_id is not None else None
        if answer is not None and _payload(answer, 2).get("status") == "Accepted":
            accepted.append(frame)
    ends = [frame.ts_ns for frame in accepted[1:]] + [end_ns]
    for frame, until_ns in zip(accepted, ends, strict=False):
        # One that takes profiles back has none of its own: the limit ends where it came.
        try:
            unit, periods, lasts_ns = _schedule(frame, transactions)
        except (LookupError, TypeError, ValueError, OverflowError, AttributeError):
            continue
        stop_ns = min(until_ns, periods[0][0] + lasts_ns if lasts_ns else until_ns)
        if stop_ns <= frame.ts_ns:
            continue  # it was over before it came
        moments = [(max(at, frame.ts_ns), value) for at, value in periods if at < stop_ns]
        # Periods that were over when the profile came count as the one in force then.
        moments = [pair for pair, later in pairwise(moments) if later[0] > pair[0]] + moments[-1:]
        for (at, value), (following, _) in pairwise([*moments, (stop_ns, 0.0)]):
            steps[unit] += [(at / 1e6, value), (following / 1e6, value)]
    return [{"unit": unit, "points": points} for unit, points in steps.items() if points]


def _schedule(frame: reader.Frame, transactions: list[reader.Transaction]) -> tuple[str, list[tuple[int, float]], int]:
    """Unit, [(ns since 1970, limit)] and duration in ns (0: open) of a profile's first schedule."""
    payload = _payload(frame)
    profile = payload.get("csChargingProfiles") or payload["chargingProfile"]
    schedules = profile["chargingSchedule"]
    schedule = schedules[0] if isinstance(schedules, list) else schedules
    begin = frame.ts_ns
    if schedule.get("startSchedule"):
        moment = datetime.fromisoformat(schedule["startSchedule"])
        begin = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e9)
    elif profile.get("chargingProfileKind") == "Relative":
        started = [each.started_ns for each in transactions if each.started_ns and each.started_ns <= frame.ts_ns]
        begin = max(started, default=frame.ts_ns)
    unit = schedule["chargingRateUnit"]
    if unit not in ("W", "A"):
        raise ValueError(unit)
    periods = [
        (begin + int(float(period["startPeriod"]) * 1e9), float(period["limit"]))
        for period in schedule["chargingSchedulePeriod"]
    ]
    if not all(math.isfinite(limit) for _, limit in periods):
        raise ValueError("a limit that is no number")
    return unit, sorted(periods)[:200], int(float(schedule.get("duration") or 0) * 1e9)


def _payload(frame: reader.Frame, place: int = 3) -> dict[str, Any]:
    try:
        payload = json.loads(frame.raw or "")[place]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}
