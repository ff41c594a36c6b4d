"""Turn rows of the store into dicts for the pages and their JSON."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from inspector.browse import formatting
from inspector.browse.formatting import abnormal, ended, ended_in_words, ending, event_line, times
from inspector.browse.summary import summarise
from inspector.rules.catalogue import rules
from inspector.rules.rule import Rule
from inspector.store.reading.reader import ChargePoint, Event, Finding, Frame, Session, Transaction

SEVERITIES = ("error", "warning", "info")

RULES: dict[str, Rule] = {rule.slug: rule for rule in rules()}


def charge_point_row(one: ChargePoint) -> dict[str, Any]:
    """Return a charge point as a dict."""
    row = times(asdict(one))
    row["versions"] = [version for version in one.versions.split(",") if version]
    return row


def session_row(one: Session, severities: Mapping[str, tuple[int, int | None]] | None = None) -> dict[str, Any]:
    """Return a session with its duration, its end in words, and the first frame of each severity."""
    row = times(asdict(one))
    end = one.closed_ns or one.last_seen_ns or one.opened_ns
    row["duration_ms"] = (end - one.opened_ns) // 1_000_000
    row["duration"] = formatting.span(end - one.opened_ns)
    row["ending"] = ending(one)
    row["ended"] = ended(one)
    row["ended_in_words"] = ended_in_words(one)
    row["abnormal"] = abnormal(one)
    counted = severities or {}
    row["findings"] = {name: counted[name][0] if name in counted else 0 for name in SEVERITIES}
    row["first_frames"] = {name: first for name, (_, first) in counted.items()}
    with contextlib.suppress(ValueError):
        row["subprotocols_offered"] = json.loads(one.subprotocols_offered or "null")
    return row


def offered(subprotocols: Any) -> str:
    """Return the offered subprotocols on one line; the store has a JSON list, or in a crafted file anything."""
    return ", ".join(map(str, subprotocols)) if isinstance(subprotocols, list) else str(subprotocols or "")


def frame_row(one: Frame, opened_ns: int) -> dict[str, Any]:
    """Return a frame for the ladder. `at_us` is the time since the session opened, `mono_us` the monotonic time."""
    return {
        "id": one.id,
        "ts": formatting.iso(one.ts_ns),
        "ts_ns": str(one.ts_ns),
        "at_us": (one.ts_ns - opened_ns) // 1000,
        "mono_us": one.mono_ns // 1000,
        "direction": one.direction,
        "msg_type": one.msg_type,
        "type": formatting.message_type(one.msg_type),
        "action": one.action,
        "summary": summarise(one.raw, one.msg_type, one.action),
        "severity": one.max_severity,
        "latency_us": one.latency_us,
        "message_id": one.message_id,
        "call_id": one.call_id,
        "answer_id": one.answer_id,
        "size": one.size,
        "forwarded": bool(one.forwarded),
        "redacted": bool(one.redacted),
    }


def event_row(one: Event) -> dict[str, Any]:
    """Return an event with its detail as JSON and as one line of text."""
    try:
        detail = json.loads(one.detail)
    except ValueError:
        detail = one.detail
    return {**times(asdict(one)), "detail": detail, "summary": event_line(one.kind, detail)[:300]}


def finding_row(one: Finding) -> dict[str, Any]:
    """Return a finding with the title and the remedy of its rule."""
    rule = RULES.get(one.rule_id)
    return {
        **times(asdict(one)),
        "side_words": formatting.SIDES.get(one.side, one.side),
        "title": rule.title if rule else None,
        "remedy": rule.remedy if rule else None,
        "heuristic": rule.heuristic if rule else False,
    }


def transaction_row(one: Transaction) -> dict[str, Any]:
    """Return a transaction with its energy and its duration."""
    start, stop = _finite(one.meter_start_wh), _finite(one.meter_stop_wh)
    row = {**times(asdict(one)), "meter_start_wh": start, "meter_stop_wh": stop}
    row["energy_wh"] = None if start is None or stop is None else _finite(stop - start)
    row["energy"] = formatting.energy(row["energy_wh"])
    took = one.stopped_ns - one.started_ns if one.started_ns is not None and one.stopped_ns is not None else None
    row["duration"] = formatting.span(took)
    row["contradiction"] = _contradiction(one, row["energy_wh"], took)
    return row


def _contradiction(one: Transaction, energy_wh: float | None, took: int | None) -> str | None:
    """Return a sentence about an impossible value of a transaction; None if there is none."""
    if energy_wh is not None and energy_wh < 0:
        return f"its register ends {formatting.energy(-energy_wh)} below its start"
    if took is not None and took < 0:
        return "it stopped before it started"
    if one.start_frame_id is None and one.stop_frame_id is not None:
        return "its start was not recorded"
    return None


def _finite(register: float | None) -> float | None:
    """Return the register of a meter; None for infinity, which older versions stored and JSON cannot express."""
    return register if register is not None and math.isfinite(register) else None
