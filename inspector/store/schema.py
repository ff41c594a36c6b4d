"""The tables of a recording, as migrations that bring any older file up to date.

Datasette shows columns in the order of their definition. Virtual generated columns take no room on disk, but SQLite
computes them for every inserted row; the column `id_length` lets it cut out most payloads without parsing the frame.
`sqlite-utils` stores the list of applied migrations. Never use its `Table.transform` on these tables: it silently drops
generated columns.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sqlite_utils import Database, Migrations

from inspector.errors import UnusableFile
from inspector.store.files.connection import (
    APPLICATION_ID,
    DEFAULT_MODE,
    MIGRATION_SET,
    RECOVER,
    distrust,
    refuse_cut_off,
    refuse_foreign,
    refuse_special,
    refuse_triggers,
)
from inspector.store.files.open_files import set_aside_leftovers
from inspector.store.files.wal_watch import LARGE
from inspector.store.later_steps import ABSENCES, INTERVENTIONS, OCCURRENCES, SHADOWS
from inspector.units import UNTIMED_NS

PAGE_SIZE = 8192
"""In bytes. Frames of some 300 bytes waste half as much space as in pages of 4,096 bytes."""

migrations = Migrations(MIGRATION_SET)
"""The name of every step must be in `connection.KNOWN_STEPS` too."""

_TIME = "strftime('%Y-%m-%dT%H:%M:%f', {0} / 1000000 / 1000.0, 'unixepoch') || 'Z'"

_TABLES = f"""
CREATE TABLE recordings (
  id INTEGER PRIMARY KEY,
  started_ns INTEGER NOT NULL,
  stopped_ns INTEGER,
  tool_version TEXT NOT NULL,
  listen TEXT,
  upstream TEXT,
  config TEXT,
  clean_close INTEGER
) STRICT;

CREATE TABLE sessions (
  id INTEGER PRIMARY KEY,
  charge_point_id TEXT,
  label TEXT AS (coalesce(charge_point_id, '?') || ' · ' || coalesce(ocpp_version, '?') || ' · ' ||
    strftime('%Y-%m-%d %H:%M:%S', opened_ns / 1000000000, 'unixepoch')) VIRTUAL,
  ocpp_version TEXT,
  subprotocol TEXT,
  subprotocols_offered TEXT,
  opened TEXT AS ({_TIME.format("opened_ns")}) VIRTUAL,
  opened_ns INTEGER NOT NULL,
  closed_ns INTEGER,
  frame_count INTEGER NOT NULL DEFAULT 0,
  error_count INTEGER NOT NULL DEFAULT 0,
  last_seen_ns INTEGER,
  cp_close_code INTEGER,
  cp_close_reason TEXT,
  csms_close_code INTEGER,
  csms_close_reason TEXT,
  closed_by TEXT,
  remote_addr TEXT,
  request_path TEXT,
  upstream_url TEXT,
  auth_scheme TEXT,
  tls_version TEXT,
  tls_cipher TEXT,
  tls_sni TEXT,
  client_cert_subject TEXT,
  upstream_tls_version TEXT,
  recording_id INTEGER NOT NULL REFERENCES recordings(id)
) STRICT;
CREATE INDEX sessions_charge_point ON sessions(charge_point_id);
CREATE INDEX sessions_recording ON sessions(recording_id);

CREATE TABLE frames (
  id INTEGER PRIMARY KEY,
  session_id INTEGER NOT NULL REFERENCES sessions(id),
  ts TEXT AS ({_TIME.format("ts_ns")}) VIRTUAL,
  direction TEXT AS (CASE from_csms WHEN 0 THEN 'cp-to-csms' ELSE 'csms-to-cp' END) VIRTUAL,
  msg_type INTEGER,
  action TEXT,
  valid INTEGER,
  max_severity TEXT,
  latency_us INTEGER,
  payload TEXT AS (CASE
    WHEN id_length IS NULL THEN CASE
    WHEN typeof(raw) <> 'text' OR NOT json_valid(raw) THEN NULL
    WHEN msg_type IN (2, 6) THEN raw -> '$[3]'
    WHEN msg_type = 3 THEN raw -> '$[2]'
    WHEN msg_type IN (4, 5) THEN json_object(
      'errorCode', raw ->> '$[2]', 'errorDescription', raw ->> '$[3]', 'errorDetails', json(raw -> '$[4]'))
    END
    WHEN msg_type = 3 THEN substr(raw, id_length + 7, length(raw) - id_length - 7)
    ELSE substr(raw, id_length + length(action) + 10, length(raw) - id_length - length(action) - 10)
    END) VIRTUAL,
  message_id TEXT AS (CASE
    WHEN id_length IS NOT NULL THEN substr(raw, 5, id_length)
    WHEN typeof(raw) <> 'text' THEN NULL
    WHEN NOT json_valid(raw) THEN CASE WHEN raw LIKE '[_,"%"%' THEN substr(raw, 5, instr(substr(raw, 5, 255), '"') - 1)
      END
    WHEN json_type(raw, '$[1]') IN ('text', 'integer', 'real') THEN substr(CAST(raw ->> '$[1]' AS TEXT), 1, 255)
    END) VIRTUAL,
  call_id INTEGER REFERENCES frames(id),
  from_csms INTEGER NOT NULL,
  size INTEGER NOT NULL,
  forwarded INTEGER NOT NULL DEFAULT 1,
  redacted INTEGER NOT NULL DEFAULT 0,
  ts_ns INTEGER NOT NULL,
  mono_ns INTEGER NOT NULL,
  id_length INTEGER,
  raw ANY NOT NULL
) STRICT;
CREATE INDEX frames_session ON frames(session_id);
CREATE INDEX frames_action ON frames(action);
CREATE INDEX frames_ts_ns ON frames(ts_ns);
CREATE INDEX frames_invalid ON frames(session_id) WHERE valid = 0;
CREATE INDEX frames_severity ON frames(max_severity) WHERE max_severity IS NOT NULL;
CREATE INDEX frames_call ON frames(call_id) WHERE call_id IS NOT NULL;

CREATE TABLE findings (
  id INTEGER PRIMARY KEY,
  severity TEXT NOT NULL,
  rule_id TEXT NOT NULL,
  message TEXT NOT NULL,
  pointer TEXT,
  spec_ref TEXT,
  side TEXT NOT NULL,
  count INTEGER NOT NULL DEFAULT 1,
  ts_ns INTEGER NOT NULL,
  frame_id INTEGER REFERENCES frames(id),
  last_frame_id INTEGER REFERENCES frames(id),
  session_id INTEGER NOT NULL REFERENCES sessions(id)
) STRICT;
CREATE INDEX findings_session ON findings(session_id);
CREATE INDEX findings_frame ON findings(frame_id) WHERE frame_id IS NOT NULL;
CREATE INDEX findings_rule ON findings(rule_id);
CREATE INDEX findings_severity ON findings(severity);

CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  session_id INTEGER REFERENCES sessions(id),
  ts_ns INTEGER NOT NULL,
  after_frame_id INTEGER REFERENCES frames(id),
  kind TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;
CREATE INDEX events_session ON events(session_id);
CREATE INDEX events_kind ON events(kind);

CREATE TABLE charge_points (
  charge_point_id TEXT PRIMARY KEY,
  vendor TEXT,
  model TEXT,
  firmware TEXT,
  serial TEXT,
  first_seen_ns INTEGER NOT NULL,
  last_seen_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE transactions (
  id INTEGER PRIMARY KEY,
  session_id INTEGER NOT NULL REFERENCES sessions(id),
  charge_point_id TEXT,
  transaction_id TEXT NOT NULL,
  evse_id INTEGER,
  connector_id INTEGER,
  id_token TEXT,
  started_ns INTEGER,
  stopped_ns INTEGER,
  meter_start_wh REAL,
  meter_stop_wh REAL,
  stop_reason TEXT,
  start_frame_id INTEGER REFERENCES frames(id),
  stop_frame_id INTEGER REFERENCES frames(id)
) STRICT;
CREATE INDEX transactions_session ON transactions(session_id);
CREATE INDEX transactions_charge_point ON transactions(charge_point_id, transaction_id);

CREATE TABLE meter_samples (
  id INTEGER PRIMARY KEY,
  transaction_id INTEGER REFERENCES transactions(id),
  session_id INTEGER NOT NULL REFERENCES sessions(id),
  frame_id INTEGER NOT NULL REFERENCES frames(id),
  ts_ns INTEGER NOT NULL,
  measurand TEXT NOT NULL,
  phase TEXT,
  location TEXT,
  context TEXT,
  value REAL,
  unit TEXT
) STRICT;
CREATE INDEX meter_samples_session ON meter_samples(session_id);
CREATE INDEX meter_samples_transaction ON meter_samples(transaction_id) WHERE transaction_id IS NOT NULL;

CREATE TABLE _progress (
  recording_id INTEGER PRIMARY KEY REFERENCES recordings(id),
  committed INTEGER NOT NULL
) STRICT;
"""


def _run(db: Database, statements: str) -> None:
    for statement in statements.split(";\n"):
        if statement.strip():
            db.execute(statement)


@migrations(name="0001_recording")
def _create_tables(db: Database) -> None:
    _run(db, _TABLES)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")


@migrations(name="0002_occurrences")
def _keep_occurrences(db: Database) -> None:
    """Add a row for every frame of a finding, and allow findings without a session for failed connection attempts."""
    _run(db, OCCURRENCES)


def _where_timed(column: str, text: str, otherwise: str) -> str:
    return f"CASE WHEN {column} NOT BETWEEN 0 AND {UNTIMED_NS} THEN {text} ELSE {otherwise} END"


_DATE_OF_LABEL = """' · ' ||
    strftime('%Y-%m-%d %H:%M:%S', opened_ns / 1000000000, 'unixepoch')"""
_TIMED_COLUMNS = {
    "frames": {_TIME.format("ts_ns"): _where_timed("ts_ns", _TIME.format("ts_ns"), "NULL")},
    "sessions": {
        _TIME.format("opened_ns"): _where_timed("opened_ns", _TIME.format("opened_ns"), "NULL"),
        _DATE_OF_LABEL: _where_timed("opened_ns", _DATE_OF_LABEL, "''"),
    },
}
"""By table, the SQL in the columns `ts`, `opened` and `label` that formats a date, and its replacement."""


@migrations(name="0003_untimed")
def _show_no_dates_of_untimed_input(db: Database) -> None:
    """Let `ts`, `opened` and `label` have no date where the input had no times.

    Their definitions are changed in place, which is safe because virtual columns are not stored. A column that was
    dropped and added would come last in Datasette.
    """
    if hasattr(db.conn, "setconfig"):  # macOS turns defensive mode on, which forbids changing definitions
        db.conn.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, False)
    db.execute("PRAGMA writable_schema = ON")
    for table, changes in _TIMED_COLUMNS.items():
        for old, new in changes.items():
            sql = "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = ?"
            db.execute(sql, (old, new, table))
    (version,) = db.execute("PRAGMA schema_version").fetchone()
    db.execute(f"PRAGMA schema_version = {version + 1}")  # so that other connections read the definitions again
    db.execute("PRAGMA writable_schema = RESET")


@migrations(name="0004_absences")
def _keep_absences(db: Database) -> None:
    """Add a row for every time at which a frame was missing; older files only know the first time of each finding."""
    _run(db, ABSENCES)


@migrations(name="0005_interventions")
def _show_interventions(db: Database) -> None:
    """Show which rule changed or made each frame, and which frame it was made from.

    The view derives this from events, which have it in every copy of a recording although frames get other ids there.
    """
    _run(db, INTERVENTIONS)


@migrations(name="0006_shadows")
def _show_shadows(db: Database) -> None:
    """Show which sessions are with a shadow, and which session each of them mirrors, as a view of events."""
    _run(db, SHADOWS)


def connect(
    path: Path,
    *,
    create: bool = True,
    busy_s: float = 5.0,
    wal: bool = True,
    synced: bool = True,
    mode: int = DEFAULT_MODE,
) -> Database:
    """Open a recording for writing and bring its tables up to date.

    Without `wal`, the file has no -wal beside it. Without `synced`, writing is faster, but the file may not survive a
    crash. A new file gets the permissions `mode`, whatever the umask is, and so do SQLite's files beside it.

    Raises:
        UnusableFile: the file is not a recording, from a newer version, or not writable.
    """
    refuse_special(path)
    new = not path.exists() or path.stat().st_size == 0
    if new and not create:
        raise UnusableFile(path, "no such recording")
    if not path.parent.is_dir():
        raise UnusableFile(path, f"the folder {path.parent} does not exist", "create it or name another folder")
    if new:
        _create(path, mode)
    try:
        connection = sqlite3.connect(path, timeout=busy_s, check_same_thread=False, isolation_level=None)
        distrust(connection)
        db = Database(connection)
        if new:
            db.execute(f"PRAGMA page_size = {PAGE_SIZE}")
            # Write the id before there is a -wal, so that the file itself has it from the beginning.
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        else:
            refuse_cut_off(path)
            refuse_foreign(path, connection)
            refuse_triggers(path, connection)
        if wal or not synced:
            db.execute(f"PRAGMA journal_mode = {'WAL' if wal else 'OFF'}")
        db.execute(f"PRAGMA synchronous = {'FULL' if synced else 'OFF'}")
        db.execute(f"PRAGMA journal_size_limit = {LARGE}")
        # During a statement of many rows SQLite keeps the old content of pages, by default in a temporary file.
        db.execute("PRAGMA temp_store = MEMORY")
        with db.atomic():  # one commit for all: a new file waits for the disk only once
            migrations.apply(db)
    except sqlite3.DatabaseError as error:
        raise UnusableFile(path, _why(error), _remedy(error)) from error
    return db


def _create(path: Path, mode: int) -> None:
    try:
        set_aside_leftovers(path)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        os.fchmod(file, mode)
        os.close(file)
    except FileExistsError:
        return  # an empty file keeps its permissions
    except OSError as error:
        why = f"cannot be written ({(error.strerror or str(error)).lower()})"
        raise UnusableFile(path, why, "name a file in a folder that can be written") from error


def _why(error: sqlite3.DatabaseError) -> str:
    name = getattr(error, "sqlite_errorname", "")
    return {
        "SQLITE_NOTADB": "not a SQLite database",
        "SQLITE_CORRUPT": f"is damaged ({error})",
        "SQLITE_READONLY": "cannot be written",
        "SQLITE_READONLY_DIRECTORY": "its folder cannot be written",
        "SQLITE_CANTOPEN": "cannot be opened for writing",
        "SQLITE_FULL": "the disk is full",
        "SQLITE_BUSY": "is locked by another program",
    }.get(name, str(error))


def _remedy(error: sqlite3.DatabaseError) -> str | None:
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_NOTADB":
        return "name another file"
    if name.startswith("SQLITE_CORRUPT"):
        return f"name another file; {RECOVER}"
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
        return "name a file in a folder that can be written"
    return None
