"""Copy a recording into a new file row by row, with changes that the caller makes on the way.

Only rows are copied. The copy has no pages of deleted rows, no write-ahead log, and no tables, views or triggers of
other programs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from inspector.errors import UnusableFile
from inspector.store.files.connection import open_recording
from inspector.store.files.lock import WriterLock
from inspector.store.schema import connect

type Row = dict[str, Any]

_AT_ONCE = 2000


class Copying:
    """One copy in progress; the new file is called `OUT.part` until it is complete."""

    def __init__(self, source: Path, target: Path, holder: str) -> None:
        """Open both files. The copy has the rows that the source has now, even if it grows in the meantime.

        Raises:
            UnusableFile: one of the files cannot be used.
        """
        self.target = target
        self._part = target.with_name(f".{target.name}.part")
        self.source = open_recording(source)
        self._lock = WriterLock(target, holder)
        try:
            self._part.unlink(missing_ok=True)
            self._new = connect(self._part, wal=False).conn
            self._new.execute("PRAGMA foreign_keys = OFF")
            self.source.row_factory = sqlite3.Row
            self.source.execute("BEGIN")
            self._new.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._lock.release()
            raise

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        return int(self.source.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def copy(self, table: str, change: Callable[[Row], Row] | None = None) -> None:
        """Copy a table in the order of its ids.

        Args:
            table: its name.
            change: gets the stored columns of a row and returns the row for the new file.
        """
        columns = [row[1] for row in self._new.execute(f"PRAGMA table_info({table})")]  # without the generated ones
        names = ", ".join(columns)
        insert = f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})"
        with closing(self.source.execute(f"SELECT {names} FROM {table} ORDER BY rowid")) as cursor:
            while rows := cursor.fetchmany(_AT_ONCE):
                made = [dict(row) if change is None else change(dict(row)) for row in rows]
                self._new.executemany(insert, [tuple(row[column] for column in columns) for row in made])

    def finish(self) -> None:
        """Put the new file in its place.

        Raises:
            UnusableFile: it cannot be written.
        """
        try:
            self._new.execute("COMMIT")
            self._new.close()
            put_in_place(self._part, self.target)
        except OSError as error:
            raise UnusableFile(self.target, f"cannot be written ({(error.strerror or str(error)).lower()})") from error
        except sqlite3.Error as error:
            raise UnusableFile(self.target, f"cannot be written ({error})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._new.close()
        self.source.close()
        for leftover in (self._part, self._part.with_name(f"{self._part.name}-journal")):
            leftover.unlink(missing_ok=True)
        self._lock.release()


def put_in_place(made: Path, target: Path) -> None:
    """Replace the recording `target`, and SQLite's files beside it, with the new recording `made`.

    The new file gets the permissions of the old one.

    Raises:
        OSError: the file cannot be replaced.
    """
    if target.exists():
        made.chmod(target.stat().st_mode & 0o777)
    for suffix in ("-wal", "-shm", "-journal"):  # SQLite would apply these to the new file
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    made.replace(target)
