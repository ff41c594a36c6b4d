"""Follow a recording from file to file: with --rotate it continues in new ones, and it may be replaced."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from inspector.errors import UnusableFile
from inspector.store.files.connection import identity, open_recording
from inspector.store.files.rotation import earlier

type FileKey = list[int]
"""Identifies a file: device, inode, and when the recording in it began, as inodes are used again."""


class Files:
    """The files of one recording, from the file that was last read to the newest."""

    def __init__(self, recording: Path, known: FileKey | None) -> None:
        """Begin with the file that has the key `known`; if it is None or gone, with the newest."""
        self.recording, self.known = recording, known

    def remaining(self) -> Iterator[Path]:
        """Yield the file that was read last, if it is still there, and all files after it."""
        paths = [*earlier(self.recording), self.recording]
        places = [list(identity(path) or ()) for path in paths]
        begin = places.index(self.known[:2]) if self.known and self.known[:2] in places else len(paths) - 1
        yield from paths[begin:]

    @contextmanager
    def opened(self, path: Path) -> Iterator[tuple[sqlite3.Connection, bool]]:
        """Open a file; yield a connection, and whether it is another file than the one that was read before.

        Raises:
            UnusableFile: it is not a recording, or cannot be read. The message names the recording.
        """
        try:
            with closing(open_recording(path)) as db:
                (began,) = db.execute("SELECT coalesce(min(started_ns), 0) FROM recordings").fetchone()
                key = [*(identity(path) or ()), began]
                new = key != self.known
                yield db, new
                self.known = key
        except UnusableFile as error:
            raise UnusableFile(self.recording, error.why, error.remedy) from error
        except sqlite3.DatabaseError as error:
            raise UnusableFile(self.recording, f"cannot be read ({error})") from error
