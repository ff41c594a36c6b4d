"""Compute the limits that a CSMS sets with charging profiles, as lines over time."""

from __future__ import annotations

import json
import math
import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from inspector.store.reading import reader

PROFILES = ("SetChargingProfile", "ClearChargingProfile")

type Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Span:
    """Begin and end of a transaction by the recorder's clock; `start_ns` is None if the start was not recorded."""

    transaction_id: str
    connector: int | None
    start_ns: int | None
    end_ns: int

    def runs_at(self, ns: int) -> bool:
        """Return whether the transaction runs at a time."""
        return (self.start_ns or 0) <= ns <= self.end_ns


def limits(db: sqlite3.Connection, asked: list[reader.Frame], spans: list[Span], end_ns: int) -> list[dict[str, Any]]:
    """Return the limits over time as steps, one line for each connector and purpose.

    A limit is valid from an accepted SetChargingProfile until the next one for the same connector and purpose, until
    profiles are cleared, or until its schedule ends. The limit of a TxProfile ends with its transaction.
    """
    accepted = [frame for frame in asked[:1000] if _accepted(db, frame)]
    lines: dict[tuple[str, str, str], list[Point]] = defaultdict(list)
    for place, frame in enumerate(accepted):
        try:
            profile = _Profile.of(frame, spans)
        except (LookupError, TypeError, ValueError, OverflowError, AttributeError):
            continue  # a ClearChargingProfile, or an invalid profile
        until_ns = min(end_ns, profile.ends_ns if profile.ends_ns is not None else end_ns)
        for later in accepted[place + 1 :]:
            if later.action == "ClearChargingProfile" or _key(later) == profile.key:
                until_ns = min(until_ns, later.ts_ns)
                break
        lines[profile.unit, *profile.key] += _steps(profile.periods, frame.ts_ns, until_ns)
    return [
        {"unit": unit, "connector": connector or None, "purpose": purpose or None, "points": points}
        for (unit, connector, purpose), points in lines.items()
        if points
    ]


def _accepted(db: sqlite3.Connection, frame: reader.Frame) -> bool:
    answer = reader.frame(db, frame.answer_id) if frame.answer_id is not None else None
    return answer is not None and payload_of(answer, 2).get("status") == "Accepted"


def _steps(periods: list[tuple[int, float]], begin_ns: int, end_ns: int) -> list[Point]:
    if end_ns <= begin_ns:
        return []  # the schedule had ended before the profile came
    moments = [(max(at, begin_ns), value) for at, value in periods if at < end_ns]
    # Of the periods that began before the profile came, keep only the last one: it was valid at that time.
    moments = [pair for pair, later in pairwise(moments) if later[0] > pair[0]] + moments[-1:]
    steps: list[Point] = []
    for (at, value), (following, _) in pairwise([*moments, (end_ns, 0.0)]):
        steps += [(at / 1e6, value), (following / 1e6, value)]
    return steps


def _key(frame: reader.Frame) -> tuple[str, str]:
    """Return the connector (or EVSE) and the purpose of a profile; the next profile with both replaces it."""
    payload = payload_of(frame)
    profile = payload.get("csChargingProfiles") or payload.get("chargingProfile")
    purpose = profile.get("chargingProfilePurpose") if isinstance(profile, dict) else None
    connector = payload.get("connectorId", payload.get("evseId"))
    return str("" if connector is None else connector)[:20], str(purpose or "")[:40]


@dataclass(frozen=True, slots=True)
class _Profile:
    """A charging profile: its limits as (ns since 1970, value), and its own end in ns, or None."""

    key: tuple[str, str]
    unit: str
    periods: list[tuple[int, float]]
    ends_ns: int | None

    @classmethod
    def of(cls, frame: reader.Frame, spans: list[Span]) -> _Profile:
        """Return the profile in a SetChargingProfile, with the first of its schedules."""
        payload = payload_of(frame)
        profile = payload.get("csChargingProfiles") or payload["chargingProfile"]
        schedules = profile["chargingSchedule"]
        schedule = schedules[0] if isinstance(schedules, list) else schedules
        key = _key(frame)
        span = _span_of(profile, key[0], frame.ts_ns, spans)
        begin = frame.ts_ns
        if schedule.get("startSchedule"):
            moment = datetime.fromisoformat(schedule["startSchedule"])
            begin = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e9)
        elif profile.get("chargingProfileKind") == "Relative" and span is not None and span.start_ns is not None:
            begin = span.start_ns
        unit = schedule["chargingRateUnit"]
        if unit not in ("W", "A"):
            raise ValueError(unit)
        periods = [
            (begin + int(float(period["startPeriod"]) * 1e9), float(period["limit"]))
            for period in schedule["chargingSchedulePeriod"]
        ]
        if not all(math.isfinite(limit) for _, limit in periods):
            raise ValueError("a limit that is not a finite number")
        periods = sorted(periods)[:200]
        duration = int(float(schedule.get("duration") or 0) * 1e9)
        ends = [periods[0][0] + duration] if duration else []
        if key[1] == "TxProfile":
            # A TxProfile without a transaction has no effect.
            ends.append(span.end_ns if span is not None else frame.ts_ns)
        return cls(key, unit, periods, min(ends, default=None))


def _span_of(profile: dict[str, Any], connector: str, ns: int, spans: list[Span]) -> Span | None:
    """Return the transaction of a profile: the one it names, or else the latest one that runs on its connector."""
    if (named := profile.get("transactionId")) is not None:
        return next((span for span in spans if span.transaction_id == str(named)), None)
    running = [span for span in spans if span.runs_at(ns)]
    here = [span for span in running if connector in ("", "0", str(span.connector))]
    return max(here, key=lambda span: span.start_ns or 0, default=None)


def payload_of(frame: reader.Frame, place: int = 3) -> dict[str, Any]:
    """Return the payload of a frame; {} if it cannot be parsed."""
    try:
        payload = json.loads(frame.raw or "")[place]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}
