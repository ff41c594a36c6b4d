"""An operator's CALL that breaks a rule of the specification is refused, with the requirement, unless it is forced."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from csms import call_rules
from csms.central_system import CentralSystem
from csms.configuration import PageAddress
from csms.operator_api.web import serving
from csms.wire import call_order
from tests.csms.peer import connected

PAST, FUTURE = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
TOKEN = {"idToken": "TAG", "type": "Central"}


def schedule(*starts: int, **period: Any) -> dict[str, Any]:
    periods = [{"startPeriod": start, "limit": 10.0} | period for start in starts or (0,)]
    return {"chargingRateUnit": "W", "chargingSchedulePeriod": periods}


def profile16(purpose: str = "TxDefaultProfile", *starts: int, **more: Any) -> dict[str, Any]:
    return {
        "chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute", "chargingSchedule": schedule(*starts),
    } | more  # fmt: skip


def profile(purpose: str = "TxDefaultProfile", *starts: int, **more: Any) -> dict[str, Any]:
    return {
        "id": 1, "stackLevel": 0, "chargingProfilePurpose": purpose, "chargingProfileKind": "Absolute",
        "chargingSchedule": [{"id": 1} | schedule(*starts)],
    } | more  # fmt: skip


def set16(place: int, *arguments: Any, **more: Any) -> dict[str, Any]:
    return {"connectorId": place, "csChargingProfiles": profile16(*arguments, **more)}


def set2(place: int, *arguments: Any, **more: Any) -> dict[str, Any]:
    return {"evseId": place, "chargingProfile": profile(*arguments, **more)}


def start2(**more: Any) -> dict[str, Any]:
    return {"remoteStartId": 1, "idToken": TOKEN, "evseId": 1} | more


def trigger(**evse: Any) -> dict[str, Any]:
    return {"requestedMessage": "StatusNotification", "evse": {"id": 1} | evse}


def password(value: str) -> dict[str, Any]:
    place = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    return {"setVariableData": [place | {"attributeValue": value}]}


def list16(version: int, *entries: tuple[str, bool], kind: str = "Full") -> dict[str, Any]:
    listed = [{"idTag": tag} | ({"idTagInfo": {"status": "Accepted"}} if known else {}) for tag, known in entries]
    return {"listVersion": version, "updateType": kind, "localAuthorizationList": listed}


def list2(version: int, *entries: tuple[str, bool], kind: str = "Full") -> dict[str, Any]:
    listed = [
        {"idToken": {"idToken": tag, "type": "Central"}} | ({"idTokenInfo": {"status": "Accepted"}} if known else {})
        for tag, known in entries
    ]
    return {"versionNumber": version, "updateType": kind} | ({"localAuthorizationList": listed} if listed else {})


def reserve2(expiry: str) -> dict[str, Any]:
    return {"id": 1, "expiryDateTime": expiry, "idToken": TOKEN, "evseId": 1}


def reserve16(expiry: str) -> dict[str, Any]:
    return {"connectorId": 1, "expiryDate": expiry, "idTag": "TAG", "reservationId": 1}


def setpoint(**period: Any) -> dict[str, Any]:
    periods = [{"startPeriod": 0, "operationMode": "CentralSetpoint"} | period]
    schedules = [{"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": periods}]
    return {"evseId": 1, "chargingProfile": profile() | {"chargingSchedule": schedules}}


def customer(**more: Any) -> dict[str, Any]:
    return {"requestId": 1, "report": True, "clear": False} | more


REMOTE_16, REMOTE_2, SET = "RemoteStartTransaction", "RequestStartTransaction", "SetChargingProfile"
CASES: list[tuple[str, str, dict[str, Any], dict[str, Any], str]] = [
    # version, action, a payload that breaks the rule, one that does not, the requirement
    ("1.6", REMOTE_16, {"idTag": "T", "chargingProfile": profile16()},
     {"idTag": "T", "chargingProfile": profile16("TxProfile")}, "5.11"),
    ("1.6", REMOTE_16, {"idTag": "T", "chargingProfile": profile16("TxProfile", transactionId=1)},
     {"idTag": "T"}, "5.11"),
    ("1.6", REMOTE_16, {"idTag": "T", "connectorId": 0}, {"idTag": "T", "connectorId": 1}, "6.33"),
    ("1.6", REMOTE_16, {"idTag": "T", "chargingProfile": profile16("TxProfile", 5)}, {"idTag": "T"}, "7.14"),
    ("2.0.1", REMOTE_2, start2(chargingProfile=profile()), start2(chargingProfile=profile("TxProfile")), "F01"),
    ("2.1", REMOTE_2, start2(chargingProfile=profile("TxProfile", transactionId="t")), start2(), "F01"),
    ("2.0.1", REMOTE_2, start2(evseId=0), start2(), "F01"),
    ("2.0.1", REMOTE_2, start2(chargingProfile=profile("TxProfile", 0, 0)), start2(), "K01"),
    ("1.6", "UnlockConnector", {"connectorId": 0}, {"connectorId": 1}, "6.53"),
    ("2.0.1", SET, set2(1, "TxProfile"), set2(1, "TxProfile", transactionId="t"), "K01.FR.03"),
    ("2.0.1", SET, set2(0, "ChargingStationExternalConstraints"), set2(0, "ChargingStationMaxProfile"), "K01.FR.22"),
    ("1.6", SET, set16(0, "TxProfile"), set16(1, "TxProfile"), "3.13.1"),
    ("2.1", SET, set2(0, "TxProfile", transactionId="t"), set2(0), "K01"),
    ("1.6", SET, set16(1, "ChargePointMaxProfile"), set16(0, "ChargePointMaxProfile"), "3.13.1"),
    ("2.0.1", SET, set2(1, "ChargingStationMaxProfile"), set2(0, "ChargingStationMaxProfile"), "K01"),
    ("1.6", SET, set16(1, "TxDefaultProfile", 0, 9, 9), set16(1, "TxDefaultProfile", 0, 9, 10), "7.14"),
    ("2.1", SET, set2(1, "TxDefaultProfile", 1), set2(1), "K01"),
    ("2.0.1", SET, set2(1, recurrencyKind="Daily"),
     set2(1, chargingProfileKind="Recurring", recurrencyKind="Daily"), "K01"),
    ("2.0.1", SET, set2(1, chargingProfileKind="Recurring"), set2(1), "K01"),
    ("2.1", SET, setpoint(limit=5.0, setpoint=1.0), setpoint(setpoint=1.0), "Q03.FR.02"),
    ("2.0.1", "ClearChargingProfile", {}, {"chargingProfileId": 1}, "K10.FR.02"),
    ("2.1", "ClearChargingProfile", {}, {"chargingProfileCriteria": {"stackLevel": 0}}, "K10.FR.02"),
    ("2.0.1", "TriggerMessage", trigger(), trigger(connectorId=1), "F06.FR.13"),
    ("2.1", "TriggerMessage", {"requestedMessage": "StatusNotification"},
     {"requestedMessage": "Heartbeat"}, "F06.FR.13"),
    ("1.6", "ChangeConfiguration", {"key": "authorizationKEY", "value": "ab" * 15},
     {"key": "AuthorizationKey", "value": "ab" * 16}, "2.4"),
    ("1.6", "ChangeConfiguration", {"key": "AuthorizationKey", "value": "no hexadecimal, yet long enough"},
     {"key": "Other", "value": "x"}, "2.4"),
    ("2.0.1", "SetVariables", password("x" * 15), password("x" * 16), "A00.FR.205"),
    ("1.6", "ReserveNow", reserve16(PAST), reserve16(FUTURE), "5.13"),
    ("2.0.1", "ReserveNow", reserve2(PAST), reserve2(FUTURE), "H01"),
    ("1.6", "SendLocalList", list16(0), list16(1), "5.15"),
    ("2.0.1", "SendLocalList", list2(0), list2(1), "D01"),
    ("1.6", "SendLocalList", list16(1, ("A", True), ("a", True)), list16(1, ("A", True), ("B", True)), "5.15"),
    ("2.1", "SendLocalList", list2(1, ("A", False)), list2(1, ("A", False), kind="Differential"), "D01"),
    ("2.0.1", "CustomerInformation", customer(), customer(customerIdentifier="C"), "N09"),
    ("2.1", "CustomerInformation", customer(customerIdentifier="C", idToken=TOKEN), customer(idToken=TOKEN), "N09"),
    ("2.1", "RequestBatterySwap", {"requestId": 1, "idToken": TOKEN | {"idToken": "BLOCKED"}},
     {"requestId": 1, "idToken": TOKEN}, "S02.FR.03"),
]  # fmt: skip


def status_of(token: str) -> str:
    return "Blocked" if token == "BLOCKED" else "Accepted"


@pytest.mark.parametrize(("version", "action", "wrong", "right", "requirement"), CASES)
def test_a_call_that_breaks_a_rule_is_objected_to_with_its_requirement(
    version: Any, action: str, wrong: dict[str, Any], right: dict[str, Any], requirement: str
) -> None:
    found = call_order.objection(version, "Accepted", action, wrong, status_of)
    assert found is not None and requirement in found.rpartition("(")[2], found
    assert call_order.objection(version, "Accepted", action, right, status_of) is None


def test_every_rule_has_a_case() -> None:
    facts = call_rules.Facts(status_of)
    for rule in call_rules.RULES:
        cases = [case for case in CASES if case[1] == rule.action and case[0] in rule.versions]
        assert any(rule.broken(wrong, facts) and not rule.broken(right, facts) for _, _, wrong, right, _ in cases), rule


async def test_the_operator_reads_the_requirement_and_may_send_the_call_anyway(csms: CentralSystem) -> None:
    """Over the API: 422 and nothing on the wire; with `checked: false` the charge point gets the CALL."""
    csms.store.set_token("THIEF", "Blocked")
    swap = {"requestId": 1, "idToken": {"idToken": "THIEF", "type": "Central"}}
    async with (
        serving(csms.context, csms.connections, PageAddress(port=0)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as operator,
        connected(csms.address, "2.1") as charge_point,
    ):
        for action, payload, requirement, status in (
            ("ClearChargingProfile", {}, "K10.FR.02", "Unknown"),
            ("RequestBatterySwap", swap, "S02.FR.03", "Rejected"),
        ):
            call = {"action": action, "payload": payload}
            refused = await operator.post("/api/charge-points/CHARGER-001/calls", json=call)
            assert refused.status_code == 422 and requirement in refused.json()["error"]
            await charge_point.silence_until_heartbeat()
            forced = asyncio.create_task(
                operator.post("/api/charge-points/CHARGER-001/calls", json=call | {"checked": False})
            )
            received = await charge_point.receive()
            assert received[2:] == [action, payload]
            await charge_point.send([3, received[1], {"status": status}])
            assert (await forced).json()["kind"] == "CALLRESULT"
