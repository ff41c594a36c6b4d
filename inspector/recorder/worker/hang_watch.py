"""Detect whether a recorder process is slow with a record or hangs on it. The caller decides what to do."""

from __future__ import annotations

import os
import time
from pathlib import Path

from inspector.recorder.progress_page import ProgressPage

WATCH_EVERY_S = 0.5
SLOW_AFTER_S = 5.0
HANGS_AFTER_S = 30.0
"""After so many seconds of processor time for one record, the process hangs; the largest frames take less."""
STANDS_STILL_AFTER_S = 120.0
"""After so many seconds of clock time for one record, the process hangs, even if it only waits for something.

The limit allows for an overloaded machine.
"""
_BUSY_FOR_S = 4 * WATCH_EVERY_S


class HangWatch:
    """Measures how long a recorder process works on one record, from its progress page and its processor time."""

    def __init__(self, page: ProgressPage) -> None:
        self._page = page
        self.watch(0)

    def watch(self, pid: int) -> None:
        """Watch the process `pid` from now on; 0 for none."""
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
        """Measure again; return for how many seconds the process has worked on the current record."""
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
        """Whether the current record takes long. True only once for each record."""
        if self._told_slow or not self._number or time.monotonic() - self._since < SLOW_AFTER_S:
            return False
        self._told_slow = True
        return True

    @property
    def hangs(self) -> bool:
        """Whether the process hangs on a record, according to the last call of `look`."""
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
