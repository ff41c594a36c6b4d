"""Names the records that a recorder process is slow with, hangs on or ends with, and sets aside who does so twice."""

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
"""How often a record may be the one that was worked on when the process ended."""


class Suspects:
    """The records that were worked on when something went wrong."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self.page = ProgressPage()
        self.watch = HangWatch(self.page)
        self._watching = False
        self._blamed: Counter[int] = Counter()  # by number

    def keep_watch(self, loop: asyncio.AbstractEventLoop, kill: Callable[[], None]) -> None:
        """Look at the process now and then as long as anything waits; `kill` ends one that hangs."""
        if not self._watching:
            self._watching = True
            loop.call_later(WATCH_EVERY_S, self._look, loop, kill)

    def _look(self, loop: asyncio.AbstractEventLoop, kill: Callable[[], None]) -> None:
        self._watching = False
        if self._backlog:
            self.keep_watch(loop, kill)
            if self._hangs():
                kill()

    def _hangs(self) -> bool:
        seconds = self.watch.look()
        if self.watch.hangs:
            log.error("the recorder hangs: %s, for %.0f s; ending it", self._work(), seconds)
            self.watch.watch(0)
            return True
        if self.watch.is_news:
            log.warning("the recorder is slow: %s, for %.0f s so far", self._work(), seconds)
        return False

    def _work(self) -> str:
        """Say what the process works on, or worked on when it ended."""
        record = self._backlog.sent(self.page.number)
        if record is None:
            return "it works on no record"
        session, frame = self.page.told
        name = (self._backlog.charge_point_of(record[1]) or "?")[:100]
        which = f"frame {frame} of session {session}" if session else f"a record of link {record[1]}"
        return f"it works on {which} ({name}), {size(record)} bytes"

    def ended(self) -> None:
        """Blame the record that was worked on when the process ended."""
        if number := self.page.number:
            self._blamed[number] += 1
            log.error("when the recorder ended: %s", self._work())
        self.page.end()

    def started(self, pid: int) -> None:
        """Set aside, before they are sent again to a new process, the records that ended two of them."""
        self.watch.watch(pid)
        for number, times in list(self._blamed.items()):
            if number <= self._backlog.acknowledged:
                del self._blamed[number]
            elif times >= SET_ASIDE_AFTER:
                self._backlog.set_aside(number)
