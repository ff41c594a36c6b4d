"""The last messages of every charge point, for the operator's eyes; kept in memory and bounded, judged by nobody."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from csms import passwords, timestamps
from csms.passwords import Memory, Passwords

type Source = Literal["charge_point", "csms", "connection"]

KEPT = 50
LONGEST = 4000
MOST_CHARGE_POINTS = 2000


@dataclass(frozen=True, slots=True)
class Seen:
    """A message, or a word on the connection. `number` counts up for one charge point as long as the CSMS runs."""

    number: int
    ts: str
    source: Source
    text: str


class Log:
    """The last messages of one charge point; they outlive its connections."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.entries: deque[Seen] = deque(maxlen=KEPT)
        self._count = 0

    def add(self, source: Source, text: str) -> None:
        """Keep a message, its passwords starred, cut where it is very long."""
        self._count += 1
        text = passwords.text(text, self._memory)
        shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
        self.entries.append(Seen(self._count, timestamps.now(), source, shown))


class Logs:
    """The logs of all charge points; of too many, those that came first are forgotten.

    Args:
        connected: tells whether a charge point is there; its log is never forgotten.
        passwords: what is known of the passwords of each.
    """

    def __init__(self, connected: Callable[[str], bool], passwords: Passwords) -> None:
        self._logs: dict[str, Log] = {}
        self._connected = connected
        self._passwords = passwords

    def of(self, charge_point_id: str) -> Log:
        """Return the log of a charge point, a new one where there is none."""
        log = self._logs.get(charge_point_id)
        if log is None:
            if len(self._logs) >= MOST_CHARGE_POINTS:
                gone = next((name for name in self._logs if not self._connected(name)), None)
                if gone is not None:
                    del self._logs[gone]
            log = self._logs[charge_point_id] = Log(self._passwords.of(charge_point_id))
        return log

    def forget(self, charge_point_id: str) -> None:
        """Drop the log of a charge point that is gone for good."""
        self._logs.pop(charge_point_id, None)

    def entries(self, charge_point_id: str) -> list[Seen]:
        """Return what is kept of a charge point, oldest first."""
        log = self._logs.get(charge_point_id)
        return list(log.entries) if log else []
