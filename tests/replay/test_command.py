"""`chargesentinel replay` and `diff` as people and scripts run them: exit codes, formats, hostile files."""

from __future__ import annotations

import asyncio
import html
import json
import signal
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from websockets.asyncio.server import serve

from inspector.cli import main
from inspector.cli.output import replay_reports
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.replay.outcome import Outcome
from inspector.replay.script import Script, read
from inspector.store.files.connection import open_recording
from tests.processes import Program
from tests.replay.changed_peer import Peer
from tests.replay.parties import FOLDER

CHARGING = FOLDER / "charging-1.6.jsonl"


@pytest.fixture(scope="module")
def csms() -> Iterator[str]:
    """Start a CSMS as a separate process."""
    with Program("csms", "--listen", "127.0.0.1:0", "--no-page", "--quiet") as program:
        yield program.wait_for(r"csms at (ws://\S+)")[1]


class Done(NamedTuple):
    """The output and the exit code of a command."""

    stdout: str
    stderr: str


type Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command in this process and checks its exit code."""

    def runs(*arguments: object, code: int | tuple[int, ...]) -> Done:
        monkeypatch.setattr(sys, "argv", ["chargesentinel", *map(str, arguments)])
        capsys.readouterr()
        # In a separate thread: an open browser in this worker leaves its event loop registered as running.
        with pytest.raises(SystemExit) as ended, ThreadPoolExecutor(1) as beside:
            beside.submit(main).result()
        done = Done(*capsys.readouterr())
        assert ended.value.code in (code if isinstance(code, tuple) else (code,)), done
        return done

    return runs


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording in which the CSMS refused a token, which our CSMS accepts."""
    path = tmp_path_factory.mktemp("changed") / "changed.jsonl"
    lines = CHARGING.read_text().splitlines()
    frames = [json.loads(line) for line in lines]
    at = next(i for i, frame in enumerate(frames) if frame.get("action") == "Authorize") + 1
    for name in ("raw", "payload"):
        text = frames[at][name] if name == "raw" else json.dumps(frames[at][name])
        text = text.replace("Accepted", "Blocked")
        frames[at][name] = text if name == "raw" else json.loads(text)
    path.write_text("".join(json.dumps(frame) + "\n" for frame in frames))
    return path


def test_equal_is_exit_code_0_and_the_run_can_be_recorded(run: Run, csms: str, tmp_path: Path) -> None:
    """The run is recorded into a new file, which can be compared with the played one."""
    db = tmp_path / "replayed.db"
    done = run("replay", CHARGING, "--as", "charge-point", "--to", csms, "--db", db, code=0)
    assert "as recorded" in done.stdout
    assert "1 session, 30 frames" in done.stderr
    assert "as recorded" in run("diff", CHARGING, db, code=0).stdout


def test_a_difference_is_exit_code_1_and_shown_side_by_side(run: Run, csms: str, changed: Path) -> None:
    done = run("replay", changed, "--as", "charge-point", "--to", csms, code=1)
    assert "DIFFERS" in done.stdout
    assert 'frame 10 Authorize /2/idTagInfo/status: status is "Accepted", recorded "Blocked"' in done.stdout


def test_every_format_tells_the_same_difference(run: Run, csms: str, changed: Path) -> None:
    def written(style: str) -> str:
        return run("replay", changed, "--as", "charge-point", "--to", csms, "--format", style, code=1).stdout

    document = json.loads(written("json"))
    difference = document["sessions"][0]["differences"][0]
    assert (difference["frame"], difference["action"], difference["pointer"]) == (
        10,
        "Authorize",
        "/2/idTagInfo/status",
    )
    failure = ET.fromstring(written("junit")).find("testcase/failure")
    assert failure is not None and difference["message"] in failure.attrib["message"]
    assert html.escape(difference["message"]) in written("html")


def test_many_charge_points_at_once_have_ids_of_their_own_and_a_table_of_latencies(
    run: Run, csms: str, tmp_path: Path
) -> None:
    db = tmp_path / "many.db"
    done = run("replay", CHARGING, "--as", "charge-point", "--to", csms, "--count", 20, "--db", db, code=0)
    assert "20 of 20 sessions as recorded" in done.stdout
    assert "p99" in done.stdout and "StartTransaction" in done.stdout
    assert {script.charge_point_id for script in read(str(db))} == {f"CHARGING-16-{n}" for n in range(1, 21)}


def test_the_identity_the_password_and_tokens_can_be_set(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "csms.toml"
    config.write_text('[charge_points.OTHER]\npassword = "0123456789abcdef"\n[tokens.CAFE0001]\nstatus = "Blocked"\n')
    options = ("--listen", "127.0.0.1:0", "--no-page", "--security-profile", 1, "--config", config)
    with Program("csms", *options) as program:
        url = program.wait_for(r"csms at (ws://\S+)")[1]
        play = ("replay", CHARGING, "--as", "charge-point", "--to", url, "--id", "OTHER")
        assert "HTTP 401" in run(*play, "--password", "wrong-0123456789", code=2).stderr
        secret = ("--password", "0123456789abcdef")
        assert "Blocked" in run(*play, *secret, code=1).stdout
        run(*play, *secret, "--token", "CAFE0001=BEEF0002", code=0)


def test_as_csms_it_waits_for_a_charge_point() -> None:
    with Program("replay", CHARGING, "--as", "csms", "--listen", "127.0.0.1:0") as playing:
        url = playing.wait_for(r"waiting for charge points at (ws://\S+)")[1]
        with Program("charge-point", "--url", url, "--id", "CHARGING-16") as charge_point:
            assert charge_point.finish() == 0, charge_point.report()
        assert playing.finish() == 0, playing.report()


def test_json_is_all_that_stands_on_stdout() -> None:
    with Program("replay", CHARGING, "--as", "csms", "--listen", "127.0.0.1:0", "--json") as playing:
        url = playing.wait_for(r"waiting for charge points at (ws://\S+)")[1]
        with Program("charge-point", "--url", url, "--id", "CHARGING-16") as charge_point:
            assert charge_point.finish() == 0, charge_point.report()
        assert playing.finish() == 0, playing.report()
    assert json.loads("\n".join(playing.out))["equal"] is True


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("missing.jsonl", "--as", "charge-point", "--to", "ws://127.0.0.1:1"), "missing.jsonl"),
        ((CHARGING, "--as", "charge-point"), "--to"),
        ((CHARGING, "--as", "csms"), "--listen"),
        ((CHARGING, "--as", "charge-point", "--to", "ws://127.0.0.1:1"), "cannot be reached"),
        ((CHARGING, "--as", "charge-point", "--to", "http://127.0.0.1:1"), "ws://HOST"),
        ((CHARGING, "--as", "charge-point", "--to", "ws://127.0.0.1:no"), "ws://HOST"),
        ((CHARGING, "--as", "charge-point", "--to", "ws://127.0.0.1:1", "--speed", "fast"), "speed"),
        ((CHARGING, "--as", "charge-point", "--to", "ws://127.0.0.1:1", "--session", "9"), "no session 9"),
        ((CHARGING, "--as", "charge-point", "--to", "ws://127.0.0.1:1", "--from-frame", "999"), "no frame 999"),
        ((CHARGING, "--as", "charge-point", "--to", "ws://127.0.0.1:1", "--from-frame", "30"), "only answers"),
        ((CHARGING, "--as", "charge-point", "--to", "ws://127.0.0.1:1", "--token", "A"), "RECORDED=NEW"),
        ((CHARGING, "--as", "charge-point", "--to", "ws://127.0.0.1:1", "--operator", "there"), "operator"),
        ((CHARGING, "--as", "csms", "--listen", "127.0.0.1:0", "--wait", "0.2"), "no charge point connected"),
        ((CHARGING, "--as", "csms", "--listen", "nowhere"), "nowhere"),
        (
            (Path(__file__).parents[1] / "processes.py", "--as", "charge-point", "--to", "ws://127.0.0.1:1"),
            "processes.py",
        ),
    ],
)
def test_a_mistake_of_the_user_is_one_clear_line_and_exit_code_2(
    run: Run, arguments: tuple[object, ...], said: str
) -> None:
    done = run("replay", *arguments, code=2)
    lines = [line for line in done.stderr.splitlines() if not line.startswith(("Usage:", "Try "))]
    assert said in lines[-1]
    assert len([line for line in lines if line]) == 1, done.stderr


def test_ctrl_c_ends_it_with_130() -> None:
    with Program("replay", CHARGING, "--as", "csms", "--listen", "127.0.0.1:0") as playing:
        playing.wait_for("waiting for charge points at")
        assert playing.stop(signal.SIGINT) == 130, playing.report()


def _ended_sessions(path: Path) -> int:
    with closing(open_recording(path)) as db:
        return int(db.execute("SELECT count(*) FROM sessions WHERE closed_ns IS NOT NULL").fetchone()[0])


def test_ctrl_c_still_reports_what_was_played(tmp_path: Path) -> None:
    db = tmp_path / "replayed.db"
    with Program("replay", CHARGING, CHARGING, "--as", "csms", "--listen", "127.0.0.1:0", "--db", db) as playing:
        url = playing.wait_for(r"waiting for charge points at (ws://\S+)")[1]
        with Program("charge-point", "--url", url, "--id", "CHARGING-16") as charge_point:
            assert charge_point.finish() == 0, charge_point.report()
        deadline = time.monotonic() + 30
        while _ended_sessions(db) < 1:
            assert time.monotonic() < deadline, playing.report()
            time.sleep(0.02)
        assert playing.stop(signal.SIGINT) == 130, playing.report()
    said = "\n".join(playing.out)
    assert "1 of 2 sessions as recorded" in said and "not played: interrupted" in said


@pytest.mark.system
def test_charge_point_that_does_not_come_again_costs_no_report() -> None:
    with Program("replay", CHARGING, CHARGING, "--as", "csms", "--listen", "127.0.0.1:0", "--wait", "8") as playing:
        url = playing.wait_for(r"waiting for charge points at (ws://\S+)")[1]
        with Program("charge-point", "--url", url, "--id", "CHARGING-16") as charge_point:
            assert charge_point.finish() == 0, charge_point.report()
        assert playing.finish() == 1, playing.report()
    said = "\n".join(playing.out)
    assert "1 of 2 sessions as recorded" in said and "no charge point connected within 8 s" in said


def taking(first: int) -> Callable[[Any, Any], Any]:
    """Return the handshake handler of a CSMS that accepts this many charge points."""
    left = first

    def examine(connection: Any, request: Any) -> Any:
        nonlocal left
        left -= 1
        return None if left >= 0 else connection.respond(503, "full\n")

    return examine


@pytest.fixture
def csms_for_one() -> Iterator[str]:
    """Start a CSMS that answers as in the recording CHARGING, for one charge point only."""
    peer = Peer(read(str(CHARGING))[0], Direction.FROM_CSMS, lambda steps: None)
    ready, over = threading.Event(), threading.Event()
    address: list[str] = []

    async def run() -> None:
        protocols: Any = ["ocpp1.6"]
        async with serve(peer.play, "127.0.0.1", 0, subprotocols=protocols, process_request=taking(1)) as server:
            address.append(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}")
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    ready.wait(10)
    yield address[0]
    over.set()
    thread.join()


@pytest.mark.parametrize("style", ["json", "junit"])
def test_refusal_later_on_is_told_beside_what_was_played_before(
    run: Run, csms_for_one: str, changed: Path, style: str
) -> None:
    play = ("replay", changed, CHARGING, "--as", "charge-point", "--to", csms_for_one, "--timeout", "2")
    done = run(*play, "--format", style, code=1)
    if style == "json":
        first, second = json.loads(done.stdout)["sessions"]
        assert first["differences"] and "HTTP 503" in second["failure"]
    else:
        suite = ET.fromstring(done.stdout)
        assert (suite.attrib["tests"], suite.attrib["failures"]) == ("2", "2")


def test_reports_say_what_was_answered_by_default_and_bear_any_name(capsys: pytest.CaptureFixture[str]) -> None:
    script = Script("odd\x0bname.jsonl", "CP\x0b", OcppVersion.V16)
    outcome = Outcome(script, "csms", defaults=["DataTransfer was answered by default"])
    replay_reports.write("junit", [outcome])
    suite = ET.fromstring(capsys.readouterr().out)
    assert suite.findtext("testcase/system-out") == "DataTransfer was answered by default"
    replay_reports.write("html", [outcome])
    assert "<li>DataTransfer was answered by default" in capsys.readouterr().out


HOSTILE = {
    "unknown action": '[2,"1","MakeCoffee",{"cups":2}]',
    "wrong direction": '[2,"1","RemoteStartTransaction",{"idTag":"T"}]',
    "an answer to nobody": '[3,"nobody",{}]',
    "no JSON": '[2,"1","Heartbeat",{',
    "deeply nested": '[2,"1","DataTransfer",{"vendorId":"v","data":' + "[" * 5000 + "]" * 5000 + "}]",
    "a huge number": '[2,"1","Heartbeat",{"n":' + "9" * 5000 + "}]",
    "huge": '[2,"1","DataTransfer",{"vendorId":"v","data":"' + "x" * 2_000_000 + '"}]',
    "lone surrogates": '[2,"\\ud800","DataTransfer",{"vendorId":"\\ud800"}]',
    "a path as action": '[2,"1","../../etc/passwd",{}]',
    "ids that are objects": '[2,{"a":1},"Heartbeat",{}]',
    "transaction ids of another kind": '[2,"1","StopTransaction",{"transactionId":{"a":[]},"meterStop":true}]',
}


@pytest.mark.parametrize("frame", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_recordings_are_played_without_harm(run: Run, csms: str, tmp_path: Path, frame: str) -> None:
    """The command ends in time, reports the differences, and shows no traceback."""
    path = tmp_path / "hostile.txt"
    path.write_text(f"{frame}\n")
    play = (
        "replay",
        path,
        "--as",
        "charge-point",
        "--to",
        csms,
        "--ocpp",
        "1.6",
        "--id",
        "HOSTILE",
        "--timeout",
        "0.5",
    )
    assert "played as charge-point" in run(*play, code=(0, 1)).stdout


def test_two_recordings_are_compared_by_meaning(run: Run, changed: Path) -> None:
    assert "as recorded" in run("diff", CHARGING, CHARGING, code=0).stdout
    done = run("diff", CHARGING, changed, code=1)
    assert 'frame 10 Authorize /2/idTagInfo/status: status is "Blocked", recorded "Accepted"' in done.stdout
    other = FOLDER / "charging-2.0.1.jsonl"
    assert json.loads(run("diff", CHARGING, other, "--json", code=1).stdout)["equal"] is False
    assert "no session 2" in run("diff", CHARGING, changed, "--session", 2, code=2).stderr
