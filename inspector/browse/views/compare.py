"""The page with two sessions side by side, aligned by meaning with the matchers of `replay`, and their differences."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from typing import Any

from inspector import records
from inspector.browse import formatting
from inspector.browse.interventions import in_words
from inspector.browse.summary import summarise
from inspector.browse.views.request import Ask, NotThere, View
from inspector.browse.views.serialize import session_row
from inspector.protocol.frame import Frame
from inspector.records import Record, SessionFacts
from inspector.replay.compare import compare_scripts
from inspector.replay.outcome import Outcome, Row
from inspector.replay.policy import MODES, SEMANTIC, Policy
from inspector.replay.script import NOT_PLAYED, Script, scripts
from inspector.store.reading import interventions, reader

FRAMES_LIMIT = 1_500
"""Only this many first frames of a session are compared, to answer quickly; the command `diff` compares all."""


def view(db: sqlite3.Connection, ask: Ask) -> View:
    """Return the comparison of the sessions `a` and `b` (a number or a charge point), or sessions to choose from.

    `match` is strict, semantic or shape. With `only=differences` equal steps are left out.
    """
    mode = ask.choice("match", MODES) or SEMANTIC
    first, second = _wanted(db, ask, "a"), _wanted(db, ask, "b")
    shown: View = {
        "a": session_row(first) if first else None,
        "b": session_row(second) if second else None,
        "match": mode,
        "modes": MODES,
        "only": ask.choice("only", ("differences",)),
        "choices": [session_row(one) for one in reader.sessions(db, order="opened", limit=100)],
        "worst": [] if first else [session_row(one) for one in _worst(db)],
        "suggestions": [session_row(one) for one in _good_ones(db, first)] if first and not second else [],
        "rows": None,
    }
    if first is None or second is None:
        return shown
    # Read everything first: the time limit for queries must not include the comparison.
    ids, other_ids = _ids(db, first), _ids(db, second)
    left, right = _script(db, first), _script(db, second)
    outcome = compare_scripts(left, right, Policy(mode))
    rows = [_row(row, ids, other_ids) for row in in_order(outcome)]
    return {
        **shown,
        "rows": [row for row in rows if row["differences"] or not shown["only"]],
        "steps": len(rows),
        "compared": FRAMES_LIMIT if max(first.frame_count, second.frame_count) > FRAMES_LIMIT else None,
        "equal": outcome.equal,
        "differences": sum(1 for row in rows if row["differences"]),
        "new_findings": _keys(outcome.regressions),
        "gone_findings": _keys(outcome.improvements),
    }


_NUMBERED = re.compile(r"#?(\d{1,19})(?:\s|$)")


def _good_ones(db: sqlite3.Connection, one: reader.Session, most: int = 3) -> list[reader.Session]:
    """Return the latest sessions without errors of the same version and make, those of the same charge point first."""
    where = """s.id <> ? AND s.error_count = 0 AND s.frame_count > 4 AND s.ocpp_version IS ? AND (
      s.charge_point_id = ? OR EXISTS (SELECT 1 FROM charge_points a
        JOIN charge_points b ON a.vendor = b.vendor AND a.model = b.model
      WHERE a.charge_point_id = ? AND b.charge_point_id = s.charge_point_id))"""
    values = [one.id, one.ocpp_version, one.charge_point_id, one.charge_point_id]
    found = reader.sessions_where(db, where, values, ("closed",), 20)
    found.sort(key=lambda each: (each.charge_point_id != one.charge_point_id, -each.opened_ns))
    return found[:most]


def _worst(db: sqlite3.Connection) -> list[reader.Session]:
    return reader.sessions(db, severity="error", order="errors", limit=8)


def _wanted(db: sqlite3.Connection, ask: Ask, name: str) -> reader.Session | None:
    """Return the session in a parameter: its number, as in "#15 CP-1", or a charge point with its latest session."""
    text = (ask.text(name) or "").strip()
    if not text:
        return None
    by_number = _NUMBERED.match(text)
    if by_number is None:
        named = reader.sessions(db, charge_point_id=text, order="opened", limit=1)
        named = named or reader.sessions(db, text=text, order="opened", limit=1)
        if not named:
            raise NotThere(f"No charge point of this recording has a name with {text!r}.")
        return named[0]
    number = int(by_number[1])
    found = reader.session(db, number) if number < 2**63 else None
    if found is None:
        raise NotThere(f"There is no session {number} in this recording.")
    return found


def _ids(db: sqlite3.Connection, one: reader.Session) -> list[int]:
    """Return the ids of the frames that peers sent; `scripts` leaves out those that interventions made."""
    rows = db.execute("SELECT id FROM frames WHERE session_id = ? ORDER BY id LIMIT ?", [one.id, FRAMES_LIMIT])
    notes = interventions.notes_of(db, one.id)
    return [number for (number,) in rows if NOT_PLAYED.isdisjoint(notes.get(number, ()))]


def _script(db: sqlite3.Connection, one: reader.Session) -> Script:
    """Return a session as a script for `replay`; facts of the handshake that the store lacks are not compared."""
    rows = db.execute(
        "SELECT ts_ns, mono_ns, direction, raw, id FROM frames WHERE session_id = ? ORDER BY id LIMIT ?",
        [one.id, FRAMES_LIMIT],
    ).fetchall()
    notes = interventions.notes_of(db, one.id)
    # The store keeps no monotonic time of the opening: derive it from the first frame.
    opened_mono_ns = rows[0][1] - max(0, rows[0][0] - one.opened_ns) if rows else 0
    facts: SessionFacts = {
        "charge_point_id": one.charge_point_id or "",
        "subprotocol": one.subprotocol,
        "ocpp_version": one.ocpp_version,
        "request_path": one.request_path or "",
    }
    made: list[Record] = [records.OpenRecord(1, one.opened_ns, opened_mono_ns, facts)]
    for ts_ns, mono_ns, direction, raw, number in rows:
        opcode = records.BINARY if isinstance(raw, bytes) else records.TEXT
        payload = raw if isinstance(raw, bytes) else raw.encode()
        frame = records.FrameRecord(1, ts_ns, mono_ns, direction == "cp-to-csms", opcode, payload, notes.get(number))
        made.append(frame)
    (script,) = scripts(one.charge_point_id or "", made)
    return script


def in_order(outcome: Outcome) -> list[Row]:
    """Return the rows in order; frames that only the second session has come after their predecessor in it."""
    rows = [row for row in outcome.rows if row.recorded is not None]
    for extra in (row for row in outcome.rows if row.recorded is None and row.live is not None):
        assert extra.live is not None
        earlier = [place for place, row in enumerate(rows) if row.live and row.live.frame_id < extra.live.frame_id]
        rows.insert(max(earlier, default=-1) + 1, extra)
    return rows


def _row(row: Row, ids: list[int], other_ids: list[int]) -> dict[str, Any]:
    return {
        "a": _side(row.recorded, ids),
        "b": _side(row.live, other_ids),
        "differences": [
            {
                "matcher": each.matcher,
                "pointer": each.pointer,
                "sentence": each.sentence,
                "said": "only B has this"
                if row.recorded is None
                else "only A has this"
                if row.live is None
                else said(each.sentence),
            }
            for each in row.differences
        ],
    }


def said(sentence: str) -> str:
    """Return a sentence about a replay and its recording as a sentence about the sessions A and B."""
    for pattern, words in _SAID:
        if found := pattern.fullmatch(sentence):
            return words.format(*found.groups())
    return sentence


_SAID = [
    (re.compile(pattern, re.DOTALL), words)
    for pattern, words in (
        (r"(.{1,200}?) came where (.{1,200}?) was recorded", "A has {1}, B has {0}"),
        (r"malformed in another way: (.+); recorded (.+)", "malformed in another way: A has {1}, B has {0}"),
        (r"(.{1,200}?) is missing; recorded (.+)", "{0}: A has {1}, B has nothing there"),
        (r"(.{1,200}?) is (.+); nothing was recorded there", "{0}: A has nothing there, B has {1}"),
        (r"(.{1,200}?) has (\d+) elements, recorded (\d+)", "{0}: A has {2} elements, B has {1}"),
        (r"(.{1,200}?) lacks (.+)", "{0}: only A has {1}"),
        (r"(.{1,200}?) has (.+), which was not recorded", "{0}: only B has {1}"),
        (r"(.{1,200}?) is (.+?); in this run it is (.+)", "{0}: A has {2}, B has {1}"),
        (r"(.{1,200}?) is (.+); recorded (.+)", "{0}: A has {2}, B has {1}"),
        (r"(.{1,200}?) is (.+), recorded (.+)", "{0}: A has {2}, B has {1}"),
    )
]


def _side(frame: Frame | None, ids: list[int]) -> dict[str, Any] | None:
    if frame is None:
        return None
    number = {"Call": 2, "CallResult": 3, "CallError": 4, "CallResultError": 5, "Send": 6}.get(
        type(frame.message).__name__
    )
    raw = frame.raw if frame.binary else frame.raw.decode("utf-8", "replace")
    return {
        "id": ids[frame.frame_id - 1],
        "direction": frame.direction.value,
        "type": formatting.message_type(number),
        "msg_type": number,
        "action": frame.action,
        "summary": summarise(raw, number, frame.action),
        "latency_us": None if frame.latency_ns is None else frame.latency_ns // 1000,
        "intervention": in_words(frame.notes or {}) or None,
    }


def _keys(found: Counter[Any]) -> list[dict[str, Any]]:
    return [{"rule_id": rule, "side": side.value, "count": count} for (rule, side), count in found.items()]
