"""`chargesentinel show`: one session as a ladder, in a pipe and on terminals of several widths."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.browse.charging import Recording, charge_well
from tests.cli.conftest import in_this_process
from tests.cli.terminal import on_a_terminal
from tests.forked import chargesentinel


def test_a_pipe_gets_every_frame_on_a_whole_line_without_colour(recording: Path) -> None:
    lines = chargesentinel("show", recording, 2).stdout.splitlines()
    assert "\x1b" not in "".join(lines)
    assert lines[0].startswith("session 2 · CP-DEPOT-07 · OCPP 1.6 · 2026-07-02 11:31:46")
    assert lines[1] == "18 frames · 9 errors · 1 warning · 2 info · closed by the CSMS: CSMS sent 1011 internal error"
    frames = [line for line in lines if re.match(r"[\d:.]{12} +\d+ │", line)]
    assert [int(line.split()[1]) for line in frames] == list(range(205, 223))
    assert re.search(r"205 │─ BootNotification ─+►│ <script>", frames[0])
    assert re.search(r"206 │◄─+ ⤶ BootNotification 142 ms ─│ status Accepted", frames[1])


def test_findings_stand_beneath_their_frame_and_events_and_silences_between(recording: Path) -> None:
    lines = chargesentinel("show", recording, 2).stdout.splitlines()
    at = next(place for place, line in enumerate(lines) if " 213 │" in line)
    assert "✗ error payload.schema /3/errorCode" in lines[at + 1] and "[charge point]" in lines[at + 1]
    assert "· info status.fault-reported" in lines[at + 2]
    assert any(line.strip() == "⋮ 44 s" for line in lines)
    assert any("● ping" in line for line in lines)
    assert "● fault what no pong within 30 s" in lines[-1]


def test_transactions_are_marked_where_they_begin_and_end(recording: Path) -> None:
    lines = chargesentinel("show", recording, 1).stdout.splitlines()
    begin = next(place for place, line in enumerate(lines) if "▶ transaction 1017 begins" in line)
    assert "StartTransaction" in lines[begin - 1] and "id token 04E91C5A2B" in lines[begin]
    end = next(place for place, line in enumerate(lines) if "■ transaction 1017 ends" in line)
    assert "StopTransaction" in lines[end - 1] and "12.74 kWh" in lines[end]


def test_a_gap_in_the_recording_cannot_be_missed(growing: Recording) -> None:
    link = growing.connect("CP-GAP")
    link.boot()
    link.event("gap", {"frames": 12, "since_ns": 1, "until_ns": 2})
    link.status("Available")
    growing.commit()
    lines = chargesentinel("show", growing.path, 4).stdout.splitlines()
    at = next(place for place, line in enumerate(lines) if "● gap" in line)
    assert "frames 12" in lines[at] and "BootNotification" in lines[at - 1] and "StatusNotification" in lines[at + 1]
    # With colours, exactly the letters of the word are red.
    shown = on_a_terminal("show", growing.path, 4, "--no-pager", columns=100)
    assert "\x1b[1;37;41m● gap\x1b[0m" in shown.text


def test_full_puts_the_frame_beneath_as_it_was_sent(growing: Recording) -> None:
    link = growing.connect("CP-FULL")
    link.say(True, '[2,"1","DataTransfer",{"vendorId":"x","data":1.10,"data":[2,{"é":null}]}]')
    growing.commit()
    text = chargesentinel("show", growing.path, 4, "--full").stdout
    sent = "".join(line.strip() for line in text.splitlines() if line.startswith(" " * 19))
    assert '"data": 1.10,' in sent and '"é": null' in sent


def test_filters_and_around_choose_frames(recording: Path) -> None:
    def numbers(*arguments: object) -> list[int]:
        done = in_this_process("show", recording, 2, *arguments)
        return [int(number) for number in re.findall(r"^[\d:.]{12} +(\d+) │", done.stdout, re.M)]

    assert numbers("--action", "heartbeat") == [220]
    assert numbers("--from", "csms", "--action", "Trigger*") == [221]
    assert numbers("--type", "CALLERROR") == [216]
    assert numbers("--type", "unreadable") == [219]
    assert numbers("--severity", "warning") == [205, 213, 215, 217, 218, 219, 220]
    assert numbers("--text", "nobody-ASKED") == [217]
    assert numbers("--around", 210, "--context", 2) == [208, 209, 210, 211, 212]
    assert numbers("--around", 205, "--context", 1) == [205, 206]


def test_a_frame_or_a_session_that_is_not_there_is_said(recording: Path) -> None:
    for arguments, said in (
        ([9], "no session and no charge point '9'"),
        ([2, "--around", 3], "it belongs to session 1"),
        ([2, "--around", 99999], "the recording has no such frame"),
    ):
        done = chargesentinel("show", recording, *arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert said in done.stderr


def test_json_holds_all_of_the_session(recording: Path) -> None:
    document = json.loads(chargesentinel("show", recording, 2, "--json").stdout)
    assert [frame["id"] for frame in document["frames"]] == list(range(205, 223))
    assert document["frames"][0]["raw"].startswith('[2,"cp-2-1","BootNotification"')
    assert document["frames"][14]["raw_hex"] == "00fffe0162696e617279"
    assert {event["kind"] for event in document["events"]} == {"framing", "ping", "fault"}
    assert len(document["findings"]) == 12 and document["session"]["ocpp_version"] == "1.6"
    assert document["transactions"] == []


@pytest.mark.parametrize("columns", [40, 64, 80, 100, 140])
def test_no_line_is_wider_than_the_terminal(recording: Path, columns: int) -> None:
    shown = on_a_terminal("show", recording, 2, "--no-pager", columns=columns)
    assert shown.code == 0 and shown.widest <= columns
    assert "BootNotification" in shown.plain and "payload.schema" in shown.plain
    assert ("►" in shown.plain) == (columns >= 76), "narrow ones have an arrow alone"
    assert "\x1b[1;31m" in shown.text


def test_a_long_session_is_paged_on_a_terminal_and_a_short_one_stays(growing: Recording) -> None:
    """The pager of this test is a script that proves it ran; less would wait for a key."""
    charge_well(growing, "CP-LONG", samples=100)
    growing.commit()
    pager = growing.path.with_name("pager.sh")
    pager.write_text("#!/bin/sh\necho PAGED\ncat\n")
    pager.chmod(0o755)
    shown = on_a_terminal("show", growing.path, 4, columns=100, rows=30, env={"PAGER": str(pager)})
    assert shown.code == 0 and shown.plain.count("PAGED") == 1 and "StopTransaction" in shown.plain
    short = on_a_terminal("show", growing.path, 2, columns=100, rows=200, env={"PAGER": str(pager)})
    assert "PAGED" not in short.plain


def test_a_reader_that_has_seen_enough_is_no_mistake(recording: Path) -> None:
    import subprocess
    import sys

    line = f"'{sys.executable}' -m inspector show '{recording}' 1 --full | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("session 1")
