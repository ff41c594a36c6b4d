"""A charge point: what it said about itself, its sessions, transactions and what it keeps breaking."""

from __future__ import annotations

import sqlite3

from inspector.browse.views.request import PAGE, Ask, NotThere, View
from inspector.browse.views.serialize import RULES, charge_point_row, session_row, transaction_row
from inspector.store import reader


def view(db: sqlite3.Connection, ask: Ask) -> View:
    """One charge point; `before` pages through its sessions."""
    name = ask.key
    found = reader.charge_points(db, name)
    if not found or not name:
        raise NotThere(f"There is no charge point {name!r} in this recording.")
    page = reader.sessions(db, charge_point_id=name, before=ask.number("before"), limit=PAGE + 1)
    more, page = len(page) > PAGE, page[:PAGE]
    severities = reader.severities(db, [one.id for one in page])
    traffic = reader.traffic(db, page)
    rules = [
        {
            "rule_id": rule_id,
            "severity": severity,
            "count": count,
            "title": RULES[rule_id].title if rule_id in RULES else None,
        }
        for rule_id, severity, count in reader.rules_broken(db, name)
    ]
    return {
        "charge_point": charge_point_row(found[0]),
        "sessions": [{**session_row(one, severities[one.id]), "traffic": traffic[one.id]} for one in page],
        "transactions": [transaction_row(one) for one in reader.transactions(db, charge_point_id=name, limit=PAGE)],
        "rules": rules,
        "next": page[-1].id if more else None,
    }
