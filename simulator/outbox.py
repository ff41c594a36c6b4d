"""Transaction messages on their way: knows order, retries and that nothing is dropped while offline.

StartTransaction, MeterValues and StopTransaction (1.6, 3.7.1), or TransactionEvent (2.x, E04), leave in the order in
which they happened, whether the connection is up or not.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from simulator.link import CallFailed, CallRefused, LinkLost, Payload

type Build = Callable[[bool], tuple[str, Payload]]
"""Makes (action, payload) when it is sent (1.6 learns its transaction id late), from whether it happened offline."""


@dataclass(slots=True)
class Parcel:
    """One message waiting for its turn."""

    build: Build
    offline: bool
    taken: Callable[[Payload], None] | None
    delivered: asyncio.Future[Payload] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Outbox:
    """A queue that sends one message after the other while the charge point is online."""

    def __init__(
        self,
        call: Callable[[str, Payload, str], Awaitable[Payload]],
        online: asyncio.Event,
        attempts: Callable[[], tuple[int, float]],
    ) -> None:
        self._call, self._online, self._attempts = call, online, attempts
        self._waiting: deque[Parcel] = deque()
        self._news = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(
        self, build: Build, offline: bool, taken: Callable[[Payload], None] | None = None
    ) -> asyncio.Future[Payload]:
        """Queue a message; the future holds its answer, or the CallFailed after the last attempt.

        Args:
            taken: called with the answer before the next message is built, which may need what it says.
        """
        parcel = Parcel(build, offline, taken)
        parcel.delivered.add_done_callback(_seen)
        self._waiting.append(parcel)
        self._empty.clear()
        self._news.set()
        return parcel.delivered

    async def drained(self) -> None:
        """Wait until nothing is waiting."""
        await self._empty.wait()

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            while not self._waiting:
                self._news.clear()
                self._empty.set()
                await self._news.wait()
            parcel = self._waiting[0]
            try:
                answer = await self._deliver(parcel)
            except CallFailed as failure:
                parcel.delivered.set_exception(failure)
            else:
                if parcel.taken is not None:
                    parcel.taken(answer)
                parcel.delivered.set_result(answer)
            self._waiting.popleft()

    async def _deliver(self, parcel: Parcel) -> Payload:
        tried = 0
        frame: tuple[str, Payload, str] | None = None
        while True:
            await self._online.wait()
            if frame is None:
                frame = (*parcel.build(parcel.offline), str(uuid.uuid4()))
            try:
                return await self._call(*frame)
            except LinkLost:
                # The CSMS may have got it already; on another connection it is another CALL with the same content.
                frame = (*frame[:2], str(uuid.uuid4()))
                await asyncio.sleep(0)
            except CallFailed as failure:
                tried += 1
                attempts, interval = self._attempts()
                # A refused TransactionEvent stays refused (2.x, E13); 1.6 asks to try again (3.7.1).
                if tried >= attempts or (isinstance(failure, CallRefused) and frame[0] == "TransactionEvent"):
                    raise
                # Unanswered it is sent again as it was, id included (OCPP-J 1.6, errata 3.1).
                if isinstance(failure, CallRefused):
                    frame = None
                await asyncio.sleep(interval * tried)


def _seen(future: asyncio.Future[Payload]) -> None:
    """Mark a failure as looked at: who queued the message may be gone by now."""
    if not future.cancelled():
        future.exception()
