"""Charge points of npm in strict mode: every answer of the CSMS satisfies their validators too."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from csms import actions, schemas
from csms.central_system import CentralSystem
from csms.operator_api import examples
from tests.csms.peer import BOOT, SUBPROTOCOLS

MOMENT = "2026-01-01T00:00:00.000Z"


def session(version: str) -> list[tuple[str, dict[str, Any]]]:
    """A charging session, boot to heartbeat; 1.6 names its transaction by the id that the CSMS gave it."""
    if version == "1.6":
        status = {"connectorId": 1, "errorCode": "NoError", "timestamp": MOMENT}
        sample = {"timestamp": MOMENT, "sampledValue": [{"value": "10"}]}
        start = {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": MOMENT}
        stop = {"transactionId": "$transactionId", "idTag": "TAG", "meterStop": 10, "timestamp": MOMENT}
        return [
            ("StatusNotification", {**status, "status": "Preparing"}),
            ("Authorize", {"idTag": "TAG"}),
            ("StartTransaction", start),
            ("StatusNotification", {**status, "status": "Charging"}),
            ("MeterValues", {"connectorId": 1, "transactionId": "$transactionId", "meterValue": [sample]}),
            ("StopTransaction", stop),
            ("Heartbeat", {}),
        ]
    token = {"idToken": "TAG", "type": "ISO14443"}
    status = {"timestamp": MOMENT, "evseId": 1, "connectorId": 1}
    sample = {"timestamp": MOMENT, "sampledValue": [{"value": 10}]}
    event = {"timestamp": MOMENT, "transactionInfo": {"transactionId": "t-1"}, "meterValue": [sample]}
    started = {"eventType": "Started", "triggerReason": "Authorized", "seqNo": 0, "idToken": token}
    ended = {"eventType": "Ended", "triggerReason": "StopAuthorized", "seqNo": 2, "idToken": token}
    return [
        ("StatusNotification", {**status, "connectorStatus": "Occupied"}),
        ("Authorize", {"idToken": token}),
        ("TransactionEvent", {**event, **started, "evse": {"id": 1, "connectorId": 1}}),
        ("TransactionEvent", {**event, "eventType": "Updated", "triggerReason": "MeterValuePeriodic", "seqNo": 1}),
        ("TransactionEvent", {**event, **ended}),
        ("Heartbeat", {}),
    ]


def every_action(version: schemas.Version) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for action in sorted(actions.from_charge_point(version) - schemas.SENDS - {"BootNotification"}):
        schema = schemas.schema(version, action, "request")
        assert schema is not None
        found.append((action, examples.example(schema)))
    return found


@pytest.mark.system
@pytest.mark.parametrize("library", ["ocpp-rpc", "ocpp-ws-io"])
@pytest.mark.parametrize("version", schemas.VERSIONS)
async def test_every_call_of_a_strict_client_is_answered_to_its_satisfaction(
    csms: CentralSystem, npm_peers: Path, library: str, version: schemas.Version
) -> None:
    """The client sends a charging session and an example of every action; its validators accept all answers."""
    calls = [("BootNotification", BOOT[SUBPROTOCOLS[version]]), *session(version), *every_action(version)]
    process = await asyncio.create_subprocess_exec(
        "node",
        npm_peers / "strict_calls.js",
        *(library, csms.address, "NPM-1", version),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(json.dumps(calls).encode()), 60)
    assert process.returncode == 0, err.decode()
    result = json.loads(out.splitlines()[-1])
    assert result["failures"] == []
    assert [action for action, _ in result["answers"]] == [action for action, _ in calls]
    whole = csms.store.rows("SELECT * FROM transactions WHERE charge_point_id = 'NPM-1' AND id_token = 'TAG'")
    assert len(whole) == 1 and whole[0]["started"] == whole[0]["stopped"] == MOMENT
    values = csms.store.rows("SELECT value FROM meter_values WHERE transaction_id = ?", whole[0]["transaction_id"])
    assert {row["value"] for row in values} == {"10"}
