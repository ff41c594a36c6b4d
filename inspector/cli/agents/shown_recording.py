"""Choose the file that an agent may read: the recording, or a copy without secrets if secrets were recorded.

SQL can cut a text into pieces, so results cannot be searched for secrets. Therefore the queries must run on a file
that has none.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

from inspector.offline.anonymize import anonymize
from inspector.store.files.connection import identity, open_recording, readable

_PAUSE_S = 5.0
_PATIENCE = 10
"""A growing recording is copied again at the earliest after so many times as long as the last copy took."""


class ShownRecording:
    """A recording of which agents see no secrets."""

    def __init__(self, path: Path) -> None:
        """Open the recording; copy it if it may have secrets.

        Raises:
            UnusableFile: the file is not a recording.
        """
        self.path = path
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._copied: tuple[object, ...] | None = None
        self._next_copy = 0.0
        self._lock = threading.Lock()
        self.current()

    def current(self) -> Path:
        """Return the file to read: the recording itself if it was recorded without secrets, otherwise a copy."""
        with self._lock:
            with closing(open_recording(self.path)) as db, readable(self.path):
                if _without_secrets(db):
                    return self.path.absolute()
                state = (identity(self.path), *_size(db))
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="chargesentinel-mcp-")
            copy = Path(self._folder.name) / "redacted.db"
            if state != self._copied and time.monotonic() >= self._next_copy:
                began = time.monotonic()
                anonymize(self.path, copy, {"level": "secrets"}, lambda done, total: None)
                took = time.monotonic() - began
                self._copied, self._next_copy = state, began + took + max(_PAUSE_S, _PATIENCE * took)
            return copy

    def close(self) -> None:
        """Delete the copy."""
        if self._folder is not None:
            self._folder.cleanup()


def _without_secrets(db: sqlite3.Connection) -> bool:
    """Return whether every run of a recorder that wrote to the recording has hidden secrets."""
    for (config,) in db.execute("SELECT config FROM recordings"):
        try:
            level = json.loads(config or "{}").get("redact")
        except (ValueError, AttributeError):
            return False
        if level not in ("secrets", "personal"):
            return False
    return True


def _size(db: sqlite3.Connection) -> tuple[int, ...]:
    tables = ("frames", "findings", "events", "sessions")
    counts = ", ".join(f"(SELECT coalesce(max(rowid), 0) FROM {table})" for table in tables)
    return tuple(db.execute(f"SELECT {counts}, (SELECT count(closed_ns) FROM sessions)").fetchone())
