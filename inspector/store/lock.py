"""One writer per recording, held by an operating-system lock that names its holder; knows no SQLite.

The lock is on a file of its own beside the recording: closing any other descriptor of the recording itself
would drop SQLite's own POSIX locks.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from pathlib import Path
from typing import Self

from inspector.errors import UnusableFile


class WriterLock:
    """Held from construction until `release`; the system drops it when the process dies."""

    def __init__(self, path: Path, holder: str) -> None:
        """Take the lock on the recording `path`; `holder` is the command that takes it.

        Raises:
            UnusableFile: another process is writing to it, or its folder cannot be written.
        """
        self._path = path.with_name(f"{path.name}.lock")
        while True:
            try:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            except OSError as error:
                why = f"cannot be written ({(error.strerror or str(error)).lower()})"
                raise UnusableFile(path, why, "name a file in a folder that can be written") from error
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                other = os.pread(self._file, 200, 0).decode("utf-8", "replace").strip() or "another process"
                os.close(self._file)
                raise UnusableFile(path, f"is being written by {other}", "stop it or name another file") from error
            if self._in_place():
                break
            os.close(self._file)  # its holder removed it between our opening and our locking it
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{holder} (process {os.getpid()})\n".encode(), 0)

    def _in_place(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file), self._path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let another writer in."""
        if self._file >= 0:
            # The lock file goes while it is still held, so that no later holder's file is removed.
            with contextlib.suppress(OSError):
                self._path.unlink()
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def holder(path: Path) -> str | None:
    """Who is writing to the recording `path` now ("chargesentinel proxy (process 123)"), None where nobody is.

    Only looks: a reader that tried the lock itself could keep a writer from starting.
    """
    # The name of a recording in several files is a link to the newest of them.
    return _holder_of(path) or (_holder_of(path.resolve()) if path.is_symlink() else None)


def _holder_of(path: Path) -> str | None:
    try:
        said = path.with_name(f"{path.name}.lock").read_text("utf-8", "replace")[:200].strip()
    except OSError:
        return None
    process = re.search(r"\(process (\d{1,9})\)$", said)
    if process is None:
        return None
    try:
        os.kill(int(process[1]), 0)
    except ProcessLookupError:
        return None  # it was killed and left its lock file behind
    except PermissionError:
        pass  # another user's
    return said
