"""The local authorization list and the cache, with which a charge point authorizes tokens without the CSMS."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime


def same(one: str, other: str) -> bool:
    """Return whether two tokens are equal without regard to case (CiString, identifierString)."""
    return one.casefold() == other.casefold()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The known facts about a token; `status` is its AuthorizationStatus, `group` its parent or group token."""

    status: str
    expires: datetime | None = None
    group: str | None = None

    @property
    def fresh(self) -> bool:
        return self.expires is None or self.expires > datetime.now(UTC)


MOST_AT_ONCE = 100
"""The most entries in one message, and the value of SendLocalListMaxLength."""


@dataclass(slots=True)
class TokenBook:
    """The local authorization list (1.6, 3.5.2; 2.x, D01) and the cache (1.6, 3.5.1; 2.x, C10)."""

    version: int = 0
    listed: dict[str, Verdict] = field(default_factory=dict)
    cached: dict[str, Verdict] = field(default_factory=dict)

    def update(self, version: int, full: bool, entries: list[tuple[str, Verdict | None]]) -> str:
        """Apply a list from the CSMS; a token without a verdict is removed from the local list.

        Returns:
            The status for the answer: Accepted, Failed or VersionMismatch.
        """
        entries = [(name.casefold(), verdict) for name, verdict in entries]
        names = [name for name, _ in entries]
        if version <= 0 or len(set(names)) != len(names) or len(names) > MOST_AT_ONCE:
            return "Failed"
        if full and any(verdict is None for _, verdict in entries):
            return "Failed"
        if not full and version <= self.version:
            return "VersionMismatch"
        listed = {} if full else dict(self.listed)
        for name, verdict in entries:
            if verdict is None:
                listed.pop(name, None)
            else:
                listed[name] = verdict
        self.listed, self.version = listed, version
        return "Accepted"

    def remember(self, token: str, verdict: Verdict, cache: bool) -> None:
        """Note the CSMS's verdict about a token in the cache, unless the token is on the list (1.6, 3.5.3)."""
        if cache and token.casefold() not in self.listed:
            self.cached[token.casefold()] = verdict

    def known(self, token: str, use_list: bool, use_cache: bool) -> Verdict | None:
        """Return the known verdict about a token, from the list if possible, else from the cache."""
        token = token.casefold()
        if use_list and token in self.listed:
            verdict = self.listed[token]
            return verdict if verdict.fresh else Verdict("Expired", verdict.expires, verdict.group)
        if use_cache and token in self.cached and self.cached[token].fresh:
            return self.cached[token]
        return None


def when(text: object) -> datetime | None:
    """Parse an RFC 3339 timestamp; without an offset it counts as UTC. Return None if `text` is not a timestamp."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
