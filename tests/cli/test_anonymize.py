"""`chargesentinel anonymize` writes a new file without secrets, and refuses to overwrite what would be lost."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.database import rows
from tests.forked import chargesentinel
from tests.redaction.test_personal import CHARGING
from tests.redaction.test_redaction import record

TAG = "04AB99CD"


def run(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return chargesentinel("anonymize", *arguments, "--redact-key", folder / "key")


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Return a recording without redaction that contains a password, also in the remains of deleted rows."""
    path = tmp_path / "in" / "t.db"
    path.parent.mkdir()
    frames = [
        (False, '[2,"c","ChangeConfiguration",{"key":"AuthorizationKey","value":"Geheim-00112233"}]'),
        (True, f'[2,"0","StatusNotification",{{"connectorId":1,"errorCode":"NoError","info":"card {TAG} first"}}]'),
        *CHARGING,
        (True, '[2,"9","Heartbeat",{"x":1}]'),
        (True, b"\x00 no text"),
    ]
    record(path, frames, level="none")
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE notes (text)")
    connection.execute("INSERT INTO notes VALUES ('ask the owner of 04AB99CD')")
    connection.execute("CREATE VIEW tags AS SELECT raw FROM frames WHERE raw LIKE '%04AB99CD%'")
    connection.execute("CREATE TRIGGER t AFTER INSERT ON frames BEGIN INSERT INTO notes VALUES (NEW.raw); END")
    connection.commit()
    connection.close()
    return path


def test_the_new_file_has_the_same_rows_and_no_trace_of_what_was_hidden(tmp_path: Path, recorded: Path) -> None:
    target = tmp_path / "out" / "t.db"
    target.parent.mkdir()
    before = recorded.read_bytes()
    done = run(tmp_path, recorded, target)
    assert done.returncode == 0, done.stderr
    assert "hidden values in 5 frames" in done.stdout and "made now" in done.stderr
    assert recorded.read_bytes() == before
    assert [file.name for file in target.parent.iterdir()] == ["t.db"]
    written = target.read_bytes()
    for value in (TAG, TAG.lower(), "FLEET-77", "Geheim"):
        assert value.encode() not in written
    same = (
        "SELECT id, session_id, call_id, msg_type, action, valid, max_severity, ts_ns, mono_ns, size FROM frames",
        "SELECT id, rule_id, severity, count, frame_id, session_id, ts_ns FROM findings",
        "SELECT id, kind, session_id, ts_ns FROM events",
        "SELECT id, transaction_id, started_ns, start_frame_id FROM transactions",
        "SELECT id, charge_point_id, frame_count, opened_ns, closed_ns, closed_by FROM sessions",
        "SELECT id, started_ns, stopped_ns, tool_version, clean_close FROM recordings",
    )
    for sql in same:
        assert rows(target, sql) == rows(recorded, sql) != []
    calls = rows(
        target, "SELECT raw, message_id, payload FROM frames WHERE redacted = 1 AND msg_type = 2 AND valid = 1"
    )
    assert calls
    for raw, message_id, payload in calls:
        _, own_id, _, own_payload = json.loads(raw)
        assert (message_id, json.loads(payload)) == (own_id, own_payload)
    ((config,),) = rows(target, "SELECT config FROM recordings")
    assert json.loads(config)["redact"] == "personal"
    names = {name for (name,) in sqlite3.connect(target).execute("SELECT name FROM sqlite_master")}
    assert not names & {"notes", "tags", "t"}
    assert sqlite3.connect(target).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert sqlite3.connect(target).execute("PRAGMA freelist_count").fetchone() == (0,)


def test_a_value_is_found_before_the_frame_that_names_it(tmp_path: Path, recorded: Path) -> None:
    run(tmp_path, recorded, tmp_path / "t.db")
    ((early,), (authorize,)) = rows(tmp_path / "t.db", "SELECT raw FROM frames WHERE id IN (2, 3) ORDER BY id")
    tag = json.loads(authorize)[3]["idTag"]
    assert f"card {tag} first" in early


def test_hiding_twice_changes_nothing(tmp_path: Path, recorded: Path) -> None:
    run(tmp_path, recorded, tmp_path / "one.db")
    run(tmp_path, tmp_path / "one.db", tmp_path / "two.db")
    for sql in (
        "SELECT raw, redacted FROM frames",
        "SELECT message FROM findings",
        "SELECT id_token FROM transactions",
    ):
        assert rows(tmp_path / "two.db", sql) == rows(tmp_path / "one.db", sql)


def test_a_trace_becomes_a_trace(tmp_path: Path, recorded: Path) -> None:
    assert run(tmp_path, recorded, tmp_path / "one.jsonl").returncode == 0
    assert run(tmp_path, tmp_path / "one.jsonl", tmp_path / "two.jsonl").returncode == 0
    lines = [json.loads(line) for line in (tmp_path / "two.jsonl").read_text().splitlines()]
    assert [line["raw"] for line in lines] == [raw for (raw,) in rows_of(tmp_path, recorded)]
    assert TAG.lower() not in (tmp_path / "two.jsonl").read_text().lower()
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def rows_of(folder: Path, recorded: Path) -> list[tuple[str]]:
    run(folder, recorded, folder / "again.db")
    return rows(folder / "again.db", "SELECT raw FROM frames WHERE typeof(raw) = 'text' ORDER BY id")


def test_what_is_there_is_kept_unless_told_otherwise(tmp_path: Path, recorded: Path) -> None:
    target = tmp_path / "t.db"
    target.write_text("precious")
    done = run(tmp_path, recorded, target)
    assert (done.returncode, target.read_text()) == (2, "precious")
    assert done.stderr.splitlines()[-1].endswith("the file exists; name another file, or replace it with --force")
    assert run(tmp_path, recorded, target, "--force").returncode == 0
    done = run(tmp_path, recorded, recorded, "--force")
    assert done.returncode == 2 and "IN and OUT are the same file" in done.stderr


@pytest.mark.parametrize("kind", ["recording", "trace"])
def test_a_link_stays_one_and_what_it_leads_to_is_replaced(tmp_path: Path, recorded: Path, kind: str) -> None:
    """The output may be a symbolic link, as with `export`; the input may be a recording or another format."""
    source = recorded
    if kind == "trace":
        source = tmp_path / "in.jsonl"
        assert run(tmp_path, recorded, source).returncode == 0
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "t.db").write_text("replaced")
    (tmp_path / "out.db").symlink_to("far/t.db")
    assert run(tmp_path, source, tmp_path / "out.db", "--force").returncode == 0
    assert (tmp_path / "out.db").is_symlink()
    assert rows(tmp_path / "far" / "t.db", "SELECT count(*) FROM sessions") == [(1,)]
    assert [left.name for left in (tmp_path / "far").iterdir()] == ["t.db"]


@pytest.mark.parametrize("name", ["pipe", "pipe.jsonl", "link"])
def test_a_pipe_or_a_device_is_never_replaced_by_a_file(tmp_path: Path, recorded: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "link").symlink_to("pipe")
    done = run(tmp_path, recorded, tmp_path / name, "--force")
    assert (done.returncode, done.stderr) == (2, f"chargesentinel: {tmp_path / name}: not a file; name another OUT\n")
    assert (tmp_path / name).is_fifo()


@pytest.mark.parametrize("content", [None, b"SQLite format 3\0 but not really", b"\x00\xff\x00"])
def test_what_is_no_recording_gets_one_line(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "in.db").write_bytes(content)
    done = run(tmp_path, tmp_path / "in.db", tmp_path / "out.db")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert not (tmp_path / "out.db").exists()


RULES = {
    "redact.variabels: unknown name; did you mean variables?": '[redact]\nvariabels = ["x"]',
    "redact.members: expected a list of strings, got 'x'": '[redact]\nmembers = "x"',
    "'*' would hide nearly everything": '[redact]\nmembers = ["*"]',
    "write MEMBER, or PARENT/MEMBER": '[tool.chargesentinel.redact]\npersonal = ["a/b/ccc"]',
    "redact: expected a table, got 3": "redact = 3",
}


@pytest.mark.parametrize(("why", "text"), RULES.items())
def test_a_mistake_in_the_rules_file_is_told_with_its_place(
    tmp_path: Path, recorded: Path, why: str, text: str
) -> None:
    (tmp_path / "rules.toml").write_text(text)
    done = run(tmp_path, recorded, tmp_path / "out.db", "--rules", tmp_path / "rules.toml")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and why in done.stderr
