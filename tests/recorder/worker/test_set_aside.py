"""A frame that crashes or hangs the recorder costs no other frame, and the report names it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from inspector.recorder.worker import hang_watch
from inspector.recorder.worker.supervisor import SupervisedRecorder
from tests.database import rows

from .test_supervisor import drained, frame, opened, started

pytestmark = pytest.mark.system

FAULTY = """
import os, signal
from inspector.redaction.redactor import Redactor
real = Redactor.frame
def frame(self, secrets, frame):
    if b"killing" in frame.raw:
        os.kill(os.getpid(), signal.SIGKILL)
    while b"hanging" in frame.raw:
        pass
    return real(self, secrets, frame)
Redactor.frame = frame
"""
"""What Python runs as it starts: a recorder that some frames kill, and that others keep for ever."""


@pytest.fixture(autouse=True)
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fault").mkdir()
    (tmp_path / "fault" / "sitecustomize.py").write_text(FAULTY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fault"))


def frames_with(recorder: SupervisedRecorder, what: str) -> str:
    """Two sessions call; one frame in the middle is faulty."""
    faulty = f'[2,"f","DataTransfer",{{"vendorId":"V","data":"{what} {"secret" * 100}"}}]'
    for session in (1, 2):
        opened(recorder, session)
    for number in range(20):
        for session in (1, 2):
            if (number, session) == (10, 1):
                frame(recorder, 1, True, faulty)
            frame(recorder, session, True, f'[2,"{session}-{number}","Heartbeat",{{}}]')
    return faulty


def assert_set_aside(path: Path, faulty: str) -> None:
    stored = rows(path, "SELECT raw, size, redacted, valid, session_id FROM frames ORDER BY id")
    starred = [row for row in stored if "*" in row[0]]
    assert starred == [("*" * len(faulty), len(faulty), 1, None, 1)]
    for session in (1, 2):
        texts = [row[0] for row in stored if row[4] == session and "*" not in row[0]]
        assert texts == [f'[2,"{session}-{number}","Heartbeat",{{}}]' for number in range(20)]
    gaps = rows(
        path,
        "SELECT session_id, after_frame_id, detail ->> '$.frame', detail ->> '$.size', detail ->> '$.frames'"
        " FROM events WHERE kind = 'gap'",
    )
    (at,) = rows(path, "SELECT id FROM frames WHERE redacted")[0]
    assert gaps == [(1, at, at, len(faulty), 0)]
    assert rows(path, f"SELECT count(*) FROM findings WHERE frame_id = {at}") == [(0,)], "nobody is accused of it"


async def test_frame_that_kills_the_recorder_twice_is_stored_as_asterisks_with_a_gap(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "killed.db"
    recorder = started(path)
    faulty = frames_with(recorder, "killing")
    await drained(recorder)
    summary = recorder.close()
    assert (summary.frames, summary.lost) == (41, 0)
    assert_set_aside(path, faulty)
    named = [line for line in caplog.messages if "frame 11 of session 1 of CP1" in line]
    assert len(named) == 2, caplog.text
    assert "secret" not in caplog.text


async def test_recorder_that_hangs_on_a_frame_is_ended_and_the_frame_is_named_and_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hang_watch, "HANGS_AFTER_S", 0.4)
    monkeypatch.setattr(hang_watch, "SLOW_AFTER_S", 0.0)
    path = tmp_path / "hangs.db"
    recorder = started(path)
    faulty = frames_with(recorder, "hanging")
    await drained(recorder)
    assert recorder.close().lost == 0
    assert_set_aside(path, faulty)
    hangs = [line for line in caplog.messages if "the recorder hangs" in line]
    assert len(hangs) == 2
    assert all("frame 11 of session 1 of CP1, 8" in line for line in hangs), hangs
    assert any("the recorder is slow" in line for line in caplog.messages)


async def test_slow_recorder_is_not_taken_for_one_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it works on a frame it counts as alive, and charge points that send more have to wait."""
    monkeypatch.setattr("inspector.recorder.worker.backpressure.HANGS_AFTER_S", 0.3)
    monkeypatch.setattr("inspector.recorder.worker.backpressure.STALLED_AFTER_S", 0.3)
    told: list[tuple[int, bool]] = []
    recorder = started(tmp_path / "slow.db", queue_limit=400_000)
    recorder.when_behind(lambda session, waits: told.append((session, waits)))
    opened(recorder, 1)
    frame(recorder, 1, True, '[2,"f","DataTransfer",{"vendorId":"hanging"}]')
    deadline = time.monotonic() + 20
    while not recorder._suspects.page.number:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    for number in range(800):
        frame(recorder, 1, True, f'[2,"{number}","Heartbeat",{{}}]')
    until = time.monotonic() + 2
    while time.monotonic() < until:
        assert recorder.status().working
        assert told == [(1, True)]
        await asyncio.sleep(0.05)
    recorder._process.kill()
    recorder.close(0.0)
