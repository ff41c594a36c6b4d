"""How times, spans, sizes and kinds of message read on a page; knows no frame and no page."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from inspector.units import UNTIMED_NS

MESSAGE_TYPES = {2: "CALL", 3: "CALLRESULT", 4: "CALLERROR", 5: "CALLRESULTERROR", 6: "SEND"}

ARROWS = {"cp-to-csms": "→", "csms-to-cp": "←"}
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
"""Close codes of RFC 6455 section 7.4.1 in plain words."""

_HALVES = re.compile("[\ud800-\udfff]")


def sendable(text: str) -> str:
    """Text that can leave as UTF-8: half a character, as of an emoji that was cut, becomes the sign for what is none.

    JSON brings such halves as escapes ("\\ud83d"), so they turn up wherever what a peer sent is read and shown.
    """
    return text if text.isascii() else _HALVES.sub("\ufffd", text)


def iso(ns: int | None) -> str | None:
    """Nanoseconds since 1970 as 2026-01-01T12:00:00.123456Z; None stays None, and of an input without times too."""
    if ns is None or 0 <= ns < UNTIMED_NS:
        return None
    seconds, rest = divmod(ns, 1_000_000_000)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def moment(ns: int | None) -> str:
    """A time for a table: 2026-01-01 12:00:00.123 (UTC)."""
    text = iso(ns)
    return "" if text is None else text[:23].replace("T", " ")


def span(ns: float | None) -> str:
    """How long something took, in the unit a reader would pick: 850 µs, 12.4 ms, 3.21 s, 4 min 05 s, 2 h 03 min."""
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
    """Bytes: 149 B, 12.5 kB, 1.05 MB."""
    if count is None:
        return ""
    if count < 1000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1000:.3g} kB"
    return f"{count / 1_000_000:.3g} MB"


def energy(watt_hours: float | None) -> str:
    """Energy: 5.6 Wh, 850 Wh, 12.4 kWh."""
    if watt_hours is None:
        return ""
    return f"{_digits(watt_hours)} Wh" if abs(watt_hours) < 999.5 else f"{watt_hours / 1000:.4g} kWh"


def power(watts: float | None) -> str:
    """Power: 5.6 W, 850 W, 11 kW."""
    if watts is None:
        return ""
    return f"{_digits(watts)} W" if abs(watts) < 999.5 else f"{watts / 1000:.3g} kW"


def _digits(value: float) -> str:
    """Return a value below 1000 with three digits that count: 850, 85.1, 5.6, 0.04."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) >= 0.001 else "0"


def file(path: str) -> str:
    """The name of a file; of a link, where it leads to as well: traffic.db → traffic-2026-01-01T00-00-00Z.db."""
    named = Path(path)
    return f"{named.name} → {named.resolve().name}" if named.is_symlink() else named.name


def message_type(number: int | None) -> str:
    """The name of a message type; what is no OCPP message is called unreadable."""
    return "unreadable" if number is None else MESSAGE_TYPES.get(number, f"type {number}")


def close_code(code: int | None, reason: str | None = None) -> str:
    """A close code in words: 1000 normal “done”."""
    if code is None:
        return ""
    text = f"{code} {CLOSE_CODES.get(code, '')}".strip()
    return f"{text} “{reason}”" if reason else text
