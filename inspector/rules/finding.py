"""What a rule says: a fault while judging, a finding once it is attributed; knows no rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import Direction
from inspector.rules.context import SessionContext

OCCURRENCES_KEPT = 1000
"""Frames remembered of one finding; those after are counted, and the last of them is known."""


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """3 for an error, 2 for a warning, 1 for an info: what `frames.max_severity` compares by."""
        return _RANKS[self]


_RANKS = {Severity.ERROR: 3, Severity.WARNING: 2, Severity.INFO: 1}


class Side(StrEnum):
    """Who is at fault."""

    CHARGE_POINT = "charge_point"
    CSMS = "csms"
    LINK = "link"

    @staticmethod
    def sender(direction: Direction) -> Side:
        return Side.CHARGE_POINT if direction is Direction.FROM_CHARGE_POINT else Side.CSMS


class Fault(NamedTuple):
    """What a rule's check returns; all but the sentence has a default.

    Attributes:
        message: one sentence: what is wrong, with the values, what belongs there.
        pointer: JSON pointer into the whole frame ("/3/connectorId"), None where no place can be named.
        side: overrides the rule's side.
        severity: overrides the rule's severity (never the user's).
        frame: the frame at fault, where it is not the one being judged; `ABSENT` where a frame is missing.
        key: what tells this fault from others of the same rule in one session, where action and pointer
            do not ("connector 1"); equal keys are counted, not repeated.
        times: how often it happened, where one look finds what many would have.
        rule: the Rule that is broken, where it is not the one whose check returns this.
        everywhere: one finding in the session, whatever the action and the place: they have one cause.
    """

    message: str
    pointer: str | None = None
    side: Side | None = None
    severity: Severity | None = None
    frame: Frame | Inapplicable | None = None
    key: str = ""
    times: int = 1
    everywhere: bool = False
    rule: Any = None


class Inapplicable:
    """The type of ABSENT."""


ABSENT = Inapplicable()
"""Stands for the frame of a fault where a frame is what is missing."""


@dataclass(slots=True)
class Finding:
    """A rule's verdict about one session, counted while it repeats.

    `frame_id` is the first frame it was found on (None where a frame is missing), `last_frame_id` the latest,
    `count` how often; `ts_ns` is the time of the first. `finding_id` is set by who stores it. `new_frames` are the
    frames it was found on since `take_frames`, of the first OCCURRENCES_KEPT; `counted` says how much of `count` is in
    the sums of who stores it, `committed` how much of it is on disk, `row_session` in whose row. `session` is the one
    it is about: a deadline may fire while another connection of the charge point is being judged.
    """

    rule_id: str
    severity: Severity
    side: Side
    message: str
    pointer: str | None
    spec_ref: str | None
    ts_ns: int
    frame_id: int | None
    last_frame_id: int | None
    count: int = 1
    finding_id: int | None = None
    new_frames: list[int] = field(default_factory=list, repr=False, compare=False)
    kept_frames: int = field(default=0, repr=False, compare=False)
    counted: int = field(default=0, repr=False, compare=False)
    committed: int = field(default=0, repr=False, compare=False)
    row_session: int | None = field(default=None, repr=False, compare=False)
    session: SessionContext | None = field(default=None, repr=False, compare=False)

    def occurred(self, frame_id: int) -> None:
        """Note one more frame that it was found on."""
        if self.kept_frames < OCCURRENCES_KEPT and self.new_frames[-1:] != [frame_id]:
            self.new_frames.append(frame_id)
            self.kept_frames += 1

    def take_frames(self) -> list[int]:
        """Return the frames that were not taken yet; of one that repeats more often than is kept only the last."""
        taken, self.new_frames = self.new_frames, []
        return taken

    def begin_again(self) -> None:
        """Become a new finding at the next repetition: what was counted until now is in an earlier file."""
        self.finding_id = self.frame_id = None
        self.count = self.counted = self.committed = self.kept_frames = 0
        self.new_frames = []

    def __str__(self) -> str:
        place = f"frame {self.frame_id}" if self.frame_id is not None else "a missing frame"
        times = f" ({self.count} times)" if self.count > 1 else ""
        return f"{self.severity} {self.rule_id} {place} [{self.side}]: {self.message}{times}"


def tally(findings: Iterable[Finding], *, waiting: bool = False) -> dict[Severity, int]:
    """How often something was found, by severity, the worst first: every occurrence counts.

    With `waiting` only what is not committed yet.
    """
    sums = dict.fromkeys(Severity, 0)
    for finding in findings:
        sums[finding.severity] += finding.counted - finding.committed if waiting else finding.count
    return sums
