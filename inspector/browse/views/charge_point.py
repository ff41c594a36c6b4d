"""The page of a charge point: facts from its boot, sessions, transactions, and the rules that it breaks."""

from __future__ import annotations

import sqlite3

from inspector.browse.formatting import abnormal, iso
from inspector.browse.views.home import rows
from inspector.browse.views.request import PAGE, Ask, NotThere, View
from inspector.browse.views.serialize import RULES, charge_point_row, transaction_row
from inspector.store.reading import reader
from inspector.store.reading.finding_counts import count

SPANS = 500
"""The most sessions in the timeline."""
BOOTS = 200


def view(db: sqlite3.Connection, ask: Ask) -> View:
    """Return the content of the page; `before` is the session id below which the list of sessions begins."""
    name = ask.key
    found = reader.charge_points(db, name)
    if not found or not name:
        raise NotThere(f"There is no charge point {name!r} in this recording.")
    page = reader.sessions(db, charge_point_id=name, before=ask.number("before"), order="opened", limit=PAGE + 1)
    more, page = len(page) > PAGE, page[:PAGE]
    row = charge_point_row(found[0])
    broken = count(db, "rule", "severity", charge_point=name)
    rules = [
        {
            "rule_id": rule,
            "severity": severity,
            "count": times,
            "title": RULES[rule].title if rule in RULES else None,
        }
        for (rule, severity), times in list(broken.items())[:30]
    ]
    return {
        "charge_point": row,
        "sessions": rows(db, page, {name: row}),
        "timeline": timeline(db, name),
        "firmwares": firmwares(db, name),
        "transactions": [transaction_row(one) for one in reader.transactions(db, charge_point_id=name, limit=PAGE)],
        "rules": rules,
        "next": page[-1].id if more else None,
    }


def timeline(db: sqlite3.Connection, name: str) -> View:
    """Return the newest sessions of a charge point as spans of time, with the begin and end of the timeline."""
    found = reader.sessions(db, charge_point_id=name, order="opened", limit=SPANS)
    spans: list[View] = [
        {
            "id": one.id,
            "start_ms": one.opened_ns / 1e6,
            "end_ms": (one.closed_ns or one.last_seen_ns or one.opened_ns) / 1e6,
            "state": one.state,
            "abnormal": abnormal(one),
            "errors": one.error_count,
        }
        for one in found
        if iso(one.opened_ns)
    ]
    begin = min((span["start_ms"] for span in spans), default=0.0)
    end = max((span["end_ms"] for span in spans), default=0.0)
    return {
        "start_ms": begin,
        "end_ms": max(end, begin + 1),
        "first": iso(int(begin * 1e6)),
        "last": iso(int(end * 1e6)),
        "spans": spans,
    }


def firmwares(db: sqlite3.Connection, name: str) -> list[View]:
    """Return the changes of firmware among the newest boots, newest first."""
    boots = db.execute(
        """SELECT f.id, f.session_id, f.ts_ns,
          coalesce(f.payload ->> '$.firmwareVersion', f.payload ->> '$.chargingStation.firmwareVersion')
        FROM frames f WHERE f.action = 'BootNotification' AND f.msg_type = 2
          AND f.session_id IN (SELECT id FROM sessions WHERE charge_point_id = ?) ORDER BY f.id DESC LIMIT ?""",
        [name, BOOTS],
    ).fetchall()
    changes: list[View] = []
    for frame_id, session_id, ts_ns, firmware in reversed(boots):
        if firmware is not None and (not changes or changes[-1]["firmware"] != str(firmware)):
            at = {"frame_id": frame_id, "session_id": session_id, "since": iso(ts_ns)}
            changes.append({"firmware": str(firmware)[:60], **at})
    return changes[::-1]
