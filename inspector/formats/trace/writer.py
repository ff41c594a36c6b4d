"""Write recorded sessions as Open OCPP Trace v1.1 JSONL, by the producer rules of its specification."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, cast

import orjson

from inspector.formats.stored import Stored
from inspector.formats.trace import meta as trace_meta
from inspector.formats.trace.spelling import SCHEMA_VERSION, SPELLING, connector, spelled, timestamp
from inspector.protocol.frame import Frame
from inspector.protocol.messages import Call, CallError, CallResult
from inspector.protocol.session import Session
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.records import BINARY, CloseFacts, EventRecord, FrameRecord, OpenRecord

PLACEHOLDER = "ChargeSentinel.Session"
"""The action of a placeholder record, for sessions and frames that the format cannot express."""

_QUIET_FACTS = frozenset({"charge_point_id", "ocpp_version", "from_start"})
_QUIET_CLOSES: tuple[dict[str, Any], ...] = ({}, {"closed_by": "unknown"})
_HELD = 1000
"""The most records that wait, because the end of a session may still have to be added to its last record."""


def write(steps: Iterable[Stored], labels: dict[int, str]) -> Iterator[bytes]:
    """Yield the lines of a trace, each with its newline, in the order the frames were stored.

    Facts that the format cannot express go into `meta` of the next record, or of the last one at the end of a session.
    If there is no such record, they go into a placeholder CALL named ChargeSentinel.Session.

    Args:
        steps: from `stored`.
        labels: by session id, a label that separates the sessions of one charge point in the file.
    """
    writing: dict[int, _Session] = {}
    line: deque[_Held] = deque()
    for step in steps:
        if step.outside:
            line.append(_Held(_outside(step.outside), complete=True))
        if step.opened is None and step.frame is None:
            continue
        session = writing.get(step.session_id)
        if session is None:
            label = labels.get(step.session_id, "")
            session = writing[step.session_id] = _Session(step.session_id, step.opened, label)
        line.extend(session.take(step))
        if step.last:
            line.extend(session.end(step))
            del writing[step.session_id]
        while line and (line[0].complete or len(line) > _HELD):
            yield _line(line.popleft())
    while line:
        yield _line(line.popleft())


class _Held:
    """A record that may still change."""

    __slots__ = ("complete", "record", "written")

    def __init__(self, record: dict[str, Any], complete: bool = False) -> None:
        self.record = record
        self.complete = complete
        self.written = False


class _Session:
    """One session being written."""

    def __init__(self, number: int, opened: OpenRecord | None, label: str) -> None:
        self.number = number
        self.opened = opened
        self.facts: dict[str, Any] = dict(opened.facts) if opened is not None else {}
        version = self.facts.get("ocpp_version")
        self.state = Session(self.facts.get("subprotocol"), OcppVersion(version) if version else None)
        self.label = label
        self.spelling: dict[str, Any] = {}
        self.waiting: list[EventRecord | FrameRecord] = []
        self.foreign: dict[str, Any] = {}
        self.held: _Held | None = None
        self.last_ns = 0  # time of the last frame: without a recorded close, the session closes then

    def take(self, step: Stored) -> list[_Held]:
        """Add a frame and the events before it, and return its record if the format can express the frame."""
        for event in step.before:
            if event.kind == SPELLING:
                self.spelling = event.detail
            elif event.kind == trace_meta.FOREIGN:
                self.foreign = event.detail
            else:
                self.waiting.append(event)
        if step.frame is None:
            return []
        self.last_ns = step.frame.ts_ns
        frame = _expressible(self.state, step.row_id, step.frame)
        if frame is None:
            self.waiting.append(step.frame)
            return []
        record = self._record(frame, step.frame.mono_ns)
        if self.opened is not None and self.held is None and _says_more(self.opened, step.frame):
            _ours(record)["opened"] = trace_meta.opening(self.opened)
        if self.waiting:
            _ours(record)["before"] = [trace_meta.item(told) for told in self.waiting]
            self.waiting = []
        if self.held is not None:
            self.held.complete = True
        self.held = _Held(record)
        return [self.held]

    def end(self, step: Stored) -> list[_Held]:
        """Add the events after the last frame; return a placeholder for them if no record can have them."""
        self.waiting += [event for event in step.after if event.kind not in (SPELLING, trace_meta.FOREIGN)]
        known = {name: value for name, value in step.closed.facts.items() if value is not None} if step.closed else {}
        added = []
        if self.waiting or self.held is None:
            added = self._open_record()
            assert self.held is not None
            if self.waiting:
                _ours(self.held.record)["after"] = [trace_meta.item(told) for told in self.waiting]
        if step.closed is not None and (known not in _QUIET_CLOSES or step.closed.ts_ns != self.last_ns):
            added += self._open_record()
            assert self.held is not None
            _ours(self.held.record)["closed"] = trace_meta.closing(step.closed._replace(facts=cast(CloseFacts, known)))
        if self.held is not None:
            self.held.complete = True
        return added

    def _open_record(self) -> list[_Held]:
        """Add a placeholder if the last record has been written or there is none."""
        if self.held is not None and not self.held.written:
            return []
        at = self.opened or self.waiting[0]
        record = _placeholder(at.ts_ns, self.facts.get("charge_point_id") or "", f"chargesentinel-{self.number}")
        _ours(record).update({"session": self.label, "placeholder": True})
        if self.opened is not None and self.held is None:
            _ours(record)["opened"] = trace_meta.opening(self.opened)
        self.held = _Held(record)
        return [self.held]

    def _record(self, frame: Frame, mono_ns: int) -> dict[str, Any]:
        message: Any = frame.message
        version = self.state.version
        record: dict[str, Any] = {"schemaVersion": SCHEMA_VERSION, "timestamp": timestamp(frame.ts_ns)}
        if version:
            record["ocppVersion"] = version.value
        record["transport"] = "json"
        if self.facts.get("charge_point_id"):
            record["chargePointId"] = self.facts["charge_point_id"]
        record["direction"] = frame.direction.value
        if isinstance(message, Call):
            if (place := connector(frame.payload, version)) is not None:
                record["connectorId"] = place
            record |= {"messageType": "CALL", "messageId": message.message_id, "action": message.action}
            record["payload"] = message.payload
        elif isinstance(message, CallResult):
            record |= {"messageType": "CALLRESULT", "messageId": message.message_id, "payload": message.payload}
        else:
            error = {"code": message.error_code, "description": message.error_description}
            record |= {"messageType": "CALLERROR", "messageId": message.message_id}
            record["error"] = error | {"details": message.error_details}
        record["raw"] = frame.raw.decode()
        if self.spelling:
            spelled(record, self.spelling, frame)
        stamps = trace_meta.frame_stamps(frame.ts_ns, mono_ns, record["timestamp"])
        if self.foreign:
            record["meta"] = self.foreign
            self.foreign = {}
        if stamps or self.label or frame.notes:
            _ours(record).update(stamps, **({"session": self.label} if self.label else {}))
        if frame.notes:
            _ours(record)["notes"] = frame.notes
        return record


def _expressible(state: Session, number: int, record: FrameRecord) -> Frame | None:
    """Return the frame as a record, if the format has a message type for it."""
    _, ts_ns, mono_ns, from_charge_point, opcode, payload, notes = record
    direction = Direction.FROM_CHARGE_POINT if from_charge_point else Direction.FROM_CSMS
    frame = state.frame(number, ts_ns, mono_ns, direction, payload, opcode == BINARY, notes)
    plain = type(frame.message) in (Call, CallResult, CallError) and not frame.message.problems
    sent = not notes or notes.get("forwarded", True)
    return frame if plain and sent else None


def _placeholder(ts_ns: int, charge_point_id: str, message_id: str) -> dict[str, Any]:
    record: dict[str, Any] = {"schemaVersion": SCHEMA_VERSION, "timestamp": timestamp(ts_ns), "transport": "json"}
    record |= {"chargePointId": charge_point_id, "direction": "cp-to-csms"}
    # Some tools require an id and a payload in every CALL.
    return record | {"messageType": "CALL", "messageId": message_id, "action": PLACEHOLDER, "payload": {}}


def _outside(events: tuple[EventRecord, ...]) -> dict[str, Any]:
    """Return a record for events that belong to no session."""
    first = events[0]
    record = _placeholder(
        first.ts_ns, str(first.detail.get("charge_point_id") or ""), f"chargesentinel-event-{first.ts_ns}"
    )
    _ours(record).update({"placeholder": True, "outside": [trace_meta.item(event) for event in events]})
    return record


def _says_more(opened: OpenRecord, first: FrameRecord) -> bool:
    known = {name for name, value in opened.facts.items() if value is not None}
    return not known <= _QUIET_FACTS or opened.ts_ns != first.ts_ns


def _ours(record: dict[str, Any]) -> dict[str, Any]:
    ours: dict[str, Any] = record.setdefault("meta", {}).setdefault(trace_meta.OURS, {})
    return ours


def _line(held: _Held) -> bytes:
    held.written = True
    try:
        return orjson.dumps(held.record, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # orjson reads 1,024 levels of nesting but writes only 254; `raw` still has the payload
        for member in ("payload", "error"):
            held.record.pop(member, None)
        if held.record["messageType"] == "CALLERROR":
            held.record["error"] = {}
        return orjson.dumps(held.record, option=orjson.OPT_APPEND_NEWLINE)
