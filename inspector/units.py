"""Parse sizes and durations as people write them, write counts, and define which times are not real."""

from __future__ import annotations

import re

UNTIMED_NS = 10**15
"""Times from 0 to this one (in January 1970) are not real: if an input has no times, they only number its frames."""

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|[kKMGT](?:i?B)?)")
_POWERS = {"B": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def size_bytes(text: str) -> int:
    """Return how many bytes "500MB" or "500M" (powers of 1000), "64MiB" (powers of 1024) or "20000B" mean.

    Raises:
        ValueError: the text is not a size.
    """
    if not (found := _SIZE.fullmatch(text.strip())):
        raise ValueError(text)
    unit = found[2]
    return int(float(found[1]) * (1024 if "i" in unit else 1000) ** _POWERS[unit[0].upper()])


def duration_s(text: str) -> float:
    """Return how many seconds "90s", "30m", "24h", "30d" or "2w" mean.

    Raises:
        ValueError: the text is not a duration.
    """
    if not (found := _AGE.fullmatch(text.strip())):
        raise ValueError(text)
    return float(found[1]) * _SECONDS[found[2]]


def quantity(number: int, noun: str, many: str = "") -> str:
    """Return a count with its noun: `1 frame`, `2,000 frames`. Pass `many` if the plural does not just add an s."""
    return f"{number:,} {noun if number == 1 else many or f'{noun}s'}"
