"""The command `proxy` as a real process, with real signals and a real database."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inspector.cli.commands.proxy import announce
from inspector.proxy.addresses import Upstream, listening_socket
from inspector.websocket.frames import make_frame
from tests.database import rows
from tests.forked import chargesentinel
from tests.processes import Program
from tests.proxy.conftest import raw_charge_point, raw_csms, upgrade_request

MASK = b"abcd"
CALL = b'[2,"1","Heartbeat",{}]'


async def port_of(proxy: Program) -> int:
    return int((await asyncio.to_thread(proxy.wait_for, r"listening on ws://127\.0\.0\.1:(\d+)"))[1])


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_signal_ends_it_cleanly_with_every_frame_stored(tmp_path: Path, how: signal.Signals) -> None:
    path = tmp_path / "a folder with spaces" / "traffic ü.db"
    path.parent.mkdir()
    async with raw_csms() as csms:
        with Program("proxy", "--upstream", csms.url, "--listen", "127.0.0.1:0", "--db", path) as proxy:
            charge_point = await raw_charge_point(await port_of(proxy))
            at_csms = await csms.peer()
            stream = b"".join(make_frame(0x81, b'[2,"%d","Heartbeat",{}]' % n, MASK) for n in range(500))
            await charge_point.send(stream)
            assert await at_csms.receive(len(stream)) == stream
            started = time.monotonic()
            stopping = asyncio.create_task(asyncio.to_thread(proxy.stop, how))
            assert (await charge_point.receive(4))[2:] == struct.pack("!H", 1001)
            assert (await at_csms.receive(2))[0] == 0x88
            await charge_point.send(make_frame(0x88, struct.pack("!H", 1001), MASK))
            await at_csms.send(make_frame(0x88, struct.pack("!H", 1001)))
            assert await stopping == 0
            assert time.monotonic() - started < 3
            assert "1 session" in proxy.out[-1] and "500 frames" in proxy.out[-1]
    assert rows(path, "SELECT count(*), count(DISTINCT message_id) FROM frames") == [(500, 500)]
    assert rows(path, "SELECT clean_close FROM recordings") == [(1,)]
    assert rows(path, "SELECT closed_by FROM sessions") == [("proxy",)]
    assert not [line for line in proxy.err if "Traceback" in line]


async def test_killed_relay_leaves_every_answered_call_in_the_database(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    answer = make_frame(0x81, b'[3,"x",{}]')
    async with raw_csms() as csms:
        with Program("proxy", "--upstream", csms.url, "--listen", "127.0.0.1:0", "--db", path) as proxy:
            charge_point = await raw_charge_point(await port_of(proxy))
            at_csms = await csms.peer()
            for number in range(200):
                call = make_frame(0x81, b'[2,"%d","Heartbeat",{}]' % number, MASK)
                await charge_point.send(call)
                await at_csms.receive(len(call))
                await at_csms.send(answer)
                await charge_point.receive(len(answer))
            proxy.process.kill()
            await asyncio.to_thread(proxy.finish)
    lock = path.with_name(f"{path.name}.lock")
    for _ in range(500):  # the recorder runs until it has stored everything from its relay
        if not lock.exists():
            break
        await asyncio.sleep(0.01)
    found = rows(path, "SELECT message_id FROM frames WHERE msg_type = 2 ORDER BY id")
    assert found == [(str(number),) for number in range(200)]
    assert rows(path, "SELECT clean_close FROM recordings") == [(0,)]


async def test_odd_frames_are_stored_with_findings_and_nothing_crashes(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    odd = [
        (0x81, b"not json"),
        (0x82, b"\x00\xff"),
        (0x81, b""),
        (0x81, b"\xff\xfe"),
        (0x81, b"[" + b" " * 1_100_000 + b"]"),
    ]
    async with raw_csms() as csms:
        with Program("proxy", "--upstream", csms.url, "--listen", "127.0.0.1:0", "--db", path) as proxy:
            charge_point = await raw_charge_point(await port_of(proxy))
            at_csms = await csms.peer()
            stream = b"".join(make_frame(first, payload, MASK) for first, payload in odd)
            await charge_point.send(stream)
            assert await at_csms.receive(len(stream)) == stream
            charge_point.writer.close()
            at_csms.writer.close()
            assert await asyncio.to_thread(proxy.stop) == 0, proxy.report()
    stored = rows(path, "SELECT CAST(raw AS BLOB), size FROM frames ORDER BY id")
    assert stored == [(payload, len(payload)) for _, payload in odd]
    assert rows(path, "SELECT max_severity FROM frames") == [("error",)] * len(odd)


async def test_unreachable_csms_is_an_event_in_the_database(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    async with raw_csms() as csms:
        url = csms.url
    with Program("proxy", "--upstream", url, "--listen", "127.0.0.1:0", "--db", path) as proxy:
        charge_point = await raw_charge_point(await port_of(proxy), "/CP7")
        assert charge_point.head.startswith(b"HTTP/1.1 502 ")
        assert await asyncio.to_thread(proxy.stop) == 0, proxy.report()
    ((detail,),) = rows(path, "SELECT detail FROM events WHERE kind = 'unreachable'")
    assert "CP7" in str(detail)


def refused(*args: object) -> str:
    """Run a command that must report the user's mistake in one line, and return the line."""
    ended = chargesentinel("proxy", *args)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1), ended
    return ended.stderr


@pytest.mark.parametrize("url", ["csms.example", "http://csms", "ws://:80", "ws://user:hush@csms"])
def test_malformed_url_is_told_in_one_line(tmp_path: Path, url: str) -> None:
    line = refused("--upstream", url, "--db", tmp_path / "t.db")
    assert "ws://" in line and "hush" not in line
    assert not (tmp_path / "t.db").exists()


def test_port_in_use_is_told_in_one_line_and_leaves_no_database(tmp_path: Path) -> None:
    with listening_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        line = refused("--upstream", "ws://127.0.0.1:1", "--listen", port, "--db", tmp_path / "t.db")
    assert str(port) in line and "in use" in line
    assert not (tmp_path / "t.db").exists()


def test_own_listener_as_upstream_is_refused() -> None:
    with listening_socket("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    assert "own listener" in refused("--upstream", f"ws://localhost:{port}", "--listen", port)


def test_database_that_is_not_ours_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE frames (a)")
    before = path.read_bytes()
    assert str(path) in refused("--upstream", "ws://127.0.0.1:1", "--listen", "0", "--db", path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("path", ["/proc/traffic.db", "/no/such/folder/traffic.db"])
def test_folder_that_cannot_be_written_is_told_in_one_line(path: str) -> None:
    assert path in refused("--upstream", "ws://127.0.0.1:1", "--listen", "0", "--db", path)


@pytest.mark.parametrize("option", ["--handshake-timeout", "--connect-timeout"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "0", "-1"])
def test_time_that_never_passes_is_refused(option: str, value: str) -> None:
    assert f"'{option}'" in (line := refused("--upstream", "ws://127.0.0.1:1", option, value)) and value in line


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--upstream-ca", "/no/such.pem"], "--upstream-ca needs a CSMS"),
        (["--upstream-cert", "/no/such.pem"], "--upstream-cert needs a CSMS"),
        (["--upstream-key", "/no/such.key"], "--upstream-key needs a CSMS"),
        (["--upstream-insecure"], "--upstream-insecure needs a CSMS"),
        (["--upstream-identities", "{}/certs.toml"], "the cert of ['CP1'] needs a CSMS"),
        (["--route", "CP-*=wss://csms", "--upstream-key", "/no/such.key"], "--upstream-key needs --upstream-cert"),
        (["--route", "CP-*=wss://csms", "--upstream-insecure", "--upstream-ca", "/no/such.pem"], "has no effect"),
    ],
)
def test_upstream_tls_option_without_effect_is_refused(tmp_path: Path, arguments: list[str], why: str) -> None:
    (tmp_path / "certs.toml").write_text('["CP1"]\ncert = "/no/such.pem"\n')
    named = [argument.format(tmp_path) for argument in arguments]
    assert why in refused("--upstream", "ws://127.0.0.1:1", "--db", tmp_path / "t.db", *named)
    assert not (tmp_path / "t.db").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--upstream", "ws://user:pa/hush@csms"],
        ["--upstream", "ws://user:p@hush@csms"],
        ["--upstream", "ws://csms", "--route", "=ws://user:hush@csms"],
        ["--upstream", "ws://csms", "ws://user:hush@csms"],
        ["--upstream", "ws://csms", "--max-connections", "ws://user:pa ss@hush@csms"],
    ],
)
def test_line_of_a_mistake_repeats_no_password(arguments: list[str]) -> None:
    assert "hush" not in refused(*arguments)


def test_listener_that_others_reach_says_what_to_type_into_a_charger(capsys: pytest.CaptureFixture[str]) -> None:
    listening = [("[::]", 9100, ["10.9.9.1", "[fd00::9]"]), ("127.0.0.1", 9101, [])]
    announce("ws", listening, [Upstream.parse("ws://csms")], Path("t.db"), None)
    assert capsys.readouterr().out.splitlines()[:4] == [
        "listening on ws://[::]:9100",
        "  in the charge point, set the CSMS to ws://10.9.9.1:9100/<charge point id>",
        "  in the charge point, set the CSMS to ws://[fd00::9]:9100/<charge point id>",
        "listening on ws://127.0.0.1:9101",
    ]


def test_two_free_ports_are_two_listeners(tmp_path: Path) -> None:
    two = ("--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0")
    with Program("proxy", "--upstream", "ws://127.0.0.1:1", *two, "--db", tmp_path / "t.db") as proxy:
        proxy.wait_for("relaying to")
        assert proxy.stop() == 0
    assert len({line for line in proxy.out if line.startswith("listening on")}) == 2


def test_unknown_option_is_told_in_one_line() -> None:
    assert "--upstraem" in refused("--upstraem", "ws://127.0.0.1:1")


def test_missing_upstream_is_told_in_one_line() -> None:
    assert "--upstream" in refused()


@pytest.mark.system
async def test_mitmdump_users_get_the_same_tables(tmp_path: Path) -> None:
    path = tmp_path / "dump.db"
    script = subprocess.run(
        [sys.executable, "-m", "inspector.proxy.addon"], capture_output=True, text=True, check=True
    ).stdout.strip()
    with listening_socket("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    async with raw_csms() as csms:
        argv = [
            Path(sys.executable).parent / "mitmdump",
            "-s", script,
            "--mode", f"reverse:{csms.url.replace('ws', 'http', 1)}@127.0.0.1:{port}",
            "--set", f"ocpp_db={path}",
            "--set", f"confdir={tmp_path}",
        ]  # fmt: skip
        with Program(argv=argv) as dump:
            await asyncio.to_thread(dump.wait_for, "listening at")
            charge_point = await raw_charge_point(port, "/CP1")
            at_csms = await csms.peer()
            up, down = make_frame(0x81, CALL, MASK), make_frame(0x81, b'[3,"1",{"currentTime":"2030-01-01T00:00:00Z"}]')
            await charge_point.send(up)
            assert await at_csms.receive(len(up)) == up
            await at_csms.send(down)
            assert await charge_point.receive(len(down)) == down
            charge_point.writer.close()
            at_csms.writer.close()
            assert await asyncio.to_thread(dump.stop) == 0
            assert not [line for line in [*dump.out, *dump.err] if "Traceback" in line]
    assert rows(path, "SELECT direction, action, valid FROM frames ORDER BY id") == [
        ("cp-to-csms", "Heartbeat", 1),
        ("csms-to-cp", "Heartbeat", 1),
    ]
    assert rows(path, "SELECT charge_point_id, ocpp_version, frame_count FROM sessions") == [("CP1", "1.6", 2)]
    assert ("handshake",) in rows(path, "SELECT kind FROM events")
    assert rows(path, "SELECT charge_point_id FROM charge_points") == [("CP1",)]
    assert rows(path, "SELECT clean_close FROM recordings") == [(1,)]


@pytest.mark.parametrize("line", [b"GET /\xff HTTP/1.1", b"GET /\xff/CP9?x=\xff HTTP/1.1", b"\xffET / HTTP/1.1"])
async def test_odd_bytes_in_a_request_line_cost_no_other_charge_point_a_frame(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "t.db"
    async with raw_csms() as csms:
        with Program("proxy", "--upstream", csms.url, "--listen", "127.0.0.1:0", "--db", path) as proxy:
            port = await port_of(proxy)
            request = upgrade_request("/CP9").replace(b"GET /CP9 HTTP/1.1", line)
            odd = await raw_charge_point(port, request=request)
            assert odd.head.startswith(b"HTTP/1.1 ")
            await csms.peer()
            charge_point = await raw_charge_point(port)
            at_csms = await csms.peer()
            await charge_point.send(make_frame(0x81, CALL, MASK))
            await at_csms.receive(len(make_frame(0x81, CALL, MASK)))
            for peer in (odd, charge_point):
                peer.writer.close()
            assert await asyncio.to_thread(proxy.stop) == 0, proxy.report()
    assert not [line for line in proxy.err if "Traceback" in line], proxy.report()
    assert rows(path, "SELECT raw FROM frames") == [(CALL.decode(),)]
    shown = rows(path, "SELECT request_path FROM sessions UNION SELECT detail FROM events")
    assert any("\\xff" in str(text) for (text,) in shown)
