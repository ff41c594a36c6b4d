"""Monitoring, customer information, display messages and data transfer (functional blocks N, O and P)."""

from __future__ import annotations

from typing import Any

from inspector.cli.conformance.case import case
from inspector.cli.conformance.cases_2x.flows import number, report
from inspector.cli.conformance.stage import Stage


async def _monitor(stage: Stage, component: str, variable: str, status: str, clause: str) -> None:
    entry = {
        "value": 1,
        "type": "UpperThreshold",
        "severity": 5,
        "component": {"name": component},
        "variable": {"name": variable},
    }
    answer = await stage.call("SetVariableMonitoring", {"setMonitoringData": [entry]})
    got = (answer.get("setMonitoringResult") or [{}])[0].get("status")
    stage.check(got == status, f"SetVariableMonitoring has the status {got}; right is {status}", clause)


@case("monitoring", "say that a monitored component is unknown", "N04.FR.02", "TC_N_11_CS")
async def monitor_of_unknown_component(stage: Stage) -> None:
    await _monitor(stage, "NoSuchComponent", "Nothing", "UnknownComponent", "N04.FR.02")


@case("monitoring", "say that a monitored variable is unknown", "N04.FR.03", "TC_N_37_CS")
async def monitor_of_unknown_variable(stage: Stage) -> None:
    await _monitor(stage, "OCPPCommCtrlr", "NoSuchVariable", "UnknownVariable", "N04.FR.03")


@case("monitoring", "accept each set of monitors", "N02.FR.01", "TC_N_05_CS")
async def monitoring_base(stage: Stage) -> None:
    for base in ("HardWiredOnly", "FactoryDefault", "All"):
        await stage.ask("SetMonitoringBase", {"monitoringBase": base}, clause="N03.FR.01")


@case(
    "monitoring",
    "accept a monitoring level, and reject one out of range",
    "N05.FR.01, N05.FR.03",
    "TC_N_16_CS",
    "TC_N_17_CS",
)
async def monitoring_level(stage: Stage) -> None:
    await stage.ask("SetMonitoringLevel", {"severity": 99}, status="Rejected", clause="N05.FR.03")
    await stage.ask("SetMonitoringLevel", {"severity": 9}, clause="N05.FR.01")


@case("monitoring", "say that a monitor to be cleared does not exist", "N06.FR.02", "TC_N_19_CS")
async def clear_unknown_monitor(stage: Stage) -> None:
    answer = await stage.call("ClearVariableMonitoring", {"id": [987_654]})
    got = (answer.get("clearMonitoringResult") or [{}])[0].get("status")
    stage.check(got == "NotFound", f"ClearVariableMonitoring has the status {got}; right is NotFound", "N06.FR.02")


@case("monitoring", "report what it knows about a customer", "N09.FR.01", "TC_N_27_CS", "TC_N_28_CS")
async def customer_information(stage: Stage) -> None:
    request_id = number()
    since = stage.now
    request = {"requestId": request_id, "report": True, "clear": False, "customerIdentifier": "nobody"}
    await stage.ask("CustomerInformation", request, clause="N09.FR.01")
    await stage.expect(
        "NotifyCustomerInformation", where=lambda p: p.get("requestId") == request_id, since=since, clause="N09.FR.05"
    )


def _message(number: int) -> dict[str, Any]:
    return {"id": number, "priority": "NormalCycle", "message": {"format": "UTF8", "content": "Conformance run"}}


@case("display", "show a message, report it, and clear it", "O01.FR.01, O03, O05", "TC_O_01_CS", "TC_O_04_CS")
async def display_message(stage: Stage) -> None:
    await stage.ask("SetDisplayMessage", {"message": _message(4711)}, clause="O01.FR.01")
    stage.afterwards(lambda: stage.call("ClearDisplayMessage", {"id": 4711}))
    entries = await report(stage, "GetDisplayMessages", {"id": [4711]}, "NotifyDisplayMessages", "messageInfo")
    stage.check(
        [entry.get("id") for entry in entries] == [4711], "the report does not have the message 4711", "O03.FR.03"
    )
    await stage.ask("ClearDisplayMessage", {"id": 4711}, clause="O05.FR.01")


@case("display", "say that a message to be cleared is unknown", "O05.FR.02", "TC_O_05_CS")
async def clear_unknown_message(stage: Stage) -> None:
    await stage.ask("ClearDisplayMessage", {"id": 987_654}, status="Unknown", clause="O05.FR.02")


@case("core", "refuse data of an unknown vendor", "P01.FR.05", "TC_P_01_CS")
async def data_of_unknown_vendor(stage: Stage) -> None:
    request = {"vendorId": "org.example.unknown", "messageId": "hello", "data": "x"}
    wanted = ("UnknownVendorId", "UnknownMessageId", "Rejected")
    await stage.ask("DataTransfer", request, status=wanted, clause="P01.FR.05")
