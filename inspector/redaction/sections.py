"""Find the parent of a name in a text: `wifi[key]`, `vpn/key`, or a heading above its line in YAML, INI or UCI."""

from __future__ import annotations

import re
from typing import NamedTuple

_HEADING = re.compile(
    r"^(?P<indent>[ \t]{0,100})(?:[^\n]{0,80}[^\w\n.\-])??(?:"
    r"\[{1,2}(?P<ini>[\w.\-]{1,60})[^\]\n]{0,60}\]{1,2}|config (?P<uci>[\w\-]{1,60})[^\n]{0,80}"
    r"|(?:- )?[\"']?(?P<yaml>[\w.\-]{1,60})[\"']?[ \t]{0,20}(?::|=?[ \t]{0,20}\{))[ \t]{0,20}\r?$",
    re.M,
)
_LONGEST_NAME = 60
_JOINTS = "[/>:\\"
"""Characters between a parent and a name."""


class Heading(NamedTuple):
    """A line that starts a section.

    Attributes:
        end: the position at which the line ends.
        indent: the width of its indentation; -1 in INI and UCI, where a section's lines need no indentation.
        name: the name of the section.
    """

    end: int
    indent: int
    name: str


class Sections:
    """The sections of one text. Callers must ask for positions in ascending order."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ahead = _HEADING.finditer(text) if "\n" in text else iter(())
        self._next = next(self._ahead, None)
        self._open: list[Heading] = []

    def of(self, start: int) -> str:
        """Return the name of the parent of the name that begins at `start`; "" if it has none."""
        return self._beside(start) or self._above(start)

    def _beside(self, start: int) -> str:
        end = start
        while end and self._text[end - 1] in _JOINTS and start - end < 3:
            end -= 1
        if end == start:
            return ""
        at = end
        while at and end - at < _LONGEST_NAME and (self._text[at - 1].isalnum() or self._text[at - 1] in "_-"):
            at -= 1
        return self._text[at:end]

    def _above(self, start: int) -> str:
        while self._next is not None and self._next.end() <= start:
            self._take(self._next)
            self._next = next(self._ahead, None)
        if not self._open:
            return ""
        line = self._text.rfind("\n", max(0, start - 200), start) + 1
        written = self._text[line:start]
        indent = len(written) - len(written.lstrip(" \t-"))
        return next((heading.name for heading in reversed(self._open) if heading.indent < indent), "")

    def _take(self, found: re.Match[str]) -> None:
        name = found["ini"] or found["uci"] or found["yaml"]
        flat = found["yaml"] is None
        indent = -1 if flat else len(found["indent"])
        while self._open and (self._open[-1].indent >= indent or flat):
            self._open.pop()
        self._open.append(Heading(found.end(), indent, name))
