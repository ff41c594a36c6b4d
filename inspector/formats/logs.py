"""Frames out of the logs of CSMSs and charge points, put together from lines; knows no program's form of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from inspector.formats import log_lines
from inspector.formats.captured import Captured, sender
from inspector.formats.log_lines import DOWN, RECEIVED, UP, Line
from inspector.formats.reading import Reading
from inspector.protocol.messages import Call, Send, parse
from inspector.protocol.vocabulary import Direction

_LONGEST = 4 * 1024 * 1024
"""Characters of a frame that goes over several lines."""
_UNDECIDED = 1000
"""Frames that are kept back at most until one tells on which side the log was written."""

_WAYS = {UP: Direction.FROM_CHARGE_POINT, DOWN: Direction.FROM_CSMS}


def looks_like_log(line: bytes) -> bool:
    """Whether a line is one of a log that tells of a frame."""
    return log_lines.parse(log_lines.plain(line.decode(errors="replace").rstrip("\r\n"))) is not None


def read(lines: Iterable[bytes], reading: Reading) -> Iterator[Captured]:
    """The frames of a log.

    "Received" and "sent" mean one thing in the log of a CSMS and another in that of a charge point: the first CALL
    that only one of them may send tells whose it is.

    Args:
        lines: with their line ends.
        reading: is told of lines with a frame that was not understood, and how many lines have none.
    """
    waiting: list[tuple[Captured, str]] = []
    received: Direction | None = None
    for captured, way in _frames(lines, reading):
        if way in _WAYS:
            yield captured._replace(direction=_WAYS[way])
            continue
        if received is None and way is not None:
            waiting.append((captured, way))
            received = _received(captured, way)
            if received is None and len(waiting) < _UNDECIDED:
                continue
            received = received or Direction.FROM_CHARGE_POINT
            yield from (_directed(frame, told, received) for frame, told in waiting)
            waiting = []
        elif received is not None and way is not None:
            yield _directed(captured, way, received)
        else:
            yield captured
    yield from (_directed(frame, told, received or Direction.FROM_CHARGE_POINT) for frame, told in waiting)


def _directed(captured: Captured, way: str, received: Direction) -> Captured:
    return captured._replace(direction=received if way == RECEIVED else received.opposite)


def _received(captured: Captured, way: str) -> Direction | None:
    """The direction of what the log's writer receives, if this frame tells it."""
    message = parse(captured.raw)
    by = sender(message.action) if isinstance(message, Call | Send) else None
    return by if by is None or way == RECEIVED else by.opposite


def _frames(lines: Iterable[bytes], reading: Reading) -> Iterator[tuple[Captured, str | None]]:
    """Each frame with what its line says of its direction."""
    begun: _Begun | None = None
    certain = False  # whose log it is; then what only looks like a frame is one that it quotes
    for number, raw in enumerate(lines, 1):
        line = log_lines.plain(raw.decode("utf-8", "surrogateescape").rstrip("\r\n"))
        told = log_lines.parse(line)
        if told is not None and certain and not told.certain:
            told = None
        if begun is not None:
            if told is None and begun.goes_on(line):
                if begun.complete:
                    yield begun.captured()
                    begun = None
                continue
            yield from begun.given_up(reading)
            begun = None
        if told is not None:
            certain = certain or told.certain
            begun = _Begun(number, told)
            if begun.complete:
                yield begun.captured()
                begun = None
        elif log_lines.holds_a_frame(line) and not certain:
            reading.miss(number, "what looks like a frame, in no form of line that this program knows")
        else:
            reading.passed_over += 1
    if begun is not None:
        yield from begun.given_up(reading)


class _Begun:
    """A frame of which a line told, and which may go on."""

    def __init__(self, number: int, told: Line) -> None:
        self._number = number
        self._told = told
        self._parts = [told.frame] if told.frame else []
        self._size = len(told.frame)
        self._depth = log_lines.depth(told.frame)
        self._ended = told.markup and "</pre>" in told.frame
        self.complete = self._is_complete()

    def _is_complete(self) -> bool:
        if self._told.markup:
            return self._ended
        return bool(self._parts) and self._depth <= 0

    def goes_on(self, line: str) -> bool:
        """Take a line that belongs to it."""
        if not self._parts and not line.strip():
            return True
        if self._size > _LONGEST or not (self._told.markup or not self._parts or log_lines.may_continue(line)):
            return False
        self._parts.append(line)
        self._size += len(line) + 1
        self._depth += log_lines.depth(line)
        self._ended = self._told.markup and "</pre>" in line
        self.complete = self._is_complete()
        return True

    def captured(self) -> tuple[Captured, str | None]:
        """The frame, with what its line says of its direction."""
        text = "\n".join(self._parts)
        text = log_lines.unmarked(text) if self._told.markup else text
        told = self._told
        captured = Captured(
            raw=text.strip().encode("utf-8", "surrogateescape"),
            ts_ns=told.ts_ns,
            charge_point_id=told.charge_point_id,
            session=told.session,
            line=self._number,
        )
        return captured, told.way

    def given_up(self, reading: Reading) -> Iterator[tuple[Captured, str | None]]:
        """What there is of a frame whose end does not come: a log cuts long lines, and the judge will say so."""
        if self._parts and "".join(self._parts).strip():
            yield self.captured()
        else:
            reading.miss(self._number, "announces a frame that does not follow")
