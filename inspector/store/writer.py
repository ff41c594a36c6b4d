"""The only INSERTs: collects rows in memory and commits them in groups; knows nothing of what they mean.

Ids are given out in memory, so that an answer's `call_id` is known before its CALL is on disk. A commit that
fails leaves every row waiting for the next one.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from inspector.rules.finding import Finding
from inspector.store.lock import WriterLock
from inspector.store.migrations import connect

type FrameRow = tuple[Any, ...]
"""In the order of FRAME_COLUMNS."""

FRAME_COLUMNS = (
    *("id", "session_id", "direction", "msg_type", "action", "valid", "max_severity", "latency_us"),
    *("call_id", "size", "forwarded", "redacted", "ts_ns", "mono_ns", "raw"),
)
SESSION_COLUMNS = (
    *("id", "charge_point_id", "ocpp_version", "subprotocol", "subprotocols_offered", "opened_ns", "remote_addr"),
    *("request_path", "upstream_url", "auth_scheme", "tls_version", "tls_cipher", "tls_sni"),
    *("client_cert_subject", "upstream_tls_version", "recording_id"),
)
_FINDING_COLUMNS = (
    *("id", "severity", "rule_id", "message", "pointer", "spec_ref", "side", "count", "ts_ns"),
    *("frame_id", "last_frame_id", "session_id"),
)


def _insert(table: str, columns: Iterable[str]) -> str:
    names = list(columns)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"


_INSERT_FRAME = _insert("frames", FRAME_COLUMNS)
_INSERT_SESSION = _insert("sessions", SESSION_COLUMNS)
_INSERT_FINDING = _insert("findings", _FINDING_COLUMNS)
_INSERT_SAMPLE = _insert(
    "meter_samples",
    ("transaction_id", "session_id", "frame_id", "ts_ns", "measurand", "phase", "location", "context", "value", "unit"),
)
_INSERT_EVENT = _insert("events", ("id", "session_id", "ts_ns", "after_frame_id", "kind", "detail"))


class Writer:
    """One recording being written.

    Not safe for use from two threads at once.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        tool_version: str,
        holder: str = "chargesentinel",
        listen: str | None = None,
        upstream: str | None = None,
        config: dict[str, Any] | None = None,
        started_ns: int | None = None,
        resume: int | None = None,
    ) -> None:
        """Open `path`, mark what an earlier run left unfinished, and begin a row in `recordings`.

        `resume` goes on with the row of that id instead, as a restarted recorder does.

        Raises:
            UnusableFile: see `WriterLock` and `migrations.connect`.
        """
        self.path = Path(path)
        self._lock = WriterLock(self.path, holder)
        try:
            self.db = connect(self.path)
            self._connection: sqlite3.Connection = self.db.conn
            if resume is None:
                self.recording_id = self._begin(tool_version, listen, upstream, config, started_ns or time.time_ns())
            else:
                self.recording_id = resume
            self._next = {
                table: self._connection.execute(f"SELECT coalesce(max(id), 0) + 1 FROM {table}").fetchone()[0]
                for table in ("sessions", "frames", "findings", "events", "transactions")
            }
        except BaseException:
            self._lock.release()
            raise
        self._frames: list[FrameRow] = []
        self._samples: list[tuple[Any, ...]] = []
        self._rows: list[tuple[str, tuple[Any, ...]]] = []
        self._findings: list[tuple[int, Finding]] = []
        self._recounted: dict[int, Finding] = {}
        self.pending_bytes = 0

    def _begin(
        self, tool_version: str, listen: str | None, upstream: str | None, config: dict[str, Any] | None, now: int
    ) -> int:
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        # A run that was killed is told from a clean one; what it saw last is where its sessions end.
        run("UPDATE recordings SET clean_close = 0 WHERE clean_close IS NULL")
        run(
            "UPDATE sessions SET closed_ns = coalesce(last_seen_ns, opened_ns), closed_by = 'unknown'"
            " WHERE closed_ns IS NULL"
        )
        cursor = run(
            "INSERT INTO recordings (started_ns, tool_version, listen, upstream, config) VALUES (?, ?, ?, ?, ?)",
            (now, tool_version, listen, upstream, json.dumps(config or {})),
        )
        run("COMMIT")
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def committed(self) -> int:
        """How many records of its relay this recording has been brought to; see `commit`."""
        sql = "SELECT committed FROM _progress WHERE recording_id = ?"
        row = self._connection.execute(sql, (self.recording_id,)).fetchone()
        return int(row[0]) if row else 0

    def next_id(self, table: str) -> int:
        """Give out an id of `sessions`, `frames`, `findings`, `events` or `transactions`."""
        number: int = self._next[table]
        self._next[table] = number + 1
        return number

    def session(self, values: dict[str, Any]) -> None:
        """Add a session; `values` by SESSION_COLUMNS, those missing are NULL."""
        row = {**values, "recording_id": self.recording_id}
        self._add(_INSERT_SESSION, tuple(row.get(column) for column in SESSION_COLUMNS))

    def update_session(self, session_id: int, values: dict[str, Any]) -> None:
        """Change columns of a session."""
        setting = ", ".join(f"{column} = ?" for column in values)
        self._add(f"UPDATE sessions SET {setting} WHERE id = ?", (*values.values(), session_id))

    def frame(self, row: FrameRow) -> None:
        """Add a frame; the hot path."""
        self._frames.append(row)
        self.pending_bytes += row[9] + 200

    def raise_severity(self, frame_id: int, severity: str) -> None:
        """Note a finding made about a frame that has been added before."""
        rank = "CASE {} WHEN 'error' THEN 3 WHEN 'warning' THEN 2 WHEN 'info' THEN 1 ELSE 0 END"
        sql = f"UPDATE frames SET max_severity = ? WHERE id = ? AND {rank.format('max_severity')} < {rank.format('?')}"
        self._add(sql, (severity, frame_id, severity))

    def finding(self, session_id: int, finding: Finding) -> None:
        """Add a finding, or note that its count has risen."""
        if finding.finding_id is None:
            finding.finding_id = self.next_id("findings")
            self._findings.append((session_id, finding))
            self.pending_bytes += 400
        else:
            self._recounted[finding.finding_id] = finding

    def event(
        self, session_id: int | None, ts_ns: int, after_frame_id: int | None, kind: str, detail: dict[str, Any]
    ) -> None:
        """Add an event."""
        number = self.next_id("events")
        text = json.dumps(detail, ensure_ascii=False, default=str)
        self._add(_INSERT_EVENT, (number, session_id, ts_ns, after_frame_id, kind, text))

    def recording_counts(self) -> tuple[int, int, int, int]:
        """Sessions, frames, findings and findings of severity error of this recording, as committed."""
        sql = """SELECT count(*), coalesce(sum(frame_count), 0), coalesce(sum((SELECT count(*) FROM findings
            WHERE session_id = sessions.id)), 0), coalesce(sum(error_count), 0) FROM sessions WHERE recording_id = ?"""
        sessions, frames, findings, errors = self._connection.execute(sql, (self.recording_id,)).fetchone()
        return sessions, frames, findings, errors

    def session_counts(self, session_id: int) -> tuple[int, int]:
        """The counts of frames and errors of a session, as committed."""
        sql = "SELECT frame_count, error_count FROM sessions WHERE id = ?"
        frames, errors = self._connection.execute(sql, (session_id,)).fetchone()
        return frames, errors

    def session_findings(self, session_id: int) -> dict[tuple[str, int | None, str | None], int]:
        """The ids of a session's findings by rule, frame and pointer, as committed."""
        sql = "SELECT rule_id, frame_id, pointer, id FROM findings WHERE session_id = ?"
        return {
            (rule, frame, pointer): row for rule, frame, pointer, row in self._connection.execute(sql, (session_id,))
        }

    def meter_sample(self, row: tuple[Any, ...]) -> None:
        """Add a meter sample: the columns of its table without the id."""
        self._samples.append(row)
        self.pending_bytes += 100

    def charge_point(self, charge_point_id: str) -> dict[str, Any] | None:
        """What the file knows of a charge point, as committed."""
        rows = self.db.query("SELECT * FROM charge_points WHERE charge_point_id = ?", [charge_point_id])
        return next(iter(rows), None)

    def transaction(self, charge_point_id: str, transaction_id: str) -> int | None:
        """The row of a charge point's latest transaction with this id, as committed."""
        sql = "SELECT max(id) FROM transactions WHERE charge_point_id = ? AND transaction_id = ?"
        found: int | None = self._connection.execute(sql, (charge_point_id, transaction_id)).fetchone()[0]
        return found

    def insert(self, table: str, values: dict[str, Any], *, replace: bool = False) -> None:
        """Add a row to a derived table; `replace` puts it in the place of one with the same key."""
        sql = _insert(table, values)
        self._add(sql.replace("INSERT", "INSERT OR REPLACE", 1) if replace else sql, tuple(values.values()))

    def update(self, table: str, row_id: int, values: dict[str, Any]) -> None:
        """Change columns of a row of a derived table that has an `id`."""
        setting = ", ".join(f"{column} = ?" for column in values)
        self._add(f"UPDATE {table} SET {setting} WHERE id = ?", (*values.values(), row_id))

    def _add(self, sql: str, row: tuple[Any, ...]) -> None:
        self._rows.append((sql, row))
        self.pending_bytes += 200

    @property
    def waiting(self) -> bool:
        """Whether anything waits for a commit."""
        return bool(self._frames or self._rows or self._findings or self._recounted or self._samples)

    @property
    def waiting_frames(self) -> int:
        """How many frames wait for a commit."""
        return len(self._frames)

    def commit(self, committed: int | None = None) -> None:
        """Write all that waits in one transaction.

        Args:
            committed: how many records of its relay these rows bring the recording to; stored in the same
                transaction, so that a relay can send again exactly what is missing.

        Raises:
            sqlite3.Error: nothing was written; all of it still waits.
        """
        if not self.waiting and committed is None:
            return
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        try:
            # Rows of sessions, events and derived tables keep their order among themselves: an UPDATE
            # may follow the INSERT of its row.
            for sql, rows in groupby(self._rows, key=itemgetter(0)):
                self._connection.executemany(sql, [row for _, row in rows])
            if self._frames:
                self._connection.executemany(_INSERT_FRAME, self._frames)
            if self._samples:
                self._connection.executemany(_INSERT_SAMPLE, self._samples)
            if self._findings:
                self._connection.executemany(_INSERT_FINDING, [_finding_row(*pair) for pair in self._findings])
            if self._recounted:
                self._connection.executemany(
                    "UPDATE findings SET count = ?, last_frame_id = ? WHERE id = ?",
                    [(f.count, f.last_frame_id, f.finding_id) for f in self._recounted.values()],
                )
            if committed is not None:
                run("INSERT OR REPLACE INTO _progress VALUES (?, ?)", (self.recording_id, committed))
            run("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                run("ROLLBACK")
            raise
        self._frames.clear()
        self._samples.clear()
        self._rows.clear()
        self._findings.clear()
        self._recounted.clear()
        self.pending_bytes = 0

    def close(self, *, clean: bool, stopped_ns: int | None = None) -> None:
        """Commit, mark how the recording ended and let go of the file.

        Raises:
            sqlite3.Error: the last commit failed; the file is let go of all the same.
        """
        try:
            self.commit()
            self._connection.execute(
                "UPDATE recordings SET stopped_ns = ?, clean_close = ? WHERE id = ?",
                (stopped_ns or time.time_ns(), int(clean), self.recording_id),
            )
        finally:
            self._connection.close()
            self._lock.release()


def _finding_row(session_id: int, finding: Finding) -> tuple[Any, ...]:
    return (
        *(finding.finding_id, finding.severity, finding.rule_id, finding.message, finding.pointer, finding.spec_ref),
        *(finding.side, finding.count, finding.ts_ns, finding.frame_id, finding.last_frame_id, session_id),
    )
