"""One WebSocket life: takes frames with their times, gives them back paired and named; does no I/O, has no clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from inspector.protocol.correlation import AnswerStatus, Correlation
from inspector.protocol.messages import (
    Call,
    CallError,
    CallResult,
    CallResultError,
    Malformed,
    Message,
    Send,
    parse,
)
from inspector.protocol.vocabulary import SUBPROTOCOLS, Direction, OcppVersion, version_of_call


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


_WITH_PAYLOAD = frozenset({Call, CallResult, Send})


class Session:
    """The state of one WebSocket: its version and its open CALLs."""

    __slots__ = ("before_frame", "correlation", "latest_ns", "utc_offset_ns", "version")

    def __init__(self, subprotocol: str | None = None, version: OcppVersion | None = None) -> None:
        """`version` forces one; else the agreed subprotocol tells it, else the first CALL that can."""
        self.version = version or SUBPROTOCOLS.get(subprotocol or "")
        self.correlation = Correlation()
        self.latest_ns = 0  # monotonic time of the latest frame
        self.utc_offset_ns = 0  # by how much the wall clock that stamped the frames is ahead of UTC
        self.before_frame: Callable[[int], None] | None = None
        """Called with a frame's `mono_ns` before it changes anything, so that what is overdue is judged first."""

    def frame(
        self,
        frame_id: int,
        ts_ns: int,
        mono_ns: int,
        direction: Direction,
        raw: bytes,
        binary: bool = False,
        notes: dict[str, Any] | None = None,
    ) -> Frame:
        """Take one message; never raises on its content. Its `ts_ns` becomes UTC by `utc_offset_ns`.

        A `mono_ns` before that of the frame before counts as the same time: an imported recording has only a wall
        clock, which may have been set back, and an answer cannot be older than its CALL.
        """
        if mono_ns < self.latest_ns:
            mono_ns = self.latest_ns
        else:
            self.latest_ns = mono_ns
        if self.before_frame is not None:
            self.before_frame(mono_ns)
        message = parse(raw, self.version, binary)
        kind = type(message)
        payload = message.payload if kind in _WITH_PAYLOAD else None  # type: ignore[union-attr]
        if type(payload) is not dict:
            payload = {}
        frame = Frame(
            frame_id,
            ts_ns - self.utc_offset_ns,
            *(mono_ns, direction, raw, message, None, None, None, binary, notes, payload),
        )
        if kind is Call:
            frame.action = message.action  # type: ignore[union-attr]
            if self.version is None:
                self._infer(frame)
            self.correlation.called(frame, message.message_id)  # type: ignore[arg-type]
        elif kind is CallResult or kind is CallError:
            self._pair(frame, message.message_id)  # type: ignore[arg-type]
        elif kind is Send:
            frame.action = message.action  # type: ignore[union-attr]
        elif kind is CallResultError:
            answered = self.correlation.answered_call(direction, message.message_id)  # type: ignore[arg-type]
            frame.call, frame.action = answered, answered.action if answered else None
        elif isinstance(message, Malformed):
            frame.action = message.action
            if message.message_id is not None:
                if message.message_type in (3, 4):
                    self._pair(frame, message.message_id)
                else:
                    self.correlation.asked(frame, message.message_id)
        return frame

    def _pair(self, frame: Frame, message_id: str) -> None:
        frame.answer_status, frame.call = self.correlation.answered(frame.direction, message_id)
        if frame.call is not None:
            frame.action = frame.call.action

    def _infer(self, frame: Frame) -> None:
        if frame.direction is Direction.FROM_CHARGE_POINT and frame.action:
            self.version = version_of_call(frame.action, frame.payload)
