"""Charge points written by others run through `proxy` to `csms`; the recording has what each end saw."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.journeys.witness import witnessing
from tests.processes import Program

pytestmark = pytest.mark.system

TEST_OCPP = """
import asyncio, sys
from test_ocpp.client import check_connection
asyncio.run(check_connection(sys.argv[1], sys.argv[2], ocpp=sys.argv[3], log=print))
"""
"""The check that the package offers; it prints every message that it sends or receives."""

type Messages = list[tuple[str, str]]


async def play(argv: list[object], db: Path) -> tuple[list[str], Messages]:
    """Run a charge point through proxy, witness and CSMS; return its output and the messages. `{url}` is replaced."""

    def wait(program: Program, pattern: str) -> str:
        return program.wait_for(pattern)[1]

    with Program("csms", "--listen", "127.0.0.1:0") as csms:
        async with witnessing(await asyncio.to_thread(wait, csms, r"csms at (ws://\S+)")) as witness:
            with Program("proxy", "--upstream", witness.url, "--listen", "127.0.0.1:0", "--db", db) as proxy:
                url = await asyncio.to_thread(wait, proxy, r"listening on (ws://\S+)")
                with Program(argv=[str(part).replace("{url}", url) for part in argv]) as charge_point:
                    code = await asyncio.to_thread(charge_point.finish)
                    assert code == 0, charge_point.report()
                assert await asyncio.to_thread(proxy.stop) == 0, proxy.report()
    return charge_point.out, witness.seen


def assert_recorded(db: Path, charge_point: Messages, csms: Messages) -> None:
    """Fail unless the file has the frames of both ends, byte for byte, in order, paired, timed and without errors."""
    with closing(sqlite3.connect(db)) as recording:
        frames = recording.execute("SELECT direction, raw FROM frames ORDER BY id").fetchall()
        for direction in ("cp-to-csms", "csms-to-cp"):
            stored = [raw for one, raw in frames if one == direction]
            assert stored == [text for one, text in charge_point if one == direction]
            assert stored == [text for one, text in csms if one == direction]
        assert frames == charge_point
        pairs = recording.execute(
            "SELECT c.message_id = a.message_id, c.action = a.action, c.id < a.id, a.latency_us > 0"
            " FROM frames a JOIN frames c ON c.id = a.call_id"
        ).fetchall()
        (calls,) = recording.execute("SELECT count(*) FROM frames WHERE msg_type = 2").fetchone()
        assert len(pairs) == calls == len(frames) / 2
        assert set(pairs) == {(1, 1, 1, 1)}
        assert recording.execute("SELECT rule_id, message FROM findings WHERE severity = 'error'").fetchall() == []


@pytest.mark.parametrize("version", [pytest.param("1.6", marks=pytest.mark.long), "2.0.1"])
async def test_ocpp_rpc_in_strict_mode_charges_through_the_proxy(npm_peers: Path, tmp_path: Path, version: str) -> None:
    """npm's ocpp-rpc plays a whole charging session and checks every message against the schemas itself."""
    db = tmp_path / "traffic.db"
    out, seen = await play(["node", npm_peers / "ocpp_rpc_session.js", "{url}", "RPC-1", version], db)
    lines = [json.loads(line) for line in out]
    told = [("cp-to-csms" if line["outbound"] else "csms-to-cp", line["text"]) for line in lines]
    assert len(told) == {"1.6": 22, "2.0.1": 18}[version]
    assert_recorded(db, told, seen)

    with closing(sqlite3.connect(db)) as recording:
        vendor = recording.execute("SELECT vendor, model FROM charge_points").fetchone()
        assert vendor == ("Überlader", "Säule №1 ⚡")
        transaction = recording.execute(
            "SELECT meter_start_wh, meter_stop_wh, stop_reason FROM transactions"
        ).fetchone()
        assert transaction == (1000, 1500, "Local")


@pytest.mark.parametrize("version", ["1.6", pytest.param("2.0.1", marks=pytest.mark.long)])
async def test_test_ocpp_boots_and_beats_through_the_proxy(tmp_path: Path, version: str) -> None:
    """PyPI's test-ocpp sends a BootNotification and a Heartbeat."""
    db = tmp_path / "traffic.db"
    out, seen = await play([sys.executable, "-u", "-c", TEST_OCPP, "{url}", "PYPI-1", version], db)
    arrows = {"-->": "cp-to-csms", "<--": "csms-to-cp"}
    told = [(arrows[line[:3]], line[4:]) for line in out if line[:3] in arrows]
    assert len(told) == 4
    assert_recorded(db, told, seen)
