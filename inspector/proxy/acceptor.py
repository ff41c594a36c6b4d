"""Accept connections from charge points for the fast path, with TLS and a limit on their number."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.master import Master
from mitmproxy.proxy import mode_specs

from inspector.proxy import tls
from inspector.proxy.addon import RecordingAddon
from inspector.proxy.addresses import BACKLOG
from inspector.proxy.connection_facts import address
from inspector.proxy.fastpath import RelayHandler, RelayHooks, handlers
from inspector.proxy.settings import Settings

logger = logging.getLogger(__name__)

BUSY = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class FastRelay:
    """Accept connections from charge points and run a handler for each."""

    def __init__(self, master: Master, proxyserver: Proxyserver, recording: RecordingAddon, settings: Settings) -> None:
        self._master, self._proxyserver, self._settings = master, proxyserver, settings
        self.recording = recording
        # mitmproxy needs a target now; the path of the request chooses the real one later.
        self._mode = mode_specs.ProxyMode.parse("reverse:http://127.0.0.1:9")
        self._servers: list[asyncio.Server] = []
        self._in_tls_handshake = 0
        self.addons: list[object] = [RelayHooks()]

    def _full(self) -> bool:
        """Return whether there are as many handshakes and sessions as allowed; one may be in both lists."""
        limit = self._settings.max_connections - self._in_tls_handshake
        sessions = self.recording.sessions
        return len(handlers) + len(sessions) >= limit and len(handlers.keys() | sessions.keys()) >= limit

    async def listen(self, sockets: list[socket.socket]) -> None:
        for listener in sockets:
            self._servers.append(await asyncio.start_server(self.accept, sock=listener, backlog=BACKLOG))

    def stop_listening(self) -> None:
        for server in self._servers:
            server.close()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of a charge point until its handler is done."""
        settings = self._settings
        peer = "unknown"
        with suppress(AttributeError, OSError):  # uvloop raises them for a socket that is closed already
            peer = address(writer.get_extra_info("peername"))
        secure = settings.listener_tls is not None
        if self._full():
            # Before the TLS handshake no HTTP answer can be sent.
            answer = b"" if secure else BUSY
            self._turn_away(writer, peer, "fault", f"more than --max-connections {settings.max_connections}", answer)
            return
        if settings.listener_tls is not None:
            self._in_tls_handshake += 1
            try:
                await writer.start_tls(settings.listener_tls, ssl_handshake_timeout=settings.handshake_timeout)
            except (OSError, TimeoutError) as failure:
                self._turn_away(writer, peer, "tls", tls.refusal(failure))
                return
            finally:
                self._in_tls_handshake -= 1
        if writer.is_closing():
            self._turn_away(writer, peer, "fault", "the charge point disconnected before it sent a request")
            return
        handler = RelayHandler(self._master, reader, writer, self._mode, self.recording, settings)
        tls.note(handler.client, writer)
        await handler.serve(self._proxyserver)

    def _turn_away(self, writer: asyncio.StreamWriter, peer: str, kind: str, reason: str, answer: bytes = b"") -> None:
        """End a connection before it gets a handler, and record why."""
        if self.recording.console is None:
            logger.warning("%s refused: %s", peer, reason)
        self.recording.event_without_session(kind, {"remote_addr": peer, "refused": True, "reason": reason})
        if answer and not writer.is_closing():
            writer.write(answer)
        writer.close()

    def close_all(self) -> None:
        """End every remaining connection."""
        for session in list(self.recording.sessions.values()):
            session.drop()
        for handler in list(handlers.values()):
            handler.give_up()
