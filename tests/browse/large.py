"""Makes recordings large enough for the tests of speed, by copying the rows of a small one many times."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.browse import charging
from tests.browse.charging import Recording

COPIES = 500
"""Of four sessions each."""
LONG = 50_000
"""MeterValues of one long session besides, with an answer each."""

_COLUMNS = {
    "sessions": "charge_point_id ocpp_version subprotocol subprotocols_offered opened_ns closed_ns frame_count"
    " error_count last_seen_ns cp_close_code csms_close_code closed_by remote_addr request_path upstream_url"
    " recording_id",
    "frames": "session_id from_csms msg_type action valid max_severity latency_us call_id size forwarded"
    " redacted ts_ns mono_ns id_length raw",
    "findings": "severity rule_id message pointer spec_ref side count ts_ns frame_id last_frame_id session_id",
    "events": "session_id ts_ns after_frame_id kind detail",
    "transactions": "session_id charge_point_id transaction_id connector_id id_token started_ns stopped_ns"
    " meter_start_wh meter_stop_wh stop_reason start_frame_id stop_frame_id",
    "meter_samples": "transaction_id session_id frame_id ts_ns measurand phase location context value unit",
}
_POINTS_TO = {
    "session_id": "sessions",
    "call_id": "frames",
    "frame_id": "frames",
    "last_frame_id": "frames",
    "after_frame_id": "frames",
    "start_frame_id": "frames",
    "stop_frame_id": "frames",
}


def large(path: Path, copies: int = COPIES) -> Path:
    """Write a recording of 4 × `copies` sessions, 2,000 × `copies` frames, over some weeks, and one long session."""
    recording = Recording(path)
    charging.charge_well(recording, samples=960)
    charging.charge_badly(recording)
    charging.charge_201(recording)
    recording.wait(60)
    link = recording.connect("CP-GARAGE-02")
    link.boot()
    for status in ("Available", "Preparing", "Available"):
        link.status(status)
    link.close()
    recording.finish()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA synchronous = OFF")
        spans = {table: db.execute(f"SELECT max(id) FROM {table}").fetchone()[0] for table in _COLUMNS}
        (hours,) = db.execute("SELECT (max(ts_ns) - min(ts_ns)) FROM frames").fetchone()
        db.execute(
            "CREATE TEMP TABLE copy AS WITH RECURSIVE n(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM n"
            f" WHERE k < {copies - 1}) SELECT k FROM n"
        )
        for table, names in _COLUMNS.items():
            columns = names.split()
            shifted = [_shifted(table, name, spans, hours) for name in columns]
            db.execute(
                f"INSERT INTO {table} (id, {', '.join(columns)}) SELECT t.id + k * {spans[table]}, {', '.join(shifted)}"
                f" FROM copy CROSS JOIN {table} t ORDER BY k, t.id"
            )
        db.execute(
            "INSERT OR IGNORE INTO charge_points SELECT c.charge_point_id || '-' || (k % 100), vendor, model, firmware,"
            " serial, first_seen_ns, last_seen_ns FROM copy CROSS JOIN charge_points c"
        )
    db.close()
    recording = Recording(path)
    charging.charge_well(recording, "CP-LONG", samples=LONG, falls_at=LONG // 2)
    return recording.finish()


def _shifted(table: str, name: str, spans: dict[str, int], hours: int) -> str:
    if name in _POINTS_TO:
        return f"t.{name} + k * {spans[_POINTS_TO[name]]}"
    if name == "transaction_id" and table == "meter_samples":
        return f"t.{name} + k * {spans['transactions']}"
    if name.endswith("_ns") and name != "mono_ns":
        return f"t.{name} + k * {hours}"
    if name == "charge_point_id":
        return f"t.{name} || '-' || (k % 100)"
    return f"t.{name}"
