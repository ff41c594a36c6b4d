"""The queries behind the pages and commands that show a recording. They return dataclasses and never write.

Every function takes an open `sqlite3.Connection` (rows as tuples or `sqlite3.Row`). Times are nanoseconds since
1970. Pages of frames begin after or before a frame id, and no query counts all frames.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from inspector.store.reading.finding_counts import count
from inspector.store.rows import ChargePoint, Event, Finding, Frame, Session, Transaction

# Other modules import the types of the results from here.
__all__ = ["ChargePoint", "Event", "Finding", "Frame", "Session", "Transaction"]

TEXT_LIMIT = 20_000
"""In bytes. Lists leave out the text of larger frames; only the page of the frame has it."""

# A session without an end is live if its run is the newest one and has not stopped; otherwise its run was killed.
_STATE = """CASE WHEN s.closed_ns IS NOT NULL THEN 'closed'
  WHEN s.recording_id = (SELECT max(id) FROM recordings)
   AND (SELECT stopped_ns FROM recordings r WHERE r.id = s.recording_id) IS NULL THEN 'live'
  ELSE 'interrupted' END"""

_SESSION = f"""SELECT s.id, s.charge_point_id, s.ocpp_version, s.subprotocol, s.subprotocols_offered, s.opened_ns,
  s.closed_ns, s.frame_count, s.error_count, s.last_seen_ns, s.cp_close_code, s.cp_close_reason, s.csms_close_code,
  s.csms_close_reason, s.closed_by, s.remote_addr, s.request_path, s.upstream_url, s.auth_scheme, s.tls_version,
  s.tls_cipher, s.tls_sni, s.client_cert_subject, s.upstream_tls_version, s.recording_id, {_STATE}
FROM sessions s"""

_FRAME = """SELECT f.id, f.session_id, f.ts_ns, f.mono_ns, f.direction, f.msg_type, f.action, f.valid, f.max_severity,
  f.latency_us, f.message_id, f.call_id,
  CASE WHEN f.msg_type = 2 THEN (SELECT a.id FROM frames a WHERE a.call_id = f.id ORDER BY a.id LIMIT 1) END,
  f.size, f.forwarded, f.redacted, {raw} FROM frames f"""
_RAW = "CASE WHEN typeof(f.raw) IN ('text', 'blob') THEN f.raw ELSE CAST(f.raw AS TEXT) END"
_LISTED = _FRAME.format(raw=f"CASE WHEN f.size <= {TEXT_LIMIT} THEN {_RAW} END")
_WHOLE = _FRAME.format(raw=_RAW)

FINDING = """SELECT id, severity, rule_id, message, pointer, spec_ref, side, count,
  coalesce((SELECT about.ts_ns FROM frames about WHERE about.id = findings.frame_id), ts_ns), frame_id, last_frame_id,
  session_id FROM findings"""
"""SELECT of findings. The time of a finding is that of its first frame, or else when it was found."""
EVENT = "SELECT id, session_id, ts_ns, after_frame_id, kind, detail FROM events"
_TRANSACTION = """SELECT id, session_id, charge_point_id, transaction_id, evse_id, connector_id, id_token, started_ns,
  stopped_ns, meter_start_wh, meter_stop_wh, stop_reason, start_frame_id, stop_frame_id FROM transactions"""


LATEST = 20_000
"""How many of the newest frames `latest_frames` searches."""


WALKED = 10_000
"""A session with fewer frames is read from end to end instead of by the index of actions."""


def charge_points(
    db: sqlite3.Connection, charge_point_id: str | None = None, *, part: str | None = None
) -> list[ChargePoint]:
    """Return all charge points, one, or those with `part` in their id, most recently seen first."""
    where, values = _where(
        [("s.charge_point_id = ?", charge_point_id), ("instr(lower(s.charge_point_id), lower(?))", part)]
    )
    rows = db.execute(
        f"""SELECT coalesce(s.charge_point_id, ''), c.vendor, c.model, c.firmware, c.serial,
          min(s.opened_ns), max(coalesce(s.last_seen_ns, s.closed_ns, s.opened_ns)), count(*),
          sum({_STATE} = 'live'), sum(s.frame_count), sum(s.error_count),
          coalesce(group_concat(DISTINCT s.ocpp_version), '')
        FROM sessions s LEFT JOIN charge_points c ON c.charge_point_id = s.charge_point_id
        {where} GROUP BY s.charge_point_id ORDER BY 7 DESC""",
        values,
    )
    return [ChargePoint(*row) for row in rows]


def session(db: sqlite3.Connection, session_id: int) -> Session | None:
    """Return one session; None if no session has this id."""
    row = db.execute(f"{_SESSION} WHERE s.id = ?", [session_id]).fetchone()
    return Session(*row) if row else None


def sessions(
    db: sqlite3.Connection,
    *,
    charge_point_id: str | None = None,
    version: str | None = None,
    state: str | None = None,
    severity: str | None = None,
    text: str | None = None,
    make: str | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
    before: int | None = None,
    order: str = "id",
    skip: int = 0,
    limit: int = 50,
) -> list[Session]:
    """Return sessions; `severity` keeps those with at least one finding of it, `make` those of a vendor and model.

    With `since_ns` and `until_ns` only sessions that were open in that time are returned.

    `order` is one of ORDERS. In the orders "id" and "opened" the page begins after the session with the id `before`; in
    the others it begins after `skip` sessions.
    """
    terms: list[tuple[str, Any]] = [
        ("s.charge_point_id = ?", charge_point_id),
        ("s.ocpp_version = ?", version),
        (f"{_STATE} = ?", state),
        ("EXISTS (SELECT 1 FROM findings x WHERE x.session_id = s.id AND +x.severity = ?)", severity),
        ("instr(lower(s.charge_point_id), lower(?))", text),
        (f"{MAKE_OF_SESSION} = ?", make),
        (f"{_END} >= ?", since_ns),
        ("s.opened_ns <= ?", until_ns),
        (_BEFORE.get(order, "1 OR ?"), before),
    ]
    where, values = _where(terms)
    rows = db.execute(f"{_SESSION} {where} ORDER BY {ORDERS[order]} LIMIT ? OFFSET ?", [*values, limit, skip])
    return [Session(*row) for row in rows]


MAKE_OF_SESSION = """coalesce((SELECT coalesce(c.vendor, '?') || ' ' || coalesce(c.model, '?') FROM charge_points c
  WHERE c.charge_point_id = s.charge_point_id), '? ?')"""
"""Vendor and model of a session `s`; question marks where they are not known."""
_END = "coalesce(s.closed_ns, s.last_seen_ns, s.opened_ns)"
ORDERS = {
    "id": "s.id DESC",
    "opened": "s.opened_ns DESC, s.id DESC",
    "charge_point": "s.charge_point_id COLLATE NOCASE, s.opened_ns DESC, s.id DESC",
    "seen": "coalesce(s.last_seen_ns, s.closed_ns, s.opened_ns) DESC, s.id DESC",
    "duration": f"{_END} - s.opened_ns DESC, s.id DESC",
    "frames": "s.frame_count DESC, s.id DESC",
    "errors": "s.error_count DESC, s.opened_ns DESC, s.id DESC",
}
"""Orders of a list of sessions."""
_BEFORE = {
    "id": "s.id < ?",
    "opened": "(s.opened_ns, s.id) < (SELECT b.opened_ns, b.id FROM sessions b WHERE b.id = ?)",
}


def sessions_where(
    db: sqlite3.Connection, where: str, values: Sequence[Any], states: Sequence[str] = (), limit: int | None = None
) -> list[Session]:
    """Return sessions (`s` in the SQL condition `where`) with one of these states, newest first."""
    parts = [where or "1", *([f"{_STATE} IN ({_marks(states)})"] if states else [])]
    sql = f"{_SESSION} WHERE {' AND '.join(parts)} ORDER BY s.id DESC LIMIT ?"
    return [Session(*row) for row in db.execute(sql, [*values, *states, -1 if limit is None else limit])]


def place_of_session(db: sqlite3.Connection, session_id: int) -> int:
    """Return the number of a session among those that have frames, from 1, as `replay` and `diff` count them."""
    (place,) = db.execute("SELECT count(*) FROM sessions WHERE id <= ? AND frame_count > 0", [session_id]).fetchone()
    return int(place)


def place_of_frame(db: sqlite3.Connection, one: Frame) -> int:
    """Return the number of a frame within its session, from 1, as `replay` counts them."""
    sql = "SELECT count(*) FROM frames WHERE session_id = ? AND id <= ?"
    (place,) = db.execute(sql, [one.session_id, one.id]).fetchone()
    return int(place)


def severities(db: sqlite3.Connection, session_ids: Iterable[int]) -> dict[int, dict[str, tuple[int, int | None]]]:
    """Count occurrences by session and severity, and return the first frame of each."""
    ids = [int(i) for i in session_ids]
    counts: dict[int, dict[str, tuple[int, int | None]]] = {i: {} for i in ids}
    rows = db.execute(
        f"SELECT session_id, severity, min(frame_id) FROM findings WHERE session_id IN ({_marks(ids)}) GROUP BY 1, 2",
        ids,
    )
    first = {(session_id, severity): frame_id for session_id, severity, frame_id in rows}
    for key, times in count(db, "session", "severity", sessions=ids).items():
        counts[key[0]][key[1]] = times, first[key]
    return counts


def traffic(db: sqlite3.Connection, found: Sequence[Session], buckets: int = 24) -> dict[int, list[int]]:
    """Count the frames of each session in `buckets` equal spans of its duration; long sessions are sampled."""
    busy: dict[int, list[int]] = {}
    for one in found:
        start, end = one.opened_ns, one.closed_ns or one.last_seen_ns or one.opened_ns
        step = max(1, one.frame_count // 200)
        counts = [0] * buckets
        rows = db.execute("SELECT ts_ns FROM frames WHERE session_id = ? AND id % ? = 0", [one.id, step])
        for (ts_ns,) in rows:
            place = (ts_ns - start) * buckets // max(1, end - start + 1)
            counts[min(max(place, 0), buckets - 1)] += step
        busy[one.id] = counts
    return busy


def frames(
    db: sqlite3.Connection,
    session_id: int,
    *,
    after: int | None = None,
    before: int | None = None,
    limit: int = 200,
    actions: Sequence[str] = (),
    direction: str | None = None,
    severity: str | None = None,
    text: str | None = None,
    within: tuple[str, Sequence[Any]] | None = None,
) -> list[Frame]:
    """Return a keyset page of a session's frames, in order: those after an id, before an id, or the first.

    `severity` keeps frames with a finding of it ("any" for any finding), `text` frames that contain it, and `within`
    frames whose id is in the result of that query.
    """
    terms: list[tuple[str, Any]] = [
        ("f.session_id = ?", session_id),
        ("f.id > ?", after),
        ("f.id < ?", before),
        ("f.direction = ?", direction),
        ("+f.max_severity = ?", None if severity == "any" else severity),
        ("instr(lower(CAST(f.raw AS TEXT)), lower(?))", text),
    ]
    where, values = _where(terms)
    if severity == "any":
        where += " AND +f.max_severity IS NOT NULL"
    if within is not None:
        where += f" AND f.id IN ({within[0]})"
        values += within[1]
    if actions:
        where += f" AND +f.action IN ({_marks(actions)})"
        values += actions
    # A page before an id is read backwards and then reversed.
    backwards = before is not None and after is None
    order = "DESC" if backwards else "ASC"
    rows = db.execute(f"{_LISTED} {where} ORDER BY f.id {order} LIMIT ?", [*values, limit]).fetchall()
    return [Frame(*row) for row in (reversed(rows) if backwards else rows)]


def frame(db: sqlite3.Connection, frame_id: int) -> Frame | None:
    """Return one frame with its whole text; None if no frame has this id."""
    row = db.execute(f"{_WHOLE} WHERE f.id = ?", [frame_id]).fetchone()
    return Frame(*row) if row else None


def frames_of(db: sqlite3.Connection, ids: Sequence[int]) -> list[Frame]:
    """Return the frames with these ids, by id."""
    if not ids:
        return []
    return [Frame(*row) for row in db.execute(f"{_LISTED} WHERE f.id IN ({_marks(ids)}) ORDER BY f.id", ids)]


def neighbours(db: sqlite3.Connection, one: Frame) -> tuple[int | None, int | None]:
    """Return the ids of the frames before and after this one in its session."""
    (before,) = db.execute("SELECT max(id) FROM frames WHERE session_id = ? AND id < ?", [one.session_id, one.id])
    (after,) = db.execute("SELECT min(id) FROM frames WHERE session_id = ? AND id > ?", [one.session_id, one.id])
    return before[0], after[0]


def actions(db: sqlite3.Connection, session_id: int, limit: int = 20_000) -> list[tuple[str, int]]:
    """Count the actions among the first `limit` frames of a session."""
    rows = db.execute(
        """SELECT action, count(*) FROM (SELECT action FROM frames WHERE session_id = ? ORDER BY id LIMIT ?)
        WHERE action IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1""",
        [session_id, limit],
    )
    return [(action, count) for action, count in rows]


def frames_by_action(
    db: sqlite3.Connection, one: Session, actions: Sequence[str], msg_type: int, limit: int = 5000
) -> list[Frame]:
    """Return the frames of some rare actions and one message type in a session, oldest first."""
    # It is faster to read a short session as a whole, and to look up the actions of a long one in their index.
    by_session, by_action = ("", "+") if one.frame_count < WALKED else ("+", "")
    rows = db.execute(
        f"""{_LISTED} WHERE {by_session}f.session_id = ? AND {by_action}f.action IN ({_marks(actions)})
          AND f.msg_type = ? AND f.id BETWEEN (SELECT min(id) FROM frames WHERE session_id = ?)
          AND (SELECT max(id) FROM frames WHERE session_id = ?)
        ORDER BY f.id LIMIT ?""",
        [one.id, *actions, msg_type, one.id, one.id, limit],
    )
    return [Frame(*row) for row in rows]


def findings(
    db: sqlite3.Connection,
    *,
    session_id: int | None = None,
    frame_ids: Sequence[int] | None = None,
    rule_id: str | None = None,
    limit: int = 500,
) -> list[Finding]:
    """Return findings of a session, of frames or of a rule: of frames in their order, otherwise the worst first."""
    where, values = _where([("session_id = ?", session_id), ("rule_id = ?", rule_id)])
    if frame_ids is not None:
        where += f"{' AND' if where else 'WHERE'} frame_id IN ({_marks(frame_ids)})"
        values += frame_ids
    order = "frame_id, id" if frame_ids is not None else _WORST_FIRST
    rows = db.execute(f"{FINDING} {where} ORDER BY {order} LIMIT ?", [*values, limit])
    return [Finding(*row) for row in rows]


def findings_where(db: sqlite3.Connection, where: str, values: Sequence[Any], limit: int) -> list[Finding]:
    """Return findings that meet a condition, oldest first."""
    return [Finding(*row) for row in db.execute(f"{FINDING} WHERE {where} ORDER BY id LIMIT ?", [*values, limit])]


_WORST_FIRST = "CASE severity WHEN 'error' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, id"


def events(
    db: sqlite3.Connection, session_id: int, first: int | None = None, last: int | None = None, limit: int = 20_000
) -> list[Event]:
    """Return events of a session after frame `first` (None: from its start) and up to frame `last`."""
    after = "coalesce(after_frame_id, 0)"
    where, values = _where([("session_id = ?", session_id), (f"{after} >= ?", first), (f"{after} <= ?", last)])
    return [Event(*row) for row in db.execute(f"{EVENT} {where} ORDER BY id LIMIT ?", [*values, limit])]


def unconnected(db: sqlite3.Connection, limit: int = 20) -> list[Event]:
    """Return events that belong to no session, newest first: refused upgrades, an unreachable CSMS, faults, gaps."""
    rows = db.execute(f"{EVENT} WHERE session_id IS NULL ORDER BY id DESC LIMIT ?", [limit])
    return [Event(*row) for row in rows]


def transactions(
    db: sqlite3.Connection,
    *,
    session_id: int | None = None,
    charge_point_id: str | None = None,
    id: int | None = None,
    limit: int = 200,
) -> list[Transaction]:
    """Return transactions of a session or a charge point, or one transaction; newest first."""
    where, values = _where([("session_id = ?", session_id), ("charge_point_id = ?", charge_point_id), ("id = ?", id)])
    rows = db.execute(f"{_TRANSACTION} {where} ORDER BY id DESC LIMIT ?", [*values, limit])
    return [Transaction(*row) for row in rows]


def transactions_like(db: sqlite3.Connection, text: str, limit: int) -> list[Transaction]:
    """Return transactions whose id or id token contains a text, exact matches first, then the newest."""
    rows = db.execute(
        f"""{_TRANSACTION} WHERE instr(lower(transaction_id), lower(:text)) OR instr(lower(id_token), lower(:text))
        ORDER BY :text IN (transaction_id, id_token) DESC, id DESC LIMIT :limit""",
        {"text": text, "limit": limit},
    )
    return [Transaction(*row) for row in rows]


def frames_with(db: sqlite3.Connection, action: str) -> int:
    """Count the frames with an action."""
    (found,) = db.execute("SELECT count(*) FROM frames WHERE action = ?", [action]).fetchone()
    return int(found)


def latest_frames(
    db: sqlite3.Connection,
    after: int | None,
    *,
    limit: int = 100,
    action: str | None = None,
    direction: str | None = None,
    severity: str | None = None,
    charge_point: str | None = None,
    text: str | None = None,
) -> list[Frame]:
    """Return frames of all sessions after an id, or the newest ones; oldest first.

    `charge_point` is a part of an id, `text` a part of a frame. Only the newest LATEST frames are searched, so that a
    filter that matches few frames does not read the whole recording.
    """
    terms: list[tuple[str, Any]] = [
        ("f.id > ?", max(after or 0, last_frame_id(db) - LATEST)),
        ("+f.action = ?", action),
        ("+f.direction = ?", direction),
        ("+f.max_severity = ?", None if severity == "any" else severity),
        ("+f.session_id IN (SELECT id FROM sessions WHERE instr(lower(charge_point_id), lower(?)))", charge_point),
        ("instr(lower(CAST(f.raw AS TEXT)), lower(?))", text),
    ]
    where, values = _where(terms)
    if severity == "any":
        where += " AND +f.max_severity IS NOT NULL"
    rows = db.execute(f"{_LISTED} {where} ORDER BY f.id DESC LIMIT ?", [*values, limit]).fetchall()
    return [Frame(*row) for row in reversed(rows)]


def last_frame_id(db: sqlite3.Connection) -> int:
    """Return the id of the newest frame; 0 in an empty recording."""
    (newest,) = db.execute("SELECT max(id) FROM frames").fetchone()
    return newest or 0


# A + before a column keeps SQLite from using the index of that column. The index of sessions leaves fewer rows, and the
# rows of the table are in the order of ids already.
def _where(terms: Iterable[tuple[str, Any]]) -> tuple[str, list[Any]]:
    given = [(term, value) for term, value in terms if value is not None and value != ""]
    text = "WHERE " + " AND ".join(term for term, _ in given) if given else ""
    return text, [value for _, value in given]


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))
