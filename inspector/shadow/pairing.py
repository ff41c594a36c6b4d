"""Read sessions with shadows from a recording, and pair the CALLs at the primary with those at the shadow.

One session of a primary is in memory at a time, with its shadows' sessions.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from inspector.protocol.frame import AnswerStatus, Frame
from inspector.protocol.messages import Call
from inspector.protocol.session import Session
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.records import BINARY, SHADOW
from inspector.shadow.message_ids import MOST_REPEATS, mirrored_id
from inspector.store.reading.stored_records import frames

_DIRECTIONS = {True: Direction.FROM_CHARGE_POINT, False: Direction.FROM_CSMS}


class Exchange(NamedTuple):
    """A CALL with its first answer, None if none came."""

    call: Frame
    answer: Frame | None

    @property
    def latency_ns(self) -> int | None:
        """The time from the CALL to its answer."""
        return self.answer.mono_ns - self.call.mono_ns if self.answer is not None else None


class Pair(NamedTuple):
    """A CALL of the charge point at the primary, and at the shadow; None if the shadow did not get it."""

    primary: Exchange
    shadow: Exchange | None


@dataclass(frozen=True, slots=True)
class SessionRow:
    """The facts about a session that a comparison needs."""

    id: int
    charge_point_id: str
    version: str | None
    opened_ns: int
    closed_ns: int | None
    closed_by: str | None
    csms_close_code: int | None
    csms_close_reason: str | None


@dataclass(slots=True)
class Mirrored:
    """One session of a charge point with its primary, and all its sessions with one shadow.

    Attributes:
        primary, shadows: the sessions.
        pairs: the CALLs of the charge point, in order.
        csms_calls: the CALLs of the primary, and those of the shadow.
        last_frame: the last frame of each shadow's session, by session id.
        lost: CALLs that the shadow did not get, by cause.
    """

    primary: SessionRow
    shadows: list[SessionRow]
    pairs: list[Pair] = field(default_factory=list)
    csms_calls: tuple[list[Frame], list[Frame]] = field(default_factory=lambda: ([], []))
    last_frame: dict[int, int] = field(default_factory=dict)
    lost: Counter[str] = field(default_factory=Counter)


def shadow_names(db: sqlite3.Connection) -> list[str]:
    """Return the addresses of all shadows in a recording, also of those that were never reached, in order."""
    sql = f"""SELECT detail ->> '$.shadow' AS name, min(id) FROM events
        WHERE kind IN ('{SHADOW}', 'shadow') AND json_valid(detail) AND name IS NOT NULL GROUP BY name ORDER BY 2"""
    return [str(name) for name, _ in db.execute(sql)]


def unreachable(db: sqlite3.Connection, shadow: str) -> list[tuple[str, str]]:
    """Return the charge points that once could not be mirrored, each with the reason, as (charge point, reason)."""
    sql = """SELECT s.charge_point_id, detail ->> '$.reason' FROM events e JOIN sessions s ON s.id = e.session_id
        WHERE kind = 'shadow' AND json_valid(detail) AND detail ->> '$.shadow' = ? ORDER BY e.id"""
    return [(str(name), str(reason)) for name, reason in db.execute(sql, (shadow,))]


def mirrored_sessions(db: sqlite3.Connection, shadow: str) -> Iterator[Mirrored]:
    """Yield the sessions of primaries that have sessions with a shadow, in the order of their ids.

    The connection must have `sqlite3.Row` as its row factory.
    """
    sql = f"""SELECT detail ->> '$.shadow_of' AS mirrored, session_id FROM events
        WHERE kind = '{SHADOW}' AND json_valid(detail) AND detail ->> '$.shadow' = ? ORDER BY 1, 2"""
    of_primary: dict[int, list[int]] = {}
    for primary, session_id in db.execute(sql, (shadow,)):
        if isinstance(primary, int):
            of_primary.setdefault(primary, []).append(session_id)
    for primary, others in of_primary.items():
        row = _session(db, primary)
        rows = [found for other in others if (found := _session(db, other)) is not None]
        if row is not None and rows:
            yield _read(db, Mirrored(row, rows))


def _session(db: sqlite3.Connection, session_id: int) -> SessionRow | None:
    row = db.execute(
        """SELECT id, coalesce(charge_point_id, ''), ocpp_version, opened_ns, closed_ns, closed_by, csms_close_code,
        csms_close_reason FROM sessions WHERE id = ?""",
        (session_id,),
    ).fetchone()
    return SessionRow(*row) if row is not None else None


def _read(db: sqlite3.Connection, mirrored: Mirrored) -> Mirrored:
    at_primary = _frames(db, mirrored.primary)
    at_shadow: list[Frame] = []
    for row in mirrored.shadows:
        found = _frames(db, row)
        at_shadow += found
        if found:
            mirrored.last_frame[row.id] = found[-1].frame_id
        for (text,) in db.execute("SELECT detail FROM events WHERE session_id = ? AND kind = 'gap'", (row.id,)):
            detail = _detail(text)
            if isinstance(detail.get("frames"), int):
                mirrored.lost[str(detail.get("cause") or "other")] += detail["frames"]
    mirrored.pairs = list(pairs(exchanges(at_primary), exchanges(at_shadow)))
    mirrored.csms_calls = (_csms_calls(at_primary), _csms_calls(at_shadow))
    return mirrored


def _detail(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _frames(db: sqlite3.Connection, row: SessionRow) -> list[Frame]:
    """Return the frames of a session as its CSMS saw them: what the proxy kept from it or made for it counts so."""
    session = Session(None, OcppVersion(row.version) if row.version in set(OcppVersion) else None)
    found = []
    for record, frame_id in frames(db, f"sessions.id = {row.id}"):
        notes, up = record.notes or {}, record.from_charge_point
        if up and notes.get("forwarded") is False:
            continue  # a rule of the proxy kept it from the CSMS
        if not up and "made_by" in notes:
            continue  # the CSMS has not sent it
        stamps = record.ts_ns, record.mono_ns
        found.append(
            session.frame(frame_id, *stamps, _DIRECTIONS[up], record.payload, record.opcode == BINARY, record.notes)
        )
    return found


def exchanges(found: Iterable[Frame]) -> list[Exchange]:
    """Return the CALLs of the charge point with their answers, in order."""
    calls: dict[int, Frame] = {}
    answers: dict[int, Frame] = {}
    for frame in found:
        if frame.direction is Direction.FROM_CHARGE_POINT:
            if isinstance(frame.message, Call):
                calls[frame.frame_id] = frame
        elif frame.answer_status is AnswerStatus.PAIRED and frame.call is not None:
            answers.setdefault(frame.call.frame_id, frame)
    return [Exchange(call, answers.get(number)) for number, call in calls.items()]


def pairs(primary: list[Exchange], shadow: list[Exchange]) -> Iterator[Pair]:
    """Yield each exchange with the primary beside that with the shadow; message ids say which belong together.

    A CALL that was sent to the shadow again, after a lost connection, is paired with the answered attempt.
    """
    sent = {one.call.message_id: one for one in shadow}
    same_id = Counter(one.call.message_id for one in primary)
    attempts = {message_id: _attempts(message_id, times, sent) for message_id, times in same_id.items()}
    passed: Counter[str] = Counter()
    for one in primary:
        message_id = one.call.message_id
        place, mine = passed[message_id], attempts[message_id]
        passed[message_id] += 1
        if same_id[message_id] > 1:  # which attempt mirrors which CALL shows only in their order
            mine = mine[place : place + 1] if passed[message_id] < same_id[message_id] else mine[place:]
        answered = [attempt for attempt in mine if attempt.answer is not None]
        yield Pair(one, next(iter(answered or mine), None))


def _attempts(message_id: str, times: int, sent: dict[str, Exchange]) -> list[Exchange]:
    found = []
    for number in count(1):
        one = sent.get(mirrored_id(message_id, number))
        if one is not None:
            found.append(one)
        elif number > times or number >= MOST_REPEATS:
            return found
    return found


def _csms_calls(found: Iterable[Frame]) -> list[Frame]:
    return [one for one in found if one.direction is Direction.FROM_CSMS and isinstance(one.message, Call)]
