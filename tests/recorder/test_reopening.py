"""A file that cannot be reopened for a while: waiting rows are stored when it can be, or in the next file."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from inspector.errors import UnusableFile
from inspector.recorder import rollover
from inspector.recorder.pipeline import Pipeline
from inspector.recorder.worker.supervisor import SupervisedRecorder
from inspector.store.writing import writer as writing
from inspector.store.writing.writer import Writer
from tests.database import rows
from tests.journeys.test_failing_disk import limit_file_size
from tests.recorder.worker.test_supervisor import drained, frame, opened, started
from tests.waiting import until


async def fails_behind_a_checkpoint(recorder: SupervisedRecorder, path: Path) -> None:
    """Make reopening fail: SQLite removes the -wal when the recorder closes the file, and cannot create another."""
    opened(recorder, 1)
    frame(recorder, 1, True, '[2,"a","Heartbeat",{}]')
    await drained(recorder)
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[0] == 0
        limit_file_size(recorder.pid, 4096)
    frame(recorder, 1, True, '[2,"b","Heartbeat",{}]')
    await until(lambda: not recorder.status().working)
    await asyncio.sleep(1.5)  # some ticks and tries


async def test_a_disk_that_failed_is_written_to_again(tmp_path: Path) -> None:
    path = tmp_path / "checkpointed.db"
    recorder = started(path)
    await fails_behind_a_checkpoint(recorder, path)
    limit_file_size(recorder.pid, resource.RLIM_INFINITY)
    await drained(recorder, 10)
    assert recorder.close().lost == 0
    assert rows(path, "SELECT message_id FROM frames") == [("a",), ("b",)]


def test_a_wal_that_went_when_the_file_was_closed_is_no_deleted_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "closed.db"
    writer = Writer(path, tool_version="0")
    pipeline = Pipeline(writer)
    connect = writing.connect

    def refuse(*_: object, **__: object) -> None:
        raise UnusableFile(path, "cannot be written", "")

    monkeypatch.setattr(writing, "connect", refuse)
    writer.reopen()
    assert not path.with_name("closed.db-wal").exists()
    writer.look()
    writer.event(None, 1, None, "ping", {})
    with pytest.raises(sqlite3.ProgrammingError):
        rollover.commit(pipeline, None)
    monkeypatch.setattr(writing, "connect", connect)
    with pytest.raises(sqlite3.ProgrammingError):
        rollover.commit(pipeline, None)  # the commit reopens the file
    rollover.commit(pipeline, None)
    writer.close(clean=True)
    assert rows(path, "SELECT kind FROM events") == [("ping",)]


async def test_a_file_deleted_while_it_could_not_be_opened_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "deleted.db"
    recorder = started(path)
    await fails_behind_a_checkpoint(recorder, path)
    for file in tmp_path.glob("deleted.db*"):
        if not file.name.endswith(".lock"):
            file.unlink()
    limit_file_size(recorder.pid, resource.RLIM_INFINITY)
    await drained(recorder, 20)
    summary = recorder.close()
    assert (summary.frames, summary.lost) == (1, 1)
    assert rows(path, "SELECT message_id FROM frames") == [("b",)]
    assert rows(path, "SELECT detail ->> 'frames' FROM events WHERE kind = 'gap'") == [(1,)]
