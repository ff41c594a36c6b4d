"""Ctrl-C while records wait: the proxy stores them and says so; a second one ends it at once and reports the loss."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from tests.journeys.test_failing_disk import Proxy

FRAMES = 200


async def answer(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(f'[3,"{str(message)[4:].partition(chr(34))[0]}",{{}}]')


@asynccontextmanager
async def with_a_stopped_recorder(path: Path) -> AsyncIterator[tuple[Proxy, int]]:
    """Start a proxy, stop its recorder, and let frames cross; yield the proxy and the recorder's process id."""
    async with serve(answer, "127.0.0.1", 0, subprotocols=["ocpp1.6"]) as csms:  # type: ignore[list-item]
        upstream = f"ws://127.0.0.1:{csms.sockets[0].getsockname()[1]}"
        with Proxy(upstream, path) as proxy:
            url = await asyncio.to_thread(lambda: proxy.url)
            async with connect(f"{url}/CP1", subprotocols=["ocpp1.6"]) as charge_point:  # type: ignore[list-item]
                await exchange(charge_point, "first")
                await proxy.until("recorder_waiting_records", lambda waiting: waiting == 0)
                recorder = proxy.recorder
                os.kill(recorder, signal.SIGSTOP)
                for number in range(FRAMES // 2 - 1):
                    await exchange(charge_point, str(number))
                proxy.process.send_signal(signal.SIGTERM)
                await asyncio.to_thread(proxy.wait_for, r"records wait; Ctrl-C ends at once")
            yield proxy, recorder


async def exchange(charge_point: Any, name: str) -> None:
    await charge_point.send(f'[2,"{name}","Heartbeat",{{}}]')
    await charge_point.recv()


def value(path: Path, sql: str) -> Any:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql).fetchone()[0]


async def test_the_end_waits_for_what_crossed_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    async with with_a_stopped_recorder(path) as (proxy, recorder):
        os.kill(recorder, signal.SIGCONT)
        assert await asyncio.to_thread(proxy.finish) == 0
    assert f"1 session, {FRAMES} frames" in proxy.out[-1] and "NOT STORED" not in proxy.out[-1]
    assert value(path, "SELECT count(*) FROM frames") == FRAMES
    assert value(path, "SELECT clean_close FROM recordings") == 1


async def test_ctrl_c_behind_sigterm_ends_at_once_with_1_and_tells_what_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    async with with_a_stopped_recorder(path) as (proxy, _):
        proxy.process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(proxy.finish) == 1
    assert any("ending at once" in line for line in proxy.err)
    stored = value(path, "SELECT count(*) FROM frames")
    assert stored < FRAMES
    assert proxy.out[-1].endswith(f"; {FRAMES - stored} FRAMES NOT STORED")
    assert f" {stored} frames," in proxy.out[-1]
