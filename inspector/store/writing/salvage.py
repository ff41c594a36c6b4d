"""If SQLite refuses a commit, store as much of it as possible: every frame, and every derived row that fits.

A derived row (finding, sample, transaction, charge point, event) never prevents a frame from being stored. A refused
row is tried again with values that fit its columns; if it is refused again, it is dropped and counted.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from inspector.rules.finding import Finding

type Row = Sequence[Any]
type Owner = tuple[int | None, Finding] | None
"""A new finding and the id of its session (None for a failed connection attempt); None for any other row."""
type Statement = tuple[str, Callable[[], Row], Owner]
"""SQL, a function that makes its row, and the owner of the row."""

OF_THE_DISK = frozenset(
    {
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR),
        *(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL),
        *(sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PERM, sqlite3.SQLITE_INTERRUPT),
    }
)
"""Primary error codes that are not caused by a row: a later attempt may store the same rows."""
OF_THE_ROW = frozenset(
    {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE}
)
"""Primary error codes of a row that can never be stored as it is."""

_HIGHEST = 2**63 - 1
_TABLE = re.compile(r"(?:INSERT (?:OR REPLACE )?INTO|UPDATE) (\w+)")
_BARE_SESSION = "INSERT OR IGNORE INTO sessions (id, opened_ns, recording_id) VALUES (?, ?, ?)"


class RolledBack(Exception):
    """SQLite undid the whole transaction because of one row, as a trigger can; `table` is its table, if known."""

    def __init__(self, table: str | None) -> None:
        self.table = table
        super().__init__(table)


@dataclass(slots=True)
class Refused:
    """The rows that a commit could not store.

    Attributes:
        rows: how many derived rows were dropped, by table.
        why: by table, the type of the last error, without its message, which may quote a frame.
        changed: how many rows were stored with a changed value.
        findings: new and recounted findings that were dropped, each with the id of its session.
        uncounted: how many occurrences of each of these findings are not on disk.
        transactions: the ids of dropped transactions.
        frames: the rows of frames that no attempt could store.
    """

    rows: Counter[str] = field(default_factory=Counter)
    why: dict[str, str] = field(default_factory=dict)
    changed: int = 0
    findings: list[tuple[int | None, Finding]] = field(default_factory=list)
    uncounted: list[int] = field(default_factory=list)
    transactions: set[int] = field(default_factory=set)
    frames: list[Row] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.rows or self.frames)

    def drop(self, sql: str, row: Row | None, owner: Owner, error: Exception) -> None:
        """Note a derived row that is not stored."""
        table = table_of(sql)
        self.rows[table] += 1
        self.why[table] = type(error).__name__
        if owner is not None:
            self.findings.append(owner)
        if row and sql.startswith("INSERT INTO transactions (id"):
            self.transactions.add(row[0])


def table_of(sql: str) -> str:
    """Return the table that a statement writes to."""
    found = _TABLE.match(sql)
    return found[1] if found else "?"


def is_of_the_disk(error: Exception) -> bool:
    """Return whether an error means that no row can be written now; other errors concern a single row."""
    if not isinstance(error, sqlite3.Error):
        return isinstance(error, OSError)
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in OF_THE_DISK


def storable(value: Any) -> Any:
    """Return a value that fits a column: with lone surrogates escaped, and integers limited to 64 bits.

    Peers can send both in JSON. `frames.raw` keeps what they sent and is never changed.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, int) and not isinstance(value, bool):
        return max(-_HIGHEST, min(value, _HIGHEST))
    return value if isinstance(value, float | bytes | bool | None) else str(value)


class Salvage:
    """Store waiting rows one by one, in a transaction or savepoint that the caller has begun."""

    def __init__(
        self, connection: sqlite3.Connection, without: frozenset[str] = frozenset(), bulk: bool = True
    ) -> None:
        """Prepare to store rows, first many at once if `bulk`. Derived rows of tables in `without` are dropped."""
        self._connection = connection
        self._without, self._bulk = without, bulk
        self.refused = Refused()

    def frames(self, sql: str, rows: Iterable[Row], bare: Callable[[Row], Iterable[Row]]) -> None:
        """Store frames; for a refused one, `bare` yields rows to store instead, the most complete first.

        Raises:
            sqlite3.Error: nothing can be stored now, or every frame is refused, so the frames are not the cause.
        """
        rows = list(rows)
        if self._all_at_once([(sql, row) for row in rows]):
            return
        first: Exception | None = None
        stored = 0
        for row in rows:
            error = self._try(sql, row)
            attempts = iter(bare(row))
            while error is not None and (other := next(attempts, None)) is not None:
                first = first or error
                error = self._try(sql, other)
                self.refused.changed += error is None
            if error is None:
                stored += 1
            else:
                self.refused.frames.append(row)
        if rows and not stored and first is not None and not _is_of_the_row(first):
            raise first

    def derived(self, statements: Iterable[Statement]) -> None:
        """Store derived rows in order, and drop those that are refused.

        Raises:
            sqlite3.Error: nothing can be stored now.
        """
        statements = list(statements)
        try:
            made = [(sql, make()) for sql, make, _ in statements]
        except Exception:
            made = []
        if made and not self._without and self._all_at_once(made):
            return
        for sql, make, owner in statements:
            row: Row | None = None
            try:
                row = make()
            except Exception as error:
                self.refused.drop(sql, row, owner, error)
                continue
            self.row(sql, row, owner)

    def row(self, sql: str, row: Row, owner: Owner = None) -> None:
        """Store one derived row, or drop it, as `derived` does."""
        table = table_of(sql)
        if table in self._without:
            self.refused.drop(sql, row, owner, sqlite3.IntegrityError())
            return
        if sql.startswith("INSERT INTO meter_samples") and row[0] in self.refused.transactions:
            row = (None, *row[1:])
        error = self._try(sql, row)
        if error is None:
            return
        try:
            fitting = tuple(map(storable, row))
        except Exception:
            fitting = tuple(row)
        if self._try(sql, fitting) is None:
            self.refused.changed += fitting != tuple(row)
        elif sql.startswith("INSERT INTO sessions"):
            # Store at least an empty row for the session: without it, nobody would find its frames.
            self._connection.execute(_BARE_SESSION, (row[0], fitting[5], row[-1]))
            self.refused.rows["sessions"] += 1
            self.refused.why["sessions"] = type(error).__name__
        else:
            self.refused.drop(sql, row, owner, error)

    def _all_at_once(self, made: list[tuple[str, Row]]) -> bool:
        if not self._bulk:
            return False
        self._connection.execute("SAVEPOINT part")
        try:
            for sql, same in groupby(made, key=itemgetter(0)):
                self._connection.executemany(sql, [row for _, row in same])
        except Exception as error:
            self._look(error, None)
            self._connection.execute("ROLLBACK TO part")
            return False
        finally:
            if self._connection.in_transaction:
                self._connection.execute("RELEASE part")
        return True

    def _try(self, sql: str, row: Row) -> Exception | None:
        try:
            self._connection.execute(sql, row)
        except Exception as error:
            self._look(error, table_of(sql))
            return error
        return None

    def _look(self, error: Exception, table: str | None) -> None:
        if is_of_the_disk(error):
            raise error
        if not self._connection.in_transaction:
            raise RolledBack(table) from error


def _is_of_the_row(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return not isinstance(error, sqlite3.OperationalError) if code is None else code & 0xFF in OF_THE_ROW
