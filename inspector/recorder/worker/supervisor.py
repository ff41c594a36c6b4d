"""The door to a recorder process: hands over, keeps until acknowledged, restarts it; knows nothing of frames."""

from __future__ import annotations

import asyncio
import logging
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from inspector.errors import UnusableFile
from inspector.recorder.recorder import FirstFinding, Status, Summary
from inspector.recorder.worker.backlog import Backlog
from inspector.recorder.worker.backpressure import Pacing
from inspector.recorder.worker.ending import GIVE_UP_S, LOOK_EVERY_S, Ending, gaps_in_place_of
from inspector.recorder.worker.intake import Intake
from inspector.recorder.worker.process import Decoder, encode, settings_to
from inspector.recorder.worker.suspects import Suspects
from inspector.records import Record, gap
from inspector.rules.settings import DEFAULTS, Settings

log = logging.getLogger("chargesentinel.recorder")

DEFAULT_QUEUE_LIMIT = 256 * 1024 * 1024
"""Bytes kept for a recorder that does not acknowledge; beyond that, frames are counted as lost."""
RESTART_AFTER_S = (0.05, 0.2, 1.0, 5.0)
"""How long to wait before each restart in a row; the last one repeats."""
RETRY_AT_END_S = 0.5
"""How long to wait before each restart once recording is to end."""

_READ = 1 << 16
_START_TIMEOUT_S = 20.0


class SupervisedRecorder:
    """Puts records to a recorder process from the relay's event loop.

    Each record is kept until the process has acknowledged its commit. If the process dies it is started again and
    sent what it had not acknowledged; meanwhile relaying goes on.
    """

    def __init__(
        self,
        writer: dict[str, Any],
        settings: Settings = DEFAULTS,
        *,
        redaction: dict[str, Any] | None = None,
        queue_limit: int = DEFAULT_QUEUE_LIMIT,
        lossless: bool = False,
    ) -> None:
        """Start the process and wait until its file is open; `writer` are the arguments of `store.writer.Writer`.

        With `lossless` peers that send much wait for a recorder that does not work, too.

        Raises:
            UnusableFile: the recording cannot be written.
        """
        self._setup = {"writer": writer, "settings": settings_to(settings), "redaction": redaction or {}}
        self._backlog = Backlog(queue_limit)
        self._suspects = Suspects(self._backlog)
        self._pacing = Pacing(self._backlog, queue_limit, lambda: self._suspects.watch.busy, always=lossless)
        self._intake = Intake(self._backlog, queue_limit, self._pacing.look_from)
        self._counts = (0, 0, 0, 0, 0)  # as of `Pipeline.stored`
        self._dropped_before = 0  # derived rows, by processes before the one that runs now
        self._gone = 0  # frames stored in files that others deleted, and records the process could not take
        self._gone_before = 0  # of them, those before the process that runs now
        self._unstored = 0  # frames that were still waiting at the end
        self._failing = False
        self._figures: tuple[int, float, dict[str, int], int] = (0, 0.0, {}, 0)
        self._out = memoryview(b"")
        self.tell_found: Callable[[list[FirstFinding]], None] = lambda found: None
        self._scheduled = self._ready = self._closed = False
        self._restarts = 0
        self._ending: list[subprocess.Popen[bytes]] = []  # recorders before this one, until the system lets go of them
        self._loop: asyncio.AbstractEventLoop | None = None
        self._recording_id: int | None = None
        self._start()
        message = self._wait_for("ready", "refused")
        if message is None:
            raise UnusableFile(str(writer["path"]), "the recorder process did not start", "see the lines above")
        if message[0] == "refused":
            self._process.wait(5)
            raise UnusableFile(*message[1:])
        self._is_ready(message)

    @property
    def pid(self) -> int:
        """The process id of the recorder that runs now."""
        return self._process.pid

    @property
    def waiting(self) -> int:
        """Records handed over and not acknowledged."""
        return len(self._backlog)

    def status(self) -> Status:
        """Tell how it is doing; see `door.Recorder`."""
        working = self._ready and not self._failing and not self._pacing.hangs()
        dropped = self._counts[-1]
        return Status(working, self.waiting, self._backlog.bytes, self._lost_all, *self._figures, dropped)

    def put(self, record: Record) -> None:
        """Hand over one record; never blocks, never raises."""
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
                return  # no loop yet: the next record, or `close`, sends this one too
            loop.add_reader(self._link, self._readable)
        self._scheduled = True
        loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Send what has not been sent, as far as the socket takes it."""
        self._scheduled = False
        self._pace()
        if self._loop is not None and not self._closed:
            self._suspects.keep_watch(self._loop, self._kill)
        while self._ready:
            if not self._out:
                if not self._backlog.may_send:
                    return
                batch = self._backlog.batch()
                message = ("records", batch.first, batch.records, batch.stations is not None)
                self._out = memoryview(encode(message))
            try:
                taken = self._link.send(self._out)
            except BlockingIOError:
                taken = 0
            except OSError:
                return  # the reader sees the end of the process and restarts it
            self._out = self._out[taken:]
            if self._out:
                if self._loop is not None and not self._closed:
                    self._scheduled = True
                    self._loop.add_writer(self._link, self._writable)
                return

    def _kill(self) -> None:
        if self._ready and not self._closed:
            self._process.kill()

    def _writable(self) -> None:
        assert self._loop is not None
        self._loop.remove_writer(self._link)
        self._flush()

    def _readable(self) -> None:
        try:
            chunk = self._link.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._died()
            return
        for message in self._decoder.feed(chunk):
            self._heard(message)

    def _heard(self, message: tuple[Any, ...]) -> None:
        if message[0] == "ready":
            self._is_ready(message)
            self._schedule_soon()
        elif message[0] == "taken":
            self._pacing.progress()
            self._backlog.taken(message[1], message[2])
            self._schedule_soon()
        elif message[0] in ("committed", "closed"):
            self._acknowledge(message[1])
            self._counts = (*message[2][:4], message[2][4] + self._dropped_before)
            self._gone = self._gone_before + message[-1]
            self._restarts = 0
            if message[0] == "committed":
                self._failing, self._figures = False, message[3]
            self._pace()
            if self._backlog.unsent:
                self._schedule_soon()
        elif message[0] == "found":
            self.tell_found(message[1])
        elif message[0] == "moved":
            self._setup["writer"]["path"] = message[1]
        elif message[0] == "failing":
            self._failing = True
        elif message[0] == "refused":
            log.error("%s: %s; trying again", message[1], message[2])

    def _acknowledge(self, number: int) -> None:
        if number > self._backlog.acknowledged:
            self._pacing.progress()
        self._backlog.acknowledge(number)
        self._intake.room()

    def _start(self) -> None:
        self._suspects.ended()
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        shared = [theirs.fileno(), self._suspects.page.descriptor]
        command = [sys.executable, "-P", "-m", "inspector.recorder.worker.process", *map(str, shared)]
        # A session of its own: Ctrl-C in the terminal is for the relay, which then ends the recorder.
        try:
            self._process = subprocess.Popen(command, pass_fds=shared, stdin=subprocess.DEVNULL, start_new_session=True)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._link = ours
        self._decoder = Decoder()
        self._out = memoryview(b"")
        self._ready = False
        self._gone_before, self._dropped_before = self._gone, self._counts[-1]
        ours.sendall(encode({**self._setup, "resume": self._recording_id}))
        ours.setblocking(False)

    def _is_ready(self, message: tuple[Any, ...]) -> None:
        _, committed, recording_id, counts = message
        if (lost := self._counts[1] - counts[1]) > 0:
            # The file went while no process had it open: what was in it is lost, and so are the sessions' rows.
            self._gone = self._gone_before = self._gone_before + lost
            log.error("THE RECORDING WAS DELETED while its recorder was restarted: %d frames went with it", lost)
            why = "the file was deleted while its recorder was restarted"
            # Kept like any other record, so that it is told also if this process ends before it is stored.
            self._backlog.keep(gap(time.time_ns(), time.monotonic_ns(), lost, 0, more={"reason": why}))
        self._counts = (*counts[:4], self._dropped_before)
        self._recording_id = recording_id
        self._ending = [process for process in self._ending if process.poll() is None]
        self._acknowledge(committed)
        first = self._backlog.send_again()
        self._suspects.started(self._process.pid)
        self._pacing.progress()
        self._out = memoryview(encode(("again", first)) if first else b"")
        self._ready = True

    def _schedule_soon(self) -> None:
        if self._loop is not None and not (self._scheduled or self._closed):
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _died(self) -> None:
        """Start another process for one that has ended by itself."""
        assert self._loop is not None
        self._loop.remove_reader(self._link)
        self._loop.remove_writer(self._link)
        self._link.close()
        self._ready = self._scheduled = False
        self._pace()
        code = self._process.poll()
        wait = RESTART_AFTER_S[min(self._restarts, len(RESTART_AFTER_S) - 1)]
        self._restarts += 1
        log.error("the recorder process ended (%s); starting it again, %d records wait", code, self.waiting)
        if not self._closed:
            self._loop.call_later(wait, self._restart)

    def _restart(self) -> None:
        if self._closed or self._loop is None:
            return
        try:
            self._start_again()
        except OSError as error:  # no descriptor, process or memory is left: another time
            log.error("the recorder process cannot be started (%s); trying again, %d records wait", error, self.waiting)
            self._loop.call_later(RESTART_AFTER_S[-1], self._restart)
            return
        self._loop.add_reader(self._link, self._readable)

    def _start_again(self) -> None:
        if self._process.poll() is None and self._process not in self._ending:
            self._ending.append(self._process)  # its socket went first: on a busy machine its end takes a while
        self._start()

    def _wait_for(self, *kinds: str, timeout: float = _START_TIMEOUT_S) -> tuple[Any, ...] | None:
        """Block until the process says one of these; None when it does not, or has ended."""
        deadline = time.monotonic() + timeout
        # poll, not select: with hundreds of sessions open the descriptor may be above 1023.
        poll = select.poll()
        found: tuple[Any, ...] | None = None
        while (left := deadline - time.monotonic()) > 0:
            poll.register(self._link, select.POLLIN | (select.POLLOUT if self._out else 0))
            ready = sum(event for _, event in poll.poll(left * 1000))
            if ready & select.POLLOUT:
                self._flush()
            if not ready & ~select.POLLOUT:
                continue
            try:
                chunk = self._link.recv(_READ)
            except OSError:
                return None
            if not chunk:
                return None
            for message in self._decoder.feed(chunk):
                if message[0] not in ("ready", "refused"):
                    self._heard(message)
                if message[0] in kinds:
                    found = tuple(message)  # the last one: nothing comes behind "closed"
            if found is not None:
                return found
            self._flush()
        return None

    def when_behind(self, tell: Callable[[int, bool], None]) -> None:
        """Have `tell` called for sessions that are to wait for the process; see `recorder.Recorder`."""
        self._backlog.fair.tell = tell

    def _pace(self) -> None:
        if not self._closed:
            self._pacing.look(not self._failing, self._ready, self._loop)

    def close(self, timeout: float = 10.0, tell: Callable[[int], bool] | None = None) -> Summary:
        """Store what is still waiting, mark a clean end and tell what was stored; see `recorder.Recorder`."""
        if self._closed:
            return self._summary()
        self._closed = True
        self._backlog.fair.tell = None  # there is nobody left to wait
        if self._loop is not None and not self._loop.is_closed() and self._link.fileno() >= 0:
            self._loop.remove_reader(self._link)
            self._loop.remove_writer(self._link)
        ending = Ending(timeout, tell)
        ended = self._ended_well(ending)
        while not ended and self._goes_on(ending):
            # It was killed, or the file is still held by the one before it, which has not quite ended.
            log.error("the recorder did not end well; starting it again, %d records wait", self.waiting)
            self._end_process(0.1)
            time.sleep(RETRY_AT_END_S)
            ended = self._ended_well(ending)
        if not (ended or self._failing):
            self._give_up(hangs=not ending.given_up)
        self._end_process(0.5)
        self._unstored += self._backlog.frames
        return self._summary()

    def _goes_on(self, ending: Ending) -> bool:
        return ending.goes_on(self._backlog.acknowledged, len(self._backlog))

    def _ended_well(self, ending: Ending) -> bool:
        """Have a process store all that waits, and end; False where it did not get that far."""
        if self._link.fileno() < 0:
            try:
                self._start_again()
            except OSError:
                return False
        closing = False
        while self._goes_on(ending):
            if self._ready:
                self._intake.room(over=True)
            if self._ready and not (closing or self._out or self._backlog.unsent):
                self._out, closing = memoryview(encode(("close",))), True
            self._flush()
            message = self._wait_for("ready", "refused", "committed", "closed", timeout=LOOK_EVERY_S)
            kind = message[0] if message else None
            if message and kind == "ready":
                self._is_ready(message)
            elif message and kind == "refused":
                self._heard(message)
                return False
            elif kind == "closed":
                return True
            elif message is None and self._process.poll() is not None:
                return False
        return False

    def _give_up(self, *, hangs: bool) -> None:
        """Have a process note what is not stored, and end; another one where this one `hangs`."""
        if hangs:
            self._process.kill()
            self._end_process(0.5)
            self._backlog.send_again()
        told, lost = gaps_in_place_of(self._backlog.drop_unsent())
        self._unstored += lost
        for record in told:
            self._backlog.keep(record)
        self._ended_well(Ending(_START_TIMEOUT_S if hangs else GIVE_UP_S))

    def _end_process(self, seconds: float) -> None:
        self._link.close()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _summary(self) -> Summary:
        return Summary(*self._counts, lost=self._lost_all)
