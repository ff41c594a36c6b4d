"""Reads long lists of rows a page at a time, so that no SELECT stays open while whoever asked is busy, or waits.

An open SELECT is a read transaction: until it ends, SQLite cannot write the `-wal` into the file, and the `-wal` of a
recording in progress grows. `export … | less` may be left alone for hours.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

ROWS = 1000
BYTES = 4 * 1024 * 1024
"""A page ends with the row that brings it to so many rows or bytes."""
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
    """Yield the rows of a SELECT, each page of them from a short transaction of its own.

    Args:
        connection: where to ask.
        sql: its first column is an integer key, its last one is what may be large. It has the condition
            `KEY BETWEEN :low AND :high`, is ordered by the key, and an index or the rowid gives that order: a sort
            would be made again for every page.
        values: of its other parameters.
        low, high: the keys to begin and end with.
        rows: how many a page has at most.
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
    """Have all that is asked within the block be as of one moment; to be left before anything is handed out."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def highest(connection: sqlite3.Connection, table: str) -> int:
    """The highest id in a table, 0 where it is empty."""
    (found,) = connection.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()
    return int(found)
