"""The recorder as a process of its own: reads batches of records from a socket, commits, acknowledges.

`inspector.recorder.worker.supervisor` starts `python -m inspector.recorder.worker.process FD`; people never do. It ends
when its relay closes the socket: what has come is committed first, so a relay that is killed loses nothing that it
has handed over.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import marshal
import os
import select
import signal
import socket
import sqlite3
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import fields
from itertools import groupby
from operator import itemgetter
from types import TracebackType
from typing import Any

from inspector.errors import UnusableFile
from inspector.recorder import rollover
from inspector.recorder.pipeline import Pipeline
from inspector.recorder.progress_page import ProgressPage
from inspector.recorder.taking import take
from inspector.records import Record
from inspector.redaction.redactor import Redactor
from inspector.rules.finding import Severity
from inspector.rules.settings import Settings
from inspector.store.stored_records import reread
from inspector.store.writer import Writer

log = logging.getLogger("chargesentinel.recorder")

GATHER_S, COMMIT_AFTER_S = 0.002, 0.008
"""How long records gather in the socket before they are taken, and then before their commit: 10 ms in all. To wake up
for each one would cost as much as judging it; what is in the socket outlives the relay."""
MUCH = 16 * 1024
"""Bytes read at once that are more than gathers in that time: there is no need to wait for more."""
POSTPONED_S = 0.08
"""How much longer a commit may wait while so much is coming: the fewer commits, the sooner it catches up."""
COMMIT_AT_MOST = 4000
"""Records of one commit: more than come in that time. Each commit writes a page of every session's index anew."""
TICK_EVERY_S = 0.5
CLEAR_AFTER = 200
"""Closed sessions that may wait to be freed; to look through all that is in memory takes up to tenths of a second."""
RETRY_EVERY_S = 0.5
PENDING_LIMIT = 32 * 1024 * 1024
"""Bytes taken and not yet on disk at which reading pauses: from there on the relay keeps them, within its bound."""
RESTORED_FRAMES = 20_000
"""Frames read back to rebuild the judge's state after a restart; at some 15 µs each they cost 0.3 s."""
RESTORED_BYTES = 64 * 1024 * 1024
"""What these frames may have together, so that large ones cost no more."""

_READ = 1 << 18


def encode(message: Any) -> bytes:
    """One message as it crosses the socket: four bytes of length, then `marshal`."""
    body = marshal.dumps(message)
    return len(body).to_bytes(4, "big") + body


class Decoder:
    """Messages from chunks of bytes."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> list[Any]:
        """Take a chunk; returns the messages it completes."""
        buffer = self._buffer
        buffer += chunk
        messages, at = [], 0
        while len(buffer) - at >= 4:
            end = at + 4 + int.from_bytes(buffer[at : at + 4], "big")
            if end > len(buffer):
                break
            with memoryview(buffer) as view:
                messages.append(marshal.loads(view[at + 4 : end]))
            at = end
        del buffer[:at]
        return messages


class Process:
    """The far end of the socket."""

    def __init__(self, link: socket.socket, setup: dict[str, Any], page: ProgressPage) -> None:
        """Open the recording that `setup` names; `page` is where the relay looks for what is worked on.

        Raises:
            UnusableFile: it cannot be written.
        """
        self._link = link
        self._page = page
        self._decoder = Decoder()
        self._writer = Writer(**setup["writer"], resume=setup["resume"])
        self._pipeline = Pipeline(self._writer, settings_from(setup["settings"]), Redactor(**setup["redaction"]))
        self._taken = self._committed = self._writer.committed()
        if self._writer.resumed:
            self._pipeline.restore(stored(self._writer.db.conn, setup["resume"]))
        self._path = self._writer.path
        if self._writer.rotation is None:
            # A link may lead elsewhere by the time that this process has to be replaced.
            self._say(("moved", str(self._path)))
        self._commit_at = float("inf")
        self._tick_at = time.monotonic() + TICK_EVERY_S
        self._ticked = False  # since the last commit
        self._failing = False
        self._ending = False
        self._cleared = 0  # of the sessions that have closed
        self._much = False
        self._commits = 0
        self._commit_seconds = 0.0

    def run(self) -> None:
        """Record until the relay says it is over or is gone."""
        self._say(("ready", self._committed, self._writer.recording_id, self._pipeline.stored()))
        while not self._ending:
            now = time.monotonic()
            reading = [self._link] if self._writer.pending_bytes < PENDING_LIMIT else []
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
                self._clear_away()
                self._ticked = True
                if not self._failing:
                    self._commit_at = min(self._commit_at, now)
            if now >= self._commit_at + (POSTPONED_S if self._much else 0.0):
                self._commit()
            if readable and not (self._much or self._ending):
                time.sleep(GATHER_S)
        self._end()

    def _clear_away(self) -> None:
        """Free closed sessions, which hold each other in circles: the collector by itself comes by too rarely."""
        closed = self._pipeline.closed - self._cleared
        if closed >= max(CLEAR_AFTER, len(self._pipeline.links)):
            self._cleared += closed
            gc.collect()

    def _read(self) -> bool:
        """Take what has come; returns False once the relay is gone."""
        try:
            chunk = self._link.recv(_READ)
        except ConnectionError:
            chunk = b""
        if not chunk:
            return False
        self._much = len(chunk) > MUCH
        for kind, *content in self._decoder.feed(chunk):
            if kind == "records":
                self._take(*content)
                if self._commit_at == float("inf"):
                    self._commit_at = time.monotonic() + COMMIT_AFTER_S
                if self._taken - self._committed >= COMMIT_AT_MOST and not self._failing:
                    self._commit()
            elif kind == "again":  # the links that are open, before what was not acknowledged
                for record in content[0]:
                    self._pipeline.take(record)
            elif kind == "close":
                self._ending = True
        return True

    def _take(self, first: int, batch: list[Record], measured: bool) -> None:
        """Take a batch; `measured` asks how long each session's records take."""
        new = batch[max(0, self._taken + 1 - first) :]
        number = max(first, self._taken + 1)
        spent: dict[int, float] = {}
        if measured:
            for session, records in groupby(new, key=itemgetter(1)):
                # Processor time: what other processes take is not this session's fault.
                started = time.thread_time_ns()
                run = list(records)
                take(self._pipeline, run, self._page, number)
                number += len(run)
                spent[session] = spent.get(session, 0.0) + (time.thread_time_ns() - started) / 1000
        else:
            take(self._pipeline, new, self._page, number)
        self._page.end()
        self._taken = max(self._taken, first + len(batch) - 1)
        if measured or self._much:
            self._say(("taken", self._taken, spent))

    def _commit(self) -> None:
        started = time.monotonic()
        try:
            rollover.commit(self._pipeline, self._taken if self._taken > self._committed else None)
        except rollover.FAILURES as error:
            if not self._failing:
                log.error("%s: cannot write (%s); charging goes on, frames wait in memory", self._writer.path, error)
                self._say(("failing",))
            self._failing = True
            self._commit_at = time.monotonic() + RETRY_EVERY_S
            if self._writer.gone and not self._writer.is_open:
                # What open sessions need in another file went with this one: the relay tells it to a new process.
                log.error("%s is gone, and could not be opened before: the recorder begins anew", self._writer.path)
                sys.exit(1)
            return
        if self._failing:
            log.warning("%s: writing works again", self._writer.path)
        if self._writer.path != self._path and self._writer.rotation is None:
            self._say(("moved", str(self._writer.path)))
        self._path = self._writer.path
        self._failing = False
        self._commit_at = float("inf")
        self._committed = self._taken
        self._commits += 1
        self._commit_seconds += time.monotonic() - started
        if first := self._pipeline.take_first_findings():
            self._say(("found", first))
        figures = (self._commits, self._commit_seconds, self._pipeline.by_severity, self._writer.wal_bytes)
        self._say(("committed", self._committed, self._pipeline.stored(), figures, self._pipeline.gone))
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
        self._say(("closed", self._committed, self._pipeline.stored(), self._pipeline.gone))

    def _say(self, message: Any) -> None:
        try:
            self._link.sendall(encode(message))
        except OSError:
            return  # the relay is gone; what it handed over is stored all the same


def stored(connection: sqlite3.Connection, recording_id: int) -> Iterator[tuple[Record, int]]:
    """The latest records of a recording one by one: all of them at once may be more than there is memory."""
    connection.row_factory = sqlite3.Row
    try:
        yield from reread(connection, recording_id, RESTORED_FRAMES, RESTORED_BYTES)
    finally:
        connection.row_factory = None


def settings_to(settings: Settings) -> dict[str, Any]:
    """Settings as `marshal` can carry them."""
    values = {f.name: getattr(settings, f.name) for f in fields(settings)}
    values["severity"] = {slug: level.value for slug, level in settings.severity.items()}
    return values


def settings_from(values: dict[str, Any]) -> Settings:
    """The settings that `settings_to` made values of."""
    severity = {slug: Severity(level) for slug, level in values["severity"].items()}
    return Settings(**{**values, "severity": severity})


def _say_where(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print where we failed, and not what the exception says: it may quote a frame."""
    print("".join(traceback.format_tb(trace)), kind.__name__, sep="", file=sys.stderr)


def main() -> None:
    """Serve the socket whose descriptor is the first argument; the second is that of a `ProgressPage`."""
    # Ctrl-C reaches the whole group; the relay decides when recording ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.excepthook = _say_where
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    # The lowest number there is: a relay with a thousand sessions hands on one beyond what `select` takes.
    given = int(sys.argv[1])
    link = socket.socket(fileno=os.dup(given))
    os.close(given)
    decoder = Decoder()
    setups: list[dict[str, Any]] = []
    while not setups:
        chunk = link.recv(_READ)
        if not chunk:
            return
        setups = decoder.feed(chunk)
    try:
        process = Process(link, setups[0], ProgressPage(int(sys.argv[2])))
    except UnusableFile as refused:
        link.sendall(encode(("refused", str(refused.path), refused.why, refused.remedy)))
        return
    # What is there by now stays: no later collection, at the end above all, need look through it.
    gc.collect()
    gc.freeze()
    # Frames come and go by the thousand and hold no cycles: looking for some at every 2,000 of them cost a tenth.
    gc.set_threshold(50_000, 20, 50)
    if hasattr(os, "SCHED_BATCH"):
        # Its work comes in bulk: waking up for some more of it must not interrupt the relay.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    process.run()
    gc.freeze()


if __name__ == "__main__":
    main()
