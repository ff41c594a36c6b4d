"""`chargesentinel demo` as a person runs it: real processes and sockets, and nothing keeps running."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from inspector.units import quantity
from tests.processes import Program

pytestmark = pytest.mark.system

ANY_PORTS = tuple(f"--{part}=0" for part in ("csms", "operator", "proxy", "simulator", "browse"))
QUICK = ("--minutes", "0.5")


@pytest.fixture
def marked() -> dict[str, str]:
    """An environment variable that every process of a demo inherits, so that the test finds them."""
    return {"CHARGESENTINEL_TEST_MARK": f"{os.getpid()}-{time.monotonic_ns()}"}


def alive(mark: dict[str, str]) -> list[str]:
    """Return the command lines of the running processes that have the mark."""
    if sys.platform != "linux":
        pytest.skip("processes are found in /proc")
    ((name, value),) = mark.items()
    wanted = f"{name}={value}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [line for line in found if line]


def until(holds: Callable[[], bool], timeout: float = 10.0) -> bool:
    """Wait until a condition holds; return False if it does not within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_exit_shows_one_recorded_session_per_version_without_an_error(tmp_path: Path, marked: dict[str, str]) -> None:
    """The exit code is 0, the printed numbers are those of the file, and no process keeps running."""
    db = tmp_path / "a demo.db"
    with Program("demo", "--exit", "--db", db, *QUICK, *ANY_PORTS, env=marked) as demo:
        assert demo.finish(60) == 0, demo.report()
    assert alive(marked) == []
    printed = "\n".join(demo.out)

    with closing(sqlite3.connect(db)) as recording:
        assert {v for (v,) in recording.execute("SELECT ocpp_version FROM sessions")} == {"1.6", "2.0.1", "2.1"}
        for table in ("recordings", "sessions", "frames", "findings", "events", "transactions", "meter_samples"):
            (rows,) = recording.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert f" {quantity(rows, table.removesuffix('s').replace('_', ' '))}" in printed, printed
        calls, answers = recording.execute(
            "SELECT count(*) FILTER (WHERE msg_type = 2), count(call_id) FROM frames"
        ).fetchone()
        assert calls == answers > 20
        assert recording.execute("SELECT count(*) FROM transactions WHERE stopped_ns > started_ns").fetchone() == (3,)
        assert recording.execute("SELECT clean_close FROM recordings").fetchall() == [(1,)]
    for line in (r"3 sessions", r"OCPP 1\.6 ", r"OCPP 2\.0\.1", r"OCPP 2\.1 ", r"Findings: 0 error"):
        assert re.search(line, printed), printed


def test_it_stays_with_pages_that_answer_and_ends_clean(tmp_path: Path, marked: dict[str, str]) -> None:
    """The printed addresses work; Ctrl-C ends everything with exit code 0, and no process keeps running."""
    with Program("demo", "--db", tmp_path / "demo.db", *QUICK, *ANY_PORTS, env=marked) as demo:
        demo.wait_for("until Ctrl-C", 60)
        page = demo.wait_for(r"simulated charger\s+(http://\S+)")[1]
        recording = demo.wait_for(r"recording\s+(http://\S+)")[1]
        proxy = demo.wait_for(r"your own charger\s+(ws://\S+)/<its id>")[1]
        assert f"/?url={proxy}/CHARGER-001&id=CHARGER-001&" in page
        operator = demo.wait_for(r"operator page\s+(http://\S+)")[1]
        for url in (page, recording, operator):
            with urllib.request.urlopen(url, timeout=10) as answer:
                assert answer.status == 200

        with Program("charge-point", "--url", proxy, "--id", "MINE", "--minutes", "0.1") as mine:
            assert mine.finish() == 0, mine.report()
        demo.wait_for(r"csms .*MINE")

        assert demo.stop(signal.SIGINT) == 0, demo.report()
    assert alive(marked) == []


@pytest.mark.long
def test_killed_outright_it_takes_its_parts_along(tmp_path: Path, marked: dict[str, str]) -> None:
    """kill -9 leaves no CSMS, proxy, page or Datasette running, and the recording is whole."""
    if sys.platform != "linux":
        pytest.skip("only Linux tells a child that its parent was killed")
    with Program("demo", "--db", tmp_path / "demo.db", *QUICK, *ANY_PORTS, env=marked) as demo:
        demo.wait_for("until Ctrl-C", 60)
        assert len(alive(marked)) >= 5
        demo.process.kill()
        assert until(lambda: alive(marked) == []), alive(marked)
    with closing(sqlite3.connect(tmp_path / "demo.db")) as recording:
        assert recording.execute("SELECT clean_close FROM recordings").fetchall() == [(1,)]


def test_interrupted_in_a_session_it_ends_with_130_and_leaves_nothing(tmp_path: Path, marked: dict[str, str]) -> None:
    with Program("demo", "--db", tmp_path / "demo.db", "--minutes", "60", *ANY_PORTS, env=marked) as demo:
        demo.wait_for("charge through the proxy", 60)
        assert until(lambda: sum("charge-point" in line for line in alive(marked)) == 3)
        assert demo.stop(signal.SIGINT) == 130, demo.report()
    assert alive(marked) == []
    assert "Traceback" not in "\n".join(demo.err)


def test_the_printed_page_is_a_charge_point_that_connects_through_the_proxy(
    tmp_path: Path, browser: Browser, marked: dict[str, str]
) -> None:
    """Click Connect on the page that the demo prints, and the recording has its boot; SIGTERM ends with exit code 0."""
    with Program("demo", "--db", tmp_path / "demo.db", *QUICK, *ANY_PORTS, env=marked) as demo:
        demo.wait_for("until Ctrl-C", 60)
        page = browser.new_page()
        page.goto(demo.wait_for(r"simulated charger\s+(http://\S+)")[1])
        for link in page.locator("#apps a").all():
            assert urllib.request.urlopen(str(link.get_attribute("href")), timeout=10).status == 200
        assert page.locator("#apps a").all_inner_texts() == ["Recordings", "CSMS"]
        page.get_by_role("button", name="Connect", exact=True).click()
        demo.wait_for(r"csms .*CHARGER-001: boot of")
        page.close()
        assert demo.stop(signal.SIGTERM) == 0, demo.report()
    assert alive(marked) == []
    with closing(sqlite3.connect(tmp_path / "demo.db")) as recording:
        boots = recording.execute(
            "SELECT s.charge_point_id, f.action FROM frames f JOIN sessions s ON s.id = f.session_id"
            " WHERE f.action = 'BootNotification' AND f.msg_type = 3"
        ).fetchall()
    assert ("CHARGER-001", "BootNotification") in boots


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another socket listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_a_taken_port_is_said_and_a_free_one_taken(tmp_path: Path, taken: int) -> None:
    with Program("demo", "--exit", "--db", tmp_path / "demo.db", *QUICK, *ANY_PORTS, f"--proxy={taken}") as demo:
        assert demo.finish(60) == 0, demo.report()
    instead = re.search(rf"Port {taken} is in use: the proxy is at port (\d+) instead", "\n".join(demo.out))
    assert instead and f"through the proxy at ws://127.0.0.1:{instead[1]}" in "\n".join(demo.out)


def test_a_part_that_does_not_start_is_named_with_its_reason(tmp_path: Path, marked: dict[str, str]) -> None:
    """It prints one line, exits with 2, and stops the parts that did start."""
    (tmp_path / "demo.db").write_text("not a database, but somebody's notes")
    with Program("demo", "--exit", "--db", tmp_path / "demo.db", *QUICK, *ANY_PORTS, env=marked) as demo:
        assert demo.finish(60) == 2, demo.report()
    assert len(demo.err) == 1, demo.report()
    assert demo.err[0].startswith(f"chargesentinel: proxy did not start: {tmp_path / 'demo.db'}: not a")
    assert alive(marked) == []


@pytest.mark.long
def test_a_part_that_ends_on_its_own_ends_the_demo(tmp_path: Path, marked: dict[str, str]) -> None:
    with Program("demo", "--db", tmp_path / "demo.db", *QUICK, *ANY_PORTS, env=marked) as demo:
        demo.wait_for("until Ctrl-C", 60)
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (
                    b"\0csms\0--listen" in (process / "cmdline").read_bytes()
                    and next(iter(marked.values())).encode() in (process / "environ").read_bytes()
                ):
                    os.kill(int(process.name), signal.SIGKILL)
            except OSError:
                continue
        assert demo.finish(20) == 2, demo.report()
    assert re.fullmatch(r"chargesentinel: csms ended with exit code -9: .*", demo.err[-1])
    assert alive(marked) == []
