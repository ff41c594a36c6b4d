"""The local authorization list and the cache: what a charge point knows about tokens without the CSMS."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime


def same(one: str, other: str) -> bool:
    """Return whether two tokens are the same; case does not matter (CiString, identifierString)."""
    return one.casefold() == other.casefold()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a token; `status` is its AuthorizationStatus, `group` its parent or group token."""

    status: str
    expires: datetime | None = None
    group: str | None = None

    @property
    def fresh(self) -> bool:
        return self.expires is None or self.expires > datetime.now(UTC)


MOST_AT_ONCE = 100
"""The value of SendLocalListMaxLength: entries in one message."""


@dataclass(slots=True)
class TokenBook:
    """The local authorization list (1.6, 3.5.2; 2.x, D01) and the cache (1.6, 3.5.1; 2.x, C10)."""

    version: int = 0
    listed: dict[str, Verdict] = field(default_factory=dict)
    cached: dict[str, Verdict] = field(default_factory=dict)

    def update(self, version: int, full: bool, entries: list[tuple[str, Verdict | None]]) -> str:
        """Apply a list from the CSMS; an entry without verdict is removed from the list.

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
        """Cache what the CSMS said about a token; a token on the list is never cached (1.6, 3.5.3)."""
        if cache and token.casefold() not in self.listed:
            self.cached[token.casefold()] = verdict

    def known(self, token: str, use_list: bool, use_cache: bool) -> Verdict | None:
        """Return what is known of a token; the list takes precedence over the cache."""
        token = token.casefold()
        if use_list and token in self.listed:
            verdict = self.listed[token]
            return verdict if verdict.fresh else Verdict("Expired", verdict.expires, verdict.group)
        if use_cache and token in self.cached and self.cached[token].fresh:
            return self.cached[token]
        return None


def when(text: object) -> datetime | None:
    """Parse an RFC 3339 timestamp; one without an offset counts as UTC. Returns None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
