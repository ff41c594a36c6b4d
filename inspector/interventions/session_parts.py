"""The parts of a session with interventions: its recording, its two directions, and the frames that are held."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from inspector.interventions.outcome import Outgoing
from inspector.interventions.turn_taking import CallTurns, Waiting
from inspector.protocol.frame import Frame
from inspector.websocket.messages import Message, MessageAssembler


class Recording(Protocol):
    """The part of a session's recording that is used here."""

    def record(self, from_charge_point: bool, messages: list[Message], /) -> None:
        """Record messages with the current time, with the notes of `inspector.records.FrameRecord`."""

    def event(self, kind: str, detail: dict[str, Any], /) -> None:
        """Record an event of the session."""


SENT = "sent"
"""The event of a frame that was recorded before it was sent; `later` is the number in the frame's notes."""
NOT_SENT = "not-sent"
"""The event of a frame that was recorded before it should be sent, and that somebody dropped, answered or replaced."""
BY_HAND = "hand"
"""Who made a frame that no rule made."""


type Answered = Callable[[Frame | None], None]
"""Gets the answer to a CALL of the proxy; None if the session ended first."""


@dataclass(slots=True)
class Held:
    """A frame that waits for somebody to release it.

    Attributes:
        frame: The frame as it came.
        waiting: `waiting.due_s` is when it is sent by itself.
        raw: What is sent then: other rules may have changed it.
        rule: The rule that holds it.
        since_ns: When it came, in nanoseconds since 1970.
        recorded: How many frames of the session were recorded before and with it.
    """

    frame: Frame
    waiting: Waiting
    raw: bytes
    rule: str
    since_ns: int
    recorded: int


@dataclass(frozen=True, slots=True)
class Timed:
    """A frame of a rule that waits for its time, while all other frames pass.

    Attributes:
        due_s, ts_ns: When to send it, on the monotonic clock and in nanoseconds since 1970.
        frame: The frame.
        made_from: The number, in the session's recording, of the frame that the rule matched.
    """

    due_s: float
    ts_ns: int
    frame: Outgoing
    made_from: int


@dataclass(slots=True)
class Way:
    """One direction of the session."""

    reader: MessageAssembler
    calls: CallTurns
    queue: deque[Waiting] = field(default_factory=deque)
    overtaken: list[Waiting] = field(default_factory=list)
    bytes_per_s: int | None = None
    free_at_s: float = 0.0
    between: bool = True
    """Whether the bytes so far end between two messages."""
    waiting_bytes: int = 0
