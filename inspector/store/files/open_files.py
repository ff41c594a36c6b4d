"""Protect the files of a recording, and other files, when another file gets the name of the recording.

SQLite finds the `-wal` of a database by its name alone. If another database takes the place of a recording, SQLite
would merge the recording's `-wal` into it. So the `-wal` is renamed first. Only files that this process has open
are ever renamed, and never over another file.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from inspector.store.files.connection import is_marked_head

log = logging.getLogger("chargesentinel.store")

type Identity = tuple[int, int]
"""Device and inode."""

_BESIDE = ("-wal", "-shm")
_DESCRIPTORS = Path("/dev/fd")


@dataclass(frozen=True, slots=True)
class Left:
    """A file that was deleted, moved or replaced: how many frames were lost with it, and where it is complete."""

    frames: int
    whole_at: Path | None


class OpenFiles:
    """The database, the `-wal` and the `-shm` of one open recording.

    Attributes:
        wal_bytes: the size of the `-wal` when `in_place` last looked.
        moved_to: where the database is now if it was moved and is complete there.
        kept_as: the name that the `-wal` belongs to now, if it could not follow its database.
    """

    def __init__(self, path: Path) -> None:
        """Note the identities of the files that SQLite has just opened under the name `path`."""
        self.path = path
        self.wal_bytes = 0
        self.moved_to: Path | None = None
        self.kept_as: Path | None = None
        self._lock = threading.Lock()
        self._database_name, self._wal_name = str(path), f"{path}-wal"
        opened = _opened()
        self._seen = {suffix: _identity(f"{path}{suffix}") for suffix in ("", *_BESIDE)}
        self._descriptor = opened.get(self._seen[""]) if opened and self._seen[""] else None
        # Another program may have replaced the file after SQLite opened it.
        self._never_ours = bool(opened) and self._descriptor is None
        self._closed = False
        # A file of an earlier version has its application id only in the -wal until that is merged.
        self._marked = not self._never_ours and self._is_marked()

    def in_place(self) -> bool:
        """Return whether the files being written are still those at their paths."""
        if not self.has_name():
            return False
        try:
            found = os.lstat(self._wal_name)
        except OSError:
            found = None
        self.wal_bytes = found.st_size if found else 0
        # SQLite removes the -wal with its last connection: check only the database until the next one is open.
        return self._closed or (found and (found.st_dev, found.st_ino)) == self._seen["-wal"]

    def has_name(self) -> bool:
        """Return whether the database is still the file at its path, and still a recording."""
        return not self._never_ours and _identity(self._database_name) == self._seen[""] and not self.overwritten()

    def overwritten(self) -> bool:
        """Return whether another program has overwritten the content of the file, as `cp` and `>` do."""
        return self._marked and not self._closed and not self._is_marked()

    def _is_marked(self) -> bool:
        if self._descriptor is None:
            return False
        try:
            # Use SQLite's own descriptor: closing another one would drop SQLite's locks.
            if _identity_of(os.fstat(self._descriptor)) != self._seen[""]:
                return True  # SQLite closed the descriptor, and its number now belongs to another file
            return is_marked_head(os.pread(self._descriptor, 72, 0))
        except OSError:
            return True

    def closing(self) -> None:
        """Note that the connection is closed for now, so that the `-wal` may be gone."""
        self._closed = True

    def step_aside(self, *, unless_free: bool = False) -> None:
        """Rename the `-wal` and `-shm` if the path no longer belongs to their database.

        If the database was moved, they move beside it, so that it is complete there. Otherwise they get an unused name;
        with `unless_free`, only if another file is now at the path: whoever deletes a recording will delete its `-wal`
        too. May be called repeatedly, and from another thread.
        """
        with self._lock:
            if self.moved_to or self.kept_as or self.has_name():
                return
            now = None if self.overwritten() else self._now_at()
            if now is not None and self._follow(now):
                self.moved_to = now
                log.warning("%s was moved to %s; its -wal and -shm are beside it there", self.path, now)
                return
            if unless_free and not os.path.lexists(self.path):
                return
            kept = _spare_name(self.path)
            if self._rename_ours("-wal", kept):
                self.kept_as = kept
                log.warning(
                    "%s was replaced by another file; the -wal of the recording is kept as %s-wal"
                    " (to read it, copy the recording to %s and open that copy)",
                    *(self.path, kept, kept.name),
                )
            self._rename_ours("-shm", kept)

    @property
    def beside(self) -> list[Identity]:
        """Return the identities of the `-wal` and the `-shm`."""
        return [found for suffix in _BESIDE if (found := self._seen[suffix])]

    def close(self, connection: sqlite3.Connection) -> None:
        """Close a connection to these files without touching other files that now have their names."""
        if not self.in_place():
            self.step_aside()
            with contextlib.suppress(sqlite3.Error):
                connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
        self.closing()
        connection.close()

    def is_same_as(self, other: OpenFiles) -> bool:
        """Return whether these files and `other` belong to the same database."""
        return not self._never_ours and self._seen[""] == other._seen[""]

    def flee(self, name: Path) -> Path | None:
        """Rename the database to `name` if the `-wal` at its path now belongs to another one.

        Returns `name` if the database was renamed, else None.
        """
        if self._is_ours(self._wal_name, "-wal") or not os.path.lexists(self._wal_name):
            return None
        try:
            if not os.lstat(self._wal_name).st_size:  # a reader made this empty one
                return None
            rename(self.path, name)
        except OSError:
            return None
        self.moved_to = name
        log.warning("%s-wal belongs to another file now; the recording beside it is renamed to %s", self.path, name)
        return name

    def _now_at(self) -> Path | None:
        """Return the path of the database now; None if it cannot be found."""
        with contextlib.suppress(OSError):
            named = Path(f"/proc/self/fd/{self._descriptor}").readlink()
            if named != self.path and _identity(str(named)) == self._seen[""]:
                return named
        with contextlib.suppress(OSError):  # a hard link may still exist
            for entry in os.scandir(self.path.parent):
                if entry.inode() == (self._seen[""] or (0, 0))[1] and _identity(entry.path) == self._seen[""]:
                    return Path(entry.path)
        return None

    def _follow(self, now: Path) -> bool:
        """Move the `-wal` and `-shm` to the database, now at `now`; return False if other files have those names."""
        with_it = [suffix for suffix in _BESIDE if self._is_ours(f"{now}{suffix}", suffix)]
        if any(os.path.lexists(f"{now}{suffix}") for suffix in _BESIDE if suffix not in with_it):
            return False
        moving = [suffix for suffix in _BESIDE if suffix not in with_it]
        # The -shm first: a reader that finds only a -wal would create a -shm of its own.
        moved = [self._rename_ours(suffix, now) for suffix in reversed(moving)]
        return all(moved)

    def _rename_ours(self, suffix: str, name: Path) -> bool:
        source, target = f"{self.path}{suffix}", f"{name}{suffix}"
        if not self._is_ours(source, suffix):
            return False
        try:
            rename(source, target)
        except OSError:
            return False
        if self._is_ours(target, suffix):
            return True
        with contextlib.suppress(OSError):  # another file took the old name meanwhile, and was renamed: undo that
            rename(target, source)
        return False

    def _is_ours(self, name: str, suffix: str) -> bool:
        identity = _identity(name)
        return identity is not None and identity == self._seen[suffix]


def rename(source: Path | str, target: Path | str) -> None:
    """Rename a file without ever replacing another one.

    Raises:
        FileExistsError: `target` exists.
        OSError: the file cannot be renamed.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:  # the file system has no hard links
        if os.path.lexists(target):
            raise FileExistsError(target) from None
        os.rename(source, target)  # noqa: PTH104 - names, not paths
        return
    os.unlink(source)  # noqa: PTH108


def set_aside_leftovers(path: Path) -> None:
    """Rename a `-wal` or `-journal` whose database is gone, before SQLite deletes it or applies it to a new database.

    Raises:
        OSError: a file cannot be renamed.
    """
    kept = _spare_name(path)
    for suffix in ("-wal", "-journal"):
        if os.path.lexists(f"{path}{suffix}"):
            rename(f"{path}{suffix}", f"{kept}{suffix}")
            log.warning("the database of %s%s is gone; the file is kept as %s%s", path, suffix, kept.name, suffix)


def set_aside_left_behind(path: Path, left_behind: Collection[Identity]) -> None:
    """Rename the `-wal` and `-shm` that a killed recorder left, if another database is now at its path."""
    kept = _spare_name(path)
    for suffix in _BESIDE:
        if _identity(f"{path}{suffix}") in left_behind:
            with contextlib.suppress(OSError):
                rename(f"{path}{suffix}", f"{kept}{suffix}")
                log.warning("%s%s belongs to an earlier recording; it is kept as %s%s", path, suffix, kept, suffix)


def _spare_name(path: Path) -> Path:
    now = datetime.fromtimestamp(time.time_ns() / 1e9, UTC)
    return path.with_name(f"{path.name}.replaced-{now:%Y-%m-%dT%H-%M-%S.%fZ}")


def _opened() -> dict[Identity, int]:
    """Return a descriptor of each file that this process has open; {} if the system cannot list them."""
    opened: dict[Identity, int] = {}
    try:
        for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208 - numbers, not paths
            with contextlib.suppress(OSError):  # the descriptor that was used to list them
                opened[_identity_of(os.fstat(int(name)))] = int(name)
    except OSError:
        return {}
    return opened


def _identity(name: str) -> Identity | None:
    try:
        return _identity_of(os.lstat(name))
    except OSError:
        return None


def _identity_of(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino
