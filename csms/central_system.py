"""Listen for charge points, accept or refuse them, and serve each until it disconnects.

`v16`, `v201` and `v21` decide how to answer a charge point.

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
from http import HTTPStatus
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from csms import log
from csms import security as security_of
from csms.actions import charge_point_of
from csms.configuration import Configuration, PageAddress, Settings
from csms.context import RECEIPTS, Context
from csms.errors import CsmsMistake
from csms.operator_api import origins
from csms.schemas import SUBPROTOCOLS, Version
from csms.security import PasswordCheck
from csms.wire import handshake, net
from csms.wire.connection import Connection

LOG = logging.getLogger("csms")
DEFAULT_PORT = 9000
LARGEST_MESSAGE = 4 * 2**20


class CentralSystem:
    """One CSMS: its listening port and the connections of its charge points."""

    def __init__(self, settings: Settings | None = None, configuration: Configuration | None = None) -> None:
        self.connections: dict[str, Connection] = {}
        self.context = Context.start(settings or Settings(), configuration, self.connections.__contains__)
        self.settings, self.store = self.context.settings, self.context.store
        self._password_check = PasswordCheck()
        LOG.addFilter(self.context.passwords.filter)

    @property
    def address(self) -> str:
        """The address for charge points, such as `ws://127.0.0.1:9000`."""
        return self.context.address

    async def refuse(self, websocket: ServerConnection, request: Request) -> Response | None:
        """Return the HTTP answer that refuses a request; None lets the WebSocket upgrade continue."""
        if request.path.startswith(RECEIPTS) and "Upgrade" not in request.headers:
            text = self.store.receipt_text(request.path.removeprefix(RECEIPTS))
            return websocket.respond(HTTPStatus.NOT_FOUND if text is None else HTTPStatus.OK, text or "no receipt\n")
        verdict = handshake.examine(request.path, request.headers)
        page = ",".join(request.headers.get_all("Origin"))
        host = ",".join(request.headers.get_all("Host"))
        if page and not origins.may_connect(page, host, self.settings.allow_origins):
            pages = "saved pages and sandboxed frames" if page == "null" else "web pages of this origin"
            reason = f"{pages} may not connect; if you trust them, start the CSMS with --allow-origin {page[:200]!a}"
            verdict = handshake.NotOcpp(HTTPStatus.FORBIDDEN, reason)
        if not isinstance(verdict, handshake.NotOcpp):
            refusal = await self._authenticate(websocket, request, verdict[0])
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

    async def _authenticate(self, websocket: ServerConnection, request: Request, name: str) -> handshake.NotOcpp | None:
        """Check the security profile and the policy for unknown identities; return a refusal, or None to accept."""
        known = self.store.charge_point(name)
        security = self.settings.security
        if security.wants_password:
            # Two Authorization headers must be refused, as either may be wrong: joined, they cannot be parsed.
            given = security_of.credentials(",".join(request.headers.get_all("Authorization")))
            right = given is not None and await self._is_password(name, given[1])
            # A00.FR.204: the user name is the identity.
            if given is None or given[0] != name or not right:
                reason = f"{name}: wrong or missing password (HTTP Basic, the user name is the identity)"
                return handshake.NotOcpp(HTTPStatus.UNAUTHORIZED, reason)
        if security.profile == 3:
            owner = security_of.common_name(websocket.transport.get_extra_info("peercert"))
            serial = known["serial"] if known else None
            # A00.FR.405: the certificate names the serial number, which the boot shows if it is not known yet.
            if owner is None or (serial is not None and owner[:25] != serial and owner != name):
                reason = f"{name}: the client certificate was issued to {owner}"
                return handshake.NotOcpp(HTTPStatus.FORBIDDEN, reason)
        if known is None and not self.settings.unknown_charge_points:
            return handshake.NotOcpp(HTTPStatus.NOT_FOUND, f"{name}: this CSMS does not know the charge point")
        return None

    async def _is_password(self, name: str, password: bytes) -> bool:
        """Return whether a charge point has this password. If it is the new one, the old one becomes invalid."""
        known = self.store.charge_point(name) or {"password_hash": None, "old_password_hash": None}
        old = known["old_password_hash"]
        if await self._password_check.right(password, known["password_hash"]):
            if old is not None:
                self.store.forget_old_password(name)
            return True
        return old is not None and await self._password_check.right(password, old)

    @staticmethod
    def select(websocket: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        """Select the first offered subprotocol that the CSMS supports."""
        return next((protocol for protocol in offered if protocol in SUBPROTOCOLS), None)

    async def attend(self, websocket: ServerConnection) -> None:
        """Serve one charge point until it disconnects."""
        assert websocket.request is not None
        verdict = handshake.examine(websocket.request.path, websocket.request.headers)
        assert not isinstance(verdict, handshake.NotOcpp)
        name, subprotocol = verdict
        if subprotocol is None:
            # OCPP-J 1.6, 3.3 and 2.x part 4, 3.3: complete the handshake without a subprotocol, then close it at once.
            LOG.warning("%s: closed: it offered none of the subprotocols %s", name, ", ".join(SUBPROTOCOLS))
            await websocket.close(1002, f"offer one of {', '.join(SUBPROTOCOLS)} as WebSocket subprotocol")
            return
        try:
            await self._attend(name, SUBPROTOCOLS[subprotocol], websocket)
        except Exception as error:
            # A locked database or a full disk is not a bug: log it without a traceback.
            LOG.error("%s: closed with 1011: %s", name, error, exc_info=not isinstance(error, sqlite3.Error))
            await websocket.close(1011, "the CSMS failed; see its log")

    async def _attend(self, name: str, version: Version, websocket: ServerConnection) -> None:
        assert websocket.request is not None
        given = security_of.credentials(",".join(websocket.request.headers.get_all("Authorization")))
        if given is not None:
            self.context.passwords.of(name).add(given[1].decode("utf-8", "backslashreplace"))
        older = self.connections.get(name)
        self.store.seen(name, version)
        connection = charge_point_of(version)(name, websocket, self.context)
        if self.settings.security.profile == 3:
            known = self.store.charge_point(name)
            owner = security_of.common_name(websocket.transport.get_extra_info("peercert"))
            connection.certificate_name = owner
            if owner != name and (owner is None or known is None or owner[:25] != known["serial"]):
                connection.boot_status = None  # its serial number must be checked first
        self.connections[name] = connection
        connection.log.add("connection", f"connected from {_peer(websocket)}, OCPP {version}")
        LOG.info("%s: connected from %s, OCPP %s", name, _peer(websocket), version)
        if older is not None:
            LOG.warning("%s: connected again; closing the older connection", name)
            older.spawn(older.websocket.close(1008, "the same identity connected again"))
        try:
            await connection.serve()
        finally:
            if self.connections.get(name) is connection:
                del self.connections[name]
                if connection.last_message is not None:
                    self.store.heard(name, connection.last_message)
            ending = f"disconnected ({_ending(websocket)})"
            connection.log.add("connection", ending)
            LOG.info("%s: %s", name, ending)

    @contextlib.asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[str]:
        """Listen until the block ends; yield the address as `ws://HOST:PORT`.

        Raises:
            CsmsMistake: the address is in use or does not belong to this machine.
        """
        context = self.settings.security.context()
        try:
            everywhere = net.listen_on_every_address(port) if host == net.EVERY_ADDRESS else None
            server = await serve(
                self.attend,
                None if everywhere else host,
                None if everywhere else port,
                sock=everywhere,
                process_request=self.refuse,
                select_subprotocol=self.select,
                max_size=LARGEST_MESSAGE,
                # Charge points are slow and mobile networks pause, so the answer to a ping may take a minute.
                ping_interval=60,
                ping_timeout=60,
                close_timeout=1,
                ssl=context,
                backlog=net.BACKLOG,
                logger=_without_tracebacks(),
            )
        except (OSError, OverflowError) as error:
            raise CsmsMistake(
                f"cannot listen on {host}:{port}: {net.why_not_listening(error)};"
                " choose another with --listen (0 = any free port)"
            ) from None
        listener = next(iter(server.sockets))
        self.context.address = f"{'wss' if context else 'ws'}://{net.host_and_port(listener)}"
        try:
            yield self.context.address
        finally:
            server.close(code=1001, reason="the CSMS is shutting down")
            await server.wait_closed()

    def close(self) -> None:
        LOG.removeFilter(self.context.passwords.filter)
        self.store.close()


def _peer(websocket: ServerConnection) -> str:
    address = websocket.remote_address
    # A socket for IPv6 and IPv4 reports IPv4 addresses in the form ::ffff:192.0.2.1.
    return f"{address[0].removeprefix('::ffff:')}:{address[1]}" if address else "unknown peer"


def _ending(websocket: ServerConnection) -> str:
    code, reason = websocket.close_code, websocket.close_reason
    return f"{code} {reason}" if reason else str(code)


def _without_tracebacks() -> logging.Logger:
    # websockets logs a traceback for every port scan. This module logs the important failures, in one line each.
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
        host, port: the address for charge points.
        settings: the options.
        announce: is called with `csms at ws://HOST:PORT` when the CSMS is ready, then with the operator page's address.
        configuration: the content of the configuration file.
        page: the address of the operator's page; None serves no page.
        page_token: the token of the page; if it is None, a page that is not on loopback gets a random token.

    Raises:
        CsmsMistake: an address or a file cannot be used.
    """
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    net.allow_many_files()
    loop.set_exception_handler(net.TooManyConnections())
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, end.set)
    csms = CentralSystem(settings, configuration)
    try:
        # Stop the page last: it may wait for CALLs, which end when the connections of the charge points end.
        async with contextlib.AsyncExitStack() as stack, csms.listening(host, port) as address:
            announce(f"csms at {address}")
            if page is not None:
                # Import this after the CSMS listens, so that charge points do not wait for the page's libraries.
                from csms.operator_api.web import serving

                url = await stack.enter_async_context(serving(csms.context, csms.connections, page, page_token))
                announce(f"operator page at {url}")
            await end.wait()
    finally:
        csms.close()


def main() -> int:
    """Run the CSMS from the command line, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m csms.central_system", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port to listen on; 0 takes any free port (default %(default)s)"
    )
    parser.add_argument(
        "--page", type=int, help="serve the operator's page on this port of 127.0.0.1 (default: no page)"
    )
    parser.add_argument("--db", type=Path, help="SQLite file that keeps the state (default: keep it in memory)")
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
