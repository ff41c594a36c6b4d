"""Shorten values that are too large to quote in a sentence or to check one by one."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any

VALUES_LIMIT = 10_000
"""A payload with at most so many values is checked completely; each value takes some 15 µs."""
FIRST_ELEMENTS = (100, 10, 5, 2)
"""In a larger payload, only so many elements of each list are checked: 100 of an outer list, 10 of a list in a list."""
JUDGED_VALUES = 200_000
"""Rules and derived tables use at most so many values of a payload, because millions of values would take seconds.

The largest real payloads, a day of meter values in one message, have about half as many.
"""
MANY_VALUES_FROM = 2 * JUDGED_VALUES
"""A frame with fewer bytes cannot have more than JUDGED_VALUES values."""
_DEPTH = 200
OTHER_MEMBERS = 1000
"""Of the members of an object that its schema does not name, so many are checked."""


def is_large(payload: Any) -> bool:
    """Return whether a payload has more than VALUES_LIMIT values."""
    return has_more_than(VALUES_LIMIT, payload)


def has_more_than(most: int, payload: Any) -> bool:
    """Return whether a payload has more than `most` values; each element and member at any depth counts."""
    waiting, count = [payload], 0
    while waiting:
        value = waiting.pop()
        if type(value) is dict or type(value) is list:
            count += len(value)
            if count > most:
                return True
            waiting += value.values() if type(value) is dict else value
    return False


def first_part(value: Any, names: Collection[str], lists: int = 0, depth: int = 0) -> Any:
    """Return a value with only the first elements of each list and not too many unknown members of each object.

    Args:
        value: parsed JSON.
        names: the names of members that are never left out.
        lists: how many lists the value is in.
        depth: how many lists and objects the value is in.
    """
    if depth == _DEPTH:
        return value
    if type(value) is list:
        most = FIRST_ELEMENTS[min(lists, len(FIRST_ELEMENTS) - 1)]
        return [first_part(element, names, lists + 1, depth + 1) for element in value[:most]]
    if type(value) is dict:
        others = set(islice((name for name in value if name not in names), OTHER_MEMBERS))
        return {
            name: first_part(member, names, lists, depth + 1)
            for name, member in value.items()
            if name in names or name in others
        }
    return value


def first_values(payload: dict[str, Any], most: int = JUDGED_VALUES) -> dict[str, Any]:
    """Return an object with only its first `most` values, in the order of the text; itself if it has no more values."""
    if not has_more_than(most, payload):
        return payload
    left = most

    def copy(value: Any, depth: int) -> Any:
        nonlocal left
        if type(value) is dict:
            members: dict[str, Any] = {}
            for name, member in value.items():
                if left <= 0 or depth == _DEPTH:
                    break
                left -= 1
                members[name] = copy(member, depth + 1)
            return members
        if type(value) is list:
            elements: list[Any] = []
            for element in value:
                if left <= 0 or depth == _DEPTH:
                    break
                left -= 1
                elements.append(copy(element, depth + 1))
            return elements
        return value

    found: dict[str, Any] = copy(payload, 0)
    return found


def at(payload: Any, path: Iterable[str | int]) -> Any:
    """Return the value in a payload at a path of member names and list indexes."""
    for part in path:
        payload = payload[part]
    return payload


def shorten_text(text: str, most: int = 60) -> str:
    """Return a text cut to `most` characters, so that a sentence can quote it."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shorten(value: Any, most: int = 60) -> str:
    """Return a value as JSON, cut to `most` characters; fast even if the value is large."""
    return shorten_text(json.dumps(_beginning(value, most + 1, [most + 1]), ensure_ascii=False, default=str), most)


def _beginning(value: Any, most: int, left: list[int]) -> Any:
    """Return as much of a value as `most` characters of JSON can show.

    `left` is a list of one number, shared by all calls: how many more values may be returned.
    """
    left[0] -= 1
    if type(value) is str:
        return value[:most]
    if type(value) is dict:
        members = islice(value.items(), most)
        return {name[:most]: _beginning(member, most, left) for name, member in members if left[0] > 0}
    if type(value) is list:
        return [_beginning(element, most, left) for element in value[:most] if left[0] > 0]
    return value
