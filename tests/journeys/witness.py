"""A relay between the proxy and the CSMS that keeps a list of every message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

SUBPROTOCOLS = [Subprotocol(f"ocpp{version}") for version in ("1.6", "2.0.1", "2.1")]


class Witness:
    """Relays and lists what crosses.

    Attributes:
        url: where charge points connect.
        seen: ("cp-to-csms" or "csms-to-cp", text) of each message, in order.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.url = ""
        self.seen: list[tuple[str, str]] = []

    async def relay(self, charge_point: ServerConnection) -> None:
        assert charge_point.request
        offered = [charge_point.subprotocol] if charge_point.subprotocol else None
        async with connect(self.upstream + charge_point.request.path, subprotocols=offered) as csms:
            await asyncio.gather(
                self._pass_on("cp-to-csms", charge_point, csms), self._pass_on("csms-to-cp", csms, charge_point)
            )

    async def _pass_on(self, direction: str, source: Connection, target: Connection) -> None:
        try:
            async for message in source:
                self.seen.append((direction, cast(str, message)))
                await target.send(message)
        except ConnectionClosed:
            pass
        finally:
            await target.close()

    def texts(self, direction: str) -> list[str]:
        return [text for one, text in self.seen if one == direction]


@asynccontextmanager
async def witnessing(upstream: str) -> AsyncIterator[Witness]:
    """Relay to the CSMS at `upstream` from a free port."""
    witness = Witness(upstream)
    async with serve(witness.relay, "127.0.0.1", 0, subprotocols=SUBPROTOCOLS) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        witness.url = f"ws://127.0.0.1:{port}"
        yield witness
