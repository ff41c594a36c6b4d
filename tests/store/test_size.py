"""A recording stays small: its size beyond the raw bytes is limited, indexes and derived rows included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.judging import SESSIONS
from inspector import records
from inspector.offline.store_records import store
from inspector.records import Record
from inspector.store.files.connection import open_recording
from inspector.store.writing.writer import Writer

FRAMES = 200_000
CHARGE_POINTS = 20
BAR = 220.0
"""Bytes a frame beyond its own."""


def traffic(*versions: str) -> Iterator[Record]:
    """Return long charging sessions of these versions, interleaved like those of many charge points."""
    sessions = [(f"ocpp{version}", SESSIONS[version]) for version in versions]
    link = count = 0
    start = sessions[0][1][0][0]
    while count < FRAMES:
        turn = [(link + number, *sessions[number % len(sessions)]) for number in range(CHARGE_POINTS)]
        for number, spoken, _ in turn:
            facts: records.SessionFacts = {"charge_point_id": f"CP{number:05}", "subprotocol": spoken}
            yield records.OpenRecord(number, start, start, facts)
        for place in range(min(len(frames) for _, _, frames in turn)):
            for number, _, frames in turn:
                at, from_charge_point, text = frames[place]
                stamp = at + start - sessions[0][1][0][0] + number
                own = text.replace("0d3b6c2e", f"{number:08x}").encode()
                yield records.FrameRecord(number, stamp, stamp, from_charge_point, records.TEXT, own)
                count += 1
        start += sessions[0][1][-1][0] - sessions[0][1][0][0] + 60_000_000_000
        for number, _, _ in turn:
            yield records.CloseRecord(number, start, start, {"closed_by": "charge-point"})
        link += CHARGE_POINTS


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("versions", [("1.6", "2.0.1"), ("1.6",), ("2.0.1",)], ids="+".join)
def test_a_frame_costs_at_most_220_bytes_beyond_its_own(tmp_path: Path, versions: tuple[str, ...]) -> None:
    path = tmp_path / "size.db"
    store(traffic(*versions), Writer(path, tool_version="0"))
    assert not path.with_name("size.db-wal").exists()
    db = open_recording(path)
    frames, raw, samples = db.execute(
        "SELECT count(*), sum(size), (SELECT count(*) FROM meter_samples) FROM frames"
    ).fetchone()
    assert frames >= FRAMES
    assert samples > frames / 2  # the size includes derived rows
    assert (path.stat().st_size - raw) / frames <= BAR
