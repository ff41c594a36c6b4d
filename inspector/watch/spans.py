"""Read spans from a growing recording: one for each CALL with its answer, each session and each transaction.

The ids of spans follow from the recording, so that a span that is sent twice is the same span. Spans hold no payloads.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from inspector.store.files.sealing import ROTATION
from inspector.store.reading.shadows import SHADOW_SESSIONS

AT_ONCE = 500
"""The most CALLs that one look reads."""


@dataclass(frozen=True, slots=True)
class SpanFacts:
    """One span; times in nanoseconds since 1970. `links` are the ids (trace, span) of other spans."""

    name: str
    trace_id: int
    span_id: int
    parent_id: int | None
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    failed: str | None = None
    links: tuple[tuple[int, int], ...] = field(default=())


class SpanReader:
    """How far a recording has been read. It can be saved as JSON, so that another process continues from there."""

    def __init__(self, saved: dict[str, Any] | None = None) -> None:
        """Begin before the first row, or at a saved position."""
        saved = saved or {}
        self._frame, self._session, self._transaction = (
            int(saved.get(what, 0)) for what in ("frame", "session", "transaction")
        )
        self._sessions = {int(number) for number in saved.get("sessions", ())}
        self._transactions = {int(number) for number in saved.get("transactions", ())}

    def saved(self) -> dict[str, Any]:
        """Return the position as JSON values."""
        return {
            "frame": self._frame,
            "session": self._session,
            "transaction": self._transaction,
            "sessions": sorted(self._sessions),
            "transactions": sorted(self._transactions),
        }

    def skip(self, db: sqlite3.Connection) -> None:
        """Go to the end of the recording; sessions and transactions that go on get their span when they end."""
        last = "SELECT coalesce(max(id), 0) FROM "
        self._frame, self._session, self._transaction = (
            int(db.execute(last + table).fetchone()[0]) for table in ("frames", "sessions", "transactions")
        )
        self._sessions = {row[0] for row in db.execute("SELECT id FROM sessions WHERE closed_ns IS NULL")}
        self._transactions = {row[0] for row in db.execute("SELECT id FROM transactions WHERE stopped_ns IS NULL")}

    def look(self, db: sqlite3.Connection) -> tuple[list[SpanFacts], bool]:
        """Return the next spans, and whether there are more."""
        db.execute("BEGIN")
        try:
            (salt,) = db.execute("SELECT coalesce(min(started_ns), 0) FROM recordings").fetchone()
            (last,) = db.execute("SELECT coalesce(max(id), 0) FROM frames").fetchone()
            spans = list(self._calls(db, salt))
            more = self._frame < last and len(spans) >= AT_ONCE
            if not more:
                self._frame = max(self._frame, last)
                spans += self._ended_sessions(db, salt)
                spans += self._ended_transactions(db, salt)
            return spans, more
        finally:
            db.execute("COMMIT")

    def _calls(self, db: sqlite3.Connection, salt: int) -> Iterator[SpanFacts]:
        sql = f"""{_CALL.format(_ANSWERED)} WHERE a.id > ? AND a.call_id IS NOT NULL
            AND q.session_id NOT IN {SHADOW_SESSIONS} ORDER BY a.id LIMIT ?"""
        for row in db.execute(sql, (self._frame, AT_ONCE)).fetchall():
            self._frame = row[-1]
            yield _call(salt, row)

    def _ended_sessions(self, db: sqlite3.Connection, salt: int) -> Iterator[SpanFacts]:
        new = f"SELECT id, id IN {SHADOW_SESSIONS} FROM sessions WHERE id > ?"
        for number, is_shadow in db.execute(new, (self._session,)).fetchall():
            if not is_shadow:
                self._sessions.add(number)
            self._session = max(self._session, number)
        sql = f"""SELECT id, charge_point_id, ocpp_version, opened_ns, closed_ns, closed_by, cp_close_code,
            csms_close_code, frame_count, error_count FROM sessions WHERE closed_ns IS NOT NULL
            AND closed_by IS NOT '{ROTATION}' AND id IN (SELECT value FROM json_each(?)) ORDER BY id"""
        for row in db.execute(sql, (json.dumps(sorted(self._sessions)),)).fetchall():
            number, name, version, opened_ns, closed_ns, by, cp_code, csms_code, frames, errors = row
            self._sessions.discard(number)
            attributes = {
                **_of_session(number, name, version),
                "chargesentinel.closed_by": by,
                "chargesentinel.close_code": csms_code if by == "csms" else cp_code,
                "chargesentinel.frames": frames,
                "chargesentinel.errors": errors,
            }
            yield SpanFacts("session", *_session_ids(salt, number), None, opened_ns, closed_ns, attributes)
            for call in db.execute(f"{_CALL.format(_UNANSWERED)} WHERE q.session_id = ?", (number,)).fetchall():
                yield _call(salt, call, closed_ns)

    def _ended_transactions(self, db: sqlite3.Connection, salt: int) -> Iterator[SpanFacts]:
        for (number,) in db.execute("SELECT id FROM transactions WHERE id > ?", (self._transaction,)).fetchall():
            self._transactions.add(number)
            self._transaction = max(self._transaction, number)
        sql = """SELECT t.id, t.session_id, t.charge_point_id, t.transaction_id, t.started_ns, t.stopped_ns,
            t.meter_stop_wh - t.meter_start_wh, t.stop_reason, s.ocpp_version FROM transactions t
            JOIN sessions s ON s.id = t.session_id
            WHERE t.stopped_ns IS NOT NULL AND t.id IN (SELECT value FROM json_each(?)) ORDER BY t.id"""
        for row in db.execute(sql, (json.dumps(sorted(self._transactions)),)).fetchall():
            number, session, name, identifier, started_ns, stopped_ns, energy_wh, reason, version = row
            self._transactions.discard(number)
            attributes = {
                **_of_session(session, name, version),
                "ocpp.transaction_id": identifier,
                "ocpp.stopped_reason": reason,
                "ocpp.energy_wh": energy_wh,
            }
            begun = min(started_ns or stopped_ns, stopped_ns)
            ids = _transaction_ids(salt, name, identifier)
            yield SpanFacts(
                "transaction", *ids, None, begun, stopped_ns, attributes, links=(_session_ids(salt, session),)
            )


_ANSWERED = "frames a JOIN frames q ON q.id = a.call_id"
_UNANSWERED = """(SELECT * FROM frames WHERE msg_type = 2
  AND NOT EXISTS (SELECT 1 FROM frames answers WHERE answers.call_id = frames.id)) q LEFT JOIN frames a ON 0"""
_CALL = """SELECT q.id, q.session_id, s.charge_point_id, s.ocpp_version, q.action, q.message_id, q.from_csms, q.ts_ns,
  a.latency_us, a.msg_type, q.payload, a.payload, q.max_severity, a.max_severity, a.id
  FROM {} JOIN sessions s ON s.id = q.session_id"""


def _call(salt: int, row: tuple[Any, ...], ended_ns: int | None = None) -> SpanFacts:
    frame, session, name, version, action, message_id, from_csms, ts_ns, latency_us, kind, asked, answered = row[:12]
    identifier = _transaction_of(asked) or _transaction_of(answered)
    code = _parsed(answered).get("errorCode") if kind == 4 else None
    trace_id, parent = _session_ids(salt, session)
    outcome = {3: "result", 4: "error"}.get(kind, "unanswered")
    worst = max((one for one in row[12:14] if one), key=("info", "warning", "error").index, default=None)
    attributes = {
        **_of_session(session, name, version),
        "ocpp.action": action,
        "ocpp.message_id": message_id,
        "ocpp.sender": "csms" if from_csms else "charge-point",
        "ocpp.outcome": outcome,
        "ocpp.error_code": None if code is None else str(code)[:100],
        "ocpp.transaction_id": identifier,
        "chargesentinel.frame_id": frame,
        "chargesentinel.severity": worst,
    }
    failed = None if outcome == "result" else "no answer" if outcome == "unanswered" else f"CALLERROR {str(code)[:100]}"
    end_ns = max(ts_ns, ended_ns or ts_ns) if latency_us is None else ts_ns + max(0, latency_us) * 1000
    links = () if identifier is None else (_transaction_ids(salt, name, identifier),)
    span_id = _number(8, salt, "call", frame)
    return SpanFacts(action or "CALL", trace_id, span_id, parent, ts_ns, end_ns, attributes, failed, links)


def _parsed(payload: str | None) -> dict[str, Any]:
    try:
        found = json.loads(payload or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _transaction_of(payload: str | None) -> str | None:
    """Return the transaction that a payload names."""
    if payload is None or "transactionId" not in payload:
        return None
    found = _parsed(payload)
    info = found.get("transactionInfo")
    identifier = found.get("transactionId", info.get("transactionId") if isinstance(info, dict) else None)
    return str(identifier)[:255] if isinstance(identifier, str | int) else None


def _of_session(session: int, name: str | None, version: str | None) -> dict[str, Any]:
    return {"ocpp.charge_point_id": name, "ocpp.version": version, "chargesentinel.session_id": session}


def _session_ids(salt: int, session: int) -> tuple[int, int]:
    return _number(16, salt, "session", session), _number(8, salt, "session", session)


def _transaction_ids(salt: int, name: str | None, identifier: str) -> tuple[int, int]:
    parts = (salt, "transaction", name, identifier)
    return _number(16, *parts), _number(8, *parts)


def _number(size: int, *parts: object) -> int:
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:size]) or 1
