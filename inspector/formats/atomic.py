"""Write a file so that it appears complete or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from inspector.errors import UnusableFile
from inspector.store.files.connection import is_database


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` once the block succeeds, and is deleted if the block fails.

    Only the owner can read a new file, whatever the umask: it holds the same data as a recording. A file that already
    exists keeps its permissions.

    A pipe or a device (`/dev/stdout`) is written directly.

    Raises:
        UnusableFile: the file cannot be written, or it is a database, which is never overwritten.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as special:
                yield special
            return
        path = path.resolve()  # write through a symbolic link, do not replace it
        if is_database(path):
            raise UnusableFile(path, "a database", "name another file to write to")
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete_on_close=False) as target:
            yield target  # type: ignore[misc]
            target.flush()
            os.fsync(target.fileno())
            Path(target.name).chmod(mode)
            Path(target.name).replace(path)
    except OSError as error:
        raise UnusableFile(path, f"cannot be written ({(error.strerror or str(error)).lower()})") from error
