"""Rows waiting for a commit are stored unchanged, however many there are, or not at all."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from inspector import records
from inspector.recorder.pipeline import Pipeline
from inspector.store.writing.waiting_rows import ROWS_AT_ONCE
from inspector.store.writing.writer import Writer


def taken(path: Path, count: int) -> tuple[Pipeline, list[str]]:
    """Return a pipeline in which this many CALLs with a meter value wait for a commit, and their texts."""
    pipeline = Pipeline(Writer(path, tool_version="0"))
    pipeline.take(records.OpenRecord(1, 1, 1, {"charge_point_id": "CP1", "subprotocol": "ocpp1.6"}))
    texts = [
        f'[2,"{number}","MeterValues",{{"connectorId":1,"meterValue":[{{"timestamp":"2026-11-28T12:00:00Z",'
        f'"sampledValue":[{{"value":"{number}"}}]}}]}}]'
        for number in range(count)
    ]
    for number, text in enumerate(texts):
        pipeline.take(records.FrameRecord(1, number + 2, number + 2, True, records.TEXT, text.encode()))
    return pipeline, texts


@pytest.mark.parametrize("count", [1, ROWS_AT_ONCE - 1, ROWS_AT_ONCE, ROWS_AT_ONCE + 1, 3 * ROWS_AT_ONCE])
def test_any_number_of_rows_of_one_commit_arrives_in_order(tmp_path: Path, count: int) -> None:
    path = tmp_path / "traffic.db"
    pipeline, texts = taken(path, count)
    pipeline.commit()
    pipeline.writer.close(clean=True)
    with closing(sqlite3.connect(path)) as db:
        assert [raw for (raw,) in db.execute("SELECT raw FROM frames ORDER BY id")] == texts
        samples = db.execute(
            "SELECT f.raw, s.value FROM meter_samples s JOIN frames f ON f.id = s.frame_id ORDER BY s.id"
        )
        assert samples.fetchall() == [(text, float(number)) for number, text in enumerate(texts)]


def test_a_commit_that_the_disk_refuses_late_writes_nothing_and_all_go_with_the_next(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    pipeline, texts = taken(path, 3 * ROWS_AT_ONCE)
    run = pipeline.writer.db.execute
    (pages,) = run("PRAGMA page_count").fetchone()
    run(f"PRAGMA max_page_count = {pages + 5}")  # like a full disk: only some rows fit
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        with pytest.raises(sqlite3.OperationalError, match="full"):
            pipeline.commit()
        assert other.execute("SELECT count(*) FROM frames").fetchone() == (0,)
        run(f"PRAGMA max_page_count = {2**31}")
        pipeline.commit()
        assert [raw for (raw,) in other.execute("SELECT raw FROM frames ORDER BY id")] == texts
    pipeline.writer.close(clean=True)


def test_a_commit_of_many_rows_writes_no_temporary_file(tmp_path: Path) -> None:
    """SQLite writes nothing outside the recording's folder, so a full /tmp does not stop recording."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    changed = temporary.stat().st_mtime_ns  # changes with each file made there, even a deleted one
    commit = f"from tests.store.test_pending_rows import *; taken(Path({str(tmp_path / 'a.db')!r}), 1000)[0].commit()"
    subprocess.run([sys.executable, "-c", commit], env={**os.environ, "SQLITE_TMPDIR": str(temporary)}, check=True)
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        assert db.execute("SELECT count(*) FROM frames").fetchone() == (1000,)
    assert temporary.stat().st_mtime_ns == changed
