"""The recorder as a supervised process: killed at any moment, it loses and doubles nothing and continues judging."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from inspector import records
from inspector.errors import UnusableFile
from inspector.recorder.start import start_recorder
from inspector.recorder.worker import backpressure, process, supervisor
from inspector.recorder.worker.supervisor import SupervisedRecorder
from inspector.store.files.lock import WriterLock
from tests.database import rows
from tests.waiting import until

pytestmark = pytest.mark.system

LINKS = 4


def started(path: Path, **more: Any) -> SupervisedRecorder:
    recorder = start_recorder(path, holder="test", own_process=True, **more)
    assert isinstance(recorder, SupervisedRecorder)
    return recorder


def stamps() -> tuple[int, int]:
    return time.time_ns(), time.monotonic_ns()


def opened(recorder: SupervisedRecorder, link: int) -> None:
    facts: records.SessionFacts = {"charge_point_id": f"CP{link}", "subprotocol": "ocpp1.6"}
    facts["subprotocols_offered"] = ["ocpp1.6"]
    recorder.put(records.OpenRecord(link, *stamps(), facts))


def frame(recorder: SupervisedRecorder, link: int, from_charge_point: bool, raw: str) -> None:
    recorder.put(records.FrameRecord(link, *stamps(), from_charge_point, records.TEXT, raw.encode()))


async def drained(recorder: SupervisedRecorder, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while recorder.waiting:
        assert time.monotonic() < deadline, f"{recorder.waiting} records were not acknowledged"
        await asyncio.sleep(0.01)


async def test_what_is_put_is_on_disk_once_it_is_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "a b.db"
    recorder = started(path)
    opened(recorder, 1)
    frame(recorder, 1, True, '[2,"a","Heartbeat",{}]')
    await drained(recorder)
    assert rows(path, "SELECT raw FROM frames") == [('[2,"a","Heartbeat",{}]',)]
    summary = recorder.close()
    assert (summary.sessions, summary.frames, summary.lost) == (1, 1, 0)
    assert rows(path, "SELECT clean_close FROM recordings") == [(1,)]


async def test_a_recorder_that_is_killed_comes_back_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    path = tmp_path / "killed.db"
    recorder = started(path)
    for link in range(1, LINKS + 1):
        opened(recorder, link)
    killed = []
    for number in range(1500):
        link = number % LINKS + 1
        frame(recorder, link, True, f'[2,"{number}","Heartbeat",{{}}]')
        frame(recorder, link, False, f'[3,"{number}",{{"currentTime":"2026-01-01T12:00:00Z"}}]')
        if number in (300, 900):
            await drained(recorder)
        if number in (301, 905):
            killed.append(recorder.pid)
            os.kill(recorder.pid, signal.SIGKILL)
        await asyncio.sleep(0)
    await drained(recorder)
    assert recorder.pid not in killed
    summary = recorder.close()
    assert (summary.sessions, summary.frames, summary.lost) == (LINKS, 3000, 0)
    stored = rows(path, "SELECT raw FROM frames ORDER BY id")
    assert len(stored) == 3000
    assert len(set(stored)) == 3000
    assert rows(path, "SELECT count(*) FROM sessions WHERE frame_count = 750") == [(LINKS,)]
    # Each answer was paired with its CALL, even with a kill between the two.
    assert rows(path, "SELECT count(*) FROM frames WHERE call_id IS NOT NULL") == [(1500,)]
    assert rows(path, "SELECT count(*), min(clean_close) FROM recordings") == [(1, 1)]


async def test_a_restarted_recorder_goes_on_with_the_same_findings(tmp_path: Path) -> None:
    path = tmp_path / "findings.db"
    recorder = started(path)
    opened(recorder, 1)
    for number in range(6):
        frame(recorder, 1, True, f'[2,"{number}","Authorize",{{"idTag":{number}}}]')
        frame(recorder, 1, False, f'[3,"{number}",{{"idTagInfo":{{"status":"Invalid"}}}}]')
        if number == 2:
            await drained(recorder)
            os.kill(recorder.pid, signal.SIGKILL)
    await drained(recorder)
    recorder.close()
    found = rows(path, "SELECT count, frame_id, last_frame_id FROM findings WHERE rule_id = 'payload.schema'")
    assert found == [(6, 1, 11)]


async def test_a_restarted_recorder_reads_back_no_more_bytes_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.db"
    recorder = started(path)
    opened(recorder, 1)
    for number in range(10):
        frame(recorder, 1, True, f'[2,"{number}","DataTransfer",{{"vendorId":"{"v" * 1000}"}}]')
    await drained(recorder)
    recorder.close()
    monkeypatch.setattr(process, "RESTORED_BYTES", 3500)
    with closing(sqlite3.connect(path)) as connection:
        steps = list(process.stored(connection, 1))
    assert [row_id for record, row_id in steps if isinstance(record, records.FrameRecord)] == [8, 9, 10]
    assert [record.facts.get("from_start") for record, _ in steps if isinstance(record, records.OpenRecord)] == [False]


async def test_frames_beyond_the_bound_are_counted_and_the_gap_is_written_down(tmp_path: Path) -> None:
    path = tmp_path / "gap.db"
    recorder = started(path, queue_limit=20_000)
    opened(recorder, 1)
    await drained(recorder)
    os.kill(recorder.pid, signal.SIGSTOP)
    sent = 300
    for number in range(sent):
        frame(recorder, 1, True, f'[2,"{number}","Heartbeat",{{}}]')
    os.kill(recorder.pid, signal.SIGCONT)
    await drained(recorder)
    frame(recorder, 1, True, '[2,"after","Heartbeat",{}]')
    await drained(recorder)
    summary = recorder.close()
    assert 0 < summary.lost < sent
    assert summary.frames + summary.lost == sent + 1
    gaps = rows(path, "SELECT detail ->> '$.frames' FROM events WHERE kind = 'gap' AND session_id IS NOT NULL")
    assert gaps == [(summary.lost,)]


def test_a_relay_that_is_killed_leaves_what_it_handed_over(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    script = f"""
import asyncio, os, pathlib, sys
sys.path.insert(0, os.getcwd())
from tests.recorder.worker.test_supervisor import drained, frame, opened, started
async def main():
    recorder = started(pathlib.Path({str(path)!r}))
    opened(recorder, 1)
    for number in range(100):
        frame(recorder, 1, True, f'[2,"{{number}}","Heartbeat",{{{{}}}}]')
    recorder._flush()
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    deadline = time.monotonic() + 20
    while rows(path, "SELECT count(*), max(clean_close) FROM frames, recordings") != [(100, 0)]:
        assert time.monotonic() < deadline, rows(path, "SELECT count(*), max(clean_close) FROM frames, recordings")
        time.sleep(0.05)


def test_a_file_that_cannot_be_used_is_refused_before_recording_begins(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    path.write_text("no database" * 200)
    with pytest.raises(UnusableFile, match="not a SQLite database"):
        started(path)


async def test_recorder_that_stores_nothing_of_what_waits_counts_as_not_working(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = started(tmp_path / "hangs.db")
    opened(recorder, 1)
    await drained(recorder)
    monkeypatch.setattr(backpressure, "HANGS_AFTER_S", 0.1)
    await asyncio.sleep(0.2)
    assert recorder.status().working, "a recorder that has nothing to do works"
    monkeypatch.setattr(backpressure, "HANGS_AFTER_S", 60.0)
    os.kill(recorder.pid, signal.SIGSTOP)
    try:
        frame(recorder, 1, True, '[2,"1","Heartbeat",{}]')
        await asyncio.sleep(0.1)
        assert recorder.status().working
        monkeypatch.setattr(backpressure, "HANGS_AFTER_S", 0.1)
        await until(lambda: not recorder.status().working)
    finally:
        os.kill(recorder.pid, signal.SIGCONT)
    await drained(recorder)
    assert recorder.status().working
    assert recorder.close().lost == 0


@contextmanager
def descriptors(taken: int | None) -> Iterator[None]:
    """Use this many more file descriptors; with None, all that the process may have."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = 4096 if taken is not None else max(map(int, os.listdir("/proc/self/fd"))) + 20  # noqa: PTH208
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
    held: list[int] = []
    try:
        with suppress(OSError):
            while taken is None or len(held) < taken:
                held.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def killed_and_back(recorder: SupervisedRecorder) -> None:
    before = recorder.pid
    os.kill(before, signal.SIGKILL)
    await until(lambda: recorder.pid != before and recorder.status().working)


async def test_recorder_comes_back_to_a_relay_with_a_thousand_connections(tmp_path: Path) -> None:
    recorder = started(tmp_path / "many.db")
    opened(recorder, 1)
    await drained(recorder)
    with descriptors(1200):
        await killed_and_back(recorder)
        frame(recorder, 1, True, '[2,"1","Heartbeat",{}]')
        await drained(recorder)
        assert recorder.close().lost == 0
    assert rows(tmp_path / "many.db", "SELECT count(*) FROM frames") == [(1,)]


async def test_recorder_that_cannot_be_started_now_is_started_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "RESTART_AFTER_S", (0.05,))
    recorder = started(tmp_path / "later.db")
    opened(recorder, 1)
    await drained(recorder)
    with descriptors(None):
        os.kill(recorder.pid, signal.SIGKILL)
        frame(recorder, 1, True, '[2,"1","Heartbeat",{}]')
        await until(lambda: "cannot start the recorder" in caplog.text)
    await drained(recorder)
    assert recorder.close().lost == 0
    assert rows(tmp_path / "later.db", "SELECT count(*) FROM frames") == [(1,)]


async def test_a_recorder_that_takes_long_to_end_is_let_go_of_once_the_next_one_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine its socket closes long before the system reports its end; no zombie remains."""
    recorder = started(tmp_path / "slow.db")
    opened(recorder, 1)
    await drained(recorder)
    first, asked = recorder._process, []
    poll = first.poll
    monkeypatch.setattr(first, "poll", lambda: asked.append(1) if len(asked) < 2 else poll())
    os.kill(first.pid, signal.SIGKILL)
    while recorder.pid == first.pid:
        await asyncio.sleep(0.01)
    frame(recorder, 1, True, '[2,"a","Heartbeat",{}]')
    await drained(recorder)
    assert not Path(f"/proc/{first.pid}").exists()
    recorder.close()


async def test_a_recorder_that_died_just_before_the_end_is_started_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "RESTART_AFTER_S", (60.0,))
    path = tmp_path / "died.db"
    recorder = started(path)
    opened(recorder, 1)
    await drained(recorder)
    os.kill(recorder.pid, signal.SIGKILL)
    while recorder.status().working:
        await asyncio.sleep(0.01)
    frame(recorder, 1, True, '[2,"a","Heartbeat",{}]')
    assert recorder.close().lost == 0
    assert rows(path, "SELECT count(*), (SELECT min(clean_close) FROM recordings) FROM frames") == [(1, 1)]


@pytest.mark.parametrize("rotate", [None, "day"], ids=["one file", "rotated"])
async def test_at_the_end_a_file_that_is_still_held_is_waited_for(tmp_path: Path, rotate: str | None) -> None:
    """A killed process may keep its lock until the disk has finished a write."""
    path = tmp_path / "held.db"
    recorder = started(path, rotate=rotate)
    opened(recorder, 1)
    frame(recorder, 1, True, '[2,"a","Heartbeat",{}]')
    await drained(recorder)
    os.kill(recorder.pid, signal.SIGKILL)
    os.waitid(os.P_PID, recorder.pid, os.WEXITED | os.WNOWAIT)
    lock = WriterLock(path.resolve() if rotate else path, "somebody else")
    frame(recorder, 1, True, '[2,"b","Heartbeat",{}]')
    threading.Timer(1.0, lock.release).start()
    assert recorder.close().lost == 0
    assert rows(path, "SELECT message_id FROM frames") == [("a",), ("b",)]
    assert rows(path, "SELECT clean_close FROM recordings") == [(1,)]


async def test_a_recorder_that_is_killed_while_it_ends_is_started_once_more(tmp_path: Path) -> None:
    path = tmp_path / "ending.db"
    recorder = started(path)
    opened(recorder, 1)
    await drained(recorder)
    first = recorder.pid
    os.kill(first, signal.SIGSTOP)
    frame(recorder, 1, True, '[2,"a","Heartbeat",{}]')
    threading.Timer(0.3, os.kill, (first, signal.SIGKILL)).start()
    assert recorder.close().lost == 0
    assert rows(path, "SELECT count(*), (SELECT min(clean_close) FROM recordings) FROM frames") == [(1, 1)]
