"""Serve the operator's API and page over HTTP, only to the operator."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from http.cookies import CookieError, SimpleCookie
from urllib.parse import SplitResult, parse_qs, parse_qsl, quote, unquote, urlencode, urlsplit

import uvicorn
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from csms.configuration import PageAddress
from csms.context import Context
from csms.errors import CsmsMistake
from csms.operator_api import contracts
from csms.operator_api.api import Api
from csms.operator_api.origins import is_foreign
from csms.operator_api.overview import Connections
from csms.wire.net import EVERY_ADDRESS, host_and_port, listen_on_every_address, why_not_listening

LOG = logging.getLogger("csms")
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
    """Pass on the operator's requests and refuse all others, especially those of web pages of other origins.

    On loopback a request must have 127.0.0.1 or localhost as its Host, so that a web page cannot reach the API under
    its own name (DNS rebinding). On other addresses a request must have the token.
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

        refusal = None if contracts.is_public(scope["path"]) else self._examine(scope)
        await (refusal or self.application)(scope, receive, send_guarded)

    def _examine(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        target = scope["path"] + (f"?{query}" if (query := scope["query_string"].decode("latin-1")) else "")
        if is_foreign(scope["method"], target, headers):
            return JSONResponse({"error": "requests of other sites' pages are refused"}, 403)
        if self.token is None:
            if _address(f"//{host}").hostname not in ("127.0.0.1", "localhost", "::1"):
                return JSONResponse({"error": "open this page as 127.0.0.1 or localhost"}, 421)
            return None
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and self._right(asked):
            # Move the token from the address bar into a cookie that scripts cannot read.
            others = [
                (name, value) for name, value in parse_qsl(scope["query_string"].decode("latin-1")) if name != "token"
            ]
            response = RedirectResponse("/" + (f"?{urlencode(others)}" if others else ""), 303)
            response.set_cookie(COOKIE, quote(asked, safe=""), httponly=True, samesite="strict")
            return response
        # Starlette decodes headers as Latin-1, but a token may contain UTF-8.
        bearer = headers.get("authorization", "").removeprefix("Bearer ").encode("latin-1").decode("utf-8", "replace")
        if self._right(bearer) or self._right(_in_cookie(headers)):
            return None
        return JSONResponse({"error": "send the token as `Authorization: Bearer TOKEN`, or open /?token=TOKEN"}, 401)

    def _right(self, given: str) -> bool:
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())


def _address(url: str) -> SplitResult:
    """Split a URL from a header; all parts of a malformed URL are empty."""
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
    """uvicorn without its signal handlers: the CSMS handles signals, and then stops the page."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _bind(address: PageAddress) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        if address.host == EVERY_ADDRESS:
            return listen_on_every_address(address.port)
        return socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        if not address.explicit:
            free = socket.create_server((address.host, 0), family=family)
            place = f"cannot listen on {address.host}:{address.port}: {why_not_listening(error)}"
            LOG.info("%s; the operator page takes port %d instead", place, free.getsockname()[1])
            return free
        raise CsmsMistake(
            f"cannot listen on {address.host}:{address.port}: {why_not_listening(error)};"
            " choose another with --page (0 = any free port)"
        ) from None


@contextlib.asynccontextmanager
async def serving(
    context: Context, connections: Connections, address: PageAddress, token: str | None = None
) -> AsyncIterator[str]:
    """Serve API and page until the block ends; yield the URL to open.

    Args:
        context, connections: the parts of the CSMS to show.
        address: where to listen; if the default port is in use, any free port replaces it.
        token: the token that opens the page; if it is None, a page that is not on loopback gets a random token.

    Raises:
        CsmsMistake: it is not possible to listen at the user's address, or the token is unusable.
    """
    if token is not None and not (token.strip() and token.isprintable()):
        raise CsmsMistake("--page-token must be printable text; choose another, or leave the option out")
    if token is None and not address.loopback:
        token = secrets.token_urlsafe(24)
    listener = _bind(address)
    config = uvicorn.Config(
        Guard(Api(context, connections).application(), token),
        log_level="critical",
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    place = host_and_port(listener)
    context.contracts.ocsp_url = f"http://{place}{contracts.OCSP}"
    try:
        yield f"http://{place}" + (f"/?token={quote(token, safe='')}" if token else "")
    finally:
        server.should_exit = True
        await task
        listener.close()
