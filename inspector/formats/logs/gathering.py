"""Join a frame that continues on the next lines: pretty-printed, wrapped, or with a prefix on every line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from inspector.formats.logs import extents, times
from inspector.formats.logs.extents import Extent, Scan
from inspector.formats.logs.seen import Text

_LONGEST = 20 * 1024 * 1024
"""The most characters of a frame that spans several lines, or several pieces of one long line."""
_BUDGET = 2 * _LONGEST
_MOST_LINES = 20_000
_BLANKS = 3
"""The most blank lines in a row within a frame."""

_HEAD = re.compile(r"\[\s*[2-6]\s*,\s*\\*\"[^\"]{0,80}\"\s*,\s*\\*[\"{]")
_LEVEL = re.compile(r"\s*[\[(<]?\s*(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL)\b|\s*<\d{1,3}>")
_TIME_IN_STRING = re.compile(r'[\d:.,TZ+-]+"')
_CUTS = re.compile(r"[:|\])>]\s*|\t")
TYPE_LINE = re.compile(r"(?:.{0,200}[|:\]>]\s)?\s*[1-9]\s*,\s*(?:\"|$)")
"""The first element of a frame whose bracket is alone on the line above."""
_SHAPE = str.maketrans("123456789", "000000000")
_PRETTY = frozenset(("{", "}", "[", "]", "},", "],", "}]", "{}", "}}"))


class Source:
    """An iterator of lines to which a caller can return lines."""

    def __init__(self, texts: Iterator[Text]) -> None:
        self._texts = texts
        self._back: list[Text] = []
        self.budget = _BUDGET
        """So many characters may still be examined in vain; reading new lines raises it."""

    def __iter__(self) -> Iterator[Text]:
        while (text := self.next()) is not None:
            yield text

    def next(self) -> Text | None:
        if self._back:
            return self._back.pop()
        text = next(self._texts, None)
        if text is not None and self.budget < _BUDGET:
            self.budget += 2 * len(text.text)
        return text

    def put_back(self, texts: list[Text]) -> None:
        self._back.extend(reversed(texts))

    def peek(self) -> Text | None:
        """Return the next line that is not blank, without consuming it."""
        passed: list[Text] = []
        while (text := self.next()) is not None:
            passed.append(text)
            if text.text.strip() or len(passed) > _BLANKS:
                break
        self.put_back(passed)
        return text


class Gathering:
    """A frame that has begun, and the search for its end on the next lines."""

    def __init__(self, source: Source, prefix: str, line: str, start: int, partial: bool) -> None:
        self._source = source
        self._prefix = prefix
        self._cuts = [found.end() for found in _CUTS.finditer(prefix)][::-1]
        self._shape = prefix.translate(_SHAPE)
        self._pieces = [line[start:]]
        self._scan = Scan()
        self._scan.feed(line, start)
        self._in_string = self._scan.in_string and not partial
        self._glued = partial
        self._taken: list[Text] = []
        self._repeated = False

    def whole(self) -> Extent | bool | None:
        """Return the joined frame; False if it has no end, None if the log ends before it."""
        size, blanks = len(self._pieces[0]), 0
        if self._source.budget <= 0:
            return False
        last = Text(0, "", partial=self._glued)
        while size < _LONGEST and len(self._taken) < _MOST_LINES:
            text = self._source.next()
            if text is None:
                self._source.put_back(self._taken)
                self._source.budget -= size
                return None
            self._taken.append(text)
            if text.frame:
                break
            blanks = 0 if text.text.strip() else blanks + 1
            if blanks > _BLANKS or (blanks and self._scan.in_string):
                break
            piece = text.text if last.partial else self._piece(text.text)
            if piece is None:
                break
            last = text
            end = self._scan.feed(piece)
            self._pieces.append(piece if end is None else piece[:end])
            size += len(piece)
            if self._scan.crossed:
                break
            if end is not None:
                found = self._joined()
                if found is None:
                    break
                if "[" in piece[end:]:
                    self._source.put_back([text._replace(text=piece[end:])])
                return found
            self._in_string = self._in_string or (self._scan.in_string and not text.partial)
        self._source.put_back(self._taken)
        self._source.budget -= size
        return False

    def _piece(self, line: str) -> str | None:
        """Return the part of the frame in a line; None if the line does not continue it."""
        shape = line[: len(self._prefix) + 1].translate(_SHAPE)
        for cut in self._cuts:
            stem = self._prefix[:cut]
            if shape.startswith(self._shape[:cut]) and (stem.rstrip().endswith("|") or times._HAS_ONE.search(stem)):
                rest = line[cut:]
                if _HEAD.search(rest):
                    return None
                self._repeated = True
                return rest
        if _HEAD.search(line) or _LEVEL.match(line):
            return None
        begins = times.begins(line)
        if begins is not None and not (self._scan.in_string and _TIME_IN_STRING.match(line)):
            return None
        return line

    def _joined(self) -> Extent | None:
        pretty = any(piece.strip() in _PRETTY or piece.startswith("  ") for piece in self._pieces[1:])
        apart = not self._in_string and (pretty or not self._repeated) and not self._glued
        for joint in ("\n", "") if apart else ("", "\n"):
            text = joint.join(piece.rstrip("\r") for piece in self._pieces)
            extent = extents.at(text, 0)
            if extent.state is extents.WHOLE:
                return extent
        return None
