"""Allow one writer per recording, by an operating-system lock on a file that names the writer.

The lock file is beside the recording. Locking the recording itself would not be safe: closing a second descriptor of
that file would drop SQLite's own POSIX locks.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Self

from inspector.errors import UnusableFile
from inspector.store.files.connection import DEFAULT_MODE
from inspector.store.files.open_files import Identity

_SAID = re.compile(r"([^\n]{0,100}\(process (\d{1,9})\))\n?(?:files((?: \d{1,20}:\d{1,20}){1,4})\n)?")
"""The content of a lock file: a command with its process, and the device and inode of SQLite's files beside it."""
_LONGEST = 400


class WriterLock:
    """The lock on one recording, from construction until `release`; the system drops it when the process dies.

    Attributes:
        left_behind: the files that SQLite had beside the recording when an earlier holder was killed.
    """

    def __init__(self, path: Path, holder: str, pid: int | None = None, mode: int = DEFAULT_MODE) -> None:
        """Take the lock on the recording `path`.

        Args:
            path: the recording; the lock is a file beside it.
            holder: the command that takes it.
            pid: the process that the lock file names; None for this one.
            mode: the permissions of the lock file.

        Raises:
            UnusableFile: another process is writing the recording, its folder is not writable, or the file in the
                place of the lock file is something else.
        """
        self._path = path.with_name(f"{path.name}.lock")
        while True:
            self._file = self._open(path)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                other = _said(self._file)[1] or "another process"
                os.close(self._file)
                raise UnusableFile(
                    path, f"is being written by {other}", "stop that command or name another file"
                ) from error
            if self._in_place():
                break
            os.close(self._file)  # its holder removed the lock file after it was opened here
        with contextlib.suppress(PermissionError):  # the lock file belongs to another user
            os.fchmod(self._file, mode)
        *_, self.left_behind = _said(self._file)
        self._holder = f"{holder} (process {pid or os.getpid()})\n"
        self.note(())

    def _open(self, path: Path) -> int:
        # Do not follow a link, do not wait for a pipe, and do not write to a file that is not a lock.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            file = os.open(self._path, flags, 0o600)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.EISDIR, errno.ENXIO}:
                raise self._not_a_lock() from error
            why = f"cannot be written ({(error.strerror or str(error)).lower()})"
            raise UnusableFile(path, why, "name a file in a folder that can be written") from error
        if not _is_lock(file):
            os.close(file)
            raise self._not_a_lock()
        return file

    def _not_a_lock(self) -> UnusableFile:
        return UnusableFile(self._path, "not a lock file of ChargeSentinel", "move it away or name another recording")

    def note(self, files: Collection[Identity]) -> None:
        """Write down which files SQLite has beside the recording, for the next writer if this process is killed."""
        listed = "".join(f" {device}:{inode}" for device, inode in files)
        said = f"{self._holder}files{listed}\n" if listed else self._holder
        with contextlib.suppress(OSError):  # the disk is full; the lock itself is still held
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, said.encode(), 0)

    def _in_place(self) -> bool:
        return _is_at(self._file, self._path)

    def release(self) -> None:
        """Remove the lock file and drop the lock."""
        if self._file >= 0:
            # Remove the lock file before dropping the lock: afterwards it might belong to another holder.
            with contextlib.suppress(OSError):
                now_at = self._path
                if not self._in_place():  # its folder was moved, or another file has its name
                    now_at = Path(f"/proc/self/fd/{self._file}").readlink()
                if _is_at(self._file, now_at):
                    now_at.unlink()
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def holder(path: Path) -> str | None:
    """Return the writer of the recording `path`, as "chargesentinel proxy (process 123)"; None if there is none.

    This only reads the lock file: trying to lock it could keep a writer from starting.
    """
    # A recording in several files has a symbolic link to the newest of them as its name.
    return _holder_of(path) or (_holder_of(path.resolve()) if path.is_symlink() else None)


def _holder_of(path: Path) -> str | None:
    try:
        file = os.open(path.with_name(f"{path.name}.lock"), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        process, said, _ = _said(file) if _is_lock(file) else (None, "", frozenset())
    finally:
        os.close(file)
    if process is None:
        return None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None  # the writer was killed and left its lock file behind
    except (PermissionError, OverflowError):
        pass  # it belongs to another user
    return said


def _is_lock(file: int) -> bool:
    """Return whether an open file is a lock file: empty, or with a line that names its holder."""
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or found.st_size > _LONGEST:
        return False
    return not found.st_size or _said(file)[0] is not None


def _said(file: int) -> tuple[int | None, str, frozenset[Identity]]:
    """Return the process, the holder and the files in a lock file; (None, "", none) if it is not a lock file."""
    found = _SAID.fullmatch(os.pread(file, _LONGEST, 0).decode("utf-8", "replace"))
    if found is None:
        return None, "", frozenset()
    pairs = (one.split(":") for one in (found[3] or "").split())
    return int(found[2]), found[1], frozenset((int(device), int(inode)) for device, inode in pairs)


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.lstat())
    except OSError:
        return False
