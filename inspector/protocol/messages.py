"""Parse the raw bytes of one WebSocket message. No input raises an exception.

A message with a faulty envelope that can still be understood has the type that it states; its `problems` list the
faults. Otherwise it is Malformed, with the reason, and with the message id if one could be found.
Envelope: OCPP-J 1.6 section 4.2, OCPP 2.x part 4 section 4.2.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import orjson

from inspector.protocol.vocabulary import MESSAGE_TYPES, OcppVersion


class Problem(NamedTuple):
    """One fault of an envelope: `kind` is one of PROBLEM_KINDS, `pointer` a JSON pointer into the frame."""

    kind: str
    pointer: str | None
    text: str


PROBLEM_KINDS = (
    "binary",
    "encoding",
    "json",
    "duplicate-key",
    "shape",
    "payload-null",
    "message-type",
    "message-id",
    "error-form",
    "mended",
)


class Call(NamedTuple):
    """A request (type 2)."""

    message_id: str
    action: str
    payload: Any
    problems: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        return f"CALL {self.action} {self.message_id}"


class CallResult(NamedTuple):
    """A positive answer (type 3)."""

    message_id: str
    payload: Any
    problems: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        return f"CALLRESULT {self.message_id}"


class CallError(NamedTuple):
    """An answer with an error code (type 4)."""

    message_id: str
    error_code: str
    error_description: str
    error_details: Any
    problems: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        return f"CALLERROR {self.message_id} {self.error_code}"


class CallResultError(NamedTuple):
    """A message of type 5 (since 2.1): the sender of a CALL rejects its CALLRESULT."""

    message_id: str
    error_code: str
    error_description: str
    error_details: Any
    problems: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        return f"CALLRESULTERROR {self.message_id} {self.error_code}"


class Send(NamedTuple):
    """A message that needs no answer (type 6, since 2.1)."""

    message_id: str
    action: str
    payload: Any
    problems: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        return f"SEND {self.action} {self.message_id}"


class Malformed(NamedTuple):
    """A frame that is not an OCPP-J message, with those of its elements that could still be read."""

    problems: tuple[Problem, ...]
    message_type: int | None = None
    message_id: str | None = None
    action: str | None = None

    def __str__(self) -> str:
        return f"malformed: {self.problems[0].text}"


type Message = Call | CallResult | CallError | CallResultError | Send | Malformed

ID_LENGTH = 36
"""The maximum length of a message id in characters (OCPP-J 4.1.4)."""

_QUOTES_OF_TWO_KEYS = 4
_new = tuple.__new__
_LENGTHS = {2: 4, 3: 3, 4: 5, 5: 5, 6: 4}
_MARKS = "\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"
"""Quotation marks that word processors and chat programs put in place of the plain one."""
_BLANK = r"[\s\x00\ufeff]*"
_COMMA = rf"{_BLANK},[\s\x00\ufeff,]*"
_TEXT = rf"""(?:"((?:[^"\\]|\\.)*)"|['{_MARKS}]([^'"{_MARKS}]*)['{_MARKS}])"""
_HEAD = re.compile(
    rf"{_BLANK},?{_BLANK}\[{_BLANK},?{_BLANK}(\d{{1,3}}){_COMMA}(?:{_TEXT}|(-?\d+))(?:{_COMMA}{_TEXT})?", re.S
)
"""Finds message type, id and action at the start of a frame that is not JSON.

It accepts a byte order mark or NULs before the frame, a comma too many, and other quotation marks.
"""
_WORD = re.compile(r"[A-Za-z][A-Za-z ]{0,15}")


def parse(raw: bytes, version: OcppVersion | None = None, binary: bool = False) -> Message:
    """Parse one WebSocket message.

    Args:
        raw: the message as received, unmasked.
        version: decides which message types exist; None accepts those of all versions.
        binary: whether it came as a binary message, which OCPP-J does not allow (1.6 section 4.1).

    Returns:
        The message; Malformed if it cannot be understood.
    """
    try:
        array = orjson.loads(raw)
    except ValueError as error:
        return _unreadable(raw, error, binary)
    if binary:
        head = _best_head(raw)
        return Malformed((Problem("binary", None, "a binary WebSocket message; OCPP-J uses text only"),), *head)
    if type(array) is not list:
        return Malformed((Problem("shape", "", f"the frame is {_kind(array)}; expected a JSON array"),))
    # orjson silently keeps only the last of duplicate keys; the parsed message then has fewer quotation marks.
    quotes = raw.count(b'"')
    if quotes >= _QUOTES_OF_TWO_KEYS and quotes != _quotes(array):
        return _message(array, version, _duplicate_keys(raw))
    return _sound(array) or _message(array, version, ())


def _sound(array: list[Any]) -> Message | None:
    """Return the message if it is a CALL or CALLRESULT without any fault, as almost all are; otherwise None."""
    # This runs for every frame. Conditions written out twice, and `_new` in place of `Call(...)`, make it faster.
    if len(array) == 4:
        kind, message_id, action, payload = array
        if (
            (kind == 2 and type(kind) is int and type(action) is str)
            and (type(payload) is dict and type(message_id) is str)
            and 0 < len(message_id) <= ID_LENGTH
        ):
            return _new(Call, (message_id, action, payload, ()))
    elif len(array) == 3:
        kind, message_id, payload = array
        if (
            (kind == 3 and type(kind) is int)
            and (type(payload) is dict and type(message_id) is str)
            and 0 < len(message_id) <= ID_LENGTH
        ):
            return _new(CallResult, (message_id, payload, ()))
    return None


def _message(array: list[Any], version: OcppVersion | None, problems: tuple[Problem, ...]) -> Message:
    count = len(array)
    kind = array[0] if count else None
    if type(kind) is not int:
        text = f"the message type is {_kind(kind)}; expected a number" if count else "the frame is an empty array"
        pointer = "/0" if count else ""
        best = str(array[1]) if count > 1 and type(array[1]) in (str, int) else None
        return Malformed((*problems, Problem("shape", pointer, text)), None, best)
    message_id = array[1] if count > 1 else None
    if type(message_id) is not str:
        if type(message_id) is int or type(message_id) is float:
            problems += (Problem("message-id", "/1", f"the message id {message_id} is a number; expected a string"),)
            message_id = str(message_id)
        else:
            what = "no message id" if count < 2 else f"the message id is {_kind(message_id)}; expected a string"
            found_at = Problem("message-id" if count > 1 else "shape", "/1" if count > 1 else "", what)
            return Malformed((*problems, found_at), kind)
    elif not 0 < len(message_id) <= ID_LENGTH:
        text = f"the message id has {len(message_id)} characters; expected 1 to {ID_LENGTH}"
        if not message_id:
            text = "the message id is empty"
        problems += (Problem("message-id", "/1", text),)
    if kind not in MESSAGE_TYPES[version]:
        known = "2 to 6" if version in (OcppVersion.V21, None) else "2, 3 and 4"
        text = f"unknown message type {kind}; {'OCPP ' + version.value if version else 'OCPP'} has {known}"
        action = array[2] if count > 2 and type(array[2]) is str else None
        return Malformed((*problems, Problem("message-type", "/0", text)), kind, message_id, action)
    if count != _LENGTHS[kind]:
        text = f"{count} elements; expected {_LENGTHS[kind]} in a message of type {kind}"
        problems += (Problem("shape", "", text),)
    if kind == 3:
        if count < 3:
            return Malformed(problems, kind, message_id)
        return CallResult(message_id, array[2], _payload(array[2], 2, problems))
    if kind in (2, 6):
        action = array[2] if count > 2 else None
        if type(action) is not str:
            if count > 2:
                problems += (Problem("shape", "/2", f"the action is {_kind(action)}; expected a string"),)
            return Malformed(problems, kind, message_id)
        if count < 4:
            return Malformed(problems, kind, message_id, action)
        problems = _payload(array[3], 3, problems)
        return (Call if kind == 2 else Send)(message_id, action, array[3], problems)
    return _error(array, kind, message_id, problems)


def _error(array: list[Any], kind: int, message_id: str, problems: tuple[Problem, ...]) -> Message:
    code = array[2] if len(array) > 2 else None
    if type(code) is not str:
        if len(array) > 2:
            problems += (Problem("shape", "/2", f"the error code is {_kind(code)}; expected a string"),)
        return Malformed(problems, kind, message_id)
    description = array[3] if len(array) > 3 else ""
    details = array[4] if len(array) > 4 else {}
    if type(description) is not str:
        problems += (Problem("shape", "/3", f"the error description is {_kind(description)}; expected a string"),)
        description = "" if description is None else str(description)[:255]
    if type(details) is not dict:
        problems += (Problem("error-form", "/4", f"the error details are {_kind(details)}; expected an object"),)
    return (CallError if kind == 4 else CallResultError)(message_id, code, description, details, problems)


def _payload(payload: Any, place: int, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    if type(payload) is dict:
        return problems
    if payload is None:
        return (
            *problems,
            Problem("payload-null", f"/{place}", "the payload is null; write {}"),
        )
    return (*problems, Problem("shape", f"/{place}", f"the payload is {_kind(payload)}; expected an object"))


def _unreadable(raw: bytes, error: ValueError, binary: bool) -> Malformed:
    head = _best_head(raw)
    if binary:
        return Malformed((Problem("binary", None, "a binary WebSocket message; OCPP-J uses text only"),), *head)
    if not raw:
        return Malformed((Problem("json", None, "an empty message"),))
    try:
        text = raw.decode()
    except UnicodeDecodeError as undecodable:
        why = f"not UTF-8: byte 0x{raw[undecodable.start]:02x} at offset {undecodable.start}"
        return Malformed((Problem("encoding", None, why),), *head)
    return Malformed((Problem("json", None, f"not JSON: {_json_fault(text, error)}"),), *head)


def _json_fault(text: str, error: ValueError) -> str:
    if why := _usual_damage(text):
        return why
    # If json.loads fails too, use its message, which is better. But it accepts some text that orjson rightly refuses
    # (NaN, lone surrogates, deep nesting); then use orjson's message.
    try:
        json.loads(text)
    except RecursionError:
        return "nested too deeply"
    except ValueError as better:
        return str(better)
    for word in ("NaN", "-Infinity", "Infinity"):
        if word in text:
            return f"{word} is not a JSON number"
    return str(error)


def _usual_damage(text: str) -> str | None:
    """Return what is wrong with a text that is a single word, or JSON with one common fault; None for other texts."""
    if _WORD.fullmatch(text):
        return repr(text)
    if text.startswith("\ufeff"):
        return "there is a byte order mark before the frame"
    if text.strip("\x00") != text:
        return "there is a NUL character before or after the frame"
    if any(mark in text for mark in _MARKS) and _is_json(re.sub(f"[{_MARKS}]", '"', text)):
        return 'it has typographic quotation marks instead of "'
    if "'" in text and '"' not in text and _is_json(text.replace("'", '"')):
        return 'it has single quotation marks instead of "'
    return None


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True


def _best_head(raw: bytes) -> tuple[int | None, str | None, str | None]:
    """Return what looks like the message type, id and action at the start of an unreadable frame, or None for each."""
    found = _HEAD.match(raw[:1000].decode("utf-8", "replace"))
    if not found:
        return None, None, None
    kind, *ids, action, marked_action = found.groups()
    message_id = next((one for one in ids if one is not None), None)
    return int(kind), message_id, (action or marked_action) if kind in ("2", "6") else None


def _quotes(array: list[Any]) -> int:
    try:
        return orjson.dumps(array).count(b'"')
    except TypeError:  # orjson reads 1,024 levels of nesting, but writes only 254
        return -1


def _duplicate_keys(raw: bytes) -> tuple[Problem, ...]:
    twice: list[str] = []

    def pairs(members: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in members:
            if key in seen:
                twice.append(key)
            seen.add(key)

    try:
        json.loads(raw, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return ()
    if not twice:
        return ()
    names = ", ".join(repr(key[:40]) for key in dict.fromkeys(twice[:5]))
    return (Problem("duplicate-key", None, f"the member {names} occurs more than once; the last one counts"),)


_KINDS = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "an array",
}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "an object")
