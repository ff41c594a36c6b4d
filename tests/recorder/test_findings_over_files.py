"""A repeated finding is counted in the new file if its session's file is complete or deleted."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from inspector import records
from inspector.recorder import rollover
from inspector.recorder.pipeline import Pipeline
from inspector.store.files.rotation import segments
from inspector.store.writing.writer import Writer

MS = 1_000_000
NOW = 1_767_268_800_000_000_000
CALLS = 10


def connect_often(pipeline: Pipeline, sessions: int, then: dict[int, Callable[[], None]]) -> list[str]:
    """Let one charge point connect, send CALLs numbered from 1 and close, several times; return what it sent.

    `then` maps the number of a session to what happens after it.
    """
    clock, sent = count(NOW, 10 * MS), []
    for link in range(1, sessions + 1):
        at = next(clock)
        pipeline.take(records.OpenRecord(link, at, at, {"charge_point_id": "CP1", "subprotocol": "ocpp1.6"}))
        for number in range(1, CALLS + 1):
            answer = f'[3,"{number}",{{"currentTime":"2026-01-01T00:00:00Z","link":{link}}}]'
            for raw in (f'[2,"{number}","Heartbeat",{{"link":{link}}}]', answer):
                at = next(clock)
                pipeline.take(records.FrameRecord(link, at, at, raw is not answer, records.TEXT, raw.encode()))
                sent.append(raw)
        at = next(clock)
        pipeline.take(records.CloseRecord(link, at, at, {"closed_by": "charge-point"}))
        rollover.commit(pipeline)
        then.get(link, lambda: None)()
    return sent


def stored(path: Path, sql: str = "SELECT raw FROM frames ORDER BY id") -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [value for (value,) in db.execute(sql)]


REUSED = "SELECT sum(count) FROM findings WHERE rule_id = 'rpc.reused-id'"


@pytest.mark.parametrize("seams", [[4], [4, 5, 8]])
def test_ids_that_restart_with_each_session_stop_no_recording_that_is_rotated(tmp_path: Path, seams: list[int]) -> None:
    path = tmp_path / "traffic.db"
    pipeline = Pipeline(Writer(path, tool_version="0", rotate="1GB"))
    sent = connect_often(pipeline, 12, {number: lambda: rollover.rotate(pipeline, NOW) for number in seams})
    pipeline.writer.close(clean=True)
    files = segments(path)
    assert len(files) == len(seams) + 1
    assert [raw for file in files for raw in stored(file)] == sent
    # Every session but the first reuses all ids of the one before: each repeat counts once, even across a rotation.
    assert sum(stored(file, REUSED)[0] for file in files) == 11 * CALLS
    for file in files:
        assert stored(file, "PRAGMA foreign_key_check") == []


def test_ids_that_restart_with_each_session_stop_no_recording_whose_file_is_deleted(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    pipeline = Pipeline(Writer(path, tool_version="0"))

    def delete() -> None:
        for file in tmp_path.glob("traffic.db*"):
            file.unlink()

    sent = connect_often(pipeline, 12, {4: delete})
    pipeline.writer.close(clean=True)
    assert stored(path) == sent[4 * 2 * CALLS :]
    assert pipeline.gone == 4 * 2 * CALLS
    assert stored(path, "PRAGMA foreign_key_check") == []
