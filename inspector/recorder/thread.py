"""A recorder in a thread of its own: group commits, and what happens when the disk fails; knows no frame's content."""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable

from inspector.recorder.door import Status, Summary
from inspector.recorder.pipeline import Pipeline
from inspector.recorder.records import FRAME, Record
from inspector.recorder.redaction import Redaction
from inspector.rules.settings import DEFAULTS, Settings
from inspector.store.writer import Writer

log = logging.getLogger("chargesentinel.recorder")

COMMIT_EVERY_S = 0.01
"""How long a frame waits for others before its commit: the most a power cut can lose."""
COMMIT_AT_MOST = 2000
"""Records in one commit."""
TICK_EVERY_S = 0.5
RETRY_EVERY_S = 0.5
DEFAULT_QUEUE_LIMIT = 256 * 1024 * 1024
"""Bytes that may wait for a disk that does not write; beyond that, frames are counted as lost."""


class ThreadRecorder:
    """Takes records from the relay's thread and stores them from its own.

    A failing disk never blocks `put`: records wait in memory up to `queue_limit` bytes, then frames are counted
    as lost, and the gap is written down as soon as writing works again.
    """

    def __init__(
        self,
        writer: Writer,
        settings: Settings = DEFAULTS,
        *,
        redaction: Redaction | None = None,
        queue_limit: int = DEFAULT_QUEUE_LIMIT,
    ) -> None:
        """Start recording into `writer`, which from now on belongs to the recorder's thread."""
        self._pipeline = Pipeline(writer, settings, redaction)
        self._writer = writer
        self._queue: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
        self._limit = queue_limit
        self._lost_all = 0
        self._lost = 0
        self._lost_since_ns = 0
        self._failing = False
        self._commits = 0
        self._commit_seconds = 0.0
        self._retry_at = 0.0
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def put(self, record: Record) -> None:
        """Hand over one record; never blocks, never raises."""
        self._queue.put(record)

    def status(self) -> Status:
        """Tell how it is doing; see `door.Recorder`."""
        waiting = self._queue.qsize() + self._writer.waiting_frames
        return Status(
            not self._failing,
            waiting,
            self._writer.pending_bytes,
            self._lost_all,
            self._commits,
            self._commit_seconds,
            self._pipeline.by_severity,
        )

    def when_behind(self, tell: Callable[[bool], None]) -> None:
        """Tell nobody: it shares its processor time with whoever puts, which paces them both."""

    def close(self, timeout: float = 10.0) -> Summary:
        """Store what is still waiting, mark a clean end and tell what was stored; see `door.Recorder`."""
        self._deadline = time.monotonic() + timeout
        self._queue.put(None)
        self._thread.join(timeout + 1)
        return self._pipeline.summary(self._lost_all)

    def _run(self) -> None:
        ticked = time.monotonic()
        ending = False
        while not ending:
            ending = self._take_some()
            now = time.monotonic()
            if now - ticked >= TICK_EVERY_S:
                ticked = now
                self._pipeline.tick(time.monotonic_ns(), time.time_ns())
            if now >= self._retry_at:
                self._commit()
        while self._failing and time.monotonic() < self._deadline:
            time.sleep(min(RETRY_EVERY_S, 0.1))
            self._commit()
        self._finish()

    def _take_some(self) -> bool:
        """Take records for one commit; returns whether the last one has come."""
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
        if record[0] == FRAME and (self._lost or self._writer.pending_bytes > self._limit):
            # From the first frame that could not be kept to the next commit that works, all are lost:
            # one gap with a beginning and an end says more than many.
            if not self._lost:
                self._lost_since_ns = record[2]
                log.error("RECORDING STOPPED: %d bytes wait for the disk; frames are being lost", self._limit)
            self._lost += 1
            self._lost_all += 1
            return
        self._pipeline.take(record)

    def _commit(self) -> None:
        started = time.monotonic()
        try:
            self._pipeline.commit()
        except sqlite3.Error as error:
            if not self._failing:
                log.error("%s: cannot write (%s); charging goes on, frames wait in memory", self._writer.path, error)
            self._failing = True
            self._retry_at = time.monotonic() + RETRY_EVERY_S
            return
        self._commits += 1
        self._commit_seconds += time.monotonic() - started
        if self._failing:
            self._failing = False
            log.warning("%s: writing works again", self._writer.path)
        self._retry_at = 0.0
        if self._lost:
            self._pipeline.lost(self._lost, self._lost_since_ns, time.time_ns(), time.monotonic_ns())
            log.warning("recording resumes after a gap of %d frames", self._lost)
            self._lost = 0

    def _finish(self) -> None:
        if self._failing:
            waiting = self._writer.waiting_frames
            self._lost_all += waiting
            log.error("%s: could not be written; %d frames are not stored", self._writer.path, waiting)
        try:
            self._writer.close(clean=not self._failing)
        except sqlite3.Error as error:
            log.error("%s: could not be closed (%s)", self._writer.path, error)
