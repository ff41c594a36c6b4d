"""Read from a growing recording what alerts need: connects, disconnects, failed attempts, findings and gaps."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from inspector.rules.topics.attempts import what_failed
from inspector.store.files.sealing import ROTATION
from inspector.store.reading.shadows import SHADOW_SESSIONS

_LISTED = 500
_ENDERS = {"charge-point": "the charge point", "csms": "the CSMS", "proxy": "the proxy", "unknown": "an unknown side"}


class Happened(NamedTuple):
    """One occurrence about a charge point: a finding, a failed attempt, a gap, or the end of its last session."""

    charge_point_id: str
    ts_ns: int
    text: str
    rule: str = ""
    severity: str = ""


@dataclass(slots=True)
class Seen:
    """What is new since the last look.

    Attributes:
        connected: the charge points that are connected now, each with the time of its last frame.
        left: the charge points whose last session has ended.
    """

    connected: dict[str, int] = field(default_factory=dict)
    left: list[Happened] = field(default_factory=list)
    findings: list[Happened] = field(default_factory=list)
    attempts: list[Happened] = field(default_factory=list)
    gaps: list[Happened] = field(default_factory=list)

    def add(self, later: Seen) -> None:
        """Add what was seen in the next file of the recording."""
        self.left = [*self.left, *later.left]
        self.findings, self.attempts = [*self.findings, *later.findings], [*self.attempts, *later.attempts]
        self.gaps, self.connected = [*self.gaps, *later.gaps], later.connected


class Position:
    """How far a recording has been read. It can be saved as JSON, so that another process continues from there."""

    def __init__(self, saved: dict[str, Any] | None = None) -> None:
        """Begin before the first row, or at a saved position."""
        saved = saved or {}
        self.finding, self.event, self.session = (int(saved.get(what, 0)) for what in ("finding", "event", "session"))
        self.open: dict[int, str] = {int(number): str(name) for number, name in saved.get("open", {}).items()}
        self.counts: dict[int, int] = {int(number): int(times) for number, times in saved.get("counts", {}).items()}
        """By id of a finding of an open session: how often it had occurred."""

    def saved(self) -> dict[str, Any]:
        """Return the position as JSON values."""
        return {name: getattr(self, name) for name in ("finding", "event", "session", "open", "counts")}

    def look(self, db: sqlite3.Connection) -> Seen:
        """Return what is new, read at one moment."""
        db.execute("BEGIN")
        try:
            return self._look(db)
        finally:
            db.execute("COMMIT")

    def skip(self, db: sqlite3.Connection) -> Seen:
        """Go to the end of the recording; return only who is connected now."""
        return Seen(connected=self.look(db).connected)

    def _look(self, db: sqlite3.Connection) -> Seen:
        seen = Seen()
        self._sessions(db, seen)
        self._findings(db, seen)
        rows = db.execute(
            f"""SELECT e.id, e.ts_ns, e.kind, e.detail, s.charge_point_id FROM events e LEFT JOIN sessions s
            ON s.id = e.session_id WHERE e.id > ? AND e.kind IN ('gap', 'rejected-upgrade', 'unreachable')
            AND (e.session_id IS NULL OR e.session_id NOT IN {SHADOW_SESSIONS})
            ORDER BY e.id""",
            (self.event,),
        ).fetchall()
        for _, ts_ns, kind, text, name in rows:
            detail = _detail(text)
            if kind == "gap":
                why = f": {detail['reason']}" if detail.get("reason") else ""
                seen.gaps.append(Happened(name or "", ts_ns, f"{detail.get('frames', '?')} frames not stored{why}"))
            else:
                who = str(detail.get("charge_point_id") or "")
                seen.attempts.append(Happened(who, ts_ns, what_failed(kind, detail)))
        (self.event,) = db.execute("SELECT max(?, coalesce(max(id), 0)) FROM events", (self.event,)).fetchone()
        return seen

    def _sessions(self, db: sqlite3.Connection, seen: Seen) -> None:
        # What happens in a session with a shadow is not news about the charge point.
        sql = f"SELECT id, charge_point_id, id IN {SHADOW_SESSIONS} FROM sessions WHERE id > ?"
        for number, name, is_shadow in db.execute(sql, (self.session,)):
            if not is_shadow:
                self.open[number] = name or ""
            self.session = max(self.session, number)
        # The sessions of a recorder that was killed never close.
        sql = f"""SELECT s.id, s.closed_ns, s.last_seen_ns, s.opened_ns, s.closed_by, s.cp_close_code,
            s.csms_close_code, s.recording_id = (SELECT max(id) FROM recordings) AND r.stopped_ns IS NULL
            FROM sessions s JOIN recordings r ON r.id = s.recording_id WHERE s.id IN (SELECT value FROM json_each(?))
            AND s.closed_by IS NOT '{ROTATION}'"""
        ended: dict[str, Happened] = {}
        for number, closed_ns, last_ns, opened_ns, by, cp_code, csms_code, recorded in db.execute(
            sql, (json.dumps(list(self.open)),)
        ).fetchall():
            name = self.open[number]
            if closed_ns is None and recorded:
                seen.connected[name] = max(seen.connected.get(name, 0), last_ns or opened_ns)
                continue
            del self.open[number]
            code = csms_code if by == "csms" else cp_code
            how = f"{_ENDERS.get(by, by) or 'the end of the recorder'}{'' if code is None else f', code {code}'}"
            ended[name] = Happened(name, closed_ns or last_ns or opened_ns, f"disconnected by {how}")
        seen.left = [one for name, one in ended.items() if name not in seen.connected]

    def _findings(self, db: sqlite3.Connection, seen: Seen) -> None:
        sql = f"""SELECT f.id, f.count, f.ts_ns, f.rule_id, f.severity, f.message, s.charge_point_id, f.session_id
            FROM findings f LEFT JOIN sessions s ON s.id = f.session_id
            WHERE {{}} AND (f.session_id IS NULL OR f.session_id NOT IN {SHADOW_SESSIONS}) ORDER BY f.id"""
        new = db.execute(sql.format("f.id > ?"), (self.finding,)).fetchall()
        counts: dict[int, int] = {}
        of_open = "f.session_id IN (SELECT value FROM json_each(?)) AND f.id <= ?"
        grown = db.execute(sql.format(of_open), (json.dumps(list(self.open)), self.finding)).fetchall()
        for number, count, ts_ns, rule, severity, message, name, session in [*grown, *new]:
            if count > self.counts.get(number, 0):
                text = f"{rule}: {message[:_LISTED]}"
                seen.findings.append(Happened(name or "", ts_ns, text, rule, severity))
            if session is None or session in self.open:
                counts[number] = count
            self.finding = max(self.finding, number)
        self.counts = counts


def _detail(text: str) -> dict[str, Any]:
    try:
        detail = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return detail if isinstance(detail, dict) else {}
