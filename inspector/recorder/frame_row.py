"""Compute the columns of a frame's row that are not copied from its record."""

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
    """Return the message type, even of a malformed message; None if it has none or the number is too large."""
    found = _TYPES.get(type(frame.message))
    if found is not None or not isinstance(frame.message, Malformed):
        return found
    found = frame.message.message_type
    return found if found is not None and abs(found) < 2**31 else None


def shortened(action: str | None) -> str | None:
    """Return an action cut to the maximum length in its column; the column `raw` has all of it."""
    return action if action is None or len(action) <= _NAME_LIMIT else action[:_NAME_LIMIT]


def valid(version: OcppVersion | None, frame: Frame, found: list[Finding]) -> int | None:
    """Return the column `valid`: 1 if envelope and schema are satisfied, 0 if not, None if they cannot be checked."""
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
    """Return the length of the message id in a CALL or CALLRESULT of the usual form; None for any other frame.

    In the usual form there is no blank or escape before the payload, and only the closing bracket after it. With the
    length, SQLite can cut the payload out of the frame without parsing it.
    """
    parsed: Any = message
    if type(message) is Call and len(parsed.action) <= _NAME_LIMIT:
        start = f'[2,"{parsed.message_id}","{parsed.action}",'
    elif type(message) is CallResult:
        start = f'[3,"{parsed.message_id}",'
    else:
        return None
    if parsed.problems or type(text) is bytes or not (text.startswith(start) and text[-1] == "]"):  # type: ignore[arg-type]
        return None
    return len(parsed.message_id)


def stored_text(payload: bytes, opcode: int) -> str | bytes:
    """Return a message for the column `raw`: text if it is a text message in UTF-8, otherwise bytes."""
    if opcode == BINARY:
        return payload
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return payload
