"""A recording that continues in another file after rotation, deletion or replacement. Each file can be read alone."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest

from inspector import records
from inspector.browse.formatting import ending
from inspector.offline.check import check
from inspector.recorder.worker.supervisor import SupervisedRecorder
from inspector.store.files.connection import open_recording
from inspector.store.files.rotation import segments
from inspector.store.files.sealing import is_sealed
from inspector.store.reading.reader import sessions
from inspector.store.reading.stored_records import read
from tests.database import rows
from tests.recorder.worker.test_supervisor import drained, frame, opened, started
from tests.waiting import until

HEARTBEAT = '[2,"{}","Heartbeat",{{}}]'
ANSWER = '[3,"{}",{{"currentTime":"2026-01-01T12:00:00Z"}}]'


def frames_of(path: Path) -> list[str]:
    return [raw for (raw,) in rows(path, "SELECT raw FROM frames ORDER BY id")]


def charging(recorder: SupervisedRecorder, link: int) -> None:
    for from_charge_point, raw in (
        (True, '[2,"b","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'),
        (False, '[3,"b",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":300}]'),
        (True, '[2,"a","Authorize",{"idTag":"T"}]'),
        (False, '[3,"a",{"idTagInfo":{"status":"Accepted"}}]'),
        (
            True,
            '[2,"s","StartTransaction",{"connectorId":1,"idTag":"T","meterStart":100,"timestamp":"2026-01-01T12:00:00Z"}]',
        ),
        (False, '[3,"s",{"transactionId":77,"idTagInfo":{"status":"Accepted"}}]'),
    ):
        frame(recorder, link, from_charge_point, raw)


async def test_the_next_file_goes_on_where_the_one_before_ended(tmp_path: Path) -> None:
    """A transaction spans the rotation, a CALL is answered after it, and each file has one session that ends."""
    path = tmp_path / "traffic.db"
    recorder = started(path, rotate="1s")
    for link in (1, 2):
        opened(recorder, link)
    recorder.put(records.EventRecord(1, *_now(), "handshake", {"request": "GET /CP1"}))
    charging(recorder, 1)
    frame(recorder, 1, True, HEARTBEAT.format("over"))
    recorder.put(records.CloseRecord(2, *_now(), {"closed_by": "charge-point"}))
    await until(lambda: len(segments(path)) > 1)
    frame(recorder, 1, False, ANSWER.format("over"))
    frame(
        recorder,
        1,
        True,
        '[2,"e","StopTransaction",{"transactionId":77,"meterStop":900,"timestamp":"2026-01-01T13:00:00Z"}]',
    )
    frame(recorder, 1, False, '[3,"e",{}]')
    await drained(recorder)
    summary = recorder.close()
    first, second = segments(path)[:2]
    assert path.readlink() == Path(segments(path)[-1].name)
    assert (summary.sessions, summary.frames, summary.lost, summary.errors) == (2, 10, 0, 0)
    assert is_sealed(first) and is_sealed(second)
    assert len(frames_of(first)) == 7 and len(frames_of(second)) == 3
    # The first file: sessions that continue are marked as such, the others have ended.
    assert rows(first, "SELECT id, closed_by FROM sessions ORDER BY id") == [(1, "rotation"), (2, "charge-point")]
    assert rows(first, "SELECT session_id, detail ->> 'in' FROM events WHERE kind = 'continues'") == [(1, second.name)]
    assert rows(first, "SELECT clean_close FROM recordings") == [(1,)]
    with closing(open_recording(first)) as db:
        assert ending(sessions(db, charge_point_id="CP1")[0]) == "continues in the next file"
    # The second file: the session keeps its number, handshake and charge point, the transaction its start.
    assert rows(second, "SELECT id, charge_point_id, frame_count FROM sessions") == [(1, "CP1", 3)]
    assert rows(second, "SELECT detail ->> 'from' FROM events WHERE kind = 'continued' AND session_id = 1") == [
        (first.name,)
    ]
    assert rows(second, "SELECT count(*) FROM events WHERE kind = 'handshake'") == [(1,)]
    assert rows(second, "SELECT charge_point_id, vendor FROM charge_points") == [("CP1", "V")]
    assert rows(
        second, "SELECT id, transaction_id, meter_start_wh, meter_stop_wh, start_frame_id FROM transactions"
    ) == [(1, "77", 100.0, 900.0, None)]
    # The answer is recognised as such, although its CALL is in the previous file.
    assert rows(second, "SELECT id, action, call_id, latency_us > 0 FROM frames LIMIT 1") == [(8, "Heartbeat", None, 1)]
    for file in (first, second):
        assert rows(file, "PRAGMA integrity_check") == [("ok",)]
        assert rows(file, "PRAGMA foreign_key_check") == []
        assert [
            str(found.finding)
            for found in check(step for step, _ in read(file)).findings
            if found.finding.severity != "info"
        ] == []


def _now() -> tuple[int, int]:
    return time.time_ns(), time.monotonic_ns()


async def test_a_finding_that_repeats_begins_again_in_the_next_file(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    recorder = started(path, rotate="1s")
    opened(recorder, 1)
    for number in range(3):
        frame(recorder, 1, True, f'[2,"{number}","Heartbeat",{{"x":1}}]')
        frame(recorder, 1, False, ANSWER.format(number))
    await until(lambda: len(segments(path)) > 1)
    for number in range(3, 5):
        frame(recorder, 1, True, f'[2,"{number}","Heartbeat",{{"x":1}}]')
        frame(recorder, 1, False, ANSWER.format(number))
    await drained(recorder)
    recorder.close()
    first, second = segments(path)[:2]
    sql = "SELECT count, frame_id, last_frame_id FROM findings WHERE rule_id = 'payload.schema'"
    assert rows(first, sql) == [(3, 1, 5)]
    assert rows(second, sql) == [(2, 7, 9)]
    for file in (first, second):
        (errors,) = rows(file, "SELECT sum(count) FROM findings WHERE severity = 'error'")
        assert rows(file, "SELECT error_count FROM sessions") == [errors]


@pytest.mark.parametrize("victim", ["recorder", "nobody"])
@pytest.mark.system
async def test_rotation_by_size_under_load_keeps_every_frame_once(tmp_path: Path, victim: str) -> None:
    path = tmp_path / "traffic.db"
    recorder = started(path, rotate="600kB")
    for link in range(1, 5):
        opened(recorder, link)
    sent = killed = 0
    while len(segments(path)) < 4:
        for _ in range(50):
            sent += 1
            frame(recorder, sent % 4 + 1, True, HEARTBEAT.format(sent))
            frame(recorder, sent % 4 + 1, False, ANSWER.format(sent))
        if victim == "recorder" and len(segments(path)) > killed:
            killed += 1  # as soon as each file appears, the first one included
            os.kill(recorder.pid, signal.SIGKILL)
        await until(lambda: recorder.waiting < 3000)
        await asyncio.sleep(0.002)
        assert sent < 60_000, "no rotation"
    await drained(recorder)
    summary = recorder.close()
    assert (summary.frames, summary.lost) == (2 * sent, 0)
    files = segments(path)
    stored = [raw for file in files for raw in frames_of(file)]
    assert len(stored) == len(set(stored)) == 2 * sent
    ids = [number for file in files for (number,) in rows(file, "SELECT id FROM frames ORDER BY id")]
    assert ids == list(range(1, 2 * sent + 1))
    assert killed >= (3 if victim == "recorder" else 0)
    for file in files:
        assert is_sealed(file)
        assert rows(file, "PRAGMA integrity_check") == [("ok",)]
        assert rows(file, "PRAGMA foreign_key_check") == []
        assert rows(file, "SELECT count(*) FROM sessions") == [(4,)]
        assert rows(file, "SELECT sum(frame_count) FROM sessions") == rows(file, "SELECT count(*) FROM frames")
        assert rows(file, "SELECT count(*) FROM findings WHERE severity = 'error'") == [(0,)]


async def test_a_deleted_file_is_made_anew_and_what_went_with_it_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    recorder = started(path)
    opened(recorder, 1)
    for number in range(10):
        frame(recorder, 1, True, HEARTBEAT.format(number))
    await drained(recorder)
    for file in tmp_path.iterdir():
        file.unlink()
    for number in range(10, 15):
        frame(recorder, 1, True, HEARTBEAT.format(number))
    await drained(recorder)
    assert recorder.status().lost == 10
    assert recorder.status().working
    assert frames_of(path) == [HEARTBEAT.format(number) for number in range(10, 15)]
    frame(recorder, 1, True, HEARTBEAT.format("last"))
    await drained(recorder)
    summary = recorder.close()
    assert (summary.frames, summary.lost) == (6, 10)
    assert rows(path, "SELECT charge_point_id, frame_count FROM sessions") == [("CP1", 6)]
    gaps = rows(path, "SELECT session_id, detail ->> 'frames', detail ->> 'reason' FROM events WHERE kind = 'gap'")
    assert [gap[:2] for gap in gaps] == [(None, 10), (1, 10)]
    assert "deleted" in gaps[0][2]
    assert rows(path, "PRAGMA foreign_key_check") == []


async def test_a_deleted_file_is_noticed_while_nothing_happens(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    recorder = started(path)
    opened(recorder, 1)
    frame(recorder, 1, True, HEARTBEAT.format("a"))
    await drained(recorder)
    path.unlink()
    await until(path.exists)
    await until(lambda: recorder.status().lost == 1)
    recorder.close()


async def test_a_file_put_in_the_place_of_a_recording_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    recorder = started(path)
    opened(recorder, 1)
    frame(recorder, 1, True, HEARTBEAT.format("a"))
    await drained(recorder)
    other = tmp_path / "other"
    other.write_bytes(b"somebody's")
    other.replace(path)
    frame(recorder, 1, True, HEARTBEAT.format("b"))
    await drained(recorder)
    os.kill(recorder.pid, signal.SIGKILL)
    frame(recorder, 1, True, HEARTBEAT.format("c"))
    await drained(recorder)
    summary = recorder.close()
    assert path.read_bytes() == b"somebody's"
    (beside,) = segments(path)
    assert frames_of(beside) == [HEARTBEAT.format("b"), HEARTBEAT.format("c")]
    assert (summary.frames, summary.lost) == (2, 1)


async def test_a_deleted_wal_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    recorder = started(path)
    opened(recorder, 1)
    frame(recorder, 1, True, HEARTBEAT.format("a"))
    await drained(recorder)
    (tmp_path / "traffic.db-wal").unlink()
    frame(recorder, 1, True, HEARTBEAT.format("b"))
    await until(lambda: segments(path))
    frame(recorder, 1, True, HEARTBEAT.format("c"))
    await drained(recorder)
    summary = recorder.close()
    (beside,) = segments(path)
    assert [*frames_of(path), *frames_of(beside)] == [HEARTBEAT.format(name) for name in "abc"]
    assert (summary.frames, summary.lost) == (3, 0)


async def test_a_file_deleted_while_its_recorder_is_down_is_counted_too(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    recorder = started(path)
    opened(recorder, 1)
    frame(recorder, 1, True, HEARTBEAT.format("a"))
    await drained(recorder)
    os.kill(recorder.pid, signal.SIGSTOP)
    for file in tmp_path.iterdir():
        file.unlink()
    os.kill(recorder.pid, signal.SIGKILL)
    frame(recorder, 1, True, HEARTBEAT.format("b"))
    await drained(recorder)
    summary = recorder.close()
    assert frames_of(path) == [HEARTBEAT.format("b")]
    assert (summary.frames, summary.lost) == (1, 1)
    assert rows(path, "SELECT charge_point_id FROM sessions") == [("CP1",)]
    assert rows(path, "SELECT detail ->> 'frames' FROM events WHERE kind = 'gap'") == [(1,)]
