"""A file that appears whole or not at all; knows nothing of what is in it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from inspector.errors import UnusableFile
from inspector.store.connection import is_database


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """Write to a file that takes the place of `path` when all went well, and is gone when not.

    A new file is for its owner alone, whatever the umask is: it holds what a recording holds. One that is replaced
    keeps its permissions.

    A pipe or a device (`/dev/stdout`) is written to as it is.

    Raises:
        UnusableFile: it cannot be written, or is a database, which nobody would want replaced.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as special:
                yield special
            return
        path = path.resolve()  # a link stays one
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
