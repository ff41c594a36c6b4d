"""A recorded session as Open OCPP Trace v1.1 JSONL, by the producer's rules of its specification."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

from inspector.formats import trace_meta
from inspector.protocol.frames import Call, CallError, CallResult
from inspector.protocol.session import Frame, Session
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.recorder.records import BINARY, CLOSE, EVENT, FRAME, OPEN, Record

SCHEMA_VERSION = "1.1"
_QUIET_FACTS = frozenset({"charge_point_id", "ocpp_version", "from_start", "timed"})
_QUIET_CLOSES: tuple[dict[str, Any], ...] = ({}, {"closed_by": "unknown"})


def write(session_records: Iterable[Record], session: str = "") -> Iterator[bytes]:
    """The lines of one session, each with its newline.

    What the format cannot hold stands in `meta` of the record it follows or precedes. A session without any frame
    that the format can hold is one record of a CALL named ChargeSentinel.Session.

    Args:
        session_records: OPEN, frames and events, CLOSE of one session, in order.
        session: what tells it from others of the same charge point in one file; empty where there is only one.
    """
    state, facts, opened = Session(), dict[str, Any](), None
    held: dict[str, Any] | None = None  # the record before, to which what follows it may belong
    waiting: list[Record] = []
    number = 0
    for record in session_records:
        if record[0] == OPEN:
            facts = {name: value for name, value in record[4].items() if name != "recording_id"}
            opened = (*record[:4], facts)  # the number of a recording means nothing outside its file
            version = facts.get("ocpp_version")
            state = Session(facts.get("subprotocol"), OcppVersion(version) if version else None)
        elif record[0] == FRAME and (frame := _expressible(state, number, record)) is not None:
            number += 1
            if held is not None:
                yield _line(held)
            held = _record(frame, facts, state.version, session)
            if number == 1 and opened is not None and _says_more(opened, record):
                _ours(held)["opened"] = trace_meta.opening(opened)
            if waiting:
                _ours(held)["before"] = [trace_meta.item(told) for told in waiting]
                waiting = []
        elif record[0] == EVENT and record[4] == trace_meta.FOREIGN and held is not None:
            held["meta"] = {**record[5], **held.get("meta", {})}
        elif record[0] in (EVENT, FRAME):
            waiting.append(record)
        elif record[0] == CLOSE:
            held = held or _placeholder(record, facts, session, opened)
            _flush(held, waiting)
            waiting = []
            known = {name: value for name, value in record[4].items() if value is not None}
            if known not in _QUIET_CLOSES:
                _ours(held)["closed"] = trace_meta.closing((*record[:4], known))
    if held is None and opened is not None:
        held = _placeholder(opened, facts, session, opened)
    if held is not None:
        _flush(held, waiting)
        yield _line(held)


def _expressible(state: Session, number: int, record: Record) -> Frame | None:
    """The frame, if the format has a message type for it."""
    _, _, ts_ns, mono_ns, from_charge_point, opcode, payload, notes = record
    direction = Direction.FROM_CHARGE_POINT if from_charge_point else Direction.FROM_CSMS
    frame = state.frame(number, ts_ns, mono_ns, direction, payload, opcode == BINARY, notes)
    plain = type(frame.message) in (Call, CallResult, CallError) and not frame.message.problems and not notes
    return frame if plain else None


def _record(frame: Frame, facts: dict[str, Any], version: OcppVersion | None, session: str) -> dict[str, Any]:
    message: Any = frame.message
    record: dict[str, Any] = {"schemaVersion": SCHEMA_VERSION, "timestamp": _timestamp(frame.ts_ns)}
    if version:
        record["ocppVersion"] = version.value
    record["transport"] = "json"
    if facts.get("charge_point_id"):
        record["chargePointId"] = facts["charge_point_id"]
    record["direction"] = frame.direction.value
    if isinstance(message, Call):
        connector = frame.payload.get("connectorId")
        if version is OcppVersion.V16 and type(connector) is int and connector >= 0:
            record["connectorId"] = connector
        record |= {"messageType": "CALL", "messageId": message.message_id, "action": message.action}
        record["payload"] = message.payload
    elif isinstance(message, CallResult):
        record |= {"messageType": "CALLRESULT", "messageId": message.message_id, "payload": message.payload}
    else:
        error = {"code": message.error_code, "description": message.error_description}
        record |= {"messageType": "CALLERROR", "messageId": message.message_id}
        record["error"] = error | {"details": message.error_details}
    record["raw"] = frame.raw.decode()
    stamps = trace_meta.frame_stamps((FRAME, 0, frame.ts_ns, frame.mono_ns))
    if stamps or session:
        _ours(record).update(stamps, **({"session": session} if session else {}))
    return record


def _placeholder(record: Record, facts: dict[str, Any], session: str, opened: Record | None) -> dict[str, Any]:
    held: dict[str, Any] = {"schemaVersion": SCHEMA_VERSION, "timestamp": _timestamp(record[2]), "transport": "json"}
    held |= {"chargePointId": facts.get("charge_point_id") or "", "direction": "cp-to-csms"}
    held |= {"messageType": "CALL", "action": PLACEHOLDER}
    _ours(held).update({"session": session, "placeholder": True})
    if opened is not None:
        _ours(held)["opened"] = trace_meta.opening(opened)
    return held


PLACEHOLDER = "ChargeSentinel.Session"
"""The action of a record that stands for a session without frames that the format can hold."""


def _flush(held: dict[str, Any], waiting: list[Record]) -> None:
    if waiting:
        _ours(held)["after"] = [trace_meta.item(told) for told in waiting]


def _says_more(opened: Record, first: Record) -> bool:
    known = {name for name, value in opened[4].items() if value is not None}
    return not known <= _QUIET_FACTS or opened[2] != first[2]


def _ours(record: dict[str, Any]) -> dict[str, Any]:
    ours: dict[str, Any] = record.setdefault("meta", {}).setdefault(trace_meta.OURS, {})
    return ours


def _timestamp(ts_ns: int) -> str:
    at = datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{ts_ns // 1_000_000 % 1000:03d}Z"


def _line(record: dict[str, Any]) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
