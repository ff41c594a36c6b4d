"""Read Open OCPP Trace v1 JSONL, one record per line.

Format: github.com/open-ocpp-trace/specification, schema/trace-v1.schema.json and its conformance rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from inspector import records
from inspector.formats.captured import Captured, Meta, nanoseconds, version_named
from inspector.formats.reading import Reading
from inspector.formats.trace import meta as trace_meta
from inspector.formats.trace.spelling import SPELLING, spelling
from inspector.protocol.vocabulary import Direction, OcppVersion

_DIRECTIONS = {direction.value: direction for direction in Direction}
_TYPES = {"CALL": 2, "CALLRESULT": 3, "CALLERROR": 4}
_OURS: dict[str, Any] = {}
_MEMBERS = frozenset({"chargePointId", "ocppVersion", "messageId", "action", "raw"})


def looks_like_trace(line: bytes) -> bool:
    """Return whether a file with this first line is an Open OCPP Trace."""
    return line.lstrip()[:1] == b"{" and b'"schemaVersion"' in line


def read(lines: Iterable[bytes], reading: Reading) -> Iterator[Captured]:
    """Yield the frames of a trace; count a line that is not a record of the format as a miss."""
    versions: dict[Any, OcppVersion | None] = {}
    spellings: dict[tuple[str | None, str], dict[str, Any]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record, ts_ns = _record(line)
            raw = _raw(record)
            told = trace_meta.read(record["meta"], ts_ns) if "meta" in record else None
        except (_NoRecord, trace_meta.NotOurs) as why:
            reading.miss(number, str(why))
            continue
        named = record.get("ocppVersion")
        if named not in versions:
            versions[named] = version_named(named)
        direction, charge_point = _DIRECTIONS[record["direction"]], record.get("chargePointId")
        if told is None:
            captured = Captured(raw, direction, ts_ns, None, charge_point, versions[named], "", False, number)
        else:
            captured = Captured(
                raw=raw,
                direction=direction,
                charge_point_id=charge_point,
                ocpp_version=versions[named],
                line=number,
                **told,
            )
        key = (charge_point, captured.session)
        before = spellings.get(key, _OURS)
        own = spelling(record, captured.ocpp_version, before)
        if own != before and not (captured.meta and captured.meta.placeholder):
            spellings[key] = own
            meta = captured.meta or Meta()
            event = records.EventRecord(0, ts_ns, captured.mono_ns or ts_ns, SPELLING, own)
            captured = captured._replace(meta=meta._replace(before=(*meta.before, event)))
        yield captured


class _NoRecord(ValueError):
    """A line is not a record of the format; the message has the reason."""


def _record(line: bytes) -> tuple[dict[str, Any], int]:
    """Return the record in a line, checked against the schema's types, and its time."""
    try:
        record = orjson.loads(line)
    except ValueError as error:
        raise _NoRecord(f"not JSON ({error})") from error
    if not isinstance(record, dict):
        raise _NoRecord("a trace record must be an object")
    version = record.get("schemaVersion")
    if not isinstance(version, str) or version.partition(".")[0] != "1":
        raise _NoRecord(f"schemaVersion {str(version)[:20]!r}; this program reads version 1")
    if record.get("transport") == "soap":
        raise _NoRecord("an OCPP-S (SOAP) record; this program reads OCPP-J")
    if record.get("direction") not in _DIRECTIONS:
        raise _NoRecord("direction is neither cp-to-csms nor csms-to-cp")
    for name in _MEMBERS & record.keys():
        if not isinstance(record[name], str):
            raise _NoRecord(f"{name} is no string")
    if record.get("messageType") not in _TYPES:
        raise _NoRecord("messageType must be CALL, CALLRESULT or CALLERROR")
    if record["messageType"] == "CALLERROR" and not isinstance(record.get("error"), dict):
        raise _NoRecord("a CALLERROR record without `error`")
    try:
        return record, nanoseconds(record["timestamp"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _NoRecord("timestamp is not an RFC 3339 time") from error


def _raw(record: dict[str, Any]) -> bytes:
    """Return the verbatim frame; if the record has none, build the frame from its members."""
    raw = record.get("raw")
    if raw is not None:
        return bytes(raw, "utf-8")
    kind = _TYPES[record["messageType"]]
    frame: list[Any] = [kind, record.get("messageId")]
    if kind == 4:
        error = record["error"]
        frame += [error.get("code", ""), error.get("description", ""), error.get("details", {})]
    else:
        frame += [record.get("action")] if kind == 2 else []
        frame += [record.get("payload", {})]
    try:
        return orjson.dumps(frame)
    except TypeError as error:
        raise _NoRecord("its payload is nested too deeply") from error
