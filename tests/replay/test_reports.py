"""What the reports of `replay` and `diff` show: whole frames, the width of the terminal, places, peers and dates."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from inspector.cli.output import replay_reports
from inspector.protocol.vocabulary import OcppVersion
from inspector.replay.compare import compare_recordings
from inspector.replay.matching import Policy
from inspector.replay.outcome import Outcome
from inspector.replay.script import read
from inspector.replay.text_report import excerpt
from tests.cli.terminal import on_a_terminal

LONG = "The quick brown fox jumps over the lazy dog, again and again, until the frame is wider than any report. " * 8
MESSAGE = '[2,"1","DataTransfer",{{"vendorId":"fox","data":"{}"}}]\n[3,"1",{{"status":"Accepted"}}]\n'


@pytest.fixture
def recordings(tmp_path: Path) -> tuple[Path, Path]:
    """Write two recordings that differ only at the end of a very long frame."""
    paths = tmp_path / "a.txt", tmp_path / "b.txt"
    for path, end in zip(paths, ("FIRST", "SECOND"), strict=True):
        path.write_text(MESSAGE.format(LONG + end))
    return paths


@pytest.fixture
def outcomes(recordings: tuple[Path, Path]) -> list[Outcome]:
    a, b = (read(str(path), OcppVersion.V16) for path in recordings)
    return compare_recordings(a, b, Policy())


def printed(style: str, outcomes: list[Outcome], capsys: pytest.CaptureFixture[str]) -> str:
    replay_reports.write(style, outcomes)
    return capsys.readouterr().out


@pytest.mark.parametrize("style", ["text", "junit", "html", "pytest"])
def test_frames_are_whole_where_no_terminal_limits_them(
    style: str, outcomes: list[Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    text = excerpt(outcomes[0]) if style == "pytest" else printed(style, outcomes, capsys)
    if style == "junit":
        failure = ET.fromstring(text).find("testcase/failure")
        assert failure is not None
        text = failure.text or ""
    assert f"{LONG}FIRST" in text and f"{LONG}SECOND" in text


@pytest.mark.system
@pytest.mark.parametrize("columns", [80, 120, 200])
def test_the_table_takes_the_width_of_the_terminal(recordings: tuple[Path, Path], columns: int) -> None:
    shown = on_a_terminal("diff", *recordings, "--ocpp", "1.6", columns=columns)
    (row,) = [line for line in shown.plain.splitlines() if "vendorId" in line and "→" in line and "✗" not in line]
    assert columns - 4 <= len(row.rstrip()) <= columns
    assert shown.code == 1


def test_a_new_finding_has_its_frame_and_action(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_text('[2,"1","Heartbeat",{}]\n[3,"1",{"currentTime":"2026-01-01T00:00:00Z"}]\n')
    bad.write_text('[2,"1","Heartbeat",{}]\n[3,"1",{"currentTime":"2026-01-01T00:00:00Z","x":1}]\n')
    a, b = (read(str(path), OcppVersion.V16) for path in (good, bad))
    (there,) = compare_recordings(a, b, Policy())
    found = "payload.schema (csms): in the other recording, frame 2 Heartbeat: "
    assert any(sentence.startswith(f"new finding {found}") for sentence in there.sentences())
    (back,) = compare_recordings(b, a, Policy())
    assert "no longer found: payload.schema (csms): frame 2 Heartbeat: " in excerpt(back)
    (session,) = json.loads(printed("json", [there], capsys))["sessions"]
    assert session["regressions"][0]["first"].startswith("frame 2 Heartbeat: ")


def test_the_page_names_the_peer_the_direction_of_each_frame_and_the_date(
    outcomes: list[Outcome], recordings: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes[0].at_ns = 1_782_986_400_000_000_000
    page = printed("html", outcomes, capsys)
    assert str(recordings[1]) in page and "2026-07-02 10:00:00 UTC" in page
    assert re.findall(r"<td>\d+<td>([^<]+)<td>", page) == ["charge point to CSMS", "CSMS to charge point"]
    played = Outcome(outcomes[0].script, "charge-point", peer="ws://csms.example:9000")
    assert "Played as the charge point against the CSMS ws://csms.example:9000 on " in printed("html", [played], capsys)
