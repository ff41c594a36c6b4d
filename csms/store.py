"""The state of the CSMS in SQLite. No other module writes to the file."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import orjson

from csms import passwords, schema, timestamps
from csms.sqlite_file import Row, SqliteFile

__all__ = ["Row", "Sample", "Store"]

KEPT_IN_MEMORY = 100_000
TRIM_EVERY = 1000


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured value: `value` is a text, as sent; `unit` is None if the charge point sent no unit."""

    ts: str
    measurand: str
    value: str
    unit: str | None = None
    phase: str | None = None
    location: str | None = None
    context: str | None = None


class Store(SqliteFile):
    """The state of one CSMS: all tables, and the only statements that write to them."""

    # Charge points

    def charge_point(self, charge_point_id: str) -> Row | None:
        found = self.rows("SELECT * FROM charge_points WHERE charge_point_id = ?", charge_point_id)
        return found[0] if found else None

    def seen(self, charge_point_id: str, version: str) -> None:
        """Store that a charge point has connected."""
        self._run(
            "INSERT INTO charge_points (charge_point_id, ocpp_version, last_seen) VALUES (?, ?, ?) ON CONFLICT DO"
            " UPDATE SET ocpp_version = excluded.ocpp_version, last_seen = excluded.last_seen",
            charge_point_id, version, timestamps.now(),
        )  # fmt: skip

    def heard(self, charge_point_id: str, at: str) -> None:
        """Store the time of a charge point's latest message."""
        self._run("UPDATE charge_points SET last_seen = ? WHERE charge_point_id = ?", at, charge_point_id)

    def booted(self, charge_point_id: str, status: str, facts: Row) -> None:
        """Store a boot and its answer. `facts` has vendor, model, firmware and serial; each may be None."""
        self._run(
            "UPDATE charge_points SET boot_status = ?, booted = ?, vendor = ?, model = ?, firmware = ?, serial = ?"
            " WHERE charge_point_id = ?",
            status, timestamps.now(), facts["vendor"], facts["model"], facts["firmware"], facts["serial"],
            charge_point_id,
        )  # fmt: skip

    def set_charge_point(self, charge_point_id: str, **columns: str | None) -> None:
        """Add a charge point, or set its boot_policy or password_hash."""
        assert set(columns) <= {"boot_policy", "password_hash"}
        self._run("INSERT OR IGNORE INTO charge_points (charge_point_id) VALUES (?)", charge_point_id)
        for name, value in columns.items():
            self._run(f"UPDATE charge_points SET {name} = ? WHERE charge_point_id = ?", value, charge_point_id)
        if "password_hash" in columns:
            self.forget_old_password(charge_point_id)

    def change_password(self, charge_point_id: str, password_hash: str) -> None:
        """Store a password that the charge point accepted over OCPP; the old one stays valid (A01.FR.04)."""
        self._run(
            "UPDATE charge_points SET old_password_hash = coalesce(old_password_hash, password_hash), password_hash = ?"
            " WHERE charge_point_id = ?",
            password_hash, charge_point_id,
        )  # fmt: skip

    def forget_old_password(self, charge_point_id: str) -> None:
        """Make the old password invalid, because the charge point uses the new one."""
        self._run("UPDATE charge_points SET old_password_hash = NULL WHERE charge_point_id = ?", charge_point_id)

    def forget(self, charge_point_id: str) -> bool:
        """Delete a charge point and everything it sent; return False if the CSMS does not know it."""
        with self.writing():
            for table in (*schema.TABLES, "receipts"):
                if table not in ("charge_points", "tokens"):
                    self._run(f"DELETE FROM {table} WHERE charge_point_id = ?", charge_point_id)
            return self._run("DELETE FROM charge_points WHERE charge_point_id = ?", charge_point_id).rowcount > 0

    def status(
        self, charge_point_id: str, evse_id: int, connector_id: int, status: str, error_code: str | None, changed: str
    ) -> None:
        """Store a connector's newest status; connector 0 of 1.6 is the charge point itself."""
        self._run(
            "INSERT OR REPLACE INTO connectors (charge_point_id, evse_id, connector_id, status, error_code, changed)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            charge_point_id, evse_id, connector_id, status, error_code, changed,
        )  # fmt: skip

    # Transactions

    def same_start(self, charge_point_id: str, connector_id: int, id_token: str, started: str) -> Row | None:
        """Return the 1.6 transaction that an identical StartTransaction opened earlier; None if there is none."""
        found = self.rows(
            "SELECT * FROM transactions WHERE charge_point_id = ? AND connector_id = ? AND id_token = ?"
            " AND started = ?",
            charge_point_id, connector_id, id_token, started,
        )  # fmt: skip
        return found[0] if found else None

    def start(
        self, charge_point_id: str, connector_id: int, id_token: str, started: str, meter_wh: float, status: str
    ) -> int:
        """Open a 1.6 transaction; `status` is the status of its token.

        Returns:
            The transaction id, which is new in this file.
        """
        # A connector has only one transaction (1.6, 4.8), so the stop of an open one was lost: close it.
        self._run(
            "UPDATE transactions SET stopped = ?, stop_reason = 'Superseded' WHERE charge_point_id = ?"
            " AND connector_id = ? AND stopped IS NULL",
            started, charge_point_id, connector_id,
        )  # fmt: skip
        row_id = self._run(
            "INSERT INTO transactions (charge_point_id, connector_id, evse_id, id_token, started, meter_start_wh,"
            " authorization) VALUES (?, ?, ?, ?, ?, ?, ?)",
            charge_point_id, connector_id, connector_id, id_token, started, meter_wh, status,
        ).lastrowid  # fmt: skip
        assert row_id is not None
        self._run("UPDATE transactions SET transaction_id = ? WHERE id = ?", str(row_id), row_id)
        return row_id

    def stop(
        self, charge_point_id: str, transaction_id: str, stopped: str, meter_wh: float | None, reason: str | None
    ) -> bool:
        """Close a transaction if it is open; return whether the CSMS knows it."""
        self._run(
            "UPDATE transactions SET stopped = ?, meter_stop_wh = coalesce(?, meter_stop_wh), stop_reason = ?"
            " WHERE charge_point_id = ? AND transaction_id = ? AND (stopped IS NULL OR stop_reason = 'Superseded')",
            stopped, meter_wh, reason, charge_point_id, transaction_id,
        )  # fmt: skip
        return self.transaction(charge_point_id, transaction_id) is not None

    def event(self, charge_point_id: str, transaction_id: str, facts: Row) -> None:
        """Store one TransactionEvent of 2.x. Missing members keep their stored value. Events may come in any order.

        Args:
            facts: evse_id, connector_id, id_token, charging_state, stop_reason, seq_no, and started or stopped.
        """
        known = {name: value for name, value in facts.items() if value is not None}
        self._run(
            "INSERT OR IGNORE INTO transactions (charge_point_id, transaction_id) VALUES (?, ?)",
            charge_point_id, transaction_id,
        )  # fmt: skip
        newest = self.transaction(charge_point_id, transaction_id)
        assert newest is not None
        if newest["seq_no"] is not None and newest["seq_no"] > known["seq_no"]:
            known = {name: value for name, value in known.items() if newest[name] is None}
        if known:
            assert set(known) <= set(newest)
            columns = ", ".join(f"{name} = ?" for name in known)
            self._run(f"UPDATE transactions SET {columns} WHERE id = ?", *known.values(), newest["id"])

    def transaction(self, charge_point_id: str, transaction_id: str) -> Row | None:
        found = self.rows(
            "SELECT * FROM transactions WHERE charge_point_id = ? AND transaction_id = ?",
            charge_point_id, transaction_id,
        )  # fmt: skip
        return found[0] if found else None

    def open_transactions(self, charge_point_id: str | None = None) -> list[Row]:
        """Return the open transactions of one charge point, or of all charge points, oldest first."""
        return self.rows(
            "SELECT * FROM transactions WHERE stopped IS NULL AND (?1 IS NULL OR charge_point_id = ?1) ORDER BY id",
            charge_point_id,
        )

    def measured(
        self, charge_point_id: str, evse_id: int | None, transaction_id: str | None, samples: list[Sample]
    ) -> None:
        """Store measured values, with their transaction if they belong to one."""
        self.db.conn.executemany(
            "INSERT INTO meter_values (charge_point_id, evse_id, transaction_id, ts, measurand, phase, location,"
            " context, value, unit) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (charge_point_id, evse_id, transaction_id, s.ts, s.measurand, s.phase, s.location, s.context,
                 s.value, s.unit)
                for s in samples
            ],
        )  # fmt: skip
        self._trim(len(samples))

    def _trim(self, added: int) -> None:
        """Without a file, drop older meter values and notices, to limit the memory."""
        self._since_trim += added
        if self.path is None and self._since_trim >= TRIM_EVERY:
            self._since_trim = 0
            for table in ("meter_values", "notices"):
                self._run(f"DELETE FROM {table} WHERE id <= (SELECT max(id) FROM {table}) - ?", KEPT_IN_MEMORY)

    # Tokens

    def token(self, id_token: str) -> Row | None:
        """Return the entry of a token, compared without regard to case (OCPP's CiString)."""
        found = self.rows("SELECT * FROM tokens WHERE id_token = ?", id_token.lower())
        return found[0] if found else None

    def set_token(
        self,
        id_token: str,
        status: str,
        expires: str | None = None,
        parent: str | None = None,
        concurrent: bool = True,
    ) -> None:
        """Add or replace a token; `concurrent` allows several transactions with it at the same time."""
        self._run(
            "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?, ?)",
            id_token.lower(), status, expires, parent, int(concurrent),
        )  # fmt: skip

    def delete_token(self, id_token: str) -> bool:
        return self._run("DELETE FROM tokens WHERE id_token = ?", id_token.lower()).rowcount > 0

    def open_with_token(self, id_token: str) -> list[Row]:
        return self.rows("SELECT * FROM transactions WHERE id_token = ? COLLATE NOCASE AND stopped IS NULL", id_token)

    # Contract certificates and receipts

    def contract(self, serial: str, emaid: str, expires: str) -> None:
        """Store an issued contract certificate; `serial` is hexadecimal, without leading zeros."""
        self._run("INSERT INTO contracts VALUES (?, ?, ?, NULL)", serial, emaid, expires)

    def contract_of(self, serial: str) -> Row | None:
        found = self.rows("SELECT * FROM contracts WHERE serial = ?", serial)
        return found[0] if found else None

    def revoke_contract(self, serial: str) -> bool:
        return self._run("UPDATE contracts SET revoked = ? WHERE serial = ?", timestamps.now(), serial).rowcount > 0

    def receipt(self, charge_point_id: str, text: str) -> str:
        """Store the text of a receipt, and return its id, which cannot be guessed."""
        number = secrets.token_urlsafe(16)
        self._run("INSERT INTO receipts VALUES (?, ?, ?)", number, charge_point_id, text)
        return number

    def receipt_text(self, number: str) -> str | None:
        found = self.rows("SELECT text FROM receipts WHERE id = ?", number)
        return str(found[0]["text"]) if found else None

    # Everything else

    def reserve(
        self, charge_point_id: str, reservation_id: int, evse_id: int | None, id_token: str, expires: str
    ) -> None:
        self._run(
            "INSERT OR REPLACE INTO reservations VALUES (?, ?, ?, ?, ?, 'Accepted')",
            charge_point_id, reservation_id, evse_id, id_token, expires,
        )  # fmt: skip

    def reservation_ended(self, charge_point_id: str, reservation_id: int, status: str) -> None:
        self._run(
            "UPDATE reservations SET status = ? WHERE charge_point_id = ? AND reservation_id = ?",
            status, charge_point_id, reservation_id,
        )  # fmt: skip

    def charging_profile(self, charge_point_id: str, evse_id: int, profile_id: int, profile: Row) -> None:
        self._run(
            "INSERT OR REPLACE INTO charging_profiles VALUES (?, ?, ?, ?)",
            charge_point_id, profile_id, evse_id, self._json(charge_point_id, profile),
        )  # fmt: skip

    def profile(self, charge_point_id: str, profile_id: int) -> Row | None:
        """Return a charging profile as its charge point has it."""
        found = self.rows(
            "SELECT profile FROM charging_profiles WHERE charge_point_id = ? AND profile_id = ?",
            charge_point_id, profile_id,
        )  # fmt: skip
        return orjson.loads(found[0]["profile"]) if found else None

    def profiles(self, charge_point_id: str, purpose: str, evse_id: int | None = None) -> list[tuple[int, Row]]:
        """Return (EVSE, profile) of a charge point's profiles with a purpose, on all EVSEs or on one."""
        found = self.rows(
            "SELECT evse_id, profile FROM charging_profiles WHERE charge_point_id = ?1"
            " AND json_extract(profile, '$.chargingProfilePurpose') = ?2 AND (?3 IS NULL OR evse_id = ?3)",
            charge_point_id, purpose, evse_id,
        )  # fmt: skip
        return [(row["evse_id"], orjson.loads(row["profile"])) for row in found]

    def clear_charging_profiles(
        self,
        charge_point_id: str,
        profile_id: int | None,
        evse_id: int | None,
        purpose: str | None,
        stack_level: int | None,
    ) -> None:
        """Delete the profiles that meet every criterion that is not None."""
        self._run(
            "DELETE FROM charging_profiles WHERE charge_point_id = ?1 AND (?2 IS NULL OR profile_id = ?2)"
            " AND (?3 IS NULL OR evse_id = ?3)"
            " AND (?4 IS NULL OR json_extract(profile, '$.chargingProfilePurpose') = ?4)"
            " AND (?5 IS NULL OR json_extract(profile, '$.stackLevel') = ?5)",
            charge_point_id, profile_id, evse_id, purpose, stack_level,
        )  # fmt: skip

    def transaction_profiles_ended(self, charge_point_id: str, transaction_id: str) -> None:
        """Delete the TxProfiles of an ended transaction, which end with it (1.6 3.13.1, 2.x K01.FR.15)."""
        self._run(
            "DELETE FROM charging_profiles WHERE charge_point_id = ?1 AND evse_id = (SELECT evse_id FROM transactions"
            " WHERE charge_point_id = ?1 AND transaction_id = ?2)"
            " AND json_extract(profile, '$.chargingProfilePurpose') = 'TxProfile'"
            " AND coalesce(json_extract(profile, '$.transactionId'), ?2) IN (?2, CAST(?2 AS INTEGER))",
            charge_point_id, transaction_id,
        )  # fmt: skip

    def variable(
        self, charge_point_id: str, component: str, name: str, attribute: str, value: str | None, mutability: str | None
    ) -> None:
        """Store the newest value of a 2.x variable, or of a 1.6 configuration key (with an empty component)."""
        memory = self.passwords.of(charge_point_id)
        if value is not None:
            value = passwords.hidden({"key": name, "value": value}, memory)["value"]
        self._run(
            "INSERT INTO variables VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value,"
            " mutability = coalesce(excluded.mutability, mutability)",
            charge_point_id, component, name, attribute, value, mutability,
        )  # fmt: skip

    def variable_value(self, charge_point_id: str, component: str, name: str) -> str | None:
        """Return the last known value of a variable, by its names without regard to case; None if it is not known."""
        found = self.rows(
            "SELECT value FROM variables WHERE charge_point_id = ? AND component = ? COLLATE NOCASE"
            " AND variable = ? COLLATE NOCASE AND attribute = 'Actual'",
            charge_point_id, component, name,
        )  # fmt: skip
        return found[0]["value"] if found else None

    def _json(self, charge_point_id: str, payload: Row) -> str:
        memory = self.passwords.of(charge_point_id)
        # Do it twice: a text may quote a password before the member that identifies it.
        return orjson.dumps(passwords.hidden(passwords.hidden(payload, memory), memory)).decode()

    def has_noticed(self, charge_point_id: str, action: str) -> bool:
        """Return whether a charge point has sent a notification."""
        return bool(
            self.rows("SELECT 1 FROM notices WHERE charge_point_id = ? AND action = ? LIMIT 1", charge_point_id, action)
        )

    def last_notice(self, charge_point_id: str, action: str) -> Row | None:
        """Return the payload of the latest notification of an action; None if there is none."""
        found = self.rows(
            "SELECT payload FROM notices WHERE charge_point_id = ? AND action = ? ORDER BY rowid DESC LIMIT 1",
            charge_point_id, action,
        )  # fmt: skip
        return orjson.loads(found[0]["payload"]) if found else None

    def notice(self, charge_point_id: str, action: str, payload: Row) -> None:
        """Store a notification for the operator's page, with its passwords hidden."""
        self._run(
            "INSERT INTO notices (charge_point_id, ts, action, payload) VALUES (?, ?, ?, ?)",
            charge_point_id, timestamps.now(), action, self._json(charge_point_id, payload),
        )  # fmt: skip
        self._trim(1)
