"""Write frames as CSV for spreadsheets and notebooks, one per row, without other facts about their sessions."""

from __future__ import annotations

import base64
import csv
import sqlite3
from collections.abc import Iterator
from typing import Any

from inspector.formats.trace.spelling import timestamp
from inspector.records import INTERVENTION
from inspector.store.reading import interventions
from inspector.store.reading.paging import highest, paged
from inspector.store.reading.stored_records import of_sessions

COLUMNS = (
    *("session", "charge_point", "ocpp_version", "time", "direction", "type", "action", "message_id", "latency_us"),
    *("valid", "severity", "size", "forwarded", "redacted", "frame", "answers_frame", "ts_ns", "mono_ns"),
    *("raw", "raw_base64", "interventions", "made_by", "made_from_frame"),
)
_TYPES = {2: "CALL", 3: "CALLRESULT", 4: "CALLERROR", 5: "CALLRESULTERROR", 6: "SEND"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a cell that begins with one of these as a formula, and peers choose the text of some cells."""


class _Echo:
    """A file object whose `write` returns the text."""

    def write(self, text: str) -> str:
        return text


def write(connection: sqlite3.Connection, where: str) -> Iterator[bytes]:
    """Yield the lines of the file, the header first.

    A text that a spreadsheet would run as a formula gets an apostrophe in front. `raw_base64` has the exact bytes of
    a frame whose `raw` differs from them: binary, not UTF-8, or with such an apostrophe.
    """
    write_row = csv.writer(_Echo()).writerow
    yield _encoded(write_row(COLUMNS))
    of_session = connection.execute("SELECT id, charge_point_id, ocpp_version FROM sessions").fetchall()
    known = {session_id: (charge_point, version) for session_id, charge_point, version in of_session}
    sql = f"""SELECT id, session_id, ts_ns, direction, msg_type, action, message_id, latency_us, valid, max_severity,
        size, forwarded, redacted, call_id, mono_ns, raw
        FROM frames {of_sessions(connection, where)} AND frames.id BETWEEN :low AND :high ORDER BY frames.id"""
    edited: dict[int, bool] = {}
    for row in paged(connection, sql, high=highest(connection, "frames")):
        (frame_id, session_id, ts_ns, direction, kind, action, message_id, *facts) = tuple(row)
        latency, valid, severity, size, forwarded, redacted, call_id, mono_ns, raw = facts
        charge_point, version = known.get(session_id, (None, None))
        text, exact = ("", raw) if isinstance(raw, bytes) else (str(raw), b"")
        shown = _harmless(text)
        if shown != text:
            exact = text.encode()
        head = (session_id, _harmless(charge_point), version, timestamp(ts_ns, "9Z"), direction, _TYPES.get(kind, kind))
        judged = (_harmless(action), _harmless(message_id), latency, valid, severity, size, forwarded, redacted)
        ends = (frame_id, call_id, ts_ns, mono_ns, shown, base64.b64encode(exact).decode())
        yield _encoded(write_row((*head, *judged, *ends, *_interventions(connection, edited, session_id, frame_id))))


def _interventions(
    connection: sqlite3.Connection, edited: dict[int, bool], session_id: int, frame_id: int
) -> tuple[str, str | None, int | None]:
    """Return which interventions did what with a frame, which one made it, and the frame that it was made from."""
    if session_id not in edited:
        sql = "SELECT 1 FROM events WHERE session_id = ? AND kind = ? LIMIT 1"
        edited[session_id] = connection.execute(sql, (session_id, INTERVENTION)).fetchone() is not None
    notes = interventions.notes_of(connection, session_id, frame_id, frame_id) if edited[session_id] else {}
    its = notes.get(frame_id, {})
    did = [f"{one[0]}: {one[1]}" for one in its.get("interventions", ())]
    source = interventions.origin(connection, session_id, frame_id, its)
    return _harmless("; ".join(did)) or "", _harmless(its.get("made_by")), source


def _harmless(text: str | bytes | None) -> str | None:
    if isinstance(text, bytes):  # a message id may be stored as bytes in a crafted recording
        text = text.decode("utf-8", "replace")
    return f"'{text}" if text and text.startswith(_FORMULA) else text


def _encoded(line: Any) -> bytes:
    return str(line).encode()
