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
    return {"chargingRateUnit": "W", "startSchedule": FUTURE, "chargingSchedulePeriod": periods}


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
    return with_periods(*periods)


def with_periods(*periods: dict[str, Any], unit: str = "W", **more: Any) -> dict[str, Any]:
    schedules = [{"id": 1, "chargingRateUnit": unit, "startSchedule": FUTURE, "chargingSchedulePeriod": list(periods)}]
    return {"evseId": 1, "chargingProfile": profile(**more) | {"chargingSchedule": schedules}}


def in_mode(mode: str, unit: str = "W", **period: Any) -> dict[str, Any]:
    return with_periods({"startPeriod": 0, "operationMode": mode} | period, unit=unit)


CURVE = {"v2xBaseline": 1.0, "v2xFreqWattCurve": [{"frequency": 49, "power": 1}, {"frequency": 51, "power": 0}]}


def kind(name: str, start: bool, *, count: int = 1, **more: Any) -> dict[str, Any]:
    """A SetChargingProfile with a chargingProfileKind, with or without startSchedule."""
    offered = {"id": 1, "chargingRateUnit": "W"} | ({"startSchedule": FUTURE} if start else {})
    offered["chargingSchedulePeriod"] = [{"startPeriod": at, "limit": 1.0} for at in range(count)]
    return {"evseId": 1, "chargingProfile": profile(chargingProfileKind=name, **more) | {"chargingSchedule": [offered]}}


def schedules(count: int) -> dict[str, Any]:
    offered = [schedule() | {"id": number} for number in range(count)]
    return {"evseId": 1, "chargingProfile": profile() | {"chargingSchedule": offered}}


def variables(*entries: tuple[str, str]) -> dict[str, Any]:
    data = [
        {"component": {"name": component}, "variable": {"name": name}, "attributeValue": "1"}
        for component, name in entries
    ]
    return {"setVariableData": data}


def reads(count: int, member: str) -> dict[str, Any]:
    data = [{"component": {"name": "C"}, "variable": {"name": f"V{number}"}} for number in range(count)]
    return {member: data}


def control(kind: str, default: bool = False, **settings: Any) -> dict[str, Any]:
    return {"isDefault": default, "controlId": "c", "controlType": kind, **settings}


def network(**more: Any) -> dict[str, Any]:
    data = {
        "ocppInterface": "Wired0", "ocppTransport": "JSON", "messageTimeout": 30, "ocppCsmsUrl": "wss://h/",
        "securityProfile": 2, "ocppVersion": "OCPP20",
    }  # fmt: skip
    return {"configurationSlot": 1, "connectionData": data | more}


def log(location: str) -> dict[str, Any]:
    return {"logType": "DiagnosticsLog", "requestId": 1, "log": {"remoteLocation": location}}


def message(end: str) -> dict[str, Any]:
    content = {"format": "UTF8", "content": "hello"}
    times = {"startDateTime": "2030-01-01T00:00:00Z", "endDateTime": end}
    return {"message": {"id": 1, "priority": "NormalCycle", "message": content} | times}


def firmware(**more: Any) -> dict[str, Any]:
    return {"requestId": 1, "firmware": {"location": "https://h/f", "retrieveDateTime": FUTURE} | more}


def customer(**more: Any) -> dict[str, Any]:
    return {"requestId": 1, "report": True, "clear": False} | more


DROOP = {
    "priority": 1, "overFreq": 51, "underFreq": 49, "overDroop": 5, "underDroop": 5, "responseTime": 1
}  # fmt: skip
GRADIENT = {"priority": 1, "gradient": 1, "softGradient": 1}
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
    ("2.1", REMOTE_2, start2(chargingProfile=setpoint(limit=5.0)["chargingProfile"]
     | {"chargingProfilePurpose": "TxProfile"}), start2(), "Q03.FR.02"),
    ("2.0.1", REMOTE_2, start2(chargingProfile=profile("TxProfile", recurrencyKind="Daily")), start2(), "K01"),
    ("2.0.1", SET, set2(1, "TxDefaultProfile", 0, 9, 9), set2(1), "K01.FR.35"),
    ("2.0.1", REMOTE_2, start2(chargingProfile=profile("TxProfile", 5)), start2(), "K01.FR.31"),
    ("2.0.1", SET, kind("Absolute", False), kind("Absolute", True), "K01.FR.40"),
    ("2.1", SET, kind("Relative", True), kind("Relative", False), "K01.FR.41"),
    ("2.0.1", REMOTE_2, start2(chargingProfile=kind("Absolute", False)["chargingProfile"]
     | {"chargingProfilePurpose": "TxProfile"}), start2(), "K01.FR.40"),
    ("2.0.1", REMOTE_2, start2(chargingProfile=kind("Relative", True)["chargingProfile"]
     | {"chargingProfilePurpose": "TxProfile"}), start2(), "K01.FR.41"),
    ("2.0.1", SET, {"evseId": 0, "chargingProfile": kind("Relative", False)["chargingProfile"]
     | {"chargingProfilePurpose": "ChargingStationMaxProfile"}}, set2(0, "ChargingStationMaxProfile"), "K01.FR.38"),
    ("2.0.1", SET, with_periods({"startPeriod": 0, "limit": 1.0, "numberPhases": 3, "phaseToUse": 1}), set2(1),
     "K01.FR.19"),
    ("2.0.1", REMOTE_2, start2(chargingProfile=with_periods({"startPeriod": 0, "limit": 1.0, "phaseToUse": 1})
     ["chargingProfile"] | {"chargingProfilePurpose": "TxProfile"}), start2(), "K01.FR.19"),
    ("2.0.1", SET, with_periods({"startPeriod": 0, "limit": 1.0, "numberPhases": 1, "phaseToUse": 1}) | {"evseId": 2},
     with_periods({"startPeriod": 0, "limit": 1.0, "numberPhases": 1, "phaseToUse": 1}), "K01.FR.20"),
    ("2.0.1", REMOTE_2, start2(evseId=2, chargingProfile=with_periods(
        {"startPeriod": 0, "limit": 1.0, "numberPhases": 1, "phaseToUse": 1}
    )["chargingProfile"] | {"chargingProfilePurpose": "TxProfile"}), start2(), "K01.FR.20"),
    ("2.0.1", SET, schedules(2), schedules(1), "K01.FR.34"),
    ("2.0.1", SET, set2(1, stackLevel=7), set2(2, stackLevel=7), "K01.FR.06"),
    ("2.0.1", SET, set2(1, stackLevel=7), set2(1, stackLevel=7, id=70), "K01.FR.06"),
    ("2.0.1", SET, set2(1, stackLevel=7), set2(1, stackLevel=7, validFrom="2999-02-01T00:00:00Z"), "K01.FR.06"),
    ("2.1", SET, set2(1, "TxProfile", stackLevel=7, transactionId="t"),
     set2(1, "TxProfile", stackLevel=7, transactionId="u"), "K01.FR.39"),
    ("2.1", SET, set2(1, id=-5), set2(1), "K01.FR.80"),
    ("2.1", SET, kind("Dynamic", False, count=2), kind("Dynamic", False), "K28.FR.01"),
    ("2.1", REMOTE_2, start2(chargingProfile=kind("Dynamic", False, count=2)["chargingProfile"]
     | {"chargingProfilePurpose": "TxProfile"}), start2(), "K28.FR.01"),
    ("2.1", SET, set2(1, dynUpdateInterval=5), kind("Dynamic", False, dynUpdateInterval=5), "K28.FR.04"),
    ("2.1", REMOTE_2, start2(chargingProfile=profile("TxProfile", dynUpdateInterval=5)), start2(), "K28.FR.04"),
    *(("2.1", action, wrap(wrong), wrap(right), requirement)
      for action, wrap in ((SET, dict), (REMOTE_2, lambda each: start2(
          chargingProfile=each["chargingProfile"] | {"chargingProfilePurpose": "TxProfile"})))
      for wrong, right, requirement in (
        (in_mode("ChargingOnly", limit=1.0, setpoint=2.0), in_mode("ChargingOnly", limit=1.0), "Q02.FR.02"),
        (with_periods({"startPeriod": 0, "limit": 1.0, "dischargeLimit": -2.0}), with_periods(
            {"startPeriod": 0, "limit": 1.0}), "Q02.FR.02"),
        (in_mode("LocalFrequency", limit=1.0, **CURVE), in_mode("LocalFrequency", **CURVE), "Q08.FR.01"),
        (in_mode("LocalFrequency", v2xBaseline=1.0), in_mode("LocalFrequency", **CURVE), "Q08.FR.02"),
        (in_mode("LocalFrequency", "A", **CURVE), in_mode("LocalFrequency", **CURVE), "Q08.FR.05"),
        (in_mode("Idle", limit=0.0), in_mode("Idle"), "Q10.FR.01"),
      )),
    ("2.0.1", "GetChargingProfiles", {"requestId": 1, "chargingProfile": {}},
     {"requestId": 1, "chargingProfile": {"stackLevel": 0}}, "K09.FR.03"),
    ("2.1", "GetChargingProfiles", {"requestId": 1, "chargingProfile": {"chargingProfileId": [1], "stackLevel": 0}},
     {"requestId": 1, "chargingProfile": {"chargingProfileId": [1]}}, "K09.FR.03"),
    ("2.0.1", "ClearChargingProfile",
     {"chargingProfileCriteria": {"chargingProfilePurpose": "ChargingStationExternalConstraints"}},
     {"chargingProfileCriteria": {"chargingProfilePurpose": "TxDefaultProfile"}}, "K10.FR.06"),
    ("2.1", "ClearChargingProfile", {"chargingProfileCriteria": {"chargingProfilePurpose": "LocalGeneration"}},
     {"chargingProfileCriteria": {"chargingProfilePurpose": "TxDefaultProfile"}}, "K10.FR.06"),
    ("2.1", "SetDERControl", control("FreqDroop", gradient=GRADIENT), control("FreqDroop", freqDroop=DROOP),
     "R04.FR.16"),
    ("2.1", "SetDERControl", control("FreqDroop", freqDroop=DROOP, gradient=GRADIENT),
     control("FreqDroop", freqDroop=DROOP), "R04.FR.16"),
    ("2.1", "SetDERControl", control("FreqDroop", True, freqDroop=DROOP | {"duration": 5}),
     control("FreqDroop", True, freqDroop=DROOP), "R04.FR.12"),
    ("2.1", "SetDERControl", control("Gradients", gradient=GRADIENT), control("Gradients", True, gradient=GRADIENT),
     "R04.FR.14"),
    ("2.0.1", "SetVariables", password("x" * 41), password("x" * 40), "A00.FR.205"),
    ("2.0.1", "SetVariables", variables(("C", "V"), ("c", "v")), variables(("C", "V"), ("C", "W")), "B05.FR.13"),
    ("2.1", "SetVariables", variables(("SecurityCtrlr", "SecurityProfile")), variables(("C", "V")), "A05.FR.07"),
    ("2.1", "SetVariables", {"setVariableData": [{"component": {"name": "NetworkConfiguration", "instance": "1"},
     "variable": {"name": "OcppCsmsUrl"}, "attributeValue": "x"}]}, {"setVariableData": [{"component": {
         "name": "NetworkConfiguration", "instance": "2"}, "variable": {"name": "OcppCsmsUrl"},
         "attributeValue": "x"}]}, "B09.FR.21"),
    ("2.0.1", "SetVariables", variables(("C", "1"), ("C", "2"), ("C", "3")), variables(("C", "1")), "B05.FR.11"),
    ("2.0.1", "GetVariables", reads(3, "getVariableData"), reads(2, "getVariableData"), "B06.FR.05"),
    ("2.0.1", "GetReport", {"requestId": 1} | reads(3, "componentVariable"),
     {"requestId": 1} | reads(2, "componentVariable"), "B08.FR.06"),
    ("2.0.1", "ClearVariableMonitoring", {"id": [1, 2, 3]}, {"id": [1, 2]}, "N06.FR.04"),
    ("2.0.1", "SendLocalList", list2(1, ("A", True), ("B", True), ("C", True)), list2(1, ("A", True)), "D01.FR.11"),
    ("1.6", "SendLocalList", list16(1, ("A", True), ("B", True), ("C", True)), list16(1, ("A", True)), "9.2.3"),
    ("1.6", "GetConfiguration", {"key": ["A", "B", "C"]}, {"key": ["A", "B"]}, "9.1.9"),
    ("2.0.1", "UnlockConnector", {"evseId": 1, "connectorId": 0}, {"evseId": 1, "connectorId": 1}, "F05"),
    ("1.6", "TriggerMessage", {"requestedMessage": "Heartbeat", "connectorId": 0},
     {"requestedMessage": "Heartbeat", "connectorId": 1}, "6.51"),
    ("1.6", "ExtendedTriggerMessage", {"requestedMessage": "Heartbeat", "connectorId": 0},
     {"requestedMessage": "Heartbeat"}, "6.51"),
    ("2.1", "TriggerMessage", {"requestedMessage": "CustomTrigger"},
     {"requestedMessage": "CustomTrigger", "customTrigger": "x"}, "F06"),
    ("2.0.1", "ReserveNow", reserve2(FUTURE) | {"evseId": 0}, reserve2(FUTURE), "H01"),
    ("2.0.1", "SendLocalList", list2(1, ("A", True), ("a", True)), list2(1, ("A", True), ("B", True)), "D01.FR.06"),
    ("2.0.1", "CustomerInformation", customer(report=False, customerIdentifier="C"), customer(customerIdentifier="C"),
     "N09.FR.01"),
    ("2.0.1", "UpdateFirmware", firmware(signature="eA=="), firmware(signature="eA==", signingCertificate="x"),
     "L01.FR.11"),
    ("2.1", "GetLog", log("https://h/l#part"), log("https://h/l"), "N01.FR.27"),
    ("2.1", "GetLog", log("https://h/l?q=a/"), log("https://h/l?q=a"), "N01.FR.28"),
    ("2.0.1", "SetNetworkProfile", network(ocppTransport="SOAP"), network(), "B09"),
    ("2.0.1", "SetNetworkProfile", network(securityProfile=1, ocppCsmsUrl="ws://h/"), network(), "A05.FR.07"),
    ("2.0.1", "SetNetworkProfile", network(ocppCsmsUrl="ws://h/"), network(), "A00"),
    ("2.0.1", "SetDisplayMessage", message("2029-01-01T00:00:00Z"), message("2031-01-01T00:00:00Z"), "O01"),
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


KNOWN = {
    ("EVSE@1", "ACPhaseSwitchingSupported"): "true", ("SmartChargingCtrlr", "MaxExternalConstraintsId"): "0",
    ("SecurityCtrlr", "SecurityProfile"): "2", ("OCPPCommCtrlr", "NetworkConfigurationPriority"): "1,3",
    ("DeviceDataCtrlr", "ItemsPerMessage#SetVariables"): "2", ("DeviceDataCtrlr", "ItemsPerMessage#GetVariables"): "2",
    ("DeviceDataCtrlr", "ItemsPerMessage#GetReport"): "2", ("LocalAuthListCtrlr", "ItemsPerMessage"): "2",
    ("MonitoringCtrlr", "ItemsPerMessage#ClearVariableMonitoring"): "2",
    ("", "SendLocalListMaxLength"): "2", ("", "GetConfigurationMaxKeys"): "2",
}  # fmt: skip


def held(purpose: str) -> list[tuple[int, dict[str, Any]]]:
    return [(1, profile(purpose, id=70, stackLevel=7, transactionId="t", validTo="2999-02-01T00:00:00Z"))]


FACTS = call_rules.Facts(status_of, lambda component, name: KNOWN.get((component, name)), held)


@pytest.mark.parametrize(("version", "action", "wrong", "right", "requirement"), CASES)
def test_a_call_that_breaks_a_rule_is_objected_to_with_its_requirement(
    version: Any, action: str, wrong: dict[str, Any], right: dict[str, Any], requirement: str
) -> None:
    found = call_order.objection(version, "Accepted", action, wrong, FACTS)
    assert found is not None and requirement in found.rpartition("(")[2], found
    assert call_order.objection(version, "Accepted", action, right, FACTS) is None


def test_every_rule_has_a_case() -> None:
    for rule in call_rules.RULES:
        cases = [case for case in CASES if case[1] == rule.action and case[0] in rule.versions]
        assert any(rule.broken(wrong, FACTS) and not rule.broken(right, FACTS) for _, _, wrong, right, _ in cases), rule


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
