"""Limit the share of the event loop's time that all shadows together may take, so that the relay goes first."""

from __future__ import annotations

import asyncio
from time import perf_counter

SHARE = 0.4
"""The share of the time for shadows; beyond it their messages wait, and what their queues cannot hold is lost."""
BURST_S = 0.002
"""How long shadows may work at once."""
AROUND = 1.5
"""What a piece of work costs in all, with what the WebSocket library does before and after it."""


class Turns:
    """Lets one piece of work at a time begin, as long as there is time for it: `async with turns: …`."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._credit_s = BURST_S
        self._counted_at = self._began = perf_counter()

    async def __aenter__(self) -> None:
        await self._lock.acquire()
        try:
            self._count()
            while self._credit_s <= 0:
                await asyncio.sleep(-self._credit_s / SHARE)
                self._count()
        except BaseException:
            self._lock.release()
            raise
        self._began = perf_counter()

    def _count(self) -> None:
        now = perf_counter()
        self._credit_s = min(BURST_S, self._credit_s + (now - self._counted_at) * SHARE)
        self._counted_at = now

    async def __aexit__(self, *_: object) -> None:
        self._credit_s -= AROUND * (perf_counter() - self._began)
        self._lock.release()
