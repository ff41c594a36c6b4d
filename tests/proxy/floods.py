"""Both sides of a flood: charge points that send as much as they can, normal ones, and a CSMS for both kinds.

    python -m tests.proxy.floods csms                     prints its port; answers every CALL, takes all else
    python -m tests.proxy.floods flood KIND URL SECONDS   one charge point; prints how many messages it has sent
    python -m tests.proxy.floods decent URL SECONDS       charge points that call ten times a second; prints latencies
    python -m tests.proxy.floods churn URL SECONDS        charge points that come and go; prints their frames

Raw sockets, so that neither end is the bottleneck.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import select
import socket
import struct
import sys
import time
import zlib
from collections import Counter
from typing import cast
from urllib.parse import urlsplit

import uvloop

from bench.traffic import GUID, MASK, frame, payloads
from inspector.websocket.frames import FrameParser, make_frame

DECENT = 20
PAUSE_S = 0.1
CONNECTS_PER_S = 17
LARGE = 4 * 1024 * 1024
DEFLATE = "permessage-deflate; client_no_context_takeover; server_no_context_takeover"


def _call(number: int, text: str = "x") -> bytes:
    return b'[2,"%d","DataTransfer",{"vendorId":"V","data":"%s"}]' % (number, text.encode())


def _deflated(payload: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return (packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def messages(kind: str) -> list[bytes]:
    """Return the frames that a flooder of this kind repeats: about a megabyte on the wire."""
    match kind:
        case "broken":
            return [make_frame(0x81, b'{"', MASK)] * 100_000
        case "pings":
            return [make_frame(0x89, b"", MASK)] * 100_000
        case "calls":
            return [make_frame(0x81, b'[2,"%d","Heartbeat",{}]' % number, MASK) for number in range(30_000)]
        case "junk":
            return [make_frame(0x81, b"my key is " + b"junk " * 40_000, MASK)] * 5
        case "large":
            return [make_frame(0x81, _call(1, "x" * LARGE), MASK)]
        case "compressed":
            return [make_frame(0xC1, _deflated(_call(1, "x" * LARGE)), MASK)] * 20
    raise SystemExit(f"no such kind of flood: {kind}")


KINDS = ("broken", "pings", "calls", "junk", "large", "compressed")


def connected(url: str, extensions: str | None = None) -> socket.socket:
    """Connect and upgrade."""
    parts = urlsplit(url)
    link = socket.create_connection((parts.hostname, parts.port or 80))
    more = f"Sec-WebSocket-Extensions: {extensions}\r\n" if extensions else ""
    link.sendall(
        f"GET {parts.path} HTTP/1.1\r\nHost: flood\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}"
        "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = link.recv(1)
        if not byte:
            raise SystemExit(f"no upgrade: {head!r}")
        head += byte
    return link


def flood(kind: str, url: str, seconds: float) -> None:
    """Send as many messages as the other side accepts, read its answers, and end with a TCP reset."""
    link = connected(url, DEFLATE if kind == "compressed" else None)
    burst = messages(kind)
    data = memoryview(b"".join(burst))
    link.setblocking(False)
    until = time.monotonic() + seconds
    bursts = at = 0
    while time.monotonic() < until:
        ready, room, _ = select.select([link], [link], [], 0.1)
        if ready:
            link.recv(1 << 20)
        if room:
            at += link.send(data[at : at + (1 << 18)])
        if at == len(data):
            bursts, at = bursts + 1, 0
    # Without the reset the proxy would still relay the megabytes in the sockets' buffers.
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    link.close()
    print(json.dumps({"kind": kind, "sent": bursts * len(burst) + round(at * len(burst) / len(data))}), flush=True)


class Csms(asyncio.Protocol):
    """Accepts any upgrade with its extensions, and answers every CALL that is one whole uncompressed frame."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.buffer = b""
        self.splitter = FrameParser(1 << 16)
        self.up = False

    def data_received(self, data: bytes) -> None:
        if not self.up:
            self.buffer += data
            head, end, data = self.buffer.partition(b"\r\n\r\n")
            if not end:
                return
            self.up = True
            key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
            digest = base64.b64encode(hashlib.sha1((key[1] if key else b"") + GUID).digest()).decode()
            offered = re.search(rb"(?i)sec-websocket-extensions: *([^\r]+)", head)
            more = f"Sec-WebSocket-Extensions: {offered[1].decode()}\r\n" if offered else ""
            self.transport.write(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {digest}\r\n{more}Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
            )
        answers = []
        for first, _, payload, _ in self.splitter.feed(data):
            if first == 0x88:
                self.transport.close()
            elif first == 0x81 and payload and payload.startswith(b'[2,"'):
                answers.append(frame(b'[3,"%s",{}]' % payload[4 : payload.index(b'"', 4)], masked=False))
        self.transport.write(b"".join(answers))


class Decent(asyncio.Protocol):
    """One charge point that calls ten times a second, and never before it has its answer."""

    def __init__(self, name: str, path: str) -> None:
        self.name, self.path = name, path
        self.calls = 0
        self.latencies: list[float] = []
        self.buffer = b""
        self.up = False
        self.answered = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(
            f"GET {self.path}/{self.name} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.up:
            _, end, rest = self.buffer.partition(b"\r\n\r\n")
            if end:
                self.up, self.buffer = True, rest
                self.answered.set()
            return
        answers, self.buffer = payloads(self.buffer)
        if answers:
            self.answered.set()

    async def call(self, seconds: float, most: float = float("inf"), pause: float = PAUSE_S) -> None:
        """Call for some seconds, or a number of times, then close the WebSocket properly."""
        await self.answered.wait()
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.calls < most:
            self.calls += 1
            self.answered.clear()
            at = time.monotonic()
            self.transport.write(frame(b'[2,"%s-%d","Heartbeat",{}]' % (self.name.encode(), self.calls), masked=True))
            await asyncio.wait_for(self.answered.wait(), 120)
            spent = time.monotonic() - at
            self.latencies.append(spent)
            await asyncio.sleep(max(0.0, pause - spent))
        self.transport.write(b"\x88\x82" + MASK + bytes(a ^ b for a, b in zip(b"\x03\xe8", MASK, strict=False)))
        self.transport.close()


async def decent(url: str, seconds: float) -> None:
    """Let all normal charge points call, and print their results."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    points = []
    for number in range(DECENT):
        _, point = await loop.create_connection(
            lambda number=number: Decent(f"D{number}", parts.path.rstrip("/")),  # type: ignore[misc]
            parts.hostname,
            parts.port,
        )
        points.append(point)
    await asyncio.gather(*(point.call(seconds) for point in points))
    spent = sorted(one for point in points for one in point.latencies)
    print(
        json.dumps(
            {
                "calls": len(spent),
                "p50": spent[len(spent) // 2],
                "p99": spent[int(len(spent) * 0.99)],
                "max": spent[-1],
                "frames": {point.name: 2 * point.calls for point in points},
            }
        ),
        flush=True,
    )


async def churn(url: str, seconds: float) -> None:
    """Have charge points connect one after the other, each call three times and leave; ids restart each time."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    frames: Counter[str] = Counter()
    visits: set[asyncio.Task[None]] = set()

    async def visit(name: str) -> None:
        path = parts.path.rstrip("/")
        _, point = await loop.create_connection(lambda: Decent(name, path), parts.hostname, parts.port)
        await point.call(60, most=3, pause=0.01)
        frames[name] += 2 * point.calls

    started, number = time.monotonic(), 0
    while time.monotonic() - started < seconds:
        visits.add(task := loop.create_task(visit(f"C{number % 40}")))
        task.add_done_callback(visits.discard)
        number += 1
        await asyncio.sleep(max(0.0, started + number / CONNECTS_PER_S - time.monotonic()))
    await asyncio.gather(*visits)
    print(json.dumps({"connects": number, "frames": frames}), flush=True)


async def csms() -> None:
    server = await asyncio.get_running_loop().create_server(Csms, "127.0.0.1", 0, backlog=1024)
    print(f"listening on {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["csms"]:
            uvloop.run(csms())
        case ["flood", kind, url, seconds]:
            flood(kind, url, float(seconds))
        case ["churn", url, seconds]:
            uvloop.run(churn(url, float(seconds)))
        case ["decent", url, seconds]:
            uvloop.run(decent(url, float(seconds)))
