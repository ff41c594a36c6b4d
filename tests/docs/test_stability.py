"""What docs/stability.md promises about older recordings, and that one version is named everywhere."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from inspector.store.files.connection import KNOWN_STEPS, applied_steps, open_recording
from inspector.store.schema import migrations
from tests.test_repository import ROOT

BOOT = '[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'
NOON_NS = 1_782_986_400_000_000_000


@pytest.fixture
def first_version(tmp_path: Path) -> Path:
    """Make a recording with the tables of the first step only, and one frame."""
    path = tmp_path / "old.db"
    db = Database(path)
    migrations.apply(db, stop_before="0002_occurrences")
    db.execute("INSERT INTO recordings (started_ns, tool_version) VALUES (1, '0')")
    session = (
        "INSERT INTO sessions (charge_point_id, ocpp_version, opened_ns, recording_id) VALUES ('CP1', '1.6', ?, 1)"
    )
    db.execute(session, [NOON_NS])
    frame = "INSERT INTO frames (session_id, msg_type, action, from_csms, size, ts_ns, mono_ns, raw) "
    values = "VALUES (1, 2, 'BootNotification', 0, ?, ?, 1, ?)"
    db.execute(frame + values, [len(BOOT), NOON_NS, BOOT])
    db.conn.commit()
    db.close()
    return path


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "inspector", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.system
def test_readers_show_an_older_recording_and_do_not_change_it(first_version: Path) -> None:
    before = first_version.read_bytes()
    for arguments in (["sessions"], ["show", "CP1"], ["search", "--action", "BootNotification"], ["check"]):
        done = run(arguments[0], first_version, *arguments[1:])
        assert done.returncode in (0, 1), done.stderr
        assert done.stderr == "" or arguments == ["check"], done.stderr
    assert "BootNotification" in run("show", first_version, "CP1").stdout
    assert first_version.read_bytes() == before


@pytest.mark.system
def test_a_writer_upgrades_an_older_recording_and_keeps_its_frames(first_version: Path) -> None:
    done = run("prune", first_version, "--older-than", "36500d")
    assert done.returncode == 0, done.stderr
    with closing(open_recording(first_version)) as db:
        assert set(applied_steps(db)) == KNOWN_STEPS
        assert db.execute("SELECT id, raw FROM frames").fetchall() == [(1, BOOT)]


def test_the_package_the_citation_and_the_changelog_name_the_same_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.M)[1] == version  # type: ignore[index]
    released = re.findall(r"^## (\d[\d.]*) – \d{4}-\d{2}-\d{2}$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert released[:1] == [version]
