"""Recordings for the tests of commands that read them, and a way to run these commands."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from inspector.cli import main
from tests.browse.charging import Recording, charge_201, charge_badly, charge_well, example

type Run = Callable[..., subprocess.CompletedProcess[str]]

ESCAPES = "\x1b[31m\x9b2J\u202e\x07"


def in_this_process(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, which saves the start of an interpreter."""
    out, err = io.StringIO(), io.StringIO()
    line = ["chargesentinel", *map(str, arguments)]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", line)
        with pytest.raises(SystemExit) as ended:
            main()
    return subprocess.CompletedProcess(line, int(ended.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording of four sessions: a good one in 1.6, a bad one, one in 2.0.1, and one that was cut off."""
    return example(tmp_path_factory.mktemp("recordings") / "a recording.db")


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording in which every text from the wire has control characters for a terminal."""
    recording = Recording(tmp_path_factory.mktemp("hostile") / "hostile.db")
    name = f"CP-{ESCAPES}"
    link = recording.connect(name, remote_addr=f"10.0.0.1{ESCAPES}")
    link.boot(vendor=ESCAPES, model="[bold]m[/x]", serial=ESCAPES)
    link.say(True, f'[2,"{ESCAPES}","Boot{ESCAPES}",{{"{ESCAPES}":1}}]')
    link.call(f"Act{ESCAPES}", {"x": ESCAPES}, error=f"Code{ESCAPES}")
    link.call("StatusNotification", {"connectorId": 1, "errorCode": ESCAPES, "status": "[/red]"}, {})
    link.say(True, ESCAPES.encode())
    link.event("fault", {"what": ESCAPES})
    link.close(cp_close_reason=ESCAPES, csms_close_reason=ESCAPES)
    return recording.finish()


@pytest.fixture
def growing(tmp_path: Path) -> Recording:
    """Return a recording of three sessions that is still being written."""
    recording = Recording(tmp_path / "growing.db")
    charge_well(recording, samples=4)
    charge_badly(recording)
    charge_201(recording, samples=2)
    recording.commit()
    return recording
