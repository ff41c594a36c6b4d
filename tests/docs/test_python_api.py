"""The examples of docs/python-api.md run as written, and the page names what exists."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from inspector import errors
from inspector.pytest_plugin import HeldFrame, RecordingProxy
from inspector.replay.outcome import Outcome
from tests.test_repository import ROOT

PAGE = (ROOT / "docs" / "python-api.md").read_text()
BLOCKS = re.findall(r"^<!-- runnable -->\n```python\n(.*?)^```", PAGE, re.M | re.S)
TESTS = [block for block in BLOCKS if "import pytest" in block]
SCRIPTS = [pytest.param(block, id=f"script-{n}") for n, block in enumerate(BLOCKS, 1) if "import pytest" not in block]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


@pytest.mark.system
def test_the_tests_of_the_page_pass_as_written(tmp_path: Path) -> None:
    (tmp_path / "recordings").symlink_to(ROOT / "recordings")
    (block,) = TESTS
    (tmp_path / "test_example.py").write_text(block)
    done = run(tmp_path, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path))
    assert "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.system
@pytest.mark.parametrize("block", SCRIPTS)
def test_a_script_of_the_page_runs_as_written(block: str, tmp_path: Path) -> None:
    (tmp_path / "recordings").symlink_to(ROOT / "recordings")
    recording = "recordings/misbehaving-charge-point-1.6.jsonl"
    imported = run(tmp_path, "-m", "inspector", "import", recording, "--db", "traffic.db")
    assert imported.returncode == 0, imported.stderr
    done = run(tmp_path, "-c", block)
    assert (done.returncode, done.stderr) == (0, "")
    assert "MISBEHAVING-16: 58 frames" in done.stdout or "boot.too-early" in done.stdout


def members_in_table(heading: str) -> set[str]:
    """Return the names in the first column of the table below a heading."""
    section = PAGE.partition(f"### {heading}\n")[2].partition("\n### ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.M)
    return {name for row in rows for name in re.findall(r"`(\w+)", row)}


@pytest.mark.parametrize(("heading", "described"), [("ocpp_proxy", RecordingProxy), ("ocpp_replay", Outcome)])
def test_the_page_names_only_members_that_exist(heading: str, described: type) -> None:
    names = members_in_table(heading)
    source = inspect.getsource(described)
    assert len(names) >= 6
    assert [name for name in sorted(names) if not re.search(rf"(def |self\.|^    ){name}\b", source, re.M)] == []


def test_the_page_describes_every_public_method_of_the_proxy_and_of_a_held_frame() -> None:
    public = [name for one in (RecordingProxy, HeldFrame) for name in vars(one) if not name.startswith("_")]
    assert [name for name in public if f"`{name}(" not in PAGE] == []


def test_the_page_names_every_exception() -> None:
    ours = {name for name, one in vars(errors).items() if inspect.isclass(one) and issubclass(one, Exception)}
    assert [name for name in sorted(ours) if f"`{name}`" not in PAGE] == []
