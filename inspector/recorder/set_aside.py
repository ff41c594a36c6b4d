"""Store a frame on which the recorder crashed or hung twice without its content: its place, its size and the reason."""

from __future__ import annotations

import logging
from typing import Any

from inspector.records import SET_ASIDE_REASON, FrameRecord, SetAsideRecord

log = logging.getLogger("chargesentinel.recorder")


def as_asterisks(record: SetAsideRecord) -> FrameRecord:
    """Return the FrameRecord that is stored in place of the frame. Its note "cut" keeps rules from judging it."""
    return FrameRecord(*record)._replace(notes={**(record.notes or {}), "cut": True, "redacted": True})


def describe(record: SetAsideRecord, session_id: int, frame_id: int | None) -> dict[str, Any]:
    """Log which frame was set aside; return the detail of its event of kind `gap`."""
    size = len(record.payload)
    log.error(
        "session %d, frame %d (%d bytes): stored as asterisks, because %s",
        *(session_id, frame_id or 0, size, SET_ASIDE_REASON),
    )
    return {"frame": frame_id, "size": size, "reason": SET_ASIDE_REASON}
