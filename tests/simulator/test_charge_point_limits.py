"""Charging profiles that limit the power, and reservations that keep a connector."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator.clock import timestamp
from tests.simulator.listening import VERSIONS, ListeningCsms
from tests.simulator.powered import TOKEN, PowerOn, charge, events


def limit(version: str, number: int, watts: float, **more: Any) -> dict[str, Any]:
    """Return SetChargingProfile's payload for connector 1."""
    schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": watts}]}
    profile = {"stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile", "chargingProfileKind": "Relative"} | more
    if version == "1.6":
        profile |= {"chargingProfileId": number, "chargingSchedule": schedule}
        return {"connectorId": 1, "csChargingProfiles": profile}
    profile |= {"id": number, "chargingSchedule": [schedule | {"id": 1}]}
    return {"evseId": 1, "chargingProfile": profile}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_charging_profile_limits_and_pauses_the_power(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    station = await power_on(version, speed=60.0)
    meter = station.connectors[1].meter
    await charge(station)
    assert meter.power_w == 7_400
    assert (await csms.ask("SetChargingProfile", limit(version, 1, 2000.0)))[2]["status"] == "Accepted"
    while meter.power_w != 2000:
        await asyncio.sleep(0.01)
    assert (await csms.ask("SetChargingProfile", limit(version, 1, 0.0)))[2]["status"] == "Accepted"
    if version == "1.6":
        await csms.until(lambda: csms.calls("StatusNotification")[-1]["status"] == "SuspendedEVSE")
    else:
        await csms.until(lambda: events(csms)[-1]["transactionInfo"]["chargingState"] == "SuspendedEVSE")
    register = meter.register_wh
    assert (await csms.ask("ClearChargingProfile", {}))[2]["status"] == "Accepted"
    await csms.until(lambda: station.connectors[1].status == "Charging") if version == "1.6" else await csms.until(
        lambda: events(csms)[-1]["transactionInfo"]["chargingState"] == "Charging"
    )
    assert meter.register_wh == register
    assert meter.power_w == 7_400


async def test_two_profiles_of_one_level_cannot_be_valid_at_once_in_2x(csms: ListeningCsms, power_on: PowerOn) -> None:
    """K01.FR.06 and .39; in 1.6 the later one replaces the earlier."""
    await power_on("2.0.1")
    assert (await csms.ask("SetChargingProfile", limit("2.0.1", 1, 1000.0)))[2]["status"] == "Accepted"
    assert (await csms.ask("SetChargingProfile", limit("2.0.1", 2, 2000.0)))[2]["status"] == "Rejected"
    later = limit("2.0.1", 2, 2000.0, validFrom="2999-01-01T00:00:00Z")
    earlier = limit("2.0.1", 1, 1000.0, validTo="2998-01-01T00:00:00Z")
    assert (await csms.ask("SetChargingProfile", earlier))[2]["status"] == "Accepted"
    assert (await csms.ask("SetChargingProfile", later))[2]["status"] == "Accepted"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_reservation_is_shown_used_and_named_by_the_start(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    station = await power_on(version)
    until = timestamp(datetime.now(UTC) + timedelta(minutes=5))
    request: dict[str, Any] = {"connectorId": 1, "expiryDate": until, "idTag": TOKEN, "reservationId": 9}
    if version != "1.6":
        request = {"id": 9, "evseId": 1, "expiryDateTime": until, "idToken": {"idToken": TOKEN, "type": "Central"}}
    assert (await csms.ask("ReserveNow", request))[2]["status"] == "Accepted"
    await csms.until(lambda: "Reserved" in csms.calls("StatusNotification")[-1].values())
    assert await station.present(1, "SOMEBODY") == "Reserved"
    await charge(station)
    start = csms.calls("StartTransaction")[0] if version == "1.6" else events(csms)[0]
    assert start["reservationId"] == 9
    again = (await csms.ask("ReserveNow", request))[2]["status"]
    assert again == "Occupied"
    assert (await csms.ask("CancelReservation", {"reservationId": 9}))[2]["status"] == "Rejected"


async def test_a_reservation_runs_out_by_itself(csms: ListeningCsms, power_on: PowerOn) -> None:
    station = await power_on("2.1")
    until = timestamp(datetime.now(UTC) + timedelta(seconds=0.3))
    request = {"id": 9, "expiryDateTime": until, "idToken": {"idToken": TOKEN, "type": "Central"}}
    assert (await csms.ask("ReserveNow", request))[2]["status"] == "Accepted"
    await csms.until(lambda: csms.calls("ReservationStatusUpdate"))
    assert csms.calls("ReservationStatusUpdate") == [{"reservationId": 9, "reservationUpdateStatus": "Expired"}]
    assert station.connectors[1].status == "Available"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_reservation_lets_in_who_belongs_to_its_group(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    """The charge point asks the CSMS for the group of an unknown token; a token of another group is refused."""

    def judged(payload: dict[str, Any]) -> dict[str, Any]:
        group = "FLEET" if "COLLEAGUE" in str(payload) else "ELSEWHERE"
        if version == "1.6":
            return {"idTagInfo": {"status": "Accepted", "parentIdTag": group}}
        return {"idTokenInfo": {"status": "Accepted", "groupIdToken": {"idToken": group, "type": "Central"}}}

    csms.answers["Authorize"] = judged
    until = timestamp(datetime.now(UTC) + timedelta(hours=1))
    request: dict[str, Any] = {
        "connectorId": 1, "reservationId": 9, "idTag": TOKEN, "parentIdTag": "FLEET", "expiryDate": until
    }  # fmt: skip
    if version != "1.6":
        own, group = ({"idToken": name, "type": "Central"} for name in (TOKEN, "FLEET"))
        request = {"id": 9, "evseId": 1, "idToken": own, "groupIdToken": group, "expiryDateTime": until}
    station = await power_on(version)
    assert (await csms.ask("ReserveNow", request))[2]["status"] == "Accepted"
    assert await station.present(1, "STRANGER") == "Reserved"
    assert await station.present(1, "COLLEAGUE") == "Accepted"
