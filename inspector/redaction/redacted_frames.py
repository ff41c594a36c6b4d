"""Pair each frame with its redacted form, from which its row and derived rows are made."""

from __future__ import annotations

from dataclasses import replace

from inspector.protocol.frame import Frame, reworded
from inspector.protocol.messages import parse
from inspector.protocol.password_length import SHORTEST_PASSWORD, password_length
from inspector.protocol.vocabulary import OcppVersion
from inspector.redaction.redactor import Redactor
from inspector.redaction.secrets import Secrets

CALLS_LIMIT = 1000
"""The most redacted CALLs that are kept for their answers."""


class RedactedFrames:
    """Makes the redacted form of frames. All derived rows come from it, so `rebuild` can derive them again."""

    def __init__(self, redaction: Redactor) -> None:
        self._redaction = redaction
        self._calls: dict[int, Frame] = {}  # by frame id
        self.judged = False
        """Whether rules get redacted frames too. They must once they have read frames back from a file: otherwise a
        token and its pseudonym would look like two tokens."""

    def of(self, secrets: Secrets, version: OcppVersion | None, frame: Frame) -> tuple[Frame, bytes | None]:
        """Return the redacted form of a frame, and its text if that differs from the original.

        Most frames have nothing to hide and are returned unchanged.
        """
        raw = self._redaction.frame(secrets, frame)
        if raw is not None:
            length = password_length(frame.action, frame.payload)
            if length is not None and length < SHORTEST_PASSWORD:  # the rule about short passwords needs it
                frame.notes = {**(frame.notes or {}), "password_length": length}
        if raw is None and frame.notes and frame.notes.get("redacted"):
            raw = frame.raw  # it was redacted when it was recorded
        call = self._calls.get(frame.call.frame_id) if self._calls and frame.call is not None else None
        if raw is None:
            return (frame if call is None else replace(frame, call=call, action=call.action)), None
        message = parse(raw, version, frame.binary)
        # A finding may quote the frame, so rules must not see a part that was not searched for secrets.
        if (frame.notes and "unsearched" in frame.notes) or (self.judged and frame.call is None):
            seen = reworded(frame, raw, message)
            frame.raw, frame.message, frame.payload = seen.raw, seen.message, seen.payload
        if frame.call is not None:
            call = call or frame.call
            return reworded(frame, raw, message, action=call.action, call=call), raw
        shown = reworded(frame, raw, message, action=getattr(message, "action", frame.action))
        self._calls[frame.frame_id] = shown
        if len(self._calls) > CALLS_LIMIT:
            del self._calls[next(iter(self._calls))]
        return shown, raw
