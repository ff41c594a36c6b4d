"""Fill templates such as {now} into values that interventions send."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

_TEMPLATE = re.compile(r"\{(\w*)(?:([+-])(\d{1,9})(ms|s|m|h|d))?\}")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


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
        return {
            "now": self.time(),
            "charge_point": self.charge_point_id,
            "message_id": self.message_id,
            "count": str(self.count),
        }

    def time(self, sign: str = "+", amount: int = 0, unit: str = "s") -> str:
        """Return the time of the frame, or another time before or after it: {now+1h}."""
        now = datetime.fromtimestamp(self.ts_ns // 1_000_000 / 1000, UTC)
        shift = timedelta(**{_UNITS[unit]: amount})
        try:
            now = now + shift if sign == "+" else now - shift
        except OverflowError:  # beyond the years 1 to 9999
            now = datetime.max.replace(tzinfo=UTC) if sign == "+" else datetime.min.replace(tzinfo=UTC)
        return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


KNOWN = ("charge_point", "count", "message_id", "now")


def unknown_in(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the first unknown template of a text with all known ones, None if it has none."""
    for name, sign, *_ in _TEMPLATE.findall(text):
        if name not in KNOWN or (sign and name != "now"):
            return name, KNOWN
    return None


def filled(value: Any, facts: Facts) -> Any:
    """Return a JSON value with the templates in its strings filled in."""
    texts = facts.as_texts()

    def replaced(found: re.Match[str]) -> str:
        name, sign, amount, unit = found.groups()
        if sign:
            return facts.time(sign, int(amount), unit) if name == "now" else found[0]
        return texts.get(name, found[0])

    def fill(one: Any) -> Any:
        if isinstance(one, str):
            return _TEMPLATE.sub(replaced, one)
        if isinstance(one, dict):
            return {name: fill(member) for name, member in one.items()}
        return [fill(item) for item in one] if isinstance(one, list) else one

    return fill(value)
