"""Run a recorder in a process of its own: read batches of records from a socket, commit and acknowledge them.

`inspector.recorder.worker.supervisor` starts this process; it is not a command for users. It ends when its relay closes
the socket, after committing everything that has arrived: if a relay is killed, the records that it has sent are stored.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import select
import signal
import socket
import sqlite3
import sys
import time
import traceback
from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from types import TracebackType

from inspector import log_format
from inspector.errors import UnusableFile
from inspector.recorder import rollover
from inspector.recorder.counted_pipeline import CountedPipeline
from inspector.recorder.pipeline import Pipeline
from inspector.recorder.progress_page import ProgressPage
from inspector.recorder.recorder import CommitFigures
from inspector.recorder.restore import restore
from inspector.recorder.worker import wire
from inspector.records import Record
from inspector.redaction.redactor import Redactor
from inspector.store.reading.stored_records import reread
from inspector.store.writing.writer import Writer

log = logging.getLogger("chargesentinel.recorder")

GATHER_S, COMMIT_AFTER_S = 0.002, 0.008
"""How long records gather in the socket before they are read, and then how long they wait for their commit: 10 ms in
all. Waking up for each record would take as long as judging it. Records in the socket survive the death of the relay.
"""
MUCH = 16 * 1024
"""If one read returns more bytes than this, many records are coming, and the next read follows at once."""
POSTPONED_S = 0.08
"""While many records are coming, a commit waits so much longer: with fewer commits the recorder catches up sooner."""
COMMIT_AT_MOST = 4000
"""After so many records, commit at once. A commit should be large, because it rewrites index pages of each session."""
TICK_EVERY_S = 0.5
CLEAR_AFTER = 200
"""Memory is collected only after so many sessions have closed, because that may take some tenths of a second."""
RETRY_EVERY_S = 0.5
PENDING_LIMIT = 32 * 1024 * 1024
"""Reading pauses while so many bytes wait to be written to disk. Then records wait in the relay, within its limit."""
RESTORED_FRAMES = 20_000
"""After a restart, at most so many frames are read back to rebuild the judge's state; at 15 µs each, this takes 0.3 s.
"""
RESTORED_BYTES = 64 * 1024 * 1024
"""These frames may have so many bytes together, so that large frames do not take longer."""

_READ = 1 << 18


class Process:
    """Receives records from the relay's socket, records them, and acknowledges their commits."""

    def __init__(self, connection: socket.socket, setup: wire.Setup, page: ProgressPage) -> None:
        """Open the recording that `setup` names; `page` shows the relay the number of the current record.

        Raises:
            UnusableFile: the recording cannot be written.
        """
        self._socket = connection
        self._page = page
        self._decoder = wire.Decoder()
        self._writer = Writer(**setup.writer, resume=setup.resume)
        redaction = Redactor(**setup.redaction)
        self._pipeline: Pipeline
        if setup.counted is None:
            self._pipeline = Pipeline(self._writer, setup.settings, redaction)
        else:
            self._pipeline = CountedPipeline(self._writer, setup.settings, redaction, setup.counted)
        self._taken = self._committed = self._writer.committed()
        if self._writer.resumed and setup.resume is not None:
            restore(self._pipeline, stored(self._writer.db.conn, setup.resume))
            if isinstance(self._pipeline, CountedPipeline):
                self._pipeline.note_open_transactions(setup.resume)
        self._path = self._writer.path
        if self._writer.rotation is None:
            # Send the real path: `setup` may name a symbolic link, which may point elsewhere after a restart.
            self._send(wire.Moved(str(self._path)))
        self._commit_at = float("inf")
        self._tick_at = time.monotonic() + TICK_EVERY_S
        self._ticked = False  # whether rules have judged by the time since the last commit
        self._failing = False
        self._ending = False
        self._cleared = 0  # how many of the closed sessions have been freed
        self._much = False
        self._commits = 0
        self._commit_seconds = 0.0

    def run(self) -> None:
        """Record until the relay sends Finish or closes the socket."""
        self._send(wire.Ready(self._committed, self._writer.recording_id, self._pipeline.stored()))
        while not self._ending:
            now = time.monotonic()
            reading = [self._socket] if self._writer.pending_bytes < PENDING_LIMIT else []
            wait = max(0.0, min(self._commit_at, self._tick_at) - now)
            readable, _, _ = select.select(reading, [], [], wait)
            self._much = self._much and bool(readable)
            if readable and not self._read():
                break
            now = time.monotonic()
            if now >= self._tick_at:
                self._tick_at = now + TICK_EVERY_S
                self._pipeline.tick(time.monotonic_ns(), time.time_ns())
                self._writer.look()
                self._free_closed_sessions()
                if isinstance(self._pipeline, CountedPipeline):
                    self._send(self._pipeline.counts.snapshot())
                self._ticked = True
                if not self._failing:
                    self._commit_at = min(self._commit_at, now)
            if now >= self._commit_at + (POSTPONED_S if self._much else 0.0):
                self._commit()
            if readable and not (self._much or self._ending):
                time.sleep(GATHER_S)
        self._end()

    def _free_closed_sessions(self) -> None:
        """Collect garbage if enough sessions have closed. They are in reference cycles, which are seldom collected."""
        closed = self._pipeline.closed - self._cleared
        if closed >= max(CLEAR_AFTER, len(self._pipeline.open_sessions)):
            self._cleared += closed
            gc.collect()

    def _read(self) -> bool:
        """Process the messages that have arrived; return False once the relay has closed the socket."""
        try:
            chunk = self._socket.recv(_READ)
        except ConnectionError:
            chunk = b""
        if not chunk:
            return False
        self._much = len(chunk) > MUCH
        for message in self._decoder.feed(chunk):
            if isinstance(message, wire.Store):
                self._take(*message)
                if self._commit_at == float("inf"):
                    self._commit_at = time.monotonic() + COMMIT_AFTER_S
                if self._taken - self._committed >= COMMIT_AT_MOST and not self._failing:
                    self._commit()
            elif isinstance(message, wire.Reopen):
                for record in message.records:
                    self._pipeline.take(record)
            elif isinstance(message, wire.Finish):
                self._ending = True
        return True

    def _take(self, first: int, batch: list[Record], measured: bool) -> None:
        """Process the records of a `wire.Store`, except those that were processed before."""
        new = batch[max(0, self._taken + 1 - first) :]
        number = max(first, self._taken + 1)
        spent: dict[int, float] = {}
        if measured:
            for session, records in groupby(new, key=attrgetter("session_number")):
                # Measure processor time, so that the work of other processes does not count for this session.
                started = time.thread_time_ns()
                run = list(records)
                self._pipeline.take_all(run, self._page, number)
                number += len(run)
                spent[session] = spent.get(session, 0.0) + (time.thread_time_ns() - started) / 1000
        else:
            self._pipeline.take_all(new, self._page, number)
        self._page.end()
        self._taken = max(self._taken, first + len(batch) - 1)
        if measured or self._much:
            self._send(wire.Taken(self._taken, spent))

    def _commit(self) -> None:
        started = time.monotonic()
        try:
            rollover.commit(self._pipeline, self._taken if self._taken > self._committed else None)
        except rollover.FAILURES as error:
            if not self._failing:
                log.error("%s: cannot write (%s); charging continues, frames wait in memory", self._writer.path, error)
                self._send(wire.Failing())
            self._failing = True
            self._commit_at = time.monotonic() + RETRY_EVERY_S
            if self._writer.gone and not self._writer.is_open:
                # The rows of open sessions are gone too. A new process gets these sessions from the relay.
                log.error("%s is gone and could not be reopened; restarting the recorder", self._writer.path)
                sys.exit(1)
            return
        if self._failing:
            log.warning("%s: writing works again", self._writer.path)
        if self._writer.path != self._path and self._writer.rotation is None:
            self._send(wire.Moved(str(self._writer.path)))
        self._path = self._writer.path
        self._failing = False
        self._commit_at = float("inf")
        self._committed = self._taken
        self._commits += 1
        self._commit_seconds += time.monotonic() - started
        if first := self._pipeline.take_first_findings():
            self._send(wire.Found(first))
        by_severity, wal_bytes = self._pipeline.by_severity, self._writer.wal_bytes
        figures = CommitFigures(self._commits, self._commit_seconds, by_severity, wal_bytes)
        self._send(wire.Committed(self._committed, self._pipeline.stored(), figures, self._pipeline.gone))
        if self._ticked:
            self._ticked = False
            rollover.rotate_if_due(self._pipeline)

    def _end(self) -> None:
        self._writer.look()
        self._commit()
        deadline = time.monotonic() + 5.0
        while self._failing and time.monotonic() < deadline:
            time.sleep(0.1)
            self._commit()
        try:
            self._writer.close(clean=self._ending and not self._failing)
        except rollover.FAILURES as error:
            log.error("%s: could not be closed (%s)", self._writer.path, error)
        self._send(wire.Finished(self._committed, self._pipeline.stored(), self._pipeline.gone))

    def _send(self, message: wire.ToRelay) -> None:
        try:
            self._socket.sendall(wire.encode(message))
        except OSError:
            return  # the relay is gone; the records that it has sent will still be stored


def stored(connection: sqlite3.Connection, recording_id: int) -> Iterator[tuple[Record, int]]:
    """Yield the latest records of a recording with their frame ids; all records might take too long."""
    connection.row_factory = sqlite3.Row
    try:
        yield from reread(connection, recording_id, RESTORED_FRAMES, RESTORED_BYTES)
    finally:
        connection.row_factory = None


def _print_place(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the traceback without the exception's message, which may quote a frame."""
    print("".join(traceback.format_tb(trace)), kind.__name__, sep="", file=sys.stderr)


def main() -> None:
    """Run the process. The arguments are the file descriptors of the relay's socket and of a ProgressPage."""
    # Ctrl-C and SIGTERM may reach the whole process group, but the relay decides when recording ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.excepthook = _print_place
    logging.basicConfig(level=logging.INFO, handlers=[log_format.start()])
    # A relay with a thousand sessions passes a number that is too high for `select`; `dup` returns the lowest free one.
    given = int(sys.argv[1])
    connection = socket.socket(fileno=os.dup(given))
    os.close(given)
    decoder = wire.Decoder()
    messages: list[wire.Message] = []
    while not messages:
        chunk = connection.recv(_READ)
        if not chunk:
            return
        messages = decoder.feed(chunk)
    setup = messages[0]
    assert isinstance(setup, wire.Setup)
    try:
        process = Process(connection, setup, ProgressPage(int(sys.argv[2])))
    except UnusableFile as refused:
        connection.sendall(wire.encode(wire.Refused(str(refused.path), refused.why, refused.remedy)))
        return
    # The objects that exist by now are never freed, so later collections need not examine them.
    gc.collect()
    gc.freeze()
    # Thousands of frames are created and freed, and they are not in cycles. With Python's default threshold, searching
    # for cycles took a tenth of all time.
    gc.set_threshold(50_000, 20, 50)
    if hasattr(os, "SCHED_BATCH"):
        # With this policy, the recorder does not interrupt the relay when records arrive.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    process.run()
    gc.freeze()


if __name__ == "__main__":
    main()
