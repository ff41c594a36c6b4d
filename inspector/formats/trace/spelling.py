"""Remember how another tool spells its trace records, so that an export writes them unchanged.

A spelling is a dict; it is empty if the record has the spelling of this program:
`timestamp` ("6Z": six digits of a second and a Z; else the text itself), `schemaVersion`, `ocppVersion` (as texts),
`action` (True if answers carry the action of their CALL, else the text), `error` (the members it has), `without`
(missing members) and `more` (members that the format does not define). The spelling is stored as an event before the
first frame that has it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from inspector.formats.captured import nanoseconds
from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion

SPELLING = "trace-spelling"
"""The kind of the event that keeps a spelling."""

SCHEMA_VERSION = "1.1"
_DEFINED = frozenset(
    """schemaVersion timestamp ocppVersion transport chargePointId connectorId direction messageType messageId action
    payload raw error meta""".split()
)
_VERSIONS = frozenset(version.value for version in OcppVersion)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_STYLE = re.compile(r"(\d)(Z|([+-])(\d\d):(\d\d))")
_PLAIN = "3Z"
_ERROR = {"code", "description", "details"}
_EXPECTED = ("ocppVersion", "chargePointId", "messageId", "raw", "payload", "connectorId")
_AS_IT_WAS = ("schemaVersion", "ocppVersion", "connectorId")


def spelling(record: dict[str, Any], version: OcppVersion | None, before: dict[str, Any]) -> dict[str, Any]:
    """Return the spelling of a record; for members that it does not have, the earlier spelling remains.

    Args:
        record: a record that satisfies the schema.
        version: the version that its `ocppVersion` means.
        before: the spelling of the previous record of its session.
    """
    found: dict[str, Any] = {}
    stamp = record["timestamp"]
    if not (len(stamp) == 24 and stamp[19] == "." and stamp[23] == "Z" and stamp[10] == "T"):
        found["timestamp"] = _style(stamp)
    if record["schemaVersion"] != SCHEMA_VERSION:
        found["schemaVersion"] = record["schemaVersion"]
    if "ocppVersion" in record and record["ocppVersion"] not in _VERSIONS:
        found["ocppVersion"] = record["ocppVersion"]
    kind = record["messageType"]
    if "action" in (record if kind != "CALL" else before):
        found["action"] = True
    if kind == "CALLERROR":
        if record["error"].keys() != _ERROR:
            found["error"] = sorted(record["error"].keys())
    elif "error" in before:
        found["error"] = before["error"]
    # Without a version in the record, the session may still turn out to be OCPP 1.6.
    placed = kind == "CALL" and connector(record.get("payload"), version or OcppVersion.V16) is not None
    if "connectorId" in record and not placed:
        found["connectorId"] = record["connectorId"]
    earlier = before.get("without", ())
    told = {"connectorId": placed, "payload": kind != "CALLERROR"}
    missing = [name for name in _EXPECTED if (name not in record if told.get(name, True) else name in earlier)]
    if missing:
        found["without"] = missing
    if not record.keys() <= _DEFINED:
        found["more"] = {name: value for name, value in record.items() if name not in _DEFINED}
    return found


def connector(payload: Any, version: OcppVersion | None) -> int | None:
    """Return the `connectorId` of an OCPP 1.6 CALL, which its record repeats at the top level; None for others."""
    found = payload.get("connectorId") if version is OcppVersion.V16 and type(payload) is dict else None
    return found if type(found) is int and found >= 0 else None


def spelled(record: dict[str, Any], spelling: dict[str, Any], frame: Frame) -> None:
    """Change a record to the spelling of the tool that wrote it."""
    style, error, action = spelling.get("timestamp"), spelling.get("error"), spelling.get("action")
    if isinstance(style, str):
        record["timestamp"] = timestamp(frame.ts_ns, style)
    if "error" in record and isinstance(error, list):
        record["error"] = {name: value for name, value in record["error"].items() if name in error}
    if action is not None and record["messageType"] != "CALL":
        record["action"] = frame.action if action is True else action
    record.update((name, spelling[name]) for name in _AS_IT_WAS if name in spelling)
    for name in spelling.get("without", ()):
        record.pop(name, None)
    record.update((name, value) for name, value in spelling.get("more", {}).items() if name not in _DEFINED)


def timestamp(ts_ns: int, style: str = _PLAIN) -> str:
    """Return a time in RFC 3339 in the given style. If `style` is itself a time, it is returned unchanged."""
    found = _STYLE.fullmatch(style)
    if not found:
        return style
    digits = int(found[1])
    zone = UTC if found[2] == "Z" else timezone(_offset(found[3], found[4], found[5]))
    at = datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC).astimezone(zone)
    fraction = f".{ts_ns % 1_000_000_000:09d}"[: digits + 1] if digits else ""
    return f"{at:%Y-%m-%dT%H:%M:%S}{fraction}{found[2]}"


def _style(stamp: str) -> str:
    found = _TIME.fullmatch(stamp)
    style = f"{len(found[1] or '')}{found[2]}" if found else stamp
    return style if timestamp(nanoseconds(stamp), style) == stamp else stamp


def _offset(sign: str, hours: str, minutes: str) -> timedelta:
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return -offset if sign == "-" else offset
