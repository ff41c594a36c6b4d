"""Collect rows in memory and commit them in groups. A live recording has no other INSERTs.

Ids are assigned in memory, so that an answer's `call_id` is known before its CALL is on disk. A commit that fails
leaves every row waiting for the next one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlite_utils import Database

from inspector.rules.finding import Finding
from inspector.store.writing.salvage import Refused, RolledBack, Row, Salvage, Statement, is_of_the_disk, storable
from inspector.store.writing.waiting_rows import WaitingRows, insert_sql

log = logging.getLogger("chargesentinel.recorder")

type FrameRow = tuple[Any, ...]
"""A row of `frames`, in the order of FRAME_COLUMNS."""
type Change = tuple[str, tuple[Any, ...]]
"""A statement and its values."""

FRAME_COLUMNS = (
    *("id", "session_id", "from_csms", "msg_type", "action", "valid", "max_severity", "latency_us"),
    *("call_id", "size", "forwarded", "redacted", "ts_ns", "mono_ns", "id_length", "raw"),
)
SESSION_COLUMNS = (
    *("id", "charge_point_id", "ocpp_version", "subprotocol", "subprotocols_offered", "opened_ns", "remote_addr"),
    *("request_path", "upstream_url", "auth_scheme", "tls_version", "tls_cipher", "tls_sni"),
    *("client_cert_subject", "upstream_tls_version", "recording_id"),
)
NUMBERED = ("sessions", "frames", "findings", "events", "transactions")
"""The tables whose ids are assigned in memory."""
_FINDING_COLUMNS = (
    *("id", "severity", "rule_id", "message", "pointer", "spec_ref", "side", "count", "ts_ns"),
    *("frame_id", "last_frame_id", "session_id"),
)


INSERT_SESSION = insert_sql("sessions", SESSION_COLUMNS)
_INSERT_FINDING = insert_sql("findings", _FINDING_COLUMNS)
_SAMPLE_COLUMNS = (
    *("transaction_id", "session_id", "frame_id", "ts_ns", "measurand"),
    *("phase", "location", "context", "value", "unit"),
)
_INSERT_OCCURRENCE = insert_sql("occurrences", ("finding_id", "frame_id"))
_OCCURRENCE_THAT_FITS = """INSERT INTO occurrences SELECT findings.id, frames.id FROM findings, frames
  WHERE findings.id = ? AND frames.id = ?"""
_INSERT_ABSENCE = insert_sql("absences", ("finding_id", "ts_ns"))
_ABSENCE_THAT_FITS = "INSERT INTO absences SELECT id, ?2 FROM findings WHERE id = ?1"
INSERT_EVENT = insert_sql("events", ("id", "session_id", "ts_ns", "after_frame_id", "kind", "detail"))

_RANK = "CASE {} WHEN 'error' THEN 3 WHEN 'warning' THEN 2 WHEN 'info' THEN 1 ELSE 0 END"
_RAISE_SEVERITY = (
    f"UPDATE frames SET max_severity = ? WHERE id = ? AND {_RANK.format('max_severity')} < {_RANK.format('?')}"
)
_RECOUNT_FINDING = "UPDATE findings SET count = ?, last_frame_id = ? WHERE id = ?"
_DERIVED_OF_FRAMES = tuple(
    FRAME_COLUMNS.index(column)
    for column in ("msg_type", "action", "valid", "max_severity", "latency_us", "call_id", "id_length")
)


class PendingRows:
    """Rows that wait to be written through one connection. Not thread-safe."""

    def __init__(self, db: Database) -> None:
        self._use(db)
        self._next = {table: self._highest(table) + 1 for table in NUMBERED}
        self._frames = WaitingRows("frames", FRAME_COLUMNS)
        self._samples = WaitingRows("meter_samples", _SAMPLE_COLUMNS)
        self._rows: list[Change] = []
        self._raised: list[tuple[str, int, str]] = []
        self._findings: list[tuple[int | None, Finding]] = []
        self._recounted: dict[int, Finding] = {}
        self._occurrences: list[tuple[int, int]] = []  # (finding id, frame id)
        self._absences: list[tuple[int, int]] = []  # (finding id, time)
        self.pending_bytes = 0
        self._has_changed_values = False
        self._said: set[tuple[str, str]] = set()
        self._refused: list[Refused] = []
        self.dropped: Counter[str] = Counter()
        """Derived rows that could not be stored, by table."""

    def _use(self, db: Database) -> None:
        self.db = db
        self._fault_events: dict[str, tuple[int, int]] = {}  # by table: the id of its event, and rows dropped so far
        self._connection: sqlite3.Connection = db.conn

    def _highest(self, table: str) -> int:
        (found,) = self._connection.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()
        return int(found)

    def here(self, frame_id: int | None) -> int | None:
        """Return a frame id, or None if that frame is not in this file."""
        return frame_id

    def begin_at(self, table: str, number: int) -> None:
        """Assign ids from `number` on, or after the highest id in the table if that is higher."""
        self._next[table] = max(number, self._highest(table) + 1)

    def next_id(self, table: str) -> int:
        """Return the next id of `sessions`, `frames`, `findings`, `events` or `transactions`."""
        number: int = self._next[table]
        self._next[table] = number + 1
        return number

    def frame(self, row: FrameRow) -> None:
        """Add a frame. This runs for every frame, so it must be fast."""
        self._frames.add(row)
        self.pending_bytes += row[9] + 200

    def raise_severity(self, frame_id: int, severity: str) -> None:
        """Raise the severity of a frame that was added earlier."""
        self._raised.append((severity, frame_id, severity))
        self.pending_bytes += 100

    def finding(
        self, session_id: int | None, finding: Finding, frames: Iterable[int] = (), times: Iterable[int] = ()
    ) -> None:
        """Add a finding, or update its count.

        `frames` are the frames with this finding since the last call, `times` the times at which a frame was missing.
        """
        finding.row_session = session_id
        if finding.finding_id is None:
            finding.finding_id = self.next_id("findings")
            self._findings.append((session_id, finding))
            self.pending_bytes += 400
        else:
            self._recounted[finding.finding_id] = finding
        for frame_id in frames:
            self._occurrences.append((finding.finding_id, frame_id))
            self.pending_bytes += 50
        for ts_ns in times:
            self._absences.append((finding.finding_id, ts_ns))
            self.pending_bytes += 50

    def event(
        self, session_id: int | None, ts_ns: int, after_frame_id: int | None, kind: str, detail: dict[str, Any]
    ) -> None:
        """Add an event."""
        number = self.next_id("events")
        text: str = storable(json.dumps(detail, ensure_ascii=False, default=str))
        self._add(INSERT_EVENT, (number, session_id, ts_ns, after_frame_id, kind, text))
        self.pending_bytes += len(text)

    def update_session(self, session_id: int, values: dict[str, Any]) -> None:
        """Change columns of a session."""
        setting = ", ".join(f"{column} = ?" for column in values)
        self._add(f"UPDATE sessions SET {setting} WHERE id = ?", (*values.values(), session_id))

    def meter_sample(self, row: tuple[Any, ...]) -> None:
        """Add a meter sample: the columns of its table without the id."""
        self._samples.add(row)
        self.pending_bytes += 100

    def charge_point(self, charge_point_id: str) -> dict[str, Any] | None:
        """Return the committed row of a charge point."""
        with contextlib.suppress(sqlite3.Error):  # the frame must be kept even if the disk fails here
            rows = self.db.query("SELECT * FROM charge_points WHERE charge_point_id = ?", [charge_point_id])
            return next(iter(rows), None)
        return None

    def transaction(self, charge_point_id: str, transaction_id: str) -> int | None:
        """Return the row id of a charge point's latest committed transaction with this id."""
        sql = "SELECT max(id) FROM transactions WHERE charge_point_id = ? AND transaction_id = ?"
        with contextlib.suppress(sqlite3.Error):
            found: int | None = self._connection.execute(sql, (charge_point_id, transaction_id)).fetchone()[0]
            return found
        return None

    def insert(self, table: str, values: dict[str, Any], *, replace: bool = False) -> None:
        """Add a row to a derived table; with `replace` it replaces a row with the same key."""
        sql = insert_sql(table, values)
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
        return bool(self._frames or self._rows or self._findings or self._recounted or self._samples or self._raised)

    @property
    def waiting_frames(self) -> int:
        """How many frames wait for a commit."""
        return len(self._frames)

    def commit(self) -> None:
        """Write everything that waits in one transaction.

        Raises:
            sqlite3.Error: nothing was written, and everything still waits.
        """
        if self.waiting:
            self._write(())
            self._clear()

    def _write(self, more: Iterable[Change]) -> None:
        more = list(more)
        try:
            with self._transaction():
                self._put()
                for sql, row in more:
                    self._connection.execute(sql, row)
        except Exception as error:
            if is_of_the_disk(error):
                raise
            self._salvage(more)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        try:
            yield
            run("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                run("ROLLBACK")
            raise

    def _salvage(self, more: list[Change]) -> None:
        """Write all frames and sessions, and every derived row that SQLite accepts."""
        without, bulk = set[str](), True
        while True:
            salvage = Salvage(self._connection, frozenset(without), bulk)
            try:
                with self._transaction():
                    self._put_what_fits(salvage, more)
            except RolledBack as undone:
                if undone.table in (*without, "frames", "sessions"):
                    raise undone.__cause__ or undone from undone
                bulk = False
                if undone.table:
                    without.add(undone.table)
            else:
                return self._settle(salvage.refused)

    def flush(self) -> None:
        """Write everything that waits, within a transaction that the caller has begun."""
        run = self._connection.execute
        run("SAVEPOINT waiting")
        try:
            self._put()
        except Exception as error:
            if is_of_the_disk(error):
                raise
            run("ROLLBACK TO waiting")
            salvage = Salvage(self._connection)
            try:
                self._put_what_fits(salvage, [])
            except RolledBack as undone:
                raise undone.__cause__ or undone from None
            self._settle(salvage.refused)
        run("RELEASE waiting")
        self._clear()

    def _put_what_fits(self, salvage: Salvage, more: list[Change]) -> None:
        def as_it_is(sql: str, row: Row) -> Statement:
            return sql, lambda: row, None

        salvage.derived(as_it_is(*one) for one in self._rows)
        salvage.frames(self._frames.one, self._frames, self._barer)
        salvage.derived(as_it_is(_RAISE_SEVERITY, one) for one in self._raised)
        salvage.derived(as_it_is(self._samples.one, one) for one in self._samples)
        salvage.derived((_INSERT_FINDING, partial(_finding_row, *one), one) for one in self._findings)
        salvage.derived(
            (_RECOUNT_FINDING, partial(_recounted_row, one), (one.row_session, one)) for one in self._recounted.values()
        )
        salvage.derived(as_it_is(_OCCURRENCE_THAT_FITS, one) for one in self._occurrences)
        salvage.derived(as_it_is(_ABSENCE_THAT_FITS, one) for one in self._absences)
        salvage.derived(as_it_is(*one) for one in more)
        salvage.derived(as_it_is(*one) for one in self._faults(salvage.refused))

    def _barer(self, row: Row) -> Iterator[Row]:
        """Yield replacements for a refused frame row, the most complete first; all have the same `raw`."""
        fitting = list(map(storable, row))
        yield fitting
        yield [None if at in _DERIVED_OF_FRAMES else value for at, value in enumerate(fitting)]
        yield [self.next_id("frames"), *fitting[1:]]

    def _faults(self, refused: Refused) -> list[Change]:
        """Return one event for each table, with the number of the table's rows that this file lacks."""
        changes: list[Change] = []
        for table, dropped in refused.rows.items():
            number, before = self._fault_events.get(table) or (self.next_id("events"), 0)
            self._fault_events[table] = number, before  # dropped by earlier commits, which succeeded
            detail = json.dumps(dropped_rows(table, before + dropped, refused.why[table]))
            row = (number, None, time.time_ns(), None, "fault", detail)
            changes.append((INSERT_EVENT.replace("INSERT", "INSERT OR REPLACE", 1), row))
        return changes

    def _settle(self, refused: Refused) -> None:
        """Count the rows that a successful commit had to drop, and log each kind once."""
        for table, dropped in refused.rows.items():
            number, before = self._fault_events.get(table, (0, 0))
            self._fault_events[table] = number, before + dropped
            self._count_dropped(table, dropped, refused.why[table])
        if refused.changed and not self._has_changed_values:
            self._has_changed_values = True
            log.warning("a derived value does not fit its column; the nearest value is stored, or none")
        for _, finding in refused.findings:
            refused.uncounted.append(finding.counted - finding.committed)
            finding.counted = finding.committed
            if not finding.committed:
                finding.finding_id = None  # try to store its row again at the next occurrence
        if refused:
            self._refused.append(refused)

    def _count_dropped(self, table: str, rows: int, why: str) -> None:
        self.dropped[table] += rows
        if (table, why) not in self._said:
            self._said.add((table, why))
            log.error(
                "a row of %s cannot be stored (%s); such rows are counted, and their frames are stored", table, why
            )

    def take_refused(self) -> list[Refused]:
        """Return the rows that the commits since the last call could not store."""
        found, self._refused = self._refused, []
        return found

    def _put(self) -> None:
        # Rows of sessions, events and derived tables keep their order: an UPDATE may need the INSERT before it.
        for sql, rows in groupby(self._rows, key=itemgetter(0)):
            self._connection.executemany(sql, [row for _, row in rows])
        self._frames.insert(self._connection)
        if self._raised:  # after the INSERTs: these UPDATEs may concern a frame of the same commit
            self._connection.executemany(_RAISE_SEVERITY, self._raised)
        self._samples.insert(self._connection)
        if self._findings:
            self._connection.executemany(_INSERT_FINDING, [_finding_row(*pair) for pair in self._findings])
        if self._recounted:
            self._connection.executemany(_RECOUNT_FINDING, map(_recounted_row, self._recounted.values()))
        if self._occurrences:
            self._connection.executemany(_INSERT_OCCURRENCE, self._occurrences)
        if self._absences:
            self._connection.executemany(_INSERT_ABSENCE, self._absences)

    def _clear(self) -> None:
        self._frames.values.clear()
        self._samples.values.clear()
        self._rows.clear()
        self._raised.clear()
        for finding in (*self._recounted.values(), *(new for _, new in self._findings)):
            finding.committed = finding.counted
        self._findings.clear()
        self._recounted.clear()
        self._occurrences.clear()
        self._absences.clear()
        self.pending_bytes = 0


def dropped_rows(table: str, rows: int, why: str) -> dict[str, Any]:
    """Return the detail of the `fault` event about derived rows that are missing in a file."""
    return {"what": "rows not stored", "table": table, "rows": rows, "why": why}


def _finding_row(session_id: int | None, finding: Finding) -> tuple[Any, ...]:
    return (
        *(finding.finding_id, finding.severity, finding.rule_id, finding.message, finding.pointer, finding.spec_ref),
        *(finding.side, finding.count, finding.ts_ns, finding.frame_id, finding.last_frame_id, session_id),
    )


def _recounted_row(finding: Finding) -> tuple[Any, ...]:
    return finding.count, finding.last_frame_id, finding.finding_id
