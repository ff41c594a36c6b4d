"""Fill templates such as {now} into values that interventions send."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_TEMPLATE = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True, slots=True)
class Facts:
    """What templates stand for.

    Attributes:
        ts_ns: The time of the frame, in nanoseconds since 1970: {now}.
        charge_point_id: {charge_point}.
        message_id: The id of the frame's message: {message_id}.
        count: How often the rule has been applied at this charge point: {count}.
    """

    ts_ns: int
    charge_point_id: str
    message_id: str
    count: int

    def as_texts(self) -> dict[str, str]:
        """Return what each template stands for."""
        now = datetime.fromtimestamp(self.ts_ns // 1_000_000 / 1000, UTC)
        return {
            "now": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "charge_point": self.charge_point_id,
            "message_id": self.message_id,
            "count": str(self.count),
        }


KNOWN = ("charge_point", "count", "message_id", "now")


def unknown_in(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the first unknown template of a text with all known ones, None if it has none."""
    for name in _TEMPLATE.findall(text):
        if name not in KNOWN:
            return name, KNOWN
    return None


def filled(value: Any, facts: Facts) -> Any:
    """Return a JSON value with the templates in its strings filled in."""
    texts = facts.as_texts()

    def fill(one: Any) -> Any:
        if isinstance(one, str):
            return _TEMPLATE.sub(lambda found: texts.get(found[1], found[0]), one)
        if isinstance(one, dict):
            return {name: fill(member) for name, member in one.items()}
        return [fill(item) for item in one] if isinstance(one, list) else one

    return fill(value)
