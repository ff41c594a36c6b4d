"""The CSMS of a conformance run: the reference CSMS, whose network can fail on request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from csms.central_system import CentralSystem
from csms.configuration import Settings
from csms.message_log import Source
from csms.wire.connection import Connection
from inspector.cli.conformance.seen import Frames


class Bench(CentralSystem):
    """A CSMS that serves one charge point at a time: the one that `wanted` names, or else the first that connects."""

    def __init__(self, settings: Settings, wanted: str | None, say: Callable[[str], None]) -> None:
        super().__init__(settings)
        self.frames: Frames | None = None
        self._wanted, self._say = wanted, say
        self._down = False
        self._refused: set[str] = set()
        self.arrived = asyncio.Event()
        self.context.log.listener = self._added

    async def refuse(self, websocket: ServerConnection, request: Request) -> Response | None:
        if self._down:
            return websocket.respond(HTTPStatus.SERVICE_UNAVAILABLE, "the conformance run lets the network fail\n")
        return await super().refuse(websocket, request)

    @property
    def charge_point(self) -> Connection | None:
        """The connection of the charge point under test; None while it is away."""
        return self.connections.get(self.frames.charge_point_id) if self.frames is not None else None

    def network_down(self) -> None:
        """Cut the connection without a close frame, and refuse new ones."""
        self._down = True
        if (connection := self.charge_point) is not None:
            connection.websocket.transport.abort()

    def network_up(self) -> None:
        """Accept connections again."""
        self._down = False

    def set_boot(self, status: str) -> None:
        """Answer boots with a status from now on."""
        assert self.frames is not None
        self.store.set_charge_point(self.frames.charge_point_id, boot_policy=status)

    def _added(self, charge_point_id: str, source: Source, message: str | bytes) -> None:
        if self.frames is None and self._wanted in (None, charge_point_id):
            self.frames = Frames(charge_point_id)
        if self.frames is None or charge_point_id != self.frames.charge_point_id:
            if charge_point_id not in self._refused:
                self._refused.add(charge_point_id)
                self._say(f"another charge point connects and is not tested: {charge_point_id}")
            return
        if source != "connection":
            self.frames.add(source == "charge_point", message)
        elif str(message).startswith("connected"):
            self.frames.connected(str(message).rpartition("OCPP ")[2])
            self.arrived.set()
        else:
            self.frames.disconnected()
