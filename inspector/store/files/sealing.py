"""Seal complete recordings: merge the write-ahead log, so that a single file remains."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from inspector.errors import UnusableFile
from inspector.store.files.lock import WriterLock

if TYPE_CHECKING:
    from sqlite_utils import Database

CONTINUES = "continues"
"""The kind of the event that names the file in which a session continues."""
ROTATION = "rotation"
"""`sessions.closed_by` of a session that continues in the next file: it was not closed."""


def is_sealed(path: Path) -> bool:
    """Return whether a file has no -journal and is not in WAL mode ("file format write version" in its header)."""
    beside = [path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-journal")]
    with path.open("rb") as file:
        return file.read(20)[18:20] == b"\x01\x01" and not any(other.exists() for other in beside)


def seal(path: Path, following: Path, now_ns: int) -> None:
    """Mark that a recording continues in the file `following`, and merge its -wal. May be called repeatedly.

    Raises:
        sqlite3.Error: another program has the recording open; it is marked, but its -wal is not merged.
    """
    uri = f"{path.absolute().as_uri()}?mode=rw"  # do not create a file that is gone
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
        merge_wal(connection)


def merge_wal(connection: sqlite3.Connection) -> None:
    """Merge the write-ahead log into the file.

    Raises:
        sqlite3.OperationalError: another program has the file open; the file is complete, but keeps an empty -wal.
    """
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA journal_mode = DELETE")


@contextmanager
def changing(path: Path, holder: str) -> Iterator[Database]:
    """Open a finished recording to change it, and seal it afterwards.

    Other programs may read the file meanwhile; they see its old state until a transaction ends.

    Raises:
        UnusableFile: the file is not a recording, another program is writing it, or it is read-only.
    """
    from inspector.store.schema import connect

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
                merge_wal(connection)
            except sqlite3.OperationalError:
                pass  # another program is reading the file: it stays in WAL mode, but is complete
            finally:
                connection.close()
