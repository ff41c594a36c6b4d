"""Define the interface of a recorder, which is the same whether it runs in a thread or in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from inspector.recorder.traffic import Traffic
from inspector.records import Record
from inspector.units import quantity


class FirstFinding(NamedTuple):
    """The first finding of a rule, to be shown while recording; secrets in it are hidden."""

    charge_point_id: str
    severity: str
    side: str
    rule_id: str
    message: str


class StoredCounts(NamedTuple):
    """How many sessions, frames and findings a recorder has on disk."""

    sessions: int = 0
    frames: int = 0
    findings: int = 0
    """Every occurrence counts."""
    errors: int = 0
    """Findings of severity error."""
    dropped: int = 0
    """Derived rows that could not be stored; their frames are stored."""


class CommitFigures(NamedTuple):
    """Figures about commits, for metrics."""

    commits: int = 0
    commit_seconds: float = 0.0
    """The time spent in all commits."""
    findings: dict[str, int] = {}  # noqa: RUF012  # never changed
    """How many findings of each severity this process has made."""
    wal_bytes: int = 0
    """The size of SQLite's write-ahead log beside the recording."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a recorder has stored, and what it could not store."""

    sessions: int = 0
    frames: int = 0
    findings: int = 0
    errors: int = 0
    dropped: int = 0
    """Derived rows that could not be stored; their frames are stored."""
    lost: int = 0
    """Frames that could not be stored."""

    def __str__(self) -> str:
        stored = (_count(self.sessions, "session"), _count(self.frames, "frame"), _count(self.findings, "finding"))
        text = f"{', '.join(stored)} ({_count(self.errors, 'error')})"
        if self.dropped:
            text += f"; {_count(self.dropped, 'derived row')} could not be stored"
        return f"{text}; {_count(self.lost, 'frame').upper()} NOT STORED" if self.lost else text


def _count(number: int, noun: str) -> str:
    """Return a count with its noun, but without thousands separators, because programs read the line."""
    return quantity(number, noun).replace(",", "")


@dataclass(frozen=True, slots=True)
class Status:
    """The current state of a recorder, for metrics and health checks."""

    working: bool = True
    """False while it cannot commit, because the disk fails or the recorder process is being restarted."""
    waiting: int = 0
    """How many records are not committed yet."""
    waiting_bytes: int = 0
    lost: int = 0
    """Frames that could not be stored."""
    commits: int = 0
    commit_seconds: float = 0.0
    """The time spent in all commits."""
    findings: dict[str, int] = field(default_factory=dict)
    """How many findings of each severity this process has made."""
    wal_bytes: int = 0
    """The size of SQLite's write-ahead log beside the recording."""
    dropped: int = 0
    """Derived rows (findings, samples, transactions, …) that could not be stored; their frames are stored."""
    traffic: Traffic | None = None
    """Figures for metrics, if they were wanted."""


class Recorder(Protocol):
    """Accepts records in order and keeps each one until it is committed."""

    on_findings: Callable[[list[FirstFinding]], None]
    """Called with the first finding of each rule, but only by a recorder that runs in a process of its own."""

    def put(self, record: Record) -> None:
        """Accept one record. Never blocks and never raises, because the relay calls it from its event loop."""

    def status(self) -> Status:
        """Return the current state of the recorder; takes almost no time."""

    def when_behind(self, hold: Callable[[int, bool], None]) -> None:
        """Set `hold`, which is called with a session number, and True if that session has to wait, otherwise False.

        A session has to wait while too many of the records that wait for the recorder are from its charge point. No
        session has to wait while the recorder does not work (a failing disk, a crash), because waiting would not help.
        """

    def close(self, timeout: float = 10.0, progress: Callable[[int], bool] | None = None) -> Summary:
        """Store the waiting records, mark the recording as ended cleanly, and return how much was stored.

        This has no time limit. But if nothing is stored for `timeout` seconds, the records that still wait are counted
        as lost, and a gap is stored in place of them if the file can be written.

        Args:
            timeout: in seconds.
            progress: called several times a second with the number of waiting records; returns False to end at once.
        """
