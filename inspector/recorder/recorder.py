"""The one door for frames: what a tap may ask of a recorder, and nothing about where the recorder runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from inspector.records import Record


@dataclass(frozen=True, slots=True)
class Summary:
    """What a recorder stored in its life, and what it could not."""

    sessions: int = 0
    frames: int = 0
    findings: int = 0
    errors: int = 0
    dropped: int = 0
    """Derived rows that could not be stored; the frames are."""
    lost: int = 0
    """Frames that could not be stored."""

    def __str__(self) -> str:
        text = f"{self.sessions} sessions, {self.frames} frames, {self.findings} findings ({self.errors} errors)"
        if self.dropped:
            text += f"; {self.dropped} derived rows could not be stored"
        return f"{text}; {self.lost} FRAMES NOT STORED" if self.lost else text


@dataclass(frozen=True, slots=True)
class Status:
    """How a recorder is doing now, for whoever watches it."""

    working: bool = True
    """False while it cannot commit: a failing disk, a recorder process being started again."""
    waiting: int = 0
    """Records handed over and not committed."""
    waiting_bytes: int = 0
    lost: int = 0
    """Frames that could not be stored."""
    commits: int = 0
    commit_seconds: float = 0.0
    """Time spent in all commits."""
    findings: dict[str, int] = field(default_factory=dict)
    """New findings by severity."""
    wal_bytes: int = 0
    """The size of the file beside the recording that holds what is not yet written into it."""
    dropped: int = 0
    """Derived rows (findings, samples, transactions, …) that could not be stored; the frames are."""


type FirstFinding = tuple[str, str, str, str, str]
"""Of the first finding of a rule: the charge point, severity, side, rule and message, secrets hidden."""


class Recorder(Protocol):
    """Takes records in the order they happened; keeps each until it is committed.

    `put` is called from the relay's event loop: it never blocks and never raises.
    """

    tell_found: Callable[[list[FirstFinding]], None]
    """Called with the first finding of each rule, by a recorder in a process of its own."""

    def put(self, record: Record) -> None:
        """Hand over one record."""

    def status(self) -> Status:
        """Tell how it is doing; costs next to nothing."""

    def when_behind(self, tell: Callable[[int, bool], None]) -> None:
        """Have `tell` called with a session's number and True when that one is to wait, with False when it may go on.

        Those wait whose charge point has more than its share of what the recorder still has to do. Nobody waits
        for a recorder that does not work (a failing disk, a crash), as nothing gets better by it.
        """

    def close(self, timeout: float = 10.0, tell: Callable[[int], bool] | None = None) -> Summary:
        """Store what is still waiting, mark the recording as ended cleanly, and tell what was stored.

        Takes as long as it needs. What is left once nothing has been stored for `timeout` seconds is counted as lost,
        and a gap says so in the file where that can be written.

        Args:
            timeout: in seconds.
            tell: is told several times a second how many records wait; returns False for an end at once.
        """
