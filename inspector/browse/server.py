"""Run Datasette inside `chargesentinel browse`: one recording, read-only, with fixed settings."""

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
"""The name of the database for a file of any name, so that addresses are always the same."""

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
    """A read-only recording; its path may contain characters with a meaning in URIs.

    Every query reads the file that has the name now: with `--rotate` the name is a link to the newest of several files.
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
        """Call `fn` in one of Datasette's threads, with the connection of that thread."""
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
        """End all running queries."""
        for connection in self._all_file_connections:
            connection.interrupt()
        if (workers := self.__dict__.get("chargesentinel_workers")) is not None:
            workers.interrupt()


def embed(path: Path, policy: Policy) -> tuple[Datasette, Recording]:
    """Return a Datasette that shows one recording at `/ocpp`, guarded by the policy."""
    # With rich installed, Datasette prints a traceback for every missing page. Import this module of it only now: if it
    # were imported first, Datasette would not register its hooks.
    from datasette import handle_exception

    handle_exception.rich = None
    ds = Datasette([], settings=SETTINGS, metadata={"title": "ChargeSentinel"})
    ds.remove_database("_memory")
    recording = Recording(ds, str(path))
    ds.add_database(recording, name=NAME)
    ds.chargesentinel_policy = policy
    return ds, recording


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: `serve` handles Ctrl-C and SIGTERM."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


async def serve(
    path: Path,
    policy: Policy,
    listener: socket.socket,
    ready: Callable[[], None],
    stopping: Callable[[], None] = lambda: None,
) -> None:
    """Answer requests on `listener` until SIGINT or SIGTERM.

    Calls `ready` when the first request can come, and `stopping` at each signal.
    """
    ds, recording = embed(path, policy)
    config = uvicorn.Config(
        ds.app(), log_level="warning", lifespan="on", timeout_graceful_shutdown=1, server_header=False, ws="none"
    )
    server = _Server(config, ready)

    def stop() -> None:
        stopping()
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    await server.serve(sockets=[listener])
    recording.interrupt()
