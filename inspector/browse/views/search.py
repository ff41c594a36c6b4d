"""The search page: charge points, transactions, id tokens, rules, actions, and the text of frames."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from inspector.browse.views.request import Ask, View
from inspector.browse.views.serialize import RULES, charge_point_row, frame_row, transaction_row
from inspector.protocol.vocabulary import ACTIONS
from inspector.store.reading import reader
from inspector.store.reading.filter import Filter
from inspector.store.reading.finding_counts import count
from inspector.store.reading.search import Search

MOST = 20
"""The most results of each kind."""
FRAMES = 50
STRETCH = 10_000
"""How many frames are searched between two checks of the clock."""
BUDGET_S = 0.15
"""How long the text of frames is searched; a link on the page continues the search."""


def view(db: sqlite3.Connection, ask: Ask) -> View:
    """Return everything that matches `q`; `before` is the frame id below which the search in frames continues."""
    text = (ask.text("q") or "").strip()[:200]
    found: View = {"q": text, "charge_points": [], "transactions": [], "rules": [], "actions": [], "frames": []}
    found |= {"searched_from": None, "searched_to": None, "next": None}
    if not text:
        return found
    before = ask.number("before")
    if before is None:
        found["charge_points"] = [
            charge_point_row(one) for one in reader.charge_points(db, part=text) if one.charge_point_id
        ][:MOST]
        found["transactions"] = [transaction_row(one) for one in reader.transactions_like(db, text, MOST)]
        found["rules"] = _rules(db, text)
        found["actions"] = _actions(db, text)
    found |= _frames(db, text, before)
    return found


def _rules(db: sqlite3.Connection, text: str) -> list[dict[str, Any]]:
    wanted = text.lower()
    slugs = [slug for slug, rule in RULES.items() if wanted in slug or wanted in rule.title.lower()]
    broken = {rule: times for (rule,), times in count(db, "rule").items()}
    rows: list[View] = [{"rule_id": slug, "title": RULES[slug].title, "count": broken.get(slug, 0)} for slug in slugs]
    return sorted(rows, key=lambda row: -row["count"])[:MOST]


def _actions(db: sqlite3.Connection, text: str) -> list[dict[str, Any]]:
    names = {str(name) for actions in ACTIONS.values() for name in actions if text.lower() in str(name).lower()}
    rows: list[View] = [{"action": name, "frames": reader.frames_with(db, name)} for name in sorted(names)[:40]]
    return sorted((row for row in rows if row["frames"]), key=lambda row: -row["frames"])[:MOST]


def _frames(db: sqlite3.Connection, text: str, before: int | None) -> dict[str, Any]:
    """Return frames with the text, newest first, as far back as BUDGET_S allows."""
    newest = reader.last_frame_id(db)
    top = newest if before is None else min(newest, before - 1)
    rows: list[dict[str, Any]] = []
    sessions: dict[int, reader.Session | None] = {}
    until, begun = top, time.perf_counter()
    search = Search(db, Filter(text=text))
    while until > 0 and len(rows) < FRAMES and time.perf_counter() - begun < BUDGET_S:
        low = max(0, until - STRETCH)
        for one in search.frames(newest_first=True, limit=FRAMES - len(rows), after=low, before=until + 1):
            if one.session_id not in sessions:
                sessions[one.session_id] = reader.session(db, one.session_id)
            session = sessions[one.session_id]
            row = frame_row(one, session.opened_ns if session else one.ts_ns)
            name = session.charge_point_id if session else None
            rows.append({**row, "session_id": one.session_id, "charge_point_id": name})
        until = rows[-1]["id"] - 1 if len(rows) == FRAMES else low
    return {
        "frames": rows,
        "searched_from": until + 1 if top else None,
        "searched_to": top or None,
        "next": until + 1 if until > 0 else None,
    }
