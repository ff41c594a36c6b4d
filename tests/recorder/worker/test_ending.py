"""At the end of a recording everything that waits is stored, however long it takes, or counted as a gap."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from inspector import records
from inspector.recorder.recorder import Recorder
from inspector.recorder.start import start_recorder
from inspector.recorder.worker.ending import REASON, Ending, gaps_in_place_of
from inspector.recorder.worker.supervisor import SupervisedRecorder
from inspector.recorder.worker.wire import Committed
from inspector.records import CloseRecord, GapRecord
from tests.database import rows

pytestmark = pytest.mark.system

FRAMES = 12_000
BOTH = pytest.mark.parametrize("own_process", [True, False], ids=["process", "thread"])


def with_a_backlog(path: Path, own_process: bool) -> Recorder:
    """Return a recorder with a backlog that takes a while to store; one session has ended."""
    recorder = start_recorder(path, holder="test", own_process=own_process)
    for link in (1, 2):
        recorder.put(records.OpenRecord(link, *now(), {"charge_point_id": f"CP{link}", "subprotocol": "ocpp1.6"}))
    eventually(lambda: rows(path, "SELECT count(*) FROM sessions") == [(2,)], recorder)
    for number in range(FRAMES):
        raw = f'[2,"{number}","Heartbeat",{{}}]'.encode()
        recorder.put(records.FrameRecord(number % 2 + 1, *now(), True, records.TEXT, raw))
    recorder.put(records.CloseRecord(2, *now(), {"closed_by": "charge-point"}))
    return recorder


def now() -> tuple[int, int]:
    return time.time_ns(), time.monotonic_ns()


@BOTH
def test_all_that_waits_is_stored_however_long_it_takes(tmp_path: Path, own_process: bool) -> None:
    path = tmp_path / "slow.db"
    told: list[int] = []

    def tell(waiting: int) -> bool:
        told.append(waiting)
        return True

    summary = with_a_backlog(path, own_process).close(progress=tell)
    assert (summary.frames, summary.lost) == (FRAMES, 0)
    assert rows(path, "SELECT count(*) FROM frames") == [(FRAMES,)]
    assert rows(path, "SELECT clean_close FROM recordings") == [(1,)]
    assert told[0] > told[-1]


def test_an_end_goes_on_as_long_as_anything_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    at = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: at)
    ending = Ending(10.0)
    for acknowledged in range(20):
        assert ending.may_continue(acknowledged, 100)
        at += 9
    at += 2
    assert not ending.may_continue(19, 100)


def look_at_the_gap(path: Path, lost: int, stored: int) -> None:
    assert stored + lost == FRAMES and lost > 0
    assert rows(path, "SELECT count(*) FROM frames") == [(stored,)]
    sql = (
        "SELECT sum(detail ->> 'frames'), min(detail ->> 'reason') FROM events WHERE kind = 'gap' AND session_id IS {}"
    )
    assert rows(path, sql.format("NULL")) == [(lost, REASON)]
    assert rows(path, sql.format("NOT NULL")) == [(lost, REASON)]
    assert rows(path, "SELECT clean_close FROM recordings") == [(1,)]
    assert rows(path, "SELECT closed_by FROM sessions WHERE id = 2") == [("charge-point",)]


@BOTH
def test_an_end_at_once_is_one_and_tells_what_it_loses(tmp_path: Path, own_process: bool) -> None:
    path = tmp_path / "hurried.db"
    recorder = with_a_backlog(path, own_process)
    started = time.monotonic()
    summary = recorder.close(progress=lambda waiting: False)
    assert time.monotonic() - started < 10
    look_at_the_gap(path, summary.lost, summary.frames)


def test_a_recorder_that_hangs_is_replaced_by_one_that_tells_the_gap(tmp_path: Path) -> None:
    path = tmp_path / "hangs.db"
    recorder = with_a_backlog(path, own_process=True)
    assert isinstance(recorder, SupervisedRecorder)
    os.kill(recorder.pid, signal.SIGSTOP)
    summary = recorder.close(0.5)
    look_at_the_gap(path, summary.lost, summary.frames)


def eventually(true: Callable[[], bool], recorder: Recorder) -> None:
    """Let the recorder work until a condition holds."""
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        if isinstance(recorder, SupervisedRecorder):
            recorder._flush()
            recorder._wait_for(Committed, timeout=0.05)


def test_what_is_given_up_is_counted_by_session_and_ends_of_sessions_are_kept() -> None:
    def frame(link: int) -> records.Record:
        return records.FrameRecord(link, 5, 5, True, records.TEXT, b"x")

    earlier = GapRecord(1, 4, 4, 7, 1, {})
    end = records.CloseRecord(1, 9, 9, {})
    begun = [records.OpenRecord(2, 6, 6, {}), frame(2), records.CloseRecord(2, 7, 7, {})]
    told, frames = gaps_in_place_of(
        [frame(1), earlier, frame(1), records.EventRecord(1, 5, 5, "ping", {}), *begun, end]
    )
    assert frames == 3
    whole, share, *kept = told
    stamps = {"ts_ns": 0, "mono_ns": 0}
    more = {"events": 1, "sessions": 1, "reason": REASON}
    assert whole._replace(**stamps) == GapRecord(0, 0, 0, 3, 5, more)
    assert share._replace(**stamps) == GapRecord(1, 0, 0, 2, 5, {"reason": REASON})
    assert kept == [earlier, end] and isinstance(kept[-1], CloseRecord)
    assert gaps_in_place_of([]) == ([], 0)
