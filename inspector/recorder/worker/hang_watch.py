"""Tell whether a recorder process is slow with a record or hangs on it. Only looks; stops nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

from inspector.recorder.progress_page import ProgressPage

WATCH_EVERY_S = 0.5
SLOW_AFTER_S = 5.0
HANGS_AFTER_S = 30.0
"""Processor seconds for one record: more than the largest frame that may be stored takes."""
STANDS_STILL_AFTER_S = 120.0
"""Seconds on the clock for one record, for a process that waits for something or a machine that is overloaded."""
_BUSY_FOR_S = 4 * WATCH_EVERY_S


class HangWatch:
    """Reads a recorder's progress page for the relay."""

    def __init__(self, page: ProgressPage) -> None:
        self._page = page
        self.watch(0)

    def watch(self, pid: int) -> None:
        """Watch another process from now on."""
        self._pid = pid
        self._number = 0
        self._since = self._active_at = 0.0
        self._cpu_at = self._cpu = 0.0
        self._told_slow = False

    @property
    def busy(self) -> bool:
        """Whether the process is working on a record, however slowly."""
        number = self._page.number
        return number != 0 and (number != self._number or time.monotonic() - self._active_at < _BUSY_FOR_S)

    def look(self) -> float:
        """Look again; returns for how many seconds the process has worked on one record."""
        now, number, cpu = time.monotonic(), self._page.number, cpu_seconds(self._pid)
        if number != self._number:
            self._number, self._since, self._cpu_at = number, now, cpu or 0.0
            self._active_at, self._told_slow = now, False
        if number and (cpu is None or cpu > self._cpu):
            self._active_at = now
        self._cpu = cpu or 0.0
        return now - self._since if number else 0.0

    @property
    def became_slow(self) -> bool:
        """Whether the record has become slow since this was last asked."""
        if self._told_slow or not self._number or time.monotonic() - self._since < SLOW_AFTER_S:
            return False
        self._told_slow = True
        return True

    @property
    def hangs(self) -> bool:
        """Whether the process hung on a record when it was last looked at."""
        on_the_clock = time.monotonic() - self._since
        worked = self._cpu - self._cpu_at if self._cpu else on_the_clock
        return self._number != 0 and (worked >= HANGS_AFTER_S or on_the_clock >= STANDS_STILL_AFTER_S)


def cpu_seconds(pid: int) -> float | None:
    """Return the processor time that a process has used; None if the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
