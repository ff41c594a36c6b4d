"""The last messages of every charge point (at most `KEPT` each), in memory for the operator's page."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from csms import passwords, timestamps
from csms.passwords import Memory, Passwords

type Source = Literal["charge_point", "csms", "connection"]

KEPT = 50
LONGEST = 4000
MOST_CHARGE_POINTS = 2000


@dataclass(frozen=True, slots=True)
class Entry:
    """A message, or a note that the connection opened or closed.

    `number` counts the entries of one charge point since the CSMS started.
    """

    number: int
    ts: str
    source: Source
    text: str


type Listener = Callable[[str, Source, str | bytes], None]
"""Gets the id of the charge point and each entry: whole, with its passwords."""


class Log:
    """The last messages of one charge point, which remain when it disconnects."""

    def __init__(self, memory: Memory, listener: Callable[[Source, str | bytes], None]) -> None:
        self._memory = memory
        self._listener = listener
        self.entries: deque[Entry] = deque(maxlen=KEPT)
        self._count = 0

    def add(self, source: Source, message: str | bytes) -> None:
        """Add a message, with asterisks for its passwords and cut after `LONGEST` characters."""
        self._listener(source, message)
        self._count += 1
        text = message if isinstance(message, str) else f"<{len(message)} bytes>"
        text = passwords.text(text, self._memory)
        shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
        self.entries.append(Entry(self._count, timestamps.now(), source, shown))


class Logs:
    """The logs of all charge points. If there are too many, the oldest log of a disconnected charge point is dropped.

    Args:
        is_connected: returns whether a charge point is connected.
        passwords: the known passwords of each charge point.

    Attributes:
        listener: gets every entry as it is added; set by a program that runs the CSMS and needs all frames.
    """

    listener: Listener | None = None

    def __init__(self, is_connected: Callable[[str], bool], passwords: Passwords) -> None:
        self._logs: dict[str, Log] = {}
        self._is_connected = is_connected
        self._passwords = passwords

    def of(self, charge_point_id: str) -> Log:
        """Return the log of a charge point; a missing one is created."""
        log = self._logs.get(charge_point_id)
        if log is None:
            if len(self._logs) >= MOST_CHARGE_POINTS:
                gone = next((name for name in self._logs if not self._is_connected(name)), None)
                if gone is not None:
                    del self._logs[gone]
            listener = partial(self._added, charge_point_id)
            log = self._logs[charge_point_id] = Log(self._passwords.of(charge_point_id), listener)
        return log

    def _added(self, charge_point_id: str, source: Source, message: str | bytes) -> None:
        if self.listener is not None:
            self.listener(charge_point_id, source, message)

    def forget(self, charge_point_id: str) -> None:
        """Drop the log of a charge point that the operator deleted."""
        self._logs.pop(charge_point_id, None)

    def entries(self, charge_point_id: str) -> list[Entry]:
        """Return the entries of a charge point, oldest first."""
        log = self._logs.get(charge_point_id)
        return list(log.entries) if log else []
