"""Open OCPP Trace v1 JSONL: one record a line; knows the format, nothing of sessions or judging.

Format: github.com/open-ocpp-trace/specification, schema/trace-v1.schema.json and its conformance rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from inspector.formats import trace_meta
from inspector.formats.captured import Captured, Unreadable, nanoseconds, version_named
from inspector.protocol.vocabulary import Direction

_DIRECTIONS = {direction.value: direction for direction in Direction}
_TYPES = {"CALL": 2, "CALLRESULT": 3, "CALLERROR": 4}


def looks_like_trace(line: bytes) -> bool:
    """Whether a file whose first line is this one is an Open OCPP Trace."""
    return line.lstrip()[:1] == b"{" and b'"schemaVersion"' in line


def read(lines: Iterable[bytes], source: str) -> Iterator[Captured]:
    """The frames of a trace.

    Raises:
        Unreadable: a line is no record of the format.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = orjson.loads(line)
        except ValueError as error:
            raise Unreadable(source, number, f"not JSON ({error})") from error
        if not isinstance(record, dict):
            raise Unreadable(source, number, "a trace record is an object")
        version = str(record.get("schemaVersion", ""))
        if version.partition(".")[0] != "1":
            raise Unreadable(source, number, f"schemaVersion {version[:20]!r}; this program reads version 1")
        if record.get("transport") == "soap":
            raise Unreadable(source, number, "an OCPP-S (SOAP) record; this program reads OCPP-J")
        direction = _DIRECTIONS.get(str(record.get("direction")))
        if direction is None:
            raise Unreadable(source, number, "direction is neither cp-to-csms nor csms-to-cp")
        meta = record.get("meta")
        yield Captured(
            raw=_raw(record, source, number),
            direction=direction,
            charge_point_id=_text(record.get("chargePointId")),
            ocpp_version=version_named(_text(record.get("ocppVersion"))),
            line=number,
            **trace_meta.read(meta, _time(record, source, number), source, number),
        )


def _time(record: dict[str, Any], source: str, number: int) -> int:
    try:
        return nanoseconds(record["timestamp"])
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(source, number, "timestamp is no RFC 3339 time") from error


def _raw(record: dict[str, Any], source: str, number: int) -> bytes:
    """The verbatim frame; where the record has none, the frame its members describe."""
    raw = record.get("raw")
    if isinstance(raw, str):
        return raw.encode()
    kind = _TYPES.get(str(record.get("messageType")))
    message_id = record.get("messageId")
    if kind == 2:
        frame = [2, message_id, record.get("action"), record.get("payload", {})]
    elif kind == 3:
        frame = [3, message_id, record.get("payload", {})]
    elif kind == 4:
        error = record.get("error")
        if not isinstance(error, dict):
            raise Unreadable(source, number, "a CALLERROR record without its error")
        frame = [4, message_id, error.get("code", ""), error.get("description", ""), error.get("details", {})]
    else:
        raise Unreadable(source, number, "messageType is none of CALL, CALLRESULT, CALLERROR")
    return orjson.dumps(frame)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
