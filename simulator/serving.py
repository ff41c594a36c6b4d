"""Serves the simulator page with Starlette on uvicorn: knows addresses and headers; nothing of what the page does."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from simulator.page import assemble, content_policy


def application() -> Starlette:
    """Return the ASGI application: the page at /, and nothing else."""
    html = assemble()
    headers = {
        "Content-Security-Policy": f"{content_policy(html)}; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }

    async def page(_request: Request) -> HTMLResponse:
        return HTMLResponse(html, headers=headers)

    return Starlette(routes=[Route("/", page)], middleware=[Middleware(GZipMiddleware)])


def serve(listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve the page on a listening socket until SIGINT or SIGTERM; calls `ready` once requests are answered."""
    asyncio.run(_serve(listener, ready))


async def _serve(listener: socket.socket, ready: Callable[[], None]) -> None:
    config = uvicorn.Config(application(), log_level="warning", timeout_graceful_shutdown=1, lifespan="off")
    server = uvicorn.Server(config)
    loop = asyncio.get_running_loop()

    def leave() -> None:
        server.should_exit = True

    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    # After uvicorn's own, which would raise the signal again once it has ended.
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, leave)
    if server.started:
        ready()
    await serving
