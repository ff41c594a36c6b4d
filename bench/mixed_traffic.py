"""Both ends of whole charging sessions of OCPP 1.6, 2.0.1 and 2.1, which know by heart what they send.

    python -m bench.mixed_traffic csms PORT
    python -m bench.mixed_traffic load URL --connections 51 --seconds 20

A third of the charge points speaks each version. A charge point sends the next CALL when its answer has come, and
connects again when its session is over. `load` prints one JSON object: frames and seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import re
import sys
import time
from datetime import UTC, datetime
from functools import partial
from itertools import count
from urllib.parse import urlsplit

import uvloop

from bench.judging import JUDGED
from bench.traffic import ACCEPT, GUID, End, frame

_TIME = re.compile(rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def _texts(version: str, from_charge_point: bool) -> list[bytes]:
    """Return what one side sends in a session, with times of today."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    texts = [_TIME.sub(now, text.encode()) for _, up, text in JUDGED[version] if up is from_charge_point]
    return [frame(text, masked=from_charge_point) for text in texts]


class Csms(End):
    """Accepts the version that is offered, and answers each CALL with the next answer."""

    answers: dict[str, list[bytes]]

    def upgraded(self, head: bytes) -> bool:
        key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
        spoken = re.search(rb"(?i)sec-websocket-protocol: *ocpp([\d.]+)", head)
        assert key and spoken
        digest = base64.b64encode(hashlib.sha1(key[1] + GUID).digest())
        self.next = iter(self.answers[spoken[1].decode()])
        self.transport.write((ACCEPT % digest).replace(b"ocpp1.6", b"ocpp" + spoken[1]))
        return True

    def received(self, payload: bytes) -> None:
        self.transport.write(next(self.next))


class ChargePoint(End):
    """Plays a session."""

    def __init__(self, path: str, version: str, calls: list[bytes]) -> None:
        self.path, self.version, self.next = path, version, iter(calls)
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.frames = 0
        self.stop = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(
            f"GET {self.path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: ocpp{self.version}\r\n\r\n".encode()
        )

    def upgraded(self, head: bytes) -> bool:
        if b" 101 " not in head[:20]:
            raise ConnectionError(head.decode("utf-8", "replace"))
        self._call()
        return True

    def received(self, payload: bytes) -> None:
        self.frames += 2
        self._call()

    def _call(self) -> None:
        call = None if self.stop else next(self.next, None)
        if call is None:
            self.transport.write(frame(b"\x03\xe8", masked=True).replace(b"\x81", b"\x88", 1))
            self.transport.close()
        else:
            self.transport.write(call)

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set_result(None)


async def load(url: str, connections: int, seconds: float) -> None:
    parts = urlsplit(url)
    assert parts.hostname and parts.port
    host, port = parts.hostname, parts.port
    loop = asyncio.get_running_loop()
    calls = {version: _texts(version, True) for version in JUDGED}
    began = time.perf_counter()
    frames = 0

    async def charge_point(number: int) -> None:
        nonlocal frames
        version = list(JUDGED)[number % len(JUDGED)]
        turns = count()
        while (left := began + seconds - time.perf_counter()) > 0:
            # Another charge point each time: played again by the same one, a transaction would be reported twice.
            path = f"{parts.path.rstrip('/')}/CP{number}-{next(turns)}"
            make = partial(ChargePoint, path, version, calls[version])
            _, point = await loop.create_connection(make, host, port)
            await asyncio.wait([point.over], timeout=left)
            point.stop = True
            await point.over
            frames += point.frames

    await asyncio.gather(*map(charge_point, range(connections)))
    print(json.dumps({"frames": frames, "seconds": time.perf_counter() - began}))


async def csms(port: int) -> None:
    Csms.answers = {version: _texts(version, False) for version in JUDGED}
    server = await asyncio.get_running_loop().create_server(Csms, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("csms").add_argument("port", type=int)
    command = commands.add_parser("load")
    command.add_argument("url")
    command.add_argument("--connections", type=int, default=51)
    command.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    if options.command == "csms":
        uvloop.run(csms(options.port))
    else:
        uvloop.run(load(options.url, options.connections, options.seconds))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
