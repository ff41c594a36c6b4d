"""Continue a recording in a new file: at a rotation, or because the file was deleted or replaced."""

from __future__ import annotations

import logging
import sqlite3
import time

from inspector.errors import ChargeSentinelError
from inspector.recorder.finding_rows import begin_new_row
from inspector.recorder.pipeline import Pipeline
from inspector.store.writing.writer import RecordingGone

log = logging.getLogger("chargesentinel.recorder")


FAILURES = (sqlite3.Error, OSError, ChargeSentinelError)
"""The exceptions of a disk that cannot be written. Nothing is lost then: the rows wait for the next commit."""

BROKEN = ("SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_CANTOPEN")
"""Errors that an open SQLite connection may repeat for ever, even after the disk works again."""
RETRY_AFTER_NS = 60 * 10**9


def commit(pipeline: Pipeline, committed: int | None = None) -> None:
    """Write everything processed so far to disk, in a new file if the current one is gone.

    `committed` is the number of the last record, as in `Pipeline.commit`.

    Raises:
        one of FAILURES: nothing was written; the rows wait for the next commit.
    """
    if not pipeline.writer.gone:
        try:
            pipeline.commit(committed)
            return
        except RecordingGone:
            pass
        except sqlite3.Error as error:
            closed = isinstance(error, sqlite3.ProgrammingError)  # the last attempt to reopen the file failed
            if closed or getattr(error, "sqlite_errorname", "").startswith(BROKEN):
                pipeline.writer.reopen()
            raise
    begin_again(pipeline, time.time_ns())
    pipeline.commit(committed)


def rotate_if_due(pipeline: Pipeline) -> None:
    """Continue in the next file if a rotation is due; if that file cannot be created, continue in the current one."""
    now, writer = time.time_ns(), pipeline.writer
    if writer.waiting or not writer.rotation_due(now):
        return
    try:
        if writer.rotation is not None and not writer.rotation.worth_it(writer.db.conn, now):
            return
        rotate(pipeline, now)
    except FAILURES as error:
        writer.rotate_after_ns = now + RETRY_AFTER_NS
        log.error("%s: cannot make the next file (%s); recording continues in this one", writer.path, error)


def rotate(pipeline: Pipeline, ts_ns: int) -> None:
    """Continue in the next file; everything must be committed.

    Raises:
        sqlite3.Error, OSError, UnusableFile: the next file cannot be created; recording continues in the current one.
    """
    left = pipeline.writer.rotate(_open_session_ids(pipeline), ts_ns)
    _recount_sessions(pipeline)
    log.info("%s is complete; recording continues in %s", left, pipeline.writer.path.name)


def begin_again(pipeline: Pipeline, ts_ns: int) -> int:
    """Continue in a new file in place of one that is gone; return how many frames were lost with it.

    Raises:
        sqlite3.Error, OSError, UnusableFile: the new file cannot be created; try again later.
    """
    writer = pipeline.writer
    gone, since = writer.path, writer.since_ns
    had = {session.session_id: session.frame_count for session in pipeline.open_sessions.values()}
    left = writer.begin_again(_open_session_ids(pipeline), ts_ns)
    lost = left.frames
    _recount_sessions(pipeline)
    pipeline.recount()
    if left.whole_at:
        log.warning("%s was moved to %s and is complete; recording continues in %s", gone, left.whole_at, writer.path)
        return 0
    pipeline.gone += lost
    why = "the file was deleted or replaced while it was recorded"
    log.error(
        "%s WAS DELETED OR REPLACED: %d frames of this recording are lost with it; recording continues in %s",
        *(gone, lost, writer.path),
    )
    if lost:
        # The judge has seen all of these frames, so do not report this gap to it.
        detail = {"frames": lost, "since_ns": since, "until_ns": ts_ns, "reason": why}
        writer.event(None, ts_ns, None, "gap", detail)
        for session in pipeline.open_sessions.values():
            if missing := had[session.session_id] - session.frame_count:
                detail = {
                    "frames": missing,
                    "since_ns": max(since, session.opened_ns),
                    "until_ns": ts_ns,
                    "reason": why,
                }
                writer.event(session.session_id, ts_ns, None, "gap", detail)
    return lost


def _open_session_ids(pipeline: Pipeline) -> list[int]:
    return [session.session_id for session in pipeline.open_sessions.values()]


def _recount_sessions(pipeline: Pipeline) -> None:
    """Set the counts of open sessions to those of the new file; give findings with rows in earlier files new rows."""
    writer = pipeline.writer
    stale = writer.take_stale_recounts()  # must precede `waiting_by_session`, which would count them a second time
    waiting, wrong = writer.waiting_by_session()
    pipeline.file += 1
    for session in pipeline.open_sessions.values():
        frames, errors = writer.session_counts(session.session_id)
        session.frame_count = frames + waiting[session.session_id]
        session.error_count = errors + wrong[session.session_id]
        session.last_frame_id = writer.here(session.last_frame_id)
        session.file = pipeline.file
        for finding in session.judge.findings():
            gone = finding.finding_id is not None and finding.finding_id < writer.begins["findings"]
            if gone and not any(finding is one for one in stale):
                finding.begin_again()
    for finding in stale:
        begin_new_row(finding)
        finding.count = max(1, len(finding.new_frames))  # do not count again what an earlier file has counted
        owner = finding.session.label if finding.session else None
        if owner is not None and owner in pipeline.open_sessions.values():
            pipeline.store_findings(owner, [finding])
    pipeline.derivation.forget_transactions_below(writer.begins["transactions"])
