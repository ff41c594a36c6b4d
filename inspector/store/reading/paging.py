"""Read long lists of rows page by page, so that no SELECT stays open while the caller is busy or waits.

An open SELECT is a read transaction. Until it ends, SQLite cannot merge the `-wal` into the file, and the `-wal` of a
recording in progress grows. `export … | less` may stay open for hours.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

ROWS = 1000
BYTES = 4 * 1024 * 1024
"""A page ends at ROWS rows or BYTES bytes."""
LAST = 2**63 - 1


def paged(
    connection: sqlite3.Connection,
    sql: str,
    values: Mapping[str, Any] | None = None,
    *,
    low: int = 0,
    high: int = LAST,
    rows: int = ROWS,
) -> Iterator[Any]:
    """Yield the rows of a SELECT; each page is read in a short transaction of its own.

    Args:
        connection: to the database.
        sql: a SELECT whose first column is an integer key and whose last column may be large. It has the condition
            `KEY BETWEEN :low AND :high` and is ordered by the key. The order must come from an index or the rowid:
            otherwise SQLite would sort all rows for every page.
        values: its other parameters.
        low, high: the first and the last key.
        rows: the most rows in a page.
    """
    ended = False
    while not ended and low <= high:
        page, size = [], 0
        with closing(connection.execute(sql, {**(values or {}), "low": low, "high": high})) as cursor:
            for row in cursor:
                page.append(row)
                large = row[-1]
                size += len(large) if isinstance(large, str | bytes) else 0
                if len(page) >= rows or size >= BYTES:
                    break
            else:
                ended = True
        if page:
            low = page[-1][0] + 1
        yield from page


@contextmanager
def one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    """Make all queries within the block see the database at one moment. Leave the block before a `yield`."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def highest(connection: sqlite3.Connection, table: str) -> int:
    """Return the highest id in a table; 0 if it is empty."""
    (found,) = connection.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()
    return int(found)
