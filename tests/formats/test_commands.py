"""`export` and `import` as people use them: whole files or none, clear words, exit codes."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from inspector.cli import command_line
from inspector.formats import exports
from tests.forked import chargesentinel
from tests.formats.test_round_trips import run, strange

__all__ = ["strange"]  # the fixture `strange` must be visible in this module

ROOT = Path(__file__).parents[2]
HEARTBEAT = '[2,"9","Heartbeat",{}]'


def test_an_output_file_that_could_not_be_finished_leaves_the_one_before(
    strange: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The previous file stays, and no temporary file is left."""
    target = tmp_path / "out" / "a.jsonl"
    target.parent.mkdir()
    target.write_text("before")

    def breaks_off(*_: Any) -> Any:
        yield b"half of it"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exports, "lines", breaks_off)
    result = CliRunner().invoke(command_line, ["export", str(strange), "-o", str(target)])
    assert "cannot be written (no space left on device)" in str(result.exception)
    assert [(path.name, path.read_text()) for path in target.parent.iterdir()] == [("a.jsonl", "before")]


def test_an_export_that_is_interrupted_leaves_nothing(strange: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    script = (
        "import os, signal, sys; from inspector.formats import exports; from inspector.cli import main\n"
        "def slow(*_):\n    yield b'half'\n    os.kill(os.getpid(), signal.SIGINT)\n    yield b'more'\n"
        f"exports.lines = slow; sys.argv[1:] = ['export', {str(strange)!r}, '-o', {str(folder / 'a.jsonl')!r}]; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr.strip()) in ((130, ""), (-signal.SIGINT, ""))
    assert list(folder.iterdir()) == []


def test_the_recording_itself_and_other_databases_are_not_written_over(strange: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE t (a)").connection.close()
    (tmp_path / "link").symlink_to(strange)
    before = strange.read_bytes(), other.read_bytes()
    for target, why in ((strange, "the recording itself"), (tmp_path / "link", "the recording"), (other, "a database")):
        result = CliRunner().invoke(command_line, ["export", str(strange), "-o", str(target)])
        assert why in str(result.exception)
    assert (strange.read_bytes(), other.read_bytes()) == before


def test_a_device_is_written_to_as_it_is(strange: Path) -> None:
    command = [sys.executable, "-m", "inspector", "export", strange, "-o", "/dev/stdout"]
    piped = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert piped.stdout == chargesentinel("export", strange).stdout


def test_csv_has_every_frame_and_runs_nothing_in_a_spreadsheet(tmp_path: Path) -> None:
    frames = ['[2,"=1+1","Heartbeat",{}]', '=cmd|"/c calc"!A1', '[2,"b","Say \\"hi\\", you",{}]']
    lines = "".join(f"2026-01-01T12:00:00Z [chargeBoxId=+CP] > {frame}\n" for frame in (frames[0], frames[2]))
    (tmp_path / "a.log").write_text(lines)
    (tmp_path / "a.txt").write_text(f"> {frames[1]}\n")
    run("import", tmp_path / "a.log", "--db", tmp_path / "a.db")
    run("import", tmp_path / "a.txt", "--db", tmp_path / "a.db", "--format", "raw")
    rows = list(csv.DictReader(io.StringIO(run("export", tmp_path / "a.db", "--format", "csv"))))
    assert [row["raw"] for row in rows] == [frames[0], frames[2], "'" + frames[1]]
    assert [row["message_id"] for row in rows] == ["'=1+1", "b", ""]
    assert rows[0]["charge_point"] == "'+CP" and rows[0]["time"] == "2026-01-01T12:00:00.000000000Z"
    assert rows[2]["raw_base64"] and not rows[0]["raw_base64"]


def test_what_was_not_understood_is_named_and_the_rest_is_stored(tmp_path: Path) -> None:
    """The exit code is 1, because not everything was imported."""
    good = json.dumps(
        {
            "schemaVersion": "1.1",
            "timestamp": "2026-01-01T12:00:00.000Z",
            "transport": "json",
            "direction": "cp-to-csms",
            "messageType": "CALL",
            "action": "Heartbeat",
            "raw": HEARTBEAT,
        }
    )
    (tmp_path / "a.jsonl").write_text("\n".join([good, *["{"] * 7, good]))
    done = chargesentinel("import", tmp_path / "a.jsonl", "--db", tmp_path / "a.db")
    said = done.stderr.splitlines()
    assert done.returncode == 1
    assert [line.split(": ")[0][-7:] for line in said[:3]] == [f" line {number}" for number in range(2, 5)]
    assert said[3].endswith("a.jsonl: 7 not understood; 4 more like these")
    assert "1 session, 2 frames" in done.stdout


def test_check_stops_at_the_first_line_that_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"schemaVersion":"1.1"\n')
    done = chargesentinel("check", tmp_path / "a.jsonl")
    assert done.returncode == 2 and "line 1: not JSON" in done.stderr


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("source", ["har", "log", "raw", "trace"])
def test_standard_input_is_told_by_its_content_too(source: str, packed: bool, tmp_path: Path) -> None:
    """Compressed standard input works too, even for HAR, whose reader reads a file twice."""
    message = {"type": "send", "time": 1.5, "opcode": 1, "data": HEARTBEAT}
    entry = {"_webSocketMessages": [message], "request": {"url": "ws://x/CP1"}, "_resourceType": "websocket"}
    trace = {
        "schemaVersion": "1.1",
        "timestamp": "2026-01-01T12:00:00.000Z",
        "transport": "json",
        "direction": "cp-to-csms",
        "messageType": "CALL",
        "action": "Heartbeat",
        "raw": HEARTBEAT,
    }
    text = {
        "har": json.dumps({"log": {"entries": [entry]}}, indent=1),
        "log": f"started\nCP1: send {HEARTBEAT}\n",
        "raw": f"\n# a comment\n{HEARTBEAT}",
        "trace": json.dumps(trace),
    }[source]
    given = gzip.compress(text.encode()) if packed else text
    done = chargesentinel("import", "-", "--db", tmp_path / "a.db", "--charge-point", "X", stdin=given)
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(tmp_path / "a.db") as db:
        sql = "SELECT charge_point_id, raw FROM frames JOIN sessions ON sessions.id = session_id"
        assert db.execute(sql).fetchall() == [("CP1" if source in ("har", "log") else "X", HEARTBEAT)]


def test_what_is_not_understood_is_told_what_there_is(tmp_path: Path) -> None:
    """The message lists the formats of inputs; in `check` and `replay`, `--format` is the format of the report."""
    (tmp_path / "a.txt").write_text("hello\n")
    for command in (("check",), ("replay", "--as", "csms", "--listen", "127.0.0.1:0")):
        done = chargesentinel(*command, tmp_path / "a.txt")
        assert done.returncode == 2 and "force one with `chargesentinel import --format`" in done.stderr


def test_a_forced_kind_is_the_one_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"> hello\n> {HEARTBEAT}\n")
    run("import", tmp_path / "a.txt", "--db", tmp_path / "a.db", "--format", "raw")
    with sqlite3.connect(tmp_path / "a.db") as db:
        assert db.execute("SELECT raw, valid FROM frames").fetchall() == [("hello", 0), (HEARTBEAT, None)]


@pytest.mark.parametrize("command", [("import", "--db", os.devnull, "--format"), ("check", "--input-format")])
def test_lines_of_a_log_are_not_read_as_bare_frames(command: tuple[str, ...], tmp_path: Path) -> None:
    """Otherwise each line would be a frame that is not JSON, and so a finding against the peer."""
    (tmp_path / "a.log").write_text(f"2026-01-01T12:00:00Z CP1 > {HEARTBEAT}\n")
    done = chargesentinel(*command, "raw", tmp_path / "a.log")
    assert done.returncode == 2 and "line 1: a line of a log, not a bare frame" in done.stderr


def test_an_input_without_times_shows_no_dates_and_no_latencies(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f'> {HEARTBEAT}\n< [3,"9",{{}}]\n')
    assert chargesentinel("import", tmp_path / "a.txt", "--db", tmp_path / "a.db").returncode == 0
    with sqlite3.connect(tmp_path / "a.db") as db:
        assert db.execute("SELECT latency_us, call_id FROM frames").fetchall()[1] == (None, 1)
    for command in (("sessions",), ("show", "1"), ("sessions", "--json")):
        done = chargesentinel(command[0], tmp_path / "a.db", *command[1:])
        assert done.returncode == 0 and "1970" not in done.stdout, done


def test_secrets_in_an_import_are_stored_nowhere(tmp_path: Path) -> None:
    """Neither secrets in frames nor those in the metadata of other tools are stored."""
    frame = [2, "1", "ChangeConfiguration", {"key": "AuthorizationKey", "value": "planted-secret-1"}]
    record = {
        "schemaVersion": "1.1",
        "timestamp": "2026-01-01T12:00:00.000Z",
        "transport": "json",
        "ocppVersion": "1.6",
        "direction": "csms-to-cp",
        "messageType": "CALL",
        "action": frame[2],
        "payload": frame[3],
        "raw": json.dumps(frame),
        "meta": {"copy": {"password": "planted-secret-2"}},
        "password": "planted-secret-3",
    }
    (tmp_path / "a.jsonl").write_text(json.dumps(record))
    run("import", tmp_path / "a.jsonl", "--db", tmp_path / "a.db")
    left = "".join(run("export", tmp_path / "a.db", "--format", style) for style in ("trace", "har", "csv", "raw"))
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("a.db*"))
    assert "planted-secret" not in left and b"planted-secret" not in stored
    assert "****" in left
