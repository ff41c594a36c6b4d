"""Copy a recording, and hide secrets and personal values in the copy. Row ids do not change.

All frames are searched before the first one is written, so that a value is also hidden in frames before the one that
identifies it as a secret or personal value.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inspector.protocol.frame import Frame
from inspector.protocol.messages import parse
from inspector.protocol.vocabulary import ACTIONS_FROM, Direction, OcppVersion
from inspector.recorder import frame_row
from inspector.records import FRAMING, INTERVENTION
from inspector.redaction.redactor import Redactor, as_config
from inspector.redaction.secrets import Secrets
from inspector.store.writing.copying import Copying, Row

HOLDER = "chargesentinel anonymize"
_ACTIONS = frozenset(action for version in ACTIONS_FROM.values() for side in version.values() for action in side)


def anonymize(source: Path, target: Path, redaction: dict[str, Any], progress: Callable[[int, int], None]) -> int:
    """Copy the recording `source` to `target` and return the number of frames in which a value was hidden.

    Args:
        source: a recording; it is only read.
        target: is replaced if it exists.
        redaction: the arguments of `Redactor`.
        progress: called with the number of frames searched so far, and of all frames.

    Raises:
        UnusableFile: one of the files cannot be used.
    """
    with Copying(source, target, HOLDER) as copying:
        work = _Work(copying, redaction, progress)
        work.learn()
        work.write()
        copying.finish()
        return work.hidden


class _Work:
    def __init__(self, copying: Copying, redaction: dict[str, Any], progress: Callable[[int, int], None]) -> None:
        self._copying = copying
        self._redaction = Redactor(**redaction)
        self._config = as_config(redaction)
        self._progress = progress
        self._looks, self._done = 2 * copying.count("frames"), 0
        self.hidden = 0
        run = copying.source.execute
        self._sessions = {
            row["id"]: (row["charge_point_id"], _version(row["ocpp_version"]))
            for row in run("SELECT id, charge_point_id, ocpp_version FROM sessions")
        }
        sql = "SELECT after_frame_id FROM events WHERE kind IN (?, ?) AND json_valid(detail) AND detail ->> '$.binary'"
        self._binary = {row[0] for row in run(sql, (FRAMING, INTERVENTION))}

    def learn(self) -> None:
        for row in self._copying.source.execute("SELECT * FROM sessions"):
            self._session(dict(row))
        for row in self._copying.source.execute("SELECT * FROM events"):
            self._event(dict(row))
        for row in self._copying.source.execute(
            "SELECT id, session_id, from_csms, action, raw FROM frames ORDER BY id"
        ):
            self._look(dict(row))

    def write(self) -> None:
        copy = self._copying.copy
        copy("recordings", self._recording)
        copy("sessions", self._session)
        copy("frames", self._frame)
        copy("findings", self._finding)
        copy("occurrences")
        copy("absences")
        copy("events", self._event)
        copy("charge_points", self._facts)
        copy("transactions", self._transaction)
        copy("meter_samples")

    def _secrets(self, session_id: int | None) -> Secrets:
        return self._redaction.secrets_of(self._sessions.get(session_id or 0, ("", None))[0])

    def _look(self, row: Row) -> bytes | None:
        self._done += 1
        if self._done % 1000 == 0:
            self._progress(self._done, self._looks)
        raw = row["raw"] if isinstance(row["raw"], bytes) else str(row["raw"]).encode()
        version = self._sessions[row["session_id"]][1] if row["session_id"] in self._sessions else None
        binary = row["id"] in self._binary
        way = Direction.FROM_CSMS if row["from_csms"] else Direction.FROM_CHARGE_POINT
        frame = Frame(row["id"], 0, 0, way, raw, parse(raw, version, binary), row["action"], binary=binary)
        return self._redaction.frame(self._secrets(row["session_id"]), frame)

    def _frame(self, row: Row) -> Row:
        hidden = self._look(row)
        if row["action"] not in _ACTIONS and row["action"] is not None:
            row["action"] = self._redaction.text(self._secrets(row["session_id"]), row["action"])
            row["id_length"] = None  # without the action in the frame, SQLite cannot cut out the payload
        if hidden is None:
            return row
        self.hidden += 1
        raw = hidden if isinstance(row["raw"], bytes) else hidden.decode()
        id_length = row["id_length"] and frame_row.id_length(parse(hidden), raw)
        return {**row, "redacted": 1, "id_length": id_length, "raw": raw}

    def _recording(self, row: Row) -> Row:
        try:
            config = json.loads(row["config"] or "{}")
        except ValueError:
            config = {}
        said = {**(config if isinstance(config, dict) else {}), **self._config}
        if isinstance(said.get("imported"), list):
            said["imported"] = [Path(str(name)).name for name in said["imported"]]  # folders may be named after people
        return {**self._facts(row), "config": json.dumps(self._redaction.detail(Secrets(), said))}

    def _session(self, row: Row) -> Row:
        return _changed(row, self._redaction.detail(self._secrets(row["id"]), row))

    def _facts(self, row: Row) -> Row:
        shown = self._redaction.detail(Secrets(), row)
        known = self._redaction.personal.values
        exact = {name: known[value.lower()] for name, value in row.items() if _text(value) and value.lower() in known}
        return _changed(row, {**shown, **exact})

    def _finding(self, row: Row) -> Row:
        secrets = self._secrets(row["session_id"])
        texts = {name: row[name] and self._redaction.sentence(secrets, row[name]) for name in ("message", "pointer")}
        return {**row, **texts}

    def _event(self, row: Row) -> Row:
        secrets = self._secrets(row["session_id"])
        try:
            detail = json.loads(row["detail"])
        except ValueError:
            return {**row, "detail": self._redaction.text(secrets, row["detail"])}
        if row["session_id"] is None and isinstance(detail, dict):
            secrets = self._redaction.secrets_of(str(detail.get("charge_point_id") or ""))
        shown = self._redaction.detail(secrets, detail)
        return row if shown == detail else {**row, "detail": json.dumps(shown, ensure_ascii=False)}

    def _transaction(self, row: Row) -> Row:
        shown = self._redaction.detail(self._secrets(row["session_id"]), row)
        if row["id_token"] and self._redaction.hides_personal:
            shown["id_token"] = self._redaction.pseudonym(row["id_token"])
        return _changed(row, shown)


def _changed(row: Row, shown: Row) -> Row:
    return {name: shown[name] if _text(value) else value for name, value in row.items()}


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _version(name: str | None) -> OcppVersion | None:
    try:
        return OcppVersion(name or "")
    except ValueError:
        return None
