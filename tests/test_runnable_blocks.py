"""Each block of a page behind `<!-- runnable -->` runs as written, in a folder with our recordings.

The blocks of a walk-through, behind `<!-- runnable together -->`, run in one shell, each after the other. Ports in them
are replaced by free ones, so that several tests can run at the same time.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.test_repository import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))
MARK = re.compile(r"^<!-- runnable -->\n```sh\n(.*?)^```", re.M | re.S)
TOGETHER = re.compile(r"^<!-- runnable together -->\n```sh\n(.*?)^```", re.M | re.S)
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(MARK.findall(page.read_text()), 1)
]
WALKS = [pytest.param(blocks, id=page.name) for page in PAGES if (blocks := TOGETHER.findall(page.read_text()))]
_PORT = re.compile(r"(?<=:)9\d{3}\b")


def run(script: str, folder: Path) -> None:
    """Run a script with our programs in PATH; end what it left behind."""
    (folder / "recordings").symlink_to(ROOT / "recordings")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(folder)}
    shell = subprocess.Popen(
        ["bash", "-eu", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = shell.communicate(timeout=100)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
    logs = "".join(f"\n{path.name}:\n{path.read_text()[-2000:]}" for path in folder.glob("*.log"))
    assert shell.returncode == 0, said + logs
    assert all(path.stat().st_size for path in folder.rglob("*") if path.is_file()), "a file is empty"


@pytest.mark.parametrize("block", BLOCKS)
def test_a_runnable_block_runs_as_written(block: str, tmp_path: Path) -> None:
    run(block, tmp_path)


@pytest.mark.system
@pytest.mark.parametrize("blocks", WALKS)
def test_a_walk_through_runs_from_its_first_block_to_its_last(blocks: list[str], tmp_path: Path) -> None:
    script = "\n".join(blocks)
    ports = sorted(set(_PORT.findall(script)))
    held = [socket.create_server(("127.0.0.1", 0)) for _ in ports]
    free = {port: str(one.getsockname()[1]) for port, one in zip(ports, held, strict=True)}
    for one in held:
        one.close()
    run(_PORT.sub(lambda found: free[found[0]], script), tmp_path)


def test_every_mark_is_above_a_block_that_is_found() -> None:
    texts = [page.read_text() for page in PAGES]
    python = sum(len(re.findall(r"^<!-- runnable -->\n```python\n", text, re.M)) for text in texts)  # see tests/docs
    assert sum(text.count("<!-- runnable -->") for text in texts) - python == len(BLOCKS) > 0
    assert all(text.count("<!-- runnable together -->") == len(TOGETHER.findall(text)) for text in texts)
    assert WALKS
