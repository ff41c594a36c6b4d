"""Whoever sends more than a recorder can store has to wait or loses frames; other charge points do not."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from inspector.recorder.worker import backpressure
from tests.database import rows

from .test_supervisor import drained, frame, opened, started


async def test_nobody_waits_for_a_recorder_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Peers are slowed down to the pace of a busy recorder, but a hanging recorder must not stop charging."""
    monkeypatch.setattr(backpressure, "STALLED_AFTER_S", 0.3)
    told: list[bool] = []
    recorder = started(tmp_path / "hangs.db", queue_limit=400_000)
    recorder.when_behind(lambda _, waits: told.append(waits))
    opened(recorder, 1)
    await drained(recorder)
    os.kill(recorder.pid, signal.SIGSTOP)
    try:
        for number in range(750):
            frame(recorder, 1, True, f'[2,"{number}","Heartbeat",{{}}]')
        await asyncio.sleep(0.05)
        deadline = time.monotonic() + 10
        while told[-1:] != [False]:
            assert time.monotonic() < deadline, told
            await asyncio.sleep(0.05)
    finally:
        os.kill(recorder.pid, signal.SIGCONT)
    await drained(recorder)
    assert told[:2] == [True, False]
    assert recorder.close().lost == 0


async def test_few_but_large_frames_make_peers_wait_too_and_at_once(tmp_path: Path) -> None:
    told: list[tuple[int, bool]] = []
    recorder = started(tmp_path / "large.db", queue_limit=4_000_000)
    recorder.when_behind(lambda number, waits: told.append((number, waits)))
    opened(recorder, 1)
    opened(recorder, 2)
    await drained(recorder)
    os.kill(recorder.pid, signal.SIGSTOP)
    try:
        large = f'[2,"a","DataTransfer",{{"vendorId":"V","data":"{"x" * 600_000}"}}]'
        frame(recorder, 1, True, large)
        frame(recorder, 1, True, large)
        assert told == []
        frame(recorder, 1, True, large)
        assert told == [(1, True)]  # already during `put`, before the peer can send more
        frame(recorder, 2, True, '[2,"a","Heartbeat",{}]')
        assert told == [(1, True)], "who sends little does not wait for who sends much"
    finally:
        os.kill(recorder.pid, signal.SIGCONT)
    await drained(recorder)
    assert told == [(1, True), (1, False)]
    assert recorder.close().lost == 0


async def test_peers_wait_for_a_busy_recorder_after_some_silence_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without records there are no acknowledgements, so a silent period does not mean that the recorder hangs."""
    monkeypatch.setattr(backpressure, "STALLED_AFTER_S", 0.3)
    told: list[bool] = []
    recorder = started(tmp_path / "silence.db", queue_limit=400_000)
    recorder.when_behind(lambda _, waits: told.append(waits))
    opened(recorder, 1)
    await drained(recorder)
    await asyncio.sleep(0.4)
    for number in range(750):
        frame(recorder, 1, True, f'[2,"{number}","Heartbeat",{{}}]')
    assert told == [True]
    await drained(recorder)
    recorder.close()


async def test_who_floods_a_recorder_that_does_nothing_loses_frames_of_its_own_alone(tmp_path: Path) -> None:
    path = tmp_path / "share.db"
    recorder = started(path, queue_limit=400_000)
    for session in (1, 2):
        opened(recorder, session)
    await drained(recorder)
    os.kill(recorder.pid, signal.SIGSTOP)
    for number in range(4000):
        frame(recorder, 1, True, f'[2,"{number}","Heartbeat",{{}}]')
        if number % 100 == 0:
            frame(recorder, 2, True, f'[2,"{number}","Heartbeat",{{}}]')
    os.kill(recorder.pid, signal.SIGCONT)
    await drained(recorder)
    frame(recorder, 1, True, '[2,"after","Heartbeat",{}]')
    await drained(recorder)
    summary = recorder.close()
    stored = dict(rows(path, "SELECT session_id, count(*) FROM frames GROUP BY 1"))
    assert stored[2] == 40
    assert 500 < stored[1] < 4001
    gaps = rows(path, "SELECT session_id, sum(detail ->> '$.frames') FROM events WHERE kind = 'gap' GROUP BY 1")
    assert gaps == [(1, 4001 - stored[1])] == [(1, summary.lost)]
    assert rows(path, "SELECT count(*) FROM frames WHERE message_id = 'after'") == [(1,)]


async def test_who_sends_too_much_waits_while_a_recorder_that_was_killed_is_started_again(tmp_path: Path) -> None:
    """Otherwise it could send minutes of work until the recorder is back."""
    told: list[bool] = []
    recorder = started(tmp_path / "killed.db", queue_limit=400_000)
    recorder.when_behind(lambda _, waits: told.append(waits))
    opened(recorder, 1)
    await drained(recorder)
    first = recorder.pid
    os.kill(first, signal.SIGSTOP)
    for number in range(750):
        frame(recorder, 1, True, f'[2,"{number}","Heartbeat",{{}}]')
    os.kill(first, signal.SIGKILL)
    while recorder.pid == first or not recorder.status().working:
        assert told == [True]
        await asyncio.sleep(0.01)
    await drained(recorder)
    assert told == [True, False]
    assert recorder.close().lost == 0
