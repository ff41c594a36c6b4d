"""Shadows of a real proxy: what they get, what is recorded of them, and that charge points do not notice them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.forked import chargesentinel
from tests.processes import Program
from tests.shadow.shadow_bench import CHARGED, SUBPROTOCOLS, Csms, charge_point, eventually, listening, proxy, shadowed

pytestmark = pytest.mark.system


def rows(db: Path, sql: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(db)) as connection:
        return connection.execute(sql).fetchall()


async def test_a_shadow_gets_a_whole_charging_session_under_its_own_ids(tmp_path: Path) -> None:
    primary, shadow, db = Csms(7), Csms(5001), tmp_path / "traffic.db"
    async with shadowed(primary, shadow, db) as (program, url, candidate):
        async with charge_point(url) as one:
            await one.charge()
        await eventually(lambda: len(shadow.heard) == len(CHARGED))
        await asyncio.to_thread(program.wait_for, "CP-1 mirrored to its shadow")
    assert tuple(shadow.actions()) == tuple(primary.actions()) == CHARGED
    assert [call["transactionId"] for call in shadow.of("MeterValues") + shadow.of("StopTransaction")] == [5001, 5001]
    assert {frame[1] for frame in shadow.heard}.isdisjoint(frame[1] for frame in primary.heard)
    assert shadow.connections[0].request.path == "/ocpp/CP-1"  # type: ignore[union-attr]
    (link,) = rows(db, "SELECT primary_id, shadow FROM shadows")
    assert link == (1, f"{candidate}/ocpp")
    sessions = rows(db, "SELECT id, charge_point_id, ocpp_version, closed_by, frame_count FROM sessions ORDER BY id")
    assert [row[1:3] for row in sessions] == [("CP-1", "1.6")] * 2
    assert sessions[0][4] == sessions[1][4] == 2 * len(CHARGED)
    assert rows(db, "SELECT session_id, transaction_id FROM transactions") == [(1, "7")]
    assert rows(db, "SELECT side, rule_id FROM findings WHERE session_id = 2") == rows(
        db, "SELECT side, rule_id FROM findings WHERE session_id = 1"
    )


async def test_the_charge_points_session_is_byte_for_byte_the_same_with_and_without_a_shadow(tmp_path: Path) -> None:
    heard: list[tuple[list[Any], list[str], list[str]]] = []
    flood = [2, "s1", "Reset", {"type": "Hard"}]
    for options in ([], ["shadow"]):
        primary, shadow = Csms(7), Csms(5001, Authorize={"idTagInfo": {"status": "Blocked"}})
        shadow.asks_after["Authorize"] = flood
        async with listening(primary) as upstream, listening(shadow) as candidate:
            extra = ["--shadow", f"*={candidate}"] if options else []
            async with proxy(upstream, tmp_path / f"{len(options)}.db", *extra) as (_, url), charge_point(url) as one:
                await one.charge()
        heard.append((primary.heard, one.said, one.heard))
        assert bool(shadow.heard) is bool(options)
    assert heard[0] == heard[1]


async def test_a_shadow_that_cannot_be_reached_is_dialled_again_and_gets_what_waits(tmp_path: Path) -> None:
    primary, shadow, db = Csms(7), Csms(5001), tmp_path / "traffic.db"
    async with listening(shadow) as candidate:
        port = int(candidate.rpartition(":")[2])  # free again from here on
    extra = ("--shadow", f"*=ws://127.0.0.1:{port}")
    async with (
        listening(primary) as upstream,
        proxy(upstream, db, *extra) as (program, url),
        charge_point(url) as one,
    ):
        await one.charge()
        await asyncio.to_thread(program.wait_for, "cannot reach its shadow")
        async with serve(shadow, "127.0.0.1", port, subprotocols=SUBPROTOCOLS):
            await eventually(lambda: len(shadow.heard) == len(CHARGED))
    assert tuple(shadow.actions()) == CHARGED
    (event,) = rows(db, "SELECT session_id, detail FROM events WHERE kind = 'shadow'")
    assert event[0] == 1 and json.loads(event[1])["state"] == "unreachable"


async def test_calls_of_a_shadow_are_answered_by_the_proxy_alone(tmp_path: Path) -> None:
    primary, shadow, db = Csms(7), Csms(5001), tmp_path / "traffic.db"
    shadow.asks_after["BootNotification"] = [2, "s1", "Reset", {"type": "Hard"}]
    async with shadowed(primary, shadow, db) as (_, url, _), charge_point(url) as one:
        await one.charge()
        await eventually(lambda: any(frame[0] == 4 for frame in shadow.heard))
    assert [frame[1:3] for frame in shadow.heard if frame[0] == 4] == [["s1", "NotSupported"]]
    assert not any("Reset" in text for text in one.heard)
    (made,) = rows(db, "SELECT detail ->> '$.made_by' FROM events WHERE kind = 'intervention'")
    assert made == ("shadow",)


@pytest.mark.parametrize("passed", [False, True])
async def test_the_password_of_a_charge_point_reaches_a_shadow_only_if_that_is_wanted(
    tmp_path: Path, passed: bool
) -> None:
    primary, shadow = Csms(7), Csms(5001)
    basic = "Basic Q1AtMTpzZWNyZXQtcGFzc3dvcmQ="
    options = ["--shadow-authorization"] if passed else []
    async with (
        shadowed(primary, shadow, tmp_path / "t.db", *options) as (_, url, _),
        charge_point(url, Authorization=basic) as one,
    ):
        await one.charge()
        await eventually(lambda: shadow.heard)
    assert primary.authorization == [basic]
    assert shadow.authorization == ([basic] if passed else [None])
    for file in tmp_path.iterdir():
        assert b"secret-password" not in file.read_bytes() and b"Q1AtMTpzZWNyZXQtcGFzc3dvcmQ=" not in file.read_bytes()


async def test_a_shadow_that_breaks_the_connection_gets_the_rest_on_the_next_one(tmp_path: Path) -> None:
    primary, shadow, db = Csms(7), Csms(5001), tmp_path / "traffic.db"
    shadow.closes_after = "StartTransaction"
    async with shadowed(primary, shadow, db) as (_, url, _), charge_point(url) as one:
        await one.charge()
        await eventually(lambda: "Heartbeat" in shadow.actions())
    # The CALL that was on its way when the connection ended may have arrived both times.
    assert len(CHARGED) <= len(shadow.actions()) <= len(CHARGED) + 1
    assert shadow.actions().count("StartTransaction") == 1
    assert [call["transactionId"] for call in shadow.of("StopTransaction")] == [5001]
    assert rows(db, "SELECT count(*) FROM sessions WHERE closed_ns IS NULL") == [(0,)]
    ends = rows(db, "SELECT closed_by, csms_close_code FROM sessions WHERE id > 1 ORDER BY id")
    assert ends[0] == ("csms", 1011) and len(ends) == 2
    assert rows(db, "SELECT primary_id FROM shadows") == [(1,), (1,)]


async def test_a_shadow_that_never_answers_costs_it_the_calls_that_its_queue_cannot_hold(tmp_path: Path) -> None:
    primary, db = Csms(7), tmp_path / "traffic.db"

    async def deaf(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with shadowed(primary, deaf, db, "--shadow-queue", "16KiB") as (_, url, _), charge_point(url) as one:
        await one.charge()
        for _ in range(200):
            await one.call("Heartbeat", {})
    gaps = [json.loads(text) for (text,) in rows(db, "SELECT detail FROM events WHERE kind = 'gap' AND session_id > 1")]
    lost = sum(gap["frames"] for gap in gaps if gap["cause"] in ("shadow-queue", "shadow-ended"))
    assert len(primary.heard) == len(CHARGED) + 200
    assert 200 < lost < len(primary.heard) and any(gap["cause"] == "shadow-queue" for gap in gaps)


async def test_a_charge_point_that_reconnects_waits_until_its_shadow_has_the_rest(tmp_path: Path) -> None:
    primary, shadow, db = Csms(7), Csms(5001), tmp_path / "traffic.db"
    shadow.delay_s["Heartbeat"] = 1.5
    async with shadowed(primary, shadow, db) as (_, url, _):
        for _ in range(2):
            async with charge_point(url) as one:
                await one.call("Heartbeat", {})
                await one.charge()
        await eventually(lambda: len(shadow.heard) == len(primary.heard), 20)
    assert shadow.actions() == primary.actions()
    ids = [call["transactionId"] for call in shadow.of("StopTransaction")]
    assert ids == [5001, 5002]
    assert rows(db, "SELECT count(*) FROM events WHERE kind = 'gap'") == [(0,)]


async def test_a_token_in_the_path_of_a_charge_point_does_not_reach_a_shadow(tmp_path: Path) -> None:
    primary, shadow = Csms(7), Csms(5001)
    name = "CP-1?token=secret-in-the-query"
    async with shadowed(primary, shadow, tmp_path / "t.db") as (_, url, _), charge_point(url, name) as one:
        await one.call("Heartbeat", {})
        await eventually(lambda: shadow.heard)
    (asked,) = shadow.connections
    assert asked.request is not None and "secret" not in asked.request.path


async def test_with_interventions_a_shadow_gets_what_the_primary_gets(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(RULES)
    primary, shadow, db = Csms(7), Csms(5001), tmp_path / "traffic.db"
    rules = ("--interventions", tmp_path / "rules.toml")
    async with shadowed(primary, shadow, db, *rules) as (_, url, _), charge_point(url) as one:
        await one.charge()
        await eventually(lambda: len(shadow.heard) == len(primary.heard))
    assert shadow.actions() == primary.actions() == [action for action in CHARGED if action != "Authorize"]
    assert [call["meterStart"] for call in shadow.of("StartTransaction")] == [42]
    assert [call["transactionId"] for call in shadow.of("StopTransaction")] == [5001]
    report = chargesentinel("shadow", "report", db, "--json")
    assert report.returncode == 0, report.stdout


RULES = """
[[intervention]]
name = "no-card"
match = { action = "Authorize", type = "CALL" }
do = { answer = { idTagInfo = { status = "Accepted" } } }

[[intervention]]
name = "other-register"
match = { action = "StartTransaction", type = "CALL" }
do = { edit = [{ pointer = "/meterStart", value = 42 }] }

[[intervention]]
name = "blocked-at-stop"
match = { from = "csms", action = "StopTransaction", type = "CALLRESULT" }
do = { edit = [{ pointer = "/idTagInfo/status", value = "Blocked" }] }
"""


def test_an_option_of_shadows_without_a_shadow_is_a_mistake() -> None:
    with Program("proxy", "--upstream", "ws://127.0.0.1:9", "--listen", "0", "--shadow-authorization") as program:
        assert program.finish() == 2
    assert "--shadow-authorization needs --shadow" in program.report()


def test_a_shadow_without_a_pattern_is_a_mistake() -> None:
    with Program("proxy", "--upstream", "ws://127.0.0.1:9", "--listen", "0", "--shadow", "ws://x") as program:
        assert program.finish() == 2
    assert "write it as ID-PATTERN=ws://HOST" in program.report()
