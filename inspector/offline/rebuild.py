"""Derive charge points, transactions and meter samples again from the frames of a recording.

The recorder derives them with the same code, so the same frames give the same rows. Rows whose frames are in an earlier
file or were pruned are kept, for example the beginning of a transaction or the vendor of a charge point.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database

from inspector.recorder.derived_tables import DerivedTables
from inspector.records import OpenRecord
from inspector.rules.feed import Feed
from inspector.store.files.connection import open_recording
from inspector.store.reading.stored_records import reread
from inspector.store.writing import next_file
from inspector.store.writing.pending_rows import PendingRows

DERIVED = ("charge_points", "transactions", "meter_samples")
FLUSH_AT = 5000

_KEPT = "started_ns IS NOT NULL AND start_frame_id IS NULL"
"""The condition for a transaction whose beginning is not in any frame of this file."""
_UNSTOP = f"""UPDATE transactions SET stopped_ns = NULL, meter_stop_wh = NULL, stop_reason = NULL, stop_frame_id = NULL
  WHERE {_KEPT} AND stop_frame_id IS NOT NULL"""
_MERGE = """INSERT INTO charge_points SELECT * FROM _known
  WHERE charge_point_id IN (SELECT charge_point_id FROM sessions)
  ON CONFLICT (charge_point_id) DO UPDATE SET
  vendor = coalesce(vendor, excluded.vendor), model = coalesce(model, excluded.model),
  firmware = coalesce(firmware, excluded.firmware), serial = coalesce(serial, excluded.serial),
  first_seen_ns = min(first_seen_ns, excluded.first_seen_ns), last_seen_ns = max(last_seen_ns, excluded.last_seen_ns)"""


def rebuild(db: Database, path: Path, progress: Callable[[int], None]) -> dict[str, int]:
    """Replace the derived rows of a recording in one transaction, and return the number of rows by table.

    Args:
        db: the recording, opened for writing; readers see the old rows until the transaction ends.
        path: the path of the recording.
        progress: called with the number of frames read so far.

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
        _derive(source, tables, progress)
        tables.flush()
        (partial,) = run("SELECT EXISTS (SELECT 1 FROM events WHERE kind IN ('continued', 'pruned'))").fetchone()
        if partial:
            run(_MERGE)
        run("DROP TABLE _known")
        run("COMMIT")
    return {table: run(f"SELECT count(*) FROM {table}").fetchone()[0] for table in DERIVED}


def _derive(source: sqlite3.Connection, tables: PendingRows, progress: Callable[[int], None]) -> None:
    derivation = DerivedTables(tables)
    feed = Feed(judging=False)
    frames = 0
    for record, frame_id in reread(source):
        session, frame, _ = feed.take(record, frame_id)
        if session is None:
            continue
        charge_point_id = session.station.charge_point_id
        if isinstance(record, OpenRecord):
            derivation.note_charge_point(charge_point_id, record.ts_ns)
        elif frame is not None and "shadow" not in session.facts:
            derivation.derive(record.session_number, charge_point_id, session.protocol.version, frame)
            frames += 1
            if frames % FLUSH_AT == 0:
                tables.flush()
                progress(frames)
