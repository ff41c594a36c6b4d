"""Cuts values that are too large: to quote one in a sentence, or to look for every fault in it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any

VALUES_LIMIT = 10_000
"""Values within a payload up to which every fault of it is looked for; each costs some 15 µs."""
FIRST_ELEMENTS = (100, 10, 5, 2)
"""Elements that are looked at of each list in a larger payload, and of the lists within it."""
_DEPTH = 200
OTHER_MEMBERS = 1000
"""Members of one object that are looked at although no schema names them."""


def is_large(payload: Any) -> bool:
    """Tell whether a payload holds more values than can be looked through one by one."""
    waiting, count = [payload], 0
    while waiting:
        value = waiting.pop()
        if type(value) is dict or type(value) is list:
            count += len(value)
            if count > VALUES_LIMIT:
                return True
            waiting += value.values() if type(value) is dict else value
    return False


def first_part(value: Any, names: Collection[str], lists: int = 0, depth: int = 0) -> Any:
    """Return a value with the first elements of each list alone.

    Args:
        value: parsed JSON.
        names: members that are never left out.
        lists, depth: how many lists it is in, and how many lists and objects.
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


def at(payload: Any, path: Iterable[str | int]) -> Any:
    """Return what is at a place in a payload."""
    for part in path:
        payload = payload[part]
    return payload


def shorten_text(text: str, most: int = 60) -> str:
    """Cut a text for a sentence."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shorten(value: Any, most: int = 60) -> str:
    """A value as JSON, cut for a sentence; costs no more where the value is large."""
    return shorten_text(json.dumps(_beginning(value, most + 1, [most + 1]), ensure_ascii=False, default=str), most)


def _beginning(value: Any, most: int, left: list[int]) -> Any:
    """As much of a value as `most` characters of JSON may show; each value in it takes one of those `left` at least."""
    left[0] -= 1
    if type(value) is str:
        return value[:most]
    if type(value) is dict:
        members = islice(value.items(), most)
        return {name[:most]: _beginning(member, most, left) for name, member in members if left[0] > 0}
    if type(value) is list:
        return [_beginning(element, most, left) for element in value[:most] if left[0] > 0]
    return value
