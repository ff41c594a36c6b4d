"""Report failures of our own code while frames are stored: in the log and in the file, once for each place."""

from __future__ import annotations

import logging
import time
import traceback
from pathlib import Path

from inspector.recorder.recorded_session import RecordedSession
from inspector.store.pending_rows import PendingRows

log = logging.getLogger("chargesentinel.recorder")

RULE_FAILED = "a rule failed"
ROW_NOT_DERIVED = "a row could not be derived"
FINDING_NOT_STORED = "a finding could not be stored"
HANDSHAKE_NOT_READ = "the handshake could not be read"
"""What the `fault` events of this module say in `what`."""


class Faults:
    """The faults of one recorder."""

    def __init__(self, writer: PendingRows) -> None:
        self._writer = writer
        self._places: set[str] = set()

    def note(self, link: RecordedSession | None, what: str, error: Exception) -> None:
        """Say in the log and in the file that something of ours failed, once for each place in the code."""
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        if where in self._places:
            return
        self._places.add(where)
        # What an exception says may quote the frame, so that neither the log nor the file has its words.
        why = type(error).__name__
        log.error("%s (%s at %s); frames are stored, this one without all that is derived from it", what, why, where)
        detail = {"what": what, "where": where, "why": why}
        if link is None:
            self._writer.event(None, time.time_ns(), None, "fault", detail)
            return
        self._writer.event(link.session_id, link.last_seen_ns, link.last_frame_id, "fault", detail)
