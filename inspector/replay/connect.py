"""Connect a player with its peer: dial a CSMS, or wait for charge points."""

from __future__ import annotations

import asyncio
import base64
import http
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
from websockets.http11 import Request, Response
from websockets.protocol import State

from inspector.errors import CannotListen, UnusableAddress, is_of_unknown_ca
from inspector.protocol.vocabulary import OcppVersion
from inspector.web_requests import may_connect

OPEN_TIMEOUT_S = 15.0
MAX_MESSAGE = 64 * 1024 * 1024


async def dial(
    url: str, charge_point_id: str, version: OcppVersion, password: str | None = None, tls: ssl.SSLContext | None = None
) -> ClientConnection:
    """Connect to a CSMS as a charge point, with its identity as the last part of the path.

    Raises:
        UnusableAddress: the CSMS cannot be reached, or refuses the connection.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:  # an invalid port, IPv6 address or host name
        usable = False
    if not usable:
        raise UnusableAddress(url, "not an address of a CSMS", "write ws://HOST:PORT/PATH or wss://HOST:PORT/PATH")
    ending = f"/{quote(charge_point_id, safe='')}"
    target = url.rstrip("/").removesuffix(ending) + ending
    headers = {}
    if password is not None:
        token = base64.b64encode(f"{charge_point_id}:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {token}"
    try:
        connection = await connect(
            target,
            subprotocols=[version.subprotocol],  # type: ignore[list-item]
            additional_headers=headers,
            ssl=tls if parts.scheme == "wss" else None,
            open_timeout=OPEN_TIMEOUT_S,
            max_size=MAX_MESSAGE,
            ping_interval=None,
            proxy=None,
        )
    except InvalidStatus as refused:
        status = refused.response.status_code
        raise UnusableAddress(target, f"refused with HTTP {status} {refused.response.reason_phrase}") from refused
    except InvalidURI as error:
        raise UnusableAddress(target, f"not an address of a CSMS ({error.msg})") from error
    except ssl.SSLCertVerificationError as error:  # a subclass of ValueError and OSError, so it must come first
        remedy = "name its CA with --ca FILE" if is_of_unknown_ca(error) else None
        raise UnusableAddress(target, f"its certificate is not trusted ({error.verify_message})", remedy) from error
    except ValueError as error:  # the address was checked above, so this is a redirect
        raise UnusableAddress(target, f"redirects to something that is not an address ({error})") from error
    except InvalidHandshake as error:
        raise UnusableAddress(target, f"is not an OCPP CSMS ({error})") from error
    except (OSError, TimeoutError) as error:
        raise UnusableAddress(target, f"cannot be reached ({_reason(error)})", "is the CSMS running?") from error
    if connection.subprotocol != version.subprotocol:
        await connection.close()
        raise UnusableAddress(target, f"does not speak {version.subprotocol}")
    return connection


def _reason(error: OSError) -> str:
    if error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno).lower()
    return error.strerror or str(error) or "timed out"


REFUSED_LIMIT = 5
"""How many of the latest refused charge points are remembered for a message."""


class ConnectionQueue:
    """Charge points that have connected and wait for a player."""

    def __init__(self, version: OcppVersion, password: str | None, allow_origins: Collection[str] = ()) -> None:
        self._version, self._password, self._allow_origins = version, password, allow_origins
        self._waiting: asyncio.Queue[tuple[str, ServerConnection]] = asyncio.Queue()
        self._released: dict[ServerConnection, asyncio.Event] = {}
        self._left = False
        self._refused: dict[str, str] = {}  # the reason, by identity
        self.address = ("", 0)

    async def next(self, timeout_s: float | None) -> tuple[str, ServerConnection]:
        """Return the identity and the connection of the next charge point.

        Raises:
            TimeoutError: no charge point connected within `timeout_s`.
        """
        async with asyncio.timeout(timeout_s):
            while True:
                identity, connection = await self._waiting.get()
                if connection.state is State.OPEN:
                    self._refused.clear()
                    return identity, connection
                self.release(connection)  # it disconnected while it waited

    def release(self, connection: ServerConnection) -> None:
        """Let the handler of a connection end, after the player has finished with it."""
        self._released[connection].set()

    async def arrived(self, connection: ServerConnection) -> None:
        """Keep a new connection open until `release` or `leave` is called: the handler for `serve`."""
        assert connection.request is not None
        if self._left:
            return
        released = self._released[connection] = asyncio.Event()
        await self._waiting.put((unquote(connection.request.path.rsplit("/", 1)[-1]), connection))
        await released.wait()
        del self._released[connection]

    def leave(self) -> None:
        """Let the handlers of all connections end."""
        self._left = True
        for released in self._released.values():
            released.set()

    def refuse(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse foreign web pages, other OCPP versions and wrong passwords: the request handler for `serve`."""
        refusal = self._refusal(request)
        if refusal is None:
            return None
        status, reason = refusal
        identity = unquote(request.path.partition("?")[0].rsplit("/", 1)[-1])[:60]
        self._refused[identity] = reason
        while len(self._refused) > REFUSED_LIMIT:
            del self._refused[next(iter(self._refused))]
        return connection.respond(status, f"{reason}\n")

    def _refusal(self, request: Request) -> tuple[http.HTTPStatus, str] | None:
        origin, host = (",".join(request.headers.get_all(name)) for name in ("Origin", "Host"))
        if origin and not may_connect(origin, host, self._allow_origins):
            reason = f"a web page of {origin[:200]!a} may not connect; allow it with --allow-origin"
            return http.HTTPStatus.FORBIDDEN, reason
        offered = [name.strip() for name in ",".join(request.headers.get_all("Sec-WebSocket-Protocol")).split(",")]
        if self._version.subprotocol not in offered:
            names = ", ".join(name for name in offered if name)[:60]
            offers = f"it offers {names!a}" if names else "it offers no subprotocol"
            return http.HTTPStatus.BAD_REQUEST, f"{offers}, the recording speaks {self._version.subprotocol}"
        if self._password is not None:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            try:
                given = base64.b64decode(token).decode().partition(":")[2] if scheme.lower() == "basic" else None
            except ValueError:
                given = None
            if given != self._password:
                return http.HTTPStatus.UNAUTHORIZED, "wrong password" if given is not None else "no Basic password"
        return None

    def refusals(self) -> str:
        """Return, in words, the charge points refused since the last one was accepted, with the reasons."""
        return "; ".join(f"{identity} was refused at the handshake: {why}" for identity, why in self._refused.items())


@asynccontextmanager
async def lobby(
    host: str,
    port: int,
    version: OcppVersion,
    password: str | None,
    ready: Callable[[str], Any],
    allow_origins: Collection[str] = (),
) -> AsyncIterator[ConnectionQueue]:
    """Listen for charge points; `ready` is called with the address once they can connect.

    Web pages may connect if this machine serves them, or if their origin is one of `allow_origins`.

    Raises:
        UnusableAddress: it is not possible to listen at this host and port.
    """
    waiting = ConnectionQueue(version, password, allow_origins)
    try:
        server = await serve(
            waiting.arrived,
            host,
            port,
            subprotocols=[version.subprotocol],  # type: ignore[list-item]
            process_request=waiting.refuse,
            max_size=MAX_MESSAGE,
            ping_interval=None,
        )
    except OSError as error:
        raise CannotListen(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", error) from error
    async with server:
        name, number = next(iter(server.sockets)).getsockname()[:2]
        ready(f"ws://{f'[{name}]' if ':' in name else name}:{number}")
        try:
            yield waiting
        finally:
            waiting.leave()
