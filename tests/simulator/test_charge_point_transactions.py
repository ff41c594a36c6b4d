"""What a charge point reports about a transaction from its start to its end, in every version."""

from __future__ import annotations

import asyncio

import pytest

from tests.simulator.listening import VERSIONS, ListeningCsms
from tests.simulator.powered import TOKEN, PowerOn, charge, events


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
@pytest.mark.parametrize("late", [False, True])
async def test_a_refused_token_gets_no_energy_if_its_transaction_goes_on(
    csms: ListeningCsms, power_on: PowerOn, version: str, late: bool
) -> None:
    """E05.FR.02, 1.6 StopTransactionOnInvalidId = false: also when the answer comes after an offline time."""
    station = await power_on(version)
    station.settings.by_key["StopTransactionOnInvalidId"].value = "false"
    csms.refuse_tokens.add(TOKEN)
    await station.plug_in(1)
    if late:
        await station.go_offline()
    await station.start(1, TOKEN)
    connector = station.connectors[1]
    assert not late or connector.status == "Charging"
    if late:
        await station.come_back()
    while connector.status != "SuspendedEVSE":
        await asyncio.sleep(0.01)
    assert connector.transaction is not None
    if version != "1.6":
        await csms.until(lambda: events(csms)[-1]["transactionInfo"]["chargingState"] == "SuspendedEVSE")
        assert events(csms)[-1]["triggerReason"] == "ChargingStateChanged"


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
    """1.6, 3.7.1, errata 3.1: the same message and id, up to TransactionMessageAttempts times, with growing pauses."""
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
