"""The JSON of the control API: the schemas of its requests and answers, and sessions and held frames as JSON."""

from __future__ import annotations

import json
from time import monotonic
from typing import Any

from inspector.interventions.outcome import PAYLOAD_AT
from inspector.interventions.session_parts import Held
from inspector.protocol.messages import Call, CallError, CallResult, CallResultError, Send
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.proxy.live_sessions import HeldFrame
from inspector.proxy.session_tap import SessionTap

_AS = {"enum": ["csms", "charge_point"], "description": "who seems to send it; the other peer receives it"}
_TEXT = {"type": "string"}
NOTHING = {"type": "object", "maxProperties": 0}
CALL = {
    "type": "object",
    "required": ["as", "action"],
    "properties": {
        "as": _AS,
        "action": {"type": "string", "examples": ["Reset"]},
        "payload": {"type": "object", "examples": [{"type": "Soft"}]},
        "seconds": {"type": "number", "default": 30, "description": "how long to wait for the answer"},
    },
}
OUTCOME = {
    "type": "object",
    "required": ["message_id", "kind", "payload", "error_code", "error_description"],
    "properties": {
        "message_id": _TEXT,
        "kind": {"enum": ["CALLRESULT", "CALLERROR", "timeout", "closed"]},
        "payload": {"description": "the payload of the CALLRESULT, or the details of the CALLERROR"},
        "error_code": {"type": ["string", "null"]},
        "error_description": {"type": ["string", "null"]},
    },
}
TEXT = {"type": "object", "required": ["as", "text"], "properties": {"as": _AS, "text": _TEXT}}
CLOSE = {
    "type": "object",
    "properties": {"code": {"type": "integer", "default": 1011}, "reason": {"type": "string", "maxLength": 123}},
}
RULE = {
    "type": "object",
    "description": "one rule with the words of a rules file, or `toml` with the text of such a file",
    "properties": {"name": _TEXT, "match": {"type": "object"}, "do": {"type": "object"}, "toml": _TEXT},
}
SWITCH = {"type": "object", "required": ["on"], "properties": {"on": {"type": "boolean"}}}
RELEASE = {
    "type": "object",
    "description": "{} for the frame as it is, or one of these",
    "maxProperties": 1,
    "properties": {
        "text": {"type": "string", "description": "the whole frame"},
        "payload": {"description": "another payload"},
        "edit": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer"],
                "properties": {"pointer": _TEXT, "value": {}, "remove": {"type": "boolean"}},
            },
        },
    },
}
ANSWER = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "properties": {
        "payload": {"type": "object"},
        "error": {
            "type": "object",
            "required": ["code"],
            "properties": {"code": _TEXT, "description": _TEXT, "details": {"type": "object"}},
        },
    },
}
SESSIONS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "number": {"type": "integer"},
            "charge_point": _TEXT,
            "version": {"type": ["string", "null"]},
            "remote_addr": {"type": ["string", "null"]},
            "path": {"enum": ["fast", "editing"], "description": "whether rules can change its frames now"},
            "cannot_edit": {"type": ["string", "null"], "description": "why rules cannot apply to it"},
            "held": {"type": "integer"},
        },
    },
}
HELD = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "id": _TEXT,
            "charge_point": _TEXT,
            "from": {"enum": ["charge_point", "csms"]},
            "type": _TEXT,
            "action": {"type": ["string", "null"]},
            "version": {"type": ["string", "null"]},
            "rule": _TEXT,
            "since_ns": {"type": "integer"},
            "seconds_left": {"type": "number"},
            "size": {"type": "integer", "description": "in bytes; a long text may be cut"},
            "text": _TEXT,
            "payload": {"description": "null if the frame has none, or if its text is cut"},
        },
    },
}
SHORT = 1_000
"""Bytes of a text that is cut."""
_TYPES: dict[type, str] = {
    Call: "CALL",
    CallResult: "CALLRESULT",
    CallError: "CALLERROR",
    CallResultError: "CALLRESULTERROR",
    Send: "SEND",
}


def session(tap: SessionTap, version: OcppVersion | None, refusal: str | None) -> dict[str, Any]:
    """Return a session as JSON."""
    return {
        "number": tap.number,
        "charge_point": tap.facts.get("charge_point_id") or "",
        "version": version.value if version else None,
        "remote_addr": tap.facts.get("remote_addr"),
        "path": "fast" if tap.edited is None else "editing",
        "cannot_edit": refusal,
        "held": len(tap.edited.held) if tap.edited is not None else 0,
    }


def held(one: HeldFrame, version: OcppVersion | None, room: int) -> dict[str, Any]:
    """Return a held frame as JSON; if it has more than `room` bytes, only the beginning of its text."""
    frame, waiting, raw = one.held.frame, one.held.waiting, one.held.raw
    cut = len(raw) > max(room, SHORT)
    return {
        "id": one.id,
        "charge_point": one.tap.facts.get("charge_point_id") or "",
        "from": "charge_point" if frame.direction is Direction.FROM_CHARGE_POINT else "csms",
        "type": _TYPES.get(type(frame.message), "frame"),
        "action": frame.action,
        "version": version.value if version else None,
        "rule": one.held.rule,
        "since_ns": one.held.since_ns,
        "seconds_left": round(max(0.0, waiting.due_s - monotonic()), 1),
        "size": len(raw),
        "text": raw[: SHORT if cut else None].decode("utf-8", "replace"),
        "payload": None if cut else _payload(one.held),
    }


def _payload(held: Held) -> Any:
    """Return the payload as it will be sent, None if there is none or it cannot be read."""
    at = PAYLOAD_AT.get(type(held.frame.message))
    try:
        return None if at is None else json.loads(held.raw)[at]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
