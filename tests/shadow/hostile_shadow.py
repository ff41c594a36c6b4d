"""A shadow that never reads, resets each connection after a second, or sends 10,000 CALLs a second.

Run it as a program: `hostile_shadow.py never-reads|resets|floods`. It prints its address.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import socket
import struct
import sys

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CALLS_PER_S = 10_000
CALL = b'[2,"flood","TriggerMessage",{"requestedMessage":"Heartbeat"}]'
FRAME = b"\x81" + bytes([len(CALL)]) + CALL


async def serve(mode: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
    protocol = re.search(rb"(?i)sec-websocket-protocol: *(\S+)", head)
    assert key and protocol
    accept = base64.b64encode(hashlib.sha1(key[1] + GUID).digest())
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\nSec-WebSocket-Protocol: " + protocol[1] + b"\r\n\r\n"
    )
    transport = writer.transport
    if mode == "never-reads":
        transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(3600)
    elif mode == "resets":
        await asyncio.sleep(1)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        while not transport.is_closing():
            writer.write(FRAME * (CALLS_PER_S // 100))
            await writer.drain()
            await asyncio.sleep(0.01)


async def main(mode: str) -> None:
    server = await asyncio.start_server(lambda r, w: serve(mode, r, w), "127.0.0.1", 0)
    print(f"listening on ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
