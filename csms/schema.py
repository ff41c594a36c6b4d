"""The tables of the CSMS's state, and the migrations of older files."""

from __future__ import annotations

import time

import orjson
from sqlite_utils import Database, Migrations

from csms import passwords

APPLICATION_ID = 0x4353_4D53  # "CSMS" in ASCII: marks a SQLite file as the CSMS's.
migrations = Migrations("csms")

TABLES: dict[str, str] = {
    "charge_points": """
        charge_point_id TEXT PRIMARY KEY, ocpp_version TEXT, vendor TEXT, model TEXT, firmware TEXT, serial TEXT,
        boot_policy TEXT, boot_status TEXT, booted TEXT, last_seen TEXT, password_hash TEXT""",
    "connectors": """
        charge_point_id TEXT NOT NULL, evse_id INTEGER NOT NULL, connector_id INTEGER NOT NULL, status TEXT,
        error_code TEXT, changed TEXT, PRIMARY KEY (charge_point_id, evse_id, connector_id)""",
    "transactions": """
        id INTEGER PRIMARY KEY AUTOINCREMENT, charge_point_id TEXT NOT NULL, transaction_id TEXT, evse_id INTEGER,
        connector_id INTEGER, id_token TEXT, started TEXT, stopped TEXT, meter_start_wh REAL, meter_stop_wh REAL,
        stop_reason TEXT, charging_state TEXT, seq_no INTEGER, authorization TEXT,
        UNIQUE (charge_point_id, transaction_id)""",
    "meter_values": """
        id INTEGER PRIMARY KEY, charge_point_id TEXT NOT NULL, transaction_id TEXT, evse_id INTEGER, ts TEXT,
        measurand TEXT, phase TEXT, location TEXT, context TEXT, value TEXT, unit TEXT""",
    "tokens": """
        id_token TEXT PRIMARY KEY, status TEXT NOT NULL, expires TEXT, parent TEXT,
        concurrent INTEGER NOT NULL DEFAULT 1""",
    "reservations": """
        charge_point_id TEXT NOT NULL, reservation_id INTEGER NOT NULL, evse_id INTEGER, id_token TEXT, expires TEXT,
        status TEXT, PRIMARY KEY (charge_point_id, reservation_id)""",
    "charging_profiles": """
        charge_point_id TEXT NOT NULL, profile_id INTEGER NOT NULL, evse_id INTEGER, profile TEXT,
        PRIMARY KEY (charge_point_id, profile_id)""",
    "variables": """
        charge_point_id TEXT NOT NULL, component TEXT NOT NULL, variable TEXT NOT NULL, attribute TEXT NOT NULL,
        value TEXT, mutability TEXT, PRIMARY KEY (charge_point_id, component, variable, attribute)""",
    "notices": """
        id INTEGER PRIMARY KEY, charge_point_id TEXT NOT NULL, ts TEXT NOT NULL, action TEXT NOT NULL,
        payload TEXT NOT NULL""",
}


@migrations()
def first_tables(db: Database) -> None:
    for name, columns in TABLES.items():
        db.conn.execute(f"CREATE TABLE {name} ({columns}) STRICT")
    db.conn.execute("CREATE INDEX open_transactions ON transactions (charge_point_id) WHERE stopped IS NULL")
    db.conn.execute("CREATE INDEX open_tokens ON transactions (id_token) WHERE stopped IS NULL")
    db.conn.execute("CREATE INDEX meter_values_of ON meter_values (charge_point_id, transaction_id)")
    db.conn.execute("CREATE INDEX notices_of ON notices (charge_point_id, action)")
    # Transaction ids start at the number of seconds since 2020. So a CSMS without a file does not repeat ids after a
    # restart, when charge points and recordings still have the earlier ids.
    db.conn.execute(
        "INSERT INTO sqlite_sequence (name, seq) VALUES ('transactions', ?)", (int(time.time()) - 1_577_836_800,)
    )


@migrations(transactional=False)
def no_passwords(db: Database) -> None:
    """Replace the passwords that older versions stored with asterisks, and wipe them from the file's free pages."""
    with db.atomic():
        rows = db.conn.execute("SELECT rowid, variable, value FROM variables WHERE value IS NOT NULL").fetchall()
        for row_id, name, value in rows:
            shown = passwords.hidden({"key": name, "value": value})["value"]
            if shown != value:
                db.conn.execute("UPDATE variables SET value = ? WHERE rowid = ?", (shown, row_id))
        for table, column in (("notices", "payload"), ("charging_profiles", "profile")):
            for row_id, text in db.conn.execute(f"SELECT rowid, {column} FROM {table}").fetchall():
                kept = orjson.loads(text)
                if (shown := passwords.hidden(kept)) != kept:
                    starred = orjson.dumps(shown).decode()
                    db.conn.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (starred, row_id))
    db.conn.execute("VACUUM")
    db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@migrations()
def old_password(db: Database) -> None:
    """Add the hash of the password that stays valid until the charge point connects with its new one."""
    db.conn.execute("ALTER TABLE charge_points ADD COLUMN old_password_hash TEXT")


@migrations()
def contracts_and_receipts(db: Database) -> None:
    """Add the contract certificates that the CSMS issued, and the receipts of settled payments."""
    db.conn.execute("CREATE TABLE contracts (serial TEXT PRIMARY KEY, emaid TEXT, expires TEXT, revoked TEXT) STRICT")
    db.conn.execute("CREATE TABLE receipts (id TEXT PRIMARY KEY, charge_point_id TEXT NOT NULL, text TEXT) STRICT")


def newer(db: Database) -> bool:
    """Return whether a file has migrations that this version does not know."""
    known = {migration.name for migration in migrations.pending(Database(memory=True))}
    return any(migration.name not in known for migration in migrations.applied(db))
