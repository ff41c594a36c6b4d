"""OCPP DebugKit, a tool by others, reads the traces that we write."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.formats.test_round_trips import run, strange

__all__ = ["strange"]  # the fixture `strange` must be visible in this module

RECORDINGS = Path(__file__).parents[2] / "recordings"


def inspected(peers: Path, trace: Path) -> str:
    """Return what OCPP DebugKit says about a trace."""
    command = ["node", peers / "node_modules" / ".bin" / "ocpp-debugkit", "inspect", trace]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def told(output: str, what: str) -> int:
    found = re.search(rf"{what}:\s+(\d+)", output)
    assert found is not None, output
    return int(found[1])


@pytest.mark.system
@pytest.mark.parametrize("recording", sorted(RECORDINGS.glob("*-1.6.jsonl")), ids=lambda path: path.stem)
def test_every_frame_of_an_exported_trace_is_an_event_and_nothing_is_warned_of(
    npm_peers: Path, recording: Path, tmp_path: Path
) -> None:
    run("import", recording, "--db", tmp_path / "a.db")
    run("export", tmp_path / "a.db", "-o", tmp_path / "a.jsonl")
    output = inspected(npm_peers, tmp_path / "a.jsonl")
    assert told(output, "Events") == len((tmp_path / "a.jsonl").read_text().splitlines())
    assert told(output, "Warnings") == 0


@pytest.mark.system
def test_what_a_trace_has_no_member_for_does_not_disturb_it(npm_peers: Path, strange: Path, tmp_path: Path) -> None:
    run("export", strange, "-o", tmp_path / "a.jsonl")
    assert told(inspected(npm_peers, tmp_path / "a.jsonl"), "Warnings") == 0
