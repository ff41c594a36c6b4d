"""The control port of a running proxy: rules, held frames and frames by hand, between two real peers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed

from inspector.formats.exports import lines
from inspector.formats.inputs import open_input
from inspector.rules.settings import DEFAULTS
from inspector.store.files.connection import open_recording
from inspector.store.reading.stored_records import read
from inspector.websocket.frames import make_frame
from tests.forked import chargesentinel
from tests.journeys.test_one_feed import checked_findings, stored_findings
from tests.proxy.control_bench import BOOT, REMOTE_START, ControlBench, control_bench
from tests.proxy.test_mixed_load import recorder_of
from tests.waiting import until

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]

HOLD_CALLS = {"name": "h", "match": {"type": "CALL"}, "do": {"hold": True}}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    assert chargesentinel("certificates", folder).returncode == 0
    return folder


@pytest_asyncio.fixture(loop_scope="module")
async def bench(tmp_path: Path) -> AsyncIterator[ControlBench]:
    async with control_bench(tmp_path) as bench:
        yield bench


async def events(bench: ControlBench, kind: str) -> list[dict[str, Any]]:
    """End the proxy; return the details of the events of one kind.

    A check of the recording and a check of its export find the same as the live recording.
    """
    assert await asyncio.to_thread(bench.proxy.stop) == 0, bench.proxy.report()
    live = stored_findings(bench.db)
    assert checked_findings((record for record, _ in read(bench.db)), DEFAULTS) == live
    trace = bench.db.with_suffix(".jsonl")
    with closing(open_recording(bench.db)) as connection:
        trace.write_bytes(b"".join(lines(connection, None, "trace")))
    assert checked_findings((one for one, _ in open_input(str(trace))), DEFAULTS) == live
    with closing(sqlite3.connect(bench.db)) as db:
        found = db.execute("SELECT detail FROM events WHERE kind = ? ORDER BY id", (kind,)).fetchall()
    return [json.loads(detail) for (detail,) in found]


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_the_next_remote_start_is_held_gets_another_tag_and_goes_on(
    bench: ControlBench, compression: str | None
) -> None:
    """The session runs already, on the fast path and perhaps compressed, when the rule comes."""
    async with bench.charge_point(compression=compression) as (charge_point, heard):
        await charge_point.send(BOOT)
        await until(lambda: heard)
        assert [one["path"] for one in await bench.ask("GET", "/api/sessions")] == ["fast"]
        match = {"from": "csms", "action": "RemoteStartTransaction", "times": 1}
        await bench.ask("POST", "/api/rules", {"name": "hold-start", "match": match, "do": {"hold": True}})
        assert [one["path"] for one in await bench.ask("GET", "/api/sessions")] == ["editing"]
        await bench.csms.connections[0].send(REMOTE_START)
        (one,) = await bench.held()
        assert (one["action"], one["type"], one["from"], one["rule"], one["text"]) == (
            *("RemoteStartTransaction", "CALL", "csms", "hold-start"),
            REMOTE_START,
        )
        assert 0 < one["seconds_left"] <= 20
        edit = {"edit": [{"pointer": "/idTag", "value": "TAG-2"}]}
        await bench.ask("POST", f"/api/held/{one['id']}/release", edit, 204)
        await until(lambda: '[3,"s1",{"status":"Accepted"}]' in bench.csms.heard)
        assert heard[-1] == REMOTE_START.replace("TAG-1", "TAG-2")
        (rule,) = await bench.ask("GET", "/api/rules")
        assert (rule["applied"], rule["on"], rule["match"]) == (1, True, match)
        await bench.csms.connections[0].send(REMOTE_START.replace("s1", "s2"))
        await until(lambda: any('"s2"' in text for text in heard))
    notes = await events(bench, "intervention")
    assert {"made_by": "hand", "made_from": 1} in notes
    assert [one["what"] for one in await events(bench, "not-sent")] == ["RemoteStartTransaction CALL"]


@pytest.mark.parametrize("fragmented", [False, True])
async def test_a_session_is_taken_over_between_two_messages_of_each_direction(tmp_path: Path, fragmented: bool) -> None:
    """A message that has begun ends unchanged, and nothing is put into its middle; other sessions stay as they are."""
    async with (
        control_bench(tmp_path, "--metrics", "0") as bench,
        bench.charge_point("CP-1") as (charge_point, heard),
        bench.charge_point("CP-2") as (_, others),
    ):
        await until(lambda: len(bench.csms.connections) == 2)
        text = json.dumps([2, "long", "DataTransfer", {"vendorId": "V", "data": "x" * 9000}]).encode()
        begun, more = (text[:10], text[10:]) if fragmented else (text, b"")
        frames = make_frame(0x81 if not fragmented else 0x01, begun, b"mask")
        frames += make_frame(0x80, more, b"mask") if fragmented else b""
        cut = 16 if fragmented else 500
        charge_point.transport.write(frames[:cut])
        await until(lambda: bench.csms.connections[0].protocol.reader.buffer or fragmented)
        match = {"charge_point": "CP-1", "from": "charge_point"}
        rule = {"name": "edit", "match": match, "do": {"edit": [{"pointer": "/data", "value": "y"}]}}
        await bench.ask("POST", "/api/rules", rule)
        sending = asyncio.create_task(
            bench.ask("POST", "/api/sessions/CP-1/calls", {"as": "charge_point", "action": "Heartbeat"})
        )
        await bench.csms.connections[0].send('[3,"c1",{}]')  # the other direction goes on meanwhile
        await until(lambda: heard)
        charge_point.transport.write(frames[cut:] + make_frame(0x81, text.replace(b"long", b"next"), b"mask"))
        await until(lambda: any('"next"' in one for one in bench.csms.heard))
        assert (await sending)["kind"] == "CALLRESULT"
        assert bench.csms.heard[0] == text.decode()
        assert any(one == '[2, "next", "DataTransfer", {"vendorId": "V", "data": "y"}]' for one in bench.csms.heard)
        assert [one["path"] for one in await bench.ask("GET", "/api/sessions")] == ["editing", "fast"] and not others
        address = bench.proxy.wait_for(r"metrics at (http://\S+?)[,\s]")[1]
        metrics = (await bench.api.get(address)).text
        assert 'chargesentinel_sessions_on_path{path="fast"} 1.0' in metrics
        assert 'chargesentinel_sessions_on_path{path="editing"} 1.0' in metrics


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("subprotocol", ["ocpp2.0.1", "ocpp2.1"])
async def test_a_running_session_over_tls_is_taken_over_too(
    tmp_path: Path, certificates: Path, subprotocol: str, compression: str | None
) -> None:
    payload = {"idToken": {"idToken": "TAG-1", "type": "Central"}, "remoteStartId": 1, "evseId": 1}
    start = json.dumps([2, "s1", "RequestStartTransaction", payload])
    async with (
        control_bench(tmp_path, certificates=certificates) as bench,
        bench.charge_point("CP-1", compression, subprotocol) as (charge_point, heard),
    ):
        for number in range(3):  # so that later frames refer to earlier ones
            await charge_point.send(f'[2,"h{number}","Heartbeat",{{}}]')
        await until(lambda: len(heard) == 3)
        await bench.ask("POST", "/api/rules", HOLD_CALLS | {"match": {"from": "csms", "type": "CALL"}})
        await bench.csms.connections[0].send(start)
        (one,) = await bench.held()
        assert one["payload"]["idToken"]["idToken"] == "TAG-1" and one["version"] == subprotocol.removeprefix("ocpp")
        edit = {"edit": [{"pointer": "/idToken/idToken", "value": "TAG-2"}, {"pointer": "/evseId", "remove": True}]}
        await bench.ask("POST", f"/api/held/{one['id']}/release", edit, 204)
        await until(lambda: '[3,"s1",{"status":"Accepted"}]' in bench.csms.heard)
        assert json.loads(heard[-1])[3] == {"idToken": {"idToken": "TAG-2", "type": "Central"}, "remoteStartId": 1}
        await charge_point.send('[2,"h9","Heartbeat",{}]')
        await until(lambda: '"h9"' in heard[-1])
    assert len(await events(bench, "taken-over")) == 1


async def test_a_killed_recorder_loses_nothing_of_a_session_that_was_taken_over(bench: ControlBench) -> None:
    async with bench.charge_point() as (charge_point, heard):
        await charge_point.send(BOOT)
        await until(lambda: heard)
        await bench.ask("POST", "/api/rules", HOLD_CALLS | {"match": {"from": "csms", "type": "CALL"}})
        await bench.csms.connections[0].send(REMOTE_START)
        (one,) = await bench.held()
        recorder = recorder_of(bench.proxy.process.pid)
        assert recorder is not None
        os.kill(recorder, signal.SIGKILL)
        edit = {"edit": [{"pointer": "/idTag", "value": "TAG-2"}]}
        await bench.ask("POST", f"/api/held/{one['id']}/release", edit, 204)
        await until(lambda: '[3,"s1",{"status":"Accepted"}]' in bench.csms.heard)
        await charge_point.send('[2,"h1","Heartbeat",{}]')
        await until(lambda: '"h1"' in heard[-1])
    assert len(await events(bench, "taken-over")) == len(await events(bench, "not-sent")) == 1
    with closing(sqlite3.connect(bench.db)) as db:
        told = [raw for (raw,) in db.execute("SELECT raw FROM frames ORDER BY id")]
    assert sorted(told) == sorted([*heard, *bench.csms.heard, REMOTE_START])


async def test_a_call_by_hand_is_answered_to_the_caller_alone(bench: ControlBench) -> None:
    async with bench.charge_point() as (charge_point, heard):
        await charge_point.send(BOOT)
        await until(lambda: heard)
        call = {"as": "csms", "action": "Reset", "payload": {"type": "Soft"}}
        outcome = await bench.ask("POST", "/api/sessions/CP-1/calls", call)
        assert (outcome["kind"], outcome["payload"]) == ("CALLRESULT", {"status": "Accepted"})
        outcome = await bench.ask("POST", "/api/sessions/CP-1/calls", {"as": "charge_point", "action": "Heartbeat"})
        assert (outcome["kind"], outcome["payload"]) == ("CALLRESULT", {"currentTime": "2026-01-01T00:00:00Z"})
        await bench.ask("POST", "/api/sessions/CP-1/frames", {"as": "csms", "text": '[3,"?",{}]'}, 204)
        await until(lambda: heard[-1] == '[3,"?",{}]')
    assert [json.loads(text)[2] for text in bench.csms.heard] == ["BootNotification", "Heartbeat"]
    assert [json.loads(text)[:1] for text in heard] == [[3], [2], [3]]
    assert sum("to_proxy" in one for one in await events(bench, "intervention")) == 2


async def test_a_call_without_an_answer_times_out_and_a_late_answer_reaches_nobody(bench: ControlBench) -> None:
    bench.csms.silent = True
    async with bench.charge_point() as (charge_point, heard):
        await until(lambda: bench.csms.connections)
        call = {"as": "charge_point", "action": "Heartbeat", "seconds": 1.5}
        outcome = await bench.ask("POST", "/api/sessions/CP-1/calls", call)
        assert outcome["kind"] == "timeout"
        late = json.dumps([3, outcome["message_id"], {}])
        await bench.csms.connections[0].send(late)
        await bench.csms.connections[0].send(late)
        await bench.csms.connections[0].send('[2,"r1","ClearCache",{}]')
        await until(lambda: heard)
        assert heard == ['[2,"r1","ClearCache",{}]']
        asking = asyncio.create_task(bench.ask("POST", "/api/sessions/CP-1/calls", call | {"seconds": 30}))
        await until(lambda: len(bench.csms.heard) == 3)
        await charge_point.close()
        assert (await asking)["kind"] == "closed"


async def test_held_frames_are_answered_or_dropped_and_the_rest_keep_their_order(bench: ControlBench) -> None:
    await bench.ask("POST", "/api/rules", HOLD_CALLS | {"match": {"type": "CALL", "from": "charge_point"}})
    async with bench.charge_point() as (charge_point, heard):
        for number in range(4):
            await charge_point.send(f'[2,"h{number}","Heartbeat",{{}}]')
        first, second, third, fourth = await bench.held(4)
        await bench.ask("POST", f"/api/held/{third['id']}/drop", {}, 204)
        answer = {"payload": {"currentTime": "2030-01-01T00:00:00Z"}}
        await bench.ask("POST", f"/api/held/{first['id']}/answer", answer, 204)
        await until(lambda: heard)
        assert heard == ['[3,"h0",{"currentTime":"2030-01-01T00:00:00Z"}]'] and bench.csms.heard == []
        await bench.ask("POST", f"/api/held/{fourth['id']}/release", {}, 204)  # it waits for the second one
        assert [one["id"] for one in await bench.held()] == [second["id"]] and bench.csms.heard == []
        await bench.ask("POST", f"/api/held/{second['id']}/answer", {"error": {"code": "InternalError"}}, 204)
        await until(lambda: bench.csms.heard)
        assert bench.csms.heard == ['[2,"h3","Heartbeat",{}]']
        await until(lambda: len(heard) == 3)
        assert heard[1] == '[4,"h1","InternalError","",{}]'
    with closing(sqlite3.connect(bench.db)):
        assert [one["what"] for one in await events(bench, "not-sent")] == ["Heartbeat CALL"] * 3


async def test_a_rule_that_is_off_or_removed_does_nothing(bench: ControlBench) -> None:
    async with bench.charge_point() as (charge_point, heard):
        await bench.ask("POST", "/api/rules", {"toml": '[[intervention]]\nname = "d"\ndo = { drop = true }\n'})
        await bench.ask("PATCH", "/api/rules/d", {"on": False}, 204)
        await charge_point.send(BOOT)
        await until(lambda: heard)
        await bench.ask("PATCH", "/api/rules/d", {"on": True}, 204)
        await charge_point.send('[2,"h1","Heartbeat",{}]')
        async with asyncio.timeout(10):
            while (await bench.ask("GET", "/api/rules"))[0]["applied"] != 1:
                await asyncio.sleep(0.02)
        await bench.ask("DELETE", "/api/rules/d", None, 204)
        await charge_point.send('[2,"h2","Heartbeat",{}]')
        await until(lambda: len(heard) == 2)
    assert [json.loads(text)[1] for text in bench.csms.heard] == ["b1", "h2"]
    assert await bench.ask("GET", "/api/rules") == []


async def test_a_session_is_closed_by_hand_for_both_peers(bench: ControlBench) -> None:
    async with bench.charge_point() as (charge_point, _):
        await until(lambda: bench.csms.connections)
        await bench.ask("POST", "/api/sessions/CP-1/close", {"code": 4000, "reason": "by hand"}, 204)
        with pytest.raises(ConnectionClosed) as closed:
            await charge_point.wait_closed()
            await charge_point.send("x")
        assert closed.value.rcvd is not None and (closed.value.rcvd.code, closed.value.rcvd.reason) == (4000, "by hand")
    await until(lambda: bench.csms.closed)
    assert bench.csms.closed == [4000]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", "/api/rules", {"name": "x", "do": {"dely": "3s"}}, 422, "do: unknown key 'dely'; did you mean delay?"),
        ("POST", "/api/rules", {"name": "x", "match": {"action": "Hartbeat"}, "do": {"drop": True}}, 422, "Heartbeat"),
        ("POST", "/api/rules", {"toml": "intervention = 1"}, 422, "[[intervention]]"),
        ("POST", "/api/rules", {"toml": "[[intervention]]\nname='a'\ndo={drop=true}\n" * 2}, 422, "name"),
        ("POST", "/api/rules", {"toml": "[[intervention]]\n" * 1001}, 422, "1,001 rules"),
        ("POST", "/api/rules", {"name": "x", "do": json.loads("[" * 200 + "]" * 200)}, 422, "nested"),
        ("POST", "/api/rules", {"nam": "x"}, 422, "did you mean name?"),
        ("PATCH", "/api/rules/nothing", {"on": True}, 404, "there are none now"),
        ("DELETE", "/api/rules/nothing", None, 404, "no rule 'nothing'"),
        ("POST", "/api/held/9-9/release", {}, 404, "no held frame '9-9'"),
        ("POST", "/api/sessions/CP-2/close", {}, 404, "did you mean CP-1?"),
        ("POST", "/api/sessions/CP-1/close", {"code": 1006}, 422, "code: 1006 must not be sent"),
        ("POST", "/api/sessions/CP-1/calls", {"as": "cpms", "action": "Reset"}, 422, "csms"),
        ("POST", "/api/sessions/CP-1/calls", {"as": "csms"}, 422, "action"),
        ("GET", "/api/actions/1.7", None, 404, "1.6"),
        ("GET", "/api/actions/1.6/Resett/request", None, 404, "did you mean Reset?"),
    ],
)
async def test_a_wrong_request_is_refused_with_what_to_do(
    bench_of_the_file: ControlBench, method: str, path: str, body: Any, status: int, said: str | None
) -> None:
    answer = await bench_of_the_file.ask(method, path, body, status)
    assert said is None or said in answer["error"]
    assert await bench_of_the_file.ask("GET", "/api/rules") == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlBench]:
    async with control_bench(tmp_path_factory.mktemp("control")) as bench, bench.charge_point():
        await until(lambda: bench.csms.connections)
        yield bench


@pytest.fixture
def bench_of_the_file(shared: ControlBench) -> ControlBench:
    return shared


async def test_strangers_get_nothing(bench_of_the_file: ControlBench) -> None:
    """The wrong token, no token, a foreign page and a foreign name: refused before anything is looked up."""
    api, own = bench_of_the_file.api, f"127.0.0.1:{bench_of_the_file.api.base_url.port}"
    for headers, status in (
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer ü"}, 401),
        ({"Authorization": "", "Cookie": f"chargesentinel_control_{api.base_url.port}=wrong"}, 401),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": f"http://{own}.evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "evil.example"}, 421),
    ):
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        for method, path in (("GET", "/api/held"), ("POST", "/api/rules"), ("GET", "/openapi.json"), ("GET", "/")):
            answer = await api.request(method, path, headers=sent, content=b"{}" if method == "POST" else None)
            assert answer.status_code == status, (headers, path, answer.text)
    answer = await api.post(
        "/api/rules", content=b'{"name":"x","do":{"drop":true}}', headers={"Content-Type": "text/plain"}
    )
    assert answer.status_code == 415
    answer = await api.post(
        "/api/rules", content=b" " * (1024 * 1024 + 1), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
    assert await bench_of_the_file.ask("GET", "/api/rules") == []


async def test_the_token_moves_from_the_address_into_a_cookie(bench_of_the_file: ControlBench) -> None:
    api = bench_of_the_file.api
    answer = await api.get(bench_of_the_file.page, headers={"Authorization": ""})
    assert answer.status_code == 303 and answer.headers["Location"] == "/"
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    answer = await api.get("/api/status", headers={"Authorization": "", "Cookie": cookie.partition(";")[0]})
    assert answer.status_code == 200


async def test_the_openapi_document_names_every_route_and_its_examples_are_valid(
    bench_of_the_file: ControlBench,
) -> None:
    document = await bench_of_the_file.ask("GET", "/openapi.json")
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            there = path.format(**{one["name"]: "nothing" for one in operation["parameters"]})
            answer = await bench_of_the_file.api.request(method.upper(), there)
            assert answer.status_code != 405 and answer.text != "Not Found", (method, there)
            for media in (operation.get("requestBody", {}), operation["responses"]["200"]):
                jsonschema_rs.meta.validate(media.get("content", {}).get("application/json", {}).get("schema", {}))
    assert sum(len(methods) for methods in document["paths"].values()) == 16


async def test_a_payload_is_checked_against_its_schema(bench_of_the_file: ControlBench) -> None:
    given = {"version": "1.6", "action": "Reset", "kind": "request", "payload": {"type": "Gentle"}}
    (fault,) = (await bench_of_the_file.ask("POST", "/api/check", given))["faults"]
    assert fault["pointer"] == "/type" and "Soft" in fault["text"]
    given["payload"] = {"type": "Soft"}
    assert (await bench_of_the_file.ask("POST", "/api/check", given)) == {"known": True, "faults": []}


async def test_the_token_is_in_no_log_and_in_no_recording(tmp_path: Path) -> None:
    async with control_bench(tmp_path) as bench, bench.charge_point():
        token = bench.page.partition("?token=")[2]
        beside = tmp_path / "traffic.db-control"
        assert stat.S_IMODE(beside.stat().st_mode) == 0o600 and token in beside.read_text()
        await bench.ask("GET", "/api/nothing", status=404)
        assert await asyncio.to_thread(bench.proxy.stop) == 0
        assert not beside.exists()
        assert token not in "\n".join(bench.proxy.err)
        for path in tmp_path.iterdir():
            assert token.encode() not in path.read_bytes(), path
