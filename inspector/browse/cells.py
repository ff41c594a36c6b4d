"""Turn single values of a recording into safe markup for Datasette's tables.

Values from the wire are hostile, so they only get into markup through `Markup.format`, which escapes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from inspector.browse import formatting
from inspector.browse.language import translated

PRETTY_LIMIT = 4_000
"""The most characters of JSON in a table cell; the page of the frame has the rest."""

RAW_LIMIT = 160
"""The most characters of a raw frame in a table cell."""

type Cell = Callable[[Any, str], Markup]
"""Returns the markup for a value; the second argument is the address of its database, such as "/ocpp"."""


def render(table: str | None, column: str, value: Any, base: str) -> Markup | None:
    """Return the markup for a value of a recording's table or query; None to use Datasette's own markup."""
    cell = CELLS.get((table or "", column)) or ANYWHERE.get(column)
    if cell is None or value is None or isinstance(value, dict):
        return None
    return cell(value, base)


def badge(severity: Any) -> Markup:
    """Return a severity as a badge."""
    known = severity if severity in ("error", "warning", "info") else "other"
    return Markup('<span class="cs-badge cs-{}">{}</span>').format(known, translated(severity))


def time(ns: Any) -> Markup:
    """Return a time in UTC; the script of the page adds the reader's local time as a tooltip."""
    if not isinstance(ns, int) or (text := formatting.iso(ns)) is None:
        return Markup("{}").format(ns)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(text, ns, formatting.moment(ns))


def iso_time(iso: str) -> Markup:
    """Return a time in ISO 8601 as markup, without fractions of a second."""
    return Markup('<time datetime="{}">{}</time>').format(iso, iso[:19].replace("T", " "))


def pretty(text: Any) -> Markup:
    """Return JSON indented and cut to PRETTY_LIMIT; return other text unchanged, except that it is cut too."""
    if isinstance(text, bytes):
        shown = text[:64].hex(" ")
        more = f" … {formatting.size(len(text))}" if len(text) > 64 else ""
        return Markup('<pre class="cs-json cs-binary">{}{}</pre>').format(shown, more)
    text = str(text)
    try:
        shown = json.dumps(json.loads(text), indent=2, ensure_ascii=False) if len(text) <= PRETTY_LIMIT else text
    except (ValueError, RecursionError):
        shown = text
    cut = shown[:PRETTY_LIMIT]
    more = f"\n… {len(text)} characters" if len(shown) > len(cut) else ""
    return Markup('<pre class="cs-json">{}{}</pre>').format(cut, more)


def direction(value: Any) -> Markup:
    """The way the frame went, in the same words on every page."""
    if value not in formatting.WAYS:
        return Markup("{}").format(value)
    return Markup('<span class="cs-arrow cs-{}">{}</span>').format(value, translated(formatting.WAYS[value]))


def _message_type(value: Any, base: str) -> Markup:
    return Markup('<span class="cs-type cs-type-{}">{}</span>').format(
        value, formatting.message_type(value if isinstance(value, int) else None)
    )


def _flag(usual: Any, usually: str, otherwise: str) -> Cell:
    """Return a cell with words for the unusual value; for the usual one, it has words for screen readers only."""
    hidden = Markup('<span class="cs-hidden">{}</span>').format(usually)
    return lambda value, base: hidden if bool(value) is usual else Markup("{}").format(otherwise)


def _span(nanoseconds: int) -> Cell:
    def cell(value: Any, base: str) -> Markup:
        if not isinstance(value, int | float):
            return Markup("{}").format(value)
        return Markup('<span class="cs-number" title="{}">{}</span>').format(
            value, formatting.span(value * nanoseconds)
        )

    return cell


def _link(kind: str) -> Cell:
    return lambda value, base: Markup('<a href="{}/{}/{}">{}</a>').format(base, kind, path_part(value), value)


def path_part(value: Any) -> str:
    """Return a value as one part of a Datasette path, tilde-encoded in the way of Datasette's primary keys."""
    return quote(str(value), safe="").replace("~", "~7E").replace(".", "~2E").replace("%", "~")


def _valid(value: Any, base: str) -> Markup:
    return Markup('<span class="cs-hidden">valid</span>' if value else '<span class="cs-badge cs-error">invalid</span>')


def _close_code(value: Any, base: str) -> Markup:
    return Markup("{}").format(formatting.close_code(value if isinstance(value, int) else None))


def _side(value: Any, base: str) -> Markup:
    return Markup("{}").format(formatting.SIDES.get(str(value), value))


def _time(value: Any, base: str) -> Markup:
    return time(value)


def _moment(value: Any, base: str) -> Markup:
    """Return the markup of a time that the table has in ISO 8601."""
    text = str(value)
    return Markup('<time datetime="{}">{}</time>').format(text, text.replace("T", " ").removesuffix("Z"))


def _text(value: Any, base: str) -> Markup:
    return pretty(value)


def _raw(value: Any, base: str) -> Markup:
    """Return the beginning of a raw frame on one line; the page of the frame has the whole frame."""
    shown = value[:24].hex(" ") if isinstance(value, bytes) else str(value)[:RAW_LIMIT]
    return Markup('<code class="cs-raw">{}{}</code>').format(shown, "…" if len(value) > len(shown) else "")


def _badge(value: Any, base: str) -> Markup:
    return badge(value)


def _direction(value: Any, base: str) -> Markup:
    return direction(value)


def _size(value: Any, base: str) -> Markup:
    return Markup('<span class="cs-number" title="{} bytes">{}</span>').format(value, formatting.size(value))


def _energy(value: Any, base: str) -> Markup:
    return Markup('<span class="cs-number" title="{} Wh">{}</span>').format(value, formatting.energy(value))


def _pointer(value: Any, base: str) -> Markup:
    return Markup("<code>{}</code>").format(value)


CELLS: dict[tuple[str, str], Cell] = {
    ("frames", "id"): _link("frames"),
    ("sessions", "id"): _link("sessions"),
    ("transactions", "id"): _link("transactions"),
    ("frames", "ts"): _moment,
    ("sessions", "opened"): _moment,
    ("frames", "payload"): _text,
    ("frames", "raw"): _raw,
    ("frames", "valid"): _valid,
    ("frames", "forwarded"): _flag(True, "forwarded", "not forwarded"),
    ("frames", "redacted"): _flag(False, "not redacted", "redacted"),
    ("events", "detail"): _text,
    ("recordings", "config"): _text,
    ("recordings", "clean_close"): lambda value, base: Markup("ended cleanly" if value else "did not end cleanly"),
    ("findings", "pointer"): _pointer,
}

ANYWHERE: dict[str, Cell] = {
    "direction": _direction,
    "msg_type": _message_type,
    "severity": _badge,
    "max_severity": _badge,
    "side": _side,
    "rule_id": _link("rules"),
    "charge_point_id": _link("charge_points"),
    "latency_us": _span(1000),
    "p50_us": _span(1000),
    "p95_us": _span(1000),
    "p99_us": _span(1000),
    "max_us": _span(1000),
    "size": _size,
    "meter_start_wh": _energy,
    "meter_stop_wh": _energy,
    "energy_wh": _energy,
    "cp_close_code": _close_code,
    "csms_close_code": _close_code,
    "seconds_each": _span(1_000_000_000),
    **dict.fromkeys(
        ("ts_ns", "from_ns", "until_ns", "opened_ns", "last_opened_ns", "closed_ns", "last_seen_ns", "first_seen_ns"),
        _time,
    ),
    **dict.fromkeys(("started_ns", "stopped_ns"), _time),
}
"""Cells by column name, so that the results of queries look like the tables."""
