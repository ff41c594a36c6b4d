"""The limit for nested JSON. The CSMS refuses deeper JSON, because it could not write it again."""

from __future__ import annotations

from collections.abc import Iterable

# OCPP's own types need a tenth of these levels; orjson can write 254.
DEEPEST = 100


def too_deep(value: object) -> bool:
    """Return whether a value is nested in more than `DEEPEST` levels of lists and objects."""
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return any(isinstance(inner, dict | list) for inner in level)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
