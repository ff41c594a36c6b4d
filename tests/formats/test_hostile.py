"""Malicious files are read safely or refused in one line with exit code 2, without traceback or damage."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from inspector.cli import command_line
from inspector.errors import UserMistake
from tests import forked
from tests.cli.conftest import in_this_process
from tests.formats.test_round_trips import run

RECORDINGS = Path(__file__).parents[2] / "recordings"
HEAD = '{"schemaVersion":"1.1","timestamp":"2026-01-01T12:00:00.000Z","transport":"json","ocppVersion":"1.6"'
MEMORY = 1_500 * 1024 * 1024
"""Bytes that a command may take here; it needs a third of them."""


def record(direction: str, frame: list[Any], **more: Any) -> str:
    kind = {2: "CALL", 3: "CALLRESULT"}[frame[0]]
    rest = {"direction": direction, "messageType": kind, "raw": json.dumps(frame), "messageId": str(frame[1]), **more}
    if kind == "CALL":
        rest["action"] = frame[2]
    return HEAD + "," + json.dumps(rest)[1:]


def chargesentinel(*args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The real command, in a folder of its own, with bounded memory."""
    return forked.chargesentinel(*args, cwd=cwd, memory=MEMORY, timeout=100)


def assert_refused(done: subprocess.CompletedProcess[str], why: str) -> None:
    assert done.returncode == 2, done.stderr[-2000:] or done.stdout[-2000:]
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert why in last and len(last) < 400, last


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


def long_line(path: Path) -> None:
    with path.open("wb") as file:
        file.write(HEAD.encode() + b',"raw":"')
        for _ in range(100):
            file.write(b"x" * 1024 * 1024)
        file.write(b'"}\n')


def packed_line(path: Path) -> None:
    with gzip.open(path, "wb", 1) as file:
        file.write(b"[2,")
        for _ in range(200):
            file.write(b" " * 1024 * 1024)


REFUSED: dict[str, tuple[Any, str]] = {
    "a trace whose payload is 10,000 deep": (f'{HEAD},"payload":{deep(10_000)}}}\n', "nothing to import"),
    "a HAR file that is 10,000 deep": ('{"log":{"entries":[' + deep(10_000) + "]}}", "levels deep"),
    "a HAR file that is deep and cut off": ('{"log":{"entries":[' + "[" * 10_000, "levels deep"),
    "a HAR file with a number of 10,000 digits": ('{"log":{"entries":[{"time":' + "9" * 10_000 + "}]}}", "HAR"),
    "a line of 100 MB": (long_line, "a line is longer than 64 MiB"),
    "200 MB of one line in a small gzip file": (packed_line, "nothing to import"),
    "a gzip file that is cut off": (gzip.compress(b"[2,1]\n")[:15], "cannot be read"),
    "a gzip file with damaged bytes": (gzip.compress(b"[2,1]\n")[:10] + b"\xff" * 30, "cannot be read"),
    "a flow that claims a terabyte": (b"999999999999:9:websocket;0:~", "the largest read is"),
    "a flow file that is cut off": (b"99999:9:websocket;0:~", "not a whole flow file"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40, "not a recording, trace, HAR file"),
    "a database of another program": (b"SQLite format 3\0" + bytes(4000), "database"),
    "nothing": (b"", "nothing to import"),
}


LARGE = {"a line of 100 MB", "200 MB of one line in a small gzip file"}


@pytest.mark.parametrize(
    "what", [pytest.param(what, marks=[pytest.mark.long] if what in LARGE else []) for what in REFUSED]
)
def test_a_hostile_file_is_refused_in_one_line_and_leaves_nothing(what: str, tmp_path: Path) -> None:
    content, why = REFUSED[what]
    path = tmp_path / "hostile"
    if callable(content):
        content(path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert_refused(chargesentinel("import", path, "--db", "a.db", cwd=tmp_path), why)
    assert [left.name for left in tmp_path.iterdir()] == ["hostile"]


def test_frames_that_are_10000_deep_are_findings(tmp_path: Path) -> None:
    """In every format, the raw text is stored and exported unchanged."""
    raw = f'[2,"1","Heartbeat",{deep(10_000)}]'
    (tmp_path / "frames.txt").write_text(f'[2,"0","Heartbeat",{deep(400)}]\n{raw}\n')
    message = {"type": "send", "time": 1.5, "opcode": 1, "data": raw}
    request = {"url": "ws://x/CP1", "headers": []}
    entry = {"_webSocketMessages": [message], "request": request, "_resourceType": "websocket"}
    (tmp_path / "a.har").write_text(json.dumps({"log": {"entries": [entry]}}))
    done = chargesentinel("import", "frames.txt", "a.har", "--db", "a.db", "--ocpp", "1.6", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for style in ("trace", "har", "csv", "raw"):
        left = chargesentinel("export", "a.db", "--format", style, cwd=tmp_path)
        assert (left.returncode, left.stderr) == (0, "")
    assert raw in left.stdout.splitlines()


def test_names_in_a_file_are_names_and_nothing_else(tmp_path: Path) -> None:
    """An id cannot open a path, run SQL or forge a line of output."""
    names = [
        "../../../etc/passwd",
        "/etc/passwd",
        "x'); DROP TABLE frames; --",
        "\"; ATTACH DATABASE 'evil.db' AS e; --",
        "CP\n1 forged, 0 findings",
        "\x1b[31mred\x1b[0m\x00",
        "a" * 100_000,
    ]
    lines = [record("cp-to-csms", [2, name, "Heartbeat", {}], chargePointId=name) for name in names]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    done = chargesentinel("import", "a.jsonl", "--db", "a.db", cwd=tmp_path)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 1
    with sqlite3.connect(tmp_path / "a.db") as db:
        stored = [row[0] for row in db.execute("SELECT charge_point_id FROM sessions ORDER BY id")]
    assert stored == names
    left = chargesentinel("export", "a.db", cwd=tmp_path)
    assert [json.loads(line)["chargePointId"] for line in left.stdout.splitlines()] == names
    assert {path.name for path in tmp_path.iterdir()} <= {"a.jsonl", "a.db", "a.db-wal", "a.db-shm", "a.db.lock"}


def test_ids_that_run_in_circles_come_to_an_end(tmp_path: Path) -> None:
    """Examples are answers to answers, CALLs with each other's ids, and one id for everything."""
    lines = []
    for turn in range(200):
        a, b = str(turn % 3), str((turn + 1) % 3)
        lines += [
            record("cp-to-csms", [2, a, "Heartbeat", {}]),
            record("csms-to-cp", [2, a, "Reset", {"type": "Soft"}]),
            record("csms-to-cp", [3, b, {"currentTime": "2026-01-01T12:00:00Z"}]),
            record("cp-to-csms", [3, b, {"status": "Accepted"}]),
            record("cp-to-csms", [3, a, {}]),
        ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    assert chargesentinel("import", "a.jsonl", "--db", "a.db", cwd=tmp_path).returncode == 0
    left = chargesentinel("export", "a.db", cwd=tmp_path)
    assert [json.loads(line) for line in left.stdout.splitlines()] == [json.loads(line) for line in lines]


def test_meta_that_forges_our_part_of_it_harms_nothing(tmp_path: Path) -> None:
    forged: list[dict[str, Any]] = [
        {"ts_ns": "9" * 30},
        {"mono_ns": "1e5"},
        {"before": [{"frame": "cp-to-csms", "ts_ns": "1", "mono_ns": "1", "opcode": 1, "base64": "!"}]},
        {"before": {"a": 1}},
        {"opened": {"ts_ns": "1", "mono_ns": "1", "facts": {"ocpp_version": "9.9", "recording_id": 77, "x": []}}},
        {"session": {"a": [1]}},
        {"placeholder": True, "after": [{"event": "gap", "ts_ns": "1", "mono_ns": "1", "detail": {"frames": "many"}}]},
    ]
    plain = [2, "1", "Heartbeat", {}]
    lines = [record("cp-to-csms", plain, meta={"chargesentinel": ours}, chargePointId="A") for ours in forged]
    (tmp_path / "a.jsonl").write_text("\n".join([record("cp-to-csms", plain), *lines]))
    done = chargesentinel("import", "a.jsonl", "--db", "a.db", cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "a.jsonl: 4 not understood" in done.stderr


CRAFTS = {
    "a trigger": "CREATE TRIGGER boom AFTER INSERT ON frames BEGIN DELETE FROM sessions; END",
    "a trigger on what is read": "CREATE TRIGGER boom AFTER UPDATE ON recordings BEGIN DELETE FROM sessions; END",
    "a view in the place of a table": "DROP TABLE events; CREATE VIEW events AS SELECT * FROM sessions",
    "a view that never ends": """CREATE VIEW endless AS WITH RECURSIVE n(x) AS
        (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n""",
    "a value that claims a gigabyte": """ALTER TABLE frames RENAME TO old; CREATE TABLE frames AS SELECT * FROM old;
        ALTER TABLE frames RENAME COLUMN raw TO told; ALTER TABLE frames ADD COLUMN raw AS (zeroblob(900000000))""",
    "details that are no JSON": "UPDATE events SET detail = '{' || detail; UPDATE sessions SET ocpp_version = '9.9'",
}


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    run("import", RECORDINGS / "charging-1.6.jsonl", "--db", tmp_path / "good.db")
    return tmp_path / "good.db"


@pytest.mark.parametrize("what", CRAFTS)
def test_a_crafted_database_runs_nothing_of_its_own(what: str, recording: Path, tmp_path: Path) -> None:
    """Its data is read or it is refused; nothing is written where its triggers would run."""
    crafted = tmp_path / "crafted.db"
    shutil.copy(recording, crafted)
    with sqlite3.connect(crafted) as db:
        db.executescript(CRAFTS[what])
    before = crafted.read_bytes()
    for command in (("check", crafted), ("export", crafted), ("import", crafted, "--db", tmp_path / "o.db")):
        done = CliRunner().invoke(command_line, [str(word) for word in command])
        assert done.exit_code == 0 or isinstance(done.exception, UserMistake), done.exc_info
        assert "\n" not in str(done.exception)
    assert crafted.read_bytes() == before
    into = chargesentinel("import", RECORDINGS / "charging-2.1.jsonl", "--db", crafted, cwd=tmp_path)
    if "trigger" in what:
        assert_refused(into, "holds a trigger ('boom')")
    elif what == "a view in the place of a table":
        assert_refused(into, "events is not a table in it")
    assert "Traceback" not in into.stderr


TAMPERED = {
    "numbers": "UPDATE frames SET raw = 12345 WHERE id % 3 = 0; UPDATE frames SET raw = 1.5 WHERE id % 3 = 1",
    "texts as bytes": "UPDATE frames SET raw = CAST(raw AS BLOB)",
    "bytes that are no text": "UPDATE frames SET raw = x'fffe00fffe00fffe00fffe00'",
    "the first of all times": "UPDATE frames SET ts_ns = -9223372036854775808 WHERE id % 7 = 1",
    "no table of events": "DROP TABLE events",
    "no table of meter samples": "DROP TABLE meter_samples",
}


@pytest.mark.parametrize("what", TAMPERED)
def test_frames_of_odd_types_are_read_and_a_file_that_lacks_a_table_is_refused(
    what: str, recording: Path, tmp_path: Path
) -> None:
    """By every command that reads a recording."""
    with closing(sqlite3.connect(recording)) as db:
        db.executescript(TAMPERED[what])
    out, key = tmp_path / "o.db", tmp_path / "key"
    for command in (
        *(("check", recording), ("diff", recording, recording), ("import", recording, "--db", out)),
        *(("export", recording, "--format", style, "-o", tmp_path / style) for style in ("trace", "har", "csv", "raw")),
        *(("show", recording, 1), ("show", recording, 1, "--json"), ("search", recording, "--json")),
        *(("search", recording, "--transaction", "5"), ("sessions", recording), ("rebuild", recording)),
        ("anonymize", recording, out, "--force", "--redact-key", key),
    ):
        done = in_this_process(*command)
        if what.startswith("no table"):
            assert (done.returncode, done.stderr.count("\n")) == (2, 1), (command, done)
            assert "somebody has changed its tables" in done.stderr
        else:
            assert done.returncode in (0, 1), (command, done)


def test_a_database_that_breaks_off_is_refused_in_one_line(recording: Path, tmp_path: Path) -> None:
    """Every command refuses it, wherever the file is truncated."""
    whole, broken = recording.read_bytes(), tmp_path / "broken.db"
    seen = set()
    for part in range(1, 6):
        content, at = bytearray(whole), len(whole) * part // 6
        content[at : at + len(whole) // 6] = b"\xa5" * (len(whole) // 6)
        for command in (
            *(("check", broken), ("export", broken, "-o", tmp_path / "o.jsonl"), ("sessions", broken)),
            *(("show", broken, 1), ("search", broken, "Boot"), ("rebuild", broken), ("vacuum", broken)),
            ("anonymize", broken, tmp_path / "o.db", "--force", "--redact", "secrets"),
        ):
            broken.unlink(missing_ok=True)  # a new file, so SQLite cannot use what it cached of the last one
            broken.write_bytes(content)
            done = in_this_process(*command)
            assert done.returncode in (0, 1, 2), (command, done)
            if done.returncode == 2:
                seen.add(command[0])
                assert done.stderr.count("\n") == 1, (command, done)
    assert seen == {"check", "export", "sessions", "show", "search", "rebuild", "vacuum", "anonymize"}
