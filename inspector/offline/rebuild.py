"""Derives charge points, transactions and meter samples again from the frames of a recording; judges nothing.

The same code derives them live, and gets the same rows from the same frames. What frames of this file cannot tell is
kept: the beginning of a transaction, or a charge point's name, from an earlier file or from before it was pruned.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from inspector.protocol.correlation import Correlation
from inspector.protocol.session import Session
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.recorder.derived_tables import DerivedTables
from inspector.records import BINARY, EVENT, FRAME, OPEN, is_gap
from inspector.store import next_file
from inspector.store.connection import open_recording
from inspector.store.pending_rows import PendingRows
from inspector.store.stored_records import reread

DERIVED = ("charge_points", "transactions", "meter_samples")
FLUSH_AT = 5000

_KEPT = "started_ns IS NOT NULL AND start_frame_id IS NULL"
"""A transaction whose beginning is in no frame of this file."""
_UNSTOP = f"""UPDATE transactions SET stopped_ns = NULL, meter_stop_wh = NULL, stop_reason = NULL, stop_frame_id = NULL
  WHERE {_KEPT} AND stop_frame_id IS NOT NULL"""
_MERGE = """INSERT INTO charge_points SELECT * FROM _known
  WHERE charge_point_id IN (SELECT charge_point_id FROM sessions)
  ON CONFLICT (charge_point_id) DO UPDATE SET
  vendor = coalesce(vendor, excluded.vendor), model = coalesce(model, excluded.model),
  firmware = coalesce(firmware, excluded.firmware), serial = coalesce(serial, excluded.serial),
  first_seen_ns = min(first_seen_ns, excluded.first_seen_ns), last_seen_ns = max(last_seen_ns, excluded.last_seen_ns)"""


def rebuild(db: Database, path: Path, tell: Callable[[int], None]) -> dict[str, int]:
    """Replace the derived rows of a recording, all at once; returns how many there are by table.

    Args:
        db: opened for change; readers see the old rows until all are there.
        path: the same file.
        tell: is told how many frames have been read.

    Raises:
        sqlite3.Error: nothing was changed.
    """
    connection: sqlite3.Connection = db.conn
    run = connection.execute
    with closing(open_recording(path)) as source:
        source.row_factory = sqlite3.Row
        run("BEGIN IMMEDIATE")
        run("CREATE TEMP TABLE _known AS SELECT * FROM charge_points")
        run("DELETE FROM meter_samples")
        run(f"DELETE FROM transactions WHERE NOT ({_KEPT})")
        run(_UNSTOP)
        run("DELETE FROM charge_points")
        tables = PendingRows(db)
        _, origin = next_file.origin(connection)
        tables.begin_at("transactions", origin.get("first", {}).get("transactions", 1))
        _derive(source, tables, tell)
        tables.flush()
        (partial,) = run("SELECT EXISTS (SELECT 1 FROM events WHERE kind IN ('continued', 'pruned'))").fetchone()
        if partial:
            run(_MERGE)
        run("DROP TABLE _known")
        run("COMMIT")
    return {table: run(f"SELECT count(*) FROM {table}").fetchone()[0] for table in DERIVED}


def _derive(source: sqlite3.Connection, tables: PendingRows, tell: Callable[[int], None]) -> None:
    derivation = DerivedTables(tables)
    sessions: dict[int, tuple[str, Session]] = {}
    frames = 0
    for record, frame_id in reread(source):
        kind, number, ts_ns, mono_ns = record[:4]
        if kind == OPEN:
            charge_point_id = record[4].get("charge_point_id") or ""
            sessions[number] = charge_point_id, _session(record[4])
            derivation.seen(charge_point_id, ts_ns)
        elif number not in sessions:
            continue
        elif kind == FRAME:
            charge_point_id, session = sessions[number]
            direction = Direction.FROM_CHARGE_POINT if record[4] else Direction.FROM_CSMS
            frame = session.frame(frame_id, ts_ns, mono_ns, direction, record[6], record[5] == BINARY, record[7])
            derivation.frame(number, charge_point_id, session.version, frame)
            frames += 1
            if frames % FLUSH_AT == 0:
                tables.flush()
                tell(frames)
        elif kind == EVENT and is_gap(record):
            sessions[number][1].correlation = Correlation()  # as the recorder did


def _session(facts: dict[str, Any]) -> Session:
    known = facts.get("ocpp_version")
    # One that agreed on no subprotocol was told by its first CALL that could, which may be in the file before.
    told = facts.get("subprotocol") or not facts.get("from_start", True)
    return Session(facts.get("subprotocol"), OcppVersion(known) if known and told else None)
