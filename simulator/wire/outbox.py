"""The queue of transaction messages: send them in order, repeat them after errors, keep them while offline.

These messages are StartTransaction, MeterValues and StopTransaction in 1.6 (3.7.1), and TransactionEvent in 2.x (E04).
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from simulator.wire.link import CallFailed, CallRefused, LinkLost, Message, Payload

type Build = Callable[[bool], Message]
"""Writes a message just before sending, when the transaction id of 1.6 is known. True means: it happened offline."""


@dataclass(slots=True)
class Parcel:
    """One queued message."""

    build: Build
    offline: bool
    taken: Callable[[Payload], None] | None
    delivered: asyncio.Future[Payload] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Outbox:
    """Send one message after the other while the charge point is online.

    Args:
        call: sends a CALL with an action, a payload and a message id; returns the answer.
        online: is set while the CSMS accepts messages.
        attempts: returns how many times to try a message, and the seconds to wait after the first try.
    """

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
        """Queue a message; the future gets its answer, or the CallFailed of the last attempt.

        Args:
            build: writes the message.
            offline: whether the reported event happened while offline.
            taken: is called with the answer before the next message is written, as that may depend on the answer.
        """
        parcel = Parcel(build, offline, taken)
        parcel.delivered.add_done_callback(_seen)
        self._waiting.append(parcel)
        self._empty.clear()
        self._news.set()
        return parcel.delivered

    async def drained(self) -> None:
        """Wait until the queue is empty."""
        await self._empty.wait()

    async def run(self) -> None:
        """Send queued messages, until the task is cancelled."""
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
                # The CSMS may have received the message. Send it on the next connection with a new id.
                frame = (*frame[:2], str(uuid.uuid4()))
                await asyncio.sleep(0)
            except CallFailed as failure:
                tried += 1
                attempts, interval = self._attempts()
                # 1.6, 3.7.1 and 2.x, E13.FR.02 and E13.FR.03: later messages wait for the last attempt of this one.
                if tried >= attempts:
                    raise
                # Send a refused message as a new CALL. An unanswered one keeps its id (OCPP-J 1.6, errata 3.1).
                if isinstance(failure, CallRefused):
                    frame = None
                await asyncio.sleep(interval * tried)


def _seen(future: asyncio.Future[Payload]) -> None:
    """Retrieve the failure of a future, so that asyncio does not report it if no task waits for it any more."""
    if not future.cancelled():
        future.exception()
