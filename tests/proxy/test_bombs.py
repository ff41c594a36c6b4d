"""A charge point that sends decompression bombs costs other charge points no frame."""

from __future__ import annotations

import asyncio
import sqlite3
import zlib
from pathlib import Path

import pytest

from inspector.websocket.frames import make_frame
from tests.processes import Program
from tests.proxy.conftest import raw_charge_point, raw_csms, upgrade_response

pytestmark = pytest.mark.system

MASK = b"abcd"
BOMBS, BOMB_SIZE = 20, 8_000_000
HEARTBEATS = 60


@pytest.mark.parametrize("pause", [0.0, 0.01], ids=["at once", "one by one"])
async def test_what_one_charge_point_sends_does_not_displace_the_frames_of_another(
    tmp_path: Path, pause: float
) -> None:
    path = tmp_path / "t.db"
    packer = zlib.compressobj(9, wbits=-15)
    bomb = (packer.compress(b'"' + b"a" * BOMB_SIZE + b'"') + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    answer = upgrade_response(
        "Sec-WebSocket-Protocol: ocpp1.6",
        "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover",
    )
    async with raw_csms(answer) as csms:
        arguments = ("--upstream", csms.url, "--listen", "127.0.0.1:0", "--db", path, "--queue-limit", "64MiB")
        with Program("proxy", *arguments) as proxy:
            port = int((await asyncio.to_thread(proxy.wait_for, r"listening on ws://127\.0\.0\.1:(\d+)"))[1])
            other = await raw_charge_point(port, "/other")
            other_at_csms = await csms.peer()
            bomber = await raw_charge_point(port, "/bomber")
            bomber_at_csms = await csms.peer()

            async def bombs() -> None:
                for _ in range(BOMBS):
                    await bomber.send(make_frame(0xC1, bomb, MASK))
                    await asyncio.sleep(pause)

            async def heartbeats() -> int:
                size = 0
                for number in range(HEARTBEATS):
                    frame = make_frame(0x81, f'[2,"{number}","Heartbeat",{{}}]'.encode(), MASK)
                    size += len(frame)
                    await other.send(frame)
                    await asyncio.sleep(0.02)
                return size

            async def cross(size: int, peer: asyncio.StreamReader) -> None:
                await asyncio.wait_for(peer.readexactly(size), 60)

            _, size = await asyncio.gather(bombs(), heartbeats())
            await cross(size, other_at_csms.reader)
            await cross(BOMBS * len(make_frame(0xC1, bomb, MASK)), bomber_at_csms.reader)
            ended = await asyncio.to_thread(proxy.stop)
    with sqlite3.connect(path) as connection:
        stored = dict(
            connection.execute(
                "SELECT charge_point_id, count(*) FROM frames JOIN sessions ON sessions.id = session_id GROUP BY 1"
            ).fetchall()
        )
        told = connection.execute("SELECT sum(detail ->> '$.frames') FROM events WHERE kind = 'gap'").fetchone()[0] or 0
    assert stored["other"] == HEARTBEATS
    assert stored["bomber"] + told == BOMBS
    assert ended == (1 if told else 0), "the exit code says whether frames were lost"
