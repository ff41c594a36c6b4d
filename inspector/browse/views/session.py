"""The page of a session: its facts, its findings, its measurements over time, and its frames page by page."""

from __future__ import annotations

import sqlite3
from typing import Any

from inspector.browse.interventions import on_a_line
from inspector.browse.views import missing
from inspector.browse.views.charging import charging
from inspector.browse.views.commands import TITLES, lines
from inspector.browse.views.request import FRAMES_MOST, FRAMES_PAGE, Ask, NotThere, View
from inspector.browse.views.serialize import (
    RULES,
    SEVERITIES,
    event_row,
    finding_row,
    frame_row,
    offered,
    session_row,
    transaction_row,
)
from inspector.records import INTERVENTION
from inspector.store.reading import charging_rows, interventions, occurrences, reader
from inspector.store.reading.finding_counts import count

FINDINGS = 500
"""The most findings on the page, the worst first."""
TRANSACTIONS = 1_000
"""The most transactions on the page."""


def _session(db: sqlite3.Connection, ask: Ask) -> reader.Session:
    found = reader.session(db, ask.id)
    if found is None:
        raise NotThere(f"There is no session {ask.id} in this recording.")
    return found


def view(db: sqlite3.Connection, ask: Ask) -> View:
    """Return the facts of a session, its findings, its transactions and its actions."""
    one = _session(db, ask)
    found = reader.findings(db, session_id=one.id, limit=FINDINGS + 1)
    transactions = reader.transactions(db, session_id=one.id, limit=TRANSACTIONS + 1)
    return {
        "session": session_row(one, reader.severities(db, [one.id])[one.id]),
        "charge_point": _charge_point(db, one),
        "findings": [finding_row(finding) for finding in found[:FINDINGS]],
        "more_findings": len(found) > FINDINGS,
        "rules": _rules(db, one),
        "transactions": [transaction_row(each) for each in reversed(transactions[:TRANSACTIONS])],
        "more_transactions": len(transactions) > TRANSACTIONS,
        "actions": [{"action": action, "count": count} for action, count in reader.actions(db, one.id)],
        "lines": lines(db, ask.file, one),
    }


def _rules(db: sqlite3.Connection, one: reader.Session) -> list[dict[str, Any]]:
    """Return the rules that the session broke, the worst and most frequent first."""
    broken = count(db, "rule", "severity", sessions=[one.id])
    rows = [
        {"rule_id": rule, "severity": severity, "count": times, "title": RULES[rule].title if rule in RULES else None}
        for (rule, severity), times in broken.items()
    ]
    return sorted(rows, key=lambda row: SEVERITIES.index(row["severity"]))


def _charge_point(db: sqlite3.Connection, one: reader.Session) -> dict[str, Any]:
    found = reader.charge_points(db, one.charge_point_id) if one.charge_point_id else []
    if not found:
        return {}
    return {name: getattr(found[0], name) for name in ("vendor", "model", "firmware", "serial")}


def frames(db: sqlite3.Connection, ask: Ask) -> View:
    """Return a page of the ladder: frames with the events between them.

    Its place: after or before (a frame id), around (a frame id), at (milliseconds since 1970), or end; and a limit.
    Filters: action (several), direction, severity, rule (several), q.
    """
    one = _session(db, ask)
    limit = ask.number("limit", FRAMES_PAGE, FRAMES_MOST) or FRAMES_PAGE
    filters: dict[str, Any] = {
        "actions": ask.many("action"),
        "direction": ask.choice("direction", ("cp-to-csms", "csms-to-cp")),
        "severity": ask.choice("severity", (*SEVERITIES, "any")),
        "text": ask.text("q"),
        "within": occurrences.frames_breaking(db, one.id, rules) if (rules := ask.many("rule")) else None,
    }
    after, before, around = ask.number("after"), ask.number("before"), ask.number("around")
    if (at := ask.number("at")) is not None and abs(at) < 2**43:
        around = charging_rows.frame_at(db, one.id, at * 1_000_000)
    if around is not None:
        earlier = reader.frames(db, one.id, before=around, limit=limit // 4 + 1, **filters)
        later = reader.frames(db, one.id, after=max(around, 1) - 1, limit=limit + 1, **filters)
        more_before, more_after = len(earlier) > limit // 4, len(later) > limit
        page = earlier[1 if more_before else 0 :] + later[:limit]
    elif ask.text("end"):
        found = reader.frames(db, one.id, before=2**62, limit=limit + 1, **filters)
        more_before, more_after = len(found) > limit, False
        page = found[1 if more_before else 0 :]
    elif before is not None:
        found = reader.frames(db, one.id, before=before, limit=limit + 1, **filters)
        more_before, more_after = len(found) > limit, True
        page = found[1 if more_before else 0 :]
    else:
        found = reader.frames(db, one.id, after=after, limit=limit + 1, **filters)
        more_before, more_after = after is not None and after > 0, len(found) > limit
        page = found[:limit]
    if any(filters.values()) or (not page and (more_before or before is not None)):
        events = []
    else:
        # Each event must be on exactly one page: a page has the events between its first and its last frame, and those
        # up to the frame in `after` or `before`.
        first = after if after else page[0].id if page and more_before else None
        last = page[-1].id - (before is None) if page and more_after else None
        events = reader.events(db, one.id, first, last)
    silent: list[dict[str, Any]] = []
    if not (filters["actions"] or filters["direction"] or filters["text"]):
        since = after if after else page[0].id if page and more_before else None
        until = before if before is not None else page[-1].id if page and more_after else None
        silent = missing.among(db, one, page, (ask.many("rule"), filters["severity"]), since, until)
    return {
        "missing": silent,
        "frames": [frame_row(each, one.opened_ns) for each in page],
        "events": [_event(db, each) for each in events],
        "more_before": more_before,
        "more_after": more_after,
        "around": around,
        "frame_count": one.frame_count,
        "state": one.state,
    }


def _event(db: sqlite3.Connection, event: reader.Event) -> dict[str, Any]:
    row = event_row(event)
    if event.kind == INTERVENTION and isinstance(row["detail"], dict) and event.after_frame_id is not None:
        source = interventions.origin(db, event.session_id or 0, event.after_frame_id, row["detail"])
        came, sent = (reader.frames_of(db, [one]) if one else [] for one in (source, event.after_frame_id))
        if came and sent and came[0].msg_type == sent[0].msg_type and came[0].raw and sent[0].raw:
            row["summary"] += f" {on_a_line(came[0].raw, sent[0].raw)}"
    return row


def plot(db: sqlite3.Connection, ask: Ask) -> View:
    """Return power, energy, current, state of charge and limit over time, with transactions and status changes."""
    return charging(db, _session(db, ask))


def markup(view: View) -> dict[str, Any]:
    """Return the values for the template besides the JSON."""
    one = view["session"]
    said = offered(one["subprotocols_offered"])
    last = one["closed"] or one["last_seen"] or one["opened"]
    return {
        "line_titles": TITLES,
        "offered": said if said != one["subprotocol"] else "",
        "several_days": bool(one["opened"] and last and one["opened"][:10] != last[:10]),
        # The template reserves room for the plot, so that nothing moves when it appears.
        "plotted": _plotted({each["action"] for each in view["actions"]}, bool(view["transactions"])),
    }


def _plotted(actions: set[str], charged: bool) -> str:
    """Return the size of the plot: "full" with measurements, "low" with only statuses or transactions, "" for none."""
    if actions & {"MeterValues", "TransactionEvent"}:
        return "full"
    return "low" if charged or "StatusNotification" in actions else ""
