"""A paused reader (`… | less`) keeps no read transaction open, so the -wal of a live recording stays small."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector import records
from inspector.formats import exports
from inspector.formats.inputs import open_input
from inspector.recorder.pipeline import Pipeline
from inspector.store.files.connection import open_recording
from inspector.store.reading import paging
from inspector.store.reading.filter import Filter
from inspector.store.reading.follow import events_of
from inspector.store.reading.paging import paged
from inspector.store.reading.search import Search
from inspector.store.reading.stored_records import read
from inspector.store.writing.writer import Writer
from tests.processes import Program

FRAMES = 3000
BOUND = 24 * 1024 * 1024
"""Three times what SQLite lets gather before it writes the -wal into the file."""


class Growing:
    """A recording that is being written, with the size of its -wal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pipeline = Pipeline(Writer(path, tool_version="0"))
        for link in (1, 2):
            facts: Any = {"charge_point_id": f"CP{link}", "subprotocol": "ocpp1.6"}
            self.pipeline.take(records.OpenRecord(link, time.time_ns(), 0, facts))
        for number in range(FRAMES):
            self.pipeline.take(
                records.EventRecord(1, time.time_ns(), 1, "ping", {"from": "csms", "payload": "x" * 300})
            )
            self.frame(number, 2500)
        self.pipeline.commit()

    def frame(self, number: int, size: int) -> None:
        raw = f'[2,"{number}","DataTransfer",{{"vendorId":"V","data":"{"x" * size}"}}]'
        self.pipeline.take(records.FrameRecord(1 + number % 2, time.time_ns(), 1, True, records.TEXT, raw.encode()))

    def grow(self) -> int:
        """Write 40 MB in 400 commits; return the size of the -wal."""
        for number in range(400):
            self.frame(FRAMES + number, 100_000)
            self.pipeline.commit()
        return self.path.with_name(f"{self.path.name}-wal").stat().st_size


def exported(style: str, sessions: list[int] | None = None) -> Callable[[Path], Iterator[Any]]:
    def reading(path: Path) -> Iterator[Any]:
        with closing(open_recording(path)) as db:
            yield from exports.lines(db, sessions, style)

    return reading


def searched(wanted: Filter) -> Callable[[Path], Iterator[Any]]:
    def reading(path: Path) -> Iterator[Any]:
        with closing(open_recording(path)) as db:
            yield from Search(db, wanted).frames()

    return reading


def events(path: Path) -> Iterator[Any]:
    with closing(open_recording(path)) as db:
        yield from events_of(db, 1)


READERS: dict[str, Callable[[Path], Iterator[Any]]] = {
    **{style: exported(style) for style in exports.STYLES},
    **{f"{style} of one session": exported(style, [2]) for style in exports.STYLES},
    "search": searched(Filter()),
    "search for an action": searched(Filter(actions=("DataTransfer",))),
    "search for a text": searched(Filter(text="xxxx")),
    "events of a session": events,
    "check and replay": read,
    "import": lambda path: (record for record, _ in open_input(str(path), None)),
}


COMMANDS = (
    ("export", "--format", "raw"),
    ("search", "--limit", "0"),
    ("show", "1", "--json"),
    ("tail", "-n", "3000", "--json"),
)


@pytest.mark.system
def test_readers_that_stand_still_keep_no_wal_from_being_written_back(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    recording = Growing(path)
    readers = {name: read(path) for name, read in READERS.items()}
    begun = {name: [next(reader) for _ in range(10)] for name, reader in readers.items()}
    commands = [
        subprocess.Popen([sys.executable, "-m", "inspector", name, path, *options], stdout=subprocess.PIPE)
        for name, *options in COMMANDS
    ]
    try:
        assert all(command.stdout and command.stdout.readline() for command in commands)
        with Program("browse", path, "--listen", "127.0.0.1:0") as browse:
            host, port = browse.wait_for(r"browse at http://([\d.]+):(\d+)").groups()
            with socket.socket() as download:
                download.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # the server has to wait
                download.connect((host, int(port)))
                download.sendall(f"GET /ocpp/frames.csv?_stream=1 HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
                assert download.recv(15) == b"HTTP/1.1 200 OK"
                size = recording.grow()
        still = [command for command in commands if command.poll() is None]
    finally:
        for command in commands:
            command.kill()
            command.communicate()
    assert len(still) == len(commands)
    if size > BOUND:
        # The first reader whose end allows SQLite to merge the -wal.
        culprit = next((name for name, reader in readers.items() if no_more_held_up(reader, recording)), "a command")
        pytest.fail(f"the -wal has {size:,} bytes; held up by {culprit}")
    for name, reader in readers.items():
        rest = list(reader)
        assert len(begun[name]) + len(rest) >= FRAMES // 2, name
        assert max(len(str(piece)) for piece in rest) < 50_000, f"{name}: it has what came after its beginning"
    recording.pipeline.writer.close(clean=True)


def no_more_held_up(reader: Iterator[Any], recording: Growing) -> bool:
    """Return whether SQLite can merge the -wal after this reader has ended."""
    list(reader)
    recording.frame(0, 10)
    recording.pipeline.commit()
    with closing(sqlite3.connect(recording.path, timeout=0)) as db:
        return bool(db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)


@settings(max_examples=40)
@given(
    sizes=st.lists(st.integers(0, 40), max_size=40),
    rows=st.integers(1, 7),
    size=st.integers(1, 60),
    first=st.integers(-2, 50),
)
def test_pages_hold_every_row_once_in_order(sizes: list[int], rows: int, size: int, first: int) -> None:
    with closing(sqlite3.connect(":memory:")) as db, pytest.MonkeyPatch.context() as patched:
        patched.setattr(paging, "BYTES", size)
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text)")
        db.executemany("INSERT INTO t VALUES (?, ?)", [(place * 3, "x" * one) for place, one in enumerate(sizes)])
        sql = "SELECT id, text FROM t WHERE id BETWEEN :low AND :high AND length(text) <> :left_out ORDER BY id"
        found = list(paged(db, sql, {"left_out": 7}, low=first, high=90, rows=rows))
        whole = db.execute(sql, {"left_out": 7, "low": first, "high": 90}).fetchall()
    assert found == whole
