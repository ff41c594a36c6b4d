"""The CSMS's own CALLs: any action, one at a time, at the permitted moments, and what it learns from the answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from csms import actions, schemas
from csms.central_system import CentralSystem
from csms.operator_api import examples, operations, overview
from csms.wire import call_order
from csms.wire.connection import Outcome
from tests.csms.peer import Peer, connected

CASES = [(version, action) for version in schemas.VERSIONS for action in sorted(actions.from_csms(version))]
MOMENT = "2026-01-01T00:00:00Z"
PLACE = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "Identity"}}


async def asked(csms: CentralSystem, peer: Peer, action: str, payload: Any, answer: Any) -> tuple[Any, Outcome]:
    """Have the CSMS send a CALL, answer it, and return the received CALL and the CSMS's outcome."""
    task = asyncio.create_task(csms.connections["CHARGER-001"].send_call(action, payload))
    call = await peer.receive()
    await peer.send([3, call[1], answer])
    return call, await task


@pytest.mark.parametrize(("version", "action"), CASES)
async def test_every_action_of_a_csms_can_be_sent(csms: CentralSystem, version: str, action: str) -> None:
    """A schema-valid example is sent unchanged, and the caller gets its schema-valid answer."""
    request, response = (schemas.schema(version, action, kind) for kind in ("request", "response"))  # type: ignore[arg-type]
    assert request is not None and response is not None
    payload, answer = examples.example(request, optional=True), examples.example(response)
    async with connected(csms.address, version) as charge_point:
        call, outcome = await asked(csms, charge_point, action, payload, answer)
        assert csms.connections["CHARGER-001"].boot_status == "Accepted"
    assert call == [2, call[1], action, payload]
    assert 0 < len(call[1]) <= 36
    assert (outcome.kind, outcome.payload) == ("CALLRESULT", answer)


async def test_one_call_at_a_time(csms: CentralSystem) -> None:
    """The second CALL is not sent before the first is answered, though the charge point's own CALLs are answered."""
    async with connected(csms.address, "1.6") as charge_point:
        connection = csms.connections["CHARGER-001"]
        first = asyncio.create_task(connection.send_call("ClearCache", {}))
        second = asyncio.create_task(connection.send_call("GetLocalListVersion", {}))
        call = await charge_point.receive()
        assert call[2] == "ClearCache"
        await charge_point.silence_until_heartbeat()
        await charge_point.send([3, call[1], {"status": "Accepted"}])
        call = await charge_point.receive()
        assert call[2] == "GetLocalListVersion"
        await charge_point.send([3, call[1], {"listVersion": 3}])
        outcomes = await asyncio.gather(first, second)
    assert [outcome.payload for outcome in outcomes] == [{"status": "Accepted"}, {"listVersion": 3}]


async def test_a_call_without_an_answer_ends_and_the_next_is_sent(csms: CentralSystem) -> None:
    """Silence is a timeout, a late answer is ignored, an error differs from a lost connection."""
    async with connected(csms.address, "2.0.1") as charge_point:
        connection = csms.connections["CHARGER-001"]
        connection._response_timeout = 0.1
        silent = await asyncio.gather(connection.send_call("ClearCache", {}), charge_point.receive())
        assert silent[0].kind == "timeout"
        connection._response_timeout = 10
        refused = asyncio.create_task(connection.send_call("ClearCache", {}))
        call = await charge_point.receive()
        await charge_point.send([3, silent[1][1], {"status": "Accepted"}])
        await charge_point.send([4, call[1], "NotSupported", "no cache", {}])
        outcome = await refused
        assert (outcome.kind, outcome.error_code, outcome.error_description) == (
            "CALLERROR",
            "NotSupported",
            "no cache",
        )
        lost = asyncio.create_task(connection.send_call("ClearCache", {}))
        await charge_point.receive()
    assert (await lost).kind == "closed"


async def test_a_bad_answer_gets_a_callresulterror_in_2_1(csms: CentralSystem) -> None:
    """Only 2.1 has CALLRESULTERROR (type 5); the CSMS accepts one silently."""
    async with connected(csms.address, "2.1") as charge_point:
        call, outcome = await asked(csms, charge_point, "ClearCache", {}, {"status": 5})
        error = await charge_point.receive()
        assert error[:3] == [5, call[1], "TypeConstraintViolation"]
        assert outcome.error_code == "TypeConstraintViolation"
        await charge_point.send([5, "call-1", "FormatViolation", "", {}])
        await charge_point.silence_until_heartbeat()
    async with connected(csms.address, "2.0.1") as charge_point:
        await asked(csms, charge_point, "ClearCache", {}, {"status": 5})
        await charge_point.silence_until_heartbeat()


@pytest.mark.parametrize(
    ("version", "action", "payload", "answer"),
    [
        ("1.6", "ReserveNow", {}, {"status": "Accepted"}),
        ("1.6", "SetChargingProfile", {"connectorId": 1}, {"status": "Accepted"}),
        ("1.6", "ChangeConfiguration", {"key": "K"}, {"status": "Accepted"}),
        ("1.6", "SetVariables", {}, {"setVariableResult": []}),
        (
            "2.0.1",
            "SetVariables",
            {"setVariableData": [{**PLACE, "variable": {"name": "BasicAuthPassword"}, "attributeValue": 5}]},
            {"setVariableResult": [{**PLACE, "attributeStatus": "Accepted"}]},
        ),
        (
            "1.6",
            "ReserveNow",
            {"connectorId": 1, "expiryDate": MOMENT, "idTag": "TAG", "reservationId": 2**63},
            {"status": "Accepted"},
        ),
    ],
)
async def test_nothing_is_learnt_from_a_call_that_should_not_have_been_sent(
    csms: CentralSystem, version: str, action: str, payload: dict[str, Any], answer: dict[str, Any]
) -> None:
    """Its answer is shown, but changes nothing in the state of the CSMS."""
    rows = rows_of(csms)
    async with connected(csms.address, version) as charge_point:
        _, outcome = await asked(csms, charge_point, action, payload, answer)
    assert (outcome.kind, outcome.payload) == ("CALLRESULT", answer)
    assert rows("reservations") + rows("charging_profiles") + rows("variables") == []


async def test_an_answer_nested_too_deep_is_told_without_its_payload(csms: CentralSystem) -> None:
    async with connected(csms.address, "2.0.1") as charge_point:
        for action in ("DataTransfer", "Nonsense"):
            deep = json.loads("[" * 300 + "]" * 300)
            _, outcome = await asked(
                csms, charge_point, action, {"vendorId": "V"}, {"status": "Accepted", "data": deep}
            )
            assert (outcome.payload, outcome.error_code) == (None, "FormatViolation")


@pytest.mark.parametrize(
    ("version", "boot_status", "action", "payload", "reason"),
    [
        ("1.6", "Accepted", "Heartbeat", {}, "no action"),
        ("1.6", "Accepted", "Nonsense", {}, "no action"),
        ("1.6", "Accepted", "Reset", {"type": "Warm"}, "Warm"),
        ("1.6", "Pending", "RemoteStartTransaction", {"idTag": "TAG"}, "Pending"),
        ("2.0.1", "Pending", "RequestStopTransaction", {"transactionId": "t"}, "Pending"),
        ("2.0.1", "Rejected", "ClearCache", {}, "rejected"),
        ("1.6", None, "ClearCache", {}, "not booted"),
        ("1.6", "Accepted", "TriggerMessage", {"requestedMessage": "BootNotification"}, "3.40"),
        ("1.6", "Pending", "TriggerMessage", {"requestedMessage": "BootNotification"}, None),
        ("1.6", "Pending", "GetConfiguration", {}, None),
        ("1.6", None, "TriggerMessage", {"requestedMessage": "BootNotification"}, None),
        ("2.1", "Accepted", "NotifyWebPaymentStarted", {"evseId": 1, "timeout": 5}, None),
    ],
)
def test_the_book_says_when_a_call_may_be_sent(
    version: Any, boot_status: str | None, action: str, payload: dict[str, Any], reason: str | None
) -> None:
    objection = call_order.objection(version, boot_status, action, payload)
    assert (objection is None) if reason is None else (objection is not None and reason in objection)


async def test_what_a_pending_charge_point_was_asked_for_is_taken(csms: CentralSystem) -> None:
    """While its boot is Pending, a triggered message and a requested report are answered, others are not."""
    csms.store.set_charge_point("CHARGER-001", boot_policy="Pending")
    status = {"evseId": 1, "connectorId": 1, "connectorStatus": "Available", "timestamp": MOMENT}
    async with connected(csms.address, "2.0.1") as charge_point:
        refused = await charge_point.ask([2, "a", "StatusNotification", status])
        trigger = {"requestedMessage": "StatusNotification", "evse": {"id": 1, "connectorId": 1}}
        await asked(csms, charge_point, "TriggerMessage", trigger, {"status": "Accepted"})
        taken = await charge_point.ask([2, "b", "StatusNotification", status])
        report = {"requestId": 1, "reportBase": "FullInventory"}
        await asked(csms, charge_point, "GetBaseReport", report, {"status": "Accepted"})
        reported = await charge_point.ask([2, "c", "NotifyReport", {"requestId": 1, "generatedAt": MOMENT, "seqNo": 0}])
    assert (refused[0], taken[0], reported[0]) == (4, 3, 3)


async def test_profiles_reservations_and_variables_are_remembered(csms: CentralSystem) -> None:
    """The CSMS remembers what a 1.6 charge point accepted, until it is cleared."""
    profile = examples.example(schemas.schema("1.6", "SetChargingProfile", "request") or {})
    reserve = {"connectorId": 1, "expiryDate": "2027-01-01T00:00:00Z", "idTag": "TAG", "reservationId": 9}
    accepted = {"status": "Accepted"}
    rows = rows_of(csms)
    async with connected(csms.address, "1.6") as charge_point:
        await asked(csms, charge_point, "SetChargingProfile", profile, accepted)
        assert json.loads(rows("charging_profiles")[0]["profile"]) == profile["csChargingProfiles"]
        await asked(csms, charge_point, "ClearChargingProfile", {"id": 999}, accepted)
        assert len(rows("charging_profiles")) == 1
        await asked(csms, charge_point, "ClearChargingProfile", {"id": 1}, accepted)
        assert rows("charging_profiles") == []

        await asked(csms, charge_point, "ReserveNow", reserve, accepted)
        assert [(r["reservation_id"], r["status"]) for r in rows("reservations")] == [(9, "Accepted")]
        start = {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": MOMENT, "reservationId": 9}
        await charge_point.call("StartTransaction", start)
        assert rows("reservations")[0]["status"] == "Used"

        own = {**profile["csChargingProfiles"], "chargingProfileId": 2, "chargingProfilePurpose": "TxProfile"}
        await asked(csms, charge_point, "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": own}, accepted)
        await asked(csms, charge_point, "SetChargingProfile", {**profile, "connectorId": 1}, accepted)
        assert len(rows("charging_profiles")) == 2
        transaction = int(rows("transactions")[0]["transaction_id"])
        await charge_point.call("StopTransaction", {"transactionId": transaction, "meterStop": 9, "timestamp": MOMENT})
        assert [row["profile_id"] for row in rows("charging_profiles")] == [1]

        keys = [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}]
        await asked(csms, charge_point, "GetConfiguration", {}, {"configurationKey": keys})
        change = {"key": "HeartbeatInterval", "value": "60"}
        await asked(csms, charge_point, "ChangeConfiguration", change, accepted)
        await asked(csms, charge_point, "ChangeConfiguration", {**change, "value": "1"}, {"status": "Rejected"})
    assert [(v["variable"], v["value"], v["mutability"]) for v in rows("variables")] == [
        ("HeartbeatInterval", "60", "ReadWrite")
    ]


async def test_a_reservation_and_a_profile_of_2_x_end_with_their_transaction(csms: CentralSystem) -> None:
    """The first event names the reservation; the last one ends the TxProfile of this transaction, not of another."""
    accepted, rows = {"status": "Accepted"}, rows_of(csms)
    token = {"idToken": "TAG", "type": "Central"}
    schedule = {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 9}]}
    event = {"timestamp": MOMENT, "transactionInfo": {"transactionId": "tx-1"}}
    first = {"eventType": "Started", "triggerReason": "Authorized", "seqNo": 0, "evse": {"id": 1}, "reservationId": 7}
    last = {"eventType": "Ended", "triggerReason": "StopAuthorized", "seqNo": 1}
    async with connected(csms.address, "2.0.1") as charge_point:
        reserve = {"id": 7, "evseId": 1, "expiryDateTime": "2020-01-01T00:00:00Z", "idToken": token}
        await asked(csms, charge_point, "ReserveNow", reserve, accepted)
        shown = overview.charge_point(csms.context, csms.connections, "CHARGER-001")
        assert shown is not None and shown["reservations"][0]["status"] == "Expired"
        await charge_point.call("TransactionEvent", {**event, **first})
        assert rows("reservations")[0]["status"] == "Used"
        for number, transaction in ((3, "tx-1"), (4, "tx-2")):
            profile = {
                "id": number,
                "stackLevel": number,
                "chargingProfilePurpose": "TxProfile",
                "chargingProfileKind": "Relative",
                "transactionId": transaction,
                "chargingSchedule": [schedule],
            }
            change = {"evseId": 1, "chargingProfile": profile}
            await asked(csms, charge_point, "SetChargingProfile", change, accepted)
        await charge_point.call("TransactionEvent", {**event, **last})
        assert [row["profile_id"] for row in rows("charging_profiles")] == [4]


async def test_variables_of_the_device_model_are_remembered(csms: CentralSystem) -> None:
    """NotifyReport, GetVariables and SetVariables of 2.x all update the same variables."""
    component, variable = {"name": "Connector", "evse": {"id": 1, "connectorId": 2}}, {"name": "Available"}
    rows = rows_of(csms)
    async with connected(csms.address, "2.0.1") as charge_point:
        entry = {
            "component": component,
            "variable": variable,
            "variableAttribute": [{"value": "true", "mutability": "ReadOnly"}],
        }
        await charge_point.call(
            "NotifyReport", {"requestId": 1, "generatedAt": MOMENT, "seqNo": 0, "reportData": [entry]}
        )
        assert [(v["component"], v["value"]) for v in rows("variables")] == [("Connector@1.2", "true")]
        pair = {"component": component, "variable": variable}
        result = {**pair, "attributeStatus": "Accepted"}
        await asked(
            csms,
            charge_point,
            "GetVariables",
            {"getVariableData": [pair]},
            {"getVariableResult": [{**result, "attributeValue": "false"}]},
        )
        assert rows("variables")[0]["value"] == "false"
        await asked(
            csms,
            charge_point,
            "SetVariables",
            {"setVariableData": [{**pair, "attributeValue": "true"}]},
            {"setVariableResult": [result]},
        )
    assert [(v["value"], v["mutability"]) for v in rows("variables")] == [("true", "ReadOnly")]


@pytest.mark.parametrize("key", ["AuthorizationKey", "authorizationkey"])
async def test_a_password_set_over_ocpp_is_kept_as_a_hash_only(csms: CentralSystem, key: str) -> None:
    async with connected(csms.address, "1.6") as charge_point:
        change = {"key": key, "value": b"0123456789abcdef".hex()}
        await asked(csms, charge_point, "ChangeConfiguration", change, {"status": "Accepted"})
        keys = [{**change, "readonly": False}]
        await asked(csms, charge_point, "GetConfiguration", {}, {"configurationKey": keys})
    row = csms.store.charge_point("CHARGER-001")
    assert row is not None and row["password_hash"].startswith("scrypt$")
    assert "0123456789abcdef" not in str(row)
    assert csms.store.rows("SELECT * FROM variables") == []


@pytest.mark.parametrize("name", ["BasicAuthPassword", "basicauthpassword"])
async def test_a_password_that_a_charge_point_tells_is_not_kept(csms: CentralSystem, name: str) -> None:
    """Reports, events and answers to GetVariables are stored without the password."""
    place: dict[str, Any] = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": name, "instance": "x"}}
    value, rows = "s3cretPASSw0rd1234", rows_of(csms)
    report = {**place, "variableAttribute": [{"value": value, "mutability": "WriteOnly"}]}
    event = {
        **place,
        "eventId": 1,
        "timestamp": MOMENT,
        "trigger": "Delta",
        "actualValue": value,
        "eventNotificationType": "HardWiredNotification",
    }
    message = {"generatedAt": MOMENT, "seqNo": 0}
    async with connected(csms.address, "2.0.1") as charge_point:
        await charge_point.call("NotifyReport", {**message, "requestId": 1, "reportData": [report]})
        await charge_point.call("NotifyEvent", {**message, "eventData": [event]})
        result = {**place, "attributeStatus": "Accepted", "attributeValue": value}
        await asked(csms, charge_point, "GetVariables", {"getVariableData": [place]}, {"getVariableResult": [result]})
        change = {"setVariableData": [{**place, "attributeValue": value}]}
        answer = {"setVariableResult": [{**place, "attributeStatus": "Accepted"}]}
        await asked(csms, charge_point, "SetVariables", change, answer)
    assert [(v["value"], v["mutability"]) for v in rows("variables")] == [(None, "WriteOnly")]
    assert [json.loads(n["payload"])["seqNo"] for n in rows("notices")] == [0, 0]
    assert value not in str([rows(table) for table in ("variables", "notices", "charge_points")])


@pytest.mark.parametrize("version", schemas.VERSIONS)
def test_everyday_operations_are_calls_that_may_be_sent(version: Any) -> None:
    """Start, stop, reset, unlock and trigger give a schema-valid CALL in every version."""
    given: dict[str, list[dict[str, Any]]] = {
        "start": [{"evse_id": 1, "id_token": "TAG"}],
        "stop": [{"transaction_id": "42"}],
        "reset": [{}, {"hard": True}],
        "unlock": [{"evse_id": 2}],
        "trigger": [{"message": "StatusNotification"}, {"message": "MeterValues", "evse_id": 1}],
    }
    assert set(given) == set(operations.OPERATIONS)
    for operation, many in given.items():
        for arguments in many:
            action, payload = operations.call_for(version, operation, arguments)
            assert call_order.objection(version, "Accepted", action, payload) is None


@pytest.mark.parametrize("transaction_id", ["", "-1", "one", "9" * 30])
def test_a_transaction_id_of_1_6_is_a_number_that_can_be_sent(transaction_id: str) -> None:
    with pytest.raises(ValueError, match="whole number"):
        operations.call_for("1.6", "stop", {"transaction_id": transaction_id})


def rows_of(csms: CentralSystem) -> Callable[[str], list[dict[str, Any]]]:
    return lambda table: csms.store.rows(f"SELECT * FROM {table}")
