"""Charging needs lead to a profile, schedules are checked against it, and dynamic profiles can be pulled."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from csms import timestamps
from csms.central_system import CentralSystem
from tests.csms.peer import Peer, connected

TWO = pytest.mark.parametrize("version", ["2.0.1", "2.1"])
AC = {"energyAmount": 20000, "evMinCurrent": 6, "evMaxCurrent": 16, "evMaxVoltage": 400}
DC = {"evMaxCurrent": 100, "evMaxVoltage": 400}


def stamp(seconds: float = 0) -> str:
    return timestamps.stamp(datetime.now(UTC) + timedelta(seconds=seconds))


def needs(mode: str = "AC_three_phase", evse: int = 1, **parameters: Any) -> dict[str, Any]:
    return {"evseId": evse, "maxScheduleTuples": 1, "chargingNeeds": {"requestedEnergyTransfer": mode} | parameters}


async def start(peer: Peer, evse: int = 1, transaction: str = "tx-1") -> None:
    event = {
        "eventType": "Started", "timestamp": stamp(), "triggerReason": "Authorized", "seqNo": 0,
        "transactionInfo": {"transactionId": transaction}, "evse": {"id": evse, "connectorId": 1},
        "idToken": {"idToken": "TAG", "type": "Central"},
    }  # fmt: skip
    await peer.call("TransactionEvent", event)


async def planned(peer: Peer, status: str = "Accepted") -> dict[str, Any]:
    """Answer the SetChargingProfile that comes now, and return its payload."""
    call = await peer.receive()
    assert (call[0], call[2]) == (2, "SetChargingProfile")
    await peer.send([3, call[1], {"status": status}])
    await peer.silence_until_heartbeat()
    payload: dict[str, Any] = call[3]
    return payload


@TWO
async def test_charging_needs_lead_to_a_profile_for_the_transaction(csms: CentralSystem, version: str) -> None:
    """K15.FR.03, K15.FR.07: one schedule within what the vehicle takes, until its departure."""
    async with connected(csms.address, version) as peer:
        await start(peer)
        asked = needs(acChargingParameters=AC, departureTime=stamp(3600))
        assert await peer.call("NotifyEVChargingNeeds", asked) == {"status": "Accepted"}
        payload = await planned(peer)
        profile = payload["chargingProfile"]
        (schedule,) = profile["chargingSchedule"]
        assert (payload["evseId"], profile["chargingProfilePurpose"], profile["transactionId"]) == (
            1,
            "TxProfile",
            "tx-1",
        )
        assert schedule["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 16.0, "numberPhases": 3}]
        assert (schedule["chargingRateUnit"], 3590 < schedule["duration"] <= 3600) == ("A", True)
        assert "startSchedule" in schedule  # K01.FR.40
        assert await peer.call("NotifyEVChargingNeeds", needs("DC", dcChargingParameters=DC)) == {"status": "Accepted"}
        again = (await planned(peer))["chargingProfile"]
        assert again["id"] == profile["id"]  # K01.FR.39: a second id on this stack level would be refused
        assert again["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"] == 40_000


@TWO
async def test_charging_needs_without_a_transaction_are_rejected(csms: CentralSystem, version: str) -> None:
    """K15.FR.04 over ISO 15118-2, K18.FR.04 over ISO 15118-20."""
    async with connected(csms.address, version) as peer:
        await start(peer)
        answer = await peer.call("NotifyEVChargingNeeds", needs(evse=2, acChargingParameters=AC))
        assert answer["status"] == "Rejected"
        if version == "2.1":
            modern = needs(
                "DC_BPT", evse=2, controlMode="ScheduledControl", v2xChargingParameters={"maxChargePower": 1}
            )
            assert await peer.call("NotifyEVChargingNeeds", modern) == {"status": "NoChargingProfile"}
        await peer.silence_until_heartbeat()


async def test_charging_needs_of_iso_15118_20_are_planned_in_watts(csms: CentralSystem) -> None:
    """K18.FR.07, K19.FR.07"""
    v2x = {"maxChargePower": 3000, "maxChargePower_L2": 3000, "maxChargePower_L3": 3000}
    async with connected(csms.address, "2.1") as peer:
        await start(peer)
        for mode in ("ScheduledControl", "DynamicControl"):
            asked = needs("AC_BPT", controlMode=mode, v2xChargingParameters=v2x)
            assert await peer.call("NotifyEVChargingNeeds", asked) == {"status": "Accepted"}
            (schedule,) = (await planned(peer))["chargingProfile"]["chargingSchedule"]
            assert (schedule["chargingRateUnit"], schedule["chargingSchedulePeriod"][0]["limit"]) == ("W", 9000)


@TWO
async def test_a_schedule_beyond_the_limits_is_rejected_and_negotiated_again(csms: CentralSystem, version: str) -> None:
    """K15.FR.11 to K15.FR.13, K16.FR.06, K16.FR.07; without a profile every schedule is accepted."""

    def schedule(unit: str, *limits: float) -> dict[str, Any]:
        periods = [{"startPeriod": 600 * at, "limit": limit} for at, limit in enumerate(limits)]
        offered = {"id": 1, "chargingRateUnit": unit, "chargingSchedulePeriod": periods}
        return {"timeBase": stamp(), "evseId": 1, "chargingSchedule": offered}

    async with connected(csms.address, version) as peer:
        assert await peer.call("NotifyEVChargingSchedule", schedule("W", 99_000)) == {"status": "Accepted"}
        await start(peer)
        await peer.call("NotifyEVChargingNeeds", needs(acChargingParameters=AC))
        profile = await planned(peer)
        for fits in (schedule("A", 16, 10), schedule("W", 11_040), schedule("A", 0, 16)):
            assert await peer.call("NotifyEVChargingSchedule", fits) == {"status": "Accepted"}
        for exceeds in (schedule("A", 17), schedule("A", 16, 32), schedule("W", 11_500)):
            answer = await peer.call("NotifyEVChargingSchedule", exceeds)
            assert answer["status"] == "Rejected"
            assert await planned(peer) == profile


async def test_a_station_pulls_the_limits_of_its_dynamic_profiles(csms: CentralSystem) -> None:
    """K28.FR.07, K28.FR.12: with the limits of the latest update; other profiles are rejected."""

    def profile(number: int, kind: str) -> dict[str, Any]:
        period = {"startPeriod": 0, "limit": 11_000.0, "limit_L2": 5.0}
        offered = {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [period]}
        if kind != "Dynamic":
            offered["startSchedule"] = stamp()
        return {
            "id": number, "stackLevel": number, "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": kind, "chargingSchedule": [offered],
        }  # fmt: skip

    async with connected(csms.address, "2.1") as peer:

        async def sends(action: str, payload: dict[str, Any]) -> None:
            sending = asyncio.create_task(csms.connections["CHARGER-001"].send_call(action, payload))
            call = await peer.receive()
            await peer.send([3, call[1], {"status": "Accepted"}])
            await sending

        await sends("SetChargingProfile", {"evseId": 1, "chargingProfile": profile(7, "Dynamic")})
        await sends("SetChargingProfile", {"evseId": 1, "chargingProfile": profile(8, "Absolute")})
        pull = {"chargingProfileId": 7}
        answer = await peer.call("PullDynamicScheduleUpdate", pull)
        assert answer == {"status": "Accepted", "scheduleUpdate": {"limit": 11_000.0, "limit_L2": 5.0}}
        await sends("UpdateDynamicSchedule", pull | {"scheduleUpdate": {"limit": 7000.0}})
        answer = await peer.call("PullDynamicScheduleUpdate", pull)
        assert answer["scheduleUpdate"] == {"limit": 7000.0, "limit_L2": 5.0}
        for other in (8, 9):
            answer = await peer.call("PullDynamicScheduleUpdate", {"chargingProfileId": other})
            assert answer == {"status": "Rejected", "statusInfo": {"reasonCode": "InvalidProfile"}}
