"""Serve the simulator page over HTTP, with Starlette on uvicorn."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from simulator.page_server.origins import LOOPBACK, is_foreign
from simulator.page_server.page import assemble, content_policy

_REFUSED = {"Cross-Origin-Resource-Policy": "same-origin", "X-Content-Type-Options": "nosniff"}


class Guard:
    """Refuse requests of pages of other origins and, on loopback, requests with another Host."""

    def __init__(self, application: ASGIApp, loopback: bool) -> None:
        self._application, self._loopback = application, loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        target = scope["path"] + (f"?{query}" if (query := scope["query_string"].decode("latin-1")) else "")
        application = self._application
        if self._loopback and not LOOPBACK.fullmatch(headers.get("host", "")):
            application = PlainTextResponse("Open this page as 127.0.0.1 or localhost.\n", 421, _REFUSED)
        elif is_foreign(scope["method"], target, headers):
            why = "Links from other sites are refused. Copy the address into the address bar to open this page.\n"
            application = PlainTextResponse(why, 403, _REFUSED)
        await application(scope, receive, send)


def application(*, loopback: bool = True) -> Starlette:
    """Return the ASGI application, which serves the page at /; `loopback` is whether it listens on loopback only."""
    html = assemble()
    headers = {
        "Content-Security-Policy": f"{content_policy(html)}; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-cache",
    }

    async def page(_request: Request) -> HTMLResponse:
        return HTMLResponse(html, headers=headers)

    return Starlette(routes=[Route("/", page)], middleware=[Middleware(Guard, loopback), Middleware(GZipMiddleware)])


def serve(listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve the page on a listening socket until SIGINT or SIGTERM; call `ready` when it answers requests."""
    asyncio.run(_serve(listener, ready))


async def _serve(listener: socket.socket, ready: Callable[[], None]) -> None:
    app = application(loopback=ipaddress.ip_address(listener.getsockname()[0]).is_loopback)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    loop = asyncio.get_running_loop()

    def leave() -> None:
        server.should_exit = True

    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    # Replace uvicorn's handlers, which would raise the signal again after shutdown.
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, leave)
    if server.started:
        ready()
    await serving
