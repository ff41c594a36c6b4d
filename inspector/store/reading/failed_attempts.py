"""Count the failed attempts to connect in a recording, from its events. Reads only."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable

from inspector.rules.topics.attempts import what_failed

MOST = 100_000
"""At most this many of the newest events are read: there may be a failed attempt every second for weeks."""


def failed_attempts(
    db: sqlite3.Connection,
    fits: Callable[[str], bool] = lambda charge_point_id: True,
    since_ns: int = 0,
    until_ns: int = 2**63 - 1,
) -> Counter[str]:
    """Count failed attempts by charge point and outcome.

    Args:
        db: a recording.
        fits: gets the id of a charge point, or "" if it is not known; returns whether to count its attempts.
        since_ns, until_ns: count only attempts between these times.
    """
    rows = db.execute(
        """SELECT kind, detail FROM events WHERE session_id IS NULL AND kind IN ('rejected-upgrade', 'unreachable')
        AND ts_ns >= ? AND ts_ns < ? ORDER BY id DESC LIMIT ?""",
        (since_ns, until_ns, MOST),
    )
    found: Counter[str] = Counter()
    for kind, text in rows:
        try:
            detail = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(detail, dict) and fits(name := str(detail.get("charge_point_id") or "")):
            found[f"{name or '?'}: {what_failed(kind, detail)}"] += 1
    return found


def how_many(db: sqlite3.Connection) -> int:
    """Count the failed attempts of a recording, without reading their details."""
    (found,) = db.execute(
        "SELECT count(*) FROM events WHERE session_id IS NULL AND kind IN ('rejected-upgrade', 'unreachable')"
    ).fetchone()
    return int(found)


def in_words(failed: Counter[str], shown: int = 3) -> str:
    """Return the number of attempts and the most common outcomes as text: `2 failed connection attempts (…)`."""
    total = failed.total()
    outcomes = "; ".join(f"{what} ×{times}" if times > 1 else what for what, times in failed.most_common(shown))
    more = f"; {len(failed) - shown} other kinds" if len(failed) > shown else ""
    return f"{total:,} failed connection attempt{'s' if total != 1 else ''} ({outcomes}{more})"
