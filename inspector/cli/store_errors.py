"""Open recordings to change them, and turn errors of the disk into messages for the user."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inspector.errors import UnusableFile

if TYPE_CHECKING:
    from sqlite_utils import Database

FILE = click.Path(path_type=Path, dir_okay=False)


@contextmanager
def storing(path: Path, holder: str) -> Iterator[Database]:
    """Open a recording to change it; no other program may write it meanwhile.

    Raises:
        UnusableFile: as in `inspector.store.files.sealing.changing`, or the disk fails.
    """
    from inspector.store.files.sealing import changing

    try:
        with changing(path, holder) as db:
            yield db
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "")
        if name == "SQLITE_INTERRUPT":
            raise KeyboardInterrupt from None
        why, remedy = {
            "SQLITE_FULL": ("the disk is full", "free as much room as the file has, and run this again"),
            "SQLITE_CORRUPT": ("is damaged", "`sqlite3 FILE .recover` may rescue the rest"),
            "SQLITE_BUSY": ("is locked by another program", "close that, and run this again"),
        }.get(name, (f"could not be changed ({error})", "nothing of it is half done; run this again"))
        raise UnusableFile(path, why, remedy) from error
