"""Warn about a `-wal` that keeps growing, and name the programs that keep SQLite from merging it."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

from inspector.escaping import visible

log = logging.getLogger("chargesentinel.store")

LARGE = 64 * 1024 * 1024
"""In bytes. SQLite merges a `-wal` at an eighth of this size, and afterwards cuts a larger `-wal` to this size."""
LARGE_FOR_S = 10.0
_READ_LOCKS = range(123, 128)
"""The bytes of the -shm that readers lock (SQLite, "WAL-mode file format", 2.3)."""


class WalWatch:
    """Watch the size of one `-wal`, and warn once each time it grows too large."""

    def __init__(self) -> None:
        self._large_since: float | None = None
        self._warned = False

    def look(self, database: Path, size: int, now: float) -> None:
        """Note the size in bytes at the time `now`, in seconds of any clock."""
        if size <= LARGE:
            self._large_since, self._warned = None, False
            return
        if self._large_since is None:
            self._large_since = now
        if self._warned or now - self._large_since < LARGE_FOR_S:
            return
        self._warned = True
        log.warning(
            "%s-wal has grown to %d MB and grows until these programs stop reading the file: %s. Recording continues",
            *(database, size // 1_000_000, _who(readers(Path(f"{database}-shm")))),
        )


def readers(shm: Path) -> list[str]:
    """Return the processes that are reading a database; [] if the system does not list them."""
    found: dict[int, str] = {}
    with suppress(OSError):
        inode = str(shm.stat().st_ino)
        # Example of a line: "7: POSIX  ADVISORY  READ 4711 08:01:1837 124 124"
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if len(fields) != 8 or fields[5].split(":")[-1] != inode or fields[3] != "READ":
                continue
            pid = int(fields[4])
            if int(fields[6]) in _READ_LOCKS and pid not in {os.getpid(), *found} and pid > 0:
                found[pid] = visible(Path(f"/proc/{pid}/comm").read_text().strip())
    return [f"{name} (process {pid})" for pid, name in found.items()]


def _who(found: list[str]) -> str:
    return " and ".join(found) or "a program that holds a read transaction open"
