"""CSMSs of other houses as primary and as shadow, in all pairs: whole charging sessions go through both."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from inspector.rules.judge import TO_SHADOW
from tests.forked import chargesentinel
from tests.interventions.third_party import station
from tests.processes import Program
from tests.shadow.shadow_bench import ChargePoint, proxy
from tests.waiting import until

pytestmark = pytest.mark.system
PEERS = Path(__file__).parents[1] / "peers"
OURS = "chargesentinel"
CSMSS = {"1.6": ["ocpp-rpc", "ocpp-csms", OURS], "2.0.1": ["ocpp-rpc", OURS], "2.1": ["ocpp-ws-io", OURS]}
AT_SHADOW = """SELECT count(*) FROM frames WHERE session_id = 2 AND msg_type = 3 AND from_csms"""
PAIRS = [(version, *pair) for version, names in CSMSS.items() for pair in product(names, names)]


@asynccontextmanager
async def running(name: str, version: str, folder: Path) -> AsyncIterator[str]:
    """Run a CSMS; yield its address."""
    pattern = r"listening on (ws://\S+)"
    if name == OURS:
        program = Program("csms", "--listen", "127.0.0.1:0", cwd=folder)
        pattern = r"(ws://\S+)"
    elif name == "ocpp-csms":
        program = Program(argv=[sys.executable, PEERS / "ocpp_csms_1_6.py", "silent"])
    else:
        program = Program(argv=["sh", "-c", f"echo '[]' | node {PEERS / 'strict_csms.js'} {name} {version}"])
    with program:
        yield (await asyncio.to_thread(program.wait_for, pattern))[1]


async def charge(url: str, version: str) -> tuple[list[str], list[str]]:
    """Charge once; return what the charge point has sent and received."""
    if version != "1.6":
        async with station(url, "CP-1", version) as other:
            await other.session()
            return other.wire.said, other.wire.heard
    async with connect(f"{url}/CP-1", subprotocols=[Subprotocol("ocpp1.6")]) as connection:
        one = ChargePoint(connection)
        await one.charge()
        return one.said, one.heard


def rows(db: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(db)) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize(("version", "primary", "shadow"), PAIRS)
async def test_a_shadow_of_another_house_sees_whole_charging_sessions(
    npm_peers: Path, tmp_path: Path, version: str, primary: str, shadow: str
) -> None:
    db = tmp_path / "traffic.db"
    for folder in ("primary", "shadow"):
        (tmp_path / folder).mkdir()
    async with (
        running(primary, version, tmp_path / "primary") as upstream,
        running(shadow, version, tmp_path / "shadow") as candidate,
        proxy(upstream, db, "--shadow", f"*={candidate}") as (_, url),
    ):
        said, heard = await charge(url, version)
        calls = [json.loads(text)[2] for text in said if text.startswith("[2")]
        # A shadow gets its copies later than the primary, and only until the proxy stops.
        await until(lambda: rows(db, AT_SHADOW)[0][0] >= len(calls))
    recorded = rows(db, "SELECT from_csms, raw FROM frames WHERE session_id = 1 ORDER BY id")
    assert [raw for from_csms, raw in recorded if not from_csms] == said
    assert [raw for from_csms, raw in recorded if from_csms] == heard
    at_shadow = [json.loads(raw) for (raw,) in rows(db, "SELECT raw FROM frames WHERE session_id = 2 AND msg_type = 2")]
    assert [call[2] for call in at_shadow if call[2] in calls] == calls
    if version == "1.6":
        ids = "SELECT payload ->> '$.transactionId' FROM frames WHERE session_id = 2"
        opened = rows(db, f"{ids} AND action = 'StartTransaction' AND msg_type = 3")
        closed = rows(db, f"{ids} AND action = 'StopTransaction' AND msg_type = 2")
        assert opened == closed and len(opened) == 1 and opened[0][0] is not None
    against = "SELECT rule_id FROM findings WHERE session_id = {} AND side = 'charge_point' AND {}"
    of_shadow = against.format(2, f"""instr(message, '{TO_SHADOW.replace("'", "''")}')""")
    assert set(rows(db, of_shadow)) <= set(rows(db, against.format(1, "severity <> 'info'")))
    done = chargesentinel("shadow", "report", db, "--json")
    found = json.loads(done.stdout)
    assert sum(sum(tally.values()) for tally in found["agreement"].values()) == len(calls), found
    if primary == shadow:
        assert done.returncode == 0, found["differences"]
