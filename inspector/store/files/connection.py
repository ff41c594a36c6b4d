"""Open a recording for reading, even while it grows, and refuse files that are not recordings.

It uses plain `sqlite3`, because a command that prints a list should not have to import the tools for writing.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

from inspector.errors import UnusableFile

APPLICATION_ID = 0x4F435050
"""`PRAGMA application_id` of every recording: "OCPP" in ASCII."""

DEFAULT_MODE = 0o600
"""The permissions of new recordings: only their owner may read frames."""
MIGRATION_SET = "chargesentinel"
TABLES = (
    *("recordings", "sessions", "frames", "findings", "events", "charge_points", "transactions", "meter_samples"),
    *("_progress",),
)
LARGEST_VALUE = 512 * 1024 * 1024
"""The most bytes of one value: without a limit, a generated column in a crafted file could fill the memory."""
RECOVER = "`sqlite3 FILE .recover` may rescue the rest"
_MAGIC = b"SQLite format 3\0"
"""The first bytes of every SQLite database."""
_HEADER = 100
"""Bytes in the header of a SQLite database."""
_OF_SEVERAL = bytes.fromhex("d9d505f920a163d7")
"""The last bytes of a rollback journal for a transaction over several files (SQLite file format, section 3)."""
KNOWN_STEPS = frozenset(
    {"0001_recording", "0002_occurrences", "0003_untimed", "0004_absences", "0005_interventions", "0006_shadows"}
)
"""The names of all migrations in `schema.py`. A reader refuses a file with any other name: a newer program wrote it."""


def open_recording(path: Path, *, timeout_s: float = 2.0) -> sqlite3.Connection:
    """Open a recording read-only, even while it is being written.

    Raises:
        UnusableFile: the file is missing, damaged, cut off, not a recording, or written by a newer version.
    """
    if not path.exists():
        raise UnusableFile(path, "no such file", "name a recording, as made by `chargesentinel proxy`")
    if not path.is_file():
        raise UnusableFile(path, "not a file", "name a recording, as made by `chargesentinel proxy`")
    refuse_cut_off(path)
    try:
        connection = _connect(path, timeout_s)
        refuse_foreign(path, connection)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_NOTADB":
            raise UnusableFile(path, "not a SQLite database", "name a recording") from None
        if getattr(error, "sqlite_errorname", "").startswith("SQLITE_CORRUPT"):
            raise UnusableFile(path, f"is damaged ({error})", RECOVER) from None
        raise UnusableFile(path, f"cannot be read: {error}", "copy it to a folder that can be written") from None
    # A text may end with half a character, for example a message id that was cut within an emoji.
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return connection


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn an SQLite error within the block into an UnusableFile.

    Raises:
        UnusableFile: the database at `path` is damaged.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise UnusableFile(path, f"cannot be read completely ({error})", RECOVER) from error


def refuse_cut_off(path: Path) -> None:
    """Refuse a database that is shorter than its header says: SQLite reads some of these without an error.

    Raises:
        UnusableFile: it is empty, or its end is missing.
    """
    try:
        there = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEADER)
        for suffix in ("-wal", "-journal"):
            # While SQLite merges or undoes changes, the header may already count pages that are not in the file yet.
            beside = path.with_name(f"{path.name}{suffix}")
            if beside.exists() and beside.stat().st_size:
                return
    except OSError:
        return  # opening it will report the error
    if not there:
        raise UnusableFile(path, "an empty file, not a recording", "name a recording")
    if head[: len(_MAGIC)] != _MAGIC[: len(head)]:
        return
    whole = 0
    if len(head) == _HEADER:
        pages, size = int.from_bytes(head[28:32], "big"), int.from_bytes(head[16:18], "big")
        # Old versions of SQLite do not update the page count, so use it only if it belongs to the latest change.
        whole = pages * (65536 if size == 1 else size) if head[24:28] == head[92:96] else 0
    if there < max(whole, _HEADER):
        after = f"{there:,} of {whole:,} bytes" if whole else "1 byte" if there == 1 else f"{there} bytes"
        raise UnusableFile(path, f"is cut off after {after}", f"copy it again; {RECOVER}")


def _connect(path: Path, timeout_s: float) -> sqlite3.Connection:
    """Connect read-only. If a writer was killed, a writable connection first undoes its unfinished changes."""
    uri = path.absolute().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=timeout_s, check_same_thread=False)
    try:
        distrust(connection)
        connection.execute("PRAGMA application_id").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_READONLY_ROLLBACK" or _is_of_several(path):
            connection.close()
            raise
        with closing(sqlite3.connect(f"{uri}?mode=rw", uri=True, timeout=timeout_s)) as undoing:
            undoing.execute("PRAGMA application_id").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _is_of_several(path: Path) -> bool:
    """Return whether the journal beside a recording belongs to a transaction over several files.

    This program never makes one, and undoing it can delete another file.
    """
    try:
        with path.with_name(f"{path.name}-journal").open("rb") as journal:
            journal.seek(-len(_OF_SEVERAL), os.SEEK_END)
            return journal.read() == _OF_SEVERAL
    except OSError:
        return False  # another reader has removed it


def identity(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of the file at `path`; None if there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_recording(path: Path | str | None) -> bool:
    """Return whether a file is a recording; False if it cannot be opened."""
    if not path or not Path(path).is_file():
        return False
    try:
        with closing(_connect(Path(path), 2.0)) as connection:
            return _is_ours(connection)
    except sqlite3.DatabaseError:
        return False


def is_database(path: Path) -> bool:
    """Return whether a file is a SQLite database of any program."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def is_marked(path: Path) -> bool:
    """Return whether a file is a SQLite database with APPLICATION_ID, without opening it as a database.

    Do not call this for a file that this process has open: SQLite would lose its locks on the file.
    """
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return is_marked_head(file.read(72))
    except OSError:
        return False


def is_marked_head(head: bytes) -> bool:
    """Return whether a file that begins with these 72 bytes is a SQLite database with APPLICATION_ID."""
    return head[:16] == b"SQLite format 3\0" and head[68:72] == APPLICATION_ID.to_bytes(4, "big")


def distrust(connection: sqlite3.Connection) -> None:
    """Make SQLite distrust the definitions in a file (views, generated columns, page sizes)."""
    if _distrust_works():
        connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)


@cache
def _distrust_works() -> bool:
    """Return whether this SQLite lets generated columns of untrusted files call JSON functions; 3.40 does not.

    The generated columns of a recording call them.
    """
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE probe (raw, valid AS (json_valid(raw)))")
        connection.execute("PRAGMA trusted_schema = OFF")
        try:
            connection.execute("SELECT valid FROM probe")
        except sqlite3.OperationalError:
            return False
    return True


def refuse_special(path: Path) -> None:
    """Refuse to record into a pipe or a device: SQLite would leave a journal beside it, and rotation would rename it.

    Raises:
        UnusableFile: the path exists and is not a regular file.
    """
    if path.exists() and not path.is_file():
        raise UnusableFile(path, "not a file", "name a file to record into")


def refuse_triggers(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse to write to a file with a trigger, which would run whenever a row is stored.

    Raises:
        UnusableFile: it has a trigger.
    """
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' LIMIT 1").fetchone()
    if found:
        why = f"holds a trigger ({str(found[0])[:50]!a}), which would run for every row that is stored"
        raise UnusableFile(path, why, "drop the trigger, or write to another file")


def refuse_foreign(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse a file that is not a recording, or that a newer version of this program has written.

    Raises:
        UnusableFile: the file is not a recording of this or an older version.
        sqlite3.DatabaseError: the file is not a SQLite database.
    """
    if not _is_ours(connection):
        raise UnusableFile(path, "a database, but not a recording of ChargeSentinel", "name another file")
    marks = ", ".join("?" * len(TABLES))
    sql = f"SELECT name FROM sqlite_master WHERE name IN ({marks}) AND type <> 'table'"
    if shadow := connection.execute(sql, TABLES).fetchone():
        raise UnusableFile(
            path, f"{shadow[0]} is not a table in it", "somebody has changed its tables; name another file"
        )
    strange = [step for step in applied_steps(connection) if step not in KNOWN_STEPS]
    if "0001_tables" in strange:
        why = "written by a ChargeSentinel from before the first release, which had other tables"
        raise UnusableFile(path, why, "name another file")
    if strange:
        raise UnusableFile(path, f"written by a newer ChargeSentinel ({strange[-1]})", "update this program to read it")
    found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if missing := [table for table in TABLES if table not in found]:
        raise UnusableFile(
            path, f"its table {missing[0]} is missing", "somebody has changed its tables; name another file"
        )


def applied_steps(connection: sqlite3.Connection) -> list[str]:
    """Return the names of the migrations that were applied to a file, in order."""
    table = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_sqlite_migrations'")
    if table.fetchone() is None:
        return []
    sql = "SELECT name FROM _sqlite_migrations WHERE migration_set = ? ORDER BY rowid"
    return [name for (name,) in connection.execute(sql, (MIGRATION_SET,))]


def _is_ours(connection: sqlite3.Connection) -> bool:
    (marked,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute(
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('sessions', 'frames')"
    ).fetchone()
    return bool(marked == APPLICATION_ID and tables == 2)
