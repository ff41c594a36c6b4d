"""Return the text of a frame as indented markup, with the faulty places marked.

Numbers, duplicate keys and the order of keys stay as they were sent. All text is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from markupsafe import Markup, escape

READABLE_LIMIT = 60_000
"""The most characters of a frame that is indented; a longer frame is shown as it was sent, cut at this length."""
DEPTH_LIMIT = 40
"""The most levels of nesting that are indented."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The severity and the text of a fault at one place."""

    severity: str
    message: str


class _Object(NamedTuple):
    """A JSON object with its keys as sent, including duplicates."""

    pairs: list[tuple[str, Any]]


class _Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def readable(raw: str | bytes, marks: Mapping[str, Sequence[Mark]] | None = None) -> Markup:
    """Return a frame as markup; `marks` are by JSON pointer into the whole frame ("" is the frame itself)."""
    if isinstance(raw, bytes):
        return hexadecimal(raw)
    if len(raw) > READABLE_LIMIT:
        return Markup("{}<b>… {} characters in all</b>").format(raw[:READABLE_LIMIT], len(raw))
    try:
        value = json.loads(
            raw, object_pairs_hook=_Object, parse_float=_Number, parse_int=_Number, parse_constant=_Number
        )
    except (ValueError, RecursionError):
        return escape(raw)
    out: list[Markup] = []
    marks = marks or {}
    if isinstance(value, list):
        # Keep the envelope before the payload on one line, the usual form of a frame.
        out.append(_opening(marks.get("", ())) + Markup("["))
        for place, item in enumerate(value):
            out.append(Markup(", " if place else ""))
            _write(item, f"/{place}", 0, marks, out)
        out.append(Markup("]") + _closing(marks.get("", ())))
    else:
        _write(value, "", 0, marks, out)
    return Markup("").join(out)


def _opening(found: Sequence[Mark]) -> Markup:
    if not found:
        return Markup("")
    worst = min(found, key=lambda mark: ("error", "warning", "info", "ok").index(mark.severity))
    said = "\n".join(mark.message for mark in found)
    return Markup('<mark class="cs-at cs-{}" title="{}">').format(worst.severity, said)


def _closing(found: Sequence[Mark]) -> Markup:
    return Markup("</mark>" if found else "")


def _write(value: Any, pointer: str, depth: int, marks: Mapping[str, Sequence[Mark]], out: list[Markup]) -> None:
    found = marks.get(pointer, ())
    out.append(_opening(found))
    if isinstance(value, _Object | list):
        _container(value, pointer, depth, marks, out)
    elif isinstance(value, _Number):
        out.append(Markup('<span class="cs-j-number">{}</span>').format(value))
    elif isinstance(value, str):
        out.append(Markup('<span class="cs-j-text">{}</span>').format(json.dumps(value, ensure_ascii=False)))
    else:
        out.append(Markup('<span class="cs-j-word">{}</span>').format(json.dumps(value)))
    out.append(_closing(found))


def _container(
    value: _Object | list[Any], pointer: str, depth: int, marks: Mapping[str, Sequence[Mark]], out: list[Markup]
) -> None:
    opening, closing = ("{", "}") if isinstance(value, _Object) else ("[", "]")
    items = value.pairs if isinstance(value, _Object) else [(str(place), item) for place, item in enumerate(value)]
    if not items or depth >= DEPTH_LIMIT:
        out.append(Markup(opening + ("…" if items else "") + closing))
        return
    out.append(Markup(opening))
    for place, (name, item) in enumerate(items):
        out.append(Markup(("," if place else "") + "\n" + "  " * (depth + 1)))
        if isinstance(value, _Object):
            out.append(Markup('<span class="cs-j-key">{}</span>: ').format(json.dumps(name, ensure_ascii=False)))
        _write(item, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}", depth + 1, marks, out)
    out.append(Markup("\n" + "  " * depth + closing))


def hexadecimal(raw: bytes) -> Markup:
    """Return bytes as a hexadecimal dump: offset, hexadecimal, characters."""
    lines = []
    for start in range(0, min(len(raw), 4096), 16):
        part = raw[start : start + 16]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in part)
        lines.append(f"{start:06x}  {part.hex(' '):<47}  {shown}")
    if len(raw) > 4096:
        lines.append(f"… {len(raw)} bytes in all")
    return escape("\n".join(lines))
