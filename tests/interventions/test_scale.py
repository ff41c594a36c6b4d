"""Of a thousand sessions only those that a rule matches leave the fast path."""

from __future__ import annotations

import asyncio
import urllib.request
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.database import rows
from tests.interventions.third_party import third_party_csms
from tests.processes import Program

SESSIONS, MATCHED = 1_000, 10


def gauges(url: str) -> dict[str, float]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines) if name[:1] != "#"}


@pytest.mark.long
async def test_of_a_thousand_sessions_only_ten_that_match_leave_the_fast_path(tmp_path: Path) -> None:
    edit = '{ edit = [{ pointer = "/currentTime", value = "2001-01-01T00:00:00Z" }] }'
    match = '{ charge_point = "M-*", action = "Heartbeat", type = "CALLRESULT" }'
    (tmp_path / "rules.toml").write_text(f'[[intervention]]\nname = "r"\nmatch = {match}\ndo = {edit}\n')
    async with AsyncExitStack() as stack:
        _, upstream = await stack.enter_async_context(third_party_csms(deflate=False))
        proxy = stack.enter_context(
            Program(
                *("proxy", "--upstream", upstream, "--listen", "127.0.0.1:0", "--db", tmp_path / "traffic.db", "-q"),
                *("--interventions", tmp_path / "rules.toml", "--metrics", "127.0.0.1:0"),
            )
        )
        url = (await asyncio.to_thread(proxy.wait_for, r"listening on (ws://\S+)"))[1]
        metrics = (await asyncio.to_thread(proxy.wait_for, r"(http://\S+/metrics)"))[1]
        gate = asyncio.Semaphore(50)

        async def open_one(number: int) -> ClientConnection:
            name = f"{'M' if number % (SESSIONS // MATCHED) == 0 else 'CP'}-{number}"
            async with gate:
                connection = await connect(
                    f"{url}/{name}", subprotocols=[Subprotocol("ocpp1.6")], compression=None, open_timeout=60
                )
                await connection.send('[2,"h","Heartbeat",{}]')
                answer = str(await connection.recv())
            assert ('"2001-01-01T00:00:00Z"' in answer) is name.startswith("M")
            return connection

        connections = await asyncio.gather(*map(open_one, range(SESSIONS)))
        found = await asyncio.to_thread(gauges, metrics)
        assert found['chargesentinel_sessions_on_path{path="fast"}'] == SESSIONS - MATCHED
        assert found['chargesentinel_sessions_on_path{path="editing"}'] == MATCHED
        await asyncio.gather(*(connection.close() for connection in connections))
        assert await asyncio.to_thread(proxy.stop) == 0, proxy.report()
    sql = """SELECT s.charge_point_id LIKE 'M-%', count(*) FROM interventions JOIN sessions s ON s.id = session_id
        GROUP BY 1"""
    noted = rows(tmp_path / "traffic.db", sql)
    assert noted == [(1, 2 * MATCHED)]
