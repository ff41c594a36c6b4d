"""Say what is stored of a frame that has ended a recorder twice: its place, its size and what happened, unseen."""

from __future__ import annotations

import logging
from typing import Any

from inspector.records import FRAME, SET_ASIDE_REASON, Record

log = logging.getLogger("chargesentinel.recorder")


def as_asterisks(record: Record) -> Record:
    """Return the FRAME record that stands for one that is set aside; nothing of it is to be judged."""
    return (FRAME, *record[1:7], {**(record[7] or {}), "cut": True, "redacted": True})


def about(record: Record, session_id: int, frame_id: int | None) -> dict[str, Any]:
    """Name the frame in the log; returns what its event of kind `gap` says."""
    size = len(record[6])
    log.error(
        "session %d, frame %d (%d bytes): it is stored as asterisks, as %s",
        *(session_id, frame_id or 0, size, SET_ASIDE_REASON),
    )
    return {"frame": frame_id, "size": size, "reason": SET_ASIDE_REASON}
