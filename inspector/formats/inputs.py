"""Opens whatever a command is given: tells a recording, a trace and raw lines apart by their first bytes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from inspector.errors import UnusableFile
from inspector.formats import lines, trace
from inspector.formats.captured import Captured, to_records
from inspector.protocol.vocabulary import OcppVersion
from inspector.recorder.records import Record
from inspector.recorder.rereading import read

LINE_LIMIT = 64 * 1024 * 1024
"""Bytes of one line; a longer one is refused rather than read into memory."""


def open_input(name: str, ocpp: OcppVersion | None = None) -> Iterator[tuple[Record, Captured | None]]:
    """The records of a file, or of standard input for `-`.

    Args:
        name: a recording (SQLite), an Open OCPP Trace (JSONL) or raw frames, one a line.
        ocpp: the version of frames whose input does not tell it.

    Raises:
        UnusableFile: it cannot be opened.
        Unreadable: a line of it cannot be understood; raised while reading.
    """
    if name == "-":
        return to_records(_captured(_limited(sys.stdin.buffer, "standard input"), "standard input"), ocpp)
    path = Path(name)
    if path.is_dir():
        raise UnusableFile(path, "is a folder", "name the files in it")
    try:
        file = path.open("rb")
    except OSError as error:
        raise UnusableFile(path, (error.strerror or str(error)).lower()) from error
    if file.read(16) == b"SQLite format 3\0":
        file.close()
        return ((record, Captured(record[6], line=row_id) if row_id else None) for record, row_id in read(path))
    file.seek(0)
    return to_records(_captured(_limited(file, name), name), ocpp)


def _limited(stream: Iterable[bytes], source: str) -> Iterator[bytes]:
    readline = stream.readline  # type: ignore[attr-defined]
    while line := readline(LINE_LIMIT):
        if len(line) == LINE_LIMIT:
            raise UnusableFile(source, f"a line is longer than {LINE_LIMIT // 1024 // 1024} MiB")
        yield line


def _captured(raw_lines: Iterator[bytes], source: str) -> Iterator[Captured]:
    first = next(raw_lines, None)
    if first is None:
        return iter(())
    every = chain([first.removeprefix(b"\xef\xbb\xbf")], raw_lines)
    return trace.read(every, source) if trace.looks_like_trace(first) else lines.read(every)
