"""Make the redacted form of each frame, from which its row and its derived rows are made."""

from __future__ import annotations

from dataclasses import replace

from inspector.protocol.frame import Frame, reworded
from inspector.protocol.messages import parse
from inspector.protocol.password_length import SHORTEST_PASSWORD, password_length
from inspector.protocol.vocabulary import OcppVersion
from inspector.redaction.redactor import Redactor
from inspector.redaction.secrets import Secrets

CALLS_LIMIT = 1000
"""At most so many redacted CALLs are kept until their answers arrive."""


class RedactedFrames:
    """Makes the redacted form of frames. Derived rows come only from it, so `rebuild` derives the same rows again."""

    def __init__(self, redaction: Redactor) -> None:
        self._redaction = redaction
        self._calls: dict[int, Frame] = {}  # by frame id
        self.judged = False
        """Whether rules get the redacted form too.

        They need it after they have read frames back from a file; otherwise a token and its pseudonym would look like
        two tokens.
        """

    def of(self, secrets: Secrets, version: OcppVersion | None, frame: Frame) -> tuple[Frame, bytes | None]:
        """Return the redacted form of a frame, and its raw bytes if anything in them is hidden, otherwise None.

        Most frames have nothing to hide and are returned unchanged.
        """
        raw = self._redaction.frame(secrets, frame)
        if raw is not None:
            length = password_length(frame.action, frame.payload)
            if length is not None and length < SHORTEST_PASSWORD:  # the rule about short passwords needs the length
                frame.notes = {**(frame.notes or {}), "password_length": length}
        if raw is None and frame.notes and frame.notes.get("redacted"):
            raw = frame.raw  # a frame from a recording, which was redacted when it was recorded
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
