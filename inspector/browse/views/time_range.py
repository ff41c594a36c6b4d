"""The range of time of the dashboards, the spans into which charts divide it, and the marks of their axes."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime

from inspector.browse.formatting import iso
from inspector.browse.views.request import Ask, View
from inspector.store.reading.occurrences import absence_table
from inspector.units import UNTIMED_NS

SPANS = 48
_SECOND = 1_000_000_000
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
PRESETS = (("last hour", 3600), ("last 24 hours", 86_400), ("last 7 days", 7 * 86_400), ("last 30 days", 30 * 86_400))

_END = "coalesce(closed_ns, last_seen_ns, opened_ns)"
_WHOLE = f"""SELECT min(first), max(last) FROM (
  SELECT opened_ns AS first, {_END} AS last FROM sessions
  UNION ALL
  SELECT a.ts_ns, a.ts_ns FROM findings f JOIN {{absences}} a ON a.finding_id = f.id WHERE f.session_id IS NULL
) WHERE first NOT BETWEEN 0 AND {UNTIMED_NS}"""
_TABLES = f"""sessions AS (SELECT * FROM main.sessions WHERE opened_ns <= :until AND {_END} >= :since),
findings AS (SELECT * FROM main.findings WHERE session_id IN (SELECT id FROM sessions)
  OR (session_id IS NULL AND ts_ns BETWEEN :since AND :until)),
transactions AS (SELECT * FROM main.transactions WHERE session_id IN (SELECT id FROM sessions))"""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A range of time, in ns; `chosen` is whether it differs from the whole recording, from `first` to `last`."""

    since_ns: int
    until_ns: int
    first_ns: int
    last_ns: int
    chosen: bool

    @property
    def width_ns(self) -> int:
        """The length of one span, in ns."""
        return 1 + (self.until_ns - self.since_ns) // SPANS

    @property
    def values(self) -> dict[str, int]:
        """The parameters for queries about the range."""
        return {"since": self.since_ns, "until": self.until_ns, "width": self.width_ns}

    def query(self, sql: str) -> str:
        """Return a query limited to sessions that were open in the range, with their findings and transactions."""
        if not self.chosen:
            return sql
        return f"WITH {_TABLES},{sql.removeprefix('WITH')}" if sql.startswith("WITH") else f"WITH {_TABLES} {sql}"

    def as_view(self) -> View:
        """Return the range, the spans of charts and the ranges to choose from, for the content of a page."""
        offered = [
            {"name": name, "from": iso(self.last_ns - seconds * _SECOND), "until": iso(self.last_ns)}
            for name, seconds in PRESETS
            if seconds * _SECOND < self.last_ns - self.first_ns
        ]
        return {
            "from": iso(self.since_ns),
            "until": iso(self.until_ns),
            "first": iso(self.first_ns),
            "last": iso(self.last_ns),
            "chosen": self.chosen,
            "presets": offered,
        }


def time_range(db: sqlite3.Connection, ask: Ask) -> TimeRange | None:
    """Return the range in the parameters `from` and `until`; None if no session of the recording has a time."""
    first, last = db.execute(_WHOLE.format(absences=absence_table(db))).fetchone()
    if first is None:
        return None
    last = max(last, first + _SECOND)
    since, until = (nanoseconds(ask.text(name)) for name in ("from", "until"))
    chosen = since is not None or until is not None
    since, until = first if since is None else since, last if until is None else until
    if until - since < _SECOND // 100:
        until = since + _SECOND // 100
    return TimeRange(since, until, first, last, chosen)


def nanoseconds(text: str | None) -> int | None:
    """Return a time in ISO 8601 as ns since 1970; None if the text is not a time."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000) * 1_000_000 if 1970 < moment.year < 2200 else None


def time_marks(one: TimeRange, most: int = 7) -> list[View]:
    """Return the marks of a time axis, each with its place in percent and its label; a new day has its date."""
    long_s = (one.until_ns - one.since_ns) / _SECOND
    step = next((step for step in _STEPS_S if long_s / step <= most), 0) or -(-int(long_s) // (most * 86_400)) * 86_400
    marks: list[View] = []
    tick = -(-one.since_ns // (step * _SECOND)) * step * _SECOND
    shown = None
    while tick <= one.until_ns:
        text = iso(tick) or ""
        day, clock = text[:10], text[11:19] if step < 60 else text[11:16]
        label = day if step >= 86_400 or (shown not in (None, day) and clock == "00:00") else clock
        at = round(100 * (tick - one.since_ns) / (one.until_ns - one.since_ns), 2)
        marks.append({"at": at, "iso": text, "label": label})
        shown, tick = day, tick + step * _SECOND
    return marks


def top_of(value: int) -> tuple[int, list[int]]:
    """Return the end of a value axis that includes `value`, and the marks from there down to 0."""
    power = 1
    while True:
        for factor in (1, 2, 4, 5, 6, 8):
            if factor * power >= max(1, value):
                top = factor * power
                return top, [top, top // 2, 0] if top % 2 == 0 else [top, 0]
        power *= 10
