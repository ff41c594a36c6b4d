"""Datasette inside `chargesentinel browse`: one recording, read-only, with our settings."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from datasette.app import Datasette
from datasette.database import Database

from inspector.browse.security import Policy
from inspector.store.files.connection import distrust, identity

NAME = "ocpp"
"""What the database is called, whatever its file is called, so that addresses stay the same."""

SETTINGS: dict[str, Any] = {
    "suggest_facets": False,
    "default_cache_ttl": 0,
    "sql_time_limit_ms": 2000,
    "facet_time_limit_ms": 400,
    "allow_download": False,
    "default_page_size": 50,
    "max_returned_rows": 2000,
    "truncate_cells_html": 400,
}


class Recording(Database):  # type: ignore[misc]
    """A recording that is only ever read, also where its path holds characters that mean something in a URI.

    Every query goes to the file that has the name then: with `--rotate` the name is a link to the newest of several.
    """

    def __init__(self, ds: Datasette, path: str) -> None:
        super().__init__(ds, path)
        self._held = threading.local()

    def connect(self, write: bool = False) -> sqlite3.Connection:
        """Open another read-only connection."""
        if write:
            raise PermissionError("recordings are browsed, never changed")
        uri = f"{Path(self.path).absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
        distrust(connection)
        self._all_file_connections.append(connection)
        return connection

    async def execute_fn[T](self, fn: Callable[[sqlite3.Connection], T]) -> T:
        """Ask in one of Datasette's threads, each of which keeps a connection of its own."""
        return await asyncio.get_running_loop().run_in_executor(self.ds.executor, lambda: fn(self._connection()))

    def _connection(self) -> sqlite3.Connection:
        held: sqlite3.Connection | None = getattr(self._held, "connection", None)
        file = identity(Path(self.path))
        if held is not None and file in (self._held.file, None):
            return held
        new = self.connect()
        self.ds._prepare_connection(new, self.name)
        if held is not None:
            self._all_file_connections.remove(held)
            held.close()
        self._held.connection, self._held.file = new, file
        return new

    def interrupt(self) -> None:
        """End the queries that run."""
        for connection in self._all_file_connections:
            connection.interrupt()
        if (workers := self.__dict__.get("chargesentinel_workers")) is not None:
            workers.interrupt()


def embed(path: Path, policy: Policy) -> tuple[Datasette, Recording]:
    """Datasette showing one recording, at `/ocpp`, to those the policy admits."""
    # Datasette prints a traceback for every page that is not there when it finds rich installed. This module
    # of it must not be the first to be imported: its hooks would be missed.
    from datasette import handle_exception

    handle_exception.rich = None
    ds = Datasette([], settings=SETTINGS, metadata={"title": "ChargeSentinel"})
    ds.remove_database("_memory")
    recording = Recording(ds, str(path))
    ds.add_database(recording, name=NAME)
    ds.chargesentinel_policy = policy
    return ds, recording


class _Server(uvicorn.Server):
    """Leaves signals to `serve`, so that Ctrl-C and SIGTERM both end well."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


async def serve(path: Path, policy: Policy, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Answer on `listener` until SIGINT or SIGTERM; calls `ready` when requests are taken."""
    ds, recording = embed(path, policy)
    config = uvicorn.Config(
        ds.app(), log_level="warning", lifespan="on", timeout_graceful_shutdown=1, server_header=False, ws="none"
    )
    server = _Server(config, ready)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, lambda: setattr(server, "should_exit", True))
    await server.serve(sockets=[listener])
    recording.interrupt()
