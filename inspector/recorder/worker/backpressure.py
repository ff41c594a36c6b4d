"""Tells whether anybody is to wait for a recorder process, and when it hangs; knows no record, and no process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from inspector.recorder.worker.backlog import Backlog
from inspector.recorder.worker.fair_queue import SHARED_US, USUAL_RATE

STALLED_AFTER_S = 2.0
"""Seconds without any progress after which nobody waits for the recorder any longer."""
RESTARTS_WITHIN_S = 10.0
"""The same for one that has ended and is being started again: until then, who sends too much waits."""
HANGS_AFTER_S = 5.0
"""Seconds without any, while records wait, after which it counts as not working."""


class Pacing:
    """Whether a recorder gets on with what waits for it, so that it makes sense to wait for it."""

    def __init__(self, backlog: Backlog, limit: int, busy: Callable[[], bool], *, always: bool = False) -> None:
        """`limit` is in bytes: what is kept at most; with `always` peers wait for one that does not work, too.

        `busy` tells whether the recorder is at work on a record, however long that takes.
        """
        self._backlog, self._limit, self._always = backlog, limit, always
        self._busy = busy
        self._works = self._ready = self._looking = False
        self._progress_at = self._some_since = 0.0

    @property
    def look_from(self) -> int:
        """Bytes up to which nobody can have more than his share waiting."""
        return min(self._limit // 4, int(SHARED_US / USUAL_RATE) // 4)

    def progress(self) -> None:
        """Note that the recorder has worked through something, or stored it."""
        self._progress_at = time.monotonic()

    def idle_s(self) -> float:
        """For how many seconds records have waited without any progress."""
        if not self._some_since:
            return 0.0
        if self._busy():
            self.progress()
        # After some silence the last progress is long ago, and means nothing.
        return time.monotonic() - max(self._progress_at, self._some_since)

    def hangs(self) -> bool:
        """Whether records have waited for long, and nothing was done meanwhile."""
        return self.idle_s() > HANGS_AFTER_S

    def look(self, works: bool, ready: bool, loop: asyncio.AbstractEventLoop | None) -> None:
        """Find out whether waiting helps; cheap, to be called once a tick and on each progress.

        `works` is whether it can store anything: for one that cannot nobody waits, as nothing gets better by it. It is
        not `ready` while it is being started.
        """
        self._works, self._ready = works, ready
        backlog, fair = self._backlog, self._backlog.fair
        if not backlog:
            self._some_since = 0.0
        elif not self._some_since:
            self._some_since = time.monotonic()
        # A disk that hangs acknowledges nothing: waiting for it would stop charging for nothing.
        if works and self.idle_s() < (STALLED_AFTER_S if ready else RESTARTS_WITHIN_S):
            fair.shared_us = SHARED_US
        elif self._always:
            fair.shared_us = self._limit / 16 * fair.least_rate
        else:
            fair.shared_us = float("inf")
            if fair.holds:
                fair.release()
        if fair.holds and loop is not None and not self._looking:
            # Held peers send nothing that would bring us back here.
            self._looking = True
            loop.call_later(STALLED_AFTER_S, self._look_again, loop)

    def _look_again(self, loop: asyncio.AbstractEventLoop) -> None:
        self._looking = False
        self.look(self._works, self._ready, loop)
