"""Hands records to a pipeline so that one which breaks us breaks nothing else; knows no queue and no socket."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable
from pathlib import Path

from inspector.recorder.pipeline import Pipeline
from inspector.recorder.progress_page import FRAME_OF_SESSION, NUMBER, SESSION, TOLD, TOLD_FROM, ProgressPage
from inspector.records import FRAME, Record

log = logging.getLogger("chargesentinel.recorder")


_NOWHERE = memoryview(bytearray(32)).cast("Q")


def take(pipeline: Pipeline, records: Iterable[Record], page: ProgressPage | None = None, first: int = 0) -> None:
    """Have records taken; one that cannot be is let go of, counted and marked as a gap.

    It would break every attempt after a restart too. What is worked on is noted in `page`; the first of the records has
    the number `first`.
    """
    words = page.words if page is not None else _NOWHERE
    for number, record in enumerate(records, first):
        words[NUMBER] = number
        if record[0] == FRAME and len(record[6]) > TOLD_FROM and (session := pipeline.links.get(record[1])):
            words[SESSION], words[FRAME_OF_SESSION], words[TOLD] = session.session_id, session.frame_count + 1, number
        frames = pipeline.frames
        try:
            pipeline.take(record)
        except Exception as error:
            _let_go(pipeline, record, error, stored=pipeline.frames != frames)


def _let_go(pipeline: Pipeline, record: Record, error: Exception, *, stored: bool) -> None:
    # Its words may quote the record, so that the log has only where it happened.
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
    log.error("%s: a record could not be taken (%s); it is marked as a gap", pipeline.writer.path, where)
    lost = int(record[0] == FRAME and not stored)  # a frame already on its way is stored
    pipeline.gone += lost
    pipeline.lost(lost, record[2], record[2], record[3], reason="a fault of ours")
