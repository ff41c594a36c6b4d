"""Timestamps in the form of OCPP: RFC 3339, UTC, three fraction digits."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """Return the current time, such as `2026-01-31T08:15:02.125Z`."""
    return stamp(datetime.now(UTC))


def stamp(moment: datetime) -> str:
    """Format a datetime; without an offset it counts as UTC. Raises OverflowError outside the years 1 to 9999."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: object) -> datetime | None:
    """Parse a timestamp; without an offset it counts as UTC. Return None if `text` is not a timestamp."""
    if not isinstance(text, str) or "T" not in text.upper():
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
