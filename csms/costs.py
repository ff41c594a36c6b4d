"""Compute what a transaction of OCPP 2.x costs, from its messages and the tariff of its token."""

from __future__ import annotations

from csms import timestamps
from csms.prices import Prices
from csms.schemas import Payload
from csms.store import Row, Store

REGISTER = "Energy.Active.Import.Register"
UNITS = {"Wh": 0.001, "kWh": 1.0}


def total(store: Store, prices: Prices, charge_point_id: str, request: Payload) -> float | None:
    """Return the totalCost for the answer to the TransactionEvent that ends a transaction (I03.FR.02).

    Returns:
        The cost with tax; None if the token has no tariff, or the transaction's energy is not known. A station that
        calculates the cost itself reports it, and this amount is returned.
    """
    local = request.get("costDetails", {}).get("totalCost", {}).get("total", {})
    if "inclTax" in local or "exclTax" in local:
        return float(local.get("inclTax", local.get("exclTax")))
    info = request["transactionInfo"]
    known = store.transaction(charge_point_id, info["transactionId"])
    if known is None:
        return None
    tariff = prices.of(known["id_token"])
    if tariff is None:
        return None
    duration = _duration_s(known)
    charging = min(duration, float(info.get("timeSpentCharging", duration)))
    return tariff.total(_energy_kwh(store, charge_point_id, info["transactionId"]), charging, duration - charging)


def _duration_s(transaction: Row) -> float:
    started, stopped = timestamps.parse(transaction["started"]), timestamps.parse(transaction["stopped"])
    return max(0.0, (stopped - started).total_seconds()) if started and stopped else 0.0


def _energy_kwh(store: Store, charge_point_id: str, transaction_id: str) -> float | None:
    """Return the energy between the first and the last reading of the register; None without readings."""
    rows = store.rows(
        "SELECT value, unit FROM meter_values WHERE charge_point_id = ? AND transaction_id = ? AND measurand = ?"
        " AND phase IS NULL AND coalesce(location, 'Outlet') = 'Outlet'",
        charge_point_id, transaction_id, REGISTER,
    )  # fmt: skip
    readings = []
    for row in rows:
        unit, _, multiplier = (row["unit"] or "Wh").partition("e")
        if unit in UNITS:
            readings.append(float(row["value"]) * UNITS[unit] * 10.0 ** int(multiplier or 0))
    return max(readings) - min(readings) if readings else None


def receipt(charge_point_id: str, settlement: Payload) -> str:
    """Return the text of the receipt for a settled payment (C21.FR.03)."""
    lines = {
        "Receipt": settlement["pspRef"],
        "Charging station": charge_point_id,
        "Transaction": settlement.get("transactionId", "none"),
        "Amount": settlement["settlementAmount"],
        "Status": settlement["status"],
        "Settled": settlement["settlementTime"],
    }
    return "".join(f"{name}: {value}\n" for name, value in lines.items())
