"""What a charge point does while its CSMS is away, and after it is back."""

from __future__ import annotations

import asyncio

import pytest

from simulator.clock import timestamp
from tests.simulator.listening import VERSIONS, ListeningCsms
from tests.simulator.powered import TOKEN, PowerOn, charge, events


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
    """B01.FR.10: the CSMS answers SecurityError until there is a boot; the transaction survives that boot."""
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
    assert await station.authorization.authorize("STOLEN") == "Invalid"
    assert await station.authorization.authorize(TOKEN) == "Accepted"
    await station.go_offline()
    assert await station.authorization.authorize(TOKEN) == "Accepted"
    assert await station.authorization.authorize("STOLEN") == "Invalid"
    assert await station.authorization.authorize("UNKNOWN") == "Invalid"
