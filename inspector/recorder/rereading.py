"""A recording read back as the records it was made from, to be judged again; makes no row and no finding."""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from inspector.protocol.vocabulary import Direction
from inspector.recorder import records
from inspector.recorder.records import CloseFacts, LinkFacts, Record
from inspector.store.carrying import CONTINUED
from inspector.store.opening import open_recording
from inspector.store.sealing import ROTATION

_HANDSHAKE = (
    *("charge_point_id", "request_path", "upstream_url", "subprotocol", "ocpp_version", "remote_addr", "auth_scheme"),
    *("tls_version", "tls_cipher", "tls_sni", "client_cert_subject", "upstream_tls_version"),
)
_CLOSE = ("cp_close_code", "cp_close_reason", "csms_close_code", "csms_close_reason", "closed_by")

type _Step = tuple[int, int, Record, int]
"""Sorted by time, then by rank, so that a session opens before and closes after what happens at the same time."""


def read(path: Path) -> Iterator[tuple[Record, int]]:
    """The records of a recording in the order they happened, with the id of a frame's row (0 for what is no frame).

    A record's link is the id of its session.

    Raises:
        UnusableFile: see `inspector.store.opening.open_recording`.
    """
    with closing(open_recording(path)) as connection:
        connection.row_factory = sqlite3.Row
        yield from reread(connection)


def reread(
    connection: sqlite3.Connection,
    recording_id: int | None = None,
    last_frames: int = 0,
    session_id: int | None = None,
) -> Iterator[tuple[Record, int]]:
    """The same from an open connection whose rows are `sqlite3.Row`.

    Args:
        connection: to the recording.
        recording_id: only this run of a recorder; None for all.
        last_frames: only so many of the latest frames, 0 for all; a session that began before them is given as
            one whose capture began in mid-session.
        session_id: only this session.
    """
    offsets = _offsets(connection)
    first = 0
    if last_frames:
        first = connection.execute("SELECT coalesce(max(id), 0) FROM frames").fetchone()[0] - last_frames + 1
    where = "1" if recording_id is None else f"recording_id = {int(recording_id)}"
    if session_id is not None:
        where += f" AND sessions.id = {int(session_id)}"
    streams = (
        _opened(connection, offsets, where, first),
        _frames(connection, where, first),
        _events(connection, offsets, where, first),
        _closed(connection, offsets, where),
    )
    for _, _, record, frame_id in heapq.merge(*streams, key=lambda step: step[:2]):
        yield record, frame_id


def _offsets(connection: sqlite3.Connection) -> dict[int | None, int]:
    """By recording, what to add to a wall-clock time for a monotonic one: exact for frames, which keep both.

    Each run of a recorder has its own: between two of them the machine may have been started anew.
    """
    sql = """SELECT recordings.id, (SELECT mono_ns - ts_ns FROM frames WHERE session_id =
        (SELECT min(sessions.id) FROM sessions WHERE recording_id = recordings.id AND frame_count > 0)
        ORDER BY frames.id LIMIT 1) FROM recordings ORDER BY recordings.id"""
    offsets = {row[0]: int(row[1]) for row in connection.execute(sql) if row[1] is not None}
    return {None: next(iter(offsets.values()), 0), **offsets}


def _opened(connection: sqlite3.Connection, offsets: dict[int | None, int], where: str, first: int) -> Iterator[_Step]:
    sql = f"""SELECT sessions.*, (SELECT min(id) FROM frames WHERE session_id = sessions.id) AS first_frame,
        (SELECT detail FROM events WHERE session_id = sessions.id AND kind = '{records.AUTHENTICATION}')
            AS authentication,
        EXISTS (SELECT 1 FROM events WHERE session_id = sessions.id AND kind = '{CONTINUED}') AS continued
        FROM sessions WHERE {where} ORDER BY opened_ns"""
    for row in connection.execute(sql):
        facts: dict[str, Any] = {name: row[name] for name in _HANDSHAKE if row[name] is not None}
        if row["subprotocols_offered"]:
            facts["subprotocols_offered"] = json.loads(row["subprotocols_offered"])
        facts |= json.loads(row["authentication"] or "{}")
        if row["continued"] or (row["first_frame"] is not None and row["first_frame"] < first):
            facts["from_start"] = False
        if row["recording_id"] is not None:
            facts["recording_id"] = row["recording_id"]
        at = row["opened_ns"]
        mono_ns = at + _offset(offsets, row["recording_id"])
        yield at, 0, records.opened(row["id"], at, mono_ns, cast(LinkFacts, facts)), 0


def _frames(connection: sqlite3.Connection, where: str, first: int) -> Iterator[_Step]:
    framing = {
        row["after_frame_id"]: json.loads(row["detail"])
        for row in connection.execute(
            "SELECT after_frame_id, detail FROM events WHERE kind = ? AND after_frame_id >= ?", (records.FRAMING, first)
        )
    }
    sql = f"""SELECT frames.id, session_id, ts_ns, mono_ns, direction, forwarded, raw, typeof(raw) = 'blob' AS is_blob
        FROM frames JOIN sessions ON sessions.id = session_id WHERE {where} AND frames.id >= {first}
        ORDER BY frames.id"""
    for row in connection.execute(sql):
        raw = bytes(row["raw"]) if row["is_blob"] else row["raw"].encode()
        notes: dict[str, Any] = dict(framing.get(row["id"], {}))
        opcode = records.BINARY if notes.pop("binary", False) else records.TEXT
        if not row["forwarded"]:
            notes["forwarded"] = False
        from_charge_point = row["direction"] == Direction.FROM_CHARGE_POINT.value
        stamps = (row["ts_ns"], row["mono_ns"])
        record = records.frame(row["session_id"], *stamps, from_charge_point, opcode, raw, notes or None)
        yield row["ts_ns"], 1, record, row["id"]


def _events(connection: sqlite3.Connection, offsets: dict[int | None, int], where: str, first: int) -> Iterator[_Step]:
    events = f"({where} OR session_id IS NULL)" if "sessions.id" not in where else where
    sql = f"""SELECT events.*, coalesce(
        recording_id, (SELECT max(id) FROM recordings WHERE started_ns <= events.ts_ns)) AS recording_id
        FROM events LEFT JOIN sessions ON sessions.id = session_id
        WHERE {events} AND coalesce(after_frame_id, {first}) >= {first}
        AND kind NOT IN ('{records.FRAMING}', '{records.AUTHENTICATION}')
        ORDER BY events.id"""
    for row in connection.execute(sql):
        at = row["ts_ns"]
        yield (
            at,
            2,
            records.event(
                row["session_id"] or 0,
                at,
                at + _offset(offsets, row["recording_id"]),
                row["kind"],
                json.loads(row["detail"]),
            ),
            0,
        )


def _closed(connection: sqlite3.Connection, offsets: dict[int | None, int], where: str) -> Iterator[_Step]:
    # One that goes on in the next file has not been closed.
    sql = f"""SELECT * FROM sessions WHERE closed_ns IS NOT NULL AND closed_by IS NOT '{ROTATION}' AND {where}
        ORDER BY closed_ns"""
    for row in connection.execute(sql):
        facts = cast(CloseFacts, {name: row[name] for name in _CLOSE})
        at = row["closed_ns"]
        yield at, 3, records.closed(row["id"], at, at + _offset(offsets, row["recording_id"]), facts), 0


def _offset(offsets: dict[int | None, int], recording_id: int | None) -> int:
    return offsets.get(recording_id, offsets[None])
