"""Run Datasette's queries in processes of their own, which may end in the middle of a query.

All SQL that comes from an address (`?sql=`, `?_where=`, facets, canned queries) goes through `Database.execute`. The
pages of this package do not use it: their SQL is trusted, and runs in Datasette's threads.
"""

from __future__ import annotations

import asyncio
import marshal
import os
import queue
import re
import selectors
import sqlite3
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.browse.query_process import LATE

if TYPE_CHECKING:
    from datasette.database import Database

PATIENCE_S = 30.0
"""How many seconds after its limit an answer may come, if the machine is busy."""

type Values = Sequence[Any] | Mapping[str, Any]


class Interrupted(Exception):
    """The query exceeded its time limit."""


class Worker:
    """One query process, which is started for the first query and after it was killed."""

    def __init__(self, path: Path, uri: str) -> None:
        # -P keeps Python from importing, for example, a sqlite3.py in the user's folder.
        self._argv = [sys.executable, "-P", "-m", "inspector.browse.query_process", str(path), uri]
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, sql: str, values: Values, most: int | None, limit_s: float) -> tuple[list[str], list[Any], bool]:
        """Run one query, and return the names of its columns, its rows, and whether there are more rows.

        Raises:
            Interrupted: the query took longer than `limit_s`.
            sqlite3.Error: the SQL is wrong or needs too much memory, or the file cannot be read.
        """
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            self._process = subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self._end = weakref.finalize(self, _kill, self._process)
            # The start of the process must not count as time of the query.
            self._exchange(self._process, ("SELECT 1", (), None, 1.0), PATIENCE_S)
        answer = self._exchange(self._process, (sql, values, most, limit_s), limit_s + PATIENCE_S)
        if answer[0] == "rows":
            return answer[1], answer[2], answer[3]
        if answer[2] == "interrupted":
            raise Interrupted
        raise getattr(sqlite3, answer[1], sqlite3.OperationalError)(answer[2])

    def interrupt(self) -> None:
        """End the process while another thread waits for its answer."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End the process, even during a query."""
        if self._process is not None:
            self._end()
            self._process = None

    def _exchange(self, process: subprocess.Popen[bytes], request: tuple[Any, ...], patience_s: float) -> Any:
        content = marshal.dumps(request)
        assert process.stdin and process.stdout
        try:
            process.stdin.write(len(content).to_bytes(8) + content)
            process.stdin.flush()
            pipe, deadline = process.stdout.fileno(), time.monotonic() + patience_s
            length = int.from_bytes(_read(pipe, 8, deadline))
            # The answer has begun to arrive, so the query is finished: allow time for the rest.
            return marshal.loads(_read(pipe, length, deadline + PATIENCE_S))
        except TimeoutError:
            self.close()
            raise Interrupted from None
        except (OSError, EOFError):
            self.close()
            if process.returncode == LATE:
                raise Interrupted from None
            raise sqlite3.OperationalError("the query ended its process: it needs too much memory or time") from None


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(subprocess.TimeoutExpired):  # if the process ended itself, its exit code has the reason
        process.wait(0.05)
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):  # closing the pipe tries to send the rest of a request
            if pipe:
                pipe.close()


def _read(pipe: int, length: int, deadline: float) -> bytearray:
    content = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while len(content) < length:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            chunk = os.read(pipe, min(length - len(content), 1 << 20))
            if not chunk:
                raise EOFError
            content += chunk
    return content


MOST_AT_ONCE = 3
"""The most queries of one recording that run at the same time: as many as Datasette has threads."""


class Workers:
    """The query processes of one recording, and threads that wait for them, so that other pages need not wait."""

    def __init__(self, path: Path, uri: str) -> None:
        self._path, self._uri = path, uri
        self.threads = ThreadPoolExecutor(MOST_AT_ONCE, "query")
        self._idle: queue.LifoQueue[Worker] = queue.LifoQueue()
        self._all: list[Worker] = []

    @contextmanager
    def one(self) -> Iterator[Worker]:
        """Yield an idle worker for the block."""
        try:
            worker = self._idle.get_nowait()
        except queue.Empty:
            worker = Worker(self._path, self._uri)
            self._all.append(worker)
        try:
            yield worker
        finally:
            self._idle.put(worker)

    def interrupt(self) -> None:
        """End all running queries."""
        for worker in self._all:
            worker.interrupt()


def isolate(database: Database) -> None:
    """Make a database run its queries in query processes, with results of the same form."""
    # Import this late: this module is imported during the import of Datasette.
    from datasette.database import QueryInterrupted, Results

    if "chargesentinel_workers" in database.__dict__:
        return
    path = Path(database.path).absolute()
    how = "immutable=1" if not database.is_mutable else "mode=ro" + ("&nolock=1" if database.ds.nolock else "")
    workers = Workers(path, f"{path.as_uri()}?{how}")

    async def execute(
        sql: str,
        params: Values | None = None,
        truncate: bool = False,
        custom_time_limit: int | None = None,
        page_size: int | None = None,
        log_sql_errors: bool = True,
    ) -> Any:
        ds = database.ds
        limit_ms = min(custom_time_limit or ds.sql_time_limit_ms, ds.sql_time_limit_ms)
        most = ds.max_returned_rows
        if most == (page_size or ds.page_size):
            most += 1
        values = _named(sql, params) if isinstance(params, Mapping) else tuple(params or ())

        def ask() -> tuple[list[str], list[Any], bool]:
            with workers.one() as worker:
                return worker.ask(sql, values, most if truncate and most else None, limit_ms / 1000)

        try:
            names, rows, truncated = await asyncio.get_running_loop().run_in_executor(workers.threads, ask)
        except Interrupted:
            raise QueryInterrupted(sqlite3.OperationalError("interrupted"), sql, params) from None
        described = _described(names)
        return Results([sqlite3.Row(described, row) for row in rows], truncated, described.description)

    database.execute = execute
    database.chargesentinel_workers = workers


def _named(sql: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that the query names; `params` computes some, such as :_now_epoch, only when asked."""
    values = {}
    for name in set(re.findall(r"[:@$](\w+)", sql)):
        try:
            values[name] = params[name]
        except KeyError:
            continue
    return values


def _described(names: list[str]) -> sqlite3.Cursor:
    """Return a cursor whose columns have these names, from which `sqlite3.Row` objects can be made."""
    columns = ", ".join('NULL AS "{}"'.format(name.replace('"', '""')) for name in names) or "NULL"
    connection = sqlite3.connect(":memory:")
    cursor = connection.execute(f"SELECT {columns}")
    connection.close()
    return cursor
