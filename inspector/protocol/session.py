"""One OCPP session: parses frames, pairs answers with their CALLs and finds the OCPP version. No I/O and no clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inspector.protocol.correlation import Correlation
from inspector.protocol.frame import Frame
from inspector.protocol.large_values import JUDGED_VALUES, MANY_VALUES_FROM, first_values
from inspector.protocol.messages import (
    Call,
    CallError,
    CallResult,
    CallResultError,
    Malformed,
    Problem,
    Send,
    parse,
)
from inspector.protocol.schemas import Kind
from inspector.protocol.version_evidence import infer_version
from inspector.protocol.vocabulary import SUBPROTOCOLS, Direction, OcppVersion

_WITH_PAYLOAD = frozenset({Call, CallResult, Send})


class Session:
    """Parses and pairs the frames of one session; knows its OCPP version and its open CALLs."""

    __slots__ = ("before_frame", "correlation", "latest_ns", "utc_offset_ns", "version")

    def __init__(self, subprotocol: str | None = None, version: OcppVersion | None = None) -> None:
        """Set the OCPP version to `version`, or to that of the subprotocol. Without both, frames will show it."""
        self.version = version or SUBPROTOCOLS.get(subprotocol or "")
        self.correlation = Correlation()
        self.latest_ns = 0  # monotonic time of the latest frame
        self.utc_offset_ns = 0  # how far the wall clock of the frames is ahead of UTC
        self.before_frame: Callable[[int], None] | None = None
        """Called with the `mono_ns` of each frame before it is parsed, so that overdue answers are judged first."""

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
        """Return one message, parsed and paired, as a Frame with its time in UTC. No content raises an exception.

        If `mono_ns` is lower than that of the previous frame, that of the previous frame is used. The times of an
        imported recording come from a wall clock, which may have been set back, but no answer precedes its CALL.
        """
        if mono_ns < self.latest_ns:
            mono_ns = self.latest_ns
        else:
            self.latest_ns = mono_ns
        if self.before_frame is not None:
            self.before_frame(mono_ns)
        message = parse(raw, self.version, binary)
        if notes is not None and "mended" in notes:
            undone = Problem("mended", None, str(notes["mended"]))
            message = message._replace(problems=(*message.problems, undone))
        kind = type(message)
        payload = message.payload if kind in _WITH_PAYLOAD else None  # type: ignore[union-attr]
        if type(payload) is not dict:
            payload = {}
        elif len(raw) >= MANY_VALUES_FROM and (judged := first_values(payload)) is not payload:
            payload, notes = judged, {**(notes or {}), "judged_values": JUDGED_VALUES}
        frame = Frame(
            frame_id,
            ts_ns - self.utc_offset_ns,
            *(mono_ns, direction, raw, message, None, None, None, binary, notes, payload),
        )
        if kind is Call:
            frame.action = message.action  # type: ignore[union-attr]
            if self.version is None:
                self._infer(frame, "request")
            self.correlation.note_call(frame, message.message_id)  # type: ignore[arg-type]
        elif kind is CallResult or kind is CallError:
            self._pair(frame, message.message_id)  # type: ignore[arg-type]
            if self.version is None and kind is CallResult:
                self._infer(frame, "response")
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
                    self.correlation.note_malformed(frame, message.message_id)
        return frame

    def _pair(self, frame: Frame, message_id: str) -> None:
        frame.answer_status, frame.call = self.correlation.note_answer(frame.direction, message_id)
        if frame.call is not None:
            frame.action = frame.call.action

    def _infer(self, frame: Frame, kind: Kind) -> None:
        if frame.direction is not Direction.FROM_CHARGE_POINT:
            return
        if inferred := infer_version(frame.action, kind, frame.payload):
            self.version = inferred.version
