"""Starts the programs that the proxy is compared with, and the proxy without a recorder.

python bench/contenders.py tcp|websockets|websockets-uvloop|relay|relay-elsewhere|relay-rule PORT UPSTREAM_PORT
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import uvloop
from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from inspector.interventions.interventions import Interventions
from inspector.interventions.rules_file import read
from inspector.proxy import loop
from inspector.proxy.addresses import Upstream, listening_socket
from inspector.proxy.engine import Engine
from inspector.proxy.routing import Routing
from inspector.proxy.settings import Settings
from inspector.recorder.recorder import Status, Summary
from inspector.records import Record


def argv(name: str, port: int, upstream_port: int, folder: Path) -> list[str]:
    """Return the command line of a contender."""
    upstream = f"127.0.0.1:{upstream_port}"
    if name == "mitmdump":
        return [
            str(Path(sys.executable).parent / "mitmdump"),
            *("-q", "--mode", f"reverse:http://{upstream}@127.0.0.1:{port}", "--set", f"confdir={folder}"),
        ]
    if name in ("proxy", "proxy-shadow"):  # the shadow is the same CSMS, on other connections
        return [
            *(sys.executable, "-m", "inspector", "proxy", "--upstream", f"ws://{upstream}"),
            *("--listen", f"127.0.0.1:{port}", "--db", str(folder / "bench.db")),
            *(("--shadow", f"*=ws://{upstream}") if name == "proxy-shadow" else ()),
        ]
    return [sys.executable, __file__, name, str(port), str(upstream_port)]


class TcpPipe(asyncio.Protocol):
    """The minimal work of a relay in Python: forward chunks."""

    def __init__(self, upstream_port: int, peer: asyncio.Transport | None = None) -> None:
        self.upstream_port, self.peer = upstream_port, peer
        self.early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self.peer is None:
            self.task = asyncio.get_running_loop().create_task(self.reach_out())

    async def reach_out(self) -> None:
        loop = asyncio.get_running_loop()
        other, _ = await loop.create_connection(lambda: TcpPipe(0, self.transport), "127.0.0.1", self.upstream_port)
        self.peer = other
        for data in self.early:
            other.write(data)

    def data_received(self, data: bytes) -> None:
        if self.peer is None:
            self.early.append(data)
        else:
            self.peer.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.peer is not None:
            self.peer.close()


async def tcp(port: int, upstream_port: int) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: TcpPipe(upstream_port), "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


async def websockets(port: int, upstream_port: int) -> None:
    """Run a simple relay made with the websockets library; it records nothing."""

    async def pump(source: Connection, target: Connection) -> None:
        try:
            async for message in source:
                await target.send(message)
        except ConnectionClosed:
            pass
        await target.close()

    async def serve_one(charge_point: ServerConnection) -> None:
        assert charge_point.request is not None
        url = f"ws://127.0.0.1:{upstream_port}{charge_point.request.path}"
        async with connect(url, subprotocols=["ocpp1.6"], compression=None, ping_interval=None) as csms:
            await asyncio.gather(pump(charge_point, csms), pump(csms, charge_point))

    async with serve(
        serve_one, "127.0.0.1", port, subprotocols=["ocpp1.6"], compression=None, ping_interval=None, backlog=4096
    ) as server:
        await server.serve_forever()


class Nowhere:
    """A recorder that discards everything, to measure the relay alone."""

    def put(self, record: Record) -> None: ...

    def status(self) -> Status:
        return Status()

    def when_behind(self, hold: Callable[[int, bool], None]) -> None:
        self.hold = hold

    def close(self, timeout: float = 10.0) -> Summary:
        return Summary()


NEVER = """
[[intervention]]
name = "never"
match = { action = "MeterValues", payload = [{ pointer = "/connectorId", equals = 7 }] }
do = { drop = true }

[[intervention]]
name = "elsewhere"
match = { charge_point = "nobody" }
do = { drop = true }
"""
"""Rules that never apply to the traffic; only the first one may apply to its charge points."""


async def relay(port: int, upstream_port: int, rules: str = "") -> None:
    routing = Routing(Upstream("127.0.0.1", upstream_port))
    interventions = Interventions(read(rules, Path("bench"))) if rules else None
    settings = Settings(routing, interventions=interventions)
    engine = Engine(settings, Nowhere(), [listening_socket("127.0.0.1", port)])
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, engine.stop)
    await engine.run(lambda: None)


if __name__ == "__main__":
    contenders = {
        "tcp": tcp,
        "websockets": websockets,
        "websockets-uvloop": websockets,
        "relay": relay,
        "relay-elsewhere": partial(relay, rules=f"[[{NEVER.split('[[')[2]}"),
        "relay-rule": partial(relay, rules=NEVER),
    }
    main = contenders[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
    try:
        if sys.argv[1].startswith("relay"):
            loop.run(main)
        elif sys.argv[1] == "websockets-uvloop":
            uvloop.run(main)
        else:
            asyncio.run(main)
    except KeyboardInterrupt:
        sys.exit(0)
