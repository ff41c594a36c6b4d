"""Serve the control API and page with uvicorn, in the event loop of the relay."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Collection, Iterator

import uvicorn

from inspector.proxy.control.api import ControlApi
from inspector.proxy.control.guard import Guard
from inspector.proxy.live_sessions import LiveSessions
from inspector.web_requests import host_name, is_loopback

MOST_CONNECTIONS = 100
"""More connections at a time get a 503, so that they cannot take files from the relay."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the proxy handles signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ControlServer:
    """The control port of one proxy."""

    def __init__(
        self, listener: socket.socket, live: LiveSessions, upstream: str, token: str, hosts: Collection[str] = ()
    ) -> None:
        """`hosts` are more names that a request may have as its Host."""
        address, port = listener.getsockname()[:2]
        own = [] if is_loopback(address) else [socket.gethostname()]
        guard = Guard(
            ControlApi(live, upstream).application(),
            token,
            port,
            [host_name(name) for name in (*hosts, *own)],
            any_address=not is_loopback(address),
        )
        config = uvicorn.Config(
            guard,
            log_level="critical",
            access_log=False,
            lifespan="off",
            ws="none",
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=1,
        )
        self._listener, self._server = listener, _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self._server.should_exit = True
        if self._task is not None:
            await self._task
