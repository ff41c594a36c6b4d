"""Sessions of a recording in the formats it can leave in; reads the database, writes lines."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator

from inspector.formats import trace_writing
from inspector.recorder.records import FRAME
from inspector.recorder.rereading import reread


def session_ids(connection: sqlite3.Connection) -> list[int]:
    """The ids of all sessions, in order."""
    return [row[0] for row in connection.execute("SELECT id FROM sessions ORDER BY id")]


def lines(connection: sqlite3.Connection, sessions: list[int], style: str) -> Iterator[bytes]:
    """The lines of these sessions, one session after the other, each line with its newline.

    Args:
        connection: to a recording; its rows become `sqlite3.Row`.
        sessions: ids.
        style: "trace" or "raw".
    """
    connection.row_factory = sqlite3.Row
    marks = ", ".join("?" * len(sessions))
    names = {
        row["id"]: row["charge_point_id"]
        for row in connection.execute(f"SELECT id, charge_point_id FROM sessions WHERE id IN ({marks})", sessions)
    }
    several = Counter(names.values())
    for session in sessions:
        steps = (record for record, _ in reread(connection, session_id=session))
        if style == "trace":
            yield from trace_writing.write(steps, str(session) if several[names[session]] > 1 else "")
        else:
            for record in steps:
                if record[0] == FRAME:
                    yield record[6].replace(b"\n", b" ") + b"\n"
