"""Undo changes to and from daylight saving time within a log of local times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from inspector.formats.logs.clock import CHANGES_NS, QUARTER_NS, TOLERANCE_NS, Clock, current_time
from inspector.formats.logs.seen import Event, Left, Linked, Seen
from inspector.formats.logs.times import Kind, When
from inspector.formats.reading import Reading

_MINUTE_NS = 60 * 1_000_000_000
_HELD = 500
"""The most events that wait for an answer of the CSMS that shows the offset."""
_ANSWER = ("[3", "[ 3", "[\n")
_DATED = frozenset({Kind.LOCAL, Kind.NO_YEAR})


class Daylight:
    """Convert all times of a log to the UTC offset at its beginning.

    The CSMS's answers show that the offset has changed. Between the last answer with the old offset and the first one
    with the new offset, the change is where the written times jump by the amount closest to it.

    Args:
        clock: knows the offset at the beginning.
        reading: gets a remark about each change.
    """

    def __init__(self, clock: Clock, reading: Reading) -> None:
        self._clock = clock
        self._offset_ns = (clock.offset_s or 0) * 1_000_000_000
        self._reading = reading
        self._shift = 0
        self._before: Event | None = None  # the last event that was released

    def undone(self, events: Iterable[Event]) -> Iterator[Event]:
        """Yield the events with their times at the offset of the beginning."""
        held: list[Event] = []
        for event in events:
            held.append(event)
            change = self._change(event) if isinstance(event, Seen) and event.raw.startswith(_ANSWER) else None
            if change is None and len(held) < _HELD:
                continue
            yield from self._released(held, change or 0)
            held = []
        yield from self._released(held, 0)

    def _change(self, event: Seen) -> int | None:
        """Return by how much an answer of the CSMS shows the offset changed; None for any other event."""
        if (told := current_time(event.message)) is None:
            return None
        when = event.around.when
        if when is None or when.kind not in _DATED:
            return None
        exact = self._clock.near(when, told) - told - self._offset_ns - self._shift
        change = round(exact / QUARTER_NS) * QUARTER_NS
        return change if change in CHANGES_NS and abs(exact - change) <= TOLERANCE_NS else 0

    def _released(self, held: list[Event], change: int) -> Iterator[Event]:
        if not change and not self._shift:
            if held:
                self._before = held[-1]
            yield from held
            return
        at = self._place(held, change) if change else len(held)
        for number, event in enumerate(held):
            if number == at:
                self._shift += change
                minutes = abs(change) // _MINUTE_NS
                way = "forward" if change > 0 else "back"
                self._reading.remark(f"line {event.line}: the clock of the log went {way} by {minutes} minutes; undone")
            yield self._moved(event)

    def _place(self, held: list[Event], change: int) -> int:
        """Return the index of the first event after the change: the event whose jump in time is closest to it."""
        before = [] if self._before is None else [self._before]
        timed = [
            (number, ns) for number, event in enumerate(before + held, -len(before)) if (ns := _ns(event)) is not None
        ]
        steps = [(later[1] - earlier[1], later[0]) for earlier, later in pairwise(timed)]
        if not steps:
            return 0
        lowest = min(steps)
        if change < 0 and lowest[0] < -_MINUTE_NS:
            return lowest[1]
        # If the clock was set back during a silence, prefer a silence before a new connection: it is the longer one.
        away = [step for step in steps if isinstance(held[step[1]], Linked)] if change < 0 else []
        return max(away or steps)[1]

    def _moved(self, event: Event) -> Event:
        ns = _ns(event)
        self._before = event
        when = None if isinstance(event, Left) else event.around.when
        if ns is None or isinstance(event, Left) or when is None or not self._shift:
            return event
        return event._replace(around=event.around._replace(when=When(ns - self._shift, when.kind)))


def _ns(event: Event) -> int | None:
    when = None if isinstance(event, Left) else event.around.when
    return when.ns if when is not None and when.kind in _DATED else None
