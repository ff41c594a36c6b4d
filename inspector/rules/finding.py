"""Define faults, which rules return, and findings, which the judge makes from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import Direction
from inspector.rules.context import SessionContext

OCCURRENCES_KEPT = 1000
"""The first so many frames of one finding are remembered, and the latest one. The others are only counted."""


class Severity(StrEnum):
    """How serious a finding is."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """3 for an error, 2 for a warning, 1 for an info; `frames.max_severity` is the highest of these."""
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
    """A violation of a rule, as its check returns it; everything except `message` has a default.

    Attributes:
        message: one sentence that says what is wrong, with the values, and what is expected.
        pointer: JSON pointer into the whole frame ("/3/connectorId"); None if the fault has no place in it.
        side: overrides the rule's side.
        severity: overrides the rule's severity, but not one that the user has set.
        frame: the frame at fault, if it is not the one being judged; `ABSENT` if a frame is missing.
        key: distinguishes this fault from others of the same rule in one session, if action and pointer do not
            ("connector 1"). Faults with equal keys are one finding, which counts them.
        times: how many occurrences this one fault stands for.
        rule: the Rule that is broken, if it is not the one whose check returns this.
        everywhere: whether all these faults of a session are one finding, because they have one cause.
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
    """The type of the constant ABSENT."""


ABSENT = Inapplicable()
"""The value of `Fault.frame` if a frame is missing."""


@dataclass(slots=True)
class Finding:
    """A fault in one session, with the number of its occurrences.

    `frame_id` is the first frame with the fault (None if a frame is missing), `last_frame_id` the latest one, `count`
    the number of occurrences, `ts_ns` the time of the first one. `session` is the session at fault. It is not always
    the session being judged: a deadline may fire while another connection of the charge point is judged.

    The recorder uses the other fields. `finding_id` is the id of the finding's row, `row_session` the session of that
    row. `new_frames` are the frames that `take_frames` has not returned yet, `new_times` the times of missing frames
    that `take_times` has not returned yet; of both only the first OCCURRENCES_KEPT. `counted` is the part of `count`
    that is in the recorder's sums, `committed` the part that is on disk.
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
    new_times: list[int] = field(default_factory=list, repr=False, compare=False)
    kept_times: int = field(default=0, repr=False, compare=False)
    counted: int = field(default=0, repr=False, compare=False)
    committed: int = field(default=0, repr=False, compare=False)
    row_session: int | None = field(default=None, repr=False, compare=False)
    session: SessionContext | None = field(default=None, repr=False, compare=False)
    caused_by: str | None = None
    """The intervention without which no peer would have this finding; then `side` is LINK and `severity` INFO."""
    blamed: tuple[Severity, Side] | None = field(default=None, repr=False, compare=False)
    """The severity and side of the finding that the intervention caused."""

    def count_against_peer(self) -> None:
        """Give a finding that an intervention caused its severity, and the side that would be at fault."""
        if self.blamed is not None:
            self.severity, self.side = self.blamed

    def occurred(self, frame_id: int) -> None:
        """Add a frame with this finding."""
        if self.kept_frames < OCCURRENCES_KEPT and self.new_frames[-1:] != [frame_id]:
            self.new_frames.append(frame_id)
            self.kept_frames += 1

    def take_frames(self) -> list[int]:
        """Return the frames that were added since the last call."""
        taken, self.new_frames = self.new_frames, []
        return taken

    def missed(self, ts_ns: int) -> None:
        """Note one more time at which a frame was missing."""
        if self.kept_times < OCCURRENCES_KEPT:
            self.new_times.append(ts_ns)
            self.kept_times += 1

    def take_times(self) -> list[int]:
        """Return the times that were not returned before."""
        taken, self.new_times = self.new_times, []
        return taken

    def begin_again(self) -> None:
        """Set all counts to 0, so that the next occurrence gets a new row. The old row is in an earlier file."""
        self.finding_id = self.frame_id = None
        self.count = self.counted = self.committed = self.kept_frames = self.kept_times = 0
        self.new_frames, self.new_times = [], []

    def __str__(self) -> str:
        place = f"frame {self.frame_id}" if self.frame_id is not None else "a missing frame"
        times = f" ({self.count} times)" if self.count > 1 else ""
        return f"{self.severity} {self.rule_id} {place} [{self.side}]: {self.message}{times}"


def tally(findings: Iterable[Finding], *, waiting: bool = False) -> dict[Severity, int]:
    """Return the number of findings of each severity, the worst first; every occurrence counts.

    With `waiting`, count only occurrences that are not committed yet.
    """
    sums = dict.fromkeys(Severity, 0)
    for finding in findings:
        sums[finding.severity] += finding.counted - finding.committed if waiting else finding.count
    return sums
