"""Charge points of every kind that a proxy meets; a visit is one connection, with its count of frames.

A visit ends only when all its frames are answered or the other side has disconnected, so its count is exact.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from ocpp.v16 import ChargePoint as ChargePoint16
from ocpp.v16 import call as call16
from ocpp.v201 import ChargePoint as ChargePoint201
from ocpp.v201 import call as call201
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from inspector.websocket.frames import make_frame
from tests.proxy.conftest import raw_charge_point, upgrade_request

MASK = b"abcd"


class Counted:
    """A connection for the `ocpp` library that counts its messages."""

    def __init__(self, link: ClientConnection) -> None:
        self.link, self.count = link, 0

    async def send(self, message: Any) -> None:
        await self.link.send(message)
        self.count += 1

    async def recv(self) -> Any:
        message = await self.link.recv()
        self.count += 1
        return message


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def linked(url: str, version: str, **options: Any) -> ClientConnection:
    return await connect(url, subprotocols=[Subprotocol(f"ocpp{version}")], open_timeout=30, **options)


async def served(url: str, make: Any, version: str, calls: list[Any]) -> int:
    """Make the calls with a charge point of the `ocpp` library over a compressed connection."""
    async with await linked(url, version) as link:
        counted = Counted(link)
        charge_point = make(url.rpartition("/")[2], counted, response_timeout=60)
        serving = asyncio.create_task(charge_point.start())
        for one in calls:
            await charge_point.call(one)
        await (await link.ping())
        await link.close()
        with suppress(ConnectionClosed):
            await serving
    return counted.count


async def charges_16(url: str) -> int:
    sample = {"timestamp": now(), "sampled_value": [{"value": "10"}]}
    return await served(
        url,
        ChargePoint16,
        "1.6",
        [
            call16.BootNotification(charge_point_model="Model", charge_point_vendor="Vendor"),
            call16.StatusNotification(connector_id=1, error_code="NoError", status="Available"),
            call16.Authorize(id_tag="CAFE0001"),
            *[call16.MeterValues(connector_id=1, meter_value=[sample])] * 20,
            call16.Heartbeat(),
        ],
    )


async def charges_201(url: str) -> int:
    return await served(
        url,
        ChargePoint201,
        "2.0.1",
        [
            call201.BootNotification(charging_station={"model": "Model", "vendor_name": "Vendor"}, reason="PowerUp"),
            call201.StatusNotification(timestamp=now(), connector_status="Available", evse_id=1, connector_id=1),
            *[call201.Heartbeat()] * 20,
        ],
    )


async def fragments(url: str) -> int:
    """Send each CALL in three fragments, with a ping between them."""

    async def pieces(text: str) -> AsyncIterator[str]:
        yield text[:5]
        await link.ping()
        yield text[5:9]
        await asyncio.sleep(0.001)
        yield text[9:]

    count = 0
    async with await linked(url, "1.6", compression=None) as link:
        for number in range(10):
            await link.send(pieces(f'[2,"{number}","Heartbeat",{{}}]'))
            await link.recv()
            count += 2
    return count


async def errs(url: str) -> int:
    """Send invalid JSON, wrong types, an unknown action and a binary message; then a CALL that is answered."""
    count = 0
    async with await linked(url, "1.6") as link:
        for odd in ("not json", "[]", '[2,"1","Nonsense",{}]', '[2,"2","StartTransaction",{"connectorId":"x"}]', b"\0"):
            await link.send(odd)
            count += 1
        await link.send('[2,"last","Heartbeat",{}]')
        count += 1
        async for message in link:
            count += 1
            if '"last"' in str(message):
                await link.close()
    return count


async def breaks_off(url: str) -> int:
    """End with a TCP reset, without a closing handshake."""
    link = await linked(url, "1.6", compression=None)
    for number in range(5):
        await link.send(f'[2,"{number}","Heartbeat",{{}}]')
        await link.recv()
    link.transport.abort()
    await link.wait_closed()
    return 10


async def breaks_the_framing(url: str) -> int:
    """Send invalid UTF-8, which the CSMS answers with close code 1007; then disconnect without a close frame."""
    parts = url.removeprefix("ws://127.0.0.1:").partition("/")
    peer = await raw_charge_point(int(parts[0]), f"/{parts[2]}")
    await peer.send(make_frame(0x81, b"\xff\xfe", MASK))
    with suppress(ConnectionResetError):
        await peer.rest()
    peer.writer.close()
    return 1


async def is_refused(url: str) -> int:
    """Offer an unknown subprotocol."""
    async with connect(url, subprotocols=[Subprotocol("soap")]) as link:
        with suppress(ConnectionClosed):
            await link.recv()
    return 0


async def gives_up_connecting(url: str) -> int:
    """Send half a request, then disconnect."""
    host_port, _, name = url.removeprefix("ws://127.0.0.1:").partition("/")
    _, writer = await asyncio.open_connection("127.0.0.1", int(host_port))
    writer.write(upgrade_request(f"/{name}")[:60])
    await asyncio.sleep(0.05)
    writer.close()
    return 0


KINDS: tuple[Callable[[str], Coroutine[Any, Any, int]], ...] = (
    charges_16,
    charges_201,
    fragments,
    errs,
    breaks_off,
    breaks_the_framing,
    is_refused,
    gives_up_connecting,
)


async def visits(url: str, each: int) -> int:
    """Let `each` charge points of every kind connect at once; return how many frames crossed."""
    coming = [(f"{url}/{kind.__name__}-{number}", kind) for kind in KINDS for number in range(each)]
    random.shuffle(coming)
    return sum(await asyncio.gather(*(kind(one) for one, kind in coming)))
