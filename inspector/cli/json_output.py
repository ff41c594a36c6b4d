"""Rows of a recording as JSON, and JSON documents that are written as they come; knows no terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from inspector.browse import formatting
from inspector.browse.telling import times
from inspector.escaping import visible_json
from inspector.store.rows import Event, Finding, Frame, Session, Transaction


def frame_json(frame: Frame, charge_point_id: str | None) -> dict[str, Any]:
    """A frame as JSON; bytes that are no text are in `raw_hex`."""
    row = times({name: getattr(frame, name) for name in Frame.__slots__ if name != "raw"})
    if isinstance(frame.message_id, bytes):  # cut out of bytes that somebody has put where a text was
        row["message_id"] = str(frame.message_id, "utf-8", "replace")
    row |= {"type": formatting.message_type(frame.msg_type), "charge_point_id": charge_point_id}
    return row | ({"raw_hex": frame.raw.hex()} if isinstance(frame.raw, bytes) else {"raw": frame.raw})


def row_json(row: Session | Finding | Event | Transaction) -> dict[str, Any]:
    """Another row as JSON; an event's detail as what it is."""
    told = times({name: getattr(row, name) for name in type(row).__slots__})
    return told | ({"detail": read_detail(row.detail)} if isinstance(row, Event) else {})


def read_detail(detail: str) -> Any:
    """An event's detail: JSON, or what else it is."""
    try:
        return json.loads(detail)
    except ValueError:
        return detail


def line(value: Any) -> str:
    """A value as JSON on one line, harmless to a terminal."""
    return visible_json(json.dumps(value, ensure_ascii=False))


def write_json(document: dict[str, Any]) -> int:
    """Print an object; what can be iterated becomes an array, an item a line; returns how many items there were."""

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
