"""Time for a simulated charge point: knows how much faster than the wall its charging runs, and nothing of OCPP.

Only charging is compressed. Timestamps, time-outs and what the CSMS asks for in seconds keep wall-clock time,
because the other side of the wire lives there.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime


class Clock:
    """A clock whose simulated seconds pass `speed` times faster than those on the wall."""

    def __init__(self, speed: float = 60.0) -> None:
        self.speed = speed

    def simulated(self) -> float:
        """Simulated seconds since some fixed moment; never falls."""
        return time.monotonic() * self.speed

    async def sleep(self, seconds: float) -> None:
        """Wait for a number of simulated seconds."""
        await asyncio.sleep(seconds / self.speed)


def timestamp(at: datetime | None = None) -> str:
    """Return now, or `at`, as RFC 3339 in UTC with three fraction digits."""
    moment = (at or datetime.now(UTC)).astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
