"""Find the end of a frame in a text, and its form before the log escaped or quoted it."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from inspector.formats.logs import notations

WHOLE, BROKEN, OPEN, OPEN_STRING = "whole", "broken", "open", "open in a string"
"""States of a frame: valid JSON; complete but invalid JSON; without its end; without its end, cut in a string."""

_DECODE = json.JSONDecoder(strict=False).raw_decode
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}"]', re.S)
_BRACKET = re.compile(r"[\[\]{}]")
_IN_STRING = re.compile(r'(?:[^"\\]|\\.)*"', re.S)
_ESCAPED = re.compile(r'(?:[^"\\]|\\.)*', re.S)
_DOUBLED = re.compile(r'(?:[^"]|"")*')
_QUOTES = re.compile("[\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033\u02ba]")
_LONE = re.compile("\\[\\s*\\d+\\s*,\\s*[\u2018\u2019\u201a\u201b]")
_INVISIBLE = re.compile("[\u200b\u200c\u200d\u2060\ufeff\u00ad]")
_TEL = re.compile(r"<(?:tel:)?([\d+-]+)\|([\d+-]+)>|\[([\d+-]+)\]\((?:tel:)?\+?[\d-]+\)|<(?:tel:)([\d+-]+)>")
_NO_JSON = frozenset("\\'`\u201c\u201d\u201e")
_AFTER_TYPE = re.compile(r"\[\s*-?\d+\s*,\s*")
TYPOGRAPHIC = "typographic quotation marks"


_CLEANED = 65_536
"""The longest frame, in characters, that is searched for changes by chat programs: longer ones are not pasted."""


class Extent(NamedTuple):
    """A frame in a text.

    Attributes:
        raw: the text of the frame; if its end is missing, the text of the part that is there.
        end: where it ends in the text.
        state: WHOLE, BROKEN, OPEN, OPEN_STRING.
        message: its elements if it is WHOLE.
        mended: repairs that may not be certain, for a finding.
        lost: whether the log marks an omission in it.
    """

    raw: str
    end: int
    state: str
    message: Any = None
    mended: str = ""
    lost: bool = False


def at(text: str, start: int, closing: str = "") -> Extent:
    """Return the frame that begins at `start`.

    Args:
        text: the text that contains it.
        start: the position of its bracket.
        closing: the quotation mark around it, if any; a broken frame ends before the last one.
    """
    head = _AFTER_TYPE.match(text, start)
    after = text[head.end() : head.end() + 3] if head else ""
    if after[:1] not in _NO_JSON:  # else the decoder would read the whole text and then fail
        try:
            message, end = _DECODE(text, start)
            return Extent(text[start:end], end, WHOLE, message)
        except RecursionError:
            return Extent(text[start:], len(text), BROKEN)
        except ValueError:
            pass
    if after[:1] == "\\":
        return _escaped(text, start)
    if after[:2] == '""' and after[2:] not in ",]":
        return _doubled(text, start)
    if after[:1] in ("'", "`") or (after[:1] == '"' and _is_program(text, start)):
        found = notations.convert(text, start)
        if found is not None:
            message = _loaded(found.raw)
            state = WHOLE if message is not None else BROKEN
            return Extent(found.raw, found.end, state, message, f"{found.notation} notation", found.lost)
    piece = text[start : start + _CLEANED]
    if cleaned := _cleaned(piece):
        plain, what = cleaned
        extent = at(plain, 0, closing)
        if extent.state in (WHOLE, OPEN, OPEN_STRING):
            left = len(plain) - extent.end
            return extent._replace(end=start + len(piece) - left, mended=what)
    return _scanned(text, start, closing)


def _is_program(text: str, start: int) -> bool:
    return re.search(r"[{,]\s*[A-Za-z_$][\w$]*\s*:", text[start : start + 2000]) is not None


def _loaded(raw: str) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _cleaned(text: str) -> tuple[str, str] | None:
    """Return the text without the changes of chats, mails and word processors; None if it has no such change."""
    plain, what = text, []
    if _QUOTES.search(plain):
        plain = _QUOTES.sub('"', plain)
        what.append(TYPOGRAPHIC)
    elif _LONE.match(plain):
        plain = re.sub("[\u2018\u2019\u201a\u201b]", '"', plain)
        what.append(TYPOGRAPHIC)
    if _INVISIBLE.search(plain):
        plain = _INVISIBLE.sub("", plain)
        what.append("invisible characters")
    if "\xa0" in plain:
        plain = plain.replace("\xa0", " ")
        what.append("no-break spaces")
    if _TEL.search(plain):
        plain = _TEL.sub(lambda found: found[1] or found[3] or found[4], plain)
        what.append("links made of numbers")
    return (plain, ", ".join(what)) if what else None


def _escaped(text: str, start: int) -> Extent:
    """Return the frame that begins at `start` inside a string of JSON or logfmt."""
    inside = _ESCAPED.match(text, start)
    assert inside is not None
    try:
        plain = json.loads(f'"{inside[0]}"', strict=False)
    except ValueError:
        plain = inside[0].replace('\\"', '"').replace("\\\\", "\\")
    extent = at(plain, 0)
    if extent.state is WHOLE and plain[extent.end :].strip():
        # Another frame may follow in the same string: the search continues in the escaped text.
        end = start + len(json.dumps(plain[: extent.end], ensure_ascii=False)) - 2
        return extent._replace(end=end if end <= inside.end() else inside.end())
    return extent._replace(end=inside.end())


def _doubled(text: str, start: int) -> Extent:
    """Return the frame that begins at `start` inside a quoted column of CSV."""
    inside = _DOUBLED.match(text, start)
    assert inside is not None
    extent = at(inside[0].replace('""', '"'), 0)
    return extent._replace(end=inside.end())


def _scanned(text: str, start: int, closing: str) -> Extent:
    scan = Scan()
    end = scan.feed(text, start)
    if end is not None and not scan.crossed:
        return Extent(text[start:end], end, BROKEN)
    if scan.crossed or (closing and text.rfind("]" + closing) > start):
        last = text.rfind("]" + closing) if closing else text.rfind("]")
        end = last + 1 if last > start else len(text)
        return Extent(text[start:end], end, BROKEN)
    if closing and (last := text.rfind(closing)) > start:
        return Extent(text[start:last], last, BROKEN)
    return Extent(text[start:], len(text), OPEN_STRING if scan.in_string else OPEN)


class Scan:
    """Track the brackets and strings of a frame across pieces of text.

    Attributes:
        in_string: whether the text so far ends inside a string.
        crossed: whether the wrong kind of bracket closed another, as in `[}`.
    """

    __slots__ = ("_open", "crossed", "in_string")

    def __init__(self) -> None:
        self._open: list[str] = []
        self.in_string = False
        self.crossed = False

    def feed(self, text: str, start: int = 0) -> int | None:
        """Scan the next piece; return where the frame ends in it, or None if it continues."""
        place = start
        if (
            not self.in_string
            and not _BRACKET.search(text, start)
            and "\\" not in text
            and not text.count('"', start) % 2
        ):
            return None  # the usual case for a line of a pretty-printed frame
        if self.in_string:
            rest = _IN_STRING.match(text, place)
            if rest is None:
                return None
            self.in_string, place = False, rest.end()
        for token in _TOKENS.finditer(text, place):
            mark = token[0]
            if mark in "[{":
                self._open.append(mark)
            elif mark in "]}":
                if self._open and self._open[-1] + mark not in ("[]", "{}"):
                    self.crossed = True
                    return token.end()
                if self._open:
                    self._open.pop()
                if not self._open:
                    return token.end()
            elif mark == '"':
                self.in_string = True
                return None
        return None
