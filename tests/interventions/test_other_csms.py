"""Several rules at once between a charge point of `ocpp` and CSMSs from npm and PyPI: the recording has both ends."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from tests.interventions.test_every_verb import frames, parsed
from tests.interventions.third_party import station
from tests.journeys.witness import Witness, witnessing
from tests.processes import Program

pytestmark = pytest.mark.system
PEERS = Path(__file__).parents[1] / "peers"
CSMSS = [("ocpp-rpc", "1.6"), ("ocpp-rpc", "2.0.1"), ("ocpp-ws-io", "2.1"), ("ocpp-csms", "1.6")]
RULES = """
[[intervention]]
name = "late-boot"
match = { from = "csms", action = "BootNotification" }
do = { delay = "200ms" }

[[intervention]]
name = "old-clock"
match = { from = "csms", action = "Heartbeat", type = "CALLRESULT" }
do = { edit = [{ pointer = "/currentTime", value = "2001-01-01T00:00:00Z" }] }

[[intervention]]
name = "no-card"
match = { action = "Authorize", type = "CALL" }
do = { error = { code = "InternalError" } }

[[intervention]]
name = "reset"
match = { from = "csms", action = "Heartbeat", type = "CALLRESULT", times = 1 }
do = { inject = { to = "charge_point", action = "Reset", payload = { type = "TYPE" } } }
"""


@asynccontextmanager
async def csms_behind_witness(name: str, version: str) -> AsyncIterator[Witness]:
    """Run a CSMS that asks nothing by itself; yield what is in front of it."""
    argv: list[object] = [sys.executable, PEERS / "ocpp_csms_1_6.py", "silent"]
    if name != "ocpp-csms":
        argv = ["sh", "-c", f"echo '[]' | node {PEERS / 'strict_csms.js'} {name} {version}"]
    with Program(argv=argv) as csms:
        url = (await asyncio.to_thread(csms.wait_for, r"listening on (ws://\S+)"))[1]
        async with witnessing(url) as witness:
            yield witness
        assert await asyncio.to_thread(csms.finish) == 0, csms.report()


@pytest.mark.parametrize(("name", "version"), CSMSS)
async def test_rules_between_third_party_peers_of_different_houses(
    npm_peers: Path, tmp_path: Path, name: str, version: str
) -> None:
    kind = "Soft" if version == "1.6" else "Immediate"
    (tmp_path / "rules.toml").write_text(RULES.replace("TYPE", kind))
    async with csms_behind_witness(name, version) as witness:
        with Program(
            *("proxy", "--upstream", witness.url, "--listen", "127.0.0.1:0", "--db", tmp_path / "traffic.db", "-q"),
            *("--interventions", tmp_path / "rules.toml"),
        ) as proxy:
            url = (await asyncio.to_thread(proxy.wait_for, r"listening on (ws://\S+)"))[1]
            async with station(url, "CP-1", version) as one:
                await one.session()
            assert await asyncio.to_thread(proxy.stop) == 0, proxy.report()
    at_csms, said = witness.texts("cp-to-csms"), witness.texts("csms-to-cp")
    heard = [parsed(text) for text in one.wire.heard]
    assert [frame[2] for frame in heard if frame[0] == 4] == ["InternalError"]
    assert [frame[2] for frame in heard if frame[0] == 2] == ["Reset"]
    clocks = [frame[2]["currentTime"] for frame in heard if frame[0] == 3 and list(frame[2]) == ["currentTime"]]
    assert clocks == ["2001-01-01T00:00:00Z"] * 3
    assert not any('"Authorize"' in text or "chargesentinel-" in text for text in at_csms)
    with closing(sqlite3.connect(tmp_path / "traffic.db")) as db:
        stored = frames(db, "CP-1")
    came = [
        [raw for side, raw, _, notes, *_ in stored if side is way and "made_by" not in notes] for way in (False, True)
    ]
    sent = [[raw for side, raw, forwarded, *_ in stored if side is way and forwarded] for way in (False, True)]
    assert came == [one.wire.said, said] and sent == [at_csms, one.wire.heard]
