"""Drop shortened copies of frames that a program also logs in full."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from inspector.formats.logs.resolving import head
from inspector.formats.logs.seen import Event, Seen
from inspector.formats.reading import Reading

_NEAR = 4
"""The most frames between a frame and its shortened copy."""
_BEGINNING = 12
"""A frame and its copy have at least this many first characters in common."""


def without_copies(events: Iterator[Event], reading: Reading) -> Iterator[Event]:
    """Yield the events without shortened copies of other frames nearby."""
    before: deque[Seen] = deque(maxlen=_NEAR)
    waiting: deque[Event] = deque()
    for event in events:
        waiting.append(event)
        if isinstance(event, Seen) and not _is_cut(event) and len(waiting) > 1:
            for one in list(waiting):
                if isinstance(one, Seen) and _is_cut(one) and _is_copy(one, event):
                    waiting.remove(one)
                    reading.passed_over += 1
        while waiting and (len(waiting) > _NEAR or not (isinstance(waiting[0], Seen) and _is_cut(waiting[0]))):
            yield from _passed(waiting.popleft(), before, reading)
    for event in waiting:
        yield from _passed(event, before, reading)


def _passed(event: Event, before: deque[Seen], reading: Reading) -> Iterator[Event]:
    if isinstance(event, Seen):
        if _is_cut(event) and any(_is_copy(event, whole) for whole in before):
            reading.passed_over += 1
            return
        if not _is_cut(event):
            before.append(event)
    yield event


def _is_cut(event: Seen) -> bool:
    return event.notes is not None and "cut" in event.notes


def _is_copy(cut: Seen, whole: Seen) -> bool:
    one = cut.around.charge_point, whole.around.charge_point
    same = None in one or one[0] == one[1]
    return same and cut.raw[:_BEGINNING] == whole.raw[:_BEGINNING] and head(cut)[:2] == head(whole)[:2]
