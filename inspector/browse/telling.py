"""Rows of the store in words: when, how a session ended, what an event says; knows no rule and no page."""

from __future__ import annotations

from typing import Any

from inspector.browse import formatting
from inspector.store.rows import Session

_SENDERS = {"csms": "CSMS", "charge-point": "charge point", "csms-to-cp": "CSMS", "cp-to-csms": "charge point"}
_PROTOCOL = "sec-websocket-protocol"


def times(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with an ISO time beside each `…_ns` but `mono_ns`, which has no date; nanoseconds as strings."""
    shown: dict[str, Any] = {}
    for name, value in row.items():
        if name.endswith("_ns"):
            if name != "mono_ns":
                shown[name.removesuffix("_ns")] = formatting.iso(value)
            shown[name] = None if value is None else str(value)
        else:
            shown[name] = value
    return shown


def ending(one: Session) -> str:
    """How a session ended, in words."""
    if one.state == "live":
        return "still open"
    if one.state == "interrupted":
        return "the recorder ended first"
    if one.closed_by == "rotation":
        return "goes on in the next file"
    ended = f"closed {formatting.CLOSED_BY.get(one.closed_by or '', '')}".strip()
    from_charge_point = formatting.close_code(one.cp_close_code, one.cp_close_reason)
    from_csms = formatting.close_code(one.csms_close_code, one.csms_close_reason)
    if from_charge_point and from_charge_point == from_csms:
        return f"{ended}: {from_csms}"
    codes = [f"{who} sent {code}" for who, code in (("charge point", from_charge_point), ("CSMS", from_csms)) if code]
    return f"{ended}: {'; '.join(codes)}" if codes else f"{ended}, without a close frame"


def _capture(detail: dict[str, Any]) -> str:
    """What a session that was read from a log cannot show."""
    said = ["begins in mid-session"] if detail.get("from_start") is False else []
    said += ["no times"] if detail.get("timed") is False else []
    said += ["local times, their offset to UTC unknown"] if detail.get("clock") == "unknown" else []
    offset = detail.get("utc_offset_s")
    if type(offset) is int:
        sign = "+-"[offset < 0]
        said.append(f"local times, UTC{sign}{abs(offset) // 3600:02}:{abs(offset) // 60 % 60:02}")
    unseen = detail.get("unseen")
    said += [f"never shows {str(what).replace('_', ' ')}" for what in unseen] if isinstance(unseen, list) else []
    told = detail.get("version_told_by")
    return " · ".join([*said, f"version told by {told}"] if told else said)


def event_line(kind: str, detail: Any) -> str:
    """What an event says, in a line; `detail` is its JSON, read."""
    if not isinstance(detail, dict):
        return str(detail)
    if kind in ("handshake", "rejected-upgrade") and "status" in detail:
        agreed = [value for name, value in detail.get("response_headers") or [] if name.lower() == _PROTOCOL]
        return " · ".join(str(part) for part in (detail.get("path"), detail["status"], *agreed) if part)
    if kind == "capture":
        return _capture(detail)
    if kind == "unreachable":
        return " · ".join(str(detail[name]) for name in ("path", "reason", "error") if detail.get(name))
    if kind == "close":
        way = f"CP {formatting.ARROWS.get(str(detail.get('direction')), '·')} CSMS"
        return f"{way} · {formatting.close_code(detail.get('code'), detail.get('reason')) or 'no code'}"
    sender = _SENDERS.get(str(detail.get("direction", detail.get("from"))))
    said = [f"from the {sender}"] if sender else []
    for name, value in detail.items():
        if (
            value in (None, "", [], {}, False)
            or (sender and name in ("direction", "from"))
            or (name, value) == ("size", 0)
        ):
            continue
        said.append(name if value is True else f"{name} {value}")
    return " · ".join(said)
