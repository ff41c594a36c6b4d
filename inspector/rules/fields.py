"""Takes members of a payload in the type they should have, and times from text; knows no message.

Payloads reach the rules whether or not they satisfy their schema, so a rule asks for a member by its type and
gets None (or an empty object or list) where something else stands there.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

EARLIEST_YEAR = 2000
"""Clocks that were never set report 1970 or year 1; what is before this year says nothing about time."""


def string(payload: dict[str, Any], name: str) -> str | None:
    """A string, else None."""
    value = payload.get(name)
    return value if type(value) is str else None


def integer(payload: dict[str, Any], name: str) -> int | None:
    """A whole number (no boolean), else None."""
    value = payload.get(name)
    return value if type(value) is int else None


def member(payload: dict[str, Any], name: str) -> dict[str, Any]:
    """An object, else an empty one."""
    value = payload.get(name)
    return value if type(value) is dict else {}


def elements(payload: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The elements of an array; an empty object stands for each that is none, so that indexes stay true."""
    value = payload.get(name)
    if type(value) is not list:
        return []
    for element in value:
        if type(element) is not dict:
            return [element if type(element) is dict else {} for element in value]
    return value


def seconds(date_time: str | None) -> float | None:
    """A date-time as seconds since 1970; without an offset it is taken as UTC. None where it tells no time."""
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
    """Whether `one` is a date-time before `other`; False where either tells no time."""
    if one is None or other is None:
        return False
    if len(one) == len(other) and one[-1:] == "Z" == other[-1:] and one >= other:
        return False  # the common case, decided without parsing
    first, second = seconds(one), seconds(other)
    return first is not None and second is not None and first < second
