"""A CSMS, a proxy with a control port, and charge points behind it, for tests of the control port."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.processes import Program

VERSIONS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
BOOT = '[2,"b1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'
REMOTE_START = '[2,"s1","RemoteStartTransaction",{"idTag":"TAG-1","connectorId":1}]'


class Csms:
    """Answers the CALLs of charge points, and keeps everything that it receives."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.connections: list[ServerConnection] = []
        self.closed: list[int | None] = []
        self.silent = False

    async def __call__(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                assert isinstance(message, str)
                self.heard.append(message)
                with contextlib.suppress(ValueError, IndexError):
                    frame = json.loads(message)
                    if frame[0] == 2 and not self.silent:
                        answer: dict[str, Any] = {"currentTime": "2026-01-01T00:00:00Z"}
                        if frame[2] == "BootNotification":
                            answer |= {"status": "Accepted", "interval": 300}
                        await connection.send(json.dumps([3, frame[1], answer], separators=(",", ":")))
            await connection.wait_closed()
        self.closed.append(connection.close_code)


class ControlBench:
    """A running proxy with a control port, and a client of it."""

    def __init__(
        self,
        csms: Csms,
        proxy: Program,
        listening: str,
        page: str,
        api: httpx.AsyncClient,
        db: Path,
        trust: ssl.SSLContext | None,
    ) -> None:
        self.csms, self.proxy, self.listening, self.page, self.api, self.db = csms, proxy, listening, page, api, db
        self._trust = trust

    @asynccontextmanager
    async def charge_point(
        self, name: str = "CP-1", compression: str | None = None, subprotocol: str = "ocpp1.6"
    ) -> AsyncIterator[tuple[ClientConnection, list[str]]]:
        """Connect a charge point; yield its connection, and the frames that it has received."""
        heard: list[str] = []
        async with connect(
            f"{self.listening}/{name}",
            subprotocols=[Subprotocol(subprotocol)],
            compression=compression,
            ssl=self._trust,
        ) as connection:

            async def listen() -> None:
                async for message in connection:
                    assert isinstance(message, str)
                    heard.append(message)
                    frame = json.loads(message)
                    if frame[0] == 2:
                        await connection.send(json.dumps([3, frame[1], {"status": "Accepted"}], separators=(",", ":")))

            listening = asyncio.create_task(listen())
            try:
                yield connection, heard
            finally:
                listening.cancel()
                with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                    await listening

    async def ask(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        """Return the JSON of an answer, which must have this status."""
        answer = await self.api.request(method, path, json=body if method != "GET" else None)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def held(self, count: int = 1) -> list[dict[str, Any]]:
        """Return the held frames as soon as there are so many."""
        async with asyncio.timeout(10):
            while len(found := await self.ask("GET", "/api/held")) != count:
                await asyncio.sleep(0.02)
        return list(found)


@asynccontextmanager
async def control_bench(
    folder: Path, *options: object, certificates: Path | None = None
) -> AsyncIterator[ControlBench]:
    """Run a CSMS and a proxy with a control port; with `certificates`, a folder of them, both connections use TLS."""
    csms, db = Csms(), folder / "traffic.db"
    own = trust = None
    if certificates is not None:
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.load_cert_chain(certificates / "server.pem", certificates / "server.key")
        trust = ssl.create_default_context(cafile=certificates / "ca.pem")
        files = {"--tls-cert": "server.pem", "--tls-key": "server.key", "--upstream-ca": "ca.pem"}
        options = (*options, *(word for name, file in files.items() for word in (name, certificates / file)))
    async with serve(csms, "127.0.0.1", 0, subprotocols=[Subprotocol(one) for one in VERSIONS], ssl=own) as server:
        upstream = f"{'wss' if own else 'ws'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with Program(
            "proxy", "--upstream", upstream, "--listen", "127.0.0.1:0", "--db", db, "--control", "0", *options
        ) as proxy:
            listening = (await asyncio.to_thread(proxy.wait_for, r"listening on (wss?://\S+)"))[1]
            page = proxy.wait_for(r"control at (http://\S+)")[1]
            url, _, token = page.partition("?token=")
            async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}) as api:
                yield ControlBench(csms, proxy, listening, page, api, db, trust)
