"""The result of a replay: pairs of recorded and live frames, and all differences."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from inspector.protocol.frame import Frame
from inspector.replay.matching import Difference
from inspector.replay.script import FindingKey, Script


class Row(NamedTuple):
    """A recorded frame and its live counterpart; one of them may be missing."""

    recorded: Frame | None
    live: Frame | None
    differences: tuple[Difference, ...] = ()


@dataclass
class Outcome:
    """One played session.

    `played` is the side that was played, "charge-point" or "csms"; `latencies_ms` are those of the peer, by action.
    """

    script: Script
    played: str
    rows: list[Row] = field(default_factory=list)
    defaults: list[str] = field(default_factory=list)  # sentences about answers that were not recorded
    regressions: Counter[FindingKey] = field(default_factory=Counter)
    improvements: Counter[FindingKey] = field(default_factory=Counter)
    messages: dict[FindingKey, str] = field(default_factory=dict)
    # ^ the first finding of each kind, with frame and action: from this run for regressions, else from the recording
    latencies_ms: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0
    sent: int = 0
    failure: str | None = None  # why the script could not be played to its end
    identity: str = ""  # the differences between this station and the recorded one, in words
    peer: str = ""  # the address of the CSMS, the id of the charge point, or the other recording
    at_ns: int = field(default_factory=time.time_ns)  # wall-clock time of the run

    @property
    def differences(self) -> list[tuple[Row, Difference]]:
        """All differences, in order."""
        return [(row, difference) for row in self.rows for difference in row.differences]

    @property
    def equal(self) -> bool:
        """Whether the peer behaved as recorded."""
        return not self.differences and not self.regressions and self.failure is None

    def sentences(self) -> list[str]:
        """All differences as sentences, each with its frame and place."""
        said = [f"{self._where(row, difference)}: {difference.sentence}" for row, difference in self.differences]
        said += [f"new finding {self.in_words(key)}" for key in self.regressions]
        if self.failure and not any(difference.matcher == "goes-on" for _, difference in self.differences):
            said.append(self.failure)
        return said

    def in_words(self, key: FindingKey) -> str:
        """Describe a regression or an improvement: the rule, the side at fault, and the first finding."""
        rule, side = key
        said = f"{rule} ({side.value.replace('_', ' ')})"
        if key not in self.messages:
            return said
        return f"{said}: {f'in {self.live_side}, ' if key in self.regressions else ''}{self.messages[key]}"

    @property
    def live_side(self) -> str:
        """The name of the side or recording that was compared, for messages."""
        return "this run" if self.played in ("charge-point", "csms") else "the other recording"

    def _where(self, row: Row, difference: Difference) -> str:
        """Return the place of a difference: `frame 10 Authorize /2/idTagInfo/status`."""
        frame = row.recorded or row.live
        if frame is None:
            return "the connection"
        place = (
            f"frame {frame.frame_id}" if row.recorded is not None else f"frame {frame.frame_id} of {self.live_side},"
        )
        return " ".join(part for part in (place, frame.action, difference.pointer) if part).removesuffix(",")
