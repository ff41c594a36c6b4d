"""Read times in the forms that logs write; never read the system clock."""

from __future__ import annotations

import re
from datetime import date
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple

LARGEST_NS = 2**63 - 1
"""The largest integer of SQLite; as nanoseconds since 1970, it is in the year 2262."""
DAY_NS = 86_400 * 1_000_000_000
NO_YEAR = 1972
"""Replaces a missing year: a leap year, earlier than any log."""

_MONTHS = {name: number for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_ZONES = {"Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "BST": 60, "WEST": 60, "CET": 60, "CEST": 120, "EET": 120, "EEST": 180}
_ZONES |= {"EST": -300, "EDT": -240, "CST": -360, "CDT": -300, "MST": -420, "MDT": -360, "PST": -480, "PDT": -420}
_CLOCK = r"(\d\d?):(\d\d):(\d\d)(?:[.,](\d{1,9}))?\d*"
_HALF = r"(?:\s?([AaPp])\.?[Mm]\b\.?)?"
_NAMED = "|".join(name for name in _ZONES if name != "Z")
_OFFSET = rf"(?:\s?(Z\b|[+-]\d\d:?\d\d\b|[+-]\d\d\b(?=$|[^\d:.])|(?:{_NAMED})\b))?"
_MONTH = r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
_FORMS = (
    rf"(?P<ymd>(?<!\d)(\d{{4}})[-/.](\d\d?)[-/.](\d\d?)(?:[Tt_]|,?\s+(?:-\s+)?){_CLOCK}{_HALF}{_OFFSET})",
    rf"(?P<dmon>(?<!\d)(\d\d?)[-/ ]{_MONTH}[-/ ,]\s?(\d{{4}}|\d\d)(?:[T:]|,?\s+(?:-\s+)?){_CLOCK}{_HALF}{_OFFSET})",
    rf"(?P<mon>\b{_MONTH}\s+(\d\d?)(?:,?\s+(\d{{4}}),?)?\s+(?:at\s+)?{_CLOCK}{_HALF}(?:\s(\d{{4}})\b)?{_OFFSET})",
    rf"(?P<slash>(?<![\d/.-])(\d\d?)([/.-])(\d\d?)[/.-](\d{{4}}|\d\d)(?:T|,?\s+(?:-\s+)?){_CLOCK}{_HALF}{_OFFSET})",
    rf"(?P<md>(?<![\d/.-])(\d\d)[-/](\d\d)\s+{_CLOCK})",
    rf"(?P<clock>(?<![\w:.-]){_CLOCK}{_HALF}(?![\w:-]))",
    r"(?P<epoch>(?<![\w.-])(?<!\d:)(?:\d{10}(?:\.\d{1,9})?|\d{13}|\d{16}|\d{19})(?![\w.:-]))",
)
_TIME = re.compile("|".join(_FORMS))
_ALONE = {name: re.compile(form) for form in _FORMS for name in re.compile(form).groupindex}
_HAS_ONE = re.compile(r"\d:\d\d:\d\d|\d{10}")


type Parts = tuple[Any, ...]


class Kind(IntEnum):
    """How complete a time is, the most complete first."""

    UTC = 0
    LOCAL = 1
    NO_YEAR = 2
    TIME_OF_DAY = 3


class When(NamedTuple):
    """A time in nanoseconds since 1970, or since midnight without a date; read as UTC if it has no offset."""

    ns: int
    kind: Kind


class Found(NamedTuple):
    """A time and its place in the text."""

    when: When
    start: int
    end: int


class Times:
    """Find times in similar texts: the places of the last times are tried first."""

    def __init__(self, day_first: bool = True) -> None:
        """Set `day_first` to read 5/6/2024 without AM or PM as the 5th of June."""
        self._day_first = day_first
        self._lately: list[tuple[str, int]] = []  # the forms and places of the last times, without duplicates

    def find(self, text: str) -> Found | None:
        """Return the most complete time in a text; the first of several equally complete ones."""
        for form, start in self._lately:
            if (found := _ALONE[form].match(text, start)) and (when := _read(form, found, 1, self._day_first)):
                return Found(when, start, found.end())
        if not _HAS_ONE.search(text):
            return None
        best: Found | None = None
        best_form = ""
        for found in _TIME.finditer(text):
            form = found.lastgroup or ""
            when = _read(form, found, _TIME.groupindex[form], self._day_first)
            if when is not None and (best is None or when.kind < best.when.kind):
                best, best_form = Found(when, found.start(), found.end()), form
                if when.kind is Kind.UTC:
                    break
        if best is not None:
            self._lately = [(best_form, best.start), *self._lately[:2]]
        return best


def spans(text: str) -> list[tuple[int, int]]:
    """Return the places of times in a text."""
    return [found.span() for found in _TIME.finditer(text)]


def begins(text: str) -> re.Match[str] | None:
    """Return the time at the beginning of a text, with only brackets or blanks before it; None if there is none."""
    start = len(text) - len(text.lstrip(" \t[(<|*"))
    if not (text[start : start + 1].isdigit() or text[start : start + 3].lower() in _MONTHS):
        return None
    return _TIME.match(text, start, start + 60)


def of_number(value: float) -> When | None:
    """Return a number of seconds, milli-, micro- or nanoseconds since 1970 as a time; None for other numbers."""
    for digits, scale in ((10, 1_000_000_000), (13, 1_000_000), (16, 1000), (19, 1)):
        if 10 ** (digits - 1) <= value < 10**digits:
            # A float of seconds is accurate to microseconds only.
            ns = (
                value * scale
                if isinstance(value, int)
                else int(value) * scale + round(value % 1 * 10**6) * scale // 10**6
            )
            return When(ns, Kind.UTC) if ns <= LARGEST_NS else None
    return None


def _read(form: str, found: re.Match[str], at: int, day_first: bool) -> When | None:
    groups = found.groups()
    try:
        return _PARTS[form](found[at], groups[at : at + 10], day_first)
    except (ValueError, OverflowError):
        return None


def _ymd(text: str, part: Parts, day_first: bool) -> When | None:
    return _when(_day(int(part[0]), int(part[1]), int(part[2])), part[3:7], part[7], part[8])


def _dmon(text: str, part: Parts, day_first: bool) -> When | None:
    return _when(_day(_year(part[2]), _MONTHS[part[1].lower()], int(part[0])), part[3:7], part[7], part[8])


def _mon(text: str, part: Parts, day_first: bool) -> When | None:
    year = part[2] or part[8]
    day = _day(int(year or NO_YEAR), _MONTHS[part[0].lower()], int(part[1]))
    when = _when(day, part[3:7], part[7], part[9])
    return when if year or when is None else When(when.ns, Kind.NO_YEAR)


def _slash(text: str, part: Parts, day_first: bool) -> When | None:
    first, second = int(part[0]), int(part[2])
    if first > 12 or (second <= 12 and (part[1] == "." or (day_first and not part[8]))):
        first, second = second, first
    return _when(_day(_year(part[3]), first, second), part[4:8], part[8], part[9])


def _md(text: str, part: Parts, day_first: bool) -> When | None:
    when = _when(_day(NO_YEAR, int(part[0]), int(part[1])), part[2:6], None, None)
    return when and When(when.ns, Kind.NO_YEAR)


def _clock(text: str, part: Parts, day_first: bool) -> When | None:
    when = _when(0, part[0:4], part[4], None)
    return when and When(when.ns, Kind.TIME_OF_DAY)


def _epoch(text: str, part: Parts, day_first: bool) -> When | None:
    whole, _, fraction = text.partition(".")
    ns = int(whole) * 10 ** (19 - len(whole)) + int(fraction.ljust(9, "0") or 0)
    return When(ns, Kind.UTC) if ns <= LARGEST_NS else None


_PARTS = {"ymd": _ymd, "dmon": _dmon, "mon": _mon, "slash": _slash, "md": _md, "clock": _clock, "epoch": _epoch}


def _year(text: str) -> int:
    return int(text) if len(text) == 4 else 2000 + int(text)


@lru_cache(256)
def _day(year: int, month: int, day: int) -> int:
    """Return the number of days from 1970 to a date."""
    return date(year, month, day).toordinal() - 719_163


def _when(day: int, clock: Parts, half: str | None, offset: str | None) -> When | None:
    hour, minute, second = int(clock[0]), int(clock[1]), int(clock[2])
    if half:
        hour = hour % 12 + (12 if half in "pP" else 0)
    if hour > 24 or minute > 59 or second > 60:
        return None
    ns = ((day * 24 + hour) * 60 + minute) * 60_000_000_000 + second * 1_000_000_000
    if clock[3]:
        ns += int(clock[3].ljust(9, "0"))
    if offset:
        ns -= _minutes(offset) * 60_000_000_000
    return When(ns, Kind.UTC if offset else Kind.LOCAL) if abs(ns) <= LARGEST_NS else None


def _minutes(offset: str) -> int:
    if offset in _ZONES:
        return _ZONES[offset]
    digits = offset[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    if minutes > 18 * 60:
        raise ValueError(offset)
    return -minutes if offset[0] == "-" else minutes
