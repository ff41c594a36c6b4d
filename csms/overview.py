"""The CSMS's state as an operator wants to see it: plain values made for JSON; changes nothing."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from csms import timestamps

if TYPE_CHECKING:
    from csms.central_system import CentralSystem

type Json = dict[str, Any]
SHOWN_CHARGE_POINTS = 500
SHOWN_ROWS = 20


def status(csms: CentralSystem) -> Json:
    """Sum up: where the CSMS listens, how many are connected in which version, what is open."""
    versions: dict[str, int] = defaultdict(int)
    for connection in csms.connections.values():
        versions[connection.version] += 1
    return {
        "address": csms.address,
        "security_profile": csms.settings.security.profile,
        "unknown_tokens": csms.settings.unknown_tokens,
        "db": str(csms.settings.db) if csms.settings.db else None,
        "connected": len(csms.connections),
        "connected_by_version": dict(versions),
        "known": csms.store.rows("SELECT count(*) AS n FROM charge_points")[0]["n"],
        "open_transactions": csms.store.rows("SELECT count(*) AS n FROM transactions WHERE stopped IS NULL")[0]["n"],
    }


def charge_points(csms: CentralSystem, search: str = "", limit: int = SHOWN_CHARGE_POINTS) -> list[Json]:
    """List charge points by identity, each with its connectors and open transactions.

    Args:
        csms: whose.
        search: part of an identity, vendor or model; case does not matter.
        limit: at most so many; connected ones come first.
    """
    # Names first, the rest for those that are shown: the page asks every second, and a CSMS may know thousands.
    found = csms.store.rows(
        "SELECT charge_point_id FROM charge_points WHERE instr(lower(charge_point_id || ' ' || coalesce(vendor, '')"
        " || ' ' || coalesce(model, '')), lower(?)) ORDER BY charge_point_id",
        search,
    )
    names = [row["charge_point_id"] for row in found]
    names.sort(key=lambda name: name not in csms.connections)
    shown = orjson.dumps(names[: max(0, limit)]).decode()
    chosen = "charge_point_id IN (SELECT value FROM json_each(?))"

    def of(sql: str) -> list[Json]:
        return csms.store.rows(sql, shown)

    rows = of(f"SELECT * FROM charge_points WHERE {chosen} ORDER BY charge_point_id")
    rows.sort(key=lambda row: row["charge_point_id"] not in csms.connections)
    connectors = _by_charge_point(of(f"SELECT * FROM connectors WHERE {chosen} ORDER BY evse_id, connector_id"))
    transactions = _by_charge_point(of(f"SELECT * FROM transactions WHERE stopped IS NULL AND {chosen} ORDER BY id"))
    return [
        _summary(csms, row)
        | {
            "connectors": connectors[row["charge_point_id"]],
            "open_transactions": transactions[row["charge_point_id"]],
        }
        for row in rows
    ]


def _by_charge_point(rows: Iterable[Json]) -> defaultdict[str, list[Json]]:
    grouped: defaultdict[str, list[Json]] = defaultdict(list)
    for row in rows:
        grouped[row["charge_point_id"]].append(row)
    return grouped


def _summary(csms: CentralSystem, row: Json) -> Json:
    shown = {name: value for name, value in row.items() if name != "password_hash"}
    connected = row["charge_point_id"] in csms.connections
    return shown | {"connected": connected, "has_password": row["password_hash"] is not None}


def charge_point(csms: CentralSystem, charge_point_id: str) -> Json | None:
    """Tell all of one charge point: transactions with energy, profiles, variables, notices, last frames."""
    row = csms.store.charge_point(charge_point_id)
    if row is None:
        return None

    def of(sql: str) -> list[Json]:
        return csms.store.rows(sql, charge_point_id)

    return _summary(csms, row) | {
        "connectors": of("SELECT * FROM connectors WHERE charge_point_id = ? ORDER BY evse_id, connector_id"),
        "transactions": [
            transaction | measured(csms, transaction)
            for transaction in of(
                "SELECT * FROM transactions WHERE charge_point_id = ?"
                f" ORDER BY stopped IS NOT NULL, id DESC LIMIT {SHOWN_ROWS}"
            )
        ],
        "reservations": [
            reservation | {"status": "Expired" if _over(reservation) else reservation["status"]}
            for reservation in of("SELECT * FROM reservations WHERE charge_point_id = ? ORDER BY reservation_id")
        ],
        "charging_profiles": [
            profile | {"profile": orjson.loads(profile["profile"])}
            for profile in of("SELECT * FROM charging_profiles WHERE charge_point_id = ? ORDER BY profile_id")
        ],
        "variables": of("SELECT * FROM variables WHERE charge_point_id = ? ORDER BY component, variable, attribute"),
        "notices": [
            notice | {"payload": orjson.loads(notice["payload"])}
            for notice in of(
                f"SELECT ts, action, payload FROM notices WHERE charge_point_id = ? ORDER BY id DESC LIMIT {SHOWN_ROWS}"
            )
        ],
        "frames": [asdict(seen) for seen in csms.seen.entries(charge_point_id)],
    }  # fmt: skip


def _over(reservation: Json) -> bool:
    """Tell whether a reservation ran out; 1.6 charge points tell of that by the connector's status alone."""
    expiry = timestamps.parse(reservation["expires"])
    return reservation["status"] == "Accepted" and expiry is not None and expiry <= datetime.now(UTC)


def measured(csms: CentralSystem, transaction: Json) -> Json:
    """Work out what a transaction has charged, and how it stands.

    Returns:
        energy_wh, None without two readings; power_w and soc as last told, None where they never were.
    """
    begin, end = transaction["meter_start_wh"], transaction["meter_stop_wh"]
    register = "Energy.Active.Import.Register"
    begin = _reading(csms, transaction, register, "ASC") if begin is None else begin
    end = _reading(csms, transaction, register, "DESC") if end is None else end
    open_still = transaction["stopped"] is None
    return {
        "energy_wh": None if begin is None or end is None else round(end - begin, 3),
        "power_w": _reading(csms, transaction, "Power.Active.Import", "DESC") if open_still else None,
        "soc": _reading(csms, transaction, "SoC", "DESC"),
    }


# To the units shown. 2.x writes a multiplier of 3 as `e3`; see `v201._unit`.
FACTORS = {"Wh": 1, "kWh": 1000, "Whe3": 1000, "W": 1, "kW": 1000, "We3": 1000, "Percent": 1, "e3": 1000, None: 1}


def _reading(csms: CentralSystem, transaction: Json, measurand: str, order: str) -> float | None:
    """Read the first (ASC) or last (DESC) value of a measurand, by its own time, that is a number in a known unit.

    What is delivered is measured at the outlet, which is meant too where no location is told.
    """
    samples = csms.store.rows(
        "SELECT value, unit FROM meter_values WHERE charge_point_id = ? AND transaction_id = ? AND measurand = ?"
        " AND phase IS NULL AND (measurand = 'SoC' OR coalesce(location, 'Outlet') = 'Outlet')"
        f" ORDER BY julianday(upper(ts)) {order}, id {order} LIMIT 5",
        transaction["charge_point_id"], transaction["transaction_id"], measurand,
    )  # fmt: skip
    for sample in samples:
        factor = FACTORS.get(sample["unit"])
        try:
            value = float(sample["value"]) * (math.nan if factor is None else factor)
        except ValueError:
            continue
        if math.isfinite(value):
            return value
    return None
