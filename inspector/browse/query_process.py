"""Run SQL from users, in a process of its own that may be killed.

    python -P -m inspector.browse.query_process PATH URI

SQLite can be interrupted between two steps of a query, but a single step may take hours, such as `instr` on two long
texts, or fill the memory. Here both only cost this process: its memory is limited, and it ends itself when a query
exceeds its time. Then `query_worker.py` starts another one.

The limit is in processor time, within bounds, so that a busy machine delays answers but does not end queries.

Requests come on stdin and answers go to stdout: 8 bytes of length, then a tuple as `marshal` writes it.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import queue
import resource
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from inspector import log_format
from inspector.store.files.connection import distrust, identity

LARGEST_VALUE = 64 * 1024 * 1024
"""The most bytes of one value. The longest frame that a proxy stores has 16 MiB by default."""
LARGEST_RESULT = 100_000_000
"""The most bytes of all values of a result."""
HEAP = 256 * 1024 * 1024
"""The most bytes of memory for SQLite."""
ADDRESS_SPACE = 1536 * 1024 * 1024
LARGEST_TEMPORARY_FILE = 1024 * 1024 * 1024
LONGEST_SQL = 1_000_000
GRACE_S = 1.0
"""Processor time that a query may take beyond its limit if SQLite cannot interrupt it."""
LONGEST_GRACE_S = 5.0
"""The same limit in elapsed time."""
LATE = 75
"""The exit code of a process that ended itself because a query exceeded its time."""
STEPS = 1000
"""How many instructions SQLite runs between two checks of the clock, as in Datasette."""

TOO_LARGE = (
    f"the result is larger than {LARGEST_RESULT // 1_000_000} MB; ask for fewer rows or columns, "
    "as with _size=10 or _nocol=raw"
)
TOO_MUCH_MEMORY = f"the query needs more than {HEAP // 1024 // 1024} MiB of memory; narrow it down"


class _TooLarge(Exception):
    pass


class _Recording:
    """The recording that has the given name now: with `--rotate` the name is a link to the newest of several files."""

    def __init__(self, path: Path, uri: str) -> None:
        self._path, self._uri = path, uri
        self._held: sqlite3.Connection | None = None
        self._file: tuple[int, ...] | None = None

    def connection(self) -> sqlite3.Connection:
        """Return the connection to the file; open another one if the name now belongs to another file."""
        file = identity(self._path)
        if self._held is None or file not in (self._file, None):
            self._file, self._held = file, self._open()
        return self._held

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._uri, uri=True)
        connection.text_factory = lambda text: str(text, "utf-8", "replace")
        distrust(connection)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)
        connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, LONGEST_SQL)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.execute(f"PRAGMA hard_heap_limit = {HEAP}")
        connection.create_function("escape_fts", 1, _escape_fts)
        return connection


def _escape_fts(query: str) -> str:
    from datasette.utils import escape_fts

    return str(escape_fts(query))


def answer(connection: sqlite3.Connection, sql: str, values: Any, most: int | None, limit_s: float) -> tuple[Any, ...]:
    """Run one query.

    Args:
        connection: a read-only connection.
        sql, values: the query and its parameters.
        most: the most rows to fetch; None for all.
        limit_s: the time after which the query is interrupted.

    Returns:
        ("rows", names, rows, whether there are more) or ("error", class of sqlite3, message).
    """
    deadline = time.perf_counter() + limit_s
    connection.set_progress_handler(lambda: time.perf_counter() >= deadline, STEPS)
    try:
        cursor = connection.execute(sql, values)
        rows: list[tuple[Any, ...]] = []
        room = LARGEST_RESULT
        for row in cursor:
            if len(rows) == most:
                return "rows", _names(cursor), rows, True
            room -= sum(len(value) if isinstance(value, str | bytes) else 8 for value in row)
            if room < 0:
                raise _TooLarge
            rows.append(row)
        return "rows", _names(cursor), rows, False
    except sqlite3.DataError as error:
        # A value is too long. Datasette reports an OperationalError as a mistake of the user, but this one as a bug.
        return "error", "OperationalError", str(error)
    except sqlite3.Error as error:
        return "error", type(error).__name__, str(error)
    except _TooLarge:
        return "error", "OperationalError", TOO_LARGE
    except MemoryError:
        return "error", "OperationalError", TOO_MUCH_MEMORY
    finally:
        connection.set_progress_handler(None, STEPS)


def _names(cursor: sqlite3.Cursor) -> list[str]:
    return [column[0] for column in cursor.description or ()]


def _limit(what: int, amount: int) -> None:
    # Some systems have no such limit, or a lower one.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(what, (amount, resource.getrlimit(what)[1]))


class _Watchdog(threading.Thread):
    """End the process when a query exceeds its time. SQLite lets this thread run during a query."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._busy = threading.Event()
        self._latest = self._latest_on_clock = 0.0

    def run(self) -> None:
        while self._busy.wait():
            if time.process_time() > self._latest or time.monotonic() > self._latest_on_clock:
                os._exit(LATE)
            time.sleep(0.1)

    @contextlib.contextmanager
    def watching(self, limit_s: float) -> Iterator[None]:
        """Allow the block `limit_s` seconds of processor time plus the grace time."""
        self._latest = time.process_time() + limit_s + GRACE_S
        self._latest_on_clock = time.monotonic() + limit_s + LONGEST_GRACE_S
        self._busy.set()
        try:
            yield
        finally:
            self._busy.clear()


def _read(requests: BinaryIO, waiting: queue.Queue[bytes]) -> None:
    while head := requests.read(8):
        waiting.put(requests.read(int.from_bytes(head)))
    # The parent process has ended, so no answer is needed. A running query would not end by itself.
    os._exit(0)


def _serve(recording: _Recording, requests: BinaryIO, answers: BinaryIO) -> None:
    waiting: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_read, args=(requests, waiting), daemon=True).start()
    watchdog = _Watchdog()
    watchdog.start()
    while True:
        sql, values, most, limit_s = marshal.loads(waiting.get())
        try:
            with watchdog.watching(limit_s):
                content = marshal.dumps(answer(recording.connection(), sql, values, most, limit_s))
        except sqlite3.Error as error:
            content = marshal.dumps(("error", type(error).__name__, str(error)))
        except (MemoryError, ValueError):
            content = marshal.dumps(("error", "OperationalError", TOO_MUCH_MEMORY))
        answers.write(len(content).to_bytes(8) + content)
        answers.flush()


def main() -> None:
    """Answer requests until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit(resource.RLIMIT_AS, ADDRESS_SPACE)
    _limit(resource.RLIMIT_FSIZE, LARGEST_TEMPORARY_FILE)
    _limit(resource.RLIMIT_CORE, 0)
    path, uri = sys.argv[1:]
    answers = sys.stdout.buffer
    log_format.start()
    _serve(_Recording(Path(path), uri), sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
