"""End a recording command by signals: the first asks for the orderly end, a second one ends at once."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import click

ONE_STROKE_S = 0.3
"""Signals closer than this are one wish: a terminal and the program that started us may both pass Ctrl-C on."""
TELL_AFTER_S, TELL_EVERY_S = 1.0, 2.0


class Stopping:
    """What Ctrl-C, SIGTERM and a closed terminal do, from `listen` until the program ends."""

    def __init__(self) -> None:
        self._first: Callable[[], object] = lambda: None
        self._last = float("-inf")
        self._asked = 0
        self._began = self._tell_at = 0.0

    def listen(self, first: Callable[[], object]) -> None:
        """Take the signals from here on; `first` is called with the first one, if the event loop still runs."""
        self._first = first
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
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

    def tell(self, waiting: int) -> bool:
        """Say how many records wait while they are stored, if that takes a while; returns whether to go on."""
        now = time.monotonic()
        if not self._began:
            self._began, self._tell_at = now, now + TELL_AFTER_S
        if self._asked > 1:
            click.echo(f"ending at once: {waiting} records that wait are not stored", err=True)
            return False
        if now >= self._tell_at:
            again = "Ctrl-C ends at once and loses them"
            click.echo(f"storing what crossed before the end: {waiting} records wait; {again}", err=True)
            self._tell_at = now + TELL_EVERY_S
        return True
