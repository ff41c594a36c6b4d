"""What a charge point does on request of its CSMS: start, stop, availability, reset, triggers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.simulator.listening import VERSIONS, ListeningCsms
from tests.simulator.powered import TOKEN, PowerOn, charge, events


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_a_remote_start_is_told_by_the_first_event(csms: ListeningCsms, power_on: PowerOn, version: str) -> None:
    """F01.FR.25, F02.FR.21: triggerReason RemoteStart and the remoteStartId."""
    station = await power_on(version)
    request = {"remoteStartId": 77, "idToken": {"idToken": TOKEN, "type": "Central"}, "evseId": 1}
    assert (await csms.ask("RequestStartTransaction", request))[2]["status"] == "Accepted"
    await csms.until(lambda: csms.calls("StatusNotification")[-1]["connectorStatus"] == "Occupied")
    await station.plug_in(1)
    first = events(csms)[0]
    assert first["triggerReason"] == "RemoteStart"
    assert first["transactionInfo"]["remoteStartId"] == 77
    assert (await csms.ask("RequestStartTransaction", request))[2]["status"] == "Rejected"
    stop = {"transactionId": first["transactionInfo"]["transactionId"]}
    assert (await csms.ask("RequestStopTransaction", stop))[2]["status"] == "Accepted"
    await csms.until(lambda: events(csms)[-1]["eventType"] == "Ended")
    assert events(csms)[-1]["triggerReason"] == "RemoteStop"
    assert events(csms)[-1]["transactionInfo"]["stoppedReason"] == "Remote"
    assert (await csms.ask("RequestStopTransaction", stop))[2]["status"] == "Rejected"


async def test_a_stop_right_behind_the_answer_to_the_start_knows_its_id(csms: ListeningCsms, power_on: PowerOn) -> None:
    """Both frames may come in one read from the network."""
    station = await power_on("1.6")
    await station.plug_in(1)
    usual = csms.usual
    stopping: list[asyncio.Task[Any]] = []

    def start(payload: dict[str, Any]) -> dict[str, Any]:
        stopping.append(asyncio.ensure_future(csms.ask("RemoteStopTransaction", {"transactionId": 1})))
        return usual("StartTransaction", payload)

    csms.answers["StartTransaction"] = start
    await station.present(1, TOKEN)
    assert (await stopping[0])[2]["status"] == "Accepted"
    await csms.until(lambda: csms.calls("StopTransaction"))
    assert csms.calls("StopTransaction")[0]["reason"] == "Remote"


async def test_a_remote_start_without_a_cable_is_given_up(csms: ListeningCsms, power_on: PowerOn) -> None:
    station = await power_on("1.6")
    station.settings.by_key["ConnectionTimeOut"].value = "30"
    assert (await csms.ask("RemoteStartTransaction", {"idTag": TOKEN}))[2]["status"] == "Accepted"
    await csms.until(lambda: csms.calls("StatusNotification")[-1]["status"] == "Preparing")
    await csms.until(lambda: csms.calls("StatusNotification")[-1]["status"] == "Available")
    assert csms.calls("StartTransaction") == []


@pytest.mark.parametrize("version", VERSIONS)
async def test_inoperative_while_charging_is_scheduled(csms: ListeningCsms, power_on: PowerOn, version: str) -> None:
    station = await power_on(version)
    await charge(station)
    request: dict[str, Any] = {"connectorId": 1, "type": "Inoperative"}
    if version != "1.6":
        request = {"operationalStatus": "Inoperative", "evse": {"id": 1}}
    assert (await csms.ask("ChangeAvailability", request))[2]["status"] == "Scheduled"
    assert station.connectors[1].status == "Charging"
    await station.present(1, TOKEN)
    assert station.connectors[1].status == "Unavailable"
    await station.unplug(1)
    assert station.connectors[1].status == "Unavailable"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_reset_ends_the_transaction_and_boots_anew(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    station = await power_on(version)
    await charge(station)
    kind = "Hard" if version == "1.6" else "Immediate"
    assert (await csms.ask("Reset", {"type": kind}))[2]["status"] == "Accepted"
    await csms.until(lambda: csms.actions().count("BootNotification") == 2)
    await asyncio.wait_for(station.online.wait(), 5)
    assert len(csms.connections) == 2
    if version == "1.6":
        assert csms.calls("StopTransaction")[0]["reason"] == "HardReset"
    else:
        assert events(csms)[-1]["transactionInfo"]["stoppedReason"] == "ImmediateReset"
        assert events(csms)[-1]["triggerReason"] == "ResetCommand"
        assert csms.calls("BootNotification")[1]["reason"] == "RemoteReset"


async def test_a_reset_on_idle_waits_for_the_transaction(csms: ListeningCsms, power_on: PowerOn) -> None:
    """B12.FR.01: Scheduled while a transaction runs."""
    station = await power_on("2.0.1")
    await charge(station)
    assert (await csms.ask("Reset", {"type": "OnIdle"}))[2]["status"] == "Scheduled"
    await station.clock.sleep(60)
    assert len(csms.connections) == 1
    await station.present(1, TOKEN)
    await csms.until(lambda: csms.actions().count("BootNotification") == 2)
    assert csms.calls("BootNotification")[1]["reason"] == "ScheduledReset"


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_triggered_message_comes_after_the_answer(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    station = await power_on(version)
    for wanted in ("Heartbeat", "StatusNotification", "MeterValues", "FirmwareStatusNotification"):
        sent = len(csms.frames)
        request: dict[str, Any] = {"requestedMessage": wanted}
        if wanted == "StatusNotification":
            request |= {"connectorId": 1} if version == "1.6" else {"evse": {"id": 1}}
        assert (await csms.ask("TriggerMessage", request))[2]["status"] == "Accepted"
        await csms.until(lambda sent=sent, wanted=wanted: [f for s, f in csms.frames[sent:] if wanted in f[2:3]])
        later = [frame for side, frame in csms.frames[sent:] if side == "cp"]
        assert later[0][0] == 3 and later[1][2] == wanted
    assert station.failures == []
