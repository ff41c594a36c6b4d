"""The CSMS as one listening port: who is connected, in which version, and how it all ends; answers no action itself.

python -m csms.central_system --host 127.0.0.1 --port 9000
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from csms import handshake, log, origins, sockets, timestamps
from csms import security as security_of
from csms.actions import charge_point_of
from csms.authority import Authority
from csms.configuration import Configuration, PageAddress, Settings
from csms.connection import Connection
from csms.errors import CsmsMistake, why_not
from csms.limits import Overflow, allow_many_files
from csms.message_log import Logs
from csms.misbehaviour import Misbehaviours
from csms.schemas import SUBPROTOCOLS, Version
from csms.security import PasswordCheck
from csms.store import Store

LOG = logging.getLogger("csms")
DEFAULT_PORT = 9000
LARGEST_MESSAGE = 4 * 2**20


class CentralSystem:
    """All charge points of one CSMS and what it remembers of them."""

    def __init__(self, settings: Settings | None = None, configuration: Configuration | None = None) -> None:
        self.settings = settings or Settings()
        self.authority = Authority(self.settings.sign_with) if self.settings.sign_with else None
        self.store = Store(self.settings.db, self.settings.file_mode)
        self.misbehaviours = Misbehaviours()
        self.connections: dict[str, Connection] = {}
        self.passwords = self.store.passwords
        LOG.addFilter(self.passwords.filter)
        self.seen = Logs(self.connections.__contains__, self.passwords)
        self.address = ""
        self._passwords = PasswordCheck()
        if configuration is not None:
            configuration.apply(self.store)
            for order in configuration.misbehaviours:
                self.misbehaviours.add(order)

    def boot_policy(self, charge_point_id: str) -> str:
        """Say how a boot is answered: Accepted, Pending or Rejected."""
        known = self.store.charge_point(charge_point_id)
        return str((known and known["boot_policy"]) or self.settings.boot)

    def next_update(self) -> str:
        """Say when a certificate's status is worth asking for again."""
        return timestamps.stamp(datetime.now(UTC) + timedelta(days=1))

    async def refuse(self, websocket: ServerConnection, request: Request) -> Response | None:
        """Answer with plain HTTP what is not OCPP or not let in; None lets the upgrade go on."""
        verdict = handshake.examine(request.path, request.headers)
        page = ",".join(request.headers.get_all("Origin"))
        host = ",".join(request.headers.get_all("Host"))
        if page and not origins.may_connect(page, host, self.settings.allow_origins):
            whose = "saved pages and sandboxed frames" if page == "null" else "web pages of this origin"
            reason = f"{whose} may not connect; if they are yours, start the CSMS with --allow-origin {page[:200]!a}"
            verdict = handshake.NotOcpp(HTTPStatus.FORBIDDEN, reason)
        if not isinstance(verdict, handshake.NotOcpp):
            refusal = await self._stranger(websocket, request, verdict[0])
            if refusal is None:
                return None
            verdict = refusal
        LOG.warning("%s refused: %s", _peer(websocket), verdict.reason)
        response = websocket.respond(verdict.status, verdict.reason + "\n")
        if verdict.status == HTTPStatus.UPGRADE_REQUIRED:
            response.headers["Upgrade"] = "websocket"
        if verdict.status == HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = 'Basic realm="OCPP"'
        return response

    async def _stranger(self, websocket: ServerConnection, request: Request, name: str) -> handshake.NotOcpp | None:
        """Judge who is calling by the security profile and the policy for unknown identities."""
        known = self.store.charge_point(name)
        security = self.settings.security
        if security.wants_password:
            # Two headers are as good as none: which of them counts is anybody's guess.
            given = security_of.credentials(",".join(request.headers.get_all("Authorization")))
            right = given is not None and await self._passwords.right(
                given[1], known["password_hash"] if known else None
            )
            # A00.FR.204: the user name is the identity.
            if given is None or given[0] != name or not right:
                reason = f"{name}: wrong or missing password (HTTP Basic, the user name is the identity)"
                return handshake.NotOcpp(HTTPStatus.UNAUTHORIZED, reason)
        if security.profile == 3:
            owner = security_of.common_name(websocket.transport.get_extra_info("peercert"))
            # A00.FR.421: the certificate names the charge point, by identity or serial number.
            if owner is None or owner not in (name, known["serial"] if known else None):
                reason = f"{name}: the client certificate was issued to {owner}"
                return handshake.NotOcpp(HTTPStatus.FORBIDDEN, reason)
        if known is None and not self.settings.unknown_charge_points:
            return handshake.NotOcpp(HTTPStatus.NOT_FOUND, f"{name}: this charge point is not known here")
        return None

    @staticmethod
    def select(websocket: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        """Select the first of the offered subprotocols that is ours."""
        return next((protocol for protocol in offered if protocol in SUBPROTOCOLS), None)

    async def attend(self, websocket: ServerConnection) -> None:
        """Serve one charge point until it goes."""
        assert websocket.request is not None
        verdict = handshake.examine(websocket.request.path, websocket.request.headers)
        assert not isinstance(verdict, handshake.NotOcpp)
        name, subprotocol = verdict
        if subprotocol is None:
            # OCPP-J 1.6, 3.3 and 2.x part 4, 3.3: complete the handshake without a subprotocol, then close at once.
            LOG.warning("%s: offered none of %s; closed", name, ", ".join(SUBPROTOCOLS))
            await websocket.close(1002, f"offer one of {', '.join(SUBPROTOCOLS)} as WebSocket subprotocol")
            return
        try:
            await self._attend(name, SUBPROTOCOLS[subprotocol], websocket)
        except Exception as error:
            # A file that is locked or full needs no traceback.
            LOG.error("%s: closed with 1011, %s", name, error, exc_info=not isinstance(error, sqlite3.Error))
            await websocket.close(1011, "the CSMS failed; see its log")

    async def _attend(self, name: str, version: Version, websocket: ServerConnection) -> None:
        assert websocket.request is not None
        given = security_of.credentials(",".join(websocket.request.headers.get_all("Authorization")))
        if given is not None:
            self.passwords.of(name).add(given[1].decode("utf-8", "backslashreplace"))
        older = self.connections.get(name)
        self.store.seen(name, version)
        connection = charge_point_of(version)(name, websocket, self)
        self.connections[name] = connection
        connection.seen.add("connection", f"connected from {_peer(websocket)}, OCPP {version}")
        LOG.info("%s: connected from %s, OCPP %s", name, _peer(websocket), version)
        if older is not None:
            LOG.warning("%s: connected again; the older connection is closed", name)
            older.spawn(older.websocket.close(1008, "the same identity connected again"))
        try:
            await connection.serve()
        finally:
            if self.connections.get(name) is connection:
                del self.connections[name]
            ending = f"disconnected ({_ending(websocket)})"
            connection.seen.add("connection", ending)
            LOG.info("%s: %s", name, ending)

    @contextlib.asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[str]:
        """Listen until the block ends; yields the address as `ws://HOST:PORT`.

        Raises:
            CsmsMistake: the address cannot be bound.
        """
        context = self.settings.security.context()
        try:
            everybody = sockets.listen_to_everybody(port) if host == sockets.EVERYBODY else None
            server = await serve(
                self.attend,
                None if everybody else host,
                None if everybody else port,
                sock=everybody,
                process_request=self.refuse,
                select_subprotocol=self.select,
                max_size=LARGEST_MESSAGE,
                # Charge points are slow and mobile links stall: a ping answered within a minute is alive.
                ping_interval=60,
                ping_timeout=60,
                close_timeout=1,
                ssl=context,
                backlog=sockets.BACKLOG,
                logger=_silent(),
            )
        except (OSError, OverflowError) as error:
            raise CsmsMistake(
                f"{host}:{port} cannot be listened on ({why_not(error)}); choose another --listen"
            ) from None
        self.address = _address(server, "wss" if context else "ws")
        try:
            yield self.address
        finally:
            server.close(code=1001, reason="the CSMS is going down")
            await server.wait_closed()

    def close(self) -> None:
        LOG.removeFilter(self.passwords.filter)
        self.store.close()


def _address(server: Server, scheme: str) -> str:
    host, port = next(iter(server.sockets)).getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _peer(websocket: ServerConnection) -> str:
    address = websocket.remote_address
    # A socket of both kinds writes IPv4 as ::ffff:192.0.2.1.
    return f"{address[0].removeprefix('::ffff:')}:{address[1]}" if address else "unknown peer"


def _ending(websocket: ServerConnection) -> str:
    code, reason = websocket.close_code, websocket.close_reason
    return f"{code} {reason}" if reason else str(code)


def _silent() -> logging.Logger:
    # websockets logs a traceback for every port scan; what matters we log ourselves, in one line.
    logger = logging.getLogger("csms.websockets")
    logger.setLevel(logging.CRITICAL)
    return logger


async def run(
    host: str,
    port: int,
    settings: Settings,
    announce: Callable[[str], None],
    configuration: Configuration | None = None,
    page: PageAddress | None = None,
    page_token: str | None = None,
) -> None:
    """Run a CSMS until SIGINT or SIGTERM.

    Args:
        host, port: where charge points connect.
        settings: how it behaves.
        announce: gets `csms at ws://HOST:PORT` when it is ready, then the operator page's address.
        configuration: what its file said.
        page: where the operator's page is served; None leaves it out.
        page_token: its token; needed, and made up when None, where the page is not on loopback.

    Raises:
        CsmsMistake: an address or a file cannot be used.
    """
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    allow_many_files()
    loop.set_exception_handler(Overflow())
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, end.set)
    csms = CentralSystem(settings, configuration)
    try:
        # The page ends last: calls that it waits for end with the charge points' connections.
        async with contextlib.AsyncExitStack() as stack, csms.listening(host, port) as address:
            announce(f"csms at {address}")
            if page is not None:
                # Imported once the CSMS answers: charge points need not wait for the page's libraries.
                from csms.web import serving

                url = await stack.enter_async_context(serving(csms, page, page_token))
                announce(f"operator page at {url}")
            await end.wait()
    finally:
        csms.close()


def main() -> int:
    """Run the CSMS from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m csms.central_system", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 is any free one (default %(default)s)")
    parser.add_argument("--page", type=int, help="port of the operator's page on loopback (default: no page)")
    parser.add_argument("--db", type=Path, help="SQLite file to keep state in (default: memory)")
    options = parser.parse_args()
    log.start()
    page = None if options.page is None else PageAddress(port=options.page, explicit=True)
    settings = Settings(db=options.db)
    try:
        asyncio.run(run(options.host, options.port, settings, lambda line: print(line, flush=True), page=page))
    except CsmsMistake as mistake:
        print(f"csms: {mistake}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
