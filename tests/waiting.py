"""Waits for conditions in tests, and never longer than needed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

PAUSE_S = 0.02


async def until(holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until a condition holds, and let the event loop work meanwhile; fail after some seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"the condition does not hold after {seconds:g} s"
        await asyncio.sleep(PAUSE_S)


def wait_until(holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until a condition holds; fail after some seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"the condition does not hold after {seconds:g} s"
        time.sleep(PAUSE_S)
