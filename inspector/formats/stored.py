"""Read the frames of a recording for export, each with the events around it."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from inspector.records import CloseRecord, EventRecord, FrameRecord, OpenRecord
from inspector.store.reading.paging import LAST, highest, one_moment, paged
from inspector.store.reading.stored_records import (
    NOT_RECORDS,
    Place,
    closing_record,
    event_record,
    frames,
    opening_record,
    places,
)


class Stored(NamedTuple):
    """A frame with the events around it, or a session without frames.

    Attributes:
        session_id: the id of its session.
        frame: the FrameRecord; None for a session without frames.
        row_id: the id of the frame's row; 0 without a frame.
        opened: the OpenRecord if this is the first step of its session.
        before: events between the previous frame and this one.
        last: whether this is the last step of its session; then
        after, closed: the events after it, and the CloseRecord of a closed session.
        outside: earlier events of no session; only when all sessions are read.
    """

    session_id: int
    frame: FrameRecord | None
    row_id: int
    opened: OpenRecord | None
    before: tuple[EventRecord, ...]
    last: bool
    after: tuple[EventRecord, ...]
    closed: CloseRecord | None
    outside: tuple[EventRecord, ...] = ()


class Until(NamedTuple):
    """A moment in the life of a recording; rows stored later are left out.

    Attributes:
        frame, event: the highest ids.
        places: the order of the sessions, by id.
    """

    frame: int
    event: int
    places: dict[int, Place]


def now(connection: sqlite3.Connection, sessions: Iterable[int] | None = None) -> Until:
    """Return the current moment for these sessions (None: all); `stored` leaves out all later rows."""
    where = _where(sessions).replace("sessions.", "s.")
    with one_moment(connection):
        return Until(highest(connection, "frames"), highest(connection, "events"), places(connection, where))


def _where(sessions: Iterable[int] | None) -> str:
    # Put the integers into the SQL: as parameters they could exceed SQLite's limit.
    return "1" if sessions is None else f"sessions.id IN ({', '.join(str(int(number)) for number in sessions)})"


def stored(
    connection: sqlite3.Connection, sessions: Collection[int] | None = None, until: Until | None = None
) -> Iterator[Stored]:
    """Yield the steps of these sessions (None: all) in the order they were stored; sessions without frames come last.

    Args:
        connection: to a recording; its rows become `sqlite3.Row`.
        sessions: their ids.
        until: the moment up to which to read; None for now.
    """
    connection.row_factory = sqlite3.Row
    until = until or now(connection, sessions)
    known = until.places
    if sessions is not None:
        known = {number: known[number] for number in sessions if number in known}
    reading = frames(connection, _where(sessions), last=until.frame)
    around: dict[int, Iterator[sqlite3.Row]] = {}
    next_event: dict[int, sqlite3.Row | None] = {}
    outside = _Outside(connection, until.event) if sessions is None else None
    step = next(reading, None)
    while step is not None:
        record, row_id = step
        session_id = record.session_number
        place = known[session_id]
        opened = None
        if session_id not in around:
            opened = _opening(connection, place)
            around[session_id] = _events(connection, session_id, until.event)
            next_event[session_id] = next(around[session_id], None)
        before = []
        while (event := next_event[session_id]) is not None and (event["after_frame_id"] or 0) < row_id:
            before.append(event_record(event, place.offset))
            next_event[session_id] = next(around[session_id], None)
        after: tuple[EventRecord, ...] = ()
        closed = None
        if row_id == place.last:
            event = next_event.pop(session_id)
            rest = around.pop(session_id)
            after = tuple(event_record(row, place.offset) for row in ([event, *rest] if event is not None else ()))
            closed = closing_record(connection, place)
        beside = outside.until(record.ts_ns, place.offset) if outside is not None else ()
        yield Stored(session_id, record, row_id, opened, tuple(before), row_id == place.last, after, closed, beside)
        step = next(reading, None)
    for place in known.values():
        if place.first is None:
            beside = outside.until(place.opened_ns, place.offset) if outside is not None else ()
            yield _empty(connection, place, until.event)._replace(outside=beside)
    if outside is not None and (beside := outside.until(None, 0)):
        yield Stored(0, None, 0, None, (), True, (), None, beside)


class _Outside:
    """The events of no session, such as failed attempts to connect, in the order they were stored."""

    def __init__(self, connection: sqlite3.Connection, last: int) -> None:
        sql = f"""SELECT * FROM events WHERE id BETWEEN :low AND :high AND session_id IS NULL AND {NOT_RECORDS}
            ORDER BY id"""
        self._rows = paged(connection, sql, high=last)
        self._next: sqlite3.Row | None = next(self._rows, None)

    def until(self, ts_ns: int | None, offset: int) -> tuple[EventRecord, ...]:
        """Remove and return the events that happened by `ts_ns`; all remaining events if it is None."""
        found = []
        while self._next is not None and (ts_ns is None or self._next["ts_ns"] <= ts_ns):
            found.append(event_record(self._next, offset))
            self._next = next(self._rows, None)
        return tuple(found)


def _empty(connection: sqlite3.Connection, place: Place, last_event: int) -> Stored:
    events = tuple(event_record(row, place.offset) for row in _events(connection, place.session_id, last_event))
    opened, closed = _opening(connection, place), closing_record(connection, place)
    return Stored(place.session_id, None, 0, opened, (), True, events, closed)


def _opening(connection: sqlite3.Connection, place: Place) -> OpenRecord:
    """Return the OpenRecord of a session without facts that have a meaning only in this database."""
    record = opening_record(connection, place)
    facts = record.facts.copy()
    facts.pop("recording_id", None)
    return record._replace(facts=facts)


def _events(connection: sqlite3.Connection, session_id: int, last: int) -> Iterator[sqlite3.Row]:
    sql = f"""SELECT * FROM events WHERE session_id = :session AND {NOT_RECORDS}
        AND id BETWEEN :low AND :high ORDER BY id"""
    return paged(connection, sql, {"session": session_id}, low=-LAST, high=last, rows=50)
