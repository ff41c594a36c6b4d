"""Write durations for the messages of findings, and convert them to nanoseconds."""

from __future__ import annotations

import math

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment


def duration(seconds: float) -> str:
    """Return a duration as text: 0.055 ms, 12 ms, 3.21 s, 450 s, 86400 s.

    Long durations are in seconds, because the specifications use seconds. There is never an exponent as in 1e5.
    """
    if 0 < seconds < 1e-6:
        return "less than 0.001 ms"
    if 0 < seconds < 0.0995:
        return f"{seconds * 1000:.2g} ms"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:.0f} s"


def since(frame: Frame, moment: Moment) -> str:
    """Return as text how long after a frame a moment was: how long a message that it promised has been missing."""
    return duration((moment.mono_ns - frame.mono_ns) / 1e9)


def nanoseconds(seconds: float) -> int:
    """Return a duration in nanoseconds, rounded up.

    If it were rounded down, a check could be called before its deadline and would set the same deadline for ever.
    """
    return math.ceil(seconds * 1e9)
