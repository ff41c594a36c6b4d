"""Find, set and remove values of a JSON text by pointer (RFC 6901); every other byte of the text stays as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder(strict=False)
MISSING = object()


class NotThere(Exception):
    """The pointer leads to nothing in this text."""


class _Place(NamedTuple):
    """Where a value is, with what to remove when it goes."""

    start: int
    end: int
    outer_start: int
    outer_end: int


@lru_cache(1_000)
def parts(pointer: str) -> tuple[str, ...]:
    """Split a pointer into its parts.

    Raises:
        ValueError: It does not begin with a slash.
    """
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        raise ValueError(pointer)
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/"))


def value_at(value: Any, pointer: str) -> Any:
    """Return the value of a parsed JSON document at a pointer, MISSING if there is none."""
    for part in parts(pointer):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isascii() and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return MISSING
    return value


def set_in(text: str, pointer: str, value: Any) -> str:
    """Return a JSON text with another value at a pointer; a missing member of an object or list is added.

    Raises:
        NotThere: What should contain the value is not in the text.
    """
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        place = _find(text, parts(pointer))
    except NotThere:
        *outer, last = parts(pointer)
        return _added(text, _find(text, outer), last, written)
    return text[: place.start] + written + text[place.end :]


def removed_from(text: str, pointer: str) -> str:
    """Return a JSON text without the member or item at a pointer.

    Raises:
        NotThere: It is not in the text.
    """
    place = _find(text, parts(pointer))
    return text[: place.outer_start] + text[place.outer_end :]


def _added(text: str, container: _Place, name: str, written: str) -> str:
    opening = text[container.start]
    inside = text[container.start + 1 : container.end - 1]
    comma = "," if inside.strip() else ""
    if opening == "{":
        member = f"{json.dumps(name, ensure_ascii=False)}:{written}"
    elif opening == "[" and (name == "-" or name == str(len(json.loads(text[container.start : container.end])))):
        member = written
    else:
        raise NotThere(name)
    end = container.end - 1
    return f"{text[:end]}{comma}{member}{text[end:]}"


def _find(text: str, wanted: Sequence[str]) -> _Place:
    start = _skip(text, 0)
    place = _Place(start, _end_of(text, start), start, _end_of(text, start))
    for part in wanted:
        if text[place.start] == "{":
            place = _member(text, place, part)
        elif text[place.start] == "[":
            place = _item(text, place, part)
        else:
            raise NotThere(part)
    return place


def _member(text: str, outer: _Place, name: str) -> _Place:
    """Return the last member of this name: it is the one that parsers keep."""
    found: _Place | None = None
    before = outer.start  # the brace or comma before the member
    at = _skip(text, outer.start + 1)
    while text[at] != "}":
        key, end = _DECODER.raw_decode(text, at)
        start = _skip(text, _skip(text, end) + 1)
        end = _end_of(text, start)
        after = _skip(text, end)
        if key == name:
            found = _Place(start, end, *_with_comma(text, before, after))
        before, at = after, _skip(text, after + (text[after] == ","))
    if found is None:
        raise NotThere(name)
    return found


def _item(text: str, outer: _Place, index: str) -> _Place:
    before = outer.start
    at, number = _skip(text, outer.start + 1), 0
    while text[at] != "]":
        end = _end_of(text, at)
        after = _skip(text, end)
        if str(number) == index:
            return _Place(at, end, *_with_comma(text, before, after))
        before, at, number = after, _skip(text, after + (text[after] == ",")), number + 1
    raise NotThere(index)


def _with_comma(text: str, before: int, after: int) -> tuple[int, int]:
    """Return what to remove with a member between the marks before and after it: one of the two commas."""
    if text[after] == ",":
        return before + 1, after + 1
    return (before if text[before] == "," else before + 1), after


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _end_of(text: str, start: int) -> int:
    return int(_DECODER.raw_decode(text, start)[1])
