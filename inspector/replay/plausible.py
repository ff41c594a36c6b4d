"""Find values that may differ from run to run but are wrong: a clock days off, an expired card, an interval of 0."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.protocol.large_values import shorten
from inspector.rules.fields import seconds

DAY_S = 86_400.0
EXPIRIES = frozenset({"expiryDate", "cacheExpiryDateTime"})
_EARLIEST_S = 946_684_800.0  # 2000-01-01: earlier times do not come from a set clock


class Useless(NamedTuple):
    """A value that was right in the recording and is wrong in this run.

    Attributes:
        pointer: the place within the payload.
        member: the name of the member.
        sentence: the fault in words.
    """

    pointer: str
    member: str
    sentence: str


def useless_values(recorded: Frame, expected: Any, live: Frame) -> Iterator[Useless]:
    """Compare the clocks, expiry dates and intervals of a live payload with those that were recorded.

    Args:
        recorded: the recorded frame, for its time.
        expected: the recorded payload with the ids of this run.
        live: the live frame that corresponds to it.
    """
    yield from _look(expected, live.payload, "", recorded.ts_ns / 1e9, live.ts_ns / 1e9)


def _look(recorded: Any, live: Any, pointer: str, then_s: float, now_s: float) -> Iterator[Useless]:
    if not isinstance(recorded, dict) or not isinstance(live, dict):
        return
    for member, value in recorded.items():
        other, place = live.get(member), f"{pointer}/{member}"
        if member == "interval" and other == 0 and value and type(other) is int:
            yield Useless(place, member, f"interval is 0, recorded {shorten(value)}")
        elif member == "currentTime" or member in EXPIRIES:
            if (why := _wrong_time(member, value, other, then_s, now_s)) is not None:
                yield Useless(place, member, f"{member} is {shorten(other)}, {why}")
        elif isinstance(value, dict):
            yield from _look(value, other, place, then_s, now_s)


def _wrong_time(member: str, recorded: Any, live: Any, then_s: float, now_s: float) -> str | None:
    if not isinstance(recorded, str) or not isinstance(live, str) or min(then_s, now_s) < _EARLIEST_S:
        return None
    was_s, is_s = seconds(recorded), seconds(live)
    if was_s is None:
        return None
    if is_s is None:  # before 2000, or not a time: the matchers report that
        return "which is before the year 2000" if live[:2] in ("00", "19") else None
    if member == "currentTime":
        off_s = abs(is_s - now_s)
        if off_s <= DAY_S or abs(was_s - then_s) > DAY_S:
            return None
        return f"{off_s / DAY_S:,.0f} days off the time of this run"
    if was_s > then_s and is_s <= now_s:
        return f"which is in the past; recorded {shorten(recorded)}, then in the future"
    return None
