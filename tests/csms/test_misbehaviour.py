"""Misbehaviour on request: each kind over a real socket, and requests that make no sense."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from csms import misbehaviour
from csms.central_system import CentralSystem
from tests.csms.peer import Peer, connected


def order(csms: CentralSystem, **members: Any) -> None:
    csms.context.misbehaviours.add(misbehaviour.read(members))


async def heartbeat(peer: Peer, message_id: str = "a") -> Any:
    return await peer.ask([2, message_id, "Heartbeat", {}])


async def test_a_delay_holds_one_answer_back_and_nothing_else(csms: CentralSystem) -> None:
    """While a delayed answer waits, the charge point's next CALL is answered."""
    order(csms, what="delay", seconds=0.4, action="Heartbeat", times=1)
    async with connected(csms.address, "1.6") as charge_point:
        begin = time.monotonic()
        await charge_point.send([2, "late", "Heartbeat", {}])
        first = await charge_point.ask([2, "soon", "Heartbeat", {}])
        second = await charge_point.receive()
    assert (first[1], second[1]) == ("soon", "late")
    assert time.monotonic() - begin >= 0.4


async def test_no_answer_means_none(csms: CentralSystem) -> None:
    order(csms, what="no-answer", action="Heartbeat", times=1)
    async with connected(csms.address, "2.0.1") as charge_point:
        await charge_point.send([2, "unanswered", "Heartbeat", {}])
        await charge_point.silence_until_heartbeat()


async def test_an_error_goes_out_with_the_code_as_it_was_ordered(csms: CentralSystem) -> None:
    """Even a code of another OCPP version is sent, because a tester may want that."""
    order(csms, what="error", code="FormationViolation")
    async with connected(csms.address, "2.1", boot=False) as charge_point:
        assert (await heartbeat(charge_point))[:3] == [4, "a", "FormationViolation"]


async def test_a_wrong_field_is_set_or_removed(csms: CentralSystem) -> None:
    order(csms, what="wrong-field", action="Heartbeat", field="/currentTime", value=5, times=1)
    order(csms, what="wrong-field", action="Heartbeat", field="/currentTime", times=1)
    order(csms, what="wrong-field", action="Authorize", field="/idTagInfo/status", value="Fine")
    async with connected(csms.address, "1.6") as charge_point:
        assert (await heartbeat(charge_point, "a"))[2] == {"currentTime": 5}
        assert (await heartbeat(charge_point, "b"))[2] == {}
        authorize = await charge_point.call("Authorize", {"idTag": "TAG"})
    assert authorize == {"idTagInfo": {"status": "Fine"}}


async def test_a_duplicate_answer_and_one_to_an_unknown_id(csms: CentralSystem) -> None:
    order(csms, what="duplicate", action="Heartbeat", times=1)
    order(csms, what="unknown-id", action="Heartbeat", times=1)
    async with connected(csms.address, "1.6") as charge_point:
        first = await heartbeat(charge_point, "a")
        assert await charge_point.receive() == first
        stray = await heartbeat(charge_point, "b")
        proper = await charge_point.receive()
    assert stray[1] == misbehaviour.UNKNOWN_ID
    assert proper[1] == "b"


async def test_closing_the_socket_takes_the_code_that_was_ordered(csms: CentralSystem) -> None:
    order(csms, what="close", code=4001, action="Heartbeat")
    async with connected(csms.address, "1.6") as charge_point:
        with pytest.raises(ConnectionClosed) as closed:
            await heartbeat(charge_point)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 4001


async def test_an_order_concerns_its_charge_point_and_action_only(csms: CentralSystem) -> None:
    order(csms, what="no-answer", charge_point="OTHER", action="Heartbeat")
    order(csms, what="no-answer", charge_point="CHARGER-001", action="Authorize")
    async with connected(csms.address, "1.6") as charge_point:
        assert (await heartbeat(charge_point))[0] == 3
    async with connected(csms.address, "1.6", "OTHER") as other:
        await other.send([2, "unanswered", "Heartbeat", {}])
        answer = await other.ask([2, "b", "Authorize", {"idTag": "TAG"}])
    assert answer[1] == "b"


@pytest.mark.parametrize(
    ("members", "wrong"),
    [
        ({}, "what"),
        ({"what": "explode"}, "explode"),
        ({"what": "delay"}, "seconds"),
        ({"what": "delay", "seconds": -1}, "seconds"),
        ({"what": "delay", "seconds": True}, "seconds"),
        ({"what": "delay", "seconds": float("nan")}, "seconds"),
        ({"what": "error"}, "code"),
        ({"what": "error", "code": 5}, "code"),
        ({"what": "wrong-field", "field": "currentTime"}, "pointer"),
        ({"what": "close", "code": 1006}, "close"),
        ({"what": "close", "code": "x"}, "close"),
        ({"what": "close", "code": 3000.5}, "close"),
        ({"what": "close", "code": True}, "close"),
        ({"what": "close", "code": 5000}, "close"),
        ({"what": ["delay"]}, "what"),
        ({"what": "wrong-field", "field": "/a" * 101}, "field"),
        ({"what": "wrong-field", "field": "/a", "value": 2**64}, "value"),
        ({"what": "wrong-field", "field": "/a", "value": json.loads("[" * 101 + "]" * 101)}, "value"),
        ({"what": "no-answer", "seconds": 1}, "seconds"),
        ({"what": "no-answer", "times": 0}, "times"),
        ({"what": "no-answer", "times": 2**64}, "times"),
        ({"what": "no-answer", "action": 7}, "action"),
    ],
)
def test_an_order_that_makes_no_sense_says_why(members: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        misbehaviour.read(members)


def test_a_pointer_may_name_what_is_not_there() -> None:
    """Missing objects along the pointer are created; a pointer through a string leaves the answer unchanged."""
    answer = json.dumps([3, "a", {"status": "Accepted"}])
    deep = misbehaviour.read({"what": "wrong-field", "field": "/a/b~1c", "value": None})
    blocked = misbehaviour.read({"what": "wrong-field", "field": "/status/x", "value": 1})
    assert json.loads(misbehaviour.spoil(deep, "1.6", answer).texts[0])[2] == {
        "status": "Accepted",
        "a": {"b/c": None},
    }
    assert json.loads(misbehaviour.spoil(blocked, "1.6", answer).texts[0])[2] == {"status": "Accepted"}
