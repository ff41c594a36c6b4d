"""Charging profiles and composite schedules of OCPP 1.6."""

from __future__ import annotations

from typing import Any

from inspector.cli.conformance.cases_16.flows import case_16, charging, has_profile, plug_in, profile, started
from inspector.cli.conformance.stage import Stage

SMART = "SmartCharging"


async def _set(stage: Stage, connector: int, given: dict[str, Any], status: str = "Accepted") -> None:
    has_profile(stage, SMART)
    request = {"connectorId": connector, "csChargingProfiles": given}
    await stage.ask("SetChargingProfile", request, status=status, clause="§5.16")
    if status == "Accepted":
        stage.afterwards(lambda: stage.call("ClearChargingProfile", {"id": given["chargingProfileId"]}))


async def _limit(stage: Stage) -> float | None:
    """Return the limit at the beginning of the composite schedule of connector 1, in ampere."""
    request = {"connectorId": 1, "duration": 300, "chargingRateUnit": "A"}
    answer = await stage.ask("GetCompositeSchedule", request, clause="§5.7")
    periods = answer.get("chargingSchedule", {}).get("chargingSchedulePeriod", [])
    return periods[0].get("limit") if periods else None


@case_16("smart-charging", "apply a TxDefaultProfile", "§5.16", "TC_056_CS")
async def default_profile(stage: Stage) -> None:
    await _set(stage, 1, profile(501, "TxDefaultProfile", 6))
    limit = await _limit(stage)
    stage.check(
        limit is not None and limit <= 6, f"the composite schedule begins with {limit} A, not at most 6 A", "§5.7"
    )


@case_16("smart-charging", "apply a TxProfile to the running transaction", "§5.16", "TC_057_CS")
async def transaction_profile(stage: Stage) -> None:
    has_profile(stage, SMART)
    transaction = await charging(stage)
    await _set(stage, 1, profile(502, "TxProfile", 7, transactionId=transaction.number))
    limit = await _limit(stage)
    stage.check(
        limit is not None and limit <= 7, f"the composite schedule begins with {limit} A, not at most 7 A", "§5.7"
    )


@case_16("smart-charging", "reject a TxProfile when no transaction runs", "§5.16", "TC_058_1_CS")
async def transaction_profile_without_transaction(stage: Stage) -> None:
    await _set(stage, 1, profile(503, "TxProfile", 8, transactionId=1), "Rejected")


@case_16("smart-charging", "reject a TxProfile of another transaction", "§5.16", "TC_058_2_CS")
async def transaction_profile_of_another(stage: Stage) -> None:
    has_profile(stage, SMART)
    transaction = await charging(stage)
    await _set(stage, 1, profile(504, "TxProfile", 8, transactionId=transaction.number + 1000), "Rejected")


@case_16("smart-charging", "limit the whole charge point with a ChargePointMaxProfile", "§5.16")
async def maximum_profile(stage: Stage) -> None:
    await _set(stage, 0, profile(505, "ChargePointMaxProfile", 9))
    limit = await _limit(stage)
    stage.check(
        limit is not None and limit <= 9, f"the composite schedule begins with {limit} A, not at most 9 A", "§5.7"
    )


@case_16("smart-charging", "return a composite schedule with the requested unit", "§5.7", "TC_066_CS")
async def composite_schedule(stage: Stage) -> None:
    await _set(stage, 1, profile(506, "TxDefaultProfile", 10))
    request = {"connectorId": 1, "duration": 300, "chargingRateUnit": "A"}
    answer = await stage.ask("GetCompositeSchedule", request, clause="§5.7")
    schedule = answer.get("chargingSchedule")
    stage.check(isinstance(schedule, dict), "the answer Accepted has no chargingSchedule", "§6.20")
    unit = (schedule or {}).get("chargingRateUnit")
    stage.check(unit == "A", f"the schedule is in {unit}, not in the requested A", "§5.7")


@case_16("smart-charging", "clear a profile by its id", "§5.5", "TC_067_CS")
async def clear_a_profile(stage: Stage) -> None:
    await _set(stage, 1, profile(507, "TxDefaultProfile", 6))
    await stage.ask("ClearChargingProfile", {"id": 507}, clause="§5.5")
    await stage.ask("ClearChargingProfile", {"id": 507}, status="Unknown", clause="§5.5")


@case_16("smart-charging", "start remotely with a charging profile", "§5.11", "TC_059_CS")
async def remote_start_with_a_profile(stage: Stage) -> None:
    has_profile(stage, SMART)
    await plug_in(stage)
    since = stage.now
    request = {"connectorId": 1, "idTag": "REMOTE01", "chargingProfile": profile(508, "TxProfile", 6)}
    await stage.ask("RemoteStartTransaction", request, clause="§5.11")
    await started(stage, 1, since, clause="§5.11")
    limit = await _limit(stage)
    stage.check(
        limit is not None and limit <= 6, f"the composite schedule begins with {limit} A, not at most 6 A", "§5.11"
    )
