"""The fast path: take over both sockets of a session from mitmproxy after the 101.

mitmproxy handles the handshake. Then a tunnel layer relays chunks until mitmproxy's own buffers are empty, two pipes
take over the transports, and mitmproxy's part ends. No other module uses mitmproxy's non-public names. `missing_names`
checks them at start; if one is missing, the engine uses the public hooks only.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from mitmproxy import http
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client, Connection, ConnectionState, Server
from mitmproxy.master import Master
from mitmproxy.proxy import commands, events, layer, mode_specs
from mitmproxy.proxy.layers import modes
from mitmproxy.proxy.layers.http import (
    HttpLayer,
    HTTPMode,
    HttpStream,
    SendHttp,
)
from mitmproxy.proxy.layers.http._events import ResponseEndOfMessage
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler
from mitmproxy.proxy.server import ConnectionHandler, ConnectionIO, TimeoutWatchdog

from inspector.proxy import tls
from inspector.proxy.addon import RecordingAddon
from inspector.proxy.connection_facts import address, without_quotes
from inspector.proxy.edited_pipe import EditedRelay
from inspector.proxy.handshake_limits import HandshakeLimits
from inspector.proxy.pipe import join, reset
from inspector.proxy.safe_log import safe
from inspector.proxy.session_tap import SessionTap
from inspector.proxy.settings import Settings
from inspector.redaction.handshake import is_upgrade

logger = logging.getLogger(__name__)

BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

type Commands = Generator[commands.Command, Any, None]


NEEDED: list[tuple[type, str, list[str]]] = [
    (HttpLayer, "__init__", ["self", "context", "mode"]),
    (HttpLayer, "make_stream", ["self", "stream_id"]),
    (HttpLayer, "event_to_child", ["self", "child", "event"]),
    (HttpStream, "flow_done", ["self"]),
    (HttpStream, "passthrough", ["self", "event"]),
    (ProxyConnectionHandler, "__init__", ["self", "master", "r", "w", "options", "mode"]),
    (ConnectionHandler, "handle_client", ["self"]),
    (ConnectionHandler, "log", ["self", "message", "level", "exc_info"]),
    (ConnectionHandler, "handle_connection", ["self", "connection"]),
    (ConnectionHandler, "open_connection", ["self", "command"]),
    (ConnectionHandler, "server_event", ["self", "event"]),
    (TimeoutWatchdog, "watch", ["self"]),
    (TimeoutWatchdog, "disarm", ["self"]),
    (Proxyserver, "register_connection", ["self", "connection_id", "handler"]),
    (modes.ReverseProxy, "__init__", ["self", "context"]),
]
"""Non-public methods that are called or overridden here, with their parameters."""


def missing_names() -> list[str]:
    """Return the non-public names that this module needs but the installed mitmproxy lacks."""
    missing = []
    for owner, name, parameters in NEEDED:
        function = getattr(owner, name, None)
        if function is None or list(inspect.signature(function).parameters) != parameters:
            missing.append(f"{owner.__name__}.{name}({', '.join(parameters[1:])})")
    for owner, names in ((HttpStream, ["child_layer", "flow"]), (ConnectionHandler, ["transports", "layer"])):
        missing += [f"{owner.__name__}.{name}" for name in names if name not in owner.__annotations__]
    if "_server_event_lock" not in ConnectionHandler.__init__.__code__.co_names:
        missing.append("ConnectionHandler._server_event_lock")
    if not hasattr(asyncio.StreamReader(loop=asyncio.get_running_loop()), "_buffer"):
        missing.append("asyncio.StreamReader._buffer")
    if "_transport" not in asyncio.StreamWriter.__init__.__code__.co_names:
        missing.append("asyncio.StreamWriter._transport")
    return missing


class _Gone(asyncio.Transport):
    """A transport that does nothing. A StreamWriter gets it in place of the one that a pipe has taken over."""

    def is_closing(self) -> bool:
        return True

    def close(self) -> None:
        pass


GONE = _Gone()


class TunnelLayer(layer.Layer):
    """Relay chunks unchanged from the 101 until pipes take over."""

    def __init__(self, context: Any, session: SessionTap) -> None:
        super().__init__(context)
        self.session = session

    def _handle_event(self, event: events.Event) -> Commands:
        if not isinstance(event, events.ConnectionEvent) or self.session.taken_over:
            return
        from_cp = event.connection == self.context.client
        if self.session.edited is not None and isinstance(event, events.DataReceived):
            self.session.early.append((from_cp, event.data))
            return
        peer = self.context.server if from_cp else self.context.client
        if isinstance(event, events.DataReceived):
            forward = from_cp not in self.session.shut
            if forward:
                yield commands.SendData(peer, event.data)
            self.session.feed(from_cp, event.data, forward)
        elif isinstance(event, events.ConnectionClosed):
            handler = handler_of(self.context.client)
            was_reset = isinstance(handler.failure(event.connection), ConnectionError)
            self.session.ended(from_cp, "reset" if was_reset else "fin")
            if was_reset:
                handler.reset(peer)
            yield commands.CloseConnection(peer)


class RelayHttpStream(HttpStream):
    """mitmproxy's HTTP stream, which continues as a tunnel after a WebSocket upgrade."""

    def flow_done(self) -> Commands:
        response = self.flow.response
        handler = handler_of(self.context.client)
        session = handler.recording.sessions.get(self.context.client.id)
        if (
            response is None
            or response.status_code != 101
            or session is None
            or not is_upgrade(response.headers.fields)
        ):
            yield from super().flow_done()
            if response is None or response.status_code != 101:
                handler.limits.expect_request()  # only now is the answer sent completely
            return
        self.child_layer = handler.tunnel = TunnelLayer(self.context, session)
        session.write = handler.write_by_layer
        self._handle_event = self.passthrough
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)


class RelayHttpLayer(HttpLayer):
    """mitmproxy's HTTP layer, with streams that can become a tunnel."""

    def make_stream(self, stream_id: int) -> Commands:
        handler_of(self.context.client).limits.head_seen = True
        self.streams[stream_id] = RelayHttpStream(self.context.fork(), stream_id)
        yield from self.event_to_child(self.streams[stream_id], events.Start())


class RelayHooks:
    """Choose the HTTP layer and inform each handler about its handshake, through mitmproxy's public hooks."""

    name = "relay"

    def next_layer(self, next_layer: layer.NextLayer) -> None:
        next_layer.layer = RelayHttpLayer(next_layer.context, HTTPMode.transparent)

    def request(self, flow: http.HTTPFlow) -> None:
        handler_of(flow.client_conn).asked()

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        handler_of(flow.client_conn).limits.answering()


class NoWatchdog(TimeoutWatchdog):
    """A timeout that never fires, instead of mitmproxy's: sessions may be silent for days."""

    def __init__(self) -> None:
        pass

    def register_activity(self) -> None:
        pass

    async def watch(self) -> None:
        pass

    @contextmanager
    def disarm(self) -> Iterator[None]:
        yield


class RelayHandler(ProxyConnectionHandler):
    """Handle one connection of a charge point until pipes take over."""

    def __init__(
        self,
        master: Master,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        mode: mode_specs.ProxyMode,
        recording: RecordingAddon,
        settings: Settings,
    ) -> None:
        super().__init__(master, reader, writer, master.options, mode)  # type: ignore[no-untyped-call]
        self.timeout_watchdog = NoWatchdog()
        self.layer = modes.ReverseProxy(self.layer.context)
        self.recording = recording
        self.settings = settings
        self.tunnel: TunnelLayer | None = None
        """Relays from the 101 until pipes take over."""
        self.limits = HandshakeLimits(settings.handshake_timeout, self._overdue)
        self._given_up = False
        self._csms_hung_up = False
        self._said = ""

    async def serve(self, proxyserver: Proxyserver) -> None:
        """Serve until mitmproxy has finished with the connection; pipes may still relay on its sockets."""
        handlers[self.client.id] = self
        self.limits.expect_request()
        try:
            with proxyserver.register_connection(self.client.id, self):
                await self.handle_client()
        finally:
            self.limits.asked()
            del handlers[self.client.id]

    def asked(self) -> None:
        """Note that the request is complete."""
        self.limits.asked()
        self._csms_hung_up = False

    def _overdue(self, again: bool) -> None:
        if again:
            self.give_up()  # an idle connection after an answer is closed, as HTTP servers do
        else:
            self.refuse(f"sent no complete upgrade request within {self.settings.handshake_timeout:g} s")

    async def server_event(self, event: events.Event) -> None:
        if self._given_up and isinstance(event, events.ConnectionEvent):
            event.connection.state = ConnectionState.CLOSED
            return
        if isinstance(event, events.DataReceived):
            if self.client.id not in self.recording.sessions and not self._admit(event):
                return
        elif isinstance(event, events.ConnectionClosed):
            self._lost(event.connection, self.failure(event.connection))
        await super().server_event(event)
        if self.tunnel is not None:
            self._take_over(self.tunnel)
        elif self.limits.between_requests:
            self._between_requests(event)

    def _lost(self, peer: Connection, failure: BaseException | None) -> None:
        """Note how one connection of a session ended (mitmproxy does not), and end the other in the same way."""
        if isinstance(peer, Server):
            self._csms_hung_up = True
            if failure:
                peer.error = tls.upstream_failure(failure)
        elif failure and self.tunnel is None:
            for server in [server for server in self.transports if isinstance(server, Server)]:
                self.reset(server)

    def _admit(self, event: events.DataReceived) -> bool:
        """Check bytes of a handshake against the limits; return whether mitmproxy may have them."""
        if event.connection is self.client:
            if breach := self.limits.breach_by_charge_point(event.data):
                self.refuse(breach)
                return False
            return True
        interim, event.data = self.limits.interim(event.data)
        self.write_by_layer(True, interim)
        if breach := self.limits.breach_by_csms(event.data):
            self.fail(breach)
            return False
        return bool(event.data)

    def _between_requests(self, event: events.Event) -> None:
        """Handle the end of a connection without a request, which mitmproxy does not report."""
        if self._csms_hung_up:
            self.give_up()  # the CSMS has closed the connection after a rejection: so does the proxy
        elif self.limits.head_seen or self.client.state is not ConnectionState.CLOSED:
            return
        elif not isinstance(event, events.ConnectionClosed):
            self.refuse(f"sent no HTTP request: {without_quotes(self._said.partition(': ')[2])}")
        elif self.limits.begun:
            self.refuse("disconnected before its request was complete")

    def log(self, message: str, level: int = logging.INFO, exc_info: Any = None) -> None:
        """Read mitmproxy's log: after an internal error, end the connection and record the error."""
        self._said = message
        failure = sys.exception() if exc_info is True else None
        if failure is None or self.client.id in self.recording.sessions:
            super().log(message, level, exc_info)
            return
        logger.debug("mitmproxy failed", exc_info=failure)
        why = f"{failure or type(failure).__name__}"
        if self.limits.between_requests:
            self.refuse(f"sent a request that mitmproxy cannot handle: {why}")
        else:
            self.fail(f"mitmproxy cannot handle the CSMS's answer: {why}")

    def failure(self, peer: Connection) -> BaseException | None:
        """Return the error that ended a connection, None if it ended normally."""
        io = self.transports.get(peer)
        return io.reader.exception() if io and isinstance(io.reader, asyncio.StreamReader) else None

    def reset(self, peer: Connection) -> None:
        """Reset the connection to `peer`, because the other connection was reset."""
        io = self.transports.get(peer)
        if io and isinstance(io.writer, asyncio.StreamWriter):
            reset(cast(asyncio.Transport, io.writer.transport))

    def refuse(self, reason: str) -> None:
        """End a connection in its handshake because of a fault of the charge point, and record `reason`."""
        if self._given_up:
            return
        peer = address(self.client.peername)
        if self.recording.console is None:
            logger.warning("%s refused: it %s", peer, *safe(reason))
        detail = {"remote_addr": peer, "refused": True, "reason": f"the charge point {reason}"}
        self.recording.event_without_session("fault", detail)
        self.give_up()

    def fail(self, reason: str) -> None:
        """Answer 502 because of a fault of the CSMS, end the connection, and record `reason`."""
        if self._given_up:
            return
        charge_point_id, upstream = self.recording.bound.get(self.client.id, (None, None))
        peer = address(self.client.peername)
        if self.recording.console is None:
            logger.warning("%s: cannot reach its CSMS: %s", *safe(charge_point_id or peer, reason))
        detail = {"remote_addr": peer, "charge_point_id": charge_point_id, "reason": reason}
        if upstream:
            detail["upstream"] = str(upstream)
        self.recording.event_without_session("unreachable", detail)
        self.write_by_layer(True, BAD_GATEWAY)
        self.give_up()

    def give_up(self) -> None:
        """End both sides once their buffers are sent; mitmproxy gets no more events.

        A peer that does not accept these bytes in time, or does not answer the TLS close, is disconnected.
        """
        self._given_up = True
        self.limits.asked()
        for io in list(self.transports.values()):
            if isinstance(io.writer, asyncio.StreamWriter):
                io.writer.close()
                asyncio.get_running_loop().call_later(self.settings.handshake_timeout, io.writer.transport.abort)

    async def open_connection(self, command: commands.OpenConnection) -> None:
        """Connect to the CSMS. asyncio does the TLS, so that a pipe can take over this connection too."""
        server = command.connection
        assert isinstance(server, Server) and server.address
        server.timestamp_start = time.time()
        secure: dict[str, Any] = {}
        charge_point_id, upstream = self.recording.bound[self.client.id]
        if upstream.tls and self.settings.upstream_tls:
            context = self.settings.upstream_tls.context(charge_point_id)
            secure = {"ssl": context, "server_hostname": upstream.host}
        try:
            async with asyncio.timeout(self.settings.connect_timeout):
                reader, writer = await asyncio.open_connection(*server.address, **secure)
        except (OSError, ValueError, asyncio.CancelledError) as failure:
            server.error = tls.upstream_failure(failure, self.settings.connect_timeout, in_handshake=bool(secure))
            await self.server_event(events.OpenConnectionCompleted(command, server.error))
            if isinstance(failure, asyncio.CancelledError):
                raise
            return
        server.timestamp_tcp_setup = time.time()
        server.state = ConnectionState.OPEN
        server.peername = writer.get_extra_info("peername")
        server.sockname = writer.get_extra_info("sockname")
        tls.note(server, writer)
        self.transports[server] = ConnectionIO(handler=asyncio.current_task(), reader=reader, writer=writer)
        await self.server_event(events.OpenConnectionCompleted(command, None))
        del command  # it refers to the layers of the handshake, and this call lasts as long as the session
        try:
            await self.handle_connection(server)
        finally:
            server.timestamp_end = time.time()

    def write_by_layer(self, to_charge_point: bool, data: bytes) -> None:
        """Write the proxy's own bytes to a connection before pipes have taken over."""
        for peer, io in self.transports.items():
            if isinstance(peer, Client) is not to_charge_point or not isinstance(io.writer, asyncio.StreamWriter):
                continue
            if not io.writer.is_closing():  # on a closing transport uvloop raises an error, asyncio does not
                io.writer.write(data)

    def _take_over(self, tunnel: TunnelLayer) -> None:
        """Let pipes take over both transports; if mitmproxy still has buffered bytes, the next event tries again.

        This must happen within an event: a RST that arrives before a later tick would be passed on as a FIN.
        """
        if self._server_event_lock.locked():
            return
        transports = []
        for peer in (tunnel.context.client, tunnel.context.server):
            io = self.transports.get(peer)
            if io is None or not isinstance(io.reader, asyncio.StreamReader):
                return
            assert isinstance(io.writer, asyncio.StreamWriter)
            # Wait if the reader has bytes or an EOF for a task that has not run yet: the pipe would lose them.
            buffered = io.reader._buffer  # type: ignore[attr-defined]
            if buffered or io.reader.at_eof() or io.writer.transport.is_closing():
                return
            transports.append(cast(asyncio.Transport, io.writer.transport))
        self.tunnel = None
        self.layer = tunnel
        joined: list[asyncio.BaseTransport] = [*transports]
        closed = partial(self.recording.finish, self.client.id)
        if tunnel.session.edited is None:
            join(transports[0], transports[1], tunnel.session, closed)
        else:
            EditedRelay(transports[0], transports[1], tunnel.session, tunnel.session.edited, closed).begin()
        self.recording.taken_over(tunnel.session)
        # mitmproxy has finished with the session: its tasks end and close `GONE` instead of the two sockets. There may
        # be a third connection, to a CSMS that rejected the charge point before: its own task closes it.
        for io in list(self.transports.values()):
            if isinstance(io.writer, asyncio.StreamWriter) and io.writer.transport in joined:
                io.writer._transport = GONE  # type: ignore[attr-defined]
            if io.handler is not None:
                io.handler.cancel("taken over")


handlers: dict[str, RelayHandler] = {}
"""The handlers of connections that pipes have not taken over, by client id.

mitmproxy's layers know only this id. One dict is enough, as a process has only one Master.
"""


def handler_of(client: Client) -> RelayHandler:
    return handlers[client.id]
