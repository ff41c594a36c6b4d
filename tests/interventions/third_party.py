"""Charge points and a CSMS of mobilityhouse's `ocpp` library, with what each of them sent and received."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

from ocpp import v16, v21, v201
from ocpp.routing import on
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

logging.getLogger("ocpp").setLevel(logging.CRITICAL)  # it logs every odd frame, which these tests send on purpose

LIBRARIES: dict[str, ModuleType] = {"1.6": v16, "2.0.1": v201, "2.1": v21}
ACCEPTED = {"status": "Accepted"}
TAG, TOKEN = "04E91C5A2B", {"id_token": "04E91C5A2B", "type": "ISO14443"}


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Wire:
    """A connection that keeps what was sent and received."""

    def __init__(self, connection: ClientConnection | ServerConnection) -> None:
        self.connection = connection
        self.said: list[str] = []
        self.heard: list[str] = []

    async def recv(self) -> str:
        message = await self.connection.recv()
        assert isinstance(message, str)
        self.heard.append(message)
        return message

    async def send(self, message: str) -> None:
        self.said.append(message)
        await self.connection.send(message)


class _Both:
    """Answers of both peers."""

    @on("Heartbeat")
    def on_heartbeat(self) -> Any:
        return self.answers.Heartbeat(current_time=now())  # type: ignore[attr-defined]

    @on("TriggerMessage")
    def on_trigger(self, **_: Any) -> Any:
        return self.answers.TriggerMessage(status="Accepted")  # type: ignore[attr-defined]

    @on("Reset")
    def on_reset(self, **_: Any) -> Any:
        return self.answers.Reset(status="Accepted")  # type: ignore[attr-defined]


class _Csms(_Both):
    @on("BootNotification")
    def on_boot(self, **_: Any) -> Any:
        return self.answers.BootNotification(current_time=now(), interval=300, status="Accepted")  # type: ignore[attr-defined]

    @on("Authorize")
    def on_authorize(self, **_: Any) -> Any:
        name = "id_tag_info" if self.answers is v16.call_result else "id_token_info"  # type: ignore[attr-defined]
        return self.answers.Authorize(**{name: ACCEPTED})  # type: ignore[attr-defined]

    @on("StartTransaction")
    def on_start(self, **_: Any) -> Any:
        return v16.call_result.StartTransaction(transaction_id=7, id_tag_info=ACCEPTED)  # type: ignore[arg-type]

    @on("StopTransaction")
    def on_stop(self, **_: Any) -> Any:
        return v16.call_result.StopTransaction()

    @on("MeterValues")
    def on_meter_values(self, **_: Any) -> Any:
        return self.answers.MeterValues()  # type: ignore[attr-defined]

    @on("TransactionEvent")
    def on_event(self, **_: Any) -> Any:
        return self.answers.TransactionEvent()  # type: ignore[attr-defined]


def peer(role: type, version: str, name: str, wire: Wire, timeout_s: float = 5) -> Any:
    """Return a peer of the library for a version."""
    library = LIBRARIES[version]
    made = type(role.__name__, (role, library.ChargePoint), {"answers": library.call_result})
    return made(name, wire, response_timeout=timeout_s)


class ThirdPartyCsms:
    """A CSMS of the library; `wires` has the connections of each charge point, in order."""

    def __init__(self) -> None:
        self.wires: dict[str, list[Wire]] = {}
        self.peers: dict[str, Any] = {}

    async def __call__(self, connection: ServerConnection) -> None:
        assert connection.request is not None and connection.subprotocol is not None
        name = connection.request.path.rpartition("/")[2]
        wire = Wire(connection)
        self.wires.setdefault(name, []).append(wire)
        self.peers[name] = peer(_Csms, connection.subprotocol.removeprefix("ocpp"), name, wire)
        with contextlib.suppress(ConnectionClosed):
            await self.peers[name].start()

    def heard(self, name: str) -> list[str]:
        return [text for wire in self.wires.get(name, []) for text in wire.heard]

    def said(self, name: str) -> list[str]:
        return [text for wire in self.wires.get(name, []) for text in wire.said]


@asynccontextmanager
async def third_party_csms(
    *, tls: ssl.SSLContext | None = None, deflate: bool = True
) -> AsyncIterator[tuple[ThirdPartyCsms, str]]:
    """Serve the CSMS; yield it with its address."""
    csms = ThirdPartyCsms()
    protocols = [Subprotocol(f"ocpp{version}") for version in LIBRARIES]
    compression = "deflate" if deflate else None
    async with serve(csms, "127.0.0.1", 0, subprotocols=protocols, ssl=tls, compression=compression) as server:
        port = server.sockets[0].getsockname()[1]
        yield csms, f"{'wss' if tls else 'ws'}://127.0.0.1:{port}"


class Station:
    """A charge point of the library."""

    def __init__(self, version: str, name: str, wire: Wire, timeout_s: float) -> None:
        self.version, self.name, self.wire = version, name, wire
        self.peer = peer(_Both, version, name, wire, timeout_s)
        self._calls = LIBRARIES[version].call

    async def call(self, action: str, **payload: Any) -> Any:
        """Send a CALL and return the answer; None for a CALLERROR or no answer."""
        try:
            return await self.peer.call(getattr(self._calls, action)(**payload))
        except (TimeoutError, ConnectionClosed):
            return None

    async def boot(self) -> Any:
        if self.version == "1.6":
            return await self.call("BootNotification", charge_point_model="M", charge_point_vendor="V")
        station = {"model": "M", "vendor_name": "V"}
        return await self.call("BootNotification", charging_station=station, reason="PowerUp")

    async def heartbeat(self) -> Any:
        return await self.call("Heartbeat")

    async def authorize(self) -> Any:
        token = {"id_tag": TAG} if self.version == "1.6" else {"id_token": TOKEN}
        return await self.call("Authorize", **token)

    async def begin(self) -> Any:
        if self.version == "1.6":
            return await self.call("StartTransaction", connector_id=1, id_tag=TAG, meter_start=0, timestamp=now())
        return await self._event("Started", "Authorized", 0)

    async def meter(self) -> Any:
        if self.version == "1.6":
            value = [{"timestamp": now(), "sampled_value": [{"value": "5"}]}]
            return await self.call("MeterValues", connector_id=1, transaction_id=7, meter_value=value)
        return await self._event("Updated", "MeterValuePeriodic", 1)

    async def end(self) -> Any:
        if self.version == "1.6":
            return await self.call("StopTransaction", meter_stop=9, timestamp=now(), transaction_id=7)
        return await self._event("Ended", "StopAuthorized", 2)

    async def _event(self, event: str, reason: str, number: int) -> Any:
        return await self.call(
            "TransactionEvent",
            event_type=event,
            timestamp=now(),
            trigger_reason=reason,
            seq_no=number,
            transaction_info={"transaction_id": "t-1"},
        )

    async def session(self) -> None:
        """Boot, charge and send three heartbeats; go on without answers, until the connection ends."""
        for step in (self.boot, self.heartbeat, self.authorize, self.begin, self.meter, self.end):
            await step()
        for _ in range(2):
            await self.heartbeat()


@asynccontextmanager
async def station(
    url: str,
    name: str,
    version: str,
    *,
    tls: ssl.SSLContext | None = None,
    deflate: bool = True,
    timeout_s: float = 5,
) -> AsyncIterator[Station]:
    """Connect a charge point of the library."""
    protocols = [Subprotocol(f"ocpp{version}")]
    compression = "deflate" if deflate else None
    async with connect(f"{url}/{name}", subprotocols=protocols, ssl=tls, compression=compression) as connection:
        one = Station(version, name, Wire(connection), timeout_s)
        listening = asyncio.create_task(one.peer.start())
        try:
            yield one
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                await listening
