"""Run a recorder process for the relay: send it records, keep them until they are stored, restart it if it dies."""

from __future__ import annotations

import asyncio
import logging
import select
import subprocess
import time
from collections.abc import Callable
from typing import Any

from inspector.errors import UnusableFile
from inspector.recorder.recorder import CommitFigures, FirstFinding, Status, StoredCounts, Summary
from inspector.recorder.traffic import Traffic
from inspector.recorder.worker import wire
from inspector.recorder.worker.backlog import Backlog
from inspector.recorder.worker.backpressure import Backpressure
from inspector.recorder.worker.ending import GIVE_UP_S, LOOK_EVERY_S, Ending, gaps_in_place_of
from inspector.recorder.worker.intake import Intake
from inspector.recorder.worker.launch import launch
from inspector.recorder.worker.suspects import Suspects
from inspector.records import GapRecord, Record
from inspector.rules.settings import DEFAULTS, Settings

log = logging.getLogger("chargesentinel.recorder")

DEFAULT_QUEUE_LIMIT = 256 * 1024 * 1024
"""At most so many bytes wait for the recorder process; beyond that, frames are counted as lost."""
RESTART_AFTER_S = (0.05, 0.2, 1.0, 5.0)
"""How long to wait before the first, second, … restart in a row; the last value repeats."""
RETRY_AT_END_S = 0.5
"""How long to wait before each restart while the recording is being closed."""

_READ = 1 << 16
_START_TIMEOUT_S = 20.0


class SupervisedRecorder:
    """Sends records to a recorder process, from the relay's event loop.

    Each record is kept until the process has acknowledged its commit. If the process dies, another one is started and
    gets the records that the first one has not acknowledged. Relaying continues meanwhile.
    """

    def __init__(
        self,
        writer: dict[str, Any],
        settings: Settings = DEFAULTS,
        *,
        redaction: dict[str, Any] | None = None,
        queue_limit: int = DEFAULT_QUEUE_LIMIT,
        lossless: bool = False,
        meanwhile: Callable[[], None] = lambda: None,
        counted: int | None = None,
    ) -> None:
        """Start the process and wait until it has opened the recording.

        Args:
            writer: the arguments of `store.writing.writer.Writer`.
            settings: settings of the rules.
            redaction: the arguments of `redaction.redactor.Redactor`.
            queue_limit: how many bytes may wait for the process.
            meanwhile: called while the process starts.
            lossless: let peers that send a lot wait even while the recorder does not work.
            counted: as in `wire.Setup`.

        Raises:
            UnusableFile: the recording cannot be written.
        """
        self._setup = wire.Setup(writer, settings, redaction or {}, None, counted)
        self._traffic = Traffic() if counted is not None else None
        self._backlog = Backlog(queue_limit)
        self._suspects = Suspects(self._backlog)
        watch = self._suspects.watch
        self._backpressure = Backpressure(self._backlog, queue_limit, lambda: watch.busy, always=lossless)
        self._intake = Intake(self._backlog, queue_limit, self._backpressure.watch_from_bytes)
        self._counts = StoredCounts()
        self._dropped_before = 0  # derived rows that processes before the current one could not store
        self._gone = 0  # frames in files that somebody deleted, and frames that a process could not store
        self._gone_before = 0  # the part of `_gone` from processes before the current one
        self._unstored = 0  # frames that were still waiting when recording ended
        self._failing = False
        self._figures = CommitFigures()
        self._out = memoryview(b"")
        self.on_findings: Callable[[list[FirstFinding]], None] = lambda findings: None
        self._scheduled = self._ready = self._closed = False
        self._restarts = 0
        self._ending: list[subprocess.Popen[bytes]] = []  # earlier processes that have not yet exited
        self._loop: asyncio.AbstractEventLoop | None = None
        self._start()
        meanwhile()
        message = self._wait_for(wire.Ready, wire.Refused)
        if isinstance(message, wire.Ready):
            self._on_ready(message)
        elif isinstance(message, wire.Refused):
            self._process.wait(5)
            raise UnusableFile(*message)
        else:
            raise UnusableFile(str(writer["path"]), "the recorder process did not start", "see the lines above")

    @property
    def pid(self) -> int:
        """The process id of the current recorder process."""
        return self._process.pid

    @property
    def waiting(self) -> int:
        """How many records are not acknowledged yet."""
        return len(self._backlog)

    def status(self) -> Status:
        """Return the current state; see `recorder.Recorder`."""
        working = self._ready and not self._failing and not self._backpressure.hangs()
        figures = {**self._figures._asdict(), "dropped": self._counts.dropped, "traffic": self._traffic}
        return Status(working, self.waiting, self._backlog.bytes, self._lost_all, **figures)

    def put(self, record: Record) -> None:
        """Accept one record; see `recorder.Recorder`."""
        if self._backlog.bytes > self._intake.bound:
            self._intake.take(record)
        else:
            self._backlog.keep(record)
        if not self._scheduled:
            self._schedule()

    @property
    def _lost_all(self) -> int:
        return self._intake.lost + self._gone + self._unstored

    def _schedule(self) -> None:
        loop = self._loop
        if loop is None:
            try:
                loop = self._loop = asyncio.get_running_loop()
            except RuntimeError:
                return  # no event loop is running yet; the next `put` or `close` will send this record
            loop.add_reader(self._socket, self._readable)
        self._scheduled = True
        loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Send as many of the unsent records as the socket accepts."""
        self._scheduled = False
        self._apply_backpressure()
        if self._loop is not None and not self._closed:
            self._suspects.watch_process(self._loop, self._kill)
        while self._ready:
            if not self._out:
                if not self._backlog.may_send:
                    return
                batch = self._backlog.batch()
                message = wire.Store(batch.first, batch.records, batch.stations is not None)
                self._out = memoryview(wire.encode(message))
            try:
                taken = self._socket.send(self._out)
            except BlockingIOError:
                taken = 0
            except OSError:
                return  # the process has ended; `_readable` will notice and restart it
            self._out = self._out[taken:]
            if self._out:
                if self._loop is not None and not self._closed:
                    self._scheduled = True
                    self._loop.add_writer(self._socket, self._writable)
                return

    def _kill(self) -> None:
        if self._ready and not self._closed:
            self._process.kill()

    def _writable(self) -> None:
        assert self._loop is not None
        self._loop.remove_writer(self._socket)
        self._flush()

    def _readable(self) -> None:
        try:
            chunk = self._socket.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._died()
            return
        for message in self._decoder.feed(chunk):
            self._on_message(message)

    def _on_message(self, message: wire.Message) -> None:
        if isinstance(message, wire.Ready):
            self._on_ready(message)
            self._schedule_soon()
        elif isinstance(message, wire.Taken):
            self._backpressure.note_progress()
            self._backlog.note_taken(message.number, message.spent_us)
            self._schedule_soon()
        elif isinstance(message, wire.Committed | wire.Finished):
            self._acknowledge(message.number)
            self._counts = message.counts._replace(dropped=message.counts.dropped + self._dropped_before)
            self._gone = self._gone_before + message.gone
            self._restarts = 0
            if isinstance(message, wire.Committed):
                self._failing, self._figures = False, message.figures
            self._apply_backpressure()
            if self._backlog.unsent:
                self._schedule_soon()
        elif isinstance(message, wire.Found):
            self.on_findings(message.findings)
        elif isinstance(message, wire.Moved):
            self._setup.writer["path"] = message.path
        elif isinstance(message, Traffic):
            self._traffic = message
        elif isinstance(message, wire.Failing):
            self._failing = True
        elif isinstance(message, wire.Refused):
            log.error("%s: %s; trying again", message.path, message.why)

    def _acknowledge(self, number: int) -> None:
        if number > self._backlog.acknowledged:
            self._backpressure.note_progress()
        self._backlog.acknowledge(number)
        self._intake.make_room()

    def _start(self) -> None:
        self._suspects.note_process_ended()
        self._process, self._socket = launch(self._suspects.page.descriptor)
        self._decoder = wire.Decoder()
        self._out = memoryview(b"")
        self._ready = False
        self._gone_before, self._dropped_before = self._gone, self._counts.dropped
        self._socket.sendall(wire.encode(self._setup))
        self._socket.setblocking(False)

    def _on_ready(self, message: wire.Ready) -> None:
        if (lost := self._counts.frames - message.counts.frames) > 0:
            # The file was deleted while no process had it open: its frames and the rows of sessions are lost.
            self._gone = self._gone_before = self._gone_before + lost
            log.error("THE RECORDING WAS DELETED while its recorder was restarted: %d frames are lost with it", lost)
            why = {"reason": "the file was deleted while its recorder was restarted"}
            # Add it to the backlog like any other record, so that it is stored even if this process dies first.
            self._backlog.keep(GapRecord(0, time.time_ns(), time.monotonic_ns(), lost, 0, why))
        self._counts = message.counts._replace(dropped=self._dropped_before)
        self._setup = self._setup._replace(resume=message.recording_id)
        self._ending = [process for process in self._ending if process.poll() is None]
        self._acknowledge(message.committed)
        open_sessions = self._backlog.send_again()
        self._suspects.note_process_started(self._process.pid)
        self._backpressure.note_progress()
        self._out = memoryview(wire.encode(wire.Reopen(open_sessions)) if open_sessions else b"")
        self._ready = True

    def _schedule_soon(self) -> None:
        if self._loop is not None and not (self._scheduled or self._closed):
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _died(self) -> None:
        """Schedule the start of another process after the current one has ended unexpectedly."""
        assert self._loop is not None
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        self._ready = self._scheduled = False
        self._apply_backpressure()
        code = self._process.poll()
        wait = RESTART_AFTER_S[min(self._restarts, len(RESTART_AFTER_S) - 1)]
        self._restarts += 1
        log.error("the recorder process ended (exit code %s); restarting it (%d records wait)", code, self.waiting)
        if not self._closed:
            self._loop.call_later(wait, self._restart)

    def _restart(self) -> None:
        if self._closed or self._loop is None:
            return
        try:
            self._start_again()
        except OSError as error:  # no file descriptor, process or memory is free: try again later
            log.error("cannot start the recorder process (%s); trying again (%d records wait)", error, self.waiting)
            self._loop.call_later(RESTART_AFTER_S[-1], self._restart)
            return
        self._loop.add_reader(self._socket, self._readable)

    def _start_again(self) -> None:
        if self._process.poll() is None and self._process not in self._ending:
            self._ending.append(self._process)  # its socket is closed, but it may take a while to exit
        self._start()

    def _wait_for(self, *kinds: type[wire.ToRelay], timeout: float = _START_TIMEOUT_S) -> wire.Message | None:
        """Block until the process sends a message of one of these kinds; return None if it does not, or has ended."""
        deadline = time.monotonic() + timeout
        # Do not use `select`: with hundreds of open sessions, the file descriptor may be too high for it.
        poll = select.poll()
        found: wire.Message | None = None
        while (left := deadline - time.monotonic()) > 0:
            poll.register(self._socket, select.POLLIN | (select.POLLOUT if self._out else 0))
            ready = sum(event for _, event in poll.poll(left * 1000))
            if ready & select.POLLOUT:
                self._flush()
            if not ready & ~select.POLLOUT:
                continue
            try:
                chunk = self._socket.recv(_READ)
            except OSError:
                return None
            if not chunk:
                return None
            for message in self._decoder.feed(chunk):
                if not isinstance(message, wire.Ready | wire.Refused):
                    self._on_message(message)
                if isinstance(message, kinds):
                    found = message  # return the last one: if Finished has arrived, it is that
            if found is not None:
                return found
            self._flush()
        return None

    def when_behind(self, hold: Callable[[int, bool], None]) -> None:
        """Set the function that is called if a session has to wait for the process; see `recorder.Recorder`."""
        self._backlog.fair.hold = hold

    def _apply_backpressure(self) -> None:
        if not self._closed:
            self._backpressure.update(not self._failing, self._ready, self._loop)

    def close(self, timeout: float = 10.0, progress: Callable[[int], bool] | None = None) -> Summary:
        """Store the waiting records, end the recording and return how much was stored; see `recorder.Recorder`."""
        if self._closed:
            return self._summary()
        self._closed = True
        self._backlog.fair.hold = None  # all sessions have ended
        if self._loop is not None and not self._loop.is_closed() and self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
        ending = Ending(timeout, progress)
        finished = self._finish(ending)
        while not finished and self._may_continue(ending):
            # It was killed, or the previous process has not yet exited and still has the file locked.
            log.error("the recorder did not end cleanly; restarting it (%d records wait)", self.waiting)
            self._end_process(0.1)
            time.sleep(RETRY_AT_END_S)
            finished = self._finish(ending)
        if not (finished or self._failing):
            self._give_up(hangs=not ending.given_up)
        self._end_process(0.5)
        self._unstored += self._backlog.frames
        return self._summary()

    def _may_continue(self, ending: Ending) -> bool:
        return ending.may_continue(self._backlog.acknowledged, len(self._backlog))

    def _finish(self, ending: Ending) -> bool:
        """Let the process store all waiting records and exit; return False if it dies or may not continue."""
        if self._socket.fileno() < 0:
            try:
                self._start_again()
            except OSError:
                return False
        asked = False
        while self._may_continue(ending):
            if self._ready:
                self._intake.make_room(over=True)
            if self._ready and not (asked or self._out or self._backlog.unsent):
                self._out, asked = memoryview(wire.encode(wire.Finish())), True
            self._flush()
            kinds = (wire.Ready, wire.Refused, wire.Committed, wire.Finished)
            message = self._wait_for(*kinds, timeout=LOOK_EVERY_S)
            if isinstance(message, wire.Ready):
                self._on_ready(message)
            elif isinstance(message, wire.Refused):
                self._on_message(message)
                return False
            elif isinstance(message, wire.Finished):
                return True
            elif message is None and self._process.poll() is not None:
                return False
        return False

    def _give_up(self, *, hangs: bool) -> None:
        """Let the process store gaps in place of the waiting records and exit; if it `hangs`, replace it first."""
        if hangs:
            self._process.kill()
            self._end_process(0.5)
            self._backlog.send_again()
        gaps, lost = gaps_in_place_of(self._backlog.drop_unsent())
        self._unstored += lost
        for record in gaps:
            self._backlog.keep(record)
        self._finish(Ending(_START_TIMEOUT_S if hangs else GIVE_UP_S))

    def _end_process(self, seconds: float) -> None:
        self._socket.close()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _summary(self) -> Summary:
        return Summary(*self._counts, lost=self._lost_all)
