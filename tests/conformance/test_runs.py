"""Whole runs of `conform charge-point` against our own charge point."""

from __future__ import annotations

import sqlite3
import xml.etree.ElementTree as ET
from contextlib import closing
from pathlib import Path

import pytest

from tests.conformance.bench import conform, verdicts
from tests.conformance.test_planted_faults import edited

SOME = ("--cases", "soft-reset", "--cases", "charge-plug-in-first", "--cases", "remote-stop-of-nothing")


@pytest.mark.long
@pytest.mark.system
@pytest.mark.timeout(520)
@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_our_charge_point_passes_every_case(tmp_path: Path, version: str) -> None:
    """More than 40 cases each; nothing is left out."""
    found = verdicts(conform(tmp_path, version, exit_code=0))
    assert len(found) > 40
    assert {name: verdict for name, verdict in found.items() if verdict != "PASS"} == {}


@pytest.mark.system
def test_each_case_is_a_session_of_its_own_with_its_verdict(tmp_path: Path) -> None:
    """A case with a restart has two; the reports for CI and people say the same as the recording."""
    junit, page = tmp_path / "r.xml", tmp_path / "r.html"
    report = conform(tmp_path, "1.6", *SOME, "--junit", str(junit), "--html", str(page), exit_code=0)
    with closing(sqlite3.connect(tmp_path / "cases.db")) as db:
        stored = db.execute(
            "SELECT detail ->> 'case', detail ->> 'verdict' FROM events WHERE kind = 'conformance' ORDER BY id"
        ).fetchall()
        sessions = db.execute("SELECT count(*) FROM sessions WHERE charge_point_id = 'CP-1'").fetchone()[0]
    assert (
        dict(stored)
        == verdicts(report)
        == dict.fromkeys(("charge-plug-in-first", "remote-stop-of-nothing", "soft-reset"), "PASS")
    )
    assert sessions == sum(len(one["sessions"]) for one in report["cases"]) == 4
    suite = ET.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "0", "0")
    assert "3 PASS" in page.read_text()


@pytest.mark.system
def test_a_failure_names_frame_and_section_and_may_be_expected(tmp_path: Path) -> None:
    """In the file of expected failures it is no failure; a case that passes there is one."""
    fault = edited("RemoteStopTransaction", "/status", '"Accepted"')
    expected = tmp_path / "expected.txt"
    expected.write_text("remote-stop-of-nothing  # firmware 1.2\n")
    arguments = ("--cases", "remote-stop-of-nothing", "--expected", str(expected))
    [one] = conform(tmp_path, "1.6", *arguments, faults=fault, exit_code=0)["cases"]
    [problem] = one["problems"]
    assert problem["clause"] == "§5.12"
    assert '{"status":"Accepted"}' in problem["frame"]
    (tmp_path / "faults.toml").unlink()
    [one] = conform(tmp_path, "1.6", *arguments, exit_code=1)["cases"]
    assert one["verdict"] == "PASS"
