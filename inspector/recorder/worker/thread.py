"""Run a recorder in a thread of its own: decide when to commit, and keep records in memory while the disk fails."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable

from inspector.recorder import rollover
from inspector.recorder.pipeline import Pipeline
from inspector.recorder.recorder import FirstFinding, Status, Summary
from inspector.recorder.worker.ending import GIVE_UP_S, LOOK_EVERY_S, Ending, gaps_in_place_of
from inspector.recorder.worker.overflow import Overflow
from inspector.records import FrameRecord, Record
from inspector.redaction.redactor import Redactor
from inspector.rules.settings import DEFAULTS, Settings
from inspector.store.writing.writer import Writer

log = logging.getLogger("chargesentinel.recorder")

COMMIT_EVERY_S = 0.01
"""A frame waits so long for others before their commit; a power cut can lose the frames of this time."""
COMMIT_AT_MOST = 2000
"""At most so many records are committed together."""
TICK_EVERY_S = 0.5
RETRY_EVERY_S = 0.5
DEFAULT_QUEUE_LIMIT = 256 * 1024 * 1024
"""So many bytes may wait in memory while the disk cannot be written; beyond that, frames are counted as lost."""
_RECORD_BYTES = 200


class ThreadRecorder:
    """Accepts records from another thread and stores them in a thread of its own.

    A failing disk never blocks `put`: records wait in memory up to `queue_limit` bytes. Beyond that, frames are counted
    as lost, and a gap is stored as soon as writing works again.
    """

    on_findings: Callable[[list[FirstFinding]], None]
    """Never called: users of this recorder read the findings from the file."""

    def __init__(
        self,
        writer: Writer,
        settings: Settings = DEFAULTS,
        *,
        redaction: Redactor | None = None,
        queue_limit: int = DEFAULT_QUEUE_LIMIT,
    ) -> None:
        """Start recording into `writer`. From then on, only the recorder's thread may use `writer`."""
        self._pipeline = Pipeline(writer, settings, redaction)
        self._writer = writer
        self._queue: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
        self._overflow = Overflow(queue_limit)  # used only by the thread that calls `put`
        self._unstored = 0
        self._put_bytes = self._put_frames = 0  # written by the thread that calls `put`
        self._taken_bytes = self._stored_bytes = 0  # written by the recorder's thread
        self._failing = False
        self._commits = 0
        self._commit_seconds = 0.0
        self._retry_at = 0.0
        self._giving_up = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def put(self, record: Record) -> None:
        """Accept one record; see `recorder.Recorder`."""
        waiting = self._put_bytes - self._stored_bytes
        if self._overflow.losing and waiting < self._overflow.limit // 2:
            for gap in self._overflow.end_gap(record.ts_ns, record.mono_ns):
                self._keep(gap)
        if self._overflow.losing or waiting > self._overflow.limit:
            for kept in self._overflow.lose(record, waiting):
                self._keep(kept)
        else:
            self._keep(record)

    def _keep(self, record: Record) -> None:
        self._put_frames += isinstance(record, FrameRecord)
        self._put_bytes += _size(record)
        self._queue.put(record)

    def status(self) -> Status:
        """Return the current state; see `recorder.Recorder`."""
        return Status(
            not self._failing,
            self._queue.qsize() + self._writer.waiting_frames,
            self._put_bytes - self._stored_bytes,
            self._lost_all,
            self._commits,
            self._commit_seconds,
            self._pipeline.by_severity,
            self._writer.wal_bytes,
            self._writer.dropped.total(),
        )

    @property
    def _lost_all(self) -> int:
        return self._overflow.lost_all + self._pipeline.gone + self._unstored

    def when_behind(self, hold: Callable[[int, bool], None]) -> None:
        """Ignore `hold`: because of Python's lock, only one thread runs at a time, so `put` cannot get far ahead."""

    def close(self, timeout: float = 10.0, progress: Callable[[int], bool] | None = None) -> Summary:
        """Store the waiting records, end the recording and return how much was stored; see `recorder.Recorder`."""
        if self._overflow.losing:
            for gap in self._overflow.end_gap(time.time_ns(), time.monotonic_ns()):
                self._keep(gap)
        self._queue.put(None)
        ending = Ending(timeout, progress)
        while self._thread.is_alive() and ending.may_continue(self._stored_bytes, self._queue.qsize()):
            self._thread.join(LOOK_EVERY_S)
        self._giving_up = True
        self._thread.join(GIVE_UP_S)
        self._unstored = max(0, self._put_frames - self._pipeline.stored().frames - self._pipeline.gone)
        return self._pipeline.summary(self._lost_all)

    def _run(self) -> None:
        ticked = time.monotonic()
        ending = False
        while not ending:
            ending = self._giving_up or self._take_some()
            now = time.monotonic()
            if ending:
                self._writer.look()
            if now - ticked >= TICK_EVERY_S:
                ticked = now
                self._pipeline.tick(time.monotonic_ns(), time.time_ns())
                self._writer.look()
            if now >= self._retry_at:
                self._commit()
            if now == ticked and not self._failing:
                rollover.rotate_if_due(self._pipeline)
        while self._failing and not self._giving_up:
            time.sleep(min(RETRY_EVERY_S, 0.1))
            self._commit()
        if self._giving_up:
            self._give_up()
        self._finish()

    def _give_up(self) -> None:
        """Store gaps in place of the records that still wait in the queue."""
        records = []
        with contextlib.suppress(queue.Empty):
            while True:
                records.append(self._queue.get_nowait())
        self._pipeline.take_all(gaps_in_place_of(record for record in records if record is not None)[0])
        self._commit()

    def _take_some(self) -> bool:
        """Process records for one commit; return True after the last record of the recording."""
        try:
            record = self._queue.get(timeout=TICK_EVERY_S)
        except queue.Empty:
            return False
        until = time.monotonic() + COMMIT_EVERY_S
        for _ in range(COMMIT_AT_MOST):
            if record is None:
                return True
            self._take(record)
            left = until - time.monotonic()
            try:
                record = self._queue.get(timeout=left) if left > 0 else self._queue.get_nowait()
            except queue.Empty:
                return False
        if record is None:
            return True
        self._take(record)
        return False

    def _take(self, record: Record) -> None:
        self._taken_bytes += _size(record)
        self._pipeline.take_all([record])

    def _commit(self) -> None:
        started = time.monotonic()
        try:
            rollover.commit(self._pipeline)
        except rollover.FAILURES as error:
            if not self._failing:
                log.error("%s: cannot write (%s); charging continues, frames wait in memory", self._writer.path, error)
            self._failing = True
            self._retry_at = time.monotonic() + RETRY_EVERY_S
            return
        self._commits += 1
        self._commit_seconds += time.monotonic() - started
        if self._failing:
            self._failing = False
            log.warning("%s: writing works again", self._writer.path)
        self._retry_at = 0.0
        self._stored_bytes = self._taken_bytes

    def _finish(self) -> None:
        if self._failing:
            waiting = self._writer.waiting_frames
            log.error("%s: could not be written; %d frames are not stored", self._writer.path, waiting)
        try:
            self._writer.close(clean=not self._failing)
        except rollover.FAILURES as error:
            log.error("%s: could not be closed (%s)", self._writer.path, error)


def _size(record: Record) -> int:
    return _RECORD_BYTES + (len(record.payload) if isinstance(record, FrameRecord) else 0)
