"""Open any input of a command, detect its kind by its content, and call the reader of that format.

Readers are imported when they are needed, so that `check` of a small file starts fast.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from datetime import tzinfo
from io import BufferedReader, RawIOBase
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from inspector.errors import UnusableFile
from inspector.formats import mitmproxy_flows
from inspector.formats.captured import Captured, to_records
from inspector.formats.pcap.packets import looks_like_packets
from inspector.formats.reading import Reading, Unreadable
from inspector.formats.recoded import utf8
from inspector.formats.trace import reader as trace_reader
from inspector.protocol.vocabulary import OcppVersion
from inspector.records import FrameRecord, Record

LINE_LIMIT = 64 * 1024 * 1024
"""In bytes. A longer line is refused rather than read into memory."""

KINDS = ("recording", "trace", "har", "mitmproxy", "pcap", "log", "raw")
_LOOKED_AT = 200
"""How many lines are examined to tell logs from raw frames: the first lines of a log may have any form."""
_HEAD = 64 * 1024
_HAR = re.compile(rb'"log"\s*:\s*\{')
_SEARCHED = 32 * 1024 * 1024
_SEARCHED_LINES = 100_000
"""The most bytes and lines that are searched for the first frame of a log."""

type Steps = Iterator[tuple[Record, Captured | None]]


def open_input(
    name: str,
    ocpp: OcppVersion | None = None,
    *,
    kind: str | None = None,
    charge_point: str | None = None,
    perspective: str | None = None,
    zone: tzinfo | None = None,
    reading: Reading | None = None,
) -> Steps:
    """Return the records of a file, or of standard input for `-`; gzip is unpacked on the way.

    Args:
        name: a recording (SQLite), an Open OCPP Trace (JSONL), a HAR file, mitmproxy's flows, a log, or raw frames,
            one a line.
        ocpp: the version of frames whose input does not name one.
        kind: one of KINDS; None detects it by the content.
        charge_point: the id of the charge point of frames whose input does not name one.
        perspective: who wrote the log, "charge-point" or "csms"; None decides by what the writer sent.
        zone: the time zone of times without an offset in a log; None decides by the CSMS's answers.
        reading: notes the progress and the lines that could not be understood; without it, such a line is an error.

    Raises:
        UnusableFile: the file cannot be opened.
        Unreadable: the file or a line of it cannot be understood; also raised while the records are read.
    """
    reading = reading or Reading("standard input" if name == "-" else name)
    file = _opened(name, reading)
    first = _first_lines(file, reading)
    kind = reading.kind = kind or _kind_of(first, file, reading, bare=name == "-" and ocpp is not None)
    if kind == "recording":
        file.close()
        reading.size, reading.position = None, lambda: 0
        if name == "-":
            raise UnusableFile(reading.source, "a recording", "name its file, a database cannot be read from a pipe")
        from inspector.store.reading.stored_records import read

        return (
            (record, Captured(record.payload, row=row_id) if isinstance(record, FrameRecord) else None)
            for record, row_id in read(Path(name))
        )
    if kind in ("har", "mitmproxy"):
        from inspector.formats.har import reader as har_reader

        whole = _seekable(file, first, reading)
        reading.position = whole.tell
        frames = (har_reader if kind == "har" else mitmproxy_flows).read(whole, reading)
    elif kind == "pcap":
        from inspector.formats.pcap import reader as pcap_reader

        whole = _seekable(file, first, reading)
        reading.position = whole.tell
        frames = pcap_reader.read(whole, reading)
    elif kind in ("log", "raw"):
        from inspector.formats import logs

        options = logs.Options(ocpp, charge_point, perspective, zone, reading.written_ns, Path(name).name)
        frames = (logs.read if kind == "log" else logs.read_raw)(_pieces(file, first, reading), reading, options)
    else:
        frames = trace_reader.read(_lines(file, first, reading), reading)
    return to_records(frames, ocpp, charge_point)


def _opened(name: str, reading: Reading) -> BinaryIO:
    if name == "-":
        if sys.stdin is None:
            raise UnusableFile(reading.source, "is closed", "give it an input, or name a file")
        return _unpacked(sys.stdin.buffer, reading)
    path = Path(name)
    if path.is_dir():
        raise UnusableFile(path, "is a folder", "name the files in it")
    try:
        file = path.open("rb")
    except (OSError, ValueError) as error:
        raise UnusableFile(path, (getattr(error, "strerror", None) or str(error)).lower()) from error
    status = os.fstat(file.fileno())
    if stat.S_ISREG(status.st_mode):
        reading.size, reading.position, reading.written_ns = status.st_size, file.tell, status.st_mtime_ns
    return _unpacked(file, reading)


def _unpacked(file: BinaryIO, reading: Reading) -> BinaryIO:
    head = _read(lambda: cast(BufferedReader, file).peek(2), reading)
    if head[:2] == b"\x1f\x8b":
        file = cast(BinaryIO, BufferedReader(cast(RawIOBase, _Unpacked(fileobj=file))))
        head = _read(lambda: cast(BufferedReader, file).peek(4), reading)
    return utf8(file, head)


class _Unpacked(gzip.GzipFile):
    """A file unpacked from gzip; it can only be rewound if the packed file can."""

    def seekable(self) -> bool:
        """Return whether the packed file is seekable; `GzipFile` returns True even for a pipe."""
        return bool(cast(BinaryIO, self.fileobj).seekable())


def _first_lines(file: BinaryIO, reading: Reading) -> list[bytes]:
    """Return the first line that is not blank (or its beginning), and the blank ones before it."""
    first: list[bytes] = []
    while not first or not first[-1].strip():
        line = _read(lambda: file.readline(_HEAD), reading)
        if not line:
            break
        first.append(line)
    if first:
        first[0] = first[0].removeprefix(b"\xef\xbb\xbf")
    return first


def _kind_of(first: list[bytes], file: BinaryIO, reading: Reading, *, bare: bool = False) -> str:
    """Return the kind of the input, and append to `first` the lines that had to be read.

    With `bare` (lines are piped in, and their version is named) an input of no other kind is a list of frames.
    """
    head = first[-1].lstrip() if first else b""
    if first and first[0].startswith(b"SQLite format 3\0"):
        return "recording"
    if looks_like_packets(b"".join(first[:3])):
        return "pcap"
    if mitmproxy_flows.looks_like_flows(head):
        return "mitmproxy"
    if trace_reader.looks_like_trace(head):
        return "trace"
    more = islice(iter(lambda: _read(lambda: file.readline(_HEAD), reading), b""), _LOOKED_AT)
    if head.startswith(b"{"):
        # Browsers write a HAR file in many lines, mitmproxy in one.
        start = head
        while not _HAR.search(start) and len(start) < 1000 and (line := next(more, b"")):
            first.append(line)
            start += line
        if _HAR.search(start[:1000]):
            return "har"
    from inspector.formats import logs

    first.extend(more)
    said = [line for line in first if line.strip() and not line.startswith(b"#")]
    if all(logs.looks_like_frame(line) for line in said) or (bare and not any(map(_quotes_a_frame, said))):
        return "raw"
    if any(logs.looks_like_log(line) for line in first) or _holds_frames(file, first, reading):
        return "log"
    what = "not a recording, trace, HAR file, flow file of mitmproxy, log with OCPP frames, or list of frames"
    raise Unreadable(reading.source, None, f"{what}; force one with `chargesentinel import --format`")


def _quotes_a_frame(line: bytes) -> bool:
    """Return whether a line belongs to a log: it contains a frame and other text."""
    from inspector.formats import logs

    return logs.looks_like_log(line) and not line.lstrip(b" \t<>").startswith(b"[")


def _holds_frames(file: BinaryIO, first: list[bytes], reading: Reading) -> bool:
    """Return whether one of the next lines looks like a frame; append to `first` the lines that had to be read."""
    from inspector.formats import logs

    size = 0
    while size < _SEARCHED and len(first) < _SEARCHED_LINES and (line := _read(lambda: file.readline(_HEAD), reading)):
        first.append(line)
        size += len(line)
        if logs.looks_like_log(line):
            return True
    return False


def _pieces(file: BinaryIO, first: list[bytes], reading: Reading) -> Iterator[bytes]:
    """Yield all lines; a long one comes in pieces."""
    from inspector.formats import logs

    yield from first
    while line := _read(lambda: file.readline(logs.PIECE), reading):
        yield line


def _lines(file: BinaryIO, first: list[bytes], reading: Reading) -> Iterator[bytes]:
    """Yield all lines, including those already examined; complete the last one if it is only a piece."""
    for number, piece in enumerate(first, 1):
        if number == len(first) and not piece.endswith(b"\n"):
            yield _whole(piece, file, reading)
        elif piece.endswith(b"\n"):
            yield piece
        else:
            first[number] = piece + first[number]
    while line := _read(lambda: file.readline(LINE_LIMIT), reading):
        if len(line) == LINE_LIMIT:
            raise _too_long(reading)
        yield line


def _whole(piece: bytes, file: BinaryIO, reading: Reading) -> bytes:
    line = piece + _read(lambda: file.readline(LINE_LIMIT), reading)
    if len(line) >= LINE_LIMIT:
        raise _too_long(reading)
    return line


def _too_long(reading: Reading) -> UnusableFile:
    return UnusableFile(reading.source, f"a line is longer than {LINE_LIMIT // 1024 // 1024} MiB")


def _read[T](what: Callable[[], T], reading: Reading) -> T:
    try:
        return what()
    except (OSError, EOFError, zlib.error) as error:  # a failing disk, or a damaged gzip file
        raise UnusableFile(reading.source, f"cannot be read ({error})") from error


def _seekable(file: BinaryIO, first: list[bytes], reading: Reading) -> BinaryIO:
    """Return the file at its beginning; copy a pipe to disk for that."""
    if file.seekable():
        file.seek(0)
        return file
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - its reader closes it
    copy.writelines(first)
    _read(lambda: shutil.copyfileobj(file, copy, 1024 * 1024), reading)
    copy.seek(0)
    return cast(BinaryIO, copy)
