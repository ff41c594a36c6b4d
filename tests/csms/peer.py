"""A charge point's WebSocket for tests: sends frames unchanged and reads the answers, without checking either."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

BOOT = {
    "ocpp1.6": {"chargePointVendor": "Vendor", "chargePointModel": "Model"},
    "ocpp2.0.1": {"reason": "PowerUp", "chargingStation": {"vendorName": "Vendor", "model": "Model"}},
    "ocpp2.1": {"reason": "PowerUp", "chargingStation": {"vendorName": "Vendor", "model": "Model"}},
}
SUBPROTOCOLS = {"1.6": "ocpp1.6", "2.0.1": "ocpp2.0.1", "2.1": "ocpp2.1"}
PATIENCE_S = 10


class Peer:
    """One connection to a CSMS; CALL ids count up from 1."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self._calls = 0

    async def send(self, frame: object) -> None:
        """Send a frame: str and bytes as they are, anything else as JSON."""
        await self.websocket.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    async def receive(self) -> Any:
        """Read the next frame as JSON."""
        return json.loads(await asyncio.wait_for(self.websocket.recv(), PATIENCE_S))

    async def ask(self, frame: object) -> Any:
        await self.send(frame)
        return await self.receive()

    async def call(self, action: str, payload: object) -> Any:
        """Send a CALL; returns the payload of its CALLRESULT and fails on anything else."""
        self._calls += 1
        answer = await self.ask([2, f"call-{self._calls}", action, payload])
        assert answer[:2] == [3, f"call-{self._calls}"], f"{action} was answered with {answer}"
        return answer[2]

    async def boot(self) -> Any:
        protocol = self.websocket.subprotocol
        assert protocol is not None
        return await self.call("BootNotification", BOOT[protocol])

    async def silence_until_heartbeat(self) -> None:
        """Prove that the CSMS has sent nothing: the next frame is the answer to a Heartbeat sent now."""
        self._calls += 1
        answer = await self.ask([2, f"call-{self._calls}", "Heartbeat", {}])
        assert answer[:2] == [3, f"call-{self._calls}"], f"expected only the heartbeat's answer, got {answer}"


@asynccontextmanager
async def connected(
    url: str, version: str, identity: str = "CHARGER-001", boot: bool = True, **options: Any
) -> AsyncIterator[Peer]:
    """Connect as a charge point, and boot unless `boot` is false."""
    subprotocols = [Subprotocol(SUBPROTOCOLS[version])]
    async with connect(f"{url}/{identity}", subprotocols=subprotocols, **options) as websocket:
        peer = Peer(websocket)
        if boot:
            await peer.boot()
        yield peer
