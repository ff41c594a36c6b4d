"""Decide whether charge points have to wait for a slow recorder process, and notice when it hangs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from inspector.recorder.worker.backlog import Backlog
from inspector.recorder.worker.fair_queue import SHARED_US, USUAL_RATE

STALLED_AFTER_S = 2.0
"""After so many seconds without progress, no charge point has to wait for the recorder any longer."""
RESTARTS_WITHIN_S = 10.0
"""While the recorder is being restarted, this limit replaces STALLED_AFTER_S."""
HANGS_AFTER_S = 5.0
"""If records wait for so many seconds without progress, the recorder counts as not working."""


class Backpressure:
    """Observes whether a recorder makes progress, and lets charge points wait for it only while it does."""

    def __init__(self, backlog: Backlog, limit: int, busy: Callable[[], bool], *, always: bool = False) -> None:
        """Begin.

        Args:
            backlog: the records that wait for the recorder.
            limit: how many bytes the backlog may have.
            busy: returns whether the recorder is working on a record, however long that takes.
            always: let charge points wait even for a recorder that makes no progress.
        """
        self._backlog, self._limit, self._always = backlog, limit, always
        self._busy = busy
        self._works = self._ready = self._looking = False
        self._progress_at = self._some_since = 0.0

    @property
    def watch_from_bytes(self) -> int:
        """While fewer bytes than this wait, no charge point can have more than its share among them."""
        return min(self._limit // 4, int(SHARED_US / USUAL_RATE) // 4)

    def note_progress(self) -> None:
        """Note that the recorder has processed or stored records."""
        self._progress_at = time.monotonic()

    def idle_s(self) -> float:
        """Return for how many seconds records have waited without any progress."""
        if not self._some_since:
            return 0.0
        if self._busy():
            self.note_progress()
        # Count only the time since records began to wait: before that, no progress was possible.
        return time.monotonic() - max(self._progress_at, self._some_since)

    def hangs(self) -> bool:
        """Return whether records have waited longer than HANGS_AFTER_S without any progress."""
        return self.idle_s() > HANGS_AFTER_S

    def update(self, works: bool, ready: bool, loop: asyncio.AbstractEventLoop | None) -> None:
        """Decide whether charge points may be made to wait. Fast; call it regularly and after each progress.

        `works` is False while the recorder cannot store anything; then no charge point has to wait, because that would
        not help. `ready` is False while the recorder is being started.
        """
        self._works, self._ready = works, ready
        backlog, fair = self._backlog, self._backlog.fair
        if not backlog:
            self._some_since = 0.0
        elif not self._some_since:
            self._some_since = time.monotonic()
        # If the disk hangs, there is no progress, and waiting would only stop charging.
        if works and self.idle_s() < (STALLED_AFTER_S if ready else RESTARTS_WITHIN_S):
            fair.shared_us = SHARED_US
        elif self._always:
            fair.shared_us = self._limit / 16 * fair.least_rate
        else:
            fair.shared_us = float("inf")
            if fair.holds:
                fair.release()
        if fair.holds and loop is not None and not self._looking:
            # Charge points that wait send nothing, so no frame would lead to the next update.
            self._looking = True
            loop.call_later(STALLED_AFTER_S, self._update_again, loop)

    def _update_again(self, loop: asyncio.AbstractEventLoop) -> None:
        self._looking = False
        self.update(self._works, self._ready, loop)
