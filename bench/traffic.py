"""Both ends of a benchmark: a CSMS that answers, and charge points that send CALLs. They use raw sockets, for speed.

    python bench/traffic.py csms PORT
    python bench/traffic.py load URL --connections 50 --seconds 10        as fast as answers come
    python bench/traffic.py load URL --connections 1 --seconds 10 --rate 100
    python bench/traffic.py idle URL --connections 2000                    connects, prints, waits for a line on stdin
    python bench/traffic.py storm URL --connections 2000                   connects all at once, prints, breaks off

`load` prints one JSON object: calls, seconds, latency percentiles in µs and a hash of every byte each end saw.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import re
import ssl
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast
from urllib.parse import urlsplit

import uvloop
from websockets.speedups import apply_mask

MASK = b"\x12\x34\x56\x78"
NOW = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
BOOT = b'{"chargePointVendor":"ChargeSentinel","chargePointModel":"Bench"}'
BOOT_ANSWER = b'{"currentTime":"%s","interval":86400,"status":"Accepted"}' % NOW
METER_CALL = (
    b'[2,"%s-#","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"%s","sampledValue":'
    b'[{"value":"#","unit":"Wh"}]}]}]'
)
"""A counter replaces each #."""
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
ACCEPT = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)


SHORT = tuple(bytes((0x81, size)) for size in range(126))
"""Heads of short text frames that are not masked."""


def frame(payload: bytes, *, masked: bool) -> bytes:
    size = len(payload)
    flag = 0x80 if masked else 0
    head = bytes((0x81, flag | size)) if size < 126 else bytes((0x81, flag | 126)) + size.to_bytes(2, "big")
    return head + MASK + apply_mask(payload, MASK) if masked else head + payload


def whole(data: bytes) -> bytes | None:
    """Return the payload of a chunk that is exactly one text frame, as most are; else None."""
    flags = data[1] if len(data) > 1 and data[0] == 0x81 else 0x7F
    size, start = flags & 0x7F, 2
    if size >= 126:
        if size > 126 or len(data) < 4:
            return None
        size, start = data[2] << 8 | data[3], 4
    if flags & 0x80:
        start += 4
        if len(data) != start + size:
            return None
        return apply_mask(data[start:], data[start - 4 : start])
    return data[start:] if len(data) == start + size else None


def payloads(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Split text frames of less than 64 KiB off a buffer; returns their unmasked payloads, and the rest."""
    found = []
    while len(buffer) >= 2:
        size, start = buffer[1] & 0x7F, 2
        if size == 126:
            if len(buffer) < 4:
                break
            size, start = int.from_bytes(buffer[2:4], "big"), 4
        masked = buffer[1] & 0x80
        body = start + 4 if masked else start
        if len(buffer) < body + size:
            break
        payload = buffer[body : body + size]
        found.append(apply_mask(payload, buffer[start:body]) if masked else payload)
        buffer = buffer[body + size :]
    return found, buffer


class End(asyncio.Protocol):
    """One end of a connection: first the handshake, then frames."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.buffer = b""
        self.up = False

    def data_received(self, data: bytes) -> None:
        if self.up and not self.buffer and (payload := whole(data)) is not None:
            self.received(payload)
            return
        self.buffer += data
        if not self.up:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if not end or not self.upgraded(head):
                return
            self.up, self.buffer = True, rest
        if self.buffer[:1] == b"\x88":
            self.transport.close()
            return
        found, self.buffer = payloads(self.buffer)
        for payload in found:
            self.received(payload)

    def upgraded(self, head: bytes) -> bool:
        """Finish the handshake with the head of the other end's request or answer; return whether it succeeded."""
        raise NotImplementedError

    def received(self, payload: bytes) -> None:
        """Handle the payload of one frame."""
        raise NotImplementedError


class Csms(End):
    """Accepts any upgrade and answers every CALL."""

    def upgraded(self, head: bytes) -> bool:
        key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
        digest = hashlib.sha1((key[1] if key else b"") + GUID).digest()
        self.transport.write(ACCEPT % base64.b64encode(digest))
        return True

    def received(self, call: bytes) -> None:
        message_id = call[4 : call.index(b'"', 4)]
        if call.startswith(b'"BootNotification"', len(message_id) + 6):
            self.transport.write(frame(b'[3,"%s",%s]' % (message_id, BOOT_ANSWER), masked=False))
        else:
            payload = b'[3,"' + message_id + b'",{}]'
            self.transport.write(SHORT[len(payload)] + payload)


class ChargePoint(End):
    """Boots, then sends CALLs: each after the previous answer, or at a given rate."""

    def __init__(self, name: str, path: str, paced: bool, hashed: bool) -> None:
        loop = asyncio.get_running_loop()
        self.name, self.path, self.paced = name, path, paced
        self.head, self.middle, self.tail = (METER_CALL % (name.encode(), NOW)).split(b"#")
        self.ready: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self.latencies: list[int] = []
        self.sent = hashlib.sha256() if hashed else None
        self.heard = hashlib.sha256() if hashed else None
        self.calls = 0
        self.left = 0
        self.stop = False
        self.waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(
            f"GET {self.path}/{self.name} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
        )

    def call(self, boot: bool = False) -> None:
        count = b"%d" % self.calls
        if boot:
            payload = b'[2,"%s-%s","BootNotification",%s]' % (self.name.encode(), count, BOOT)
        else:
            payload = self.head + count + self.middle + count + self.tail
        self.expected = payload[4 : payload.index(b'"', 4) + 1]
        self.calls += 1
        if self.sent:
            self.sent.update(payload)
        self.waiting = True
        self.at = time.perf_counter_ns()
        self.transport.write(frame(payload, masked=True))

    def upgraded(self, head: bytes) -> bool:
        if b" 101 " not in head[:20]:
            self.ready.set_exception(ConnectionError(head.decode("utf-8", "replace")))
            return False
        self.call(boot=True)
        return True

    def received(self, answer: bytes) -> None:
        if not answer.startswith(self.expected, 4):
            self.transport.abort()
            raise AssertionError(f"{self.name}: got {answer!r}, waited for {self.expected!r}")
        if self.heard:
            self.heard.update(answer)
        self.waiting = False
        if not self.ready.done():
            self.ready.set_result(None)
            return
        self.latencies.append(time.perf_counter_ns() - self.at)
        if self.left:
            self.left -= 1
            self.stop = not self.left
        if not (self.stop or self.paced):
            self.call()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionError("closed during the handshake"))
        self.lost.set_result(None)


async def connect(
    url: str, count: int, make: Callable[[str, str], ChargePoint], at_once: int = 100
) -> list[ChargePoint]:
    """Connect all charge points, `at_once` at a time."""
    parts = urlsplit(url)
    context = None
    if parts.scheme == "wss":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(at_once)

    async def one(number: int) -> ChargePoint:
        async with gate:
            _, protocol = await loop.create_connection(
                lambda: make(f"CP{number}", parts.path.rstrip("/")), parts.hostname, parts.port, ssl=context
            )
            await protocol.ready
            return protocol

    return await asyncio.gather(*(one(number) for number in range(count)))


async def load(options: argparse.Namespace) -> None:
    paced = options.rate > 0
    points = await connect(
        options.url, options.connections, lambda name, path: ChargePoint(name, path, paced, options.hash)
    )
    started = time.perf_counter()
    if paced:
        interval = 1 / options.rate
        for number in range(int(options.seconds * options.rate)):
            await asyncio.sleep(max(0.0, started + number * interval - time.perf_counter()))
            if not points[0].waiting:
                points[0].call()
    else:
        for point in points:
            point.left = options.calls
            point.call()
        if options.calls:
            while any(point.left for point in points):
                await asyncio.sleep(0.01)
        else:
            await asyncio.sleep(options.seconds)
    spent = time.perf_counter() - started
    calls = sum(len(point.latencies) for point in points)
    for point in points:
        point.stop = True
    while any(point.waiting for point in points):
        await asyncio.sleep(0.005)
    latencies = sorted(latency for point in points for latency in point.latencies) or [0]
    print(
        json.dumps(
            {
                "calls": calls,
                "frames": 2 * sum(point.calls for point in points),
                "seconds": spent,
                "p50_us": latencies[len(latencies) // 2] / 1000,
                "p99_us": latencies[int(len(latencies) * 0.99)] / 1000,
                "hashes": {p.name: [p.sent.hexdigest(), p.heard.hexdigest()] for p in points if p.sent and p.heard},
            }
        )
    )
    await close(points)


async def idle(options: argparse.Namespace) -> None:
    started = time.perf_counter()
    points = await connect(options.url, options.connections, lambda name, path: ChargePoint(name, path, True, False))
    print(json.dumps({"connected": len(points), "seconds": time.perf_counter() - started}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await close(points)


async def storm(options: argparse.Namespace) -> None:
    """Connect all at once: every SYN is sent before the first answer is read."""
    started = time.perf_counter()
    points = await connect(
        options.url, options.connections, lambda name, path: ChargePoint(name, path, True, False), at_once=100_000
    )
    print(json.dumps({"connected": len(points), "seconds": time.perf_counter() - started}), flush=True)
    for point in points:
        point.transport.abort()
    await asyncio.gather(*(point.lost for point in points))


async def close(points: list[ChargePoint]) -> None:
    for point in points:
        point.transport.write(b"\x88\x82" + MASK + apply_mask(b"\x03\xe8", MASK))
        point.transport.close()
    await asyncio.gather(*(point.lost for point in points))


async def csms(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Csms, "127.0.0.1", port, backlog=4096)
    print(f"csms at ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("csms").add_argument("port", type=int)
    for name in ("load", "idle", "storm"):
        command = commands.add_parser(name)
        command.add_argument("url")
        command.add_argument("--connections", type=int, default=50)
        command.add_argument("--seconds", type=float, default=5)
        command.add_argument("--rate", type=float, default=0, help="calls/s on the first connection; 0 = no pause")
        command.add_argument("--calls", type=int, default=0, help="end after so many on each connection")
        command.add_argument("--hash", action="store_true", help="hash what each end sees")
    options = parser.parse_args()
    if options.command == "csms":
        uvloop.run(csms(options.port))
    else:
        uvloop.run({"load": load, "idle": idle, "storm": storm}[options.command](options))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
