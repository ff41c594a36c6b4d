"""DER controls, priority charging, dynamic profiles and battery swaps of a 2.1 charge point, against a raw CSMS."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator.clock import timestamp
from simulator.v2x.battery_swap import BatterySwaps
from tests.simulator.listening import ListeningCsms
from tests.simulator.powered import PowerOn, charge

DROOP = {"overFreq": 51, "underFreq": 49, "overDroop": 5, "underDroop": 5, "responseTime": 1}


def soon(seconds: float) -> str:
    return timestamp(datetime.now(UTC) + timedelta(seconds=seconds))


async def control(
    csms: ListeningCsms, name: str, priority: int, default: bool = False, kind: str = "FreqDroop", **settings: Any
) -> dict[str, Any]:
    payload = {"isDefault": default, "controlId": name, "controlType": kind}
    payload["freqDroop"] = DROOP | {"priority": priority} | settings
    answer: dict[str, Any] = (await csms.ask("SetDERControl", payload))[2]
    return answer


async def superseded(csms: ListeningCsms) -> dict[str, bool]:
    before = len(csms.calls("ReportDERControl"))
    if (await csms.ask("GetDERControl", {"requestId": 1}))[2]["status"] == "NotFound":
        return {}
    await csms.until(lambda: len(csms.calls("ReportDERControl")) > before)
    return {each["id"]: each["isSuperseded"] for each in csms.calls("ReportDERControl")[-1]["freqDroop"]}


async def test_the_lower_priority_value_of_two_default_controls_wins(csms: ListeningCsms, power_on: PowerOn) -> None:
    """R04.FR.02, R04.FR.03, R04.FR.08"""
    await power_on("2.1")
    assert await control(csms, "a", 5, default=True) == {"status": "Accepted"}
    assert await control(csms, "b", 3, default=True) == {"status": "Accepted", "supersededIds": ["a"]}
    assert await control(csms, "c", 4, default=True) == {"status": "Accepted", "supersededIds": ["c"]}
    assert await superseded(csms) == {"a": True, "b": False, "c": True}
    assert not csms.calls("NotifyDERStartStop")


async def test_scheduled_controls_start_supersede_and_end(csms: ListeningCsms, power_on: PowerOn) -> None:
    """R04.FR.06 to R04.FR.08, R04.FR.10, R04.FR.20 to R04.FR.22"""
    await power_on("2.1")
    assert await control(csms, "far", 5, startTime=soon(600), duration=60) == {"status": "Accepted"}
    assert await control(csms, "now", 4) == {"status": "Accepted", "supersededIds": ["far"]}
    await csms.until(lambda: csms.calls("NotifyDERStartStop"))
    assert await control(csms, "weak", 9, startTime=soon(0.1)) == {"status": "Accepted", "supersededIds": ["weak"]}
    assert await control(csms, "strong", 1, startTime=soon(0.2), duration=0.3) == {"status": "Accepted"}
    assert await superseded(csms) == {"far": True, "now": False, "weak": True, "strong": False}
    await csms.until(lambda: len(csms.calls("NotifyDERStartStop")) == 3)
    told = [
        (call["controlId"], call["started"], call.get("supersededIds")) for call in csms.calls("NotifyDERStartStop")
    ]
    assert told == [("now", True, None), ("strong", True, ["now"]), ("strong", False, None)]
    assert await superseded(csms) == {"far": True, "now": True, "weak": True}


async def test_settings_that_do_not_belong_to_a_control_are_refused(csms: ListeningCsms, power_on: PowerOn) -> None:
    """R04.FR.13, R04.FR.15 to R04.FR.17"""
    await power_on("2.1")
    droop, gradient = DROOP | {"priority": 1}, {"priority": 1, "gradient": 1, "softGradient": 1}
    for default, kind, settings in (
        (False, "FreqDroop", {"gradient": gradient}),
        (False, "FreqDroop", {"freqDroop": droop, "gradient": gradient}),
        (False, "FreqDroop", {}),
        (True, "FreqDroop", {"freqDroop": droop | {"duration": 5}}),
        (False, "Gradients", {"gradient": gradient}),
    ):
        payload = {"isDefault": default, "controlId": "x", "controlType": kind, **settings}
        assert (await csms.ask("SetDERControl", payload))[2]["status"] == "Rejected"
    good = {"isDefault": True, "controlId": "x", "controlType": "Gradients", "gradient": gradient}
    assert (await csms.ask("SetDERControl", good))[2] == {"status": "Accepted"}
    for clear, status in (
        ({"isDefault": False, "controlType": "Gradients"}, "NotFound"),
        ({"isDefault": True, "controlId": "y"}, "NotFound"),
        ({"isDefault": True, "controlId": "x"}, "Accepted"),
        ({"isDefault": True}, "Accepted"),
    ):
        assert (await csms.ask("ClearDERControl", clear))[2]["status"] == status


def profile(number: int, purpose: str, limit: float, kind: str = "Relative", **more: Any) -> dict[str, Any]:
    schedule = {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}
    return {
        "id": number, "stackLevel": 0, "chargingProfilePurpose": purpose, "chargingProfileKind": kind,
        "chargingSchedule": [schedule],
    } | more  # fmt: skip


async def install(csms: ListeningCsms, place: int, made: dict[str, Any]) -> None:
    answer = await csms.ask("SetChargingProfile", {"evseId": place, "chargingProfile": made})
    assert answer[2] == {"status": "Accepted"}


async def test_priority_charging_replaces_the_default_profile_and_is_reported(
    csms: ListeningCsms, power_on: PowerOn
) -> None:
    """K21.FR.01 to K21.FR.08"""
    station = await power_on("2.1")
    await install(csms, 1, profile(1, "TxDefaultProfile", 2000.0))
    await charge(station)
    connector = station.connectors[1]
    assert connector.transaction is not None
    use = {"transactionId": connector.transaction.id, "activate": True}
    assert (await csms.ask("UsePriorityCharging", use))[2]["status"] == "NoProfile"
    assert (await csms.ask("UsePriorityCharging", use | {"transactionId": "x"}))[2]["status"] == "Rejected"
    await install(csms, 0, profile(2, "PriorityCharging", 6000.0))
    assert station.limit_w(connector) == 2000
    for activate, limit in ((True, 6000), (False, 2000)):
        assert (await csms.ask("UsePriorityCharging", use | {"activate": activate}))[2]["status"] == "Accepted"
        await csms.until(lambda wanted=activate: csms.calls("NotifyPriorityCharging")[-1:] == [
            {"transactionId": use["transactionId"], "activated": wanted}
        ])  # fmt: skip
        assert station.limit_w(connector) == limit


async def test_a_dynamic_profile_is_pulled_at_its_interval_and_updated(csms: ListeningCsms, power_on: PowerOn) -> None:
    """K28.FR.05, K28.FR.06, K28.FR.08 to K28.FR.11; a refused update changes nothing."""
    station = await power_on("2.1")
    updates = [{"status": "Rejected"}, {"status": "Accepted", "scheduleUpdate": {"limit": 1500.0}}]
    csms.answers["PullDynamicScheduleUpdate"] = lambda payload: updates.pop(0) if updates else {"status": "Rejected"}
    await install(csms, 1, profile(1, "TxDefaultProfile", 3000.0, "Dynamic", dynUpdateInterval=60))
    await install(csms, 1, profile(2, "TxDefaultProfile", 9000.0, stackLevel=1, validFrom=soon(900)))
    await charge(station)
    connector = station.connectors[1]
    await csms.until(lambda: len(csms.calls("PullDynamicScheduleUpdate")) >= 2)
    assert csms.calls("PullDynamicScheduleUpdate")[0] == {"chargingProfileId": 1}
    while station.limit_w(connector) != 1500:
        await asyncio.sleep(0.01)
    update = {"chargingProfileId": 1, "scheduleUpdate": {"limit": 2500.0}}
    assert (await csms.ask("UpdateDynamicSchedule", update))[2]["status"] == "Accepted"
    assert station.limit_w(connector) == 2500
    assert (await csms.ask("UpdateDynamicSchedule", update | {"chargingProfileId": 2}))[2]["status"] == "Rejected"
    assert "dynUpdateTime" in station.profiles.profiles[0].raw
    await csms.ask("ClearChargingProfile", {"chargingProfileId": 1})
    count = len(csms.calls("PullDynamicScheduleUpdate"))
    await station.clock.sleep(130)
    assert len(csms.calls("PullDynamicScheduleUpdate")) <= count + 1


@pytest.mark.parametrize(
    ("period", "limit"),
    [
        ({"operationMode": "CentralSetpoint", "setpoint": 4000.0}, 4000),
        ({"operationMode": "CentralFrequency", "setpoint": 4000.0}, 4000),
        ({"operationMode": "Idle"}, 0),
        (
            {"operationMode": "LocalFrequency", "v2xBaseline": 1000.0, "v2xFreqWattCurve": [
                {"frequency": 49.0, "power": 0.0}, {"frequency": 51.0, "power": 4000.0}]},
            3000,
        ),
    ],
)  # fmt: skip
async def test_modes_of_operation_set_the_power(
    csms: ListeningCsms, power_on: PowerOn, period: dict[str, Any], limit: float
) -> None:
    station = await power_on("2.1")
    made = profile(1, "TxDefaultProfile", 0)
    made["chargingSchedule"][0]["chargingSchedulePeriod"] = [{"startPeriod": 0} | period]
    await install(csms, 1, made)
    assert station.limit_w(station.connectors[1]) == limit


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_immediate_and_resume_needs_a_resumption_timeout(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    """B13.FR.01; 2.0.1 does not have this type of reset."""
    station = await power_on(version)
    answer = await csms.ask("Reset", {"type": "ImmediateAndResume"})
    if version == "2.1":
        assert answer[2]["status"] == "Rejected"
    else:
        assert answer[0] == 4
    assert station.connections == 1


# --- battery swaps ----------------------------------------------------------------------------------------------------

TOKEN = {"idToken": "DRIVER", "type": "Central"}


async def swap(csms: ListeningCsms, number: int) -> dict[str, Any]:
    answer: dict[str, Any] = (await csms.ask("RequestBatterySwap", {"requestId": number, "idToken": TOKEN}))[2]
    return answer


async def test_a_battery_is_swapped_in_the_order_of_the_book(csms: ListeningCsms, power_on: PowerOn) -> None:
    """S02.FR.01, S02.FR.02, S03.FR.01 to S03.FR.04; with an empty station S02.FR.04."""
    station = await power_on("2.1", connectors=2, batteries=1)
    states = [call["connectorStatus"] for call in csms.calls("StatusNotification")]
    assert states == ["Occupied", "Available"]
    swaps = station.part(BatterySwaps)
    assert swaps is not None
    assert await swap(csms, 77) == {"status": "Accepted"}
    await swaps.insert("OLD", 12)
    await swaps.take()
    given, got = csms.calls("BatterySwap")
    assert (given["eventType"], got["eventType"]) == ("BatteryIn", "BatteryOut")
    assert given["requestId"] == got["requestId"] == 77 and given["idToken"] == got["idToken"] == TOKEN
    assert [each["batteryData"][0]["evseId"] for each in (given, got)] == [2, 1]
    assert given["batteryData"][0]["serialNumber"] == "OLD" and got["batteryData"][0]["soC"] >= 90
    values = [call["eventData"][0]["actualValue"] for call in csms.calls("NotifyEvent")]
    assert values == ["Occupied", "Available"]
    refused = await swap(csms, 78)
    assert refused == {"status": "Rejected", "statusInfo": {"reasonCode": "NoBatteryAvailable"}}
    for act in (swaps.insert("X", 1), swaps.take()):
        with pytest.raises(ValueError, match="no "):
            await act


async def test_a_swap_that_nobody_completes_ends(csms: ListeningCsms, power_on: PowerOn) -> None:
    """S02.FR.05 without a battery; S03.FR.06 with one that stays."""
    station = await power_on("2.1", connectors=2, batteries=1)
    swaps = station.part(BatterySwaps)
    assert swaps is not None
    assert await swap(csms, 1) == {"status": "Accepted"}
    while swaps.swap is not None:
        await asyncio.sleep(0.01)
    assert not csms.calls("BatterySwap")
    assert await swap(csms, 2) == {"status": "Accepted"}
    await swaps.insert("OLD", 12)
    await csms.until(lambda: len(csms.calls("BatterySwap")) == 2)
    assert csms.calls("BatterySwap")[1]["eventType"] == "BatteryOutTimeout"
    assert csms.calls("BatterySwap")[1]["requestId"] == 2


async def test_a_charge_point_without_batteries_refuses_swaps(csms: ListeningCsms, power_on: PowerOn) -> None:
    await power_on("2.1")
    assert (await swap(csms, 1))["status"] == "Rejected"
