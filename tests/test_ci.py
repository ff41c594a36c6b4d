"""`.ci/run` runs every group, and the end of its output names what failed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.test_make import ROOT, executable

GROUPS = ("lint", "test", "test-system", "proof-beside", "proof-alone")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a checkout whose `make TARGET` prints the content of TARGET.out, and fails if that says so."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    make = 'echo "$1" >>made; cat "$1.out" 2>/dev/null; ! grep -qs FAILED "$1.out"'
    for name, script in (("make", make), ("chromium", ""), ("npm", "")):
        executable(tmp_path / "bin" / name, script)
    executable(tmp_path / ".venv/bin/python", "")
    return tmp_path


def run(checkout: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{checkout / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run([checkout / ".ci/run"], env=environment, capture_output=True, text=True, check=False)


def test_every_group_runs_and_one_line_of_each_is_shown(checkout: Path) -> None:
    for group in GROUPS:
        (checkout / f"{group}.out").write_text(f"much\nthe last line of {group}\n")
    done = run(checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set((checkout / "made").read_text().split()) == {*GROUPS, ".venv/ready-dev"}
    for group in GROUPS:
        assert f"the last line of {group}\n" in done.stdout
    assert "much" not in done.stdout


def test_what_failed_is_named_at_the_end_behind_its_whole_output(checkout: Path) -> None:
    (checkout / "test.out").write_text("why it failed\nFAILED tests/test_a.py::test_b - assert False\n1 failed\n")
    (checkout / "lint.out").write_text("lint says\nFAILED\n")
    done = run(checkout)
    assert done.returncode == 1
    assert set((checkout / "made").read_text().split()) == {*GROUPS, ".venv/ready-dev"}, "the other groups run too"
    assert "why it failed" in done.stdout
    _, _, end = done.stdout.partition("=== failed: ")
    assert end.splitlines() == [
        *("lint test ===", "lint:", "lint says", "FAILED"),
        *("test:", "FAILED tests/test_a.py::test_b - assert False"),
    ]
