"""CALLs that the charge point cannot carry out, by what it has reported, are refused with the requirement."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from csms import call_rules
from csms.call_rules import reported, transactions
from csms.central_system import CentralSystem
from csms.configuration import PageAddress
from csms.operator_api.web import serving
from csms.wire import call_order
from tests.csms.call_payloads import (
    FUTURE,
    TOKEN,
    customer,
    in_mode,
    kind,
    list2,
    list16,
    network,
    profile,
    profile16,
    reads,
    reserve2,
    reserve16,
    set2,
    set16,
    start2,
    variables,
    with_periods,
)
from tests.csms.peer import connected

SET, START, START_16 = "SetChargingProfile", "RequestStartTransaction", "RemoteStartTransaction"
LONG = "x" * 400
EARLY, LATE = "2029-01-01T00:00:00Z", "2030-01-01T00:00:00Z"


def scheduled(**more: Any) -> dict[str, Any]:
    found = set2(1)
    found["chargingProfile"]["chargingSchedule"][0] |= more
    return found


def started(asked: dict[str, Any]) -> dict[str, Any]:
    """The same profile in a remote start."""
    return start2(chargingProfile=asked["chargingProfile"] | {"chargingProfilePurpose": "TxProfile"})


def tariff(count: int = 1, **more: Any) -> dict[str, Any]:
    prices = [{"priceKwh": 1.0} | more] * count
    return {"tariff": {"tariffId": "a", "currency": "EUR", "energy": {"prices": prices}}}


def monitors(count: int = 1, **more: Any) -> dict[str, Any]:
    entry = {"value": 1.0, "type": "Delta", "severity": 5, "component": {"name": "C"}, "variable": {"name": "V"}}
    return {"setMonitoringData": [entry | more] * count}


def shown(**more: Any) -> dict[str, Any]:
    content = {"format": more.pop("format", "UTF8"), "content": "x"}
    return {"message": {"id": 1, "priority": "NormalCycle", "message": content} | more}


def log_between(oldest: str, latest: str) -> dict[str, Any]:
    times = {"oldestTimestamp": oldest, "latestTimestamp": latest}
    return {"logType": "SecurityLog", "requestId": 1, "log": {"remoteLocation": "https://h/l"} | times}


def certificate(algorithm: str) -> dict[str, Any]:
    names = {"issuerNameHash": "aa", "issuerKeyHash": "bb"}
    return {"hashAlgorithm": algorithm, "serialNumber": "0A1"} | names


def monitoring_report(count: int) -> dict[str, Any]:
    return {"requestId": 1} | reads(count, "componentVariable")


def purpose(name: str) -> dict[str, Any]:
    return kind("Relative", False) | {
        "evseId": 0,
        "chargingProfile": kind("Relative", False)["chargingProfile"] | {"chargingProfilePurpose": name},
    }


def same(asked: dict[str, Any]) -> dict[str, Any]:
    return asked


PERIODS = [{"startPeriod": at, "limit": 1.0} for at in range(4)]
BOTH: list[tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = [(same, SET), (started, START)]
type Case = tuple[str, str, dict[str, Any], dict[str, Any], str, dict[tuple[str, str], str]]
SMART = "SmartChargingCtrlr"
CASES: list[Case] = [
    # version, action, a payload that breaks the rule, one that does not, the requirement, the reported variables
    ("1.6", SET, set16(1, stackLevel=4), set16(1, stackLevel=3), "9.4.1", {("", "ChargeProfileMaxStackLevel"): "3"}),
    ("1.6", START_16, {"idTag": "T", "chargingProfile": profile16("TxProfile", stackLevel=4)}, {"idTag": "T"},
     "9.4.1", {("", "ChargeProfileMaxStackLevel"): "3"}),
    ("1.6", SET, set16(1, "TxDefaultProfile", 0, 1, 2), set16(1, "TxDefaultProfile", 0, 1), "9.4.3",
     {("", "ChargingScheduleMaxPeriods"): "2"}),
    ("1.6", START_16, {"idTag": "T", "chargingProfile": profile16("TxProfile", 0, 1, 2)}, {"idTag": "T"}, "9.4.3",
     {("", "ChargingScheduleMaxPeriods"): "2"}),
    *(("1.6", action, wrong, right, "9.4.2", {("", "ChargingScheduleAllowedChargingRateUnit"): "Current"})
      for action, wrong, right in (
        (SET, set16(1), set16(1, chargingSchedule={"chargingRateUnit": "A",
         "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}]})),
        (START_16, {"idTag": "T", "chargingProfile": profile16("TxProfile")}, {"idTag": "T"}),
        ("GetCompositeSchedule", {"connectorId": 1, "duration": 60, "chargingRateUnit": "W"},
         {"connectorId": 1, "duration": 60}),
      )),
    *(("2.1", action, wrap(wrong), wrap(right), requirement, {place: value})
      for wrap, action in BOTH
      for wrong, right, requirement, place, value in (
        (set2(1, stackLevel=4), set2(1, stackLevel=3), "K01", (SMART, "ProfileStackLevel"), "3"),
        (with_periods(*PERIODS), with_periods(*PERIODS[:3]), "K15.FR.07", (SMART, "PeriodsPerSchedule"), "3"),
        (with_periods(PERIODS[0], unit="A"), with_periods(PERIODS[0]), "K01.FR.26", (SMART, "RateUnit"), "W"),
        (in_mode("CentralFrequency", setpoint=1.0), in_mode("Idle"), "K01.FR.115",
         ("V2XChargingCtrlr", "SupportedOperationModes"), "ChargingOnly, Idle"),
        (kind("Dynamic", False), kind("Relative", False), "K01.FR.121", (SMART, "SupportsDynamicProfiles"), "false"),
        (scheduled(useLocalTime=True), scheduled(useLocalTime=False), "K01.FR.123",
         (SMART, "SupportsLocalTime"), "false"),
        (scheduled(randomizedDelay=5), scheduled(randomizedDelay=0), "K01.FR.124",
         (SMART, "SupportsRandomizedDelay"), "false"),
        (scheduled(limitAtSoC={"soc": 80, "limit": 1.0}), scheduled(), "K01.FR.125",
         (SMART, "SupportsLimitAtSoC"), "False"),
        (in_mode("Idle", evseSleep=True), in_mode("Idle"), "K01.FR.126", (SMART, "SupportsEvseSleep"), "false"),
      )),
    ("2.1", SET, purpose("LocalGeneration"), purpose("PriorityCharging"), "K01.FR.120",
     {(SMART, "SupportedAdditionalPurposes"): "PriorityCharging"}),
    ("2.0.1", SET, set2(1), {}, "K01.FR.29", {(SMART, "Enabled"): "false"}),
    ("2.0.1", "GetCompositeSchedule", {"evseId": 1, "duration": 60, "chargingRateUnit": "A"},
     {"evseId": 1, "duration": 60}, "K08.FR.07", {(SMART, "RateUnit"): "W"}),
    ("2.0.1", "ReserveNow", reserve2(FUTURE), {}, "H01.FR.01", {("ReservationCtrlr", "Enabled"): "false"}),
    ("2.0.1", "ReserveNow", {"id": 1, "expiryDateTime": FUTURE, "idToken": TOKEN}, reserve2(FUTURE), "H01.FR.19",
     {("ReservationCtrlr", "NonEvseSpecific"): "false"}),
    ("1.6", "ReserveNow", reserve16(FUTURE) | {"connectorId": 0}, reserve16(FUTURE), "5.13",
     {("", "ReserveConnectorZeroSupported"): "false"}),
    ("2.0.1", "SendLocalList", list2(1), {}, "D01.FR.13", {("LocalAuthListCtrlr", "Enabled"): "false"}),
    ("1.6", "SendLocalList", list16(1), {}, "9.2.1", {("", "LocalAuthListEnabled"): "false"}),
    ("1.6", "SendLocalList", list16(1, ("A", True), ("B", True)), list16(1, ("A", True)), "9.2.2",
     {("", "LocalAuthListMaxLength"): "1"}),
    ("2.0.1", "SetVariableMonitoring", monitors(2), monitors(1), "N04.FR.09",
     {("MonitoringCtrlr", "ItemsPerMessage#SetVariableMonitoring"): "1"}),
    ("2.0.1", "GetMonitoringReport", monitoring_report(2), monitoring_report(1), "N02.FR.07",
     {("DeviceDataCtrlr", "ItemsPerMessage#GetReport"): "1"}),
    ("2.0.1", "SetVariables", variables((LONG[:50], "V"), ("C", LONG[:50])), variables(("C", "V")), "B05",
     {("DeviceDataCtrlr", "BytesPerMessage#SetVariables"): "150"}),
    ("2.0.1", "GetVariables", reads(4, "getVariableData"), reads(1, "getVariableData"), "B06.FR.17",
     {("DeviceDataCtrlr", "BytesPerMessage#GetVariables"): "100"}),
    ("2.0.1", "GetReport", monitoring_report(4), monitoring_report(1), "B08.FR.18",
     {("DeviceDataCtrlr", "BytesPerMessage#GetReport"): "150"}),
    ("2.0.1", "SetVariableMonitoring", monitors(3), monitors(1), "N04.FR.09",
     {("MonitoringCtrlr", "BytesPerMessage#SetVariableMonitoring"): "200"}),
    ("2.0.1", "ClearVariableMonitoring", {"id": list(range(9))}, {"id": [1]}, "N06.FR.04",
     {("MonitoringCtrlr", "BytesPerMessage#ClearVariableMonitoring"): "20"}),
    ("2.0.1", "SendLocalList", list2(1, ("A", True), ("B", True)), list2(1), "D01.FR.11",
     {("LocalAuthListCtrlr", "BytesPerMessage"): "60"}),
    ("2.0.1", "SetDisplayMessage", shown(priority="AlwaysFront"), shown(), "O01",
     {("DisplayMessageCtrlr", "SupportedPriorities"): "NormalCycle,InFront"}),
    ("2.0.1", "SetDisplayMessage", shown(state="Faulted"), shown(state="Idle"), "O01",
     {("DisplayMessageCtrlr", "SupportedStates"): "Idle,Charging"}),
    ("2.1", "SetDisplayMessage", shown(format="HTML"), shown(), "O01",
     {("DisplayMessageCtrlr", "SupportedFormats"): "ASCII,UTF8"}),
    *(("2.1", action, more | wrong, more | right if right else {}, f"{case}.FR.{number}",
       {("TariffCostCtrlr", name): value})
      for action, case, more in (("SetDefaultTariff", "I07", {"evseId": 0}),
                                 ("ChangeTransactionTariff", "I11", {"transactionId": "t"}))
      for number, name, value, wrong, right in (
        ("01", "Enabled#Tariff", "false", tariff(), {}),
        ("02", "MaxElements#Tariff", "2", tariff(3), tariff(2)),
        ("03", "ConditionsSupported#Tariff", "false", tariff(conditions={"minEnergy": 1.0}), tariff()),
      )),
    ("1.6", "ChangeConfiguration", {"key": "SecurityProfile", "value": "1"}, {"key": "SecurityProfile", "value": "3"},
     "A05.FR.01", {("", "SecurityProfile"): "2"}),
    *(("1.6", action, payload, {}, "3.3", {("", "SupportedFeatureProfiles"): "Core"})
      for action, payload in (
        ("SendLocalList", list16(1)), ("GetLocalListVersion", {}), ("ReserveNow", reserve16(FUTURE)),
        ("CancelReservation", {"reservationId": 1}), (SET, set16(1)), ("ClearChargingProfile", {}),
        ("GetCompositeSchedule", {"connectorId": 1, "duration": 60}),
        ("TriggerMessage", {"requestedMessage": "Heartbeat"}),
        ("UpdateFirmware", {"location": "https://h/f", "retrieveDate": FUTURE}),
        ("GetDiagnostics", {"location": "https://h/f"}),
      )),
    ("1.6", SET, set16(1, "TxProfile", transactionId=8), set16(1, "TxProfile", transactionId=7), "3.13.1", {}),
    ("2.0.1", SET, set2(1, "TxProfile", transactionId="x"), set2(1, "TxProfile", transactionId="t"), "K01.FR.33", {}),
    ("1.6", SET, set16(1, validFrom=LATE, validTo=EARLY), set16(1, validFrom=EARLY, validTo=LATE), "7.8", {}),
    ("2.0.1", SET, set2(1, validFrom=LATE, validTo=LATE), set2(1, validFrom=EARLY, validTo=LATE), "K01.FR.37", {}),
    ("2.0.1", SET, set2(0, stackLevel=7), set2(0, stackLevel=6), "K01.FR.52", {}),
    ("2.1", SET, set2(0, "ChargingStationMaxProfile", chargingSchedule=scheduled(randomizedDelay=5)[
        "chargingProfile"]["chargingSchedule"]), scheduled(randomizedDelay=5), "K01.FR.95", {}),
    ("2.0.1", "CostUpdated", {"totalCost": 1.0, "transactionId": "x"}, {"totalCost": 1.0, "transactionId": "t"},
     "I02.FR.01", {}),
    ("2.1", "ChangeTransactionTariff", {"transactionId": "x"} | tariff(), {"transactionId": "t"} | tariff(),
     "I11.FR.04", {}),
    ("2.1", "NotifyAllowedEnergyTransfer", {"transactionId": "x", "allowedEnergyTransfer": ["DC"]},
     {"transactionId": "t", "allowedEnergyTransfer": ["DC"]}, "Q02.FR.05", {}),
    ("2.1", "UsePriorityCharging", {"transactionId": "x", "activate": True}, {"transactionId": "t", "activate": False},
     "K21.FR.02", {}),
    ("2.1", "UsePriorityCharging", {"transactionId": "t", "activate": True}, {"transactionId": "t", "activate": False},
     "K21.FR.01", {}),
    ("2.1", "UpdateDynamicSchedule", {"chargingProfileId": 70, "scheduleUpdate": {"limit": 1.0}},
     {"chargingProfileId": 71, "scheduleUpdate": {"limit": 1.0}}, "K28.FR.11", {}),
    *((version, "GetLog", log_between(LATE, EARLY), log_between(EARLY, LATE), "N01", {})
      for version in ("1.6", "2.0.1")),
    ("1.6", "GetDiagnostics", {"location": "https://h/f", "startTime": LATE, "stopTime": EARLY},
     {"location": "https://h/f", "startTime": EARLY, "stopTime": LATE}, "6.25", {}),
    ("2.0.1", "DeleteCertificate", {"certificateHashData": certificate("SHA256")},
     {"certificateHashData": certificate("SHA512")}, "M04.FR.07", {}),
    ("2.1", "CustomerInformation", customer(report=True, clear=False, customerCertificate=certificate("SHA384")),
     customer(report=True, clear=False, customerCertificate=certificate("SHA512")), "N09.FR.08", {}),
    ("2.0.1", "SetMonitoringLevel", {"severity": 10}, {"severity": 9}, "N05.FR.02", {}),
    ("2.0.1", "SetVariableMonitoring", monitors(severity=10), monitors(severity=0), "N04", {}),
    ("2.1", "SetVariableMonitoring", monitors(value=-1.0), monitors(value=-1.0, type="LowerThreshold"),
     "N04.FR.14", {}),
    ("2.1", "SetNetworkProfile", network(basicAuthPassword="x" * 15), network(basicAuthPassword="x" * 16),
     "A00.FR.205", {}),
]  # fmt: skip


def held(purpose: str) -> list[tuple[int, dict[str, Any]]]:
    if purpose == "PriorityCharging":
        return []
    return [(1, profile(purpose, id=70, stackLevel=7, transactionId="z", validTo="2999-02-01T00:00:00Z"))]


def facts(known: dict[tuple[str, str], str]) -> call_rules.Facts:
    return call_rules.Facts(
        lambda token: "Accepted",
        lambda component, name: known.get((component, name)),
        held,
        {"t", "7"},
        {"a1": "SHA512"},
    )


@pytest.mark.parametrize(("version", "action", "wrong", "right", "requirement", "known"), CASES)
def test_a_call_is_refused_by_what_the_charge_point_has_reported(
    version: Any,
    action: str,
    wrong: dict[str, Any],
    right: dict[str, Any],
    requirement: str,
    known: dict[tuple[str, str], str],
) -> None:
    """A right payload, and with rules about reports also the wrong one if nothing was reported, breaks no rule."""
    found = call_order.objection(version, "Accepted", action, wrong, facts(known))
    assert found is not None and requirement in found.rpartition("(")[2], found
    if right or action == "ClearChargingProfile":
        supported = {} if known == {("", "SupportedFeatureProfiles"): "Core"} else known
        assert call_order.objection(version, "Accepted", action, right, facts(supported)) is None
    if known:
        unreported = call_order.objection(version, "Accepted", action, wrong, facts({})) or ""
        assert requirement not in unreported


def test_every_rule_about_reports_and_transactions_has_a_case() -> None:
    for rule in (*reported.RULES, *transactions.RULES):
        cases = [each for each in CASES if each[1] == rule.action and each[0] in rule.versions]
        assert any(rule.broken(each[2], facts(each[5])) for each in cases), rule


async def test_a_value_that_the_charge_point_reports_leads_to_a_refusal(csms: CentralSystem) -> None:
    """Over the wire: the report arrives, the CALL is refused with 422, and `checked: false` sends it."""
    async with (
        serving(csms.context, csms.connections, PageAddress(port=0)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as operator,
        connected(csms.address, "2.0.1") as charge_point,
    ):
        variable = {
            "component": {"name": "ReservationCtrlr"}, "variable": {"name": "Enabled"},
            "variableAttribute": [{"value": "false"}],
        }  # fmt: skip
        report = {"requestId": 1, "generatedAt": EARLY, "seqNo": 0, "reportData": [variable]}
        assert await charge_point.call("NotifyReport", report) == {}
        call = {"action": "ReserveNow", "payload": reserve2(FUTURE)}
        place = "/api/charge-points/CHARGER-001/calls"
        refused = await operator.post(place, json=call)
        assert (refused.status_code, "H01.FR.01" in refused.text) == (422, True)
        await charge_point.silence_until_heartbeat()
        sending = asyncio.create_task(operator.post(place, json=call | {"checked": False}))
        _, message_id, action, _ = await charge_point.receive()
        await charge_point.send([3, message_id, {"status": "Rejected"}])
        assert action == "ReserveNow" and (await sending).status_code == 200


async def test_certificates_in_an_answer_decide_about_the_hash_algorithm(csms: CentralSystem) -> None:
    """M04.FR.07: over the wire, from GetInstalledCertificateIds to DeleteCertificate."""
    async with (
        serving(csms.context, csms.connections, PageAddress(port=0)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as operator,
        connected(csms.address, "2.0.1") as charge_point,
    ):
        place = "/api/charge-points/CHARGER-001/calls"
        asking = asyncio.create_task(operator.post(place, json={"action": "GetInstalledCertificateIds", "payload": {}}))
        _, message_id, _, _ = await charge_point.receive()
        chain = {"certificateType": "CSMSRootCertificate", "certificateHashData": certificate("SHA384")}
        await charge_point.send([3, message_id, {"status": "Accepted", "certificateHashDataChain": [chain]}])
        assert (await asking).status_code == 200
        call = {"action": "DeleteCertificate", "payload": {"certificateHashData": certificate("SHA256")}}
        refused = await operator.post(place, json=call)
        assert (refused.status_code, "M04.FR.07" in refused.text) == (422, True)
        await charge_point.silence_until_heartbeat()
