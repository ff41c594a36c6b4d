"""A connection in memory, and an event loop that never waits: its clock jumps to the next timer."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, Self

from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK
from websockets.frames import OK_CLOSE_CODES, Close
from websockets.protocol import State

type Message = str | bytes


class End:
    """One end of a connection, with the part of the interface of a `websockets` connection that a player uses."""

    def __init__(self) -> None:
        self.state = State.OPEN
        self._other: End = self
        self._incoming: asyncio.Queue[Message | None] = asyncio.Queue()
        self._close: Close | None = None
        self._closed = asyncio.Event()

    @classmethod
    def pair(cls) -> tuple[Self, Self]:
        """Return both ends of a new connection."""
        one, other = cls(), cls()
        one._other, other._other = other, one
        return one, other

    async def send(self, message: Message) -> None:
        if self.state is not State.OPEN:
            raise self._error()
        self._other._incoming.put_nowait(message)
        await asyncio.sleep(0)

    async def recv(self) -> Message:
        """Return the next message; raise ConnectionClosed after the last one."""
        message = await self._incoming.get()
        if message is None:
            self._incoming.put_nowait(None)
            raise self._error()
        return message

    async def close(self, code: int = 1000, reason: str = "") -> None:
        for end in (self, self._other):
            if end.state is State.OPEN:
                end.state, end._close = State.CLOSED, Close(code, reason)
                end._incoming.put_nowait(None)
                end._closed.set()

    async def wait_closed(self) -> None:
        await self._closed.wait()

    def _error(self) -> ConnectionClosed:
        assert self._close is not None
        kind = ConnectionClosedOK if self._close.code in OK_CLOSE_CODES else ConnectionClosedError
        return kind(self._close, self._close, True)


class _JumpingClock(selectors.DefaultSelector):
    """A selector that never waits, and adds up how long it should have waited."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "every task waits for another one"
            self.now += max(timeout, 0.0)
        return ready


class _JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _JumpingClock()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def without_waiting[T](work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine whose timeouts and pauses take no time; it may use neither sockets nor threads."""
    with asyncio.Runner(loop_factory=_JumpingLoop) as runner:
        return runner.run(work)
