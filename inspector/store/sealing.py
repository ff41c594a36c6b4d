"""Seals recordings that are complete: the write-ahead log folded in, one file that opens anywhere; knows no frame."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlite_utils import Database

from inspector.errors import UnusableFile
from inspector.store.lock import WriterLock
from inspector.store.schema import connect

CONTINUES = "continues"
"""The kind of the event that says in which file a session goes on."""
ROTATION = "rotation"
"""`sessions.closed_by` of a session that goes on in the next file: it was not closed."""


def is_sealed(path: Path) -> bool:
    """Whether a file needs no -wal beside it (the "file format write version" of SQLite's header), nor a -journal."""
    beside = [path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-journal")]
    with path.open("rb") as file:
        return file.read(20)[18:20] == b"\x01\x01" and not any(other.exists() for other in beside)


def seal(path: Path, following: Path, now_ns: int) -> None:
    """Mark that a recording goes on in the file `following`, and make it one file; may be done again.

    Raises:
        sqlite3.Error: somebody has it open; what is marked is marked.
    """
    uri = f"{path.absolute().as_uri()}?mode=rw"  # a file that is gone is not made anew
    with closing(sqlite3.connect(uri, uri=True, timeout=0.2, isolation_level=None)) as connection:
        run = connection.execute
        run("BEGIN IMMEDIATE")
        detail = json.dumps({"in": following.name})
        run(
            "INSERT INTO events (session_id, ts_ns, after_frame_id, kind, detail)"
            " SELECT id, ?, (SELECT max(id) FROM frames WHERE session_id = sessions.id), ?, ? FROM sessions"
            " WHERE closed_ns IS NULL",
            (now_ns, CONTINUES, detail),
        )
        run("UPDATE sessions SET closed_ns = ?, closed_by = ? WHERE closed_ns IS NULL", (now_ns, ROTATION))
        run("UPDATE recordings SET stopped_ns = ?, clean_close = 1 WHERE stopped_ns IS NULL", (now_ns,))
        run("COMMIT")
        fold(connection)


def fold(connection: sqlite3.Connection) -> None:
    """Fold the write-ahead log into the file.

    Raises:
        sqlite3.OperationalError: others have the file open; it is complete all the same, with an empty -wal beside it.
    """
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA journal_mode = DELETE")


@contextmanager
def changing(path: Path, holder: str) -> Iterator[Database]:
    """Open a recording that nobody records into, to change what is stored; it is sealed afterwards.

    Others may read it meanwhile: they see what was, until a transaction is through.

    Raises:
        UnusableFile: it is none, is being written, or cannot be.
    """
    if not path.exists():
        raise UnusableFile(path, "no such file", "name a recording, as made by `chargesentinel proxy`")
    if not path.stat().st_size:
        raise UnusableFile(path, "an empty file, not a recording", "name another file")
    path = path.resolve()
    with WriterLock(path, holder):
        db = connect(path, create=False)
        connection: sqlite3.Connection = db.conn
        try:
            yield db
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            connection.execute("PRAGMA busy_timeout = 0")
            try:
                fold(connection)
            except sqlite3.OperationalError:
                pass  # somebody reads it: it stays in WAL mode, whole
            finally:
                connection.close()
