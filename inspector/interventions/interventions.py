"""The interventions of a running proxy: which rules hold now, and the editing of each session that they match."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from weakref import WeakSet

from inspector.errors import SettingsMistake
from inspector.interventions.edited_session import EditedSession
from inspector.interventions.intervention import Intervention
from inspector.interventions.luck import Turns
from inspector.interventions.matching import SessionRules
from inspector.interventions.rules_file import MOST_RULES, load
from inspector.interventions.session_parts import Recording
from inspector.protocol.session import Session
from inspector.protocol.vocabulary import OcppVersion
from inspector.records import SessionFacts
from inspector.websocket.messages import MessageAssembler


class Interventions:
    """The rules of one proxy, and how often each was applied."""

    def __init__(self, rules: tuple[Intervention, ...] = (), path: Path | None = None) -> None:
        self.from_file, self.path, self.turns = rules, path, Turns()
        self.added: dict[str, Intervention] = {}
        """Rules that were added while the proxy runs, by name; they apply after those of the file."""
        self.off: set[str] = set()
        """The names of rules that are switched off."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when the rules have changed, so that they can apply to sessions that none of them matched before."""
        self._sessions: WeakSet[SessionRules] = WeakSet()
        self._read_at = self._stamp()

    @property
    def known(self) -> tuple[Intervention, ...]:
        """All rules in their order, also those that are switched off."""
        return (*self.from_file, *self.added.values())

    @property
    def rules(self) -> tuple[Intervention, ...]:
        """The rules that apply, in their order."""
        return tuple(rule for rule in self.known if rule.name not in self.off)

    def add(self, rules: Iterable[Intervention]) -> None:
        """Add rules at the end, all or none of them.

        Raises:
            ValueError: There is a rule of this name, or there are too many rules.
        """
        new = {rule.name: rule for rule in rules}
        for rule in self.known:
            if rule.name in new:
                raise ValueError(f"there is a rule {rule.name!r} already; remove it first, or choose another name")
        if len(self.known) + len(new) > MOST_RULES:
            raise ValueError(f"a proxy may have {MOST_RULES:,} rules; remove some first")
        self.added |= new
        self._changed()

    def remove(self, name: str) -> None:
        """Remove a rule that was added.

        Raises:
            KeyError: The rule does not exist.
            ValueError: It is in the file, from which it would come back.
        """
        if any(rule.name == name for rule in self.from_file):
            raise ValueError(f"the rule {name!r} is in {self.path}: delete it there, or switch it off")
        del self.added[name]
        self.off.discard(name)
        self._changed()

    def switch(self, name: str, on: bool) -> None:
        """Switch a rule on or off; its counts stay. Raises KeyError if the rule does not exist."""
        if all(rule.name != name for rule in self.known):
            raise KeyError(name)
        (self.off.discard if on else self.off.add)(name)
        self._changed()

    def rules_of(self, charge_point_id: str) -> SessionRules:
        """Return the rules that can apply to a session of this charge point."""
        return SessionRules(charge_point_id, self.rules, self.turns)

    def edit(
        self, rules: SessionRules, facts: SessionFacts, recording: Recording, readers: dict[bool, MessageAssembler]
    ) -> EditedSession:
        """Return what applies the rules to the messages of a session; `readers` read both directions."""
        forced = facts.get("ocpp_version")
        session = Session(facts.get("subprotocol"), OcppVersion(forced) if forced else None)
        self._sessions.add(rules)
        return EditedSession(rules.charge_point_id, rules, self.turns, session, recording, readers)

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
        rules = load(self.path)
        if both := next((rule.name for rule in rules if rule.name in self.added), None):
            raise SettingsMistake(self.path, "", f"the rule {both!r} was added by hand too; remove one of them")
        before, self.from_file = self.from_file, rules
        self._changed()
        count = len(rules)
        return None if before == rules else f"{count} intervention{'s' * (count != 1)} from {self.path}"

    def _changed(self) -> None:
        self.off &= {rule.name for rule in self.known}
        rules = self.rules
        for session in self._sessions:
            session.replace(rules)
        self.on_change()

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat() if self.path else None
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size, found.st_ino) if found else None
