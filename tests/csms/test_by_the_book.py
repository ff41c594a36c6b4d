"""No findings against the CSMS, whatever charge points send it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from csms import actions, schemas
from csms.operator_api import examples
from tests.csms.peer import Peer, connected
from tests.csms.test_hostile_frames import FRAMES
from tests.processes import Program

pytestmark = pytest.mark.system

BAD_FRAMES = [frame for frame, _, _ in FRAMES]


@asynccontextmanager
async def recorded(db: Path) -> AsyncIterator[tuple[str, str]]:
    """A CSMS behind the recording proxy; yields the proxy's address and the URL of the operator's API."""
    with Program("csms", "--listen", "0", "--page", "0") as csms:
        upstream, page = await asyncio.to_thread(
            lambda: (csms.wait_for(r"csms at (\S+)")[1], csms.wait_for(r"operator page at (\S+)")[1])
        )
        with Program("proxy", "--upstream", upstream, "--listen", "127.0.0.1:0", "--db", db) as proxy:
            found = await asyncio.to_thread(proxy.wait_for, r"listening on (ws://\S+)")
            yield found[1], page
            assert await asyncio.to_thread(proxy.stop) == 0, proxy.report()


async def send_every_action(charge_point: Peer, version: schemas.Version) -> None:
    for action in sorted(actions.from_charge_point(version) - {"BootNotification"}):
        schema = schemas.schema(version, action, "request")
        assert schema is not None
        if action in schemas.SENDS:
            await charge_point.send([6, "send-1", action, examples.example(schema)])
        else:
            await charge_point.call(action, examples.example(schema))


async def answer_calls(charge_point: Peer, version: schemas.Version, count: int) -> None:
    """Answer so many CALLs of the CSMS, each with an example that fits its schema."""
    for _ in range(count):
        call = await charge_point.receive()
        schema = schemas.schema(version, call[2], "response")
        assert schema is not None
        await charge_point.send([3, call[1], examples.example(schema)])


@pytest.mark.parametrize("version", schemas.VERSIONS)
async def test_the_judge_finds_no_fault_with_the_csms(tmp_path: Path, version: schemas.Version) -> None:
    """Every action, three calls at once from the operator, and every bad frame: no finding above info is the CSMS's."""
    db = tmp_path / "traffic.db"
    operations: list[tuple[str, dict[str, Any]]] = [
        ("reset", {}),
        ("unlock", {"evse_id": 1}),
        ("trigger", {"message": "StatusNotification"}),
    ]
    async with (
        recorded(db) as (url, page),
        httpx.AsyncClient(base_url=page, trust_env=False) as operator,
        connected(url, version, boot=False) as charge_point,
    ):
        refused = await charge_point.ask([2, "early", "Heartbeat", {}])
        assert refused[2] == "SecurityError"
        await charge_point.boot()
        await send_every_action(charge_point, version)
        path = "/api/charge-points/CHARGER-001/operations/"
        asked = [asyncio.create_task(operator.post(path + name, json=given)) for name, given in operations]
        await answer_calls(charge_point, version, len(operations))
        assert [answer.status_code for answer in await asyncio.gather(*asked)] == [200] * len(operations)
        for number, frame in enumerate(BAD_FRAMES):
            # Each frame has its own id: a repeated id would be a fault of the charge point and could hide others.
            await charge_point.send(frame.replace('"a"', f'"bad-{number}"') if isinstance(frame, str) else frame)
        await charge_point.send([2, "last", "Heartbeat", {}])
        while (await charge_point.receive())[1] != "last":
            pass
        await charge_point.websocket.close()
    with closing(sqlite3.connect(db)) as recording:
        faults = recording.execute(
            "SELECT f.severity, f.rule_id, f.message, frames.raw FROM findings f LEFT JOIN frames ON"
            " frames.id = f.frame_id WHERE f.side = 'csms' AND f.severity != 'info'"
        ).fetchall()
        (seen,) = recording.execute("SELECT count(*) FROM frames WHERE direction = 'csms-to-cp'").fetchone()
    assert faults == [], "\n".join(map(str, faults))
    assert seen > len(actions.from_charge_point(version))
