"""`chargesentinel sessions` as its users call it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from inspector import records
from inspector.recorder.start import start_recorder
from tests.browse.charging import Recording
from tests.cli.conftest import in_this_process
from tests.forked import chargesentinel

START = 1_767_268_800_000_000_000


def ids(*arguments: object) -> list[int]:
    done = in_this_process("sessions", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return [row["id"] for row in json.loads(done.stdout)]


def test_the_newest_session_comes_first_with_who_when_how_long_and_what_was_found(recording: Path) -> None:
    lines = chargesentinel("sessions", recording).stdout.splitlines()
    assert lines[0].split() == [
        "ID",
        "CHARGE",
        "POINT",
        "OCPP",
        "OPENED",
        "(UTC)",
        "LASTED",
        "FRAMES",
        "FINDINGS",
        "ENDED",
    ]
    assert [line.split()[0] for line in lines[1:]] == ["4", "3", "2", "1"]
    bad = lines[3].split()
    assert bad[1:7] == ["CP-DEPOT-07", "1.6", "2026-07-02", "11:31", "0:01:34", "18"]
    assert "9E 1W 2i" in lines[3] and "CSMS sent 1011" in lines[3]
    assert "by the charge point: 1000 normal" in lines[4]


def test_a_session_whose_recorder_is_gone_is_not_called_live(recording: Path, growing: Recording) -> None:
    growing.connect("CP-NOW").boot()
    growing.commit()
    assert "still open" in chargesentinel("sessions", growing.path).stdout.splitlines()[1]
    assert ids(growing.path, "--state", "live") == [4]
    assert ids(recording, "--state", "live") == []
    assert ids(recording, "--state", "interrupted") == [4]
    # As after a kill: nothing is closed, and the lock file names a process that no longer exists.
    killed = growing.path.with_name("killed.db")
    with sqlite3.connect(growing.path) as db:
        db.execute("VACUUM INTO ?", [str(killed)])
    killed.with_name("killed.db.lock").write_text("chargesentinel proxy (process 999999999)\n")
    assert ids(killed, "--state", "live") == []
    assert ids(killed, "--state", "interrupted") == [4]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["--charge-point", "CP-GARAGE-01"], [4, 1]),
        (["--charge-point", "CP-*"], [4, 2, 1]),
        (["--charge-point", "CP-DEPOT-07", "--charge-point", "CS-PLAZA-2"], [3, 2]),
        (["--ocpp", "2.0.1"], [3]),
        (["--severity", "warning"], [2]),
        (["--rule", "payload.*"], [2]),
        (["--rule", "boot.too-early"], []),
        (["--since", "2026-07-02T11:32"], [4, 3, 2]),
        (["--until", "2026-07-02T10:30Z"], [1]),
        (["--since", "2026-07-02T13:34+02:00", "--until", "2026-07-02T11:40"], [3]),
        (["--transaction", "1017"], [1]),
        (["--id-token", "aabbccdd"], [3]),
        (["--state", "closed"], [3, 2, 1]),
        (["--limit", "2"], [4, 3]),
        (["--limit", "0"], [4, 3, 2, 1]),
    ],
)
def test_filters_leave_the_sessions_that_fit(recording: Path, filters: list[str], expected: list[int]) -> None:
    assert ids(recording, *filters) == expected


def test_json_has_times_counts_and_the_ending(recording: Path) -> None:
    row = json.loads(chargesentinel("sessions", recording, "--charge-point", "CP-DEPOT-07", "--json").stdout)[0]
    assert row["findings"] == {"error": 9, "warning": 1, "info": 2}
    assert row["opened"].startswith("2026-07-02T11:31:") and int(row["opened_ns"]) > 1.7e18
    assert row["state"] == "closed" and "1011" in row["ending"] and 94 < row["seconds"] < 96


def test_what_is_left_out_is_said(recording: Path) -> None:
    done = chargesentinel("sessions", recording, "--limit", "1")
    assert done.stderr == "listed the newest 1; --limit 0 lists all\n"
    assert chargesentinel("sessions", recording, "--charge-point", "x").stderr == "no sessions match\n"


@pytest.mark.parametrize("command", ["sessions", "search", "tail", "show"])
def test_a_mistake_is_one_line_and_2(command: str, recording: Path, tmp_path: Path) -> None:
    other = tmp_path / "text.db"
    other.write_text("no database" * 1000)
    session = ["1"] if command == "show" else []
    for arguments, said in (
        ([tmp_path / "nothing.db", *session], "no such file"),
        ([other, *session], "not a SQLite database"),
        ([tmp_path, *session], "not a file"),
        ([recording, *session, "--severity", "bad"], "severity"),
        ([recording, *session, "--nonsense"], "--nonsense"),
    ):
        done = in_this_process(command, *arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert said in done.stderr


def test_a_time_that_is_none_is_explained(recording: Path) -> None:
    done = chargesentinel("sessions", recording, "--since", "yesterday")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "write 10m, 2h, 3d (ago)" in done.stderr


def test_failed_attempts_to_connect_are_told_where_no_session_is(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    recorder = start_recorder(path, holder="test")
    for number, status in enumerate((401, 401, 503)):
        detail = {"charge_point_id": "CP1\x1b[2J", "status": status}
        recorder.put(records.EventRecord(0, START + number, START + number, "rejected-upgrade", detail))
    recorder.close()
    told = "CP1\\x1b[2J: the CSMS answered 401 ×2; CP1\\x1b[2J: the CSMS answered 503"
    done = chargesentinel("sessions", path)
    assert done.stdout == f"0 sessions, 3 failed connection attempts ({told})\n"
    assert chargesentinel("sessions", path, "--charge-point", "CP2*").stderr == "no sessions match\n"
    checked = chargesentinel("check", path, "--fail-on", "never").stdout
    assert "in 0 sessions, 3 failed connection attempts (the CSMS answered 401 ×2; the CSMS answered 503)" in checked
