"""Real sockets on both sides of a real proxy: a raw CSMS, a raw charge point, an engine that records into a list."""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from inspector import records
from inspector.proxy import loop
from inspector.proxy.addresses import Upstream, listening_socket
from inspector.proxy.engine import Engine
from inspector.proxy.routing import Routing
from inspector.proxy.settings import Settings
from inspector.recorder.recorder import Status, Summary
from inspector.records import Record

KEY = base64.b64encode(b"0123456789abcdef").decode()


class ListRecorder:
    """A recorder that keeps the records in a list."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.changed = threading.Condition()
        self.now = Status()

    def put(self, record: Record) -> None:
        with self.changed:
            self.records.append(record)
            self.changed.notify_all()

    on_findings: Callable[[list[Any]], None]

    def status(self) -> Status:
        return self.now

    def when_behind(self, hold: Callable[[int, bool], None]) -> None:
        self.hold = hold

    def close(self, timeout: float = 10.0) -> Summary:
        return Summary()

    def of[T: Record](self, kind: type[T]) -> list[T]:
        return [record for record in self.records if isinstance(record, kind)]

    def frames(self) -> list[tuple[bool, int, bytes]]:
        """Return (from the charge point, opcode, payload) of every frame."""
        return [(r.from_charge_point, r.opcode, r.payload) for r in self.of(records.FrameRecord)]

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [r.detail for r in self.of(records.EventRecord) if r.kind == kind]

    def wait_for(self, condition: Callable[[], Any], timeout: float = 10.0) -> Any:
        """Wait until `condition` is true, check it after every record, and return its value."""
        with self.changed:
            found = self.changed.wait_for(condition, timeout)
        assert found, f"not seen within {timeout} s; records: {self.records}"
        return found

    async def seen(self, condition: Callable[[], Any]) -> Any:
        return await asyncio.to_thread(self.wait_for, condition)

    async def closed(self) -> dict[str, Any]:
        """Wait for the end of the first session and return its facts."""
        found = await self.seen(lambda: self.of(records.CloseRecord))
        return dict(found[0].facts)


class RunningProxy:
    """An engine in a thread with its own event loop."""

    def __init__(self, upstream: str, **settings: Any) -> None:
        self.recorder = ListRecorder()
        socket = listening_socket("127.0.0.1", 0)
        self.port = socket.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}"
        self.fast = settings.get("fast_path", True)
        self.failure: BaseException | None = None
        self._ready = threading.Event()
        self._sockets = [socket]
        self._settings = Settings(**{"routing": Routing(Upstream.parse(upstream)), **settings})
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(20), "the engine did not start"
        if self.failure:
            raise self.failure

    def _run(self) -> None:
        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            self.engine = Engine(self._settings, self.recorder, self._sockets)
            await self.engine.run(self._ready.set)

        try:
            loop.run(main())
        except BaseException as failure:
            self.failure = failure
            self._ready.set()

    async def call(self, what: Callable[[], None]) -> None:
        """Call a function on the engine's event loop."""

        async def do() -> None:
            what()

        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(do(), self._loop))

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        if self.running:
            self._loop.call_soon_threadsafe(self.engine.stop)
            self._thread.join(10)
        assert not self._thread.is_alive(), "the engine did not stop"


@pytest.fixture(params=["fast path", "public hooks"])
def start_proxy(request: pytest.FixtureRequest) -> Iterator[Callable[..., RunningProxy]]:
    """Return a function that starts an engine (fast path or mitmproxy's own layers); stop it after the test."""
    running: list[RunningProxy] = []

    def start(upstream: str, **settings: Any) -> RunningProxy:
        # mitmproxy keeps its running master in a global variable: with two engines, one's loop would use the other.
        assert not any(proxy.running for proxy in running), "stop the engine before you start another"
        # uvloop's handles must be freed in the thread of their loop, but the garbage collector may run in any thread.
        gc.disable()
        running.append(RunningProxy(upstream, **{"fast_path": request.param == "fast path", **settings}))
        return running[-1]

    yield start
    try:
        for proxy in running:
            proxy.stop()
    finally:
        gc.enable()


class Peer:
    """One end of a connection, for raw bytes."""

    def __init__(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head, self.reader, self.writer = head, reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self, size: int) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(size), 10)

    async def rest(self) -> bytes:
        """Return everything until the other side ends its stream."""
        return await asyncio.wait_for(self.reader.read(-1), 10)

    def reset(self) -> None:
        """End the connection with a TCP RST."""
        import socket
        import struct

        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


def accept_key(key: str) -> str:
    return base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()


def upgrade_response(*headers: str) -> bytes:
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key(KEY)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


class RawCsms:
    """A server that answers every request head with `answer` and puts the connection into `peers`."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.peers: asyncio.Queue[Peer] = asyncio.Queue()
        self.url = ""
        self._writers: list[asyncio.StreamWriter] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return
        writer.write(self.answer)
        await self.peers.put(Peer(head, reader, writer))

    async def peer(self) -> Peer:
        return await asyncio.wait_for(self.peers.get(), 10)


@asynccontextmanager
async def raw_csms(answer: bytes | None = None, path: str = "", **options: Any) -> AsyncIterator[RawCsms]:
    csms = RawCsms(upgrade_response("Sec-WebSocket-Protocol: ocpp1.6") if answer is None else answer)
    server = await asyncio.start_server(csms, "127.0.0.1", 0, **options)
    scheme = "wss" if options.get("ssl") else "ws"
    csms.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}{path}"
    try:
        yield csms
    finally:
        server.close()
        for writer in csms._writers:
            writer.close()


def upgrade_request(path: str, *headers: str) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: csms.example",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
        *(headers or ("Sec-WebSocket-Protocol: ocpp1.6",)),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def raw_charge_point(
    port: int, path: str = "/CP1", *headers: str, request: bytes | None = None, **options: Any
) -> Peer:
    """Connect, send the upgrade request, and return the charge point's end; its `head` is the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)
    writer.write(upgrade_request(path, *headers) if request is None else request)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    return Peer(head, reader, writer)
