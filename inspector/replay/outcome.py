"""What came of a replay: which live frame stands for which recorded one, and all that differs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from inspector.protocol.frame import Frame
from inspector.replay.matching import Difference
from inspector.replay.script import FindingKey, Script


class Row(NamedTuple):
    """A recorded frame and the live one that stands for it; one of them may be missing."""

    recorded: Frame | None
    live: Frame | None
    differences: tuple[Difference, ...] = ()


@dataclass
class Outcome:
    """One played session.

    `played` is the side that was played, "charge-point" or "csms"; `latencies_ms` are the peer's, by action.
    """

    script: Script
    played: str
    rows: list[Row] = field(default_factory=list)
    defaults: list[str] = field(default_factory=list)  # answers that were not recorded, as sentences
    regressions: Counter[FindingKey] = field(default_factory=Counter)
    improvements: Counter[FindingKey] = field(default_factory=Counter)
    messages: dict[FindingKey, str] = field(default_factory=dict)  # the first finding of a kind in this run, in words
    latencies_ms: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0
    sent: int = 0
    failure: str | None = None  # why it could not be played to its end

    @property
    def differences(self) -> list[tuple[Row, Difference]]:
        """Everything that is not as recorded, in order."""
        return [(row, difference) for row in self.rows for difference in row.differences]

    @property
    def equal(self) -> bool:
        """Whether the peer did as recorded."""
        return not self.differences and not self.regressions and self.failure is None

    def sentences(self) -> list[str]:
        """What differs, each with the frame and the place."""
        said = [f"{where(row)}: {difference.sentence}" for row, difference in self.differences]
        for rule, side in self.regressions:
            message = self.messages.get((rule, side))
            said.append(f"new finding {rule} ({side.value})" + (f": {message}" if message else ""))
        if self.failure and not any(difference.matcher == "goes-on" for _, difference in self.differences):
            said.append(self.failure)
        return said


def where(row: Row) -> str:
    """Names a row for a sentence."""
    if row.recorded is not None:
        place = f"frame {row.recorded.frame_id}"
        action = row.recorded.action or ""
        pointers = [difference.pointer for difference in row.differences if difference.pointer]
        return " ".join(part for part in (place, action, pointers[0] if len(pointers) == 1 else "") if part)
    return f"extra {row.live.action or 'frame'}" if row.live is not None else "the connection"
