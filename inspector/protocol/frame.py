"""One WebSocket message as seen, with what it turned out to be once parsed and paired."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any

from inspector.protocol.messages import Message
from inspector.protocol.vocabulary import Direction


class AnswerStatus(Enum):
    """What an answer is to the CALLs before it."""

    PAIRED = auto()
    DUPLICATE = auto()  # its CALL has been answered already
    ORPHAN = auto()  # no CALL of the other side has this id


@dataclass(slots=True, eq=False)
class Frame:
    """One WebSocket message as seen, with what it turned out to be.

    `frame_id` is the caller's number for it; times are nanoseconds (`ts_ns` since 1970, `mono_ns` on a
    monotonic clock); `action` is the CALL's own or, for an answer, that of the CALL it answers; `payload` is that of
    a CALL, CALLRESULT or SEND, an empty object for all else and where it is no object.
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
    def cut(self) -> bool:
        """Whether the log it was read from broke it off: what is missing is nobody's fault."""
        return self.notes is not None and "cut" in self.notes

    @property
    def guessed(self) -> bool:
        """Whether `direction` is a guess: no side may be accused of this frame."""
        return self.notes is not None and "direction" in self.notes

    @property
    def request(self) -> Any:
        """For an answer: the payload of the CALL it answers, else an empty object."""
        return self.call.payload if self.call is not None else {}

    @property
    def message_id(self) -> str:
        """The message id, empty where none could be made out."""
        return self.message.message_id or ""

    @property
    def latency_ns(self) -> int | None:
        """From the CALL to this answer, for a first answer."""
        if self.answer_status is AnswerStatus.PAIRED and self.call is not None:
            return self.mono_ns - self.call.mono_ns
        return None

    def __str__(self) -> str:
        arrow = ">" if self.direction is Direction.FROM_CHARGE_POINT else "<"
        return f"#{self.frame_id} {arrow} {self.message}"


def reworded(frame: Frame, raw: bytes, message: Message, **changes: Any) -> Frame:
    """A frame with another text in place of its own, and the message that is read from it."""
    payload = getattr(message, "payload", None)
    return replace(frame, raw=raw, message=message, payload=payload if type(payload) is dict else {}, **changes)
