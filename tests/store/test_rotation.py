"""When a file is complete, how the next one is named, and what a start repairs."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector import records
from inspector.errors import UnusableFile, UserMistake
from inspector.recorder import rollover
from inspector.recorder.pipeline import Pipeline
from inspector.store.files import rotation
from inspector.store.files.rotation import Rotation, segments
from inspector.store.files.sealing import is_sealed
from inspector.store.writing.writer import Writer
from inspector.units import duration_s, size_bytes
from tests.store.test_recordings import killed_in_a_change

DAY_NS = 86_400 * 10**9
NOON = 1_795_348_800 * 10**9  # 2026-11-22T12:00:00Z


@pytest.mark.parametrize(
    ("text", "size", "since_ns", "now_ns", "due"),
    [
        ("500MB", 499_999_999, 0, DAY_NS, False),
        ("500MB", 500_000_000, 0, 0, True),
        ("64MiB", 64 * 1024**2, 0, 0, True),
        ("24h", 10**12, NOON, NOON + DAY_NS - 1, False),
        ("24h", 0, NOON, NOON + DAY_NS, True),
        ("day", 10**12, NOON, NOON + DAY_NS // 2 - 1, False),
        ("day", 0, NOON, NOON + DAY_NS // 2, True),
        ("day", 0, NOON, NOON - DAY_NS, False),  # the clock was set back a little
        ("day", 0, NOON, NOON - DAY_NS - 1, True),
        ("24h", 0, NOON, NOON - DAY_NS + 1, False),
        ("24h", 0, NOON, NOON - 365 * DAY_NS, True),
    ],
)
def test_a_file_is_complete_at_its_size_its_age_or_midnight(
    text: str, size: int, since_ns: int, now_ns: int, due: bool
) -> None:
    assert Rotation.parse(text).due(size, since_ns, now_ns) is due


@pytest.mark.parametrize("when", ["1h", "day"])
def test_no_file_follows_one_that_holds_no_frame(tmp_path: Path, when: str) -> None:
    """With a charge point that is silent for days, the age of the file begins with its first frame."""
    path = tmp_path / "traffic.db"
    pipeline = Pipeline(Writer(path, tool_version="0", rotate=when, started_ns=NOON - 9 * DAY_NS))
    pipeline.take(records.OpenRecord(1, NOON - 9 * DAY_NS, 0, {"charge_point_id": "CP1", "subprotocol": "ocpp1.6"}))
    pipeline.take(records.EventRecord(1, NOON - 8 * DAY_NS, 1, "ping", {"from": "csms"}))
    pipeline.commit()
    rollover.rotate_if_due(pipeline)
    assert len(rotation.segments(path)) == 1

    def beat(at: int) -> None:
        pipeline.take(records.FrameRecord(1, at, 2, True, records.TEXT, b'[2,"1","Heartbeat",{}]'))
        pipeline.commit()

    beat(time.time_ns())
    rollover.rotate_if_due(pipeline)  # the file is old, but its frame is not
    assert len(rotation.segments(path)) == 1
    with closing(sqlite3.connect(pipeline.writer.path)) as db:  # as if a few days had passed
        db.execute("UPDATE frames SET ts_ns = ?", (time.time_ns() - 3 * DAY_NS,))
        db.commit()
    rollover.rotate_if_due(pipeline)
    rollover.rotate_if_due(pipeline)  # the next file is new and empty
    first, second = rotation.segments(path)
    beat(time.time_ns())
    pipeline.take(records.CloseRecord(1, time.time_ns(), 3, {"closed_by": "csms"}))
    pipeline.commit()
    pipeline.writer.close(clean=True)
    sql = "SELECT id, frame_count, closed_by FROM sessions"
    assert sqlite3.connect(first).execute(sql).fetchall() == [(1, 1, "rotation")]
    assert sqlite3.connect(second).execute(sql).fetchall() == [(1, 1, "csms")]


@pytest.mark.parametrize("when", ["24h", "day"])
def test_a_clock_that_was_set_back_by_a_year_makes_one_file_and_then_one_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    path, now = tmp_path / "traffic.db", NOON
    monkeypatch.setattr(time, "time_ns", lambda: now)
    pipeline = Pipeline(Writer(path, tool_version="0", rotate=when))
    pipeline.take(records.OpenRecord(1, NOON, 0, {"charge_point_id": "CP1", "subprotocol": "ocpp1.6"}))
    back = NOON - 365 * DAY_NS
    files = []
    for now in (NOON, back, back + DAY_NS // 4, back + DAY_NS * 3 // 4, back + 2 * DAY_NS):
        for _ in range(3):
            pipeline.take(records.FrameRecord(1, now, 1, True, records.TEXT, b'[2,"1","Heartbeat",{}]'))
            pipeline.commit()
            rollover.rotate_if_due(pipeline)
        files.append(len(rotation.segments(path)))
    pipeline.writer.close(clean=True)
    assert files == ([1, 2, 2, 2, 3] if when == "24h" else [1, 2, 2, 3, 4])


def test_a_size_below_that_of_an_empty_file_makes_no_file_without_end(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    pipeline = Pipeline(Writer(path, tool_version="0", rotate="1kB"))
    for _ in range(3):
        rollover.rotate_if_due(pipeline)
    assert len(rotation.segments(path)) == 1
    pipeline.take(records.EventRecord(0, time.time_ns(), 1, "rejected-upgrade", {"status": 401}))
    pipeline.commit()
    for _ in range(3):
        rollover.rotate_if_due(pipeline)
    assert len(rotation.segments(path)) == 2  # refused handshakes take room too
    pipeline.writer.close(clean=True)


@pytest.mark.parametrize("text", ["", "500", "x", "-1MB", "1.5", "daily", "5 parsecs"])
def test_what_is_no_rotation_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UserMistake, match="write 500MB, 24h or day"):
        Rotation.parse(text)


@given(st.text(max_size=12))
def test_an_amount_is_read_or_refused_and_nothing_else(text: str) -> None:
    for read in (size_bytes, duration_s):
        with contextlib.suppress(ValueError):
            assert read(text) >= 0


def test_files_sort_in_the_order_they_were_begun_also_when_the_clock_goes_back(tmp_path: Path) -> None:
    name = tmp_path / "a b.db"
    first = rotation.segment(name, NOON)
    assert first.name == "a b-2026-11-22T12-00-00Z.db"
    first.touch()
    second = rotation.segment(name, NOON - DAY_NS)
    assert second.name == "a b-2026-11-22T12-00-01Z.db"
    second.touch()
    (tmp_path / "a b-notes.db").touch()
    assert rotation.segments(name) == [first, second]


def test_a_file_with_an_impossible_date_in_its_name_is_none_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    (tmp_path / "traffic-2026-99-99T00-00-00Z.db").write_text("")
    writer = Writer(path, tool_version="0", rotate="day")
    writer.rotate([], NOON)
    writer.close(clean=True)
    assert len(segments(path)) == 2 and not (tmp_path / "traffic-2026-99-99T00-00-00Z.db").read_bytes()


def test_a_recording_made_without_rotation_becomes_the_first_file(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    Writer(path, tool_version="0", started_ns=NOON).close(clean=True)
    Writer(path, tool_version="0", rotate="day", started_ns=NOON + 1).close(clean=True)
    (only,) = rotation.segments(path)
    assert only.name == "traffic-2026-11-22T12-00-00Z.db"
    assert path.readlink() == Path(only.name)
    assert sqlite3.connect(path).execute("SELECT count(*) FROM recordings").fetchone() == (2,)


def test_a_file_that_others_have_open_is_not_moved_under_their_feet(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    writer = Writer(path, tool_version="0")
    reader = sqlite3.connect(path)
    reader.execute("SELECT count(*) FROM frames").fetchone()
    writer.close(clean=True)
    with pytest.raises(UnusableFile, match=r"cannot be renamed for --rotate .*; close what has it open"):
        Writer(path, tool_version="0", rotate="day")
    assert not path.is_symlink()
    reader.close()
    Writer(path, tool_version="0", rotate="day").close(clean=True)
    assert path.is_symlink()


def test_a_start_finishes_what_a_kill_in_a_rotation_left(tmp_path: Path) -> None:
    """After a kill just when the next file got its name, recording continues there; the previous file is sealed."""
    path = tmp_path / "traffic.db"
    writer = Writer(path, tool_version="0", rotate="day")
    writer.session({"id": writer.next_id("sessions"), "charge_point_id": "CP1", "opened_ns": 5})
    writer.commit()
    first = writer.path
    wal = first.with_name(f"{first.name}-wal")
    left = first.read_bytes(), wal.read_bytes()
    writer.rotate([1], NOON)
    second = writer.path
    writer.close(clean=True)
    first.write_bytes(left[0])
    wal.write_bytes(left[1])
    path.unlink()
    path.symlink_to(first.name)
    (tmp_path / ".traffic-2030-01-01T00-00-00Z.db.a1b2c3d4.part").write_text("a draft")
    again = Writer(path, tool_version="0", rotate="day")
    assert again.path == second and path.readlink() == Path(second.name)
    again.close(clean=True)
    assert is_sealed(first) and not list(tmp_path.glob(".*.part"))
    assert sqlite3.connect(first).execute("SELECT closed_by FROM sessions").fetchall() == [("rotation",)]


def test_a_start_seals_what_a_kill_in_the_midst_of_sealing_left(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    writer = Writer(path, tool_version="0", rotate="day")
    first = writer.path
    writer.session({"id": writer.next_id("sessions"), "charge_point_id": "CP1", "opened_ns": 5})
    writer.commit()
    writer.rotate([1], NOON)
    writer.close(clean=True)
    killed_in_a_change(first)
    assert not is_sealed(first)
    Writer(path, tool_version="0", rotate="day").close(clean=True)
    assert is_sealed(first)
    assert sqlite3.connect(first).execute("SELECT charge_point_id FROM sessions").fetchall() == [("CP1",)]


def test_a_second_writer_is_refused_by_the_link_and_by_the_file(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    first = Writer(path, tool_version="0", holder="chargesentinel proxy", rotate="day")
    for name in (path, first.path):
        with pytest.raises(UnusableFile, match="is being written by chargesentinel proxy"):
            Writer(name, tool_version="0")
    first.close(clean=True)
