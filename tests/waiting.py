"""Waits for conditions in tests, no longer than necessary."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

PAUSE_S = 0.02


async def until(holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until a condition holds while the event loop runs; fail after some seconds."""
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
