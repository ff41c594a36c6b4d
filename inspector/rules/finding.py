"""What a rule says: a fault while judging, a finding once it is attributed; knows no rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import Direction
from inspector.rules.context import SessionContext


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
    `count` how often; `ts_ns` is the time of the first. `finding_id` is set by who stores it. `session` is the one
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
    session: SessionContext | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        place = f"frame {self.frame_id}" if self.frame_id is not None else "a missing frame"
        times = f" ({self.count} times)" if self.count > 1 else ""
        return f"{self.severity} {self.rule_id} {place} [{self.side}]: {self.message}{times}"
