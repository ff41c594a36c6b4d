"""What a recorder offers to whoever records: the one way in for records, wherever the recorder runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from inspector.records import Record
from inspector.units import quantity


class FirstFinding(NamedTuple):
    """The first finding of a rule, for whoever watches the recorder; secrets are hidden."""

    charge_point_id: str
    severity: str
    side: str
    rule_id: str
    message: str


class StoredCounts(NamedTuple):
    """What a recorder has on disk."""

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
    """Time spent in all commits."""
    findings: dict[str, int] = {}  # noqa: RUF012  # never changed
    """New findings by severity."""
    wal_bytes: int = 0
    """The size of the file beside the recording that holds what is not yet written into it."""


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
    """A count without separators, for programs that read the line."""
    return quantity(number, noun).replace(",", "")


@dataclass(frozen=True, slots=True)
class Status:
    """How a recorder is doing now, for metrics and health checks."""

    working: bool = True
    """False while it cannot commit: a failing disk, a recorder process being started again."""
    waiting: int = 0
    """Records put and not committed."""
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
    """Derived rows (findings, samples, transactions, …) that could not be stored; their frames are stored."""


class Recorder(Protocol):
    """Accepts records in the order they happened and keeps each until it is committed.

    `put` is called from the relay's event loop: it never blocks and never raises.
    """

    on_findings: Callable[[list[FirstFinding]], None]
    """Called with the first finding of each rule, by a recorder in a process of its own."""

    def put(self, record: Record) -> None:
        """Accept one record."""

    def status(self) -> Status:
        """Return how it is doing; costs next to nothing."""

    def when_behind(self, hold: Callable[[int, bool], None]) -> None:
        """Have `hold` called with a session number, and True if that session has to wait or False if it may continue.

        A session has to wait while its charge point has more than its share of the records that wait for the recorder.
        No session waits for a recorder that does not work (a failing disk, a crash), as waiting would not help.
        """

    def close(self, timeout: float = 10.0, progress: Callable[[int], bool] | None = None) -> Summary:
        """Store what is still waiting, mark the recording as ended cleanly, and return what was stored.

        Takes as long as it needs. If nothing has been stored for `timeout` seconds, what is left is counted as lost,
        and a gap in the file says so if the file can be written.

        Args:
            timeout: in seconds.
            progress: called several times a second with the number of records that wait; returns False to end at once.
        """
