"""What a charge point does over a real socket: boot, offline, remote control, reset, firmware, limits, certificates."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from simulator import charge_point as simulated
from simulator.clock import timestamp
from simulator.station import Station
from tests.simulator.listening import VERSIONS, ListeningCsms

type PowerOn = Callable[..., Awaitable[Station]]

TOKEN = "CAFE0001"
ACCEPTED = {"status": "Accepted", "currentTime": "2026-01-01T00:00:00Z", "interval": 300}


@pytest.fixture
async def power_on(csms: ListeningCsms) -> AsyncIterator[PowerOn]:
    """Build charge points that are on, and switch them off afterwards."""
    made: list[Station] = []
    url = csms.url

    async def build(version: str, on: bool = True, **more: Any) -> Station:
        options = {"speed": 600.0, "timeout": 5.0} | more
        station = simulated.make(version, simulated.Identity(url=url, id="CP-1", **options))
        made.append(station)
        if on:
            await station.power_on()
        return station

    yield build
    for station in made:
        await station.power_off()


def events(csms: ListeningCsms) -> list[dict[str, Any]]:
    return csms.calls("TransactionEvent")


async def charge(station: Station) -> None:
    await station.plug_in(1)
    assert await station.present(1, TOKEN) == "Accepted"
    assert station.connectors[1].transaction is not None


# --- boot --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_nothing_but_boots_is_sent_until_accepted(csms: ListeningCsms, power_on: PowerOn, version: str) -> None:
    """B02.FR.02: while Pending the next boot waits for the interval, and nothing else is said."""
    answers = [{**ACCEPTED, "status": "Pending", "interval": 1}, ACCEPTED]
    csms.answers["BootNotification"] = lambda _: answers.pop(0)
    before = asyncio.get_running_loop().time()
    await power_on(version)
    assert asyncio.get_running_loop().time() - before >= 1
    assert csms.actions()[:3] == ["BootNotification", "BootNotification", "StatusNotification"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_triggered_boot_comes_at_once_while_pending(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    answers = [{**ACCEPTED, "status": "Pending", "interval": 600}, ACCEPTED]
    csms.answers["BootNotification"] = lambda _: answers.pop(0)
    station = await power_on(version, on=False)
    booting = asyncio.create_task(station.power_on())
    await csms.until(lambda: len(answers) == 1)
    while station.registration != "Pending":
        await asyncio.sleep(0.01)
    action, token = ("RemoteStartTransaction", {"idTag": TOKEN})
    if version != "1.6":
        action = "RequestStartTransaction"
        token = {"remoteStartId": 1, "idToken": {"idToken": TOKEN, "type": "Central"}}
    assert (await csms.ask(action, token))[2]["status"] == "Rejected"
    assert (await csms.ask("TriggerMessage", {"requestedMessage": "BootNotification"}))[2]["status"] == "Accepted"
    await asyncio.wait_for(booting, 5)
    assert csms.actions()[:2] == ["BootNotification"] * 2
    assert (await csms.ask("TriggerMessage", {"requestedMessage": "BootNotification"}))[2]["status"] == "Rejected"


async def test_heartbeats_come_when_nothing_else_does(csms: ListeningCsms, power_on: PowerOn) -> None:
    csms.answers["BootNotification"] = lambda _: {**ACCEPTED, "interval": 1}
    await power_on("1.6")
    await csms.until(lambda: csms.actions().count("Heartbeat") == 2, 5)


async def test_a_refused_connection_says_why(csms: ListeningCsms, power_on: PowerOn) -> None:
    station = await power_on("1.6", on=False)
    await csms.stop()
    with pytest.raises(simulated.Unreachable, match="cannot connect"):
        await station.power_on()
    await csms.start()


async def test_a_patient_charge_point_waits_for_its_csms(csms: ListeningCsms, power_on: PowerOn) -> None:
    port = csms.port
    await csms.stop()
    station = await power_on("1.6", on=False)
    coming = asyncio.create_task(station.power_on(patient=True))
    await asyncio.sleep(0.1)
    assert not coming.done()
    await csms.start(port)
    await asyncio.wait_for(coming, 10)


async def test_the_pauses_between_attempts_grow(power_on: PowerOn) -> None:
    """J5.3: each pause is longer than the one before, until the longest is reached."""
    station = await power_on("2.0.1", on=False)
    pauses = [station._back_off(attempt) for attempt in range(1, 9)]
    assert pauses[:6] == sorted(pauses[:6])
    assert 1 <= pauses[0] <= 2 and 32 <= pauses[5] <= 33 and 32 <= pauses[7] <= 33


# --- transactions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_every_event_of_a_transaction_counts_up_and_tells_its_state(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    station = await power_on(version)
    await charge(station)
    await station.clock.sleep(150)
    await station.present(1, TOKEN)
    found = events(csms)
    assert [event["seqNo"] for event in found] == list(range(len(found)))
    assert [found[0]["eventType"], found[-1]["eventType"]] == ["Started", "Ended"]
    assert all("chargingState" in event["transactionInfo"] for event in found)
    assert found[0]["evse"] == {"id": 1, "connectorId": 1}
    assert found[0]["idToken"]["idToken"] == TOKEN
    assert all("offline" not in event for event in found)
    assert found[-1]["transactionInfo"]["stoppedReason"] == "Local"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_token_refused_by_the_answer_to_the_start_ends_the_transaction(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    station = await power_on(version)
    await station.plug_in(1)
    csms.refuse_tokens.add(TOKEN)
    assert not await station.start(1, TOKEN)
    assert station.connectors[1].transaction is None
    if version == "1.6":
        assert csms.calls("StopTransaction")[0]["reason"] == "DeAuthorized"
    else:
        last = events(csms)[-1]
        assert last["transactionInfo"]["stoppedReason"] == "DeAuthorized"
        assert last["triggerReason"] == "Deauthorized"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_pulled_cable_ends_the_transaction(csms: ListeningCsms, power_on: PowerOn, version: str) -> None:
    station = await power_on(version)
    await charge(station)
    await station.unplug(1)
    reasons = [call.get("reason") for call in csms.calls("StopTransaction")] + [
        event["transactionInfo"]["stoppedReason"] for event in events(csms) if event["eventType"] == "Ended"
    ]
    assert reasons == ["EVDisconnected"]
    assert station.connectors[1].status == "Available"


async def test_what_happens_at_once_on_one_connector_happens_in_order(csms: ListeningCsms, power_on: PowerOn) -> None:
    station = await power_on("1.6")
    await charge(station)
    await asyncio.gather(station.stop(1, "Remote"), station.unplug(1), station.stop(1, "Local"))
    assert len(csms.calls("StopTransaction")) == 1
    statuses = [call["status"] for call in csms.calls("StatusNotification") if call["connectorId"] == 1]
    assert statuses == ["Available", "Preparing", "Charging", "Finishing", "Available"]


async def test_an_unanswered_stop_is_sent_again_and_then_given_up(csms: ListeningCsms, power_on: PowerOn) -> None:
    """1.6, 3.7.1 and errata 3.1: TransactionMessageAttempts with growing pauses, the message as it was, id included."""
    station = await power_on("1.6", timeout=0.3)
    station.settings.by_key["TransactionMessageAttempts"].value = "2"
    station.settings.by_key["TransactionMessageRetryInterval"].value = "0"
    await charge(station)
    csms.answers["StopTransaction"] = lambda _: None
    await station.present(1, TOKEN)
    stops = [frame for side, frame in csms.frames if side == "cp" and frame[0] == 2 and frame[2] == "StopTransaction"]
    assert len(stops) == 2
    assert stops[0] == stops[1]
    assert station.failures == ["StopTransaction was not answered within 0.3 s"]


# --- offline -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_happens_offline_is_delivered_in_order_afterwards(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    station = await power_on(version)
    station.settings.by_key["AllowOfflineTxForUnknownId"].value = "true"
    await station.go_offline(abruptly=True)
    await charge(station)
    await station.clock.sleep(90)
    before = timestamp()
    await station.present(1, TOKEN)
    sent = len(csms.actions())
    await station.come_back()
    actions = csms.actions()[sent:]
    if version == "1.6":
        assert actions[:3] == ["StartTransaction", "MeterValues", "StopTransaction"]
        number = csms.calls("StopTransaction")[0]["transactionId"]
        assert number == csms.calls("MeterValues")[0]["transactionId"] == 1
        assert csms.calls("StartTransaction")[0]["timestamp"] < before
    else:
        assert actions[:4] == ["TransactionEvent"] * 4
        assert all(event["offline"] is True for event in events(csms))
        assert [event["seqNo"] for event in events(csms)] == [0, 1, 2, 3]
        assert events(csms)[0]["timestamp"] < before
    assert "BootNotification" not in actions
    assert len(csms.connections) == 2


async def test_a_connection_lost_by_the_csms_is_found_again(csms: ListeningCsms, power_on: PowerOn) -> None:
    station = await power_on("2.1")
    await charge(station)
    csms.connections[0].transport.abort()
    await csms.until(lambda: len(csms.connections) == 2)
    await asyncio.wait_for(station.online.wait(), 5)
    await station.present(1, TOKEN)
    assert events(csms)[-1]["eventType"] == "Ended"
    assert csms.actions().count("BootNotification") == 1


async def test_a_connection_lost_again_while_delivering_loses_nothing(csms: ListeningCsms, power_on: PowerOn) -> None:
    station = await power_on("2.0.1")
    await charge(station)
    await station.go_offline()
    await station.clock.sleep(90)
    csms.answers["TransactionEvent"] = lambda _: None
    coming = asyncio.create_task(station.come_back())
    await csms.until(lambda: events(csms)[-1].get("offline"))
    csms.connections[-1].transport.abort()
    del csms.answers["TransactionEvent"]
    await asyncio.wait_for(coming, 10)
    numbers = [event["seqNo"] for event in events(csms)]
    assert numbers == [0, 1, *range(2, 3), *range(2, numbers[-1] + 1)]
    sent = [frame for side, frame in csms.frames if side == "cp" and frame[2] == "TransactionEvent"]
    assert sent[2][1] != sent[3][1] and sent[2][3] == sent[3][3]
    assert len(csms.connections) == 3


async def test_a_csms_that_forgot_the_charge_point_gets_a_boot(csms: ListeningCsms, power_on: PowerOn) -> None:
    """B01.FR.10: SecurityError for what comes without a boot; the transaction survives the second one."""
    station = await power_on("2.0.1")
    await charge(station)
    csms.insist_on_boot = True
    csms.connections[0].transport.abort()
    await csms.until(lambda: csms.actions().count("BootNotification") == 2)
    await asyncio.wait_for(station.online.wait(), 5)
    await station.present(1, TOKEN)
    await station.all_delivered()
    kinds = [event["eventType"] for event in events(csms)]
    assert kinds[0] == "Started" and kinds[-1] == "Ended"
    assert station.failures == []


async def test_offline_the_cache_and_the_list_decide(csms: ListeningCsms, power_on: PowerOn) -> None:
    station = await power_on("1.6")
    csms.refuse_tokens.add("STOLEN")
    assert await station.authorize("STOLEN") == "Invalid"
    assert await station.authorize(TOKEN) == "Accepted"
    await station.go_offline()
    assert await station.authorize(TOKEN) == "Accepted"
    assert await station.authorize("STOLEN") == "Invalid"
    assert await station.authorize("UNKNOWN") == "Invalid"


# --- remote control ----------------------------------------------------------------------------------------------


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


# --- limits, reservations, settings ------------------------------------------------------------------------------


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
    await csms.until(lambda: meter.power_w == 2000) if version != "1.6" else await asyncio.sleep(0.05)
    assert meter.power_w == 2000
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


async def test_settings_change_what_is_sent(csms: ListeningCsms, power_on: PowerOn) -> None:
    station = await power_on("1.6")

    async def change(key: str, value: str) -> str:
        return str((await csms.ask("ChangeConfiguration", {"key": key, "value": value}))[2]["status"])

    assert await change("MeterValuesSampledData", "SoC,Voltage") == "Accepted"
    assert await change("MeterValueSampleInterval", "30") == "Accepted"
    assert await change("MeterValueSampleInterval", "often") == "Rejected"
    assert await change("NumberOfConnectors", "7") == "Rejected"
    assert await change("Colour", "blue") == "NotSupported"
    assert await change("AuthorizationKey", "0123456789abcdef") == "Accepted"
    found = (await csms.ask("GetConfiguration", {"key": ["AuthorizationKey", "NumberOfConnectors", "Colour"]}))[2]
    assert found["configurationKey"] == [
        {"key": "AuthorizationKey", "readonly": False},
        {"key": "NumberOfConnectors", "readonly": True, "value": "1"},
    ]
    assert found["unknownKey"] == ["Colour"]
    await charge(station)
    await station.clock.sleep(45)
    values = csms.calls("MeterValues")[0]["meterValue"][0]["sampledValue"]
    assert [value["measurand"] for value in values] == ["Voltage", "SoC"]


async def test_variables_are_got_and_set_one_by_one(csms: ListeningCsms, power_on: PowerOn) -> None:
    """B05, B06: one result for each, in order; no value beside Unknown or Rejected."""
    await power_on("2.0.1")

    def named(component: str, variable: str) -> dict[str, Any]:
        return {"component": {"name": component}, "variable": {"name": variable}}

    wanted = [
        named("SampledDataCtrlr", "TxUpdatedInterval"),
        named("Toaster", "Heat"),
        named("AuthCtrlr", "Heat"),
        named("SecurityCtrlr", "BasicAuthPassword"),
        named("AuthCtrlr", "Enabled") | {"attributeType": "MaxSet"},
        {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "AvailabilityState"}},
    ]
    found = (await csms.ask("GetVariables", {"getVariableData": wanted}))[2]["getVariableResult"]
    assert [(result["attributeStatus"], result.get("attributeValue")) for result in found] == [
        ("Accepted", "60"),
        ("UnknownComponent", None),
        ("UnknownVariable", None),
        ("Rejected", None),
        ("NotSupportedAttributeType", None),
        ("Accepted", "Available"),
    ]
    changes = [
        named("SampledDataCtrlr", "TxUpdatedInterval") | {"attributeValue": "30"},
        named("TxCtrlr", "TxStartPoint") | {"attributeValue": "Authorized"},
        named("Toaster", "Heat") | {"attributeValue": "9"},
    ]
    done = (await csms.ask("SetVariables", {"setVariableData": changes}))[2]["setVariableResult"]
    assert [result["attributeStatus"] for result in done] == ["Accepted", "Rejected", "UnknownComponent"]
    found = (await csms.ask("GetVariables", {"getVariableData": wanted[:1]}))[2]["getVariableResult"]
    assert found[0]["attributeValue"] == "30"
    too_many = await csms.ask("GetVariables", {"getVariableData": wanted[:1] * 51})
    assert too_many[2] == "OccurrenceConstraintViolation"


async def test_a_full_report_comes_in_numbered_parts(csms: ListeningCsms, power_on: PowerOn) -> None:
    """B07.FR.04 and .10."""
    await power_on("2.1", connectors=4)
    assert (await csms.ask("GetBaseReport", {"requestId": 5, "reportBase": "FullInventory"}))[2] == {
        "status": "Accepted"
    }
    await csms.until(lambda: csms.calls("NotifyReport") and csms.calls("NotifyReport")[-1]["tbc"] is False)
    parts = csms.calls("NotifyReport")
    assert len(parts) > 1
    assert [part["seqNo"] for part in parts] == list(range(len(parts)))
    assert {part["requestId"] for part in parts} == {5}
    names = [(entry["component"]["name"], entry["variable"]["name"]) for part in parts for entry in part["reportData"]]
    assert names.count(("EVSE", "AvailabilityState")) == 4
    assert ("AuthCtrlr", "Enabled") in names


async def test_monitors_are_kept_reported_and_cleared(csms: ListeningCsms, power_on: PowerOn) -> None:
    await power_on("2.0.1")
    power = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
    wanted = [
        power | {"type": "UpperThreshold", "value": 5000, "severity": 5},
        power | {"type": "UpperThreshold", "value": 6000, "severity": 5},
        {
            "component": {"name": "Toaster"},
            "variable": {"name": "Heat"},
            "type": "Delta",
            "value": 1,
            "severity": 5,
        },
    ]
    done = (await csms.ask("SetVariableMonitoring", {"setMonitoringData": wanted}))[2]["setMonitoringResult"]
    assert [result["status"] for result in done] == ["Accepted", "Duplicate", "UnknownComponent"]
    number = done[0]["id"]
    assert (await csms.ask("GetMonitoringReport", {"requestId": 6}))[2]["status"] == "Accepted"
    await csms.until(lambda: csms.calls("NotifyMonitoringReport"))
    monitor = csms.calls("NotifyMonitoringReport")[0]["monitor"][0]["variableMonitoring"][0]
    assert (monitor["id"], monitor["value"]) == (number, 5000)
    cleared = (await csms.ask("ClearVariableMonitoring", {"id": [number, 99]}))[2]["clearMonitoringResult"]
    assert [result["status"] for result in cleared] == ["Accepted", "NotFound"]
    assert (await csms.ask("GetMonitoringReport", {"requestId": 7}))[2]["status"] == "EmptyResultSet"


async def test_monitors_tell_when_a_threshold_is_crossed_and_when_it_is_over(
    csms: ListeningCsms, power_on: PowerOn
) -> None:
    """N07: Alerting when the power rises above, cleared when it falls back; a severity above the level is silent."""
    station = await power_on("2.0.1")
    power = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
    wanted = [
        power | {"type": "UpperThreshold", "value": 5000, "severity": 5},
        power | {"type": "LowerThreshold", "value": 9000, "severity": 8},
        power | {"type": "Delta", "value": 1000, "severity": 4},
    ]
    assert (await csms.ask("SetMonitoringLevel", {"severity": 6}))[2]["status"] == "Accepted"
    await csms.ask("SetVariableMonitoring", {"setMonitoringData": wanted})
    await charge(station)
    await csms.until(lambda: len(csms.calls("NotifyEvent")) == 2)
    await station.present(1, TOKEN)
    await csms.until(lambda: len(csms.calls("NotifyEvent")) == 4)
    told = [call["eventData"][0] for call in csms.calls("NotifyEvent")]
    assert [(event["trigger"], event["actualValue"], event["cleared"]) for event in told] == [
        ("Alerting", "7400", False),
        ("Delta", "7400", False),
        ("Alerting", "0", True),
        ("Delta", "0", False),
    ]
    assert {event["eventNotificationType"] for event in told} == {"CustomMonitor"}


async def test_a_periodic_event_stream_goes_out_as_send(csms: ListeningCsms, power_on: PowerOn) -> None:
    """N15.FR.01: message type 6, which nobody answers."""
    await power_on("2.1")
    monitor = {
        "component": {"name": "EVSE", "evse": {"id": 1}},
        "variable": {"name": "Power"},
        "type": "Periodic",
        "value": 10,
        "severity": 9,
        "periodicEventStream": {"interval": 30, "values": 1},
    }
    await csms.ask("SetVariableMonitoring", {"setMonitoringData": [monitor]})
    await csms.until(lambda: [frame for side, frame in csms.frames if side == "cp" and frame[0] == 6])
    send = next(frame for side, frame in csms.frames if side == "cp" and frame[0] == 6)
    assert send[2] == "NotifyPeriodicEventStream"
    assert send[3]["data"] == [{"t": 0, "v": "0"}]
    found = (await csms.ask("GetPeriodicEventStream", {}))[2]["constantStreamData"]
    assert found[0]["params"] == {"interval": 30, "values": 1}


# --- maintenance and security ------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_firmware_update_goes_through_its_steps_and_boots_into_the_new_version(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    await power_on(version)
    location = "https://firmware.example.com/cp-2.5.1.bin"
    request: dict[str, Any] = {"location": location, "retrieveDate": timestamp()}
    if version != "1.6":
        request = {"requestId": 4, "firmware": {"location": location, "retrieveDateTime": timestamp()}}
    await csms.ask("UpdateFirmware", request)
    await csms.until(lambda: [c for c in csms.calls("FirmwareStatusNotification") if c["status"] == "Installed"])
    steps = csms.calls("FirmwareStatusNotification")
    if version == "1.6":
        assert [step["status"] for step in steps] == ["Downloading", "Downloaded", "Installing", "Installed"]
        assert csms.calls("BootNotification")[1]["firmwareVersion"] == "2.5.1"
    else:
        assert [step["status"] for step in steps] == [
            *("Downloading", "Downloaded", "Installing", "InstallRebooting", "Installed")
        ]
        assert {step["requestId"] for step in steps} == {4}
        boot = csms.calls("BootNotification")[1]
        assert (boot["reason"], boot["chargingStation"]["firmwareVersion"]) == ("FirmwareUpdate", "2.5.1")
    actions = csms.actions()
    assert actions.index("BootNotification", 1) < len(actions) - 1 - actions[::-1].index("FirmwareStatusNotification")


async def test_firmware_that_cannot_be_fetched_fails(csms: ListeningCsms, power_on: PowerOn) -> None:
    await power_on("1.6")
    await csms.ask("UpdateFirmware", {"location": "gopher://example.com/x", "retrieveDate": timestamp()})
    await csms.until(lambda: len(csms.calls("FirmwareStatusNotification")) == 2)
    assert csms.calls("FirmwareStatusNotification")[1]["status"] == "DownloadFailed"


def self_signed(name: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(datetime(2020, 1, 1)).not_valid_after(datetime(2040, 1, 1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("version", "use"), [("1.6", "CentralSystemRootCertificate"), ("2.0.1", "CSMSRootCertificate")]
)
async def test_certificates_are_installed_listed_and_deleted(
    csms: ListeningCsms, power_on: PowerOn, version: str, use: str
) -> None:
    await power_on(version)
    pem = self_signed("Root")
    question: dict[str, Any] = {"certificateType": use if version == "1.6" else [use]}
    assert (await csms.ask("GetInstalledCertificateIds", question))[2]["status"] == "NotFound"
    installed = await csms.ask("InstallCertificate", {"certificateType": use, "certificate": pem})
    assert installed[2]["status"] == "Accepted"
    rubbish = await csms.ask("InstallCertificate", {"certificateType": use, "certificate": "no certificate"})
    assert rubbish[2]["status"] == "Rejected"
    found = (await csms.ask("GetInstalledCertificateIds", question))[2]
    chain = found.get("certificateHashDataChain")
    data = chain[0]["certificateHashData"] if chain else found["certificateHashData"][0]
    assert int(data["serialNumber"], 16) == x509.load_pem_x509_certificate(pem.encode()).serial_number
    assert (await csms.ask("DeleteCertificate", {"certificateHashData": data}))[2]["status"] == "Accepted"
    assert (await csms.ask("DeleteCertificate", {"certificateHashData": data}))[2]["status"] == "NotFound"


async def test_only_a_certificate_of_its_own_key_is_taken(csms: ListeningCsms, power_on: PowerOn) -> None:
    """A02: what does not match the signing request is rejected and told as a security event."""
    await power_on("2.0.1")
    await csms.ask("TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"})
    await csms.until(lambda: csms.calls("SignCertificate"))
    request = x509.load_pem_x509_csr(csms.calls("SignCertificate")[0]["csr"].encode())
    assert request.is_signature_valid
    ca = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")])
    builder = x509.CertificateBuilder(issuer, request.subject, request.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(datetime(2020, 1, 1)).not_valid_after(datetime(2040, 1, 1))
    good = builder.sign(ca, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    assert (await csms.ask("CertificateSigned", {"certificateChain": good}))[2]["status"] == "Accepted"
    assert (await csms.ask("CertificateSigned", {"certificateChain": self_signed("CP")}))[2]["status"] == "Rejected"
    await csms.until(lambda: csms.calls("SecurityEventNotification"))
    assert csms.calls("SecurityEventNotification")[0]["type"] == "InvalidChargingStationCertificate"


async def test_signed_meter_values_can_be_checked(csms: ListeningCsms, power_on: PowerOn) -> None:
    station = await power_on("2.0.1", signed=True)
    await charge(station)
    await station.clock.sleep(60)
    await station.present(1, TOKEN)
    value = events(csms)[-1]["meterValue"][0]["sampledValue"][0]
    signed = value["signedMeterValue"]
    _, payload, signature = base64.b64decode(signed["signedMeterData"]).decode().split("|")
    assert json.loads(payload)["RD"][0]["RV"] == value["value"]
    key = serialization.load_der_public_key(base64.b64decode(signed["publicKey"]))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(bytes.fromhex(json.loads(signature)["SD"]), payload.encode(), ec.ECDSA(hashes.SHA256()))


# --- a CSMS that is wrong ----------------------------------------------------------------------------------------


async def test_an_answer_against_the_schema_is_complained_about_in_2_1(csms: ListeningCsms, power_on: PowerOn) -> None:
    """Part 4, 4.2.3: CALLRESULTERROR, from the one who called."""
    station = await power_on("2.1")
    csms.answers["Authorize"] = lambda _: {"idTokenInfo": {"status": "Maybe"}}
    with pytest.raises(Exception, match="answered against the schema"):
        await station.authorize(TOKEN)
    await csms.until(lambda: [frame for side, frame in csms.frames if side == "cp" and frame[0] == 5])
    complaint = [frame for side, frame in csms.frames if side == "cp" and frame[0] == 5]
    asked = [frame for side, frame in csms.frames if side == "cp" and frame[0] == 2 and frame[2] == "Authorize"]
    assert complaint[0][1] == asked[0][1]
    assert len(complaint[0]) == 5


async def test_an_unknown_message_type_is_answered_in_2x(csms: ListeningCsms, power_on: PowerOn) -> None:
    """Part 4, 4.1.3: MessageTypeNotSupported; what has no readable id is answered to "-1"."""
    await power_on("2.0.1")
    await csms.send([9, "strange", "Reset", {}])
    await csms.connections[-1].send("rubbish")
    await csms.until(lambda: len([frame for side, frame in csms.frames if side == "cp" and frame[0] == 4]) == 2)
    complaints = [frame[1:3] for side, frame in csms.frames if side == "cp" and frame[0] == 4]
    assert complaints == [["strange", "MessageTypeNotSupported"], ["-1", "RpcFrameworkError"]]


async def test_a_bug_of_ours_is_answered_and_told(csms: ListeningCsms, power_on: PowerOn) -> None:
    station = await power_on("2.1")

    def broken(payload: dict[str, Any]) -> Any:
        raise KeyError("cable")

    station.routes["ClearCache"] = broken
    answer = await csms.ask("ClearCache", {})
    assert answer[2:4] == ["InternalError", "KeyError: 'cable'"]
    assert station.failures == ["'cable'"]
    await station.heartbeat()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "raw",
    ["", "{", "[]", "[2]", "[3,4]", '[2,5,"Reset",{}]', '["x"]', "[[2]]", "null", "[3,null,{}]", "[4,{},1,2,3]"],
)
async def test_garbage_from_the_csms_ends_nothing(
    csms: ListeningCsms, power_on: PowerOn, version: str, raw: str
) -> None:
    station = await power_on(version)
    await csms.connections[-1].send(raw)
    assert (await csms.ask("ClearCache", {}))[2]["status"] == "Accepted"
    await station.heartbeat()
    assert station.failures == []
