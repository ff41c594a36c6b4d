"""Read a recording back as the records that it was made from, so that it can be judged or exported again.

The rows of each table are in the order in which they were written. Times decide how to merge the tables, but never
against these facts: a session opens before its first frame, an event follows the frame that it names, and a session
closes after its last frame. So every frame is inside its session, even if the clock was set back or old sessions were
imported after newer ones.
"""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, cast

from inspector import records
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.records import CloseFacts, CloseRecord, EventRecord, FrameRecord, OpenRecord, Record, SessionFacts
from inspector.store.files.connection import open_recording, readable
from inspector.store.files.sealing import ROTATION
from inspector.store.reading.paging import LAST, highest, one_moment, paged
from inspector.store.writing.next_file import CONTINUED
from inspector.store.writing.pruning import PRUNED

_HANDSHAKE = (
    *("charge_point_id", "request_path", "upstream_url", "subprotocol", "ocpp_version", "remote_addr", "auth_scheme"),
    *("tls_version", "tls_cipher", "tls_sni", "client_cert_subject", "upstream_tls_version"),
)
_CLOSE = ("cp_close_code", "cp_close_reason", "csms_close_code", "csms_close_reason", "closed_by")
_VERSIONS = frozenset(version.value for version in OcppVersion)
_STEP_BACK_NS = 1_000_000_000
"""A larger step back means that the clock was set back. Smaller steps come from slewing or from two threads."""

_OF_OPENING = ", ".join(f"'{kind}'" for kind in records.FACTS_OF_EVENTS)
_OF_FRAMES = f"'{records.FRAMING}', '{records.INTERVENTION}'"
NOT_RECORDS = f"kind NOT IN ({_OF_FRAMES}, {_OF_OPENING})"
"""The condition for events that become EventRecords; the others belong to a FrameRecord or an OpenRecord."""


def read(path: Path) -> Iterator[tuple[Record, int]]:
    """Yield the records of a recording in the order they happened, each with its frame id (0 for other records).

    The session number of a record is the id of its session.

    Raises:
        UnusableFile: see `inspector.store.files.connection.open_recording`.
    """
    with closing(open_recording(path)) as connection, readable(path):
        connection.row_factory = sqlite3.Row
        yield from reread(connection)


class Place(NamedTuple):
    """The place of a session among the frames.

    Attributes:
        first, last: the ids of its first and last frame; None if it has no frames.
        offset: monotonic time minus wall-clock time, in nanoseconds; exact for frames, which have both.
        not_before: the session opened after all frames below this id; 0 if only its time is known.
    """

    session_id: int
    opened_ns: int
    closed_ns: int | None
    first: int | None
    last: int | None
    offset: int
    not_before: int = 0


def _offsets(connection: sqlite3.Connection) -> dict[int | None, int]:
    """Return monotonic minus wall-clock time, in ns, by run of a recorder: the machine may restart between two runs."""
    sql = """SELECT recordings.id, (SELECT mono_ns - ts_ns FROM frames WHERE session_id =
        (SELECT min(sessions.id) FROM sessions WHERE recording_id = recordings.id AND frame_count > 0)
        ORDER BY frames.id LIMIT 1) FROM recordings ORDER BY recordings.id"""
    offsets = {row[0]: int(row[1]) for row in connection.execute(sql) if row[1] is not None}
    return {None: next(iter(offsets.values()), 0), **offsets}


def places(connection: sqlite3.Connection, where: str = "1") -> dict[int, Place]:
    """Return the place of every session, by id, in the order they were opened."""
    offsets = _offsets(connection)
    # A session that continues in the next file is not closed.
    rows = connection.execute(
        f"""SELECT id, opened_ns, CASE WHEN closed_by IS NOT '{ROTATION}' THEN closed_ns END, first,
            (SELECT max(id) FROM frames WHERE session_id = s.id),
            (SELECT mono_ns - ts_ns FROM frames WHERE id = first), recording_id FROM
            (SELECT *, (SELECT min(id) FROM frames WHERE session_id = sessions.id) AS first FROM sessions) AS s
            WHERE {where} ORDER BY id"""
    ).fetchall()
    found: list[Place] = []
    for session_id, opened_ns, closed_ns, first, last, offset, recording in rows:
        known = offset if offset is not None else offsets.get(recording, offsets[None])
        found.append(Place(session_id, opened_ns, closed_ns, first, last, known))
    # Ids are in the order of opening. If a session seems older than the one before it, the clock was set back or older
    # sessions were imported: then this session and the later ones opened after the frames that were already stored.
    begins = 0
    for index, place in enumerate(found):
        if index and place.opened_ns < found[index - 1].opened_ns - _STEP_BACK_NS:
            later = (other.first for other in found[index:] if other.first is not None)
            begins = max(begins, min(later, default=begins))
        if begins:
            found[index] = place._replace(not_before=begins)
    return {place.session_id: place for place in found}


def reread(
    connection: sqlite3.Connection,
    recording_id: int | None = None,
    last_frames: int = 0,
    last_bytes: int = 2**63,
    session_id: int | None = None,
) -> Iterator[tuple[Record, int]]:
    """Yield the same as `read`, from an open connection whose rows are `sqlite3.Row`.

    Args:
        connection: to the recording.
        recording_id: only this run of a recorder; None for all.
        last_frames: the number of latest frames to yield, 0 for all. The OpenRecord of a session that began before
            them is marked as not seen from its start.
        last_bytes: the most bytes of those frames; older frames are left out.
        session_id: only this session.
    """
    first = 0
    if last_frames:
        first = _first_of(connection, last_frames, last_bytes)
    where = "1" if recording_id is None else f"recording_id = {int(recording_id)}"
    if session_id is not None:
        where += f" AND sessions.id = {int(session_id)}"
    yield from _Merge(connection, where, first).steps()


def _first_of(connection: sqlite3.Connection, last_frames: int, last_bytes: int) -> int:
    """Return the id of the first frame that is within both limits."""
    first = 0
    latest = "SELECT id, size FROM frames ORDER BY id DESC LIMIT ?"
    for row_id, size in connection.execute(latest, (last_frames,)).fetchall():
        last_bytes -= size
        if last_bytes < 0:
            return int(row_id) + 1
        first = row_id
    return first


class _Merge:
    """Merge openings, events and closings with the frames."""

    def __init__(self, connection: sqlite3.Connection, where: str, first: int) -> None:
        self._connection = connection
        self._first = first
        with one_moment(connection):  # the recording may be growing
            last_frame, last_event = highest(connection, "frames"), highest(connection, "events")
            self._places = places(connection, where.replace("sessions.", "s."))
            self._offsets = _offsets(connection)
        self._frames = frames(connection, where, first, last_frame)
        self._events = _events(connection, where, first, last_event)
        self._frame = next(self._frames, None)
        self._event = next(self._events, None)
        self._openings = iter(self._places.values())
        self._opening = next(self._openings, None)
        self._opened: set[int] = set()
        self._closings: list[tuple[int, int]] = []
        self._passed = 0

    def steps(self) -> Iterator[tuple[Record, int]]:
        now = 0
        while self._frame is not None:
            record, row_id = self._frame
            ts_ns, session_id = record.ts_ns, record.session_number
            if ts_ns < now - _STEP_BACK_NS:
                yield from self._until(None, row_id)
                now = ts_ns
            now = max(now, ts_ns)
            yield from self._until(now, row_id)
            while session_id not in self._opened:
                yield self._open()
                yield from self._until(now, row_id)
            yield self._frame
            self._passed = row_id
            if row_id == self._places[session_id].last:
                self._closes(session_id)
            self._frame = next(self._frames, None)
        self._passed = 2**63
        yield from self._until(None, 2**63)

    def _until(self, now: int | None, row_id: int) -> Iterator[tuple[Record, int]]:
        """Yield the records before the frame `row_id` that are not later than `now` (None: of any time)."""
        while True:
            opening, event = self._opening, self._event
            waiting: list[tuple[int, int]] = []
            if opening is not None and opening.not_before <= row_id and (now is not None or self._frame is None):
                waiting.append((opening.opened_ns, 0))
            if event is not None and self._may_come(event):
                waiting.append((event["ts_ns"], 1))
            if self._closings:
                waiting.append((self._closings[0][0], 2))
            if not waiting:
                return
            at, kind = min(waiting)
            if now is not None and at > now:
                return
            if kind == 0:
                yield self._open()
            elif kind == 1:
                assert event is not None
                place = self._places.get(event["session_id"])
                offset = place.offset if place else self._offsets.get(event["recording_id"], self._offsets[None])
                yield event_record(event, offset), 0
                self._event = next(self._events, None)
            else:
                _, session_id = heapq.heappop(self._closings)
                yield self._close(session_id), 0

    def _may_come(self, event: sqlite3.Row) -> bool:
        session_id = event["session_id"]
        if session_id is None or session_id not in self._places:
            return True
        return session_id in self._opened and (event["after_frame_id"] or 0) <= self._passed

    def _open(self) -> tuple[Record, int]:
        place = self._opening
        assert place is not None, "a frame of a session that is not there"
        self._opening = next(self._openings, None)
        self._opened.add(place.session_id)
        if place.last is None or place.last < self._first:
            self._closes(place.session_id)
        return opening_record(self._connection, place, self._first), 0

    def _closes(self, session_id: int) -> None:
        place = self._places[session_id]
        if place.closed_ns is not None:
            heapq.heappush(self._closings, (place.closed_ns, session_id))

    def _close(self, session_id: int) -> CloseRecord:
        record = closing_record(self._connection, self._places[session_id])
        assert record is not None
        return record


def opening_record(connection: sqlite3.Connection, place: Place, first: int = 0) -> OpenRecord:
    """Return the OpenRecord of a session; if it has frames below `first`, it is marked as not seen from its start."""
    row = connection.execute(
        f"""SELECT *, EXISTS (SELECT 1 FROM events WHERE session_id = sessions.id
            AND kind IN ('{CONTINUED}', '{PRUNED}')) AS continued
            FROM sessions WHERE id = ?""",
        (place.session_id,),
    ).fetchone()
    facts: dict[str, Any] = {name: row[name] for name in _HANDSHAKE if row[name] is not None}
    if facts.get("ocpp_version") not in _VERSIONS:
        facts.pop("ocpp_version", None)
    if row["subprotocols_offered"] is not None:
        # The handshake was recorded, so NULL means that no subprotocol was offered or selected.
        facts["subprotocols_offered"] = [str(name) for name in _parsed_json(row["subprotocols_offered"], list)]
        facts["subprotocol"] = row["subprotocol"]
    details = connection.execute(
        f"SELECT kind, detail FROM events WHERE session_id = ? AND kind IN ({_OF_OPENING})", (place.session_id,)
    )
    for kind, detail in details:
        names = records.FACTS_OF_EVENTS[kind]
        facts |= {name: value for name, value in _parsed_json(detail, dict).items() if name in names}
    if row["recording_id"] is not None:
        facts["recording_id"] = row["recording_id"]
    if row["continued"] or (place.first is not None and place.first < first):
        facts["from_start"] = False
        before = "SELECT 1 FROM events WHERE session_id = ? AND kind = ? AND after_frame_id < ?"
        if connection.execute(before, (place.session_id, records.TAKEN_OVER, first)).fetchone():
            facts["relay"] = records.EDITED
    at = place.opened_ns
    return OpenRecord(place.session_id, at, at + place.offset, cast(SessionFacts, facts))


def closing_record(connection: sqlite3.Connection, place: Place) -> CloseRecord | None:
    """Return the CloseRecord of a session; None if it is still open."""
    if place.closed_ns is None:
        return None
    row = connection.execute("SELECT * FROM sessions WHERE id = ?", (place.session_id,)).fetchone()
    facts = cast(CloseFacts, {name: row[name] for name in _CLOSE})
    return CloseRecord(place.session_id, place.closed_ns, place.closed_ns + place.offset, facts)


def event_record(row: sqlite3.Row, offset: int) -> EventRecord:
    """Return the EventRecord of a row of `events`."""
    at = row["ts_ns"]
    return EventRecord(row["session_id"] or 0, at, at + offset, row["kind"], _parsed_json(row["detail"], dict))


def _parsed_json[T: (list[Any], dict[str, Any])](text: str | None, kind: type[T]) -> T:
    """Parse a JSON column; return an empty value if it holds another type, as it can in a crafted file."""
    try:
        found = json.loads(text or "null")
    except (ValueError, RecursionError):
        return kind()
    return found if isinstance(found, kind) else kind()


def frames(
    connection: sqlite3.Connection, where: str = "1", first: int = 0, last: int = LAST
) -> Iterator[tuple[FrameRecord, int]]:
    """Yield FrameRecords with their ids, in the order they crossed the wire.

    Args:
        connection: to the recording.
        where: a condition on `sessions`.
        first, last: the ids of the first and last frame to yield.
    """
    if last == LAST:
        last = highest(connection, "frames")
    framings = paged(
        connection,
        f"""SELECT events.id, after_frame_id, detail FROM events JOIN sessions ON sessions.id = session_id
            WHERE kind IN ({_OF_FRAMES}) AND after_frame_id >= {first} AND {where}
            AND events.id BETWEEN :low AND :high ORDER BY events.id""",
    )
    framing = next(framings, None)
    sql = f"""SELECT id, session_id, ts_ns, mono_ns, direction, forwarded, redacted, typeof(raw) = 'blob', raw
        FROM frames {of_sessions(connection, where)} AND frames.id BETWEEN :low AND :high ORDER BY frames.id"""
    up = Direction.FROM_CHARGE_POINT.value
    rows = paged(connection, sql, low=first, high=last)
    for row_id, session_id, ts_ns, mono_ns, direction, forwarded, redacted, is_blob, raw in rows:
        notes: dict[str, Any] | None = None
        opcode = records.TEXT
        while framing is not None and framing[1] <= row_id:
            if framing[1] == row_id:
                notes = _parsed_json(framing[2], dict)
                opcode = records.BINARY if notes.pop("binary", False) else records.TEXT
            framing = next(framings, None)
        if not forwarded:
            notes = {**(notes or {}), "forwarded": False}
        if redacted:
            notes = {**(notes or {}), "redacted": True}
        payload = bytes(raw) if is_blob else str(raw).encode()  # in a crafted recording it may be a number
        yield (
            FrameRecord(session_id, ts_ns, mono_ns, direction == up, opcode, payload, notes or None),
            row_id,
        )


def of_sessions(connection: sqlite3.Connection, where: str) -> str:
    """Return the end of a SELECT from frames that limits it to the frames of sessions that meet a condition."""
    chosen = connection.execute(f"SELECT id FROM sessions WHERE {where} LIMIT 2").fetchall()
    if len(chosen) == 1:  # this index has the frames of a session in order
        return f"INDEXED BY frames_session WHERE session_id = {int(chosen[0][0])}"
    return f"NOT INDEXED WHERE EXISTS (SELECT 1 FROM sessions WHERE sessions.id = frames.session_id AND {where})"


def _events(connection: sqlite3.Connection, where: str, first: int, last: int) -> Iterator[sqlite3.Row]:
    events = f"({where} OR session_id IS NULL)" if "sessions.id" not in where else where
    sql = f"""SELECT events.id, events.*, coalesce(
            recording_id, (SELECT max(id) FROM recordings WHERE started_ns <= events.ts_ns)) AS recording_id
            FROM events LEFT JOIN sessions ON sessions.id = session_id
            WHERE {events} AND coalesce(after_frame_id, {first}) >= {first} AND {NOT_RECORDS}
            AND events.id BETWEEN :low AND :high ORDER BY events.id"""
    return paged(connection, sql, low=-LAST, high=last)
