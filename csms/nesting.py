"""How deeply JSON may be nested: what is deeper is taken from nobody, as it could be neither shown nor sent again."""

from __future__ import annotations

from collections.abc import Iterable

# OCPP's own types need a tenth of it; orjson writes 254.
DEEPEST = 100


def too_deep(value: object) -> bool:
    """Tell whether more than `DEEPEST` lists and objects stand in one another."""
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
