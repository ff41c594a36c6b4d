"""Tells whether a piece of work takes more than linear time in the size of what it is given."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

FLOOR_S = 0.02
"""Seconds below which work is not measured: noise is as large there."""
MOST = 9.0
"""How much longer four times as much may take: linear work takes 4 times as long, and quadratic work 16 times."""
ROUNDS = 6
HOPELESS_S = 3.0
"""Seconds above which no other run will look better."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How long work of two sizes took.

    Attributes:
        small, large: seconds of processor time for a size and for four times that size.
    """

    small: float
    large: float

    @property
    def ratio(self) -> float:
        return self.large / max(self.small, FLOOR_S / 4)

    @property
    def too_fast(self) -> bool:
        """Whether the work grows faster than its size."""
        return self.large > FLOOR_S and self.ratio > MOST

    def __str__(self) -> str:
        return f"{self.small * 1000:.1f} ms, and {self.large * 1000:.1f} ms for four times as much: {self.ratio:.1f}"


def measured[T](make: Callable[[int], T], work: Callable[[T], object], size: int) -> Growth:
    """Measure work on `make(size)` and on `make(4 * size)`.

    The shortest of several runs counts: whatever else the machine does can only make a run longer. Runs are repeated
    only where the first ones look bad.
    """
    small, large = make(size), make(4 * size)
    taken = Growth(_seconds(work, small), _seconds(work, large))
    for _ in range(ROUNDS - 1):
        if not taken.too_fast or taken.large > HOPELESS_S:
            break
        taken = Growth(min(taken.small, _seconds(work, small)), min(taken.large, _seconds(work, large)))
    return taken


def _seconds[T](work: Callable[[T], object], given: T) -> float:
    began = time.process_time()
    work(given)
    return time.process_time() - began
