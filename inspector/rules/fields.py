"""Read members of a payload that may have the wrong type, and parse date-times.

Payloads reach the rules even if they violate their schema. So a rule asks for a member with its type, and gets None (or
an empty object or list) if the payload has a value of another type there.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

EARLIEST_YEAR = 2000
"""Date-times before this year are ignored, because clocks that were never set report 1970 or the year 1."""


def string(payload: dict[str, Any], name: str) -> str | None:
    """Return the value of a member if it is a string, otherwise None."""
    value = payload.get(name)
    return value if type(value) is str else None


def integer(payload: dict[str, Any], name: str) -> int | None:
    """Return the value of a member if it is an integer, otherwise None; a boolean is not an integer."""
    value = payload.get(name)
    return value if type(value) is int else None


def member(payload: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the value of a member if it is an object, otherwise an empty object."""
    value = payload.get(name)
    return value if type(value) is dict else {}


def elements(payload: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the elements of a member that is an array of objects; empty if it is not an array.

    Elements that are not objects become empty objects, so that the indexes stay the same.
    """
    value = payload.get(name)
    if type(value) is not list:
        return []
    for element in value:
        if type(element) is not dict:
            return [element if type(element) is dict else {} for element in value]
    return value


def seconds(date_time: str | None) -> float | None:
    """Return a date-time in seconds since 1970, as UTC if it has no offset; None if it is not a usable date-time."""
    if date_time is None:
        return None
    try:
        read = datetime.fromisoformat(date_time)
    except ValueError:
        return None
    if read.year < EARLIEST_YEAR:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def earlier(one: str | None, other: str | None) -> bool:
    """Return whether `one` is a date-time before `other`; False if either is not a usable date-time."""
    if one is None or other is None:
        return False
    if len(one) == len(other) and one[-1:] == "Z" == other[-1:] and one >= other:
        return False  # the most frequent case needs no parsing
    first, second = seconds(one), seconds(other)
    return first is not None and second is not None and first < second
