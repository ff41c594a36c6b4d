"""Find the date and the UTC offset of the times of a log; never read the system clock."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from statistics import median_low
from typing import Any
from zoneinfo import ZoneInfo

from inspector.errors import UserMistake
from inspector.formats.logs.seen import Event, Seen
from inspector.formats.logs.times import DAY_NS, Kind, When

QUARTER_NS = 900 * 1_000_000_000
TOLERANCE_NS = 300 * 1_000_000_000
"""The clocks of the log and the CSMS may differ by this much; offsets are multiples of 15 minutes."""
CHANGES_NS = frozenset(minutes * 60 * 1_000_000_000 for minutes in (-60, -30, 30, 60))
"""By how much clocks are set forward or back for daylight saving time."""
_FARTHEST_NS = 15 * 3600 * 1_000_000_000
_DAY = re.compile(r"(?<!\d)(20\d\d)[-_.]?([01]\d)[-_.]?([0-3]\d)(?!\d)")
_EPOCH = datetime(1970, 1, 1)


def zone(name: str) -> tzinfo:
    """Return the time zone that a user names: `Europe/Berlin`, `+02:00`, `UTC`.

    Raises:
        UserMistake: the zone does not exist.
    """
    plain = name.strip().upper().removeprefix("UTC").removeprefix("GMT").strip()
    if plain in ("", "Z"):
        return UTC
    try:
        if plain[0] in "+-":
            hours, _, minutes = plain[1:].partition(":")
            if not minutes and len(hours) == 4:
                hours, minutes = hours[:2], hours[2:]
            offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
            return timezone(-offset if plain[0] == "-" else offset)
        return ZoneInfo(name.strip())
    except (ValueError, OSError, KeyError) as error:
        raise UserMistake(f"unknown time zone {name!r}: write a name such as Europe/Berlin, or +02:00") from error


def date_time(value: Any) -> int | None:
    """Return a date-time of a payload as nanoseconds since 1970 (UTC if it has no offset); None if it is malformed."""
    if type(value) is not str or not 19 <= len(value) <= 40:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    since = (at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH.replace(tzinfo=UTC)
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


class Clock:
    """Convert the times of a log to nanoseconds since 1970.

    Attributes:
        timed: whether the log has times.
        offset_s: how many seconds the times are ahead of UTC; 0 for UTC, None if unknown.
        known: whether the times can be compared with times in payloads.
        day_known: whether the times have a date.
        by: the source of the offset, for a message; "" if unknown.
    """

    def __init__(self, events: list[Event], zone: tzinfo | None, written_ns: int | None, name: str = "") -> None:
        """Find the offset and the date from the first events of the log.

        Args:
            events: the first events.
            zone: the user's time zone for times without an offset.
            written_ns: when the file was last modified.
            name: the name of the file, which may contain the date.
        """
        frames = [event for event in events if isinstance(event, Seen)]
        whens = [event.around.when for event in frames if event.around.when is not None]
        self.timed = 2 * len(whens) >= len(frames) and bool(whens)
        self._zone = zone
        kind = max((when.kind for when in whens), default=Kind.UTC)
        reference = _reference(frames) or _of_name(name)
        if kind is Kind.NO_YEAR and reference is None:
            reference = written_ns
        self.day_known = kind is not Kind.TIME_OF_DAY or reference is not None
        self._last_ns = reference or 0
        self._begun = False
        local = [when for when in whens if when.kind is not Kind.UTC]
        self.offset_s: int | None = 0
        self.by = ""
        if local and self.timed and zone is None:
            self.offset_s = self._told(frames)
            self.by = "the CSMS's currentTime" if self.offset_s is not None else ""
        self.known = self.timed and self.day_known and (not local or zone is not None or self.offset_s is not None)
        self.offset_s = self.offset_s if self.known else None

    def ns(self, when: When | None) -> int | None:
        """Return a time in nanoseconds since 1970, for None the previous time; None in a log without times."""
        if not self.timed:
            return None
        if when is None:
            return self._last_ns
        ns = self._dated(when)
        if self._zone is not None and when.kind is not Kind.UTC and self.day_known:
            ns = self._of_zone(ns, self._zone)
        self._last_ns, self._begun = ns, True
        return ns

    def _of_zone(self, ns: int, zone: tzinfo) -> int:
        """Return a local time in UTC; of two possible times in the autumn change, the one that does not go back."""
        local = (_EPOCH + timedelta(microseconds=ns // 1000)).replace(tzinfo=zone)
        first, second = (ns - _offset_ns(at) for at in (local, local.replace(fold=1)))
        return second if self._begun and first < self._last_ns - TOLERANCE_NS else first

    def _dated(self, when: When) -> int:
        if when.kind is Kind.TIME_OF_DAY:
            return when.ns + round((self._last_ns - when.ns) / DAY_NS) * DAY_NS
        if when.kind is Kind.NO_YEAR:
            at = _EPOCH + timedelta(microseconds=when.ns // 1000)
            near = (_EPOCH + timedelta(microseconds=self._last_ns // 1000)).year if self._last_ns else at.year
            years = [year for year in (near - 1, near, near + 1) if year % 4 == 0 or (at.month, at.day) != (2, 29)]
            moved = [_since(at.replace(year=year)) + when.ns % 1000 for year in years] or [when.ns]
            return min(moved, key=lambda ns: abs(ns - self._last_ns))
        return when.ns

    def _told(self, frames: Iterable[Seen]) -> int | None:
        """Return the offset in seconds that most of the CSMS's answers show."""
        ahead = []
        for frame in frames:
            when, told = frame.around.when, current_time(frame.message)
            if when is not None and told is not None and when.kind is not Kind.UTC:
                ahead.append(self.near(when, told) - told)
        if not ahead:
            return None
        offset = round(median_low(ahead) / QUARTER_NS) * QUARTER_NS
        first = round(ahead[0] / QUARTER_NS) * QUARTER_NS
        changed = first - offset in CHANGES_NS  # daylight saving time begins or ends within the log
        known = (offset, first) if changed else (offset,)
        agreeing = sum(any(abs(one - each) <= TOLERANCE_NS for each in known) for one in ahead)
        if abs(offset) > _FARTHEST_NS or 2 * agreeing < len(ahead):
            return None
        return (first if changed else offset) // 1_000_000_000

    def near(self, when: When, told: int) -> int:
        """Return a time of the log, completed with the year or day that brings it closest to the time `told`."""
        kept, self._last_ns = self._last_ns, told
        try:
            return self._dated(when)
        finally:
            self._last_ns = kept


def _offset_ns(at: datetime) -> int:
    return int((at.utcoffset() or timedelta(0)).total_seconds()) * 1_000_000_000


def _of_name(name: str) -> int | None:
    """Return noon of the date in a file name."""
    found = _DAY.search(name)
    if found is None:
        return None
    try:
        return _since(datetime(int(found[1]), int(found[2]), int(found[3]), 12))
    except ValueError:
        return None


def _since(at: datetime) -> int:
    since = at - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


def current_time(message: Any) -> int | None:
    if type(message) is list and len(message) == 3 and message[0] == 3 and type(message[2]) is dict:
        return date_time(message[2].get("currentTime"))
    return None


def _reference(frames: Iterable[Seen]) -> int | None:
    """Return a time from a payload, to complete times without a date or a year."""
    own = None
    for frame in frames:
        if (told := current_time(frame.message)) is not None:
            return told
        message = frame.message
        if own is None and type(message) is list and len(message) == 4 and type(message[3]) is dict:
            own = date_time(message[3].get("timestamp"))
    return own
