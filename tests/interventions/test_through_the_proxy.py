"""Interventions between two real peers: what each end sees is what the rule says, and the recording says both."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from inspector.formats.exports import lines
from inspector.formats.inputs import open_input
from inspector.rules.settings import DEFAULTS
from inspector.store.files.connection import open_recording
from inspector.store.reading.stored_records import read
from tests.forked import chargesentinel
from tests.journeys.test_one_feed import checked_findings, stored_findings
from tests.processes import Program
from tests.waiting import until

pytestmark = pytest.mark.system

HEARTBEAT, BEATEN = '[2,"h1","Heartbeat",{}]', '[3,"h1",{"currentTime":"2026-01-01T00:00:00Z"}]'


class Csms:
    """Answers every CALL of a charge point, and keeps all that it receives."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.connections: list[ServerConnection] = []
        self.extensions: list[str | None] = []
        self.closed: list[tuple[int | None, str | None]] = []
        self.answers: dict[str, Any] = {"Heartbeat": {"currentTime": "2026-01-01T00:00:00Z"}}

    async def __call__(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        assert connection.request is not None
        self.extensions.append(connection.request.headers.get("Sec-WebSocket-Extensions"))
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                assert isinstance(message, str)
                self.heard.append(message)
                with contextlib.suppress(ValueError):
                    frame = json.loads(message)
                    if frame[0] == 2:
                        await connection.send(
                            json.dumps([3, frame[1], self.answers.get(frame[2], {})], separators=(",", ":"))
                        )
            await connection.wait_closed()
        self.closed.append((connection.close_code, connection.close_reason))


class Bench:
    """A charge point behind the proxy, and its CSMS."""

    def __init__(self, csms: Csms, proxy: Program, url: str, db: Path, rules: Path) -> None:
        self.csms, self.proxy, self.url, self.db, self.rules = csms, proxy, url, db, rules

    @asynccontextmanager
    async def charge_point(self, name: str = "CP-7") -> AsyncIterator[ClientConnection]:
        async with connect(f"{self.url}/{name}", subprotocols=[Subprotocol("ocpp1.6")]) as connection:
            yield connection

    async def heard(self, count: int) -> list[str]:
        """Wait until the CSMS has heard so many messages."""
        async with asyncio.timeout(10):
            while len(self.csms.heard) < count:
                await asyncio.sleep(0.01)
        return self.csms.heard

    async def frames(self) -> list[tuple[str, str, int, dict[str, Any]]]:
        """End the proxy; return (direction, text, forwarded, kept notes) of every frame.

        The recording and its export must have the findings of the live recording when they are checked.
        """
        assert await asyncio.to_thread(self.proxy.stop) == 0, self.proxy.output
        live = stored_findings(self.db)
        assert checked_findings((record for record, _ in read(self.db)), DEFAULTS) == live
        with contextlib.closing(open_recording(self.db)) as connection:
            self.db.with_suffix(".jsonl").write_bytes(b"".join(lines(connection, None, "trace")))
        assert checked_findings((one for one, _ in open_input(str(self.db.with_suffix(".jsonl")))), DEFAULTS) == live
        with contextlib.closing(sqlite3.connect(self.db)) as db:
            rows = db.execute(
                "SELECT direction, raw, forwarded, (SELECT detail FROM events e WHERE after_frame_id = f.id"
                " AND kind = 'intervention') FROM frames f ORDER BY id"
            ).fetchall()
        return [
            (
                ("cp-to-csms", "csms-to-cp")[way] if isinstance(way, int) else way,
                raw,
                forwarded,
                json.loads(notes or "{}"),
            )
            for way, raw, forwarded, notes in rows
        ]


@pytest.fixture
async def bench(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """Start a CSMS and a proxy with the rules that the test's parameter holds."""
    rules = tmp_path / "rules.toml"
    rules.write_text(request.param)
    csms = Csms()
    async with serve(csms, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp1.6")]) as server:
        port = server.sockets[0].getsockname()[1]
        db = tmp_path / "traffic.db"
        with Program(
            "proxy",
            "--upstream",
            f"ws://127.0.0.1:{port}",
            "--listen",
            "127.0.0.1:0",
            "--db",
            db,
            "--interventions",
            rules,
        ) as proxy:
            found = await asyncio.to_thread(proxy.wait_for, r"listening on (ws://\S+)")
            yield Bench(csms, proxy, found[1], db, rules)


def with_rule(do: str, match: str = "{}") -> pytest.MarkDecorator:
    """Have a test run with a proxy that has one rule."""
    return pytest.mark.parametrize("bench", [rule(do, match)], indirect=True, ids=[""])


def rule(do: str, match: str = "{}") -> str:
    return f'[[intervention]]\nname = "r"\nmatch = {match}\ndo = {do}\n'


BOOT = '[2,"b1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'
BOOTED = {"status": "Accepted", "currentTime": "2026-01-01T00:00:00Z", "interval": 300}


def findings(db: Path) -> list[tuple[str, str, str]]:
    with contextlib.closing(sqlite3.connect(db)) as connection:
        return connection.execute("SELECT side, severity, rule_id FROM findings WHERE severity <> 'info'").fetchall()


async def heartbeats(bench: Bench, count: int) -> list[str]:
    """Boot and send heartbeats, each after the answer to the last one; return the answers as they came."""
    bench.csms.answers["BootNotification"] = BOOTED
    async with bench.charge_point() as charge_point:
        answers = []
        for frame in [BOOT, *(f'[2,"h{number}","Heartbeat",{{}}]' for number in range(count))]:
            await charge_point.send(frame)
            async with asyncio.timeout(10):
                answer = await charge_point.recv()
            assert isinstance(answer, str)
            answers.append(answer)
        return answers


@with_rule(
    '{ edit = [{ pointer = "/currentTime", value = "2001-01-01T00:00:00Z" }] }',
    '{ action = "Heartbeat", type = "CALLRESULT" }',
)
async def test_an_edited_answer_reaches_the_charge_point_and_both_texts_are_stored(bench: Bench) -> None:
    assert (await heartbeats(bench, 1))[1] == '[3,"h0",{"currentTime":"2001-01-01T00:00:00Z"}]'
    assert bench.csms.extensions == [None]
    *_, call, came, made = await bench.frames()
    assert call == ("cp-to-csms", '[2,"h0","Heartbeat",{}]', 1, {})
    assert came == (
        "csms-to-cp",
        '[3,"h0",{"currentTime":"2026-01-01T00:00:00Z"}]',
        0,
        {"interventions": [["r", "edit"]], "forwarded": False},
    )
    assert made == (
        "csms-to-cp",
        '[3,"h0",{"currentTime":"2001-01-01T00:00:00Z"}]',
        1,
        {"made_by": "r", "made_from": 1},
    )


@with_rule("{ drop = true }", '{ action = "Heartbeat", type = "CALL", times = 1 }')
async def test_a_dropped_call_reaches_nobody_and_no_peer_is_blamed(bench: Bench) -> None:
    bench.csms.answers["BootNotification"] = BOOTED
    async with bench.charge_point() as charge_point:
        await charge_point.send(BOOT)
        await charge_point.recv()
        for number in range(2):
            await charge_point.send(f'[2,"h{number}","Heartbeat",{{}}]')
        assert json.loads(await charge_point.recv())[1] == "h1"
    assert [json.loads(text)[1] for text in bench.csms.heard] == ["b1", "h1"]
    assert [notes for *_, notes in await bench.frames() if notes] == [
        {"interventions": [["r", "drop"]], "forwarded": False}
    ]


@with_rule('{ answer = { currentTime = "{now}" } }', '{ action = "Heartbeat" }')
async def test_the_proxy_answers_in_the_place_of_the_csms(bench: Bench) -> None:
    answers = await heartbeats(bench, 2)
    assert [json.loads(text)[:2] for text in answers[1:]] == [[3, "h0"], [3, "h1"]]
    assert [json.loads(text)[1] for text in bench.csms.heard] == ["b1"]
    await bench.frames()
    assert findings(bench.db) == []


@with_rule('{ error = { code = "InternalError" } }', '{ action = "Heartbeat", type = "CALL" }')
async def test_an_error_of_a_rule_is_not_held_against_the_csms(bench: Bench) -> None:
    assert json.loads((await heartbeats(bench, 1))[1])[:3] == [4, "h0", "InternalError"]
    await bench.frames()
    assert findings(bench.db) == []


@with_rule('{ delay = "1500ms" }', '{ action = "Heartbeat", type = "CALLRESULT", times = 1 }')
async def test_a_delayed_answer_comes_later_and_is_dated_so(bench: Bench) -> None:
    began = time.monotonic()
    await heartbeats(bench, 2)
    assert 1.5 <= time.monotonic() - began < 9
    frames = await bench.frames()
    assert [notes for *_, notes in frames if notes] == [{"interventions": [["r", "delay"]], "later": 1}]
    with contextlib.closing(sqlite3.connect(bench.db)) as db:
        (sent,) = db.execute("SELECT ts_ns FROM events WHERE kind = 'sent'").fetchone()
        (came,) = db.execute("SELECT ts_ns FROM frames WHERE raw LIKE '[3,\"h0\"%'").fetchone()
    assert 1.4 < (sent - came) / 1e9 < 5


@with_rule("{ duplicate = 3 }", '{ action = "Heartbeat", type = "CALLRESULT" }')
async def test_an_answer_is_doubled_for_the_charge_point_and_not_held_against_the_csms(bench: Bench) -> None:
    bench.csms.answers["BootNotification"] = BOOTED
    async with bench.charge_point() as charge_point:
        await charge_point.send(BOOT)
        await charge_point.recv()
        await charge_point.send(HEARTBEAT)
        answers = [json.loads(await charge_point.recv())[1] for _ in range(3)]
    assert answers == ["h1", "h1", "h1"]
    await bench.frames()
    assert findings(bench.db) == []


@with_rule('{ replace = "no json" }', '{ action = "Heartbeat", type = "CALL" }')
async def test_a_replaced_frame_may_be_invalid(bench: Bench) -> None:
    bench.csms.answers["BootNotification"] = BOOTED
    async with bench.charge_point() as charge_point:
        await charge_point.send(BOOT)
        await charge_point.recv()
        await charge_point.send(HEARTBEAT)
        assert (await bench.heard(2))[1] == "no json"
    await bench.frames()
    assert findings(bench.db) == []


@with_rule(
    '{ inject = { to = "charge_point", action = "Reset", payload = { type = "Soft" } } }',
    '{ action = "Heartbeat", type = "CALL", times = 1 }',
)
async def test_an_injected_call_is_answered_to_the_proxy_alone(bench: Bench) -> None:
    bench.csms.answers["BootNotification"] = BOOTED
    async with bench.charge_point() as charge_point:
        await charge_point.send(BOOT)
        await charge_point.recv()
        await charge_point.send(HEARTBEAT)
        got = [json.loads(await charge_point.recv()) for _ in range(2)]
        (call,) = [frame for frame in got if frame[0] == 2]
        assert call == [2, "chargesentinel-1", "Reset", {"type": "Soft"}]
        await charge_point.send('[3,"chargesentinel-1",{"status":"Rejected"}]')
        await charge_point.send('[2,"h2","Heartbeat",{}]')
        await charge_point.recv()
    assert [json.loads(text)[1] for text in bench.csms.heard] == ["b1", "h1", "h2"]
    frames = await bench.frames()
    assert {"forwarded": False, "to_proxy": True}.items() >= next(n for *_, n in frames if "to_proxy" in n).items()
    assert findings(bench.db) == []


@with_rule('{ close = { code = 4001, reason = "by rule" } }', '{ action = "Heartbeat", type = "CALL" }')
async def test_a_rule_closes_the_session_for_both(bench: Bench) -> None:
    with pytest.raises(ConnectionClosed) as closed:
        await heartbeats(bench, 1)
    assert closed.value.rcvd is not None and (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "by rule")
    await until(lambda: bench.csms.closed)
    assert bench.csms.closed == [(4001, "by rule")]


@with_rule("{ reset = true }", '{ action = "Heartbeat", type = "CALL" }')
async def test_a_rule_resets_both_connections(bench: Bench) -> None:
    with pytest.raises(ConnectionClosed) as closed:
        await heartbeats(bench, 1)
    assert closed.value.rcvd is None
    await until(lambda: bench.csms.closed)
    assert bench.csms.closed == [(1006, "")]


@with_rule("{ refuse = 503 }", "{ times = 2 }")
async def test_a_rule_refuses_upgrades(bench: Bench) -> None:
    for _ in range(2):
        with pytest.raises(InvalidStatus) as refused:
            await heartbeats(bench, 1)
        assert refused.value.response.status_code == 503
    assert len(await heartbeats(bench, 1)) == 2


@with_rule("{ drop = true }", '{ charge_point = "CP-OTHER" }')
async def test_a_session_that_no_rule_matches_stays_on_the_fast_path_with_its_extensions(bench: Bench) -> None:
    await heartbeats(bench, 1)
    assert bench.csms.extensions[0] is not None and "permessage-deflate" in bench.csms.extensions[0]
    assert all(not notes for *_, notes in await bench.frames())


@with_rule("{ reorder = 1 }", '{ action = "Heartbeat", type = "CALLRESULT", times = 1 }')
async def test_two_answers_arrive_in_the_other_order(bench: Bench) -> None:
    bench.csms.answers["BootNotification"] = BOOTED
    async with bench.charge_point() as charge_point:
        await charge_point.send(BOOT)
        await charge_point.recv()
        for number in range(2):
            await charge_point.send(f'[2,"h{number}","Heartbeat",{{}}]')
        assert [json.loads(await charge_point.recv())[1] for _ in range(2)] == ["h1", "h0"]
    await bench.frames()


@with_rule('{ hold = "1s" }', '{ action = "Heartbeat", type = "CALL", times = 1 }')
async def test_a_held_frame_goes_on_unchanged_after_its_timeout(bench: Bench) -> None:
    began = time.monotonic()
    assert len(await heartbeats(bench, 1)) == 2
    assert time.monotonic() - began >= 1
    await bench.frames()
    assert findings(bench.db) == []


@with_rule('{ stall = "1s" }', '{ action = "BootNotification", type = "CALL" }')
async def test_a_stalled_charge_point_is_read_again_later(bench: Bench) -> None:
    began = time.monotonic()
    assert len(await heartbeats(bench, 1)) == 2
    assert time.monotonic() - began >= 1


@with_rule("{ throttle = 100 }", '{ action = "BootNotification", type = "CALL" }')
async def test_a_throttled_direction_sends_no_more_bytes_than_it_may(bench: Bench) -> None:
    began = time.monotonic()
    assert len(await heartbeats(bench, 4)) == 5
    assert time.monotonic() - began >= 1


@with_rule("{ drop = true }", '{ action = "Authorize" }')
async def test_a_changed_file_applies_at_once_and_a_wrong_one_changes_nothing(bench: Bench) -> None:
    bench.csms.answers["BootNotification"] = BOOTED
    async with bench.charge_point() as charge_point:
        await charge_point.send(BOOT)
        await charge_point.recv()
        bench.rules.write_text(rule('{ error = "InternalError" }', '{ acton = "Heartbeat" }'))
        line = await asyncio.to_thread(bench.proxy.wait_for, "keeping the interventions.*did you mean action")
        assert "rules.toml" in line[0]
        bench.rules.write_text(rule('{ error = "InternalError" }', '{ action = "Heartbeat" }'))
        await asyncio.to_thread(bench.proxy.wait_for, "1 intervention from")
        await charge_point.send(HEARTBEAT)
        assert json.loads(await charge_point.recv())[:3] == [4, "h1", "InternalError"]


async def test_the_slow_way_through_mitmproxy_refuses_interventions(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(rule("{ drop = true }"))
    done = chargesentinel(
        *("proxy", "--upstream", "ws://127.0.0.1:9", "--listen", "127.0.0.1:0", "--no-fast-path"),
        *("--interventions", "r.toml"),
        cwd=tmp_path,
    )
    assert done.returncode == 2 and "--interventions" in done.stderr and "fast path" in done.stderr
