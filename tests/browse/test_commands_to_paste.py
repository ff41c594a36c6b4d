"""The commands that the pages offer, pasted into a shell unchanged."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from inspector.browse.views.commands import CSMS, program, target
from inspector.store.files.connection import open_recording
from inspector.store.reading import reader
from tests.browse.conftest import client
from tests.processes import Program


def pasted(line: str, folder: Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a line unchanged in a shell, in an empty folder."""
    shell, environment = ["sh", "-c", line], {"PATH": os.environ["PATH"]}
    return subprocess.run(
        shell, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )


async def lines_of(recording: Path, frame: int) -> dict[str, str]:
    """Return the commands that the page of a frame offers."""
    lines = (await client(recording)(f"/ocpp/frames/{frame}.json")).json()["lines"]
    assert isinstance(lines, dict)
    return lines


async def test_a_frame_is_checked_alone(recording: Path, tmp_path: Path) -> None:
    """The command contains the frame, so it works without the recording."""
    line = (await lines_of(recording, 215))["check_frame"]
    assert str(recording) not in line
    done = pasted(line, tmp_path)
    assert done.returncode == 1, done.stderr
    assert "connectorId" in done.stdout


async def test_a_recording_is_checked(recording: Path, tmp_path: Path) -> None:
    """The pasted command shows what the page shows, from any folder."""
    done = pasted((await lines_of(recording, 215))["check"], tmp_path)
    assert done.returncode == 1, done.stderr
    assert "rpc.orphan-answer" in done.stdout


async def test_a_session_is_exported(recording: Path, tmp_path: Path) -> None:
    """The command writes into the current folder; the file is named after the session."""
    done = pasted((await lines_of(recording, 215))["export"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "session-2.jsonl").read_text().count("DEPOT-07") > 10


@pytest.mark.long
async def test_a_session_is_replayed_to_the_csms_it_was_recorded_with(tmp_path: Path) -> None:
    """A session recorded by the real proxy is replayed to the local CSMS, whole and from a frame onwards."""
    folder = tmp_path / "with a space"
    folder.mkdir()
    db = folder / "traffic.db"
    with Program("csms", "--listen", "0") as csms:
        upstream = csms.wait_for(r"csms at (ws://\S+)")[1]
        with Program("proxy", "--upstream", upstream, "--listen", "0", "--db", db) as proxy:
            url = proxy.wait_for(r"listening on (ws://\S+)")[1]
            with Program("charge-point", "--url", url, "--id", "CP-7", "--ocpp", "1.6") as charge_point:
                assert charge_point.finish(60) == 0, charge_point.report()
            assert proxy.stop() == 0
        lines = (await client(db)("/ocpp/sessions/1.json")).json()["lines"]
        done = pasted(lines["replay"], tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        last = (await client(db)("/ocpp/sessions/1/frames.json?end=1")).json()["frames"][-1]["id"]
        from_here = (await lines_of(db, last - 3))["replay_from"]
        assert from_here.startswith(lines["replay"])
        # A CSMS may refuse a session that begins in the middle; the test asks only whether the replay reached it.
        done = pasted(from_here, tmp_path)
        assert done.returncode in (0, 1), done.stdout + done.stderr
        assert "CP-7" in done.stdout


@pytest.mark.parametrize(
    ("upstream", "to"),
    [
        ("ws://127.0.0.1:9000/ocpp/CP-1", "ws://127.0.0.1:9000/ocpp"),
        ("wss://localhost:9443/CP-1", "wss://localhost:9443"),
        ("ws://[::1]:9000/a/b/CP-1", "ws://[::1]:9000/a/b"),
        ("wss://csms.example/ocpp/CP-1", CSMS),
        ("ws://10.0.0.7:9000/CP-1", CSMS),
        (None, CSMS),
        ("ws://[broken", CSMS),
    ],
)
def test_a_line_never_names_a_csms_elsewhere(recording: Path, upstream: str | None, to: str) -> None:
    """Otherwise a pasted command could replay a session to somebody's production CSMS."""
    db = open_recording(recording)
    one = reader.session(db, 1)
    db.close()
    assert one is not None
    assert target(replace(one, upstream_url=upstream)) == to


@pytest.mark.parametrize("found", [True, False])
def test_a_command_has_the_path_of_the_program_where_the_shell_does_not_find_it(
    found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/somewhere/{name}" if found else None)
    program.cache_clear()
    monkeypatch.setattr("sys.executable", "/no such folder/python")
    try:
        assert program() == ("chargesentinel" if found else "'/no such folder/python' -m inspector")
    finally:
        program.cache_clear()
