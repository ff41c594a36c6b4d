"""End a recording command on signals: the first closes the recording, the second ends the process at once."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import click

from inspector.units import quantity

ONE_STROKE_S = 0.3
"""Signals closer together count as one: a terminal and a parent process may both forward Ctrl-C."""
REPORT_AFTER_S, REPORT_EVERY_S = 1.0, 2.0


class Stopping:
    """Handle Ctrl-C, SIGTERM and a closed terminal, from `listen` until the program ends."""

    def __init__(self) -> None:
        self._first: Callable[[], object] = lambda: None
        self._last = float("-inf")
        self._asked = 0
        self._began = self._report_at = 0.0

    def listen(self, first: Callable[[], object]) -> None:
        """Handle signals from now on; the first one calls `first`, if the event loop still runs."""
        self._first = first
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
            numbers.append(signal.SIGHUP)
        for number in numbers:
            signal.signal(number, self._asked_to_stop)

    def _asked_to_stop(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._last >= ONE_STROKE_S:
            self._asked += 1
        self._last = now
        if self._asked == 1:
            with suppress(RuntimeError):
                self._first()

    def report(self, waiting: int) -> bool:
        """Print from time to time that `waiting` records are not stored yet; return whether to continue storing."""
        now = time.monotonic()
        if not self._began:
            self._began, self._report_at = now, now + REPORT_AFTER_S
        if self._asked > 1:
            click.echo(f"ending at once: {quantity(waiting, 'record is', 'records are')} not stored", err=True)
            return False
        if now >= self._report_at:
            again = "Ctrl-C ends at once and loses the rest"
            click.echo(
                f"storing the last frames: {quantity(waiting, 'record waits', 'records wait')}; {again}", err=True
            )
            self._report_at = now + REPORT_EVERY_S
        return True
