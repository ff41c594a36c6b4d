"""Decide when the next frame is due: after the recorded pause, divided by the speed."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from inspector.errors import UserMistake

SLOWEST = 0.001
"""At this speed a second of the recording takes a quarter of an hour. A lower one is probably a mistake."""


class Pace:
    """Recorded time divided by a speed; speed None plays as fast as the peer answers."""

    def __init__(self, speed: float | None) -> None:
        self.speed = speed
        self._recorded_ns: int | None = None
        self._due = 0.0

    @staticmethod
    def parse(text: str) -> Pace:
        """Read a pace such as "1", "10", "0.5" or "max".

        Raises:
            UserMistake: `text` has another form.
        """
        if text == "max":
            return Pace(None)
        try:
            speed = float(text)
        except ValueError:
            speed = 0.0
        if not SLOWEST <= speed < float("inf"):
            raise UserMistake(f"speed {text!r} is neither a number from {SLOWEST} nor max")
        return Pace(speed)

    def wait_s(self, mono_ns: int) -> float:
        """Return how many seconds to wait now before the frame recorded at `mono_ns`. Call this for every frame."""
        if self.speed is None:
            return 0.0
        now = time.monotonic()
        if self._recorded_ns is None:
            self._due = now
        else:
            # If the peer was late, later pauses keep their length.
            self._due = max(self._due + (mono_ns - self._recorded_ns) / 1e9 / self.speed, now)
        self._recorded_ns = mono_ns
        return self._due - now

    def scaled_s(self, recorded_ns: int) -> float:
        """Return how long a recorded span of time takes at this speed."""
        return recorded_ns / 1e9 / self.speed if self.speed is not None and recorded_ns > 0 else 0.0

    def shift(self, began_ns: int, ended_ns: int) -> timedelta:
        """Return the shift from recorded to live times, so that the end of the recording will be played at its time."""
        lasted_s = (ended_ns - began_ns) / 1e9
        try:
            ends = datetime.now(UTC) + timedelta(seconds=lasted_s / self.speed if self.speed else 0.0)
        except OverflowError:  # the recorded clock jumped by centuries
            ends = datetime.max.replace(tzinfo=UTC)
        return ends - datetime.fromtimestamp(ended_ns / 1e9, UTC)
