"""Stores a frame that has ended a recorder twice, unseen: nothing but its place, its size and what happened."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from inspector.records import FRAME, SET_ASIDE_REASON, Record

if TYPE_CHECKING:
    from inspector.recorder.pipeline import Pipeline

log = logging.getLogger("chargesentinel.recorder")


def store_set_aside(pipeline: Pipeline, record: Record) -> None:
    """Store asterisks in place of the frame, and an event of kind `gap` that names it: nothing of it was judged."""
    _, number, ts_ns, mono_ns, _, _, payload, notes = record
    pipeline.take((FRAME, *record[1:7], {**(notes or {}), "cut": True, "redacted": True}))
    session = pipeline.links[number]
    log.error(
        "session %d, frame %d (%d bytes): it is stored as asterisks, as %s",
        *(session.session_id, session.last_frame_id, len(payload), SET_ASIDE_REASON),
    )
    about = {"frame": session.last_frame_id, "size": len(payload), "reason": SET_ASIDE_REASON}
    pipeline.lost(0, ts_ns, ts_ns, mono_ns, number, **about)
