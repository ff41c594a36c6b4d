"""Export sessions of a recording in one of the formats: read the database, yield bytes."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence

from inspector.formats import csv_writer
from inspector.formats.har import writer as har_writer
from inspector.formats.pcap import writer as pcap_writer
from inspector.formats.stored import now, stored
from inspector.formats.trace import writer as trace_writer
from inspector.store.reading.stored_records import frames

STYLES = ("trace", "har", "csv", "raw", "pcapng")


def session_ids(connection: sqlite3.Connection) -> list[int]:
    """Return the ids of all sessions, in order."""
    return [row[0] for row in connection.execute("SELECT id FROM sessions ORDER BY id")]


def lines(connection: sqlite3.Connection, sessions: Sequence[int] | None, style: str) -> Iterator[bytes]:
    """Yield the file in pieces, about one per frame.

    Frames keep the order in which they were stored, except in HAR, which lists one session after the other.

    Args:
        connection: to a recording; its rows become `sqlite3.Row`.
        sessions: ids; None for all.
        style: one of STYLES.
    """
    connection.row_factory = sqlite3.Row
    # Put the integers into the SQL: as parameters they could exceed SQLite's limit.
    where = "1" if sessions is None else f"sessions.id IN ({', '.join(str(int(number)) for number in sessions)})"
    if style == "trace":
        yield from trace_writer.write(stored(connection, sessions), _labels(connection, where))
    elif style == "har":
        chosen = session_ids(connection) if sessions is None else sessions
        until = now(connection, sessions)
        yield from har_writer.write(stored(connection, [session], until) for session in chosen)
    elif style == "pcapng":
        yield from pcap_writer.write(stored(connection, sessions), connection)
    elif style == "csv":
        yield from csv_writer.write(connection, where)
    else:
        for record, _ in frames(connection, where):
            yield record.payload.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"


def _labels(connection: sqlite3.Connection, where: str) -> dict[int, str]:
    """Return labels by session id, which distinguish the sessions of charge points that have several."""
    names = dict(connection.execute(f"SELECT id, charge_point_id FROM sessions WHERE {where}").fetchall())
    several = Counter(names.values())
    return {session: str(session) for session, name in names.items() if several[name] > 1}
