"""Read a log: run the steps of this folder, from lines to frames in sessions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import tzinfo
from itertools import chain
from typing import NamedTuple

import orjson

from inspector.formats.captured import Captured
from inspector.formats.logs import directions, extents, order, texts
from inspector.formats.logs.clock import Clock
from inspector.formats.logs.copies import without_copies
from inspector.formats.logs.daylight import Daylight
from inspector.formats.logs.finder import Finder
from inspector.formats.logs.resolving import Perspective
from inspector.formats.logs.seen import NOTHING, Event, Seen
from inspector.formats.logs.sessions import Sessions
from inspector.formats.reading import Reading
from inspector.protocol.vocabulary import OcppVersion

WINDOW = 2000
"""How many frames and other events are read before deciding on the clock, the writer and the order of a log."""
WINDOW_BYTES = 16 * 1024 * 1024
_LIKE = re.compile(
    rb"\[\s*[2-6]\s*,\s*(?:[\\\"'`\xe2&\d<]|$)|\[\s*\d\s*,\s*\"[^\"]{1,36}\"\s*,\s*\"[A-Z]|(?:^|[|:\]>]\s)\s*[2-6],\s*$|\]\s*\[\w*[Cc]all|\"(?:unique_?id|message_?type(?:_?id)?)\"",
    re.I,
)


class Options(NamedTuple):
    """A user's options for reading a log.

    Attributes:
        ocpp: the version of its frames, if given.
        charge_point: the id for frames without one.
        perspective: who wrote the log, "charge-point" or "csms".
        zone: the time zone of times without an offset.
        written_ns: when the file was last modified.
        name: the name of the file, which may contain the date and the direction.
    """

    ocpp: OcppVersion | None = None
    charge_point: str | None = None
    perspective: str | None = None
    zone: tzinfo | None = None
    written_ns: int | None = None
    name: str = ""


NO_OPTIONS = Options()


def looks_like_log(line: bytes) -> bool:
    """Return whether something in a line looks like a frame."""
    return _LIKE.search(line) is not None


def read(lines: Iterable[bytes], reading: Reading, options: Options = NO_OPTIONS) -> Iterator[Captured]:
    """Yield the frames of a log, grouped into sessions.

    Args:
        lines: lines with their ends; a long line may come in pieces.
        reading: counts lines without OCPP, and texts that look like frames but are not used.
        options: the user's options.
    """
    found = Finder(reading).find(texts.Unpacking().texts(texts.undone(texts.decoded(lines))))
    yield from in_sessions(without_copies(found, reading), reading, options)


def read_raw(lines: Iterable[bytes], reading: Reading, options: Options = NO_OPTIONS) -> Iterator[Captured]:
    """Yield the frames of a list with one frame per line, with or without an arrow in front.

    Empty lines and lines that begin with # are skipped. A line that contains other text besides a frame is refused.
    """
    yield from in_sessions(_each_line(lines, reading), reading, options)


_RAW = re.compile(r"\s*(?:([<>])\s*)?(.*?)\s*$", re.S)
_BEGINNING = re.compile(rb'\s*[<>]?\s*\[\s*(?:-?\d+\s*(?:,\s*[^\s\d]|\]|$)|"|\])')
_AFTERWARDS = re.compile(rb"\][\s,;|]+[^\[\]{}\",;|\s][^\[\]{}\"]*$")
_LOG_LINE = re.compile(r"[^\[{\"<>]*[^\[{\"<>\s][^\[{\"]*\[\s*[2-6]\s*,\s*\"")


def looks_like_frame(line: bytes) -> bool:
    """Return whether a line could be part of a list of bare frames."""
    return _BEGINNING.match(line) is not None and _AFTERWARDS.search(line) is None


def _each_line(lines: Iterable[bytes], reading: Reading) -> Iterator[Event]:
    for text in texts.undone(texts.decoded(lines)):
        line = text.text.strip()
        if not line or line.startswith("#"):
            reading.passed_over += bool(line)
            continue
        found = _RAW.match(text.text)
        assert found is not None
        if _LOG_LINE.match(found[2]):
            reading.miss(text.number, "a line of a log, not a bare frame; leave out --format raw")
            continue
        extent = extents.at(found[2], 0)
        mended = extent.mended and extent.state is extents.WHOLE
        raw, notes = (extent.raw, {"mended": extent.mended}) if mended else (found[2], None)
        yield Seen(raw, text.number, NOTHING._replace(way=found[1]), _elements(raw), notes)


def _elements(raw: str) -> object:
    try:
        found = orjson.loads(raw.encode("utf-8", "surrogateescape"))
    except ValueError:
        return None
    return found if type(found) is list else None


def in_sessions(events: Iterator[Event], reading: Reading, options: Options) -> Iterator[Captured]:
    """Group the frames into sessions, after deciding on the clock, the writer and the order from the first events."""
    window, whole = _window(events)
    if order.is_newest_first(window):
        reading.remark("newest first: read from its end")
        events = order.turned(chain(window, events))
        window, whole = _window(events)
    way = directions.of_name(options.name)
    if way is not None and not any(event.around.way for event in window if isinstance(event, Seen)):
        window, events = [_sent(event, way) for event in window], (_sent(event, way) for event in events)
    perspective = Perspective(window, options.perspective)
    clock = Clock(window, options.zone, options.written_ns, options.name)
    cut = _Cut(window)
    every: Iterable[Event] = chain(window, events)
    if clock.offset_s is not None and clock.by:
        every = Daylight(clock, reading).undone(every)
    sessions = Sessions(window, perspective, clock, options.ocpp, options.charge_point)
    _remark(reading, clock, sessions, perspective)
    yield from sessions.frames(cut.marked(every, whole))
    yield from sessions.ends()


def _sent(event: Event, way: str) -> Event:
    return event._replace(around=event.around._replace(way=way)) if isinstance(event, Seen) else event


def _window(events: Iterator[Event]) -> tuple[list[Event], bool]:
    """Return the first events, and whether these are all."""
    window: list[Event] = []
    size = 0
    for event in events:
        window.append(event)
        size += len(event.raw) if isinstance(event, Seen) else 0
        if len(window) >= WINDOW or size >= WINDOW_BYTES:
            return window, False
    return window, True


class _Cut:
    """Distinguish frames that the log cut from frames that arrived incomplete: a log cuts lines at a fixed length."""

    def __init__(self, window: list[Event]) -> None:
        self._longest = 0
        self._broken = [event.length for event in window if isinstance(event, Seen) and event.length]
        self._longest = max((self._length(event) for event in window if isinstance(event, Seen)), default=0)

    @staticmethod
    def _length(event: Seen) -> int:
        return event.length or len(event.raw)

    def marked(self, events: Iterable[Event], whole: bool) -> Iterator[Event]:
        for event in events:
            if isinstance(event, Seen):
                self._longest = max(self._longest, self._length(event))
                if event.length and event.length >= self._longest - 1:
                    yield event._replace(notes={**(event.notes or {}), "cut": True})
                    continue
            yield event


def _remark(reading: Reading, clock: Clock, sessions: Sessions, perspective: Perspective) -> None:
    by_version: dict[str, list[str]] = {}
    for name, told in sorted(sessions.versions.items()):
        by_version.setdefault(f"OCPP {told.version}, told by {told.by}", []).append(name)
    for said, names in by_version.items():
        more = f" and {len(names) - 2} more" if len(names) > 3 else ""
        who = ", ".join(name for name in names[: 2 if more else 3] if name)
        reading.remark(f"{who}{more}: {said}" if who else said)
    if clock.timed and not clock.known:
        what = "local times of unknown offset" if clock.day_known else "times without a date"
        reading.remark(f"{what}; give it with --timezone" if clock.day_known else what)
    elif clock.offset_s:
        sign = "+-"[clock.offset_s < 0]
        hours, minutes = divmod(abs(clock.offset_s) // 60, 60)
        reading.remark(f"local times, UTC{sign}{hours:02}:{minutes:02} by {clock.by}; kept as written")
