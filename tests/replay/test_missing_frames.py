"""A missing frame is reported as such, and the rest of the replay continues."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import InvalidStatus

from inspector.protocol.vocabulary import OcppVersion
from inspector.replay.compare import compare_scripts
from inspector.replay.connect import lobby
from inspector.replay.policy import Policy, read_policy
from inspector.replay.runs import Choices, as_csms
from inspector.replay.text_report import excerpt

from .test_false_passes import BEAT, BEATEN, BOOT, BOOTED, RESET, RESETTING, answer_boot, played, scripts_of

CLEAR = "<", '[2,"c","ClearCache",{}]'
CLEARED = ">", '[3,"c",{"status":"Accepted"}]'


def numbered(frame: tuple[str, str], number: int) -> tuple[str, str]:
    """Return the same frame with another message id."""
    kind, message_id, *rest = json.loads(frame[1])
    return frame[0], json.dumps([kind, f"{message_id}{number}", *rest])


def meter(number: int) -> tuple[str, str]:
    values = f'[{{"timestamp":"2026-01-01T12:00:00Z","sampledValue":[{{"value":"{number}"}}]}}]'
    return ">", f'[2,"m{number}","MeterValues",{{"connectorId":1,"meterValue":{values}}}]'


def test_of_recorded_periodic_values_at_least_one_has_to_come(tmp_path: Path) -> None:
    answer = "<", '[3,"m1",{}]'
    answers = "<", '[3,"m2",{}]'
    (recorded,) = scripts_of(tmp_path, BOOT, BOOTED, BEAT, BEATEN, meter(1), answer, meter(2), answers)
    (fewer,) = scripts_of(tmp_path, BOOT, BOOTED, meter(1), answer, name="fewer")
    (none,) = scripts_of(tmp_path, BOOT, BOOTED, BEAT, BEATEN, name="none")
    assert compare_scripts(recorded, fewer, Policy()).equal
    (sentence,) = compare_scripts(recorded, none, Policy()).sentences()
    assert "MeterValues" in sentence and "none of the 2 recorded" in sentence
    policy = tmp_path / "policy.toml"
    policy.write_text('optional_actions = ["MeterValues", "Heartbeat"]')
    assert compare_scripts(recorded, none, read_policy(policy)).equal


async def never_asks(connection: ServerConnection) -> None:
    """Answer every CALL as a CSMS does, but send none, as if no operator acted."""
    await answer_boot(connection)
    async for message in connection:
        call = json.loads(message)
        if call[0] == 2:
            await connection.send(json.dumps([3, call[1], {"currentTime": "2026-01-01T12:00:01Z"}]))


@pytest.mark.system
async def test_operator_calls_that_never_come_do_not_end_the_rest(tmp_path: Path) -> None:
    asked = [numbered(frame, n) for n in range(5) for frame in (RESET, RESETTING)]
    (script,) = scripts_of(tmp_path, BOOT, BOOTED, *asked, CLEAR, CLEARED, BEAT, BEATEN)
    outcome = await played(script, never_asks)
    sentences = outcome.sentences()
    assert sum("the CALL Reset never came" in sentence for sentence in sentences) == 5
    assert sum("the CALL ClearCache never came" in sentence for sentence in sentences) == 1
    assert outcome.failure is None
    assert outcome.rows[-1].live is not None and outcome.rows[-1].live.action == "Heartbeat"


@pytest.mark.system
async def test_csms_that_answers_nothing_is_still_given_up(tmp_path: Path) -> None:
    frames = [numbered(frame, n) for n in range(6) for frame in (BEAT, BEATEN)]
    (script,) = scripts_of(tmp_path, BOOT, BOOTED, *frames)

    async def mute(connection: ServerConnection) -> None:
        await answer_boot(connection)
        await connection.wait_closed()

    outcome = await played(script, mute)
    assert "given up" in (outcome.failure or "")
    assert "no answer to Heartbeat came within" in " ".join(outcome.sentences())


@pytest.mark.parametrize(
    ("offered", "password", "said"),
    [
        ("ocpp2.0.1", "", "CP1 was refused at the handshake: it offers 'ocpp2.0.1', the recording speaks ocpp1.6"),
        ("ocpp1.6", "no", "CP1 was refused at the handshake: wrong password"),
    ],
)
async def test_charge_point_refused_at_the_handshake_is_named_with_the_reason(
    tmp_path: Path, offered: Any, password: str, said: str
) -> None:
    (script,) = scripts_of(tmp_path, BOOT, BOOTED)
    address: list[str] = []
    async with lobby("127.0.0.1", 0, OcppVersion.V16, "the right one" if password else None, address.append) as waiting:
        url = f"{address[0]}/CP1".replace("ws://", f"ws://CP1:{password}@" if password else "ws://")
        with pytest.raises(InvalidStatus):
            await connect(url, subprotocols=[offered], proxy=None)
        with pytest.raises(TimeoutError):
            await as_csms(script, waiting, Choices(timeout_s=0.5), 0.1)
        assert waiting.refusals() == said


async def test_report_says_which_other_station_it_was_played_against(tmp_path: Path) -> None:
    boot = '[2,"b","BootNotification",{{"chargePointVendor":"V","chargePointModel":"M","firmwareVersion":"{}"}}]'
    (script,) = scripts_of(tmp_path, (">", boot.format("1.0")), BOOTED)
    address: list[str] = []
    async with asyncio.timeout(20), lobby("127.0.0.1", 0, OcppVersion.V16, None, address.append) as waiting:
        protocols: Any = ["ocpp1.6"]
        async with connect(f"{address[0]}/CP9", subprotocols=protocols, proxy=None) as station:
            await station.send(boot.format("2.0"))
            outcome = await as_csms(script, waiting, Choices(timeout_s=0.5), 5)
    assert outcome.equal, excerpt(outcome)
    assert outcome.peer == "the charge point CP9 (firmware 2.0 (recorded: 1.0))"
    assert "played against firmware 2.0 (recorded: 1.0)" in excerpt(outcome)
