"""Detect logs that are newest first, and reverse them; a long one is kept on disk meanwhile."""

from __future__ import annotations

import pickle
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from itertools import pairwise

from inspector.formats.logs.resolving import head
from inspector.formats.logs.seen import Event, Seen


def is_newest_first(events: Iterable[Event]) -> bool:
    """Return whether answers come before their CALLs; if no CALL has its answer, whether the times decrease."""
    frames = [event for event in events if isinstance(event, Seen)]
    rising = falling = before = after = 0
    whens = [frame.around.when for frame in frames if frame.around.when is not None]
    for earlier, later in pairwise(whens):
        if earlier.kind is later.kind:
            rising += later.ns > earlier.ns
            falling += later.ns < earlier.ns
    calls: set[tuple[str | None, str]] = set()
    answers: set[tuple[str | None, str]] = set()
    for frame in frames:
        kind, number, _ = head(frame)
        if number is None:
            continue
        key = frame.around.charge_point, number
        if kind == 2:
            before += key in answers
            calls.add(key)
        elif kind in (3, 4):
            after += key in calls
            answers.add(key)
    if before != after:
        return before > after and falling >= rising
    return falling > 2 * rising and falling > 1


def turned(events: Iterable[Event]) -> Iterator[Event]:
    """Yield the events from the last to the first."""
    with tempfile.TemporaryFile() as kept:
        places = array("Q")
        for event in events:
            places.append(kept.tell())
            pickle.dump(event, kept, protocol=pickle.HIGHEST_PROTOCOL)
        for place in reversed(places):
            kept.seek(place)
            yield pickle.load(kept)  # this process wrote the file, so it is safe to unpickle
