"""Follow one recording and send its alerts; keep the state in a file, so that a restart repeats and misses nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from inspector.errors import UnusableFile
from inspector.formats.atomic import replaced
from inspector.watch.alerts import Alerts
from inspector.watch.alerts_file import AlertsFile
from inspector.watch.delivery import Delivery
from inspector.watch.files import Files
from inspector.watch.followed import Position, Seen

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
        self._state, self._report = state, report
        saved = _read(state)
        self._new = not saved
        self._files = Files(recording, saved.get("file"))
        self._position = Position(saved.get("position"))
        self._alerts = Alerts(file, saved.get("alerts"))
        self._delivery = Delivery(file.targets, saved.get("waiting"), report)
        self._written = ""

    def step(self, now_ns: int) -> None:
        """Look at the recording once, and send what is due at this time.

        Raises:
            UnusableFile: the recording or the state file cannot be used.
        """
        seen = Seen()
        for path in self._files.remaining():
            with self._files.opened(path) as (db, new):
                if self._new:
                    # At the first start, only note who is connected: earlier findings and failures are not sent.
                    seen.add(self._position.skip(db))
                    self._new = False
                    continue
                if new:
                    self._position = Position()  # all rows of the next file are new
                seen.add(self._position.look(db))
        for alert, message in self._alerts.step(seen, now_ns):
            who = ", ".join(item["charge_point"] or "the recording" for item in message["items"][:5])
            self._report(f"{message['status']} {alert.name}: {who}")
            for target in alert.targets:
                self._delivery.add(target, message)
        self._save()
        self._delivery.send(now_ns, self._save)

    def _save(self) -> None:
        document = {
            "format": _FORMAT,
            "file": self._files.known,
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
