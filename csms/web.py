"""Serves the operator's API and page, and keeps strangers out; knows nothing of what they show."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

import uvicorn
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from csms.api import Api
from csms.configuration import PageAddress
from csms.errors import CsmsMistake, why_not
from csms.origins import is_foreign
from csms.sockets import EVERYBODY, listen_to_everybody

if TYPE_CHECKING:
    from csms.central_system import CentralSystem

COOKIE = "chargesentinel_csms"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Lets requests through that come from the operator, and none that a page of another origin makes.

    On loopback these are the ones that name this machine as their host, so that no web page elsewhere can get in
    by way of the operator's browser (DNS rebinding); anywhere else they carry the token.
    """

    def __init__(self, application: ASGIApp, token: str | None) -> None:
        self.application, self.token = application, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._examine(scope)
        await (refusal or self.application)(scope, receive, send_guarded)

    def _examine(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        target = scope["path"] + (f"?{query}" if (query := scope["query_string"].decode("latin-1")) else "")
        if is_foreign(scope["method"], target, headers):
            return JSONResponse({"error": "requests that pages of other sites make are not answered"}, 403)
        if self.token is None:
            if _address(f"//{host}").hostname not in ("127.0.0.1", "localhost", "::1"):
                return JSONResponse({"error": "this page answers to 127.0.0.1 and localhost only"}, 421)
            return None
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and self._right(asked):
            # The token moves from the address bar into a cookie that scripts cannot read.
            response = RedirectResponse("/", 303)
            response.set_cookie(COOKIE, quote(asked, safe=""), httponly=True, samesite="strict")
            return response
        # Programs send UTF-8 where the token has it; a header has been read as Latin-1.
        bearer = headers.get("authorization", "").removeprefix("Bearer ").encode("latin-1").decode("utf-8", "replace")
        if self._right(bearer) or self._right(_in_cookie(headers)):
            return None
        return JSONResponse({"error": "send the token as `Authorization: Bearer TOKEN`, or open /?token=TOKEN"}, 401)

    def _right(self, given: str) -> bool:
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())


def _address(url: str) -> SplitResult:
    """Split what a header says into its parts; what is no URL has none."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _in_cookie(headers: Headers) -> str:
    try:
        kept = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return unquote(kept.value) if kept else ""


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the CSMS ends the page when it ends itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _bind(address: PageAddress) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        if address.host == EVERYBODY:
            return listen_to_everybody(address.port)
        return socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        if not address.explicit:
            return socket.create_server((address.host, 0), family=family)
        raise CsmsMistake(
            f"{address.host}:{address.port} cannot be listened on ({why_not(error)}); choose another --page"
        ) from None


@contextlib.asynccontextmanager
async def serving(csms: CentralSystem, address: PageAddress, token: str | None = None) -> AsyncIterator[str]:
    """Serve API and page until the block ends; yields the URL to open.

    Args:
        csms: whose state is shown.
        address: where to listen; a default port that is taken gives way to any free one.
        token: what strangers lack; made up when the address is not loopback and none is given.

    Raises:
        CsmsMistake: the address was named by the user and cannot be bound, or the token is none.
    """
    if token is not None and not (token.strip() and token.isprintable()):
        raise CsmsMistake("--page-token is empty or holds what cannot be typed; give it another, or leave it out")
    if token is None and not address.loopback:
        token = secrets.token_urlsafe(24)
    listener = _bind(address)
    config = uvicorn.Config(
        Guard(Api(csms).application(), token),
        log_level="critical",
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    host, port = listener.getsockname()[:2]
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        yield f"http://{place}" + (f"/?token={quote(token, safe='')}" if token else "")
    finally:
        server.should_exit = True
        await task
        listener.close()
