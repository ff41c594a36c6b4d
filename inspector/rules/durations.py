"""How long something takes: in words for a finding's message, and in whole nanoseconds; knows no rule."""

from __future__ import annotations

import math


def duration(seconds: float) -> str:
    """0.055 ms, 12 ms, 3.21 s, 450 s, 86400 s: seconds as the specifications count them, never an exponent."""
    if 0 < seconds < 1e-6:
        return "less than 0.001 ms"
    if 0 < seconds < 0.0995:
        return f"{seconds * 1000:.2g} ms"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:.0f} s"


def nanoseconds(seconds: float) -> int:
    """Never short of the span: a check that found itself called too early would set its deadline anew for ever."""
    return math.ceil(seconds * 1e9)
