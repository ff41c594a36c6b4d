"""The parts of lines about frames, findings and transactions: excerpts, arrows, labels, counts."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from inspector.browse import formatting
from inspector.browse.summary import summarise
from inspector.cli.output.screen import Part
from inspector.store.reading.filter import Filter, json_strings
from inspector.store.rows import Finding, Frame, Transaction
from inspector.units import quantity

_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
SIGNS = {"error": "✗", "warning": "!", "info": "·"}


def needles(wanted: Filter) -> list[str]:
    """Return the texts that a search marks in the frames it finds."""
    tokens = [form for token in wanted.id_tokens for form in json_strings(token)]
    return [text for text in (wanted.text, *tokens, wanted.transaction, wanted.message_id) if text]


def excerpt(frame: Frame, looked_for: Sequence[str], room: int) -> list[Part]:
    """Return at most `room` characters of a frame, around the first text of `looked_for`, or else a summary."""
    text = lower = ""
    if looked_for:
        text = str(frame.raw, "utf-8", "replace") if isinstance(frame.raw, bytes) else frame.raw or ""
        lower = text.translate(_LOWER)
    for needle in looked_for:
        at = lower.find(needle.translate(_LOWER))
        if at >= 0:
            start = max(0, min(at - room // 3, len(text) - room + 1))
            shown = text[start : start + room - (start > 0)]
            if len(needle) >= room:
                return [(needle[: room - 1] + "…", "hit")]
            first = at - start
            return [
                ("…" if start else "") + shown[:first],
                (shown[first : first + len(needle)], "hit"),
                shown[first + len(needle) :] + ("…" if start + len(shown) < len(text) else ""),
            ]
    about = summarise(frame.raw, frame.msg_type, frame.action)
    if frame.raw is None:
        about = f"{formatting.size(frame.size)}, too large for a line"
    marks = [*(["redacted"] if frame.redacted else []), *([] if frame.forwarded else ["not forwarded"])]
    return [about, (f" ({', '.join(marks)})" if marks else "", "faint")]


def arrow(frame: Frame) -> Part:
    """Return an arrow in the direction of a frame."""
    return formatting.ARROWS.get(frame.direction, "?"), frame.max_severity or frame.direction


def label(frame: Frame) -> str:
    """Return the action of a frame, with a sign in front if the frame is an answer."""
    name = frame.action or formatting.message_type(frame.msg_type)
    return {3: f"⤶ {name}", 4: f"✗ {name}", 5: f"✗ {name}"}.get(frame.msg_type or 0, name)


def laid_out(raw: str | bytes) -> list[str]:
    """Return the lines of a whole frame, indented, with every number and key as it was sent."""
    from inspector.browse.readable import readable

    return html.unescape(re.sub(r"<[^>]*>", "", str(readable(raw)))).splitlines()


def finding_parts(finding: Finding) -> list[Part]:
    """Return the parts of a line about a finding."""
    place = f" {finding.pointer}" if finding.pointer else ""
    times = f" ×{finding.count}" if finding.count > 1 else ""
    if finding.count > 1 and finding.last_frame_id is not None:
        times += f", last in frame {finding.last_frame_id}"
    return [
        (f"{SIGNS.get(finding.severity, '·')} {finding.severity} {finding.rule_id}{place}", finding.severity),
        f"  {finding.message}",
        (f"  [{formatting.SIDES.get(finding.side, finding.side)}]{times}", "faint"),
    ]


def count(number: int, severity: str) -> str:
    """Return a count of findings with their severity: `2 errors`, `3 info`."""
    return quantity(number, severity, severity if severity == "info" else "")


def began(one: Transaction) -> str:
    """Return a line about the start of a transaction."""
    place = [
        *([f"EVSE {one.evse_id}"] if one.evse_id is not None else []),
        *([f"connector {one.connector_id}"] if one.connector_id is not None else []),
        *([f"id token {one.id_token}"] if one.id_token else []),
    ]
    return " · ".join([f"transaction {one.transaction_id} begins", *place])


def ended(one: Transaction) -> str:
    """Return a line about the end of a transaction."""
    known = one.meter_start_wh is not None and one.meter_stop_wh is not None
    said = [
        *([formatting.energy((one.meter_stop_wh or 0) - (one.meter_start_wh or 0))] if known else []),
        *([formatting.span(one.stopped_ns - one.started_ns)] if one.stopped_ns and one.started_ns else []),
        *([one.stop_reason] if one.stop_reason else []),
    ]
    return " · ".join([f"transaction {one.transaction_id} ends", *said])
