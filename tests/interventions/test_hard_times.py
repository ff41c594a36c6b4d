"""Interventions in hard times: the recorder is killed, many sessions run at once, frames are huge, files rotate."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.cli.conftest import in_this_process
from tests.database import rows
from tests.interventions.test_edited_session import Relay
from tests.interventions.third_party import ThirdPartyCsms, station, third_party_csms
from tests.processes import Program
from tests.proxy.test_mixed_load import recorder_of
from tests.waiting import until


def chargesentinel(*arguments: object) -> int:
    done = in_this_process(*arguments)
    print(done.stdout, done.stderr)
    return done.returncode


def rule(name: str, match: str, do: str) -> str:
    return f'[[intervention]]\nname = "{name}"\nmatch = {match}\ndo = {do}\n'


@asynccontextmanager
async def proxied(tmp_path: Path, rules: str, *options: object) -> AsyncIterator[tuple[ThirdPartyCsms, Program, str]]:
    """Run a proxy with rules in front of the CSMS; the recording is traffic.db."""
    (tmp_path / "rules.toml").write_text(rules)
    async with third_party_csms() as (csms, upstream):
        with Program(
            *("proxy", "--upstream", upstream, "--listen", "127.0.0.1:0", "--db", tmp_path / "traffic.db"),
            *("--interventions", tmp_path / "rules.toml", *options),
        ) as proxy:
            yield csms, proxy, (await asyncio.to_thread(proxy.wait_for, r"listening on (ws://\S+)"))[1]


@pytest.mark.system
async def test_a_killed_recorder_loses_no_held_frame_and_the_rules_go_on(tmp_path: Path) -> None:
    rules = rule("held", '{ action = "Heartbeat", type = "CALL", times = 2 }', '{ hold = "2s" }')
    rules += rule("late", '{ action = "Authorize", type = "CALLRESULT" }', '{ delay = "500ms" }')
    async with proxied(tmp_path, rules) as (csms, proxy, url):
        async with station(url, "CP-1", "1.6", timeout_s=20) as one:
            await one.boot()
            beat = asyncio.create_task(one.heartbeat())
            await until(lambda: any("Heartbeat" in text for text in one.wire.said))
            recorder = recorder_of(proxy.process.pid)
            assert recorder is not None
            os.kill(recorder, signal.SIGKILL)
            assert (await beat) is not None and (await one.authorize()) is not None
            assert (await one.heartbeat()) is not None and (await one.heartbeat()) is not None
            told, heard = list(one.wire.said), list(one.wire.heard)
        assert await asyncio.to_thread(proxy.stop) == 0, proxy.report()
    db = tmp_path / "traffic.db"
    assert [raw for (raw,) in rows(db, "SELECT raw FROM frames WHERE from_csms = 0 ORDER BY id")] == told
    assert [raw for (raw,) in rows(db, "SELECT raw FROM frames WHERE from_csms = 1 ORDER BY id")] == heard
    assert csms.heard("CP-1") == told
    did = rows(db, "SELECT rule, what FROM interventions ORDER BY frame_id")
    assert did == [("held", "hold"), ("late", "delay"), ("held", "hold")]
    later = [
        json.loads(one)["later"] for (one,) in rows(db, "SELECT detail FROM events WHERE kind = 'sent' ORDER BY id")
    ]
    assert later == [1, 2, 3]
    assert rows(db, "SELECT count(*) FROM findings WHERE severity = 'error'") == [(0,)]


@pytest.mark.system
async def test_the_same_seed_leads_to_the_same_interventions_whatever_else_is_connected(tmp_path: Path) -> None:
    rules = rule("luck", '{ action = "Heartbeat", type = "CALL", probability = 0.5, seed = 7 }', "{ drop = true }")

    async def dropped(folder: Path, others: int) -> list[int]:
        folder.mkdir()
        async with proxied(folder, rules, "--quiet") as (_, proxy, url):

            async def beats(name: str, count: int) -> None:
                async with connect(f"{url}/{name}", subprotocols=[Subprotocol("ocpp1.6")]) as connection:
                    for number in range(count):
                        await connection.send(f'[2,"{number}","Heartbeat",{{}}]')
                        await asyncio.sleep(0)
                    await connection.send('[2,"end","Authorize",{"idTag":"x"}]')
                    async for message in connection:
                        if '"end"' in str(message):
                            return

            await asyncio.gather(beats("CP-1", 40), *(beats(f"OTHER-{number}", 25) for number in range(others)))
            assert await asyncio.to_thread(proxy.stop) == 0, proxy.report()
        sql = """SELECT message_id FROM frames JOIN sessions s ON s.id = session_id
            WHERE charge_point_id = 'CP-1' AND msg_type = 2 AND forwarded = 0 ORDER BY frames.id"""
        return [int(one) for (one,) in rows(folder / "traffic.db", sql)]

    first = await dropped(tmp_path / "alone", 0)
    assert 10 < len(first) < 30
    assert await dropped(tmp_path / "again", 0) == first == await dropped(tmp_path / "crowd", 8)


@pytest.mark.parametrize("do", ['{ edit = [{ pointer = "/data", value = "short" }] }', "{ drop = true }"])
def test_a_predicate_on_a_frame_of_sixteen_megabytes_takes_no_longer_than_reading_it(do: str) -> None:
    match = '{ payload = [{ pointer = "/vendorId", equals = "x" }, { pointer = "/data", like = "*z*z*z*z" }] }'
    relay = Relay(rule("r", match, do))
    big = '[2,"1","DataTransfer",{"vendorId":"x","data":"' + "z" * 16_000_000 + '"}]'
    began = time.process_time()
    relay.says(True, big)
    arrived = relay.arrived(False)
    assert time.process_time() - began < 3
    assert not arrived or all(len(text) == len(big) for _, text in arrived)


@pytest.mark.system
async def test_links_and_rules_survive_rotation_and_reconnects_with_the_same_ids(tmp_path: Path) -> None:
    rules = rule("card", '{ action = "Authorize", type = "CALLRESULT" }', "{ duplicate = 2 }")
    async with proxied(tmp_path, rules, "--rotate", "200kB") as (_, proxy, url):
        for _ in range(2):  # message ids begin anew with each connection
            async with connect(f"{url}/CP-1", subprotocols=[Subprotocol("ocpp1.6")]) as connection:
                for number in range(300):
                    await connection.send(f'[2,"{number}","Authorize",{{"idTag":"04E91C5A2B"}}]')
                    both = [await connection.recv(), await connection.recv()]
                    assert both[0] == both[1] and f'"{number}"' in str(both[0])
        assert await asyncio.to_thread(proxy.stop) == 0, proxy.report()
    files = sorted(path for path in tmp_path.glob("traffic*.db") if not path.is_symlink())
    assert len(files) > 1
    found = [one for path in files for one in rows(path, "SELECT what, frame_id, made_from_id FROM interventions")]
    assert sum(what == "duplicate" for what, *_ in found) == 600 == sum(what == "made" for what, *_ in found)
    lost = [one for one in found if one[0] == "made" and one[2] != one[1] - 1]
    assert len(lost) < len(files), "only the first frame of a file may lack the frame it was made from"
    errors = sum(
        rows(path, "SELECT count(*) FROM findings WHERE rule_id LIKE 'rpc.%' AND severity <> 'info'")[0][0]
        for path in files
    )
    assert errors == 0
    for path in files:  # each file alone says that rules applied to its sessions
        assert await asyncio.to_thread(chargesentinel, "check", path) == 0


SECRET = "Pl4in-AuthKey-0815-Secret"


@pytest.mark.system
@pytest.mark.parametrize(
    "do",
    [
        f'{{ edit = [{{ pointer = "/value", value = "{SECRET}" }}] }}',
        '{ inject = { place = "instead", to = "charge_point", action = "ChangeConfiguration", '
        f'payload = {{ key = "AuthorizationKey", value = "{SECRET}" }} }} }}',
    ],
)
async def test_a_secret_that_an_intervention_sets_reaches_the_peer_and_not_the_disk(tmp_path: Path, do: str) -> None:
    rules = rule("key", '{ action = "ChangeConfiguration", type = "CALL" }', do)
    async with proxied(tmp_path, rules) as (csms, proxy, url):
        async with station(url, "CP-1", "1.6") as one:
            await one.boot()
            change = '[2,"c1","ChangeConfiguration",{"key":"AuthorizationKey","value":"0123456789abcdef"}]'
            await csms.wires["CP-1"][0].send(change)
            await until(lambda: any(SECRET in text for text in one.wire.heard))
            await one.heartbeat()
        assert await asyncio.to_thread(proxy.stop) == 0, proxy.report()
    for file in tmp_path.glob("traffic.db*"):
        content = file.read_bytes()
        assert SECRET.encode() not in content and b"0123456789abcdef" not in content, file
    assert SECRET not in "\n".join([*proxy.out, *proxy.err])
