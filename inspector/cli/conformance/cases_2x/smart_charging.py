"""Charging profiles and composite schedules (functional block K)."""

from __future__ import annotations

from typing import Any

from inspector.cli.conformance.case import case
from inspector.cli.conformance.cases_2x.flows import charging, has_component, in_time, number, report
from inspector.cli.conformance.stage import Stage

SMART = "SmartChargingCtrlr"


def profile(number: int, purpose: str, limit: float, **more: Any) -> dict[str, Any]:
    """Return a charging profile with one period of an hour."""
    schedule = {
        "id": number,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
        "duration": 3600,
        "startSchedule": in_time(-60),
    }
    return {
        "id": number,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [schedule],
        **more,
    }


async def _set(stage: Stage, evse: int, given: dict[str, Any], status: str = "Accepted", clause: str = "K01") -> None:
    has_component(stage, SMART)
    await stage.ask("SetChargingProfile", {"evseId": evse, "chargingProfile": given}, status=status, clause=clause)
    if status == "Accepted":
        stage.afterwards(lambda: stage.call("ClearChargingProfile", {"chargingProfileId": given["id"]}))


async def _limit(stage: Stage) -> float | None:
    answer = await stage.ask(
        "GetCompositeSchedule", {"duration": 300, "evseId": 1, "chargingRateUnit": "A"}, clause="K08.FR.02"
    )
    schedule = answer.get("schedule") or {}
    stage.check(bool(schedule), "the answer Accepted has no schedule", "K08.FR.02")
    periods = schedule.get("chargingSchedulePeriod") or [{}]
    limit: float | None = periods[0].get("limit")
    return limit


async def _limited(stage: Stage, limit: float) -> None:
    got = await _limit(stage)
    right = isinstance(got, int | float) and got <= limit
    stage.check(right, f"the composite schedule begins with {got} A, not at most {limit} A", "K08.FR.04")


@case("smart-charging", "apply a TxDefaultProfile", "K01.FR.01", "TC_K_01_CS")
async def default_profile(stage: Stage) -> None:
    await _set(stage, 1, profile(501, "TxDefaultProfile", 6))
    await _limited(stage, 6)


@case("smart-charging", "apply a TxDefaultProfile of all EVSEs", "K01.FR.14", "TC_K_10_CS")
async def default_profile_of_all(stage: Stage) -> None:
    await _set(stage, 0, profile(511, "TxDefaultProfile", 8))
    await _limited(stage, 8)


@case("smart-charging", "apply a TxProfile to the running transaction", "K01.FR.03", "TC_K_60_CS")
async def transaction_profile(stage: Stage) -> None:
    has_component(stage, SMART)
    transaction = await charging(stage)
    await _set(stage, 1, profile(502, "TxProfile", 7, transactionId=transaction.id))
    await _limited(stage, 7)


@case("smart-charging", "reject a TxProfile when no transaction runs", "K01.FR.09", "TC_K_02_CS")
async def transaction_profile_without_transaction(stage: Stage) -> None:
    await _set(stage, 1, profile(503, "TxProfile", 8, transactionId="no-such-transaction"), "Rejected", "K01.FR.09")


@case("smart-charging", "reject a TxProfile of another transaction", "K01.FR.33", "TC_K_16_CS")
async def transaction_profile_of_another(stage: Stage) -> None:
    has_component(stage, SMART)
    await charging(stage)
    await _set(stage, 1, profile(504, "TxProfile", 8, transactionId="no-such-transaction"), "Rejected", "K01.FR.33")


@case("smart-charging", "limit the whole station with a ChargingStationMaxProfile", "K01.FR.38", "TC_K_03_CS")
async def maximum_profile(stage: Stage) -> None:
    await _set(stage, 0, profile(505, "ChargingStationMaxProfile", 9))
    await _limited(stage, 9)


@case("smart-charging", "reject a profile of an unknown EVSE", "K01.FR.28", "TC_K_14_CS")
async def profile_of_unknown_evse(stage: Stage) -> None:
    await _set(stage, 99, profile(506, "TxDefaultProfile", 9), "Rejected", "K01.FR.28")


@case("smart-charging", "replace a profile with the same id", "K01.FR.05", "TC_K_04_CS")
async def replace_a_profile(stage: Stage) -> None:
    await _set(stage, 1, profile(507, "TxDefaultProfile", 6))
    await _set(stage, 1, profile(507, "TxDefaultProfile", 10))
    got = await _limit(stage)
    stage.check(
        got == 10, f"the composite schedule begins with {got} A, not with the 10 A of the new profile", "K01.FR.05"
    )


@case("smart-charging", "clear a profile by its id, and know it no longer", "K10.FR.01", "TC_K_05_CS", "TC_K_08_CS")
async def clear_a_profile(stage: Stage) -> None:
    await _set(stage, 1, profile(508, "TxDefaultProfile", 6))
    await stage.ask("ClearChargingProfile", {"chargingProfileId": 508}, clause="K10.FR.01")
    await stage.ask("ClearChargingProfile", {"chargingProfileId": 508}, status="Unknown", clause="K10.FR.01")


@case("smart-charging", "report the installed profiles", "K09.FR.01", "TC_K_30_CS", "TC_K_32_CS")
async def report_profiles(stage: Stage) -> None:
    await _set(stage, 1, profile(509, "TxDefaultProfile", 6))
    request = {"evseId": 1, "chargingProfile": {"chargingProfileId": [509]}}
    entries = await report(stage, "GetChargingProfiles", request, "ReportChargingProfiles", "chargingProfile")
    ids = [entry.get("id") for entry in entries]
    stage.check(ids == [509], f"the report has the profiles {ids}, not 509", "K09.FR.01")


@case("smart-charging", "answer NoProfiles when none fits", "K09.FR.03", "TC_K_31_CS")
async def report_no_profiles(stage: Stage) -> None:
    has_component(stage, SMART)
    request = {"requestId": number(), "chargingProfile": {"chargingProfileId": [987_654]}}
    await stage.ask("GetChargingProfiles", request, status="NoProfiles", clause="K09.FR.03")


@case("smart-charging", "reject a composite schedule of an unknown EVSE", "K08.FR.05", "TC_K_47_CS")
async def schedule_of_unknown_evse(stage: Stage) -> None:
    has_component(stage, SMART)
    await stage.ask("GetCompositeSchedule", {"duration": 60, "evseId": 99}, status="Rejected", clause="K08.FR.05")
