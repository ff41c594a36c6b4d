"""The clock of a simulated charge point, which charges faster than in real time.

Only charging is faster. Timestamps, time-outs and intervals set by the CSMS are in real time, because the CSMS measures
them.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime


class Clock:
    """A clock whose simulated seconds pass `speed` times faster than real ones."""

    def __init__(self, speed: float = 60.0) -> None:
        self.speed = speed

    def simulated(self) -> float:
        """Return the simulated seconds since a fixed moment. The value never decreases."""
        return time.monotonic() * self.speed

    async def sleep(self, seconds: float) -> None:
        """Wait for a number of simulated seconds."""
        await asyncio.sleep(seconds / self.speed)


def timestamp(at: datetime | None = None) -> str:
    """Return now, or `at`, as RFC 3339 in UTC with three fraction digits."""
    moment = (at or datetime.now(UTC)).astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
