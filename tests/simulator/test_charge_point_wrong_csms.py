"""How a charge point handles wrong messages from a CSMS, and an internal error of its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.listening import VERSIONS, ListeningCsms
from tests.simulator.powered import TOKEN, PowerOn


async def test_an_answer_against_the_schema_is_complained_about_in_2_1(csms: ListeningCsms, power_on: PowerOn) -> None:
    """Part 4, 4.2.3: the sender of the CALL answers with CALLRESULTERROR."""
    station = await power_on("2.1")
    csms.answers["Authorize"] = lambda _: {"idTokenInfo": {"status": "Maybe"}}
    with pytest.raises(Exception, match="answer that does not fit its schema"):
        await station.authorization.authorize(TOKEN)
    await csms.until(lambda: [frame for side, frame in csms.frames if side == "cp" and frame[0] == 5])
    complaint = [frame for side, frame in csms.frames if side == "cp" and frame[0] == 5]
    asked = [frame for side, frame in csms.frames if side == "cp" and frame[0] == 2 and frame[2] == "Authorize"]
    assert complaint[0][1] == asked[0][1]
    assert len(complaint[0]) == 5


async def test_an_unknown_message_type_is_answered_in_2x(csms: ListeningCsms, power_on: PowerOn) -> None:
    """Part 4, 4.1.3: MessageTypeNotSupported, with the id "-1" if the message has no readable id."""
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

    station.answering.routes["ClearCache"] = broken
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
