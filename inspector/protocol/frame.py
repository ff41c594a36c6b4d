"""Define Frame: one WebSocket message with its parsed form and, for an answer, its CALL."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any

from inspector.protocol.large_values import MANY_VALUES_FROM, first_values
from inspector.protocol.messages import Message
from inspector.protocol.vocabulary import Direction


class AnswerStatus(Enum):
    """How an answer relates to the CALLs before it."""

    PAIRED = auto()
    DUPLICATE = auto()  # its CALL has been answered already
    ORPHAN = auto()  # no CALL of the other side has this id


@dataclass(slots=True, eq=False)
class Frame:
    """One WebSocket message with its raw bytes, its parsed form and, for an answer, its CALL.

    `frame_id` is any number that identifies the frame. Times are nanoseconds: `ts_ns` since 1970, `mono_ns` on a
    monotonic clock. An answer has the `action` of its CALL. `payload` is the payload of a CALL, CALLRESULT or SEND, cut
    to its first JUDGED_VALUES values; for other messages, or if it is not an object, it is {}.
    """

    frame_id: int
    ts_ns: int
    mono_ns: int
    direction: Direction
    raw: bytes
    message: Message
    action: str | None = None
    answer_status: AnswerStatus | None = None
    call: Frame | None = None
    binary: bool = False
    notes: dict[str, Any] | None = None
    payload: Any = field(default_factory=dict)

    @property
    def redacted(self) -> bool:
        """Whether it is read from a recording in which asterisks hide a secret of it."""
        return self.notes is not None and bool(self.notes.get("redacted"))

    @property
    def cut(self) -> bool:
        """Whether the log that it was read from contains only its beginning; neither side is at fault."""
        return self.notes is not None and "cut" in self.notes

    @property
    def guessed(self) -> bool:
        """Whether `direction` is a guess, so that rules may not blame a side for this frame."""
        return self.notes is not None and "direction" in self.notes

    @property
    def request(self) -> Any:
        """The payload of the CALL that this frame answers; {} if it is not a paired answer."""
        return self.call.payload if self.call is not None else {}

    @property
    def message_id(self) -> str:
        """The message id; empty if none was found."""
        return self.message.message_id or ""

    @property
    def latency_ns(self) -> int | None:
        """The time from the CALL to this answer in nanoseconds; None if this is not the first answer to a CALL."""
        if self.answer_status is AnswerStatus.PAIRED and self.call is not None:
            return self.mono_ns - self.call.mono_ns
        return None

    def __str__(self) -> str:
        arrow = ">" if self.direction is Direction.FROM_CHARGE_POINT else "<"
        return f"#{self.frame_id} {arrow} {self.message}"


def reworded(frame: Frame, raw: bytes, message: Message, **changes: Any) -> Frame:
    """Return a copy of a frame with another text, the `message` parsed from that text, and other `changes`."""
    return replace(frame, raw=raw, message=message, payload=judged_payload(raw, message), **changes)


def judged_payload(raw: bytes, message: Message) -> dict[str, Any]:
    """Return the payload of a message as rules get it: {} if it is not an object, cut if it has too many values."""
    payload = getattr(message, "payload", None)
    if type(payload) is not dict:
        return {}
    return payload if len(raw) < MANY_VALUES_FROM else first_values(payload)
