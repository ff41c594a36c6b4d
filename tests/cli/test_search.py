"""`chargesentinel search` as its users call it."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest

from inspector.store.reading.text_index import place
from tests.browse.charging import Recording
from tests.cli.conftest import in_this_process
from tests.cli.terminal import on_a_terminal
from tests.forked import chargesentinel


def found(*arguments: object) -> list[int]:
    done = in_this_process("search", *arguments, "--limit", 0, "--json")
    frames = [frame["id"] for frame in json.loads(done.stdout)["frames"]]
    assert done.returncode == (0 if frames or json.loads(done.stdout)["missing"] else 1), done.stderr
    return frames


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["--action", "authorize"], [9, 10]),
        (["--action", "Boot*", "--from", "csms"], [2, 206, 224, 276]),
        (["--charge-point", "CP-DEPOT-07", "--type", "call", "--from", "csms"], [221]),
        (["--type", "CALLERROR"], [216]),
        (["--type", "unreadable"], [219]),
        (["--severity", "error"], [205, 213, 215, 217, 218, 219]),
        (["--rule", "rpc.*"], [217, 218, 219, 220]),
        (["--rule", "payload.schema", "--severity", "error", "--action", "StartTransaction"], [215]),
        (["--rule", "no.such-rule"], []),
        (["--id-token", "04e91c5a2b"], [9, 11, 199]),
        (["--id-token", "04E91C5A"], []),
        (["--message-id", "cp-2-1"], [205, 206]),
        (["--message-id", "cp-2-"], []),
        (
            ["--transaction", "tx-CS-PLAZA-2-1", "--action", "TransactionEvent", "--type", "CALL"],
            list(range(229, 272, 2)),
        ),
        (["--since", "2026-07-02T11:32:07.5", "--until", "2026-07-02T11:32:51.56"], [219, 220, 221]),
        (["--ocpp", "2.0.1", "--action", "StatusNotification", "--from", "charge-point"], [225, 227, 273]),
        (["MOBILITY"], []),
        (["volta works"], [1, 275]),
        (["100%"], []),
        (["id_ag"], []),
        (["binary"], [219]),
    ],
)
def test_filters_and_texts_find_their_frames(recording: Path, filters: list[str], expected: list[int]) -> None:
    assert found(recording, *filters) == expected


def test_a_transaction_is_found_with_its_start_its_answers_and_what_the_csms_sent_about_it(recording: Path) -> None:
    frames = found(recording, "--transaction", "1017")
    with sqlite3.connect(recording) as db:
        rows = db.execute(f"SELECT action, msg_type FROM frames WHERE id IN ({','.join(map(str, frames))})").fetchall()
    kinds = {action: sorted(m for a, m in rows if a == action) for action, _ in rows}
    assert kinds.pop("MeterValues") == [2] * 90 + [3] * 90
    assert kinds == {"StartTransaction": [2, 3], "StopTransaction": [2, 3], "SetChargingProfile": [2, 3]}


def test_a_line_tells_session_charge_point_frame_time_direction_action_and_the_place(recording: Path) -> None:
    (line,) = chargesentinel("search", recording, "cp-2-4").stdout.splitlines()[:1]
    assert re.match(r'2026-07-02T11:32:06\.968Z +2 CP-DEPOT-07 +211 → StatusNotification +\[2,"cp-2-4",', line)


def test_the_newest_are_shown_in_their_order_and_what_is_left_out_is_said(recording: Path) -> None:
    done = chargesentinel("search", recording, "--action", "MeterValues", "--limit", 3)
    assert re.findall(r" (\d+) [→←] ", done.stdout) == ["195", "196", "218"]
    assert done.stderr == "printed the newest 3; --limit 0 prints all\n"
    oldest = chargesentinel("search", recording, "--action", "MeterValues", "--limit", 3, "--oldest")
    assert re.findall(r" (\d+) [→←] ", oldest.stdout) == ["15", "16", "17"]


def test_as_with_grep_nothing_found_is_1_and_said_on_stderr(recording: Path) -> None:
    done = chargesentinel("search", recording, "no such text")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "no frames match\n")


def test_findings_stand_beneath_the_frames_that_were_looked_for_by_them(recording: Path) -> None:
    lines = chargesentinel("search", recording, "--rule", "time.format").stdout.splitlines()
    assert " 215 → StartTransaction" in lines[0]
    assert any("time.format /3/timestamp" in line for line in lines[1:])


def test_findings_about_missing_frames_are_found_by_their_rule(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "silent.db")
    link = recording.connect("CP-SILENT")
    link.boot()
    link.status("Available")
    for _ in range(3):
        recording.wait(4000)
        recording.pipeline.tick(recording.now, recording.now)
    link.close()
    path = recording.finish()
    with sqlite3.connect(path) as db:
        (rule,) = db.execute("SELECT rule_id FROM findings WHERE frame_id IS NULL").fetchone()
    done = chargesentinel("search", path, "--rule", rule)
    assert done.returncode == 0 and rule in done.stdout and " - " in done.stdout
    assert found(path, "--rule", rule) == []
    assert chargesentinel("search", path, "--rule", rule, "--action", "Heartbeat").returncode == 1


def test_the_index_is_beside_the_recording_and_finds_the_same(tmp_path: Path, growing: Recording) -> None:
    growing.finish()
    before = growing.path.read_bytes()
    plain = chargesentinel("search", growing.path, "volta")
    indexed = chargesentinel("search", growing.path, "volta", "--index")
    assert indexed.returncode == 0 and indexed.stdout == plain.stdout != ""
    assert place(growing.path).is_file() and growing.path.read_bytes() == before
    assert chargesentinel("search", growing.path, "volta").stdout == plain.stdout


def test_while_a_recording_is_written_it_is_searched_without_an_index_and_none_is_built(growing: Recording) -> None:
    done = chargesentinel("search", growing.path, "volta", "--index")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "cannot build its index while chargesentinel (process" in done.stderr
    assert not place(growing.path).exists()
    assert chargesentinel("search", growing.path, "volta").returncode == 0


def test_a_folder_that_cannot_be_written_gets_no_index_and_one_line(growing: Recording) -> None:
    path = growing.finish()
    place(path).mkdir()
    done = chargesentinel("search", path, "volta", "--index")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "search works without an index" in done.stderr
    assert chargesentinel("search", path, "volta").returncode == 0


def test_on_a_terminal_the_place_is_marked_and_no_line_is_too_wide(recording: Path) -> None:
    for columns in (60, 80, 120):
        shown = on_a_terminal("search", recording, "04E91C5A2B", columns=columns)
        assert shown.code == 0 and shown.widest <= columns
        assert shown.text.count("\x1b[1;30;43m04E91C5A2B") == (
            3 if columns > 60 else shown.text.count("\x1b[1;30;43m04E91C5A2B")
        )
        assert "── 2026-07-02 (UTC) ──" in shown.plain
    assert on_a_terminal("search", recording, "04E9", env={"NO_COLOR": "1"}).text.count("\x1b[") == 0


def test_a_big_frame_is_found_and_shown_around_the_place(growing: Recording) -> None:
    link = growing.connect("CP-BIG")
    link.say(True, '[2,"1","DataTransfer",{"vendorId":"x","data":"' + "a" * 100_000 + "NEEDLE" + "b" * 100_000 + '"}]')
    growing.commit()
    done = chargesentinel("search", growing.path, "needle")
    assert "aaaNEEDLEbbb" in done.stdout and len(done.stdout) < 300
    frame = json.loads(chargesentinel("search", growing.path, "needle", "--json").stdout)["frames"][0]
    assert len(frame["raw"]) > 200_000


def test_a_token_is_found_by_its_pseudonym_with_the_key(tmp_path: Path) -> None:
    """The recording was imported with `--redact personal` and the key; the search runs with and without the key."""
    frames = tmp_path / "frames.txt"
    frames.write_text('> [2,"1","Authorize",{"idTag":"04E91C5A2B"}]\n< [3,"1",{"idTagInfo":{"status":"Accepted"}}]\n')
    key, other, path = tmp_path / "our.key", tmp_path / "other.key", tmp_path / "personal.db"
    other.write_text("f" * 64)
    done = chargesentinel(
        *("import", frames, "--db", path, "--ocpp", "1.6", "--redact", "personal", "--redact-key", key)
    )
    assert done.returncode == 0, done.stderr
    assert found(path, "--id-token", "04E91C5A2B", "--redact-key", key) == [1]
    assert found(path, "--id-token", "04e91c5a2b", "--redact-key", key) == [1]
    assert found(path, "--id-token", "04E91C5A2B", "--redact-key", other) == []
    assert "04E91C5A2B" not in chargesentinel("search", path).stdout
    missing = chargesentinel("search", path, "--id-token", "x", "--redact-key", tmp_path / "none.key")
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1) and not (tmp_path / "none.key").exists()


def test_what_is_pruned_is_not_kept_in_the_index(growing: Recording) -> None:
    path = growing.finish()
    assert chargesentinel("search", path, "volta", "--index").returncode == 0
    assert chargesentinel("prune", path, "--charge-point", "CP-GARAGE-01").returncode == 0
    assert not place(path).exists()
