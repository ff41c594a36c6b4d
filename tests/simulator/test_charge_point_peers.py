"""CSMSs by others, in strict mode, accept all messages of our charge point, and it answers their CALLs."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from simulator import charge_point as simulated
from tests.processes import Program
from tests.simulator.listening import VERSIONS

ASKED: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "1.6": [
        ("GetConfiguration", {}),
        ("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "30"}),
        ("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1}),
        ("GetCompositeSchedule", {"connectorId": 1, "duration": 600}),
        ("GetLocalListVersion", {}),
        ("ClearCache", {}),
        ("RemoteStopTransaction", {"transactionId": 4711}),
        ("UnlockConnector", {"connectorId": 9}),
    ],
    "2.0.1": [
        ("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}),
        (
            "GetVariables",
            {"getVariableData": [{"component": {"name": "AuthCtrlr"}, "variable": {"name": "Enabled"}}]},
        ),
        ("TriggerMessage", {"requestedMessage": "MeterValues", "evse": {"id": 1}}),
        ("GetCompositeSchedule", {"evseId": 1, "duration": 600}),
        ("GetTransactionStatus", {}),
        ("GetLocalListVersion", {}),
        ("RequestStopTransaction", {"transactionId": "4711"}),
        ("UnlockConnector", {"evseId": 9, "connectorId": 1}),
    ],
}
ASKED["2.1"] = [*ASKED["2.0.1"], ("GetTariffs", {"evseId": 0}), ("GetPeriodicEventStream", {})]


async def charge(url: str, version: str) -> simulated.Outcome:
    scenario = simulated.load("charging")
    station = simulated.make(version, simulated.Identity(url=url, id="CP-1", speed=120, timeout=10))
    return await simulated.play(station, scenario, {"minutes": 2})


@pytest.mark.system
@pytest.mark.parametrize("library", ["ocpp-rpc", "ocpp-ws-io"])
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_strict_csms_of_npm_has_nothing_to_complain_about(npm_peers: Path, library: str, version: str) -> None:
    """In a charging session all CALLs of both sides are answered, and the CSMS's validators accept everything."""
    process = await asyncio.create_subprocess_exec(
        "node",
        npm_peers / "strict_csms.js",
        *(library, version),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin and process.stdout and process.stderr
    process.stdin.write(json.dumps(ASKED[version]).encode())
    process.stdin.close()
    url = (await asyncio.wait_for(process.stdout.readline(), 20)).decode().split()[-1]
    outcome = await charge(url, version)
    rest, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, errors.decode()
    assert outcome.good, outcome
    result = json.loads(rest.splitlines()[-1])
    assert result["failures"] == []
    assert [action for action, _ in result["answers"]] == [action for action, _ in ASKED[version]]
    assert outcome.served == len(ASKED[version])
    assert len(result["seen"]) == outcome.sent == outcome.answered


@pytest.mark.system
async def test_the_central_system_of_ocpp_csms_is_satisfied() -> None:
    """The 1.6 CSMS `ocpp-csms` from PyPI sees a whole transaction and gets answers to its three CALLs."""
    if importlib.util.find_spec("ocpp_csms") is None:
        pytest.skip("ocpp-csms is not installed: pip install ocpp-csms")
    with Program(argv=[sys.executable, Path(__file__).parents[1] / "peers" / "ocpp_csms_1_6.py"]) as csms:
        url = (await asyncio.to_thread(csms.wait_for, r"listening on (ws://\S+)"))[1]
        outcome = await charge(url, "1.6")
        assert await asyncio.to_thread(csms.finish) == 0, csms.report()
    assert outcome.good, outcome
    result = json.loads(csms.out[-1])
    assert result["answers"]["change"] == result["answers"]["trigger"] == "Accepted"
    assert "NumberOfConnectors" in result["answers"]["configuration"]
    wanted = ("ConnectedEvent", "BootEvent", "StatusEvent", "TransactionStartedEvent", "MeterValuesEvent")
    assert set(result["events"]) >= {*wanted, "TransactionStoppedEvent", "DisconnectedEvent"}
