"""The state of the CSMS as the operator's page shows it: plain values for JSON. Reads only."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import orjson

from csms import timestamps
from csms.context import Context
from csms.store import Store
from csms.wire.connection import Connection

type Json = dict[str, Any]
type Connections = Mapping[str, Connection]
SHOWN_CHARGE_POINTS = 500
SHOWN_ROWS = 20


def status(context: Context, connections: Connections) -> Json:
    """Return the CSMS's address and policies, and the numbers of charge points and open transactions."""
    versions: dict[str, int] = defaultdict(int)
    for connection in connections.values():
        versions[connection.version] += 1
    charging = context.store.rows("SELECT charge_point_id FROM transactions WHERE stopped IS NULL")
    return {
        "address": context.address,
        "security_profile": context.settings.security.profile,
        "unknown_tokens": context.settings.unknown_tokens,
        "db": str(context.settings.db) if context.settings.db else None,
        "connected": len(connections),
        "connected_by_version": dict(versions),
        "known": context.store.rows("SELECT count(*) AS n FROM charge_points")[0]["n"],
        # Count only connected charge points: an open transaction of an absent one may have ended long ago.
        "open_transactions": sum(row["charge_point_id"] in connections for row in charging),
    }


def charge_points(
    context: Context, connections: Connections, search: str = "", limit: int = SHOWN_CHARGE_POINTS
) -> list[Json]:
    """List charge points by identity, each with its connectors and open transactions.

    Args:
        context: the context with the store.
        connections: the connected charge points, which come first.
        search: part of an identity, vendor or model; case does not matter.
        limit: the most charge points to return.
    """
    # Read only the shown charge points completely: the page asks every second, and there may be thousands.
    found = context.store.rows(
        "SELECT charge_point_id FROM charge_points WHERE instr(lower(charge_point_id || ' ' || coalesce(vendor, '')"
        " || ' ' || coalesce(model, '')), lower(?)) ORDER BY charge_point_id",
        search,
    )
    names = [row["charge_point_id"] for row in found]
    names.sort(key=lambda name: name not in connections)
    shown = orjson.dumps(names[: max(0, limit)]).decode()
    chosen = "charge_point_id IN (SELECT value FROM json_each(?))"

    def of(sql: str) -> list[Json]:
        return context.store.rows(sql, shown)

    rows = of(f"SELECT * FROM charge_points WHERE {chosen} ORDER BY charge_point_id")
    rows.sort(key=lambda row: row["charge_point_id"] not in connections)
    connectors = _by_charge_point(of(f"SELECT * FROM connectors WHERE {chosen} ORDER BY evse_id, connector_id"))
    transactions = _by_charge_point(of(f"SELECT * FROM transactions WHERE stopped IS NULL AND {chosen} ORDER BY id"))
    return [
        _summary(row, connections)
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


def _summary(row: Json, connections: Connections) -> Json:
    shown = {name: value for name, value in row.items() if name not in ("password_hash", "old_password_hash")}
    connection = connections.get(row["charge_point_id"])
    connected = connection is not None
    if connection is not None and connection.last_message is not None:
        shown["last_seen"] = connection.last_message
    return shown | {"connected": connected, "has_password": row["password_hash"] is not None}


def charge_point(context: Context, connections: Connections, charge_point_id: str) -> Json | None:
    """Return all facts about one charge point; None if the CSMS does not know it."""
    row = context.store.charge_point(charge_point_id)
    if row is None:
        return None

    def of(sql: str) -> list[Json]:
        return context.store.rows(sql, charge_point_id)

    return _summary(row, connections) | {
        "connectors": of("SELECT * FROM connectors WHERE charge_point_id = ? ORDER BY evse_id, connector_id"),
        "transactions": [
            transaction | measured(context.store, transaction)
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
        "frames": [asdict(entry) for entry in context.log.entries(charge_point_id)],
    }  # fmt: skip


def _over(reservation: Json) -> bool:
    """Return whether a reservation has expired, by its time: OCPP 1.6 has no message that reports it."""
    expiry = timestamps.parse(reservation["expires"])
    return reservation["status"] == "Accepted" and expiry is not None and expiry <= datetime.now(UTC)


def measured(store: Store, transaction: Json) -> Json:
    """Compute the energy of a transaction, and find its newest power and state of charge.

    Returns:
        energy_wh, power_w and soc; each is None if the charge point sent no meter values for it.
    """
    begin, end = transaction["meter_start_wh"], transaction["meter_stop_wh"]
    register = "Energy.Active.Import.Register"
    begin = _reading(store, transaction, register, "ASC") if begin is None else begin
    end = _reading(store, transaction, register, "DESC") if end is None else end
    open_still = transaction["stopped"] is None
    return {
        "energy_wh": None if begin is None or end is None else round(end - begin, 3),
        "power_w": _reading(store, transaction, "Power.Active.Import", "DESC") if open_still else None,
        "soc": _reading(store, transaction, "SoC", "DESC"),
    }


# Unit -> factor for the conversion to Wh, W or percent. A 2.x unit with the multiplier 3 ends with `e3` (`v201._unit`).
FACTORS = {"Wh": 1, "kWh": 1000, "Whe3": 1000, "W": 1, "kW": 1000, "We3": 1000, "Percent": 1, "e3": 1000, None: 1}


def _reading(store: Store, transaction: Json, measurand: str, order: str) -> float | None:
    """Return the first (ASC) or last (DESC) value of a measurand, by timestamp, that is a number in a known unit.

    Only values measured at the outlet count, which is the default location.
    """
    samples = store.rows(
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
