"""Times as OCPP writes them: RFC 3339, UTC, three fraction digits; knows no clock but the system's."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """Return the current time, such as `2026-01-31T08:15:02.125Z`."""
    return stamp(datetime.now(UTC))


def stamp(moment: datetime) -> str:
    """Write a datetime as OCPP does, taking one without an offset as UTC; OverflowError where UTC has none."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: object) -> datetime | None:
    """Read a timestamp, taking one without an offset as UTC; None when it is no date-time."""
    if not isinstance(text, str) or "T" not in text.upper():
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
