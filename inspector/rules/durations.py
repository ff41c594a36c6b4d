"""Durations in words, for the messages of findings, and in whole nanoseconds."""

from __future__ import annotations

import math


def duration(seconds: float) -> str:
    """Return 0.055 ms, 12 ms, 3.21 s, 450 s or 86400 s: in seconds, as the specifications count, and never 1e5."""
    if 0 < seconds < 1e-6:
        return "less than 0.001 ms"
    if 0 < seconds < 0.0995:
        return f"{seconds * 1000:.2g} ms"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:.0f} s"


def nanoseconds(seconds: float) -> int:
    """Round up: a check that is called before its deadline would set the same deadline again, for ever."""
    return math.ceil(seconds * 1e9)
