"""Plan the charging of vehicles with ISO 15118: from charging needs to a profile, and check their schedules (K15)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from csms import timestamps
from csms.schemas import Payload
from csms.store import Row, Store

VOLTAGE = 230.0
PHASES = {"AC_single_phase": 1, "AC_two_phase": 2, "AC_three_phase": 3}
PLAN = 1_500_000_000
"""The ids of planned profiles start here, away from ids that operators choose."""
UPDATES = tuple(
    f"{name}{phase}"
    for name in ("limit", "dischargeLimit", "setpoint", "setpointReactive")
    for phase in ("", "_L2", "_L3")
)
"""The members of a schedule update (2.1)."""
TOLERANCE = 1.001


def open_transaction(store: Store, charge_point_id: str, evse_id: int) -> Row | None:
    """Return the newest open transaction on an EVSE."""
    found = [row for row in store.open_transactions(charge_point_id) if row["evse_id"] == evse_id]
    return found[-1] if found else None


def profile_for(store: Store, charge_point_id: str, request: Payload) -> Payload | None:
    """Return the SetChargingProfile that answers NotifyEVChargingNeeds; None if no transaction runs on the EVSE.

    The profile allows what the vehicle can take, until its departure (K15.FR.07, K15.FR.18: one schedule).
    """
    evse_id, needs = request["evseId"], request["chargingNeeds"]
    transaction = open_transaction(store, charge_point_id, evse_id)
    if transaction is None:
        return None
    unit, limit = _most(needs)
    if limit is None:
        return None
    now = datetime.now(UTC)
    phases = PHASES.get(needs["requestedEnergyTransfer"])
    period: Payload = {"startPeriod": 0, "limit": round(limit, 1)}
    if unit == "A" and phases is not None:
        period["numberPhases"] = phases
    schedule: Payload = {"id": 1, "chargingRateUnit": unit, "chargingSchedulePeriod": [period]}
    schedule["startSchedule"] = timestamps.stamp(now)
    departure = timestamps.parse(needs.get("departureTime"))
    if departure is not None and departure > now:
        schedule["duration"] = int((departure - now).total_seconds())
    same = [
        profile["id"]
        for _, profile in store.profiles(charge_point_id, "TxProfile", evse_id)
        if profile.get("transactionId") == transaction["transaction_id"] and profile["stackLevel"] == 0
    ]
    profile = {
        "id": same[0] if same else PLAN + evse_id,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Absolute",
        "transactionId": transaction["transaction_id"],
        "chargingSchedule": [schedule],
    }
    return {"evseId": evse_id, "chargingProfile": profile}


def _most(needs: Payload) -> tuple[str, float | None]:
    """Return the most that a vehicle can take: the unit, A for AC and W for DC, and the amount."""
    if (ac := needs.get("acChargingParameters")) is not None:
        return "A", float(ac["evMaxCurrent"])
    if (dc := needs.get("dcChargingParameters")) is not None:
        return "W", float(dc.get("evMaxPower", dc["evMaxCurrent"] * dc["evMaxVoltage"]))
    if (v2x := needs.get("v2xChargingParameters")) is not None:
        power = [v2x[name] for name in ("maxChargePower", "maxChargePower_L2", "maxChargePower_L3") if name in v2x]
        if power:
            return "W", float(sum(power))
        if "maxChargeCurrent" in v2x:
            return "W", float(v2x["maxChargeCurrent"] * v2x.get("maxVoltage", VOLTAGE))
    return "W", None


def exceeded(store: Store, charge_point_id: str, request: Payload) -> Payload | None:
    """Return the SetChargingProfile whose limits the schedule in NotifyEVChargingSchedule exceeds; None if it fits."""
    evse_id, wanted = request["evseId"], request["chargingSchedule"]
    base = timestamps.parse(request["timeBase"]) or datetime.now(UTC)
    transaction = open_transaction(store, charge_point_id, evse_id)
    profiles = [
        profile
        for _, profile in store.profiles(charge_point_id, "TxProfile", evse_id)
        if transaction is not None and profile.get("transactionId") == transaction["transaction_id"]
    ]
    if not profiles:
        return None
    profile = max(profiles, key=lambda each: int(each["stackLevel"]))
    chosen = request.get("selectedChargingScheduleId", wanted["id"])
    offered = profile["chargingSchedule"]
    schedule = next((each for each in offered if each["id"] == chosen), offered[0])
    start = timestamps.parse(schedule.get("startSchedule"))
    shift = 0.0 if start is None else (base - start).total_seconds()
    end = wanted.get("duration", float("inf"))
    marks = {float(period["startPeriod"]) for period in wanted["chargingSchedulePeriod"]}
    marks |= {period["startPeriod"] - shift for period in schedule["chargingSchedulePeriod"]}
    for mark in sorted(mark for mark in marks if 0 <= mark < end):
        limit, demand = _limit_w(schedule, mark + shift), _limit_w(wanted, mark)
        if limit is not None and demand is not None and demand > limit * TOLERANCE:
            return {"evseId": evse_id, "chargingProfile": profile}
    return None


def _limit_w(schedule: Payload, seconds: float) -> float | None:
    """Return the limit of a schedule, in W for all phases, so many seconds after its start."""
    if seconds >= schedule.get("duration", float("inf")):
        return None
    found: Payload | None = None
    for period in schedule["chargingSchedulePeriod"]:
        if period["startPeriod"] <= max(0.0, seconds):
            found = period
    if found is None or "limit" not in found:
        return None
    if schedule["chargingRateUnit"] == "A":
        return float(found["limit"]) * VOLTAGE * int(found.get("numberPhases", 3))
    return float(found["limit"]) + sum(float(found.get(name, 0)) for name in ("limit_L2", "limit_L3"))


def update_of(store: Store, charge_point_id: str, profile_id: int) -> Payload | None:
    """Return the schedule update that a station pulls for a Dynamic profile (K28.FR.07); None if it has no such one."""
    profile = store.profile(charge_point_id, profile_id)
    if profile is None or profile["chargingProfileKind"] != "Dynamic":
        return None
    period = profile["chargingSchedule"][0]["chargingSchedulePeriod"][0]
    return {name: period[name] for name in UPDATES if name in period}


def updated(store: Store, charge_point_id: str, profile_id: int, changes: dict[str, Any]) -> None:
    """Store the changes that a station accepted with UpdateDynamicSchedule."""
    profile = store.profile(charge_point_id, profile_id)
    if profile is None or profile["chargingProfileKind"] != "Dynamic":
        return
    profile["chargingSchedule"][0]["chargingSchedulePeriod"][0].update(
        {name: value for name, value in changes.items() if name in UPDATES}
    )
    for evse_id, other in store.profiles(charge_point_id, profile["chargingProfilePurpose"]):
        if other["id"] == profile_id:
            store.charging_profile(charge_point_id, evse_id, profile_id, profile)
