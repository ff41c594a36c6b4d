"""Count matching frames and draw luck, for each charge point and rule on its own, so that runs can be repeated."""

from __future__ import annotations

import random
from collections import OrderedDict

from inspector.interventions.intervention import Intervention

KEPT = 100_000
"""Pairs of charge point and rule that are remembered; the one used least recently is forgotten first."""


class _Turn:
    """What is known of one rule at one charge point."""

    __slots__ = ("applied", "began_s", "luck", "rule", "seen")

    def __init__(self, rule: Intervention, charge_point_id: str) -> None:
        self.rule = rule
        self.seen = self.applied = 0
        self.began_s: float | None = None
        # A text as seed gives the same numbers on every machine and in every process.
        self.luck = random.Random(f"{rule.match.seed}\0{charge_point_id}\0{rule.name}")


class Turns:
    """Decides which of the frames that meet a rule's conditions it applies to.

    The counts and the luck of one charge point depend on its own frames alone, whatever else is connected.
    """

    def __init__(self) -> None:
        self._turns: OrderedDict[tuple[str, str], _Turn] = OrderedDict()

    def takes(self, rule: Intervention, charge_point_id: str) -> bool:
        """Return whether the rule applies to the next frame of a charge point that meets its conditions."""
        turn, match = self._of(rule, charge_point_id), rule.match
        if match.times is not None and turn.applied >= match.times:
            return False
        turn.seen += 1
        beyond = turn.seen - match.after
        if beyond < 1 or (beyond - 1) % match.every:
            return False
        if match.probability < 1 and turn.luck.random() >= match.probability:
            return False
        turn.applied += 1
        return True

    def lasts(self, rule: Intervention, charge_point_id: str, seconds: float, now_s: float) -> bool:
        """Return whether at most so many seconds have passed since the first call for this rule and charge point."""
        turn = self._of(rule, charge_point_id)
        if turn.began_s is None:
            turn.began_s = now_s
        return now_s - turn.began_s <= seconds

    def between(self, rule: Intervention, charge_point_id: str, low: float, high: float) -> float:
        """Return a random number for a rule that applies, from the luck of its charge point."""
        return low if low == high else self._of(rule, charge_point_id).luck.uniform(low, high)

    def applied(self) -> dict[str, int]:
        """Return how often each rule was applied, by its name."""
        counts: dict[str, int] = {}
        for (name, _), turn in self._turns.items():
            counts[name] = counts.get(name, 0) + turn.applied
        return counts

    def _of(self, rule: Intervention, charge_point_id: str) -> _Turn:
        key = rule.name, charge_point_id
        turn = self._turns.get(key)
        if turn is None or turn.rule != rule:  # a rule that was changed starts anew
            turn = self._turns[key] = _Turn(rule, charge_point_id)
            if len(self._turns) > KEPT:
                self._turns.popitem(last=False)
        self._turns.move_to_end(key)
        return turn
