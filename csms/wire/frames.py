"""Parse and write OCPP-J frames: the envelope of each version, without the payloads of actions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import orjson

from csms.schemas import Payload, Version

CALL, CALLRESULT, CALLERROR, CALLRESULTERROR, SEND = 2, 3, 4, 5, 6

# OCPP-J 1.6, 4.2.3 misspells two codes that 2.x corrects, and lacks two codes of 2.x.
CODES_OF_16 = {
    "FormatViolation": "FormationViolation",
    "OccurrenceConstraintViolation": "OccurenceConstraintViolation",
    "RpcFrameworkError": "ProtocolError",
    "MessageTypeNotSupported": "NotSupported",
}
UNREADABLE_ID = "-1"
LONGEST_ID = 36
LONGEST_DESCRIPTION = 255


@dataclass(frozen=True, slots=True)
class Call:
    """A CALL, or a SEND if `answered` is False."""

    message_id: str
    action: str
    payload: Payload
    answered: bool = True


@dataclass(frozen=True, slots=True)
class CallResult:
    message_id: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class CallError:
    """A CALLERROR, or the CALLRESULTERROR of 2.1 if `of_result` is True."""

    message_id: str
    code: str
    description: str
    details: Any
    of_result: bool = False


@dataclass(frozen=True, slots=True)
class Malformed:
    """A frame that is not a message. `message_id` and `code` are for the answer; None if it must not be answered."""

    reason: str
    message_id: str | None = None
    code: str | None = None


type Message = Call | CallResult | CallError | Malformed


def parse(raw: str | bytes, version: Version) -> Message:
    """Parse one frame of a charge point. Never raises an error: a bad frame returns Malformed."""
    unreadable_id = None if version == "1.6" else UNREADABLE_ID
    if isinstance(raw, bytes):
        return Malformed("binary frame", unreadable_id, "RpcFrameworkError")
    try:
        elements = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        message_id = _id_of_bad_json(raw)
        return Malformed(
            f"not JSON: {error}",
            message_id or unreadable_id,
            "FormatViolation" if message_id else "RpcFrameworkError",
        )
    if not isinstance(elements, list) or not elements:
        return Malformed("not a JSON array with elements", unreadable_id, "RpcFrameworkError")
    kind = elements[0]
    if type(kind) is not int or kind not in _readers(version):
        readable = len(elements) > 1 and _is_id(elements[1])
        answer_due = version == "2.0.1" and readable
        return Malformed(
            f"unknown message type {str(kind)[:40]}",
            elements[1] if answer_due else None,
            "MessageTypeNotSupported" if answer_due else None,
        )
    if len(elements) < 2 or not _is_id(elements[1]):
        return _without_usable_id(kind, elements[1:2], version)
    return _message(kind, elements)


def _without_usable_id(kind: int, message_id: list[Any], version: Version) -> Malformed:
    """Return Malformed for a message whose id is not a string of at most `LONGEST_ID` characters.

    The answer to a CALL repeats the id if possible: a number as text, a long id unchanged. OCPP-J 1.6, 4.2.3 requires a
    CALLERROR for an id that is too long; 2.x part 4, 4.2.3 requires "-1" for an unreadable id.
    """
    if kind != CALL:
        return Malformed(f"a message of type {kind} without a usable id")
    match message_id:
        case [str(text)]:
            readable: str | None = text
        case [int() | float() as number] if not isinstance(number, bool):
            readable = str(number)
        case _:
            readable = None if version == "1.6" else UNREADABLE_ID
    code = "FormatViolation" if version == "1.6" else "RpcFrameworkError"
    return Malformed(f"the message id must be a string of at most {LONGEST_ID} characters", readable, code)


def _readers(version: Version) -> tuple[int, ...]:
    return (CALL, CALLRESULT, CALLERROR) + ((CALLRESULTERROR, SEND) if version == "2.1" else ())


def _is_id(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_ID


def _message(kind: int, elements: list[Any]) -> Message:
    message_id: str = elements[1]
    match kind, elements[2:]:
        case ((2 | 6), [str(action), dict(payload)]):
            return Call(message_id, action, payload, answered=kind == CALL)
        case ((2 | 6), [str(action), None]):
            # OCPP-J 1.6, 4.2.1 allows null as the payload of a message without fields.
            return Call(message_id, action, {}, answered=kind == CALL)
        case 3, [dict(payload)]:
            return CallResult(message_id, payload)
        case ((4 | 5), [str(code), str(description), details]):
            return CallError(message_id, code, description, details, of_result=kind == CALLRESULTERROR)
        case 4, [str(code), *rest]:
            # Some charge points leave out the description or the details: accept that.
            return CallError(message_id, code, str(rest[0]) if rest else "", {})
        case 2, _:
            return Malformed("a CALL is [2, message id, action, payload object]", message_id, "FormatViolation")
    return Malformed(f"a message of type {kind} with {len(elements)} elements of the wrong kind")


def _id_of_bad_json(raw: str) -> str | None:
    """Return the id of a CALL that only Python's json can parse, not orjson (NaN, 1e999, lone surrogates), or None."""
    try:
        elements = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    match elements:
        case [2, str(message_id), *_] if _is_id(message_id) and message_id.isprintable():
            return message_id
    return None


def call(message_id: str, action: str, payload: Payload) -> str:
    """Write a CALL."""
    return orjson.dumps([CALL, message_id, action, payload]).decode()


def call_result(message_id: str, payload: Payload) -> str:
    """Write a CALLRESULT."""
    return orjson.dumps([CALLRESULT, message_id, payload]).decode()


def call_error(version: Version, message_id: str, code: str, description: str, kind: int = CALLERROR) -> str:
    """Write a CALLERROR (or CALLRESULTERROR), with the code in the version's spelling."""
    if version == "1.6":
        code = CODES_OF_16.get(code, code)
    text = description.encode("utf-8", "replace").decode()[:LONGEST_DESCRIPTION]
    return orjson.dumps([kind, message_id, code, text, {}]).decode()
