"""Measures whether a piece of work takes more than linear time in the size of its input."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

FLOOR_S = 0.02
"""Seconds: work that takes less is not judged, because noise is as large."""
MOST = 9.0
"""The largest allowed ratio for four times the input. Linear work has a ratio of 4, quadratic work of 16."""
ROUNDS = 6
HOPELESS_S = 3.0
"""Seconds: a run that takes longer is not repeated."""


@dataclass(frozen=True, slots=True)
class Growth:
    """The time that work on inputs of two sizes took.

    Attributes:
        small, large: seconds of CPU time for an input, and for one of four times its size.
    """

    small: float
    large: float

    @property
    def ratio(self) -> float:
        return self.large / max(self.small, FLOOR_S / 4)

    @property
    def too_fast(self) -> bool:
        """Return whether the time grows faster than the input."""
        return self.large > FLOOR_S and self.ratio > MOST

    def __str__(self) -> str:
        return f"{self.small * 1000:.1f} ms, and {self.large * 1000:.1f} ms for four times as much: {self.ratio:.1f}"


def measured[T](make: Callable[[int], T], work: Callable[[T], object], size: int) -> Growth:
    """Measure work on `make(size)` and on `make(4 * size)`.

    The shortest of several runs counts, because other processes can only make a run longer. Runs are repeated only
    when the first ones look bad.
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
