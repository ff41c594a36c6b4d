"""Inputs are read in a separate process; its results, warnings and errors all arrive."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inspector import records
from inspector.formats.captured import Captured
from inspector.formats.read_ahead import BATCH, read_ahead
from inspector.formats.reading import Reading, Unreadable

type Steps = Iterator[tuple[records.Record, Any]]


def _frames(count: int) -> Steps:
    for number in range(count):
        raw = b"[3,%d,{}]" % number
        yield records.FrameRecord(1, number, number, True, records.TEXT, raw), Captured(raw)


@pytest.mark.parametrize("count", [0, 1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH + 7])
def test_every_record_arrives_in_its_order(count: int) -> None:
    reading = Reading("a file")
    arrived = list(read_ahead(lambda: _frames(count), reading))
    assert arrived == [record for record, _ in _frames(count)]


def test_what_was_missed_and_how_far_it_got_are_told() -> None:
    reading = Reading("a file", strict=False)

    def steps() -> Steps:
        reading.size, reading.position, reading.kind = 99, lambda: 42, "log"
        reading.miss(7, "no frame")
        yield from _frames(1)

    assert len(list(read_ahead(steps, reading))) == 1
    assert (reading.size, reading.position(), reading.kind, reading.missed) == (99, 42, "log", 1)
    assert str(reading.first[0]) == "a file, line 7: no frame"


def test_what_was_read_before_an_error_comes_before_it() -> None:
    def steps() -> Steps:
        yield from _frames(BATCH + 3)
        raise Unreadable("a file", 9, "broken off")

    arriving = read_ahead(steps, Reading("a file"))
    assert len([next(arriving) for _ in range(BATCH + 3)]) == BATCH + 3
    with pytest.raises(Unreadable, match="a file, line 9: broken off"):
        next(arriving)


def test_a_reader_that_is_killed_is_told_in_one_sentence() -> None:
    def steps() -> Steps:
        yield from _frames(BATCH)
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(Unreadable, match="a file: the process that was reading it has ended"):
        list(read_ahead(steps, Reading("a file")))


def test_who_wants_no_more_leaves_no_process_behind_even_where_the_input_says_nothing() -> None:
    pids: list[int] = []
    silent, _held = os.pipe()

    def steps() -> Steps:
        yield records.EventRecord(0, 0, 0, "pid", {"pid": os.getpid()}), None
        yield from _frames(BATCH)
        os.read(silent, 1)

    arriving = read_ahead(steps, Reading("a file"))
    first = next(arriving)
    assert isinstance(first, records.EventRecord)
    pids.append(first.detail["pid"])
    arriving.close()  # type: ignore[attr-defined]
    assert pids[0] != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def _feed(pipe: int, data: bytes) -> None:
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(pipe, data[:4096]) :]


def test_no_reader_outlives_an_import_that_is_killed_even_where_the_input_says_nothing(tmp_path: Path) -> None:
    silent, held = os.pipe()
    command = [sys.executable, "-m", "inspector", "import", "-", "--ocpp", "1.6", "--db", str(tmp_path / "a.db")]
    with subprocess.Popen(command, stdin=silent, stderr=subprocess.PIPE) as importing:
        os.close(silent)
        # More than the first bytes, from which the format is recognised.
        frames = b'[2,"1","Heartbeat",{}]\n' * 200_000
        threading.Thread(target=_feed, args=(held, frames), daemon=True).start()
        deadline = time.monotonic() + 60
        while not (tmp_path / "a.db").exists():  # until the first batch has been stored
            assert importing.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        importing.kill()
        # The reading process shares this stderr, so it is closed only when both processes have ended.
        poll = select.poll()
        assert importing.stderr is not None
        poll.register(importing.stderr, 0)
        ended = poll.poll(20_000)
        os.close(held)
    assert ended
