"""Follow one recording and send its alerts; keep the state in a file, so that a restart repeats and misses nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from inspector.errors import UnusableFile
from inspector.formats.atomic import replaced
from inspector.store.files.connection import identity, open_recording
from inspector.watch.alerts import Alerts
from inspector.watch.alerts_file import AlertsFile
from inspector.watch.delivery import Delivery
from inspector.watch.followed import Position

_FORMAT = 1


class AlertRun:
    """One run over a recording that may grow, be replaced by its next file, or not exist yet."""

    def __init__(self, recording: Path, file: AlertsFile, state: Path, report: Callable[[str], None]) -> None:
        """Continue from the state file if there is one.

        Args:
            recording: the recording to follow.
            file: the alerts.
            state: the state file; written when something changes.
            report: gets a line about each message and each failure.

        Raises:
            UnusableFile: the state file is not one.
        """
        self._recording, self._state, self._report = recording, state, report
        saved = _read(state)
        self._new = not saved
        self._file: list[int] | None = saved.get("file")
        self._position = Position(saved.get("position"))
        self._alerts = Alerts(file, saved.get("alerts"))
        self._delivery = Delivery(file.targets, saved.get("waiting"), report)
        self._db: sqlite3.Connection | None = None
        self._written = ""

    def step(self, now_ns: int) -> None:
        """Look at the recording once, and send what is due at this time.

        Raises:
            UnusableFile: the recording or the state file cannot be used.
        """
        replaced_now = self._db is not None and identity(self._recording) not in (self._opened, None)
        if self._db is None:
            self._open()
        try:
            self._look(now_ns)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname not in ("SQLITE_BUSY", "SQLITE_LOCKED"):
                raise UnusableFile(self._recording, f"cannot be read ({error})") from error
        except sqlite3.DatabaseError as error:
            raise UnusableFile(self._recording, f"cannot be read ({error})") from error
        if replaced_now:
            self.close()
        self._save()
        self._delivery.send(now_ns, self._save)

    def _look(self, now_ns: int) -> None:
        assert self._db is not None
        # Who connected before the first start counts as connected; what else happened before is not sent.
        seen = self._position.skip(self._db) if self._new else self._position.look(self._db)
        self._new = False
        for alert, message in self._alerts.step(seen, now_ns):
            who = ", ".join(item["charge_point"] or "the recording" for item in message["items"][:5])
            self._report(f"{message['status']} {alert.name}: {who}")
            for target in alert.targets:
                self._delivery.add(target, message)

    def _open(self) -> None:
        self._db = open_recording(self._recording)
        self._opened = identity(self._recording)
        known = list(self._opened or ())
        if self._file not in (None, known):
            self._position = Position()  # the next file of the recording: all its rows are new
        self._file = known

    def close(self) -> None:
        """Close the recording; the next step opens it again."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _save(self) -> None:
        if self._new:
            return
        document = {
            "format": _FORMAT,
            "file": self._file,
            "position": self._position.saved(),
            "alerts": self._alerts.saved(),
            "waiting": self._delivery.waiting,
        }
        text = json.dumps(document)
        if text != self._written:
            with replaced(self._state) as target:
                target.write(text.encode())
            self._written = text


def _read(state: Path) -> dict[str, Any]:
    if not state.exists():
        return {}
    why = "not a state file of alerts"
    with suppress(ValueError, RecursionError):
        document = json.loads(state.read_text(encoding="utf-8"))
        if isinstance(document, dict) and document.get("format") == _FORMAT:
            return document
        why = "a state file of another version" if isinstance(document, dict) and "format" in document else why
    raise UnusableFile(state, why, "name another file with --state, or delete it")
