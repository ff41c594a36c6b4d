"""A growing -wal is reported once, with the process that keeps it from being written into the file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inspector.recorder.start import start_recorder
from inspector.store.files import wal_watch
from inspector.store.files.wal_watch import LARGE, LARGE_FOR_S, WalWatch, readers
from inspector.store.writing.writer import Writer

READS = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('BEGIN'); c.execute('SELECT * FROM frames')"


def test_a_large_wal_is_told_of_once_until_it_was_small_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watch = WalWatch()
    for at, size, told in (
        (0, LARGE, 0),
        (1, LARGE + 1, 0),
        (LARGE_FOR_S, LARGE * 2, 0),
        (LARGE_FOR_S + 1, LARGE * 2, 1),
        (LARGE_FOR_S * 9, LARGE * 3, 1),
        (LARGE_FOR_S * 10, LARGE, 1),
        (LARGE_FOR_S * 11, LARGE * 2, 1),
        (LARGE_FOR_S * 13, LARGE * 2, 2),
    ):
        watch.look(tmp_path / "traffic.db", size, at)
        assert len(caplog.records) == told, at
    assert "traffic.db-wal has grown to 134 MB" in caplog.text
    assert "a program that holds a read transaction open" in caplog.text


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="only Linux tells who holds a lock")
def test_the_reader_that_holds_it_up_is_named_and_the_wal_is_cut_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path, wal = tmp_path / "traffic.db", tmp_path / "traffic.db-wal"
    monkeypatch.setattr(wal_watch, "LARGE", 1_000_000)
    monkeypatch.setattr("inspector.store.schema.LARGE", 1_000_000)
    monkeypatch.setattr(wal_watch, "LARGE_FOR_S", 0.0)
    writer = Writer(path, tool_version="0")
    assert readers(tmp_path / "traffic.db-shm") == []
    with subprocess.Popen(
        [sys.executable, "-c", f"{READS}; print('reads', flush=True); sys.stdin.read()", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as reader:
        assert reader.stdout and reader.stdout.readline() == b"reads\n"
        for number in range(20):
            writer.event(None, number, None, "ping", {"payload": "x" * 1_000_000})
            writer.commit()
            writer.look()
        assert wal.stat().st_size == writer.wal_bytes > 20_000_000
        assert f"(process {reader.pid})" in caplog.text and str(os.getpid()) not in caplog.text
        reader.communicate(b"")
    for number in range(3):
        writer.event(None, number, None, "ping", {})
        writer.commit()
    assert wal.stat().st_size <= 1_000_000
    writer.close(clean=True)


def test_the_size_of_the_wal_is_in_the_status(tmp_path: Path) -> None:
    recorder = start_recorder(tmp_path / "traffic.db", holder="test")
    deadline = time.monotonic() + 30
    while not recorder.status().wal_bytes:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert recorder.status().wal_bytes == (tmp_path / "traffic.db-wal").stat().st_size
    recorder.close()
