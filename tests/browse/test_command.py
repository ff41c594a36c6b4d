"""`chargesentinel browse` as people run it: real processes, real sockets."""

from __future__ import annotations

import signal
import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from inspector import records
from inspector.recorder import rollover
from inspector.recorder.pipeline import Pipeline
from inspector.store.files.rotation import segments
from inspector.store.writing.writer import Writer
from tests.browse import charging
from tests.forked import chargesentinel
from tests.processes import Program


@pytest.mark.system
def test_a_recording_is_shown_at_the_printed_address(recording: Path) -> None:
    """The ready line's address answers with the recording's frames."""
    with Program("browse", recording, "--listen", "0") as browse:
        address = browse.wait_for(r"^browse at (http://127\.0\.0\.1:\d+)$")[1]
        page = httpx.get(f"{address}/ocpp/frames")
    assert page.status_code == 200
    assert "MeterValues" in page.text


@pytest.mark.system
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_and_cleanly(recording: Path, how: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end it with exit code 0, even while a browser keeps its connection open.

    It usually takes a fraction of a second; the bound allows for a busy machine.
    """
    with Program("browse", recording, "--listen", "0") as browse, httpx.Client() as browser:
        address = browse.wait_for(r"browse at (\S+)")[1]
        assert browser.get(f"{address}/ocpp").status_code == 200
        started = time.monotonic()
        assert browse.stop(how) == 0
        assert time.monotonic() - started < 8
        assert "Traceback" not in "\n".join(browse.err)


def test_a_path_with_odd_characters_is_browsed(tmp_path: Path) -> None:
    """Spaces, percent signs, question marks and hashes in a path are part of the name."""
    folder = tmp_path / "a b?c#d%20e"
    folder.mkdir()
    path = charging.example(folder / "my traffic.db")
    with Program("browse", path, "--listen", "0") as browse:
        address = browse.wait_for(r"browse at (\S+)")[1]
        rows = httpx.get(f"{address}/ocpp/sessions.json?_shape=array").json()
    assert len(rows) == 4


def test_a_recording_in_several_files_is_shown_where_it_goes_on(tmp_path: Path) -> None:
    """Every thread of Datasette shows the newest file, and the page says so; older files keep their own names."""
    path = tmp_path / "traffic.db"
    pipeline = Pipeline(Writer(path, tool_version="0", rotate="day"))
    pipeline.take(records.OpenRecord(1, time.time_ns(), 1, {"charge_point_id": "CP1", "subprotocol": "ocpp1.6"}))

    def beat(number: int) -> None:
        raw = f'[2,"{number}","Heartbeat",{{}}]'.encode()
        pipeline.take(records.FrameRecord(1, time.time_ns(), number, True, records.TEXT, raw))
        pipeline.commit()

    beat(1)
    with Program("browse", path, "--listen", "0") as browse:
        address = browse.wait_for(r"^browse at (http://127\.0\.0\.1:\d+)$")[1]

        def ids() -> set[str]:
            # More requests at once than Datasette has threads: each thread opens the file for itself.
            with ThreadPoolExecutor(12) as pool:
                pages = pool.map(httpx.get, [f"{address}/ocpp/frames.json?_shape=array&_col=id"] * 24)
                return {str([row["id"] for row in page.json()]) for page in pages}

        assert ids() == {"[1]"}
        assert httpx.get(f"{address}/ocpp/-/home.json").json()["earlier_files"] == []
        rollover.rotate(pipeline, time.time_ns())
        first = segments(path)[0]
        beat(2)
        beat(3)
        assert ids() == {"[3, 2]"}
        home = httpx.get(address).text
        assert f"traffic.db → {segments(path)[-1].name}" in home
        assert f"chargesentinel browse {first}" in home
        session = httpx.get(f"{address}/ocpp/sessions/1").text
        assert f"chargesentinel export {segments(path)[-1]} --session 1" in session
        assert f"traffic.db → {segments(path)[-1].name}" in httpx.get(f"{address}/ocpp/frames").text
    pipeline.writer.close(clean=True)
    with Program("browse", path, "--listen", "0") as browse:
        browse.wait_for(rf"traffic.db is the newest of 2 files, {segments(path)[-1].name} now")
        browse.wait_for(rf"The file before it: .*chargesentinel browse {first}")


def mistakes(tmp_path: Path) -> dict[str, tuple[list[object], str]]:
    text = tmp_path / "notes.txt"
    text.write_text("not a database at all, however you look at it" * 20)
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE cats (name TEXT)")
    connection.close()
    ours = charging.example(tmp_path / "ours.db")
    return {
        "missing": ([tmp_path / "nothing here.db"], "no such file"),
        "folder": ([tmp_path], "not a file"),
        "no database": ([text], "not a SQLite database"),
        "foreign": ([foreign], "not a recording of ChargeSentinel"),
        "open to all": ([ours, "--listen", "0.0.0.0:0"], "--token"),
        "no port": ([ours, "--listen", "http://x"], "not an address"),
        "unknown option": ([ours, "--lissten", "1"], "--lissten"),
    }


MISTAKES = ("missing", "folder", "no database", "foreign", "open to all", "no port", "unknown option")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_line(tmp_path: Path, mistake: str) -> None:
    """A file that cannot be browsed leads to exit code 2 and one sentence, never a traceback."""
    arguments, expected = mistakes(tmp_path)[mistake]
    ended = chargesentinel("browse", *arguments)
    assert ended.returncode == 2
    assert expected in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len([line for line in ended.stderr.splitlines() if line.strip()]) == 1


def test_a_port_in_use_is_said(recording: Path) -> None:
    """The message is one line and names the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Program("browse", recording, "--listen", port) as browse:
            assert browse.finish() == 2
    assert any(f":{port}" in line and "in use" in line for line in browse.err)


def test_beyond_this_machine_a_token_is_made_up(recording: Path) -> None:
    """Only the address that `--listen 0.0.0.0:PORT --token` prints gives access."""
    with Program("browse", recording, "--listen", "0.0.0.0:0", "--token") as browse:
        found = browse.wait_for(r"browse at (http://127\.0\.0\.1:\d+)/\?token=(\S+)")
        address, token = found[1], found[2]
        assert len(token) >= 20
        for path in ("/", "/ocpp/frames", "/ocpp/frames.json", "/ocpp.json?sql=select+1", "/-/static/app.css"):
            assert httpx.get(address + path).status_code == 401
        with httpx.Client(follow_redirects=True) as browser:
            page = browser.get(f"{address}/ocpp/frames?token={token}&_size=1")
            assert page.status_code == 200
            assert token not in str(page.url)
            assert browser.get(f"{address}/ocpp/sessions").status_code == 200
        bearer = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{address}/ocpp/frames.json", headers=bearer).status_code == 200


@pytest.mark.system
def test_a_plain_datasette_gets_the_plugin_too(recording: Path) -> None:
    """`datasette FILE` shows our cells, queries and headers without any option."""
    import sys

    argv = [Path(sys.executable).with_name("datasette"), recording, "-p", "0", "--get", "/traffic/findings?_size=5"]
    with Program(argv=argv) as datasette:
        assert datasette.finish() == 0
        page = "\n".join(datasette.out)
    assert '<span class="cs-badge cs-error">error</span>' in page
    assert "/-/static-plugins/chargesentinel/tables.css" in page


def test_help_shows_an_example() -> None:
    """`--help` holds a line that can be pasted."""
    with Program("browse", "--help") as browse:
        assert browse.finish() == 0
    assert any("chargesentinel browse traffic.db" in line for line in browse.out)
