"""The SQLite file of the CSMS: open it, migrate it, and write in transactions."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from csms import passwords, schema
from csms.errors import CsmsMistake

type Row = dict[str, Any]


class SqliteFile:
    """The file with the state of one CSMS. Every write is committed before the answer that depends on it is sent.

    Secrets are replaced with asterisks before they are written; see `passwords`.

    Args:
        path: the SQLite file, which is created if it is missing; None keeps everything in memory.
        file_mode: the permissions of a new file, whatever the umask is: it contains hashes of passwords.

    Raises:
        CsmsMistake: the file does not belong to a CSMS, is from a newer version, or cannot be opened.
    """

    def __init__(self, path: Path | None = None, file_mode: int = 0o600) -> None:
        self.path = path
        self.passwords = passwords.Passwords()
        try:
            if path is not None:
                _make(path, file_mode)
            connection = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=5)
            self.db = Database(connection)
            self._prepare(connection)
        except (OSError, sqlite3.Error) as error:
            raise CsmsMistake(f"{path}: cannot be used as --db ({error}); choose another file") from None
        self._depth = 0
        self._since_trim = 0

    def _prepare(self, connection: sqlite3.Connection) -> None:
        ours = connection.execute("PRAGMA application_id").fetchone()[0] == schema.APPLICATION_ID
        if not ours and self.db.table_names():
            raise CsmsMistake(f"{self.path}: holds the tables of another program; choose another --db")
        if schema.newer(self.db):
            raise CsmsMistake(
                f"{self.path}: written by a newer version of ChargeSentinel; update, or choose another --db"
            )
        # With NORMAL, only a power cut can lose the last commits; killing the process loses nothing.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        schema.migrations.apply(self.db)

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Commit all writes within the block together, or none of them if the block fails."""
        if self._depth:
            yield
            return
        self._run("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._run("ROLLBACK")
            raise
        else:
            self._run("COMMIT")
        finally:
            self._depth -= 1

    def _run(self, sql: str, *values: Any) -> sqlite3.Cursor:
        cursor: sqlite3.Cursor = self.db.conn.execute(sql, values)
        return cursor

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """Return the rows of a query as dicts."""
        cursor = self._run(sql, *values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def _make(path: Path, mode: int) -> None:
    """Create a missing file with these permissions, which SQLite copies to its -wal and -shm files."""
    with suppress(FileExistsError):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        os.fchmod(file, mode)
        os.close(file)
