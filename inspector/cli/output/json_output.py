"""Rows of a recording as JSON, and long JSON documents written item by item."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from inspector.browse import formatting
from inspector.browse.formatting import times
from inspector.escaping import visible_json
from inspector.store.rows import Event, Finding, Frame, Session, Transaction

_NAMES = {"charge_point_id": "charge_point"}
"""Columns with another name in JSON: every command uses the same name for a charge point's id."""


def frame_json(frame: Frame, charge_point_id: str | None) -> dict[str, Any]:
    """Return a frame as JSON values; a frame that is not text is in `raw_hex`."""
    row = times({name: getattr(frame, name) for name in Frame.__slots__ if name != "raw"})
    if isinstance(frame.message_id, bytes):  # the frame is binary
        row["message_id"] = str(frame.message_id, "utf-8", "replace")
    row |= {"type": formatting.message_type(frame.msg_type), "charge_point": charge_point_id}
    return row | ({"raw_hex": frame.raw.hex()} if isinstance(frame.raw, bytes) else {"raw": frame.raw})


def row_json(row: Session | Finding | Event | Transaction) -> dict[str, Any]:
    """Return a row of another kind as JSON values; the detail of an event is parsed."""
    shown = times({_NAMES.get(name, name): getattr(row, name) for name in type(row).__slots__})
    return shown | ({"detail": read_detail(row.detail)} if isinstance(row, Event) else {})


def read_detail(detail: str) -> Any:
    """Return the detail of an event parsed as JSON, or as text if it is not JSON."""
    try:
        return json.loads(detail)
    except ValueError:
        return detail


def line(value: Any) -> str:
    """Return a value as JSON on one line; characters that control a terminal are escaped."""
    return visible_json(json.dumps(value, ensure_ascii=False))


def write_json(document: dict[str, Any]) -> int:
    """Print an object as JSON, an iterator as an array with one item per line; return the number of items."""

    out = sys.stdout.write
    count = 0
    for place, (name, value) in enumerate(document.items()):
        out(f"{'{' if not place else ','}\n{line(name)}: ")
        if not isinstance(value, Iterator):
            out(line(value))
            continue
        out("[")
        for number, item in enumerate(value):
            out(f"{',' if number else ''}\n{line(item)}")
            count += 1
        out("]")
    out("\n}\n")
    return count
