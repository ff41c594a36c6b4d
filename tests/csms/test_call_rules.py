"""An operator's CALL that breaks a rule of the specification is refused, with the requirement, unless it is forced."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from csms import call_rules, timestamps
from csms.call_rules import reported, transactions
from csms.central_system import CentralSystem
from csms.configuration import PageAddress
from csms.operator_api.web import serving
from csms.wire import call_order
from tests.csms.call_payloads import (
    CURVE,
    DROOP,
    FUTURE,
    GRADIENT,
    PAST,
    TOKEN,
    control,
    customer,
    firmware,
    in_mode,
    kind,
    list2,
    list16,
    log,
    message,
    monitor,
    network,
    password,
    profile,
    profile16,
    reads,
    reserve2,
    reserve16,
    schedule,
    schedules,
    set2,
    set16,
    setpoint,
    start2,
    timed,
    trigger,
    variables,
    with_periods,
)
from tests.csms.peer import connected

WHEN_SENT = "now"
"""In a payload: the time when it is sent, as these lists are made long before."""

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
    ("2.0.1", SET, set2(1, transactionId="t"), set2(1), "K02.FR.03"),
    ("1.6", SET, set16(1, recurrencyKind="Daily"),
     set16(1, chargingProfileKind="Recurring", recurrencyKind="Daily"), "3.56"),
    ("2.1", SET, {"evseId": 0, "chargingProfile": kind("Relative", False)["chargingProfile"] | {
        "chargingProfilePurpose": "PriorityCharging", "chargingSchedule": [{"id": 1, "chargingRateUnit": "W",
        "duration": 60, "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1.0}]}]}},
     {"evseId": 0, "chargingProfile": kind("Relative", False)["chargingProfile"] | {
        "chargingProfilePurpose": "PriorityCharging"}}, "K01.FR.70"),
    ("2.1", SET, {"evseId": 0, "chargingProfile": in_mode("Idle")["chargingProfile"] | {
        "chargingProfilePurpose": "PriorityCharging"}}, set2(0, "PriorityCharging"), "K01.FR.71"),
    ("2.1", SET, with_periods({"startPeriod": 0, "limit": 1.0, "limit_L2": 1.0}), set2(1), "K01.FR.143"),
    ("2.1", SET, {"evseId": 1, "chargingProfile": with_periods({"startPeriod": 0, "limit_L2": 1.0})["chargingProfile"]
     | {"chargingProfilePurpose": "TxProfile", "transactionId": "u"}},
     {"evseId": 1, "chargingProfile": with_periods({"startPeriod": 0, "limit": 1.0, "limit_L2": 1.0})[
         "chargingProfile"] | {"chargingProfilePurpose": "TxProfile", "transactionId": "u"}}, "K01.FR.145"),
    *((version, action, wrap(wrong), wrap(right), "K01" if version != "1.6" else "1.6")
      for version, action, wrap in (
        ("1.6", SET, lambda each: {"connectorId": 1, "csChargingProfiles": profile16() | {"chargingSchedule": each}}),
        ("2.0.1", SET, lambda each: {"evseId": 1, "chargingProfile": profile() | {
            "chargingSchedule": [{"id": 1} | each]}}),
        ("1.6", REMOTE_16, lambda each: {"idTag": "T", "chargingProfile": profile16("TxProfile") | {
            "chargingSchedule": each}}),
        ("2.0.1", REMOTE_2, lambda each: start2(chargingProfile=profile("TxProfile") | {
            "chargingSchedule": [{"id": 1} | each]})),
      )
      for wrong, right in (
        (schedule(limit=3.25), schedule(limit=3.2)),
        (schedule(0, 60) | {"duration": 60}, schedule(0, 60) | {"duration": 61}),
      )
      if not (version == "1.6" and "limit" in str(wrong) and "3.25" in str(wrong))),
    ("2.0.1", "SetVariables", variables(("SecurityCtrlr", "AuthorizationKey")), variables(("C", "V")), "A01.FR.02"),
    ("1.6", "RemoteStopTransaction", {"transactionId": 8}, {"transactionId": 7}, "5.12"),
    ("2.0.1", "RequestStopTransaction", {"transactionId": "x"}, {"transactionId": "t"}, "F03.FR.01"),
    ("2.0.1", "SetDisplayMessage", {"message": {"id": 1, "priority": "InFront", "transactionId": "x",
     "message": {"format": "UTF8", "content": "x"}}}, {"message": {"id": 1, "priority": "InFront",
     "transactionId": "t", "message": {"format": "UTF8", "content": "x"}}}, "O01.FR.04"),
    ("2.0.1", "SetDisplayMessage", {"message": {"id": 1, "priority": "InFront",
     "message": {"format": "UTF8", "content": "x", "language": "en_US"}}}, {"message": {"id": 1,
     "priority": "InFront", "message": {"format": "UTF8", "content": "x", "language": "en-US"}}}, "O01.FR.17"),
    ("2.1", "AFRRSignal", {"timestamp": PAST, "signal": 1}, {"timestamp": WHEN_SENT, "signal": 1},
     "Q08.FR.12"),
    *(("2.1", action, more | {"tariff": timed("08:00Z")}, more | {"tariff": timed("08:00")}, "I07.FR.17")
      for action, more in (("SetDefaultTariff", {"evseId": 0}), ("ChangeTransactionTariff", {"transactionId": "t"}))),
    ("2.1", "AdjustPeriodicEventStream", {"id": 1, "params": {}}, {"id": 1, "params": {"values": 3}}, "N14.FR.01"),
    ("2.1", "SetVariableMonitoring", monitor({}), monitor({"interval": 5}), "N11.FR.09"),
    ("2.0.1", "PublishFirmware", {"location": "https://h/f", "checksum": "ab", "requestId": 1},
     {"location": "https://h/f", "checksum": "ab" * 16, "requestId": 1}, "L03.FR.02"),
    ("2.0.1", "UnpublishFirmware", {"checksum": "xy" * 16}, {"checksum": "ab" * 16}, "L03.FR.02"),
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


FACTS = call_rules.Facts(status_of, lambda component, name: KNOWN.get((component, name)), held, {"t", "u", "7"})


@pytest.mark.parametrize(("version", "action", "wrong", "right", "requirement"), CASES)
def test_a_call_that_breaks_a_rule_is_objected_to_with_its_requirement(
    version: Any, action: str, wrong: dict[str, Any], right: dict[str, Any], requirement: str
) -> None:
    right = {name: timestamps.now() if value == WHEN_SENT else value for name, value in right.items()}
    found = call_order.objection(version, "Accepted", action, wrong, FACTS)
    assert found is not None and requirement in found.rpartition("(")[2], found
    assert call_order.objection(version, "Accepted", action, right, FACTS) is None


def test_every_rule_has_a_case() -> None:
    """Those of `reported` and `transactions` have theirs in test_reported_rules.py."""
    for rule in set(call_rules.RULES) - {*reported.RULES, *transactions.RULES}:
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
