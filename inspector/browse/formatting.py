"""Format times, durations, sizes and rows of the store as text, for pages and commands."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from inspector.browse.interventions import in_words
from inspector.proxy import refusals
from inspector.records import EDITED, INTERVENTION, SHADOW, TAKEN_OVER
from inspector.store.rows import Session
from inspector.units import UNTIMED_NS

MESSAGE_TYPES = {2: "CALL", 3: "CALLRESULT", 4: "CALLERROR", 5: "CALLRESULTERROR", 6: "SEND"}

ARROWS = {"cp-to-csms": "→", "csms-to-cp": "←"}
WAYS = {"cp-to-csms": "charge point → CSMS", "csms-to-cp": "CSMS → charge point"}
DIRECTIONS = {"cp-to-csms": "charge point to CSMS", "csms-to-cp": "CSMS to charge point"}

SIDES = {"charge_point": "charge point", "csms": "CSMS", "link": "link"}

CLOSED_BY = {
    "charge-point": "by the charge point",
    "csms": "by the CSMS",
    "proxy": "by the proxy",
    "unknown": "by an unknown side",
}

CLOSE_CODES = {
    1000: "normal",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1005: "no code given",
    1006: "connection lost",
    1007: "invalid data",
    1008: "policy violation",
    1009: "message too big",
    1011: "internal error",
    1012: "restarting",
    1013: "try again later",
}
"""Close codes of RFC 6455 section 7.4.1 in words."""

_HALVES = re.compile("[\ud800-\udfff]")


def sendable(text: str) -> str:
    """Return text that can be encoded as UTF-8: half a character becomes the replacement character.

    JSON can contain half a character as an escape ("\\ud83d"), so any parsed text of a peer may contain one.
    """
    return text if text.isascii() else _HALVES.sub("\ufffd", text)


def iso(ns: int | None) -> str | None:
    """Return nanoseconds since 1970 as 2026-01-01T12:00:00.123456Z; None for None, and for inputs without times."""
    if ns is None or 0 <= ns < UNTIMED_NS:
        return None
    seconds, rest = divmod(ns, 1_000_000_000)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def moment(ns: int | None) -> str:
    """Return a time in UTC for a table: 2026-01-01 12:00:00.123."""
    text = iso(ns)
    return "" if text is None else text[:23].replace("T", " ")


def span(ns: float | None) -> str:
    """Return a duration in a fitting unit: 850 µs, 12.4 ms, 3.21 s, 4 min 05 s, 2 h 03 min."""
    if ns is None:
        return ""
    if ns < 0:
        return f"-{span(-ns)}"
    if ns < 999_500:
        return f"{ns / 1e3:.0f} µs"
    if ns < 999_500_000:
        return f"{ns / 1e6:.3g} ms"
    seconds = ns / 1e9
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02d} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours:02d} h"


def size(count: int | None) -> str:
    """Return a number of bytes as text: 149 B, 12.5 kB, 1.05 MB."""
    if count is None:
        return ""
    if count < 1000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1000:.3g} kB"
    return f"{count / 1_000_000:.3g} MB"


def energy(watt_hours: float | None) -> str:
    """Return an energy as text: 5.6 Wh, 850 Wh, 12.4 kWh."""
    if watt_hours is None:
        return ""
    return f"{_digits(watt_hours)} Wh" if abs(watt_hours) < 999.5 else f"{watt_hours / 1000:.4g} kWh"


def power(watts: float | None) -> str:
    """Return a power as text: 5.6 W, 850 W, 11 kW."""
    if watts is None:
        return ""
    return f"{_digits(watts)} W" if abs(watts) < 999.5 else f"{watts / 1000:.3g} kW"


def _digits(value: float) -> str:
    """Return a value below 1000 with up to three significant digits: 850, 85.1, 5.6, 0.04."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) >= 0.001 else "0"


def file(path: str) -> str:
    """Return the name of a file, for a link also its target: traffic.db → traffic-2026-01-01T00-00-00Z.db."""
    named = Path(path)
    return f"{named.name} → {named.resolve().name}" if named.is_symlink() else named.name


def message_type(number: int | None) -> str:
    """Return the name of a message type; "unreadable" for a frame that is not an OCPP message."""
    return "unreadable" if number is None else MESSAGE_TYPES.get(number, f"type {number}")


def close_code(code: int | None, reason: str | None = None) -> str:
    """Return a close code and its reason in words: 1000 normal “done”."""
    if code is None:
        return ""
    text = f"{code} {CLOSE_CODES.get(code, '')}".strip()
    return f"{text} “{reason}”" if reason else text


_SENDERS = {"csms": "CSMS", "charge-point": "charge point", "csms-to-cp": "CSMS", "cp-to-csms": "charge point"}
_PROTOCOL = "sec-websocket-protocol"


def times(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with an ISO time for each `…_ns` except `mono_ns`, which has no date; nanoseconds become strings."""
    shown: dict[str, Any] = {}
    for name, value in row.items():
        if name.endswith("_ns"):
            if name != "mono_ns":
                shown[name.removesuffix("_ns")] = iso(value)
            shown[name] = None if value is None else str(value)
        else:
            shown[name] = value
    return shown


NORMAL_CODES = frozenset({1000, 1001})


def end_unknown(one: Session) -> bool:
    """Return whether the recording does not show how a session ended, as after an import of a log."""
    seen = one.cp_close_code is not None or one.csms_close_code is not None or one.remote_addr is not None
    return one.state == "closed" and one.closed_by in ("unknown", None) and not seen


def abnormal(one: Session) -> bool:
    """Return whether a session ended without a normal close."""
    if one.state == "interrupted":
        return True
    if one.state == "live" or one.closed_by == "rotation" or end_unknown(one):
        return False
    codes = {code for code in (one.cp_close_code, one.csms_close_code) if code is not None}
    return not codes or not codes <= NORMAL_CODES


def ending(one: Session) -> str:
    """Return how a session ended, in words."""
    if one.state == "live":
        return "still open"
    if one.state == "interrupted":
        return "the recorder ended first"
    if end_unknown(one):
        return "end not recorded"
    if one.closed_by == "rotation":
        return "continues in the next file"
    ended = f"closed {CLOSED_BY.get(one.closed_by or '', '')}".strip()
    from_charge_point = close_code(one.cp_close_code, one.cp_close_reason)
    from_csms = close_code(one.csms_close_code, one.csms_close_reason)
    if from_charge_point and from_charge_point == from_csms:
        return f"{ended}: {from_csms}"
    codes = [f"{who} sent {code}" for who, code in (("charge point", from_charge_point), ("CSMS", from_csms)) if code]
    return f"{ended}: {'; '.join(codes)}" if codes else f"{ended}, without a close frame"


def ended(one: Session) -> str:
    """Return how a session ended, in few words for a row of a table."""
    if one.state == "live":
        return "still open"
    if one.state == "interrupted":
        return "interrupted: recorder ended"
    if one.closed_by == "rotation":
        return "continues in the next file"
    if end_unknown(one):
        return "end not recorded"
    who = {"charge-point": "charge point", "csms": "CSMS", "proxy": "proxy"}.get(one.closed_by or "", "")
    codes = [code for code in (one.cp_close_code, one.csms_close_code) if code is not None]
    if not codes:
        return f"{who}: connection lost" if who else "connection lost"
    code = one.csms_close_code if one.closed_by == "csms" and one.csms_close_code is not None else codes[0]
    closed = f"{who} closed it" if who else "closed"
    return closed if code == 1000 else f"{closed}: {_words_of(code)}"


def ended_in_words(one: Session) -> str:
    """Return how a session ended, as a phrase for the head of its page."""
    who = {"charge-point": "by the charge point", "csms": "by the CSMS", "proxy": "by the proxy"}
    by = who.get(one.closed_by or "", "")
    codes = [code for code in (one.cp_close_code, one.csms_close_code) if code is not None]
    if one.state in ("live", "interrupted") or one.closed_by == "rotation" or end_unknown(one):
        return ending(one)
    if not codes:
        lost = {"charge-point": "connection to the charge point lost", "csms": "connection to the CSMS lost"}
        return lost.get(one.closed_by or "", "connection lost")
    code = one.csms_close_code if one.closed_by == "csms" and one.csms_close_code is not None else codes[0]
    return f"closed normally {by}".strip() if code == 1000 else f"{f'closed {by}'.strip()}: {_words_of(code)}"


def _words_of(code: int) -> str:
    return f"{CLOSE_CODES[code]} ({code})" if code in CLOSE_CODES else f"code {code}"


def _capture(detail: dict[str, Any]) -> str:
    """Return a phrase about the parts that are missing in a session from a log."""
    said = ["begins in mid-session"] if detail.get("from_start") is False else []
    said += ["no times"] if detail.get("timed") is False else []
    said += ["local times, their offset to UTC unknown"] if detail.get("clock") == "unknown" else []
    offset = detail.get("utc_offset_s")
    if type(offset) is int:
        sign = "+-"[offset < 0]
        said.append(f"local times, UTC{sign}{abs(offset) // 3600:02}:{abs(offset) // 60 % 60:02}")
    unseen = detail.get("unseen")
    said += [f"never shows {str(what).replace('_', ' ')}" for what in unseen] if isinstance(unseen, list) else []
    said += ["interventions may change it"] if detail.get("relay") == EDITED else []
    source = detail.get("version_told_by")
    return " · ".join([*said, f"version known from {source}"] if source else said)


def event_line(kind: str, detail: Any) -> str:
    """Return an event as one line; `detail` is its parsed JSON."""
    if not isinstance(detail, dict):
        return str(detail)
    if kind == "rejected-upgrade" and "upstream_url" in detail:
        return refusals.told(detail)
    if kind in ("handshake", "rejected-upgrade") and "status" in detail:
        agreed = [value for name, value in detail.get("response_headers") or [] if name.lower() == _PROTOCOL]
        return " · ".join(str(part) for part in (detail.get("path"), detail["status"], *agreed) if part)
    if kind == "capture":
        return _capture(detail)
    if kind == INTERVENTION:
        return in_words(detail)
    if kind == "not-sent":
        what = detail.get("what") or "frame"
        return f"the waiting {what}: {detail['why']}" if detail.get("why") else f"the held {what}, by hand"
    if kind == TAKEN_OVER:
        return "interventions may change the session from here on"
    if kind == SHADOW:
        return f"mirrors session {detail.get('shadow_of') or '?'} to {detail.get('shadow') or '?'}"
    if kind == "sent":
        return f"the delayed {detail.get('what') or 'frame'}"
    if kind == "unreachable":
        return " · ".join(str(detail[name]) for name in ("path", "reason", "error") if detail.get(name))
    if kind == "close":
        way = f"CP {ARROWS.get(str(detail.get('direction')), '·')} CSMS"
        return f"{way} · {close_code(detail.get('code'), detail.get('reason')) or 'no code'}"
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
