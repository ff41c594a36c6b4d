"""The page of a frame: its text, the CALL or answer that belongs to it, its findings and how to fix them."""

from __future__ import annotations

import base64
import sqlite3
from collections import defaultdict
from dataclasses import asdict
from typing import Any

from markupsafe import Markup

from inspector.browse import formatting
from inspector.browse.interventions import in_words, marked
from inspector.browse.readable import Mark, hexadecimal, readable
from inspector.browse.remedy import remedy
from inspector.browse.views.commands import TITLES, frame_lines
from inspector.browse.views.request import Ask, NotThere, View
from inspector.browse.views.serialize import finding_row, frame_row
from inspector.store.reading import interventions, reader
from inspector.store.reading.occurrences import findings_on, place_of


def view(db: sqlite3.Connection, ask: Ask) -> View:
    """Return the content of the page: text, CALL or answer, neighbours, findings with remedy and specification."""
    one = reader.frame(db, ask.id)
    session = reader.session(db, one.session_id) if one is not None else None
    if one is None or session is None:
        raise NotThere(f"There is no frame {ask.id} in this recording.")
    found = findings_on(db, one.id)
    pair_id = one.answer_id if one.msg_type == 2 else one.call_id
    pair = reader.frame(db, pair_id) if pair_id is not None else None
    before, after = reader.neighbours(db, one)
    return {
        "frame": {**frame_row(one, session.opened_ns), **_text(one)},
        "session": {
            "id": session.id,
            "charge_point_id": session.charge_point_id,
            "ocpp_version": session.ocpp_version,
            "opened": formatting.iso(session.opened_ns),
        },
        "pair": None if pair is None else {**frame_row(pair, session.opened_ns), **_text(pair)},
        "findings": [_finding(db, finding, one, session.ocpp_version) for finding in found],
        "intervention": _intervention(db, one),
        "before": before,
        "after": after,
        "lines": frame_lines(db, ask.file, session, one),
    }


def _intervention(db: sqlite3.Connection, one: reader.Frame) -> dict[str, Any] | None:
    """Return what interventions did with the frame, and the frames that came or were sent instead."""
    notes, source, made = interventions.related(db, one.session_id, one.id)
    if not notes:
        return None
    others = [found for number in [*([source] if source else []), *made] if (found := reader.frame(db, number))]
    return {
        "summary": in_words(notes),
        "others": [
            {
                "id": other.id,
                "came": other.id == source,
                "direction": other.direction,
                "summary": in_words(interventions.notes_of(db, one.session_id, other.id, other.id).get(other.id, {})),
                **_text(other),
            }
            for other in others
        ],
    }


def _finding(db: sqlite3.Connection, finding: reader.Finding, one: reader.Frame, version: str | None) -> dict[str, Any]:
    """Return a finding with the facts about this frame: the number of the occurrence, and the change that fixes it."""
    first = finding.frame_id is None or finding.frame_id == one.id
    change = remedy(finding.rule_id, finding.pointer, finding.message, version, one.action, one.raw, first=first)
    place = place_of(db, finding.id, one.id)
    return {
        **finding_row(finding),
        "here": None if change is None else asdict(change),
        # The stored message belongs to the first frame of the finding.
        "message_here": (change.message if change else None) if not first else finding.message,
        "occurrence": asdict(place),
    }


def markup(view: View) -> dict[str, Any]:
    """Return values for the template besides the JSON: the indented frames, with marks at faulty places."""
    marks: dict[str, list[Mark]] = defaultdict(list)
    for finding in view["findings"]:
        if finding["pointer"] is not None:
            marks[finding["pointer"]].append(Mark(finding["severity"], finding["message"]))
    pair = view["pair"]
    others = (view["intervention"] or {"others": []})["others"]
    return {
        "marked": [_marked(view["frame"], other) for other in others],
        "readable": readable(_raw(view["frame"]), marks),
        "readable_pair": None if pair is None else readable(_raw(pair)),
        "bytes": hexadecimal(_bytes(view["frame"])),
        "line_titles": TITLES,
    }


def _marked(frame: dict[str, Any], other: dict[str, Any]) -> Markup:
    """Return a frame and the frame that it was made from, or that was made from it, with the differences marked."""
    if other["direction"] != frame["direction"]:
        return readable(_raw(other))
    came, sent = (other, frame) if other["came"] else (frame, other)
    return marked(_raw(came), _raw(sent))


def _text(one: reader.Frame) -> dict[str, Any]:
    if isinstance(one.raw, bytes):
        return {"raw": None, "raw_base64": base64.b64encode(one.raw).decode()}
    return {"raw": one.raw, "raw_base64": None}


def _bytes(row: dict[str, Any]) -> bytes:
    raw = _raw(row)
    return raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass")


def _raw(row: dict[str, Any]) -> str | bytes:
    return base64.b64decode(row["raw_base64"]) if row["raw_base64"] is not None else row["raw"]
