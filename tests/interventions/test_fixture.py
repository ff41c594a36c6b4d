"""The fixture `ocpp_proxy` of the pytest plugin puts interventions between two real peers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from inspector.errors import UserMistake
from inspector.pytest_plugin import RecordingProxy
from tests.interventions.third_party import station, third_party_csms

type OcppProxy = Callable[..., RecordingProxy]
HEARTBEAT = {"match": {"action": "Heartbeat", "type": "CALL"}}


@pytest.mark.system
async def test_rules_by_name_and_as_dicts_apply_and_frames_are_waited_for(ocpp_proxy: OcppProxy) -> None:
    async with third_party_csms() as (csms, upstream):
        error = HEARTBEAT | {"do": {"error": {"code": "InternalError"}}}
        proxy = await asyncio.to_thread(ocpp_proxy, upstream, interventions=["blocked-token", error])
        async with station(proxy.url, "CP-1", "1.6") as one:
            await one.boot()
            assert (await one.authorize()).id_tag_info["status"] == "Blocked"
            assert await one.heartbeat() is None
        booted = await asyncio.to_thread(proxy.wait_for, action="BootNotification")
        assert booted["charge_point_id"] == "CP-1" and booted["payload"]["chargePointVendor"] == "V"
        answer = await asyncio.to_thread(proxy.wait_for, action="Authorize", type="CALLRESULT")
        blocked = await asyncio.to_thread(proxy.wait_for, action="Authorize", type="CALLRESULT")
        statuses = [found["payload"]["idTagInfo"]["status"] for found in (answer, blocked)]
        assert statuses == ["Accepted", "Blocked"] and [answer["forwarded"], blocked["forwarded"]] == [0, 1]
        assert not any('"Heartbeat"' in text for text in csms.heard("CP-1"))
        with pytest.raises(AssertionError, match="no Authorize CALLRESULT was recorded within 0"):
            await asyncio.to_thread(proxy.wait_for, action="Authorize", type="CALLRESULT", timeout=0.1)


@pytest.mark.system
async def test_frames_are_held_released_edited_and_sent_while_the_proxy_runs(ocpp_proxy: OcppProxy) -> None:
    async with third_party_csms() as (csms, upstream):
        proxy = await asyncio.to_thread(ocpp_proxy, upstream)
        async with station(proxy.url, "CP-1", "2.0.1") as one:
            await one.boot()
            hold = await asyncio.to_thread(proxy.hold, action="Authorize", type="CALL", sender="charge_point")
            asked = asyncio.create_task(one.authorize())
            held = await asyncio.to_thread(hold.wait)
            assert held.payload["idToken"]["idToken"] == "04E91C5A2B" and not asked.done()
            edit = [{"pointer": "/idToken/idToken", "value": "OTHER"}]
            await asyncio.to_thread(held.release, edit=edit)
            await asked
            assert '"OTHER"' in csms.heard("CP-1")[-1]
            answer = await asyncio.to_thread(proxy.send, "CP-1", "Reset", {"type": "Immediate"})
            assert (answer["kind"], answer["payload"]) == ("CALLRESULT", {"status": "Accepted"})
            hold = await asyncio.to_thread(proxy.hold, action="Heartbeat", type="CALL")
            beat = asyncio.create_task(one.heartbeat())
            held = await asyncio.to_thread(hold.wait)
            await asyncio.to_thread(held.answer, {"currentTime": "2001-01-01T00:00:00Z"})
            assert (await beat).current_time == "2001-01-01T00:00:00Z"
        assert not any("Reset" in text or "Heartbeat" in text for text in csms.heard("CP-1"))


@pytest.mark.system
def test_a_wrong_rule_is_refused_with_what_is_wrong(ocpp_proxy: OcppProxy) -> None:
    rules: list[Any] = ["slow-bot", {"match": {"acton": "Reset"}, "do": {"drop": True}}]
    for rule, said in zip(rules, ("did you mean slow-boot", "did you mean action"), strict=True):
        with pytest.raises(UserMistake, match=said):
            ocpp_proxy("ws://127.0.0.1:9", interventions=[rule])
