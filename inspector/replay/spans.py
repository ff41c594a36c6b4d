"""Find the place of each scalar in a JSON text, to replace single scalars without changing any other byte."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed leaves it out
from typing import Any

type Path = tuple[str | int, ...]

_SPACE = re.compile(r"[ \t\n\r]*")
_SCALAR = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")


def scalars(text: str) -> Iterator[tuple[Path, int, int]]:
    """Yield the path, start and end of every scalar, in the order of the text.

    Raises:
        ValueError: the text is not JSON.
    """
    stack: list[tuple[str, str | int]] = []  # "[" with the index, "{" with the member's name
    at = _skip(text, 0)
    while True:
        char = text[at : at + 1]
        if char in ("[", "{") and char:
            at = _skip(text, at + 1)
            if text[at : at + 1] != ("]" if char == "[" else "}"):
                if char == "[":
                    stack.append(("[", 0))
                else:
                    name, at = _name(text, at)
                    stack.append(("{", name))
                continue
            at += 1
        else:
            end = _end_of_scalar(text, at)
            yield tuple(place for _, place in stack), at, end
            at = end
        at = _skip(text, at)
        while stack and text[at : at + 1] in ("]", "}"):
            stack.pop()
            at = _skip(text, at + 1)
        if not stack:
            if at != len(text):
                raise ValueError(f"something follows the JSON text at {at}")
            return
        if text[at : at + 1] != ",":
            raise ValueError(f"a comma is missing at {at}")
        at = _skip(text, at + 1)
        kind, place = stack[-1]
        if kind == "[":
            assert isinstance(place, int)
            stack[-1] = ("[", place + 1)
        else:
            name, at = _name(text, at)
            stack[-1] = ("{", name)


def replace(text: str, change: Callable[[Path, Any], Any]) -> str:
    """Return the text with the scalars that `change` returns; unchanged scalars keep their spelling."""
    parts, done = [], 0
    for path, start, end in scalars(text):
        spelled = text[start:end]
        value = spelled[1:-1] if spelled[0] == '"' and "\\" not in spelled else json.loads(spelled)
        other = change(path, value)
        if other != value or type(other) is not type(value):
            parts += [text[done:start], as_json(other)]
            done = end
    return "".join([*parts, text[done:]])


def as_json(value: Any) -> str:
    """Return a scalar as JSON; of non-ASCII characters, only halves of surrogate pairs are escaped."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


def _skip(text: str, at: int) -> int:
    if text[at : at + 1] not in " \t\n\r":
        return at  # by far the most common case
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _name(text: str, at: int) -> tuple[str, int]:
    if text[at : at + 1] != '"':
        raise ValueError(f"a member's name is missing at {at}")
    name, at = scanstring(text, at + 1, False)
    at = _skip(text, at)
    if text[at : at + 1] != ":":
        raise ValueError(f"a colon is missing at {at}")
    return name, _skip(text, at + 1)


def _end_of_scalar(text: str, at: int) -> int:
    if text[at : at + 1] == '"':
        return int(scanstring(text, at + 1, False)[1])
    found = _SCALAR.match(text, at)
    if found is None:
        raise ValueError(f"no value at {at}")
    return found.end()
