"""Report exceptions in the recorder's own code, in the log and in the recording, once for each place in the code."""

from __future__ import annotations

import logging
import time
import traceback
from pathlib import Path

from inspector.recorder.recorded_session import RecordedSession
from inspector.store.writing.pending_rows import PendingRows

log = logging.getLogger("chargesentinel.recorder")

RULE_FAILED = "a rule failed"
ROW_NOT_DERIVED = "a row could not be derived"
FINDING_NOT_STORED = "a finding could not be stored"
HANDSHAKE_NOT_READ = "the handshake could not be read"
"""The texts that `Faults.note` gets as `what`."""


def place_of(error: Exception) -> str:
    """Return the type of an exception and where it was raised, without its message, which may quote a frame."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"


class Faults:
    """Reports the faults of one recorder."""

    def __init__(self, writer: PendingRows) -> None:
        self._writer = writer
        self._places: set[str] = set()

    def note(self, session: RecordedSession | None, what: str, error: Exception) -> None:
        """Log that something failed and store an event of kind `fault`, once for each place in the code."""
        why, _, where = place_of(error).partition(" at ")
        if where in self._places:
            return
        self._places.add(where)
        log.error("%s (%s at %s); the frame itself is stored", what, why, where)
        detail = {"what": what, "where": where, "why": why}
        if session is None:
            self._writer.event(None, time.time_ns(), None, "fault", detail)
            return
        self._writer.event(session.session_id, session.last_seen_ns, session.last_frame_id, "fault", detail)
