"""A charge point between its CSMS and a shadow, through a real proxy: every peer keeps what it has heard and said."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.processes import Program

BOOT = {"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": "1.2"}
ACCEPTED = {"idTagInfo": {"status": "Accepted"}}
NOW = "2026-01-01T00:00:00Z"
SUBPROTOCOLS = [Subprotocol(f"ocpp{version}") for version in ("1.6", "2.0.1", "2.1")]

type Answer = Callable[[dict[str, Any]], Any]
"""Returns the payload of the answer to a CALL with this payload, or a whole list to send instead; None for none."""


class Csms:
    """A CSMS that answers as it is told; `first_id` is the id of its first transaction."""

    def __init__(self, first_id: int = 7, **answers: Answer | dict[str, Any]) -> None:
        self.heard: list[list[Any]] = []
        self.said: list[str] = []
        self.authorization: list[str | None] = []
        self.connections: list[ServerConnection] = []
        self._next_id = first_id
        self.delay_s: dict[str, float] = {}
        self.asks_after: dict[str, list[Any]] = {}
        """By action: a CALL that follows the answer."""
        self.closes_after: str | None = None
        self._answers: dict[str, Any] = {
            "BootNotification": {"currentTime": NOW, "interval": 300, "status": "Accepted"},
            "Heartbeat": {"currentTime": NOW},
            "Authorize": ACCEPTED,
            "StartTransaction": self._start,
            "StopTransaction": ACCEPTED,
            **answers,
        }

    def _start(self, _: dict[str, Any]) -> dict[str, Any]:
        self._next_id += 1
        return {"transactionId": self._next_id - 1, **ACCEPTED}

    def actions(self) -> list[str]:
        return [frame[2] for frame in self.heard if frame[0] == 2]

    def of(self, action: str) -> list[dict[str, Any]]:
        return [frame[3] for frame in self.heard if frame[0] == 2 and frame[2] == action]

    async def __call__(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        assert connection.request is not None
        self.authorization.append(connection.request.headers.get("Authorization"))
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                frame = json.loads(message)
                self.heard.append(frame)
                if frame[0] == 2:
                    await self._answer(connection, frame)

    async def _answer(self, connection: ServerConnection, frame: list[Any]) -> None:
        _, message_id, action, payload = frame
        await asyncio.sleep(self.delay_s.get(action, 0))
        answer = self._answers.get(action, {})
        made = answer(payload) if callable(answer) else answer
        if made is not None:
            whole = [made[0], message_id, *made[1:]] if isinstance(made, list) else [3, message_id, made]
            await self._say(connection, whole)
        if action in self.asks_after:
            await self._say(connection, self.asks_after[action])
        if action == self.closes_after:
            await connection.close(1011, "planted")

    async def _say(self, connection: ServerConnection, frame: list[Any]) -> None:
        text = json.dumps(frame, separators=(",", ":"))
        self.said.append(text)
        await connection.send(text)


@asynccontextmanager
async def listening(csms: Any, **options: Any) -> AsyncIterator[str]:
    """Serve a CSMS; yield its address."""
    async with serve(csms, "127.0.0.1", 0, subprotocols=SUBPROTOCOLS, **options) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


class ChargePoint:
    """A charge point that sends one CALL after the other."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.said: list[str] = []
        self.heard: list[str] = []
        self._number = 0

    async def call(self, action: str, payload: dict[str, Any]) -> Any:
        """Send a CALL and return the payload of its answer; answer what comes before it."""
        self._number += 1
        message_id = str(self._number)
        await self._say([2, message_id, action, payload])
        async with asyncio.timeout(10):
            while True:
                text = await self.connection.recv()
                assert isinstance(text, str)
                self.heard.append(text)
                frame = json.loads(text)
                if frame[0] == 2:
                    await self._say([3, frame[1], {"status": "Accepted"}])
                elif frame[1] == message_id:
                    return frame[2]

    async def _say(self, frame: list[Any]) -> None:
        text = json.dumps(frame, separators=(",", ":"))
        self.said.append(text)
        await self.connection.send(text)

    async def charge(self) -> None:
        """Boot, and charge once (OCPP 1.6)."""
        await self.call("BootNotification", BOOT)
        for connector in (0, 1):
            await self.call("StatusNotification", status(connector, "Available"))
        await self.call("Authorize", {"idTag": "A"})
        await self.call("StatusNotification", status(1, "Preparing"))
        start = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": NOW}
        transaction = (await self.call("StartTransaction", start))["transactionId"]
        await self.call("StatusNotification", status(1, "Charging"))
        values = [{"timestamp": NOW, "sampledValue": [{"value": "5"}]}]
        await self.call("MeterValues", {"connectorId": 1, "transactionId": transaction, "meterValue": values})
        stop = {"transactionId": transaction, "idTag": "A", "meterStop": 9, "timestamp": NOW, "reason": "Local"}
        await self.call("StopTransaction", stop)
        await self.call("StatusNotification", status(1, "Finishing"))
        await self.call("StatusNotification", status(1, "Available"))
        await self.call("Heartbeat", {})


CHARGED = (
    *("BootNotification", "StatusNotification", "StatusNotification", "Authorize", "StatusNotification"),
    *("StartTransaction", "StatusNotification", "MeterValues", "StopTransaction", "StatusNotification"),
    *("StatusNotification", "Heartbeat"),
)
"""The actions of `ChargePoint.charge`, in order."""


def status(connector: int, name: str) -> dict[str, Any]:
    return {"connectorId": connector, "errorCode": "NoError", "status": name}


@asynccontextmanager
async def charge_point(url: str, name: str = "CP-1", **headers: str) -> AsyncIterator[ChargePoint]:
    """Connect a charge point of OCPP 1.6."""
    async with connect(f"{url}/{name}", subprotocols=SUBPROTOCOLS[:1], additional_headers=headers) as connection:
        yield ChargePoint(connection)


@asynccontextmanager
async def proxy(upstream: str, db: Path, *options: object) -> AsyncIterator[tuple[Program, str]]:
    """Run the command `proxy`; yield it with its address, and end it cleanly."""
    listen = ("--listen", "127.0.0.1:0", "--db", db)
    with Program("proxy", "--upstream", upstream, *listen, *options) as program:
        url = (await asyncio.to_thread(program.wait_for, r"listening on (ws://\S+)"))[1]
        yield program, url
        assert await asyncio.to_thread(program.stop) == 0, program.report()


@asynccontextmanager
async def shadowed(primary: Any, shadow: Any, db: Path, *options: object) -> AsyncIterator[tuple[Program, str, str]]:
    """Run a proxy between a CSMS and its shadow; yield it with its address and the shadow's."""
    async with listening(primary) as upstream, listening(shadow) as candidate:
        extra = ("--shadow", f"CP-*={candidate}/ocpp", *options)
        async with proxy(upstream, db, *extra) as (program, url):
            yield program, url, candidate


async def eventually(condition: Callable[[], Any], timeout_s: float = 10.0) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)
