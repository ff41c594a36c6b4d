"""Find the records on which a recorder process is slow, hangs or crashes; set aside those that ended two processes."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

from inspector.recorder.progress_page import ProgressPage
from inspector.recorder.worker.backlog import Backlog
from inspector.recorder.worker.fair_queue import size
from inspector.recorder.worker.hang_watch import WATCH_EVERY_S, HangWatch

log = logging.getLogger("chargesentinel.recorder")

SET_ASIDE_AFTER = 2
"""A record is set aside once this many processes have ended while they worked on it."""


class Suspects:
    """The records that processes were working on when they crashed or hung."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self.page = ProgressPage()
        self.watch = HangWatch(self.page)
        self._watching = False
        self._blamed: Counter[int] = Counter()  # by record number: how many processes ended while they worked on it

    def watch_process(self, loop: asyncio.AbstractEventLoop, kill: Callable[[], None]) -> None:
        """Check the process regularly as long as records wait; call `kill` if it hangs."""
        if not self._watching:
            self._watching = True
            loop.call_later(WATCH_EVERY_S, self._look, loop, kill)

    def _look(self, loop: asyncio.AbstractEventLoop, kill: Callable[[], None]) -> None:
        self._watching = False
        if self._backlog:
            self.watch_process(loop, kill)
            if self._hangs():
                kill()

    def _hangs(self) -> bool:
        seconds = self.watch.look()
        if self.watch.hangs:
            log.error("the recorder hangs and is ended: %s, for %.0f s", self._work(), seconds)
            self.watch.watch(0)
            return True
        if self.watch.became_slow:
            log.warning("the recorder is slow: %s, for %.0f s", self._work(), seconds)
        return False

    def _work(self) -> str:
        """Return a description of the record that the process works on, or worked on when it ended."""
        record = self._backlog.sent_record(self.page.number)
        if record is None:
            return "it has worked on no record"
        session_id, frame = self.page.details
        name = (self._backlog.charge_point_of(record.session_number) or "?")[:100]
        which = f"frame {frame} of session {session_id}" if session_id else "a record"
        return f"it has worked on {which} of {name}, {size(record)} bytes"

    def note_process_ended(self) -> None:
        """Note which record the process was working on when it ended."""
        if number := self.page.number:
            self._blamed[number] += 1
            log.error("when the recorder ended: %s", self._work())
        self.page.end()

    def note_process_started(self, pid: int) -> None:
        """Watch a new process. Hide the content of each record that has ended two processes before it is sent again."""
        self.watch.watch(pid)
        for number, times in list(self._blamed.items()):
            if number <= self._backlog.acknowledged:
                del self._blamed[number]
            elif times >= SET_ASIDE_AFTER:
                self._backlog.hide_content(number)
