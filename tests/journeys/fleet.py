"""Charge points on real WebSockets that count every frame they send and receive, independently of the proxy."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

TRAFFIC = Path(__file__).parents[2] / "bench" / "traffic.py"


def csms_argv(port: int) -> list[object]:
    """Return the command line of a CSMS that answers every CALL and uses none of the packages under test."""
    return [sys.executable, TRAFFIC, "csms", port]


class Fleet:
    """Charge points that each send a CALL `pause` seconds after every answer."""

    def __init__(self, url: str, count: int = 4, pause: float = 0.002, first: int = 0) -> None:
        self._url, self._count, self._pause, self._first = url, count, pause, first
        self.calls = 0
        self.answers = 0
        self.texts: dict[str, list[str]] = {}
        """For each charge point every text in order; a CALL is listed before it is sent."""
        self.answered_at: list[tuple[float, str]] = []
        """(time.monotonic, answer) of each answer."""
        self.closed: list[int | None] = []
        """Close codes of the connections that the other side ended."""

    @property
    def frames(self) -> int:
        return self.calls + self.answers

    async def __aenter__(self) -> Self:
        self._stop = asyncio.Event()
        names = [f"CP{self._first + number}" for number in range(self._count)]
        connections = [await connect(f"{self._url}/{name}", subprotocols=["ocpp1.6"]) for name in names]  # type: ignore[list-item]
        self._tasks = [
            asyncio.create_task(self._charge(name, link)) for name, link in zip(names, connections, strict=True)
        ]
        return self

    async def _charge(self, name: str, link: ClientConnection) -> None:
        loop = asyncio.get_running_loop()
        texts = self.texts.setdefault(name, [])
        number = 0
        try:
            while not self._stop.is_set():
                number += 1
                call = f'[2,"{name}-{number}","Heartbeat",{{}}]'
                texts.append(call)
                await link.send(call)
                self.calls += 1
                answer = str(await asyncio.wait_for(link.recv(), 20))
                self.answers += 1
                texts.append(answer)
                self.answered_at.append((loop.time(), answer))
                await asyncio.sleep(self._pause)
            await link.close()
        except ConnectionClosed as closed:
            self.closed.append(closed.rcvd.code if closed.rcvd else None)
        except OSError:
            self.closed.append(None)

    async def goes_on(self, seconds: float, calls: int = 20) -> None:
        """Wait some seconds, and fail unless at least `calls` CALLs were answered in each of them."""
        until = asyncio.get_running_loop().time() + seconds
        while (left := until - asyncio.get_running_loop().time()) > 0:
            before = self.answers
            await asyncio.sleep(min(1.0, left))
            assert left < 1.0 or self.answers - before >= calls, f"only {self.answers - before} answers in a second"

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
