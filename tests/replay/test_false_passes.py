"""What must never count as equal: frames that were not sent, sessions not played, values not compared."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from inspector.protocol.session import Session
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.replay.compare import compare_recordings, compare_scripts
from inspector.replay.connect import lobby
from inspector.replay.id_mapping import IdMapping
from inspector.replay.matching import compare
from inspector.replay.outcome import Outcome
from inspector.replay.policy import STRICT, Policy
from inspector.replay.runs import Choices, as_charge_point, as_csms
from inspector.replay.script import Script, read
from inspector.replay.text_report import excerpt
from tests.proxy.conftest import accept_key

BOOT = ">", '[2,"b","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'
BOOTED = "<", '[3,"b",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":300}]'
RESET = "<", '[2,"r","Reset",{"type":"Soft"}]'
RESETTING = ">", '[3,"r",{"status":"Accepted"}]'
BEAT = ">", '[2,"h","Heartbeat",{}]'
BEATEN = "<", '[3,"h",{"currentTime":"2026-01-01T12:00:01Z"}]'

type Frames = tuple[tuple[str, str], ...]
type Handler = Callable[[ServerConnection], Awaitable[None]]


def scripts_of(
    folder: Path, *frames: tuple[str, str], name: str = "session", charge_point: str = "CP1"
) -> list[Script]:
    """Return the scripts of a recording in short notation; `>` marks frames of the charge point."""
    path = folder / f"{name}.log"
    lines = [f"2026-01-01T12:00:{n:02d}.000000Z {charge_point} {way} {text}" for n, (way, text) in enumerate(frames)]
    path.write_text("\n".join(lines) + "\n")
    return read(str(path), OcppVersion.V16)


async def played(script: Script, handler: Handler) -> Outcome:
    async with serve(handler, "127.0.0.1", 0, subprotocols=["ocpp1.6"], close_timeout=1) as server:  # type: ignore[list-item]
        port = next(iter(server.sockets)).getsockname()[1]
        return await as_charge_point(script, f"ws://127.0.0.1:{port}", Choices(timeout_s=0.5))


async def answer_boot(connection: ServerConnection) -> None:
    message = json.loads(await connection.recv())
    await connection.send(json.dumps([3, message[1], json.loads(BOOTED[1])[2]]))


async def asks_and_closes(connection: ServerConnection) -> None:
    await answer_boot(connection)
    await connection.send(RESET[1])
    await connection.close(1011, "ill")


async def asks_and_breaks(connection: ServerConnection) -> None:
    await answer_boot(connection)
    await connection.send(RESET[1])
    await asyncio.sleep(0.05)
    connection.transport.abort()


async def closes(connection: ServerConnection) -> None:
    await answer_boot(connection)
    await connection.close(1011, "ill")


@pytest.mark.parametrize(
    ("frames", "handler"),
    [
        ((BOOT, BOOTED, RESET, RESETTING), asks_and_closes),
        ((BOOT, BOOTED, RESET, RESETTING), asks_and_breaks),
        ((BOOT, BOOTED, BEAT), closes),
    ],
    ids=["answer", "answer to a broken connection", "CALL"],
)
async def test_last_frame_of_ours_that_nobody_took_is_a_difference(
    tmp_path: Path, frames: Frames, handler: Handler
) -> None:
    (script,) = scripts_of(tmp_path, *frames)
    outcome = await played(script, handler)
    assert not outcome.equal
    assert "closed the connection" in " ".join(outcome.sentences())


@pytest.mark.system
async def test_peer_that_reads_nothing_is_a_difference(tmp_path: Path) -> None:
    (script,) = scripts_of(
        tmp_path, BOOT, BOOTED, (">", json.dumps([2, "d", "DataTransfer", {"data": "x" * 20_000_000}]))
    )

    over = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Accept: {accept_key(key)}", "Sec-WebSocket-Protocol: ocpp1.6", "", ""]
        writer.write("\r\n".join(lines).encode())
        frame = await reader.read(2000)
        mask, masked = frame[2:6], frame[6:]
        if len(masked) > 125:  # the length takes two more bytes
            mask, masked = frame[4:8], frame[8:]
        boot = json.loads(bytes(byte ^ mask[at % 4] for at, byte in enumerate(masked)))
        answer = json.dumps([3, boot[1], json.loads(BOOTED[1])[2]]).encode()
        writer.write(bytes([0x81, len(answer)]) + answer)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await over.wait()
        writer.transport.abort()

    async with await asyncio.start_server(deaf, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        outcome = await as_charge_point(script, url, Choices(timeout_s=0.5))
        over.set()
    assert not outcome.equal
    assert "read nothing" in " ".join(outcome.sentences())


async def test_frames_that_never_went_out_are_not_shown_as_sent(tmp_path: Path) -> None:
    (script,) = scripts_of(tmp_path, BOOT, BOOTED, RESET, RESETTING)
    outcome = await played(script, asks_and_closes)
    assert outcome.sent == 1
    assert [line.split()[-1] for line in excerpt(outcome).splitlines()].count("sent") == 1


async def test_csms_side_ends_though_more_charge_points_came_than_it_plays_with(tmp_path: Path) -> None:
    (script,) = scripts_of(tmp_path, BOOT, BOOTED)
    address: list[str] = []
    async with asyncio.timeout(20), lobby("127.0.0.1", 0, OcppVersion.V16, None, address.append) as waiting:
        protocols: Any = ["ocpp1.6"]
        first = await connect(f"{address[0]}/CP1", subprotocols=protocols, proxy=None)
        second = await connect(f"{address[0]}/CP2", subprotocols=protocols, proxy=None)
        await first.send(BOOT[1])
        outcome = await as_csms(script, waiting, Choices(timeout_s=0.5), 5)
    await asyncio.gather(first.close(), second.close())
    assert outcome.equal, excerpt(outcome)


def test_heartbeat_that_came_and_got_no_answer_is_a_difference(tmp_path: Path) -> None:
    (recorded,) = scripts_of(tmp_path, BOOT, BOOTED, BEAT, BEATEN)
    (unanswered,) = scripts_of(tmp_path, BOOT, BOOTED, BEAT, name="unanswered")
    (without,) = scripts_of(tmp_path, BOOT, BOOTED, name="without")
    assert not compare_scripts(recorded, unanswered, Policy()).equal
    assert compare_scripts(recorded, without, Policy()).equal


def test_every_session_of_two_recordings_is_compared_with_its_counterpart(tmp_path: Path) -> None:
    one = scripts_of(tmp_path, BOOT, BOOTED, name="one") + scripts_of(tmp_path, RESET, RESETTING, name="two")
    refused = ">", '[3,"r",{"status":"Rejected"}]'
    other = scripts_of(tmp_path, BOOT, BOOTED, name="one") + scripts_of(tmp_path, RESET, refused, name="other")
    assert [outcome.equal for outcome in compare_recordings(one, one, Policy())] == [True, True]
    assert [outcome.equal for outcome in compare_recordings(one, other, Policy())] == [True, False]
    lacking = compare_recordings(one, one[:1], Policy())
    assert [outcome.equal for outcome in lacking] == [True, False]
    assert "no such session" in lacking[1].sentences()[0]


def test_sessions_of_many_charge_points_are_paired_by_name_where_names_are_the_same(tmp_path: Path) -> None:
    a = scripts_of(tmp_path, BOOT, BOOTED, name="a", charge_point="CP-A")
    b = scripts_of(tmp_path, BEAT, BEATEN, name="b", charge_point="CP-B")
    assert all(outcome.equal for outcome in compare_recordings(a + b, b + a, Policy(STRICT)))
    renamed = scripts_of(tmp_path, BOOT, BOOTED, name="c", charge_point="CP-C")
    assert all(outcome.equal for outcome in compare_recordings(a, renamed, Policy()))


def test_hints_and_a_clock_that_is_hours_off_are_not_a_difference(tmp_path: Path) -> None:
    (recorded,) = scripts_of(tmp_path, BOOT, BOOTED, BEAT, BEATEN)
    off = "<", '[3,"h",{"currentTime":"2026-01-01T20:00:01Z"}]'
    (other,) = scripts_of(tmp_path, BOOT, BOOTED, BEAT, off, name="off")
    outcome = compare_scripts(recorded, other, Policy())
    assert outcome.equal, excerpt(outcome)


def test_clock_that_is_days_off_is_a_difference(tmp_path: Path) -> None:
    (recorded,) = scripts_of(tmp_path, BOOT, BOOTED, BEAT, BEATEN)
    for time in ("2020-01-01T12:00:01Z", "1970-01-01T00:00:10Z"):
        off = "<", f'[3,"h",{{"currentTime":"{time}"}}]'
        (other,) = scripts_of(tmp_path, BOOT, BOOTED, BEAT, off, name="off")
        (sentence,) = compare_scripts(recorded, other, Policy()).sentences()
        assert "currentTime" in sentence and ("off the time" in sentence or "before the year 2000" in sentence)


def found(recorded: Any, live: Any, policy: Policy | None = None, action: str = "DataTransfer") -> list[str]:
    """Return the matchers that find a difference between two payloads of a CALL."""
    frames = []
    for payload in (recorded, live):
        session = Session("ocpp1.6")
        frames.append(
            session.frame(1, 0, 0, Direction.FROM_CHARGE_POINT, json.dumps([2, "1", action, payload]).encode())
        )
    one, other = frames
    return [difference.matcher for difference in compare(one, one.payload, other, policy or Policy())]


def test_stars_that_the_peer_sends_are_no_joker() -> None:
    assert found({"data": "5"}, {"data": "*"}) == ["value"]
    assert found({"data": "****"}, {"data": "5"}) == []
    assert found({"data": "5"}, {"data": "*"}, Policy(both_stored=True)) == []


def test_tolerance_is_for_numbers_and_readings_alone() -> None:
    near = Policy(tolerance=0.05)
    assert found({"parentIdTag": "10000001"}, {"parentIdTag": "10000002"}, near) == ["value"]
    assert found({"value": "100.0"}, {"value": "101"}, near) == []
    assert found({"limit": 100}, {"limit": 101}, near) == []
    assert found({"limit": 100}, {"limit": 106}, near) == ["value"]
    assert found({"on": True}, {"on": False}, Policy(tolerance=1.0)) == ["value"]


def test_text_in_place_of_a_time_is_a_difference() -> None:
    assert found({"timestamp": "2026-01-01T12:00:00Z"}, {"timestamp": "banana"}) == ["value"]
    assert found({"timestamp": "2026-01-01T12:00:00Z"}, {"timestamp": "2031-05-01T00:00:00.123+02:00"}) == []


def test_object_may_be_volatile() -> None:
    policy = Policy(volatile={"Authorize": frozenset({"idTagInfo"})})
    recorded, live = {"idTagInfo": {"status": "Accepted"}}, {"idTagInfo": {"status": "Blocked"}}
    assert found(recorded, live, policy, "Authorize") == []
    assert found(recorded, {"idTagInfo": "Blocked"}, policy, "Authorize") == ["type"]
    assert found({"statusInfo": {"reasonCode": "A"}}, {"statusInfo": {"reasonCode": "B"}}) == []


def test_strict_matching_compares_what_an_error_says() -> None:
    answers = []
    for text in ("too hot", "too cold"):
        session = Session("ocpp1.6")
        session.frame(1, 0, 0, Direction.FROM_CHARGE_POINT, b'[2,"1","Authorize",{}]')
        raw = json.dumps([4, "1", "GenericError", text, {}]).encode()
        answers.append(session.frame(2, 0, 0, Direction.FROM_CHARGE_POINT.opposite, raw))
    one, other = answers
    assert compare(one, one.payload, other, Policy()) == []
    assert [difference.pointer for difference in compare(one, one.payload, other, Policy(STRICT))] == ["/3"]


@given(st.text(st.characters()))
def test_answer_bears_whatever_id_the_peer_gave_its_call(message_id: str) -> None:
    for recorded in (b'[3,"old",{}]', b'[3,"old",{"transactionId":7}]'):
        sent = IdMapping().outgoing(recorded, "Reset", "old", message_id)
        assert json.loads(sent.encode())[1] == message_id
