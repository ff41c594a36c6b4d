"""Frames as they are stored, beside the frames as they came: keeps CALLs until their answers; writes nothing."""

from __future__ import annotations

from dataclasses import replace

from inspector.protocol.frame import Frame, reworded
from inspector.protocol.messages import parse
from inspector.protocol.vocabulary import OcppVersion
from inspector.redaction.redactor import Redactor
from inspector.redaction.secrets import Secrets

CALLS_LIMIT = 1000
"""CALLs with something hidden in them that are kept until they are answered."""


class RedactedFrames:
    """What columns and derived tables are made of, so that they can be derived again from what is stored."""

    def __init__(self, redaction: Redactor) -> None:
        self._redaction = redaction
        self._calls: dict[int, Frame] = {}  # by frame id
        self.judged = False
        """Whether rules get stored forms too. They must once they have read some back from a file: a token and its
        pseudonym must not look like two tokens to them."""

    def of(self, secrets: Secrets, version: OcppVersion | None, frame: Frame) -> tuple[Frame, bytes | None]:
        """The stored form of a frame, and its text where that is another one than came.

        Most frames have nothing to hide and are their own stored form.
        """
        raw = self._redaction.frame(secrets, frame)
        if raw is None and frame.notes and frame.notes.get("redacted"):
            raw = frame.raw  # hidden when it was recorded, so that there is nothing left to hide
        call = self._calls.get(frame.call.frame_id) if self._calls and frame.call is not None else None
        if raw is None:
            return (frame if call is None else replace(frame, call=call, action=call.action)), None
        message = parse(raw, version, frame.binary)
        # A finding may quote what the rules see, and in the rest of some frames nobody has looked for secrets.
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
