"""What the columns of a frame's row say that are not simply copied; knows no table and makes no row."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.protocol.messages import Call, CallError, CallResult, CallResultError, Malformed, Message, Send
from inspector.protocol.vocabulary import MessageType, OcppVersion
from inspector.records import BINARY
from inspector.rules.finding import Finding, Severity

_TYPES: dict[type, int] = {
    Call: MessageType.CALL.value,
    CallResult: MessageType.CALLRESULT.value,
    CallError: MessageType.CALLERROR.value,
    CallResultError: MessageType.CALLRESULTERROR.value,
    Send: MessageType.SEND.value,
}
_NAME_LIMIT = 255
_MAKES_INVALID = ("rpc.", "payload.")


def msg_type(frame: Frame) -> int | None:
    """The first element of the message, also of a malformed one; None where there is none, or none that fits."""
    found = _TYPES.get(type(frame.message))
    if found is not None or not isinstance(frame.message, Malformed):
        return found
    found = frame.message.message_type
    return found if found is not None and abs(found) < 2**31 else None


def short(action: str | None) -> str | None:
    """As much of an action as its column keeps; the whole of it is in `raw`."""
    return action if action is None or len(action) <= _NAME_LIMIT else action[:_NAME_LIMIT]


def valid(version: OcppVersion | None, frame: Frame, found: list[Finding]) -> int | None:
    """1 where envelope and schema are satisfied, 0 where not, None where there was nothing to judge by."""
    if frame.cut:
        return None
    if type(frame.message) is Malformed:
        return 0
    for finding in found:
        if (
            finding.last_frame_id == frame.frame_id
            and finding.severity is Severity.ERROR
            and finding.rule_id.startswith(_MAKES_INVALID)
        ):
            return 0
    return 1 if version is not None and frame.action is not None else None


def id_length(message: Message, text: str | bytes) -> int | None:
    """Characters of the id of a CALL or CALLRESULT that is written as almost all are: no blank, no escape before the
    payload, and nothing behind it; None of any other frame.
    """
    told: Any = message
    if type(message) is Call and len(told.action) <= _NAME_LIMIT:
        start = f'[2,"{told.message_id}","{told.action}",'
    elif type(message) is CallResult:
        start = f'[3,"{told.message_id}",'
    else:
        return None
    if told.problems or type(text) is bytes or not (text.startswith(start) and text[-1] == "]"):  # type: ignore[arg-type]
        return None
    return len(told.message_id)


def text(payload: bytes, opcode: int) -> str | bytes:
    """A message as `raw` keeps it: text where it came as such and is UTF-8, else bytes."""
    if opcode == BINARY:
        return payload
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return payload
