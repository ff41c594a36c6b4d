"""What changes in a pipeline when its recording goes on in another file; knows nothing of why it does."""

from __future__ import annotations

import logging
import sqlite3
import time

from inspector.errors import ChargeSentinelError
from inspector.recorder.finding_rows import renew
from inspector.recorder.pipeline import Pipeline
from inspector.store.writer import RecordingGone

log = logging.getLogger("chargesentinel.recorder")


FAILURES = (sqlite3.Error, OSError, ChargeSentinelError)
"""What a disk that does not write raises here; all of what waits still waits."""

BROKEN = ("SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_CANTOPEN")
"""Errors that an open connection may keep for ever, also when the disk is well again."""
RETRY_AFTER_NS = 60 * 10**9


def commit(pipeline: Pipeline, committed: int | None = None) -> None:
    """Put everything taken so far on disk, in a new file where the one being written is gone.

    Raises:
        one of FAILURES: nothing is acknowledged, all of it still waits.
    """
    if not pipeline.writer.gone:
        try:
            pipeline.commit(committed)
            return
        except RecordingGone:
            pass
        except sqlite3.Error as error:
            closed = isinstance(error, sqlite3.ProgrammingError)  # it could not be opened again the last time
            if closed or getattr(error, "sqlite_errorname", "").startswith(BROKEN):
                pipeline.writer.reopen()
            raise
    begin_again(pipeline, time.time_ns())
    pipeline.commit(committed)


def rotate_if_due(pipeline: Pipeline) -> None:
    """Go on in the next file where it is time for that; where that cannot be made, it goes on in the one it has."""
    now, writer = time.time_ns(), pipeline.writer
    if writer.waiting or not writer.rotation_due(now):
        return
    try:
        if writer.rotation is not None and not writer.rotation.worth_it(writer.db.conn, now):
            return
        rotate(pipeline, now)
    except FAILURES as error:
        writer.rotate_after_ns = now + RETRY_AFTER_NS
        log.error("%s: the next file cannot be made (%s); recording goes on in this one", writer.path, error)


def rotate(pipeline: Pipeline, ts_ns: int) -> None:
    """Go on in the next file; to be called when all is committed.

    Raises:
        sqlite3.Error, OSError, UnusableFile: it goes on in the one it had.
    """
    left = pipeline.writer.rotate(_open(pipeline), ts_ns)
    _settle(pipeline)
    log.info("%s is complete; recording goes on in %s", left, pipeline.writer.path.name)


def begin_again(pipeline: Pipeline, ts_ns: int) -> int:
    """Go on in a new file in place of one that is gone; returns how many frames went with it.

    Raises:
        sqlite3.Error, OSError, UnusableFile: it cannot be made; to be tried again.
    """
    writer = pipeline.writer
    gone, since = writer.path, writer.since_ns
    had = {link.session_id: link.frame_count for link in pipeline.links.values()}
    left = writer.begin_again(_open(pipeline), ts_ns)
    lost = left.frames
    _settle(pipeline)
    pipeline.recount()
    if left.whole_at:
        log.warning("%s is whole as %s; recording goes on in %s", gone, left.whole_at, writer.path)
        return 0
    pipeline.gone += lost
    why = "the file was deleted or replaced while it was recorded"
    log.error(
        "%s WAS DELETED OR REPLACED: %d frames of this recording went with it; recording goes on in %s",
        *(gone, lost, writer.path),
    )
    if lost:
        # The judge has seen them all: for it there is no gap.
        detail = {"frames": lost, "since_ns": since, "until_ns": ts_ns, "reason": why}
        writer.event(None, ts_ns, None, "gap", detail)
        for link in pipeline.links.values():
            if missing := had[link.session_id] - link.frame_count:
                detail = {"frames": missing, "since_ns": max(since, link.opened_ns), "until_ns": ts_ns, "reason": why}
                writer.event(link.session_id, ts_ns, None, "gap", detail)
    return lost


def _open(pipeline: Pipeline) -> list[int]:
    return [link.session_id for link in pipeline.links.values()]


def _settle(pipeline: Pipeline) -> None:
    """Counts begin again; findings whose row is in the file before begin again when they are next made."""
    writer = pipeline.writer
    stale = writer.take_stale_recounts()  # they count anew: what waits of them is not counted with the others
    waiting, wrong = writer.waiting_by_session()
    pipeline.file += 1
    for link in pipeline.links.values():
        frames, errors = writer.session_counts(link.session_id)
        link.frame_count = frames + waiting[link.session_id]
        link.error_count = errors + wrong[link.session_id]
        link.last_frame_id = writer.here(link.last_frame_id)
        link.file = pipeline.file
        for finding in link.judge.findings():
            gone = finding.finding_id is not None and finding.finding_id < writer.begins["findings"]
            if gone and not any(finding is one for one in stale):
                finding.begin_again()
    for finding in stale:
        renew(finding)
        finding.count = max(1, len(finding.new_frames))  # at least: the file that is gone had the count before
        owner = finding.session.label if finding.session else None
        if owner is not None and owner in pipeline.links.values():
            pipeline.found(owner, [finding])
    pipeline.derivation.forget(writer.begins["transactions"])
