"""Each block of a page behind `<!-- runnable -->` runs as written, in a folder with our recordings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_repository import ROOT

MARK = re.compile(r"^<!-- runnable -->\n```sh\n(.*?)^```", re.M | re.S)
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in sorted((ROOT / "docs").glob("*.md"))
    for number, block in enumerate(MARK.findall(page.read_text()), 1)
]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_runnable_block_runs_as_written(block: str, tmp_path: Path) -> None:
    (tmp_path / "recordings").symlink_to(ROOT / "recordings")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-eu", "-c", block], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()), "a file is empty"


def test_every_mark_is_above_a_block_that_is_found() -> None:
    marks = sum(page.read_text().count("<!-- runnable -->") for page in (ROOT / "docs").glob("*.md"))
    assert marks == len(BLOCKS) > 0
