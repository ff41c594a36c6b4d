"""`rebuild`, `prune` and `vacuum` change a stored recording while others read it, and refuse one being written."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from inspector import records
from inspector.cli import command_line
from inspector.errors import UserMistake
from inspector.offline.store_records import store
from inspector.store.files.sealing import is_sealed
from inspector.store.writing.writer import Writer

RECORDINGS = sorted((Path(__file__).parents[2] / "recordings").glob("*.jsonl"))
DERIVED = ("charge_points", "transactions", "meter_samples")
DAY_NS = 86_400 * 10**9


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command_line, [str(argument) for argument in arguments], catch_exceptions=True)


def answer(*arguments: object) -> dict[str, Any]:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.output)
    return found


def table(path: Path, name: str) -> list[tuple[Any, ...]]:
    return sqlite3.connect(path).execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()


def sound(path: Path) -> None:
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    counted = "(SELECT count(*) FROM frames WHERE session_id = sessions.id)"
    assert db.execute(f"SELECT count(*) FROM sessions WHERE frame_count <> {counted}").fetchone() == (0,)


@pytest.fixture(scope="session")
def all_recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("all") / "all.db"
    result = run("import", *RECORDINGS, "--db", path)
    assert result.exit_code == 0, result.output
    return path


@pytest.fixture
def recording(all_recordings: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(all_recordings, tmp_path / "all.db"))


def test_rebuild_gets_the_rows_that_were_written_live_on_every_recording(recording: Path) -> None:
    before = {name: table(recording, name) for name in DERIVED}
    assert all(before.values())
    db = sqlite3.connect(recording)
    db.execute("UPDATE meter_samples SET value = 0")
    db.execute("DELETE FROM meter_samples WHERE id % 3 = 0")
    db.execute("UPDATE transactions SET id_token = 'x', stopped_ns = NULL")
    db.execute("UPDATE charge_points SET vendor = 'x', last_seen_ns = 1")
    db.commit()
    db.close()
    told = answer("rebuild", recording, "--json")
    assert {name: table(recording, name) for name in DERIVED} == before
    assert told == {"frames": len(table(recording, "frames")), **{name: len(rows) for name, rows in before.items()}}
    assert is_sealed(recording)


def spread(path: Path, now_ns: int) -> None:
    """Write sessions: CP1 has one of ten days, CP2 an old one and one of today; each day has a CALL with its answer."""

    def traffic() -> Any:
        for link, point, days in ((1, "CP1", range(10, -1, -1)), (2, "CP2", range(40, 38, -1)), (3, "CP2", range(1))):
            first = now_ns - days[0] * DAY_NS - 10**9
            facts: records.SessionFacts = {"charge_point_id": point, "subprotocol": "ocpp1.6"}
            yield records.OpenRecord(link, first, first, facts)
            yield records.EventRecord(link, first, first, "handshake", {"request": "GET"})
            for day in days:
                at = now_ns - day * DAY_NS - 10**6
                yield records.FrameRecord(
                    link, at, at, True, records.TEXT, f'[2,"{point}-{day}","Heartbeat",{{"x":1}}]'.encode()
                )
                yield records.FrameRecord(
                    link, at + 9, at + 9, False, records.TEXT, f'[3,"{point}-{day}",{{}}]'.encode()
                )
            yield records.CloseRecord(link, at + 99, at + 99, {"closed_by": "csms"})

    store(traffic(), Writer(path, tool_version="0"))


def test_prune_by_age_keeps_the_later_frames_of_a_session_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    spread(path, time.time_ns())
    planned = answer("prune", path, "--older-than", "5d", "--dry-run", "--json")
    assert (planned["frames"], planned["sessions"], planned["shortened"]) == (16, 1, 1)
    assert len(table(path, "frames")) == 28
    done = answer("prune", path, "--older-than", "5d", "--json")
    assert (done["frames"], done["sessions"], done["shortened"]) == (16, 1, 1)
    db = sqlite3.connect(path)
    assert db.execute("SELECT charge_point_id, frame_count FROM sessions ORDER BY id").fetchall() == [
        ("CP1", 10),
        ("CP2", 2),
    ]
    assert db.execute("SELECT session_id, detail ->> 'frames' FROM events WHERE kind = 'pruned'").fetchall() == [
        (1, 12)
    ]
    assert db.execute("SELECT count(*) FROM events WHERE kind = 'handshake'").fetchone() == (2,)
    sound(path)
    assert is_sealed(path)
    checked = answer("check", path, "--format", "json", "--fail-on", "never")
    assert {one["rule"] for one in checked["findings"]} <= {"payload.schema", "heartbeat.gap", "heartbeat.daily"}


def test_prune_by_charge_point_leaves_nothing_of_it_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    spread(path, time.time_ns())
    result = run("prune", path, "--charge-point", "CP2", "--vacuum")
    assert result.exit_code == 0 and "deleted 6 frames and 2 whole sessions" in result.output
    assert b"CP2" not in path.read_bytes()
    assert b"CP1" in path.read_bytes()
    sound(path)


def test_what_is_pruned_is_overwritten_also_without_vacuum(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    spread(path, time.time_ns())
    assert run("prune", path, "--charge-point", "CP2").exit_code == 0
    assert b"CP2" not in path.read_bytes()


def test_all_three_work_while_others_read(recording: Path) -> None:
    reader = sqlite3.connect(f"{recording.as_uri()}?mode=ro", uri=True, check_same_thread=False)
    frames = reader.execute("SELECT count(*) FROM frames").fetchone()
    over = threading.Event()
    seen: set[Any] = set()

    def read() -> None:
        while not over.is_set():
            seen.add(reader.execute("SELECT count(*), (SELECT count(*) FROM meter_samples) > 0 FROM frames").fetchone())

    reading = threading.Thread(target=read)
    reading.start()
    try:
        for arguments in (
            ("rebuild", recording),
            ("prune", recording, "--charge-point", "none"),
            ("vacuum", recording),
        ):
            assert run(*arguments).exit_code == 0
    finally:
        over.set()
        reading.join()
    assert seen == {(*frames, 1)}  # never half of the rows
    sound(recording)


def test_vacuum_gives_room_back_and_says_how_much(recording: Path) -> None:
    db = sqlite3.connect(recording)
    db.execute("CREATE TABLE padding AS SELECT zeroblob(4000000) AS room")
    db.execute("DROP TABLE padding")
    db.close()
    size = recording.stat().st_size
    told = answer("vacuum", recording, "--json")
    assert told["freed_bytes"] > 3_900_000
    assert recording.stat().st_size == told["after_bytes"] == size - told["freed_bytes"]


@pytest.mark.parametrize("arguments", [("rebuild",), ("prune", "--older-than", "1d"), ("vacuum",)])
def test_a_recording_being_written_is_refused_with_one_line_that_names_the_writer(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    path = tmp_path / "a.db"
    writer = Writer(path, tool_version="0", holder="chargesentinel proxy")
    result = run(arguments[0], path, *arguments[1:])
    assert isinstance(result.exception, UserMistake)
    assert "is being written by chargesentinel proxy (process" in str(result.exception)
    assert "\n" not in str(result.exception)
    writer.close(clean=True)
    assert run(arguments[0], path, *arguments[1:]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("prune",), "prune needs --older-than, --charge-point or both"),
        (("prune", "--older-than", "soon"), "--older-than: 'soon' is not a valid value; write 24h or 30d"),
        (("rebuild",), "no such file"),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    result = run(arguments[0], tmp_path / "none.db", *arguments[1:])
    assert isinstance(result.exception, UserMistake)
    assert said in str(result.exception)


COMMANDS: list[tuple[str, ...]] = [
    ("rebuild", "FILE"),
    ("prune", "FILE", "--older-than", "1d"),
    ("vacuum", "FILE"),
    ("anonymize", "OWN", "FILE", "--force", "--redact", "secrets"),
    ("anonymize", "TRACE", "FILE", "--force", "--redact", "secrets"),
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("whose", ["recorded into", "another program's", "read-only"])
def test_a_file_that_must_not_be_changed_is_refused_in_one_line_and_stays_as_it_is(
    recording: Path, tmp_path: Path, whose: str, arguments: tuple[str, ...]
) -> None:
    """The real commands, without the rights that let root write everywhere."""
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "a.db"
    writer = None
    if whose == "recorded into":
        writer = Writer(path, tool_version="0", holder="chargesentinel proxy")
        said = "is being written by chargesentinel proxy (process"
    elif whose == "read-only":
        shutil.copy(recording, path)
        path.chmod(0o444)
        folder.chmod(0o555)
        said = "cannot be written (permission denied)"
    else:
        with closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE accounts (name)")
        said = "a database, but not a recording of ChargeSentinel"
    before = {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith(".lock")}
    given = {"FILE": path, "OWN": recording, "TRACE": RECORDINGS[0]}
    powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    command = [*powerless, sys.executable, "-m", "inspector", *(str(given.get(word, word)) for word in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if writer is not None:
        after = {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith(".lock")}
        writer.close(clean=True)
    else:
        after = {file.name: file.read_bytes() for file in folder.iterdir()}
    folder.chmod(0o755)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert said in line
    assert after == before


def test_anonymize_makes_no_key_for_an_input_that_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "in.db").write_text("hello")
    result = run("anonymize", tmp_path / "in.db", tmp_path / "out.db", "--redact-key", tmp_path / "key")
    assert isinstance(result.exception, UserMistake) and "pseudonyms" not in result.output
    assert [file.name for file in tmp_path.iterdir()] == ["in.db"]


def test_an_empty_file_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    result = run("vacuum", tmp_path / "a.db")
    assert "an empty file, not a recording" in str(result.exception)
    assert (tmp_path / "a.db").read_bytes() == b""
