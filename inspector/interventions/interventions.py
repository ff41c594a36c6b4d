"""The interventions of a running proxy: which rules hold now, and the editing of each session that they match."""

from __future__ import annotations

from pathlib import Path
from weakref import WeakSet

from inspector.errors import SettingsMistake
from inspector.interventions.edited_session import EditedSession, Recording
from inspector.interventions.intervention import Intervention
from inspector.interventions.luck import Turns
from inspector.interventions.matching import SessionRules
from inspector.interventions.rules_file import load
from inspector.protocol.session import Session
from inspector.protocol.vocabulary import OcppVersion
from inspector.records import SessionFacts


class Interventions:
    """The rules of one proxy, and how often each was applied."""

    def __init__(self, rules: tuple[Intervention, ...] = (), path: Path | None = None) -> None:
        self.rules, self.path, self.turns = rules, path, Turns()
        self._sessions: WeakSet[SessionRules] = WeakSet()
        self._read_at = self._stamp()

    def rules_of(self, charge_point_id: str) -> SessionRules:
        """Return the rules that can apply to a session of this charge point."""
        return SessionRules(charge_point_id, self.rules, self.turns)

    def edit(self, rules: SessionRules, facts: SessionFacts, recording: Recording, limit: int) -> EditedSession:
        """Return what applies the rules to a new session; messages over `limit` bytes end it."""
        forced = facts.get("ocpp_version")
        session = Session(facts.get("subprotocol"), OcppVersion(forced) if forced else None)
        self._sessions.add(rules)
        return EditedSession(rules.charge_point_id, rules, self.turns, session, recording, limit=limit)

    def reread(self) -> str | None:
        """Read the file again if it has changed: return what happened in words, None if nothing did.

        Raises:
            SettingsMistake: The file is wrong; the rules stay as they were.
        """
        stamp = self._stamp()
        if self.path is None or stamp == self._read_at:
            return None
        self._read_at = stamp
        if stamp is None:
            raise SettingsMistake(self.path, "", "the file is gone; its rules stay in force")
        before, self.rules = self.rules, load(self.path)
        for session in self._sessions:
            session.replace(self.rules)
        count = len(self.rules)
        return None if before == self.rules else f"{count} intervention{'s' * (count != 1)} from {self.path}"

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat() if self.path else None
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size, found.st_ino) if found else None
