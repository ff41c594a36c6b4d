"""Boot, variables, reports and resets (functional block B)."""

from __future__ import annotations

import asyncio

from inspector.cli.conformance.case import case
from inspector.cli.conformance.cases_2x.flows import charging, ended, event, number, report, restarted, set_variable
from inspector.cli.conformance.stage import Stage

KNOWN: dict[str, object] = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}


@case("core", "restart after a reset, boot, and report every connector", "B11.FR.01, B01", "TC_B_20_CS", "TC_B_01_CS")
async def reset_when_idle(stage: Stage) -> None:
    since = stage.now
    await stage.ask("Reset", {"type": "OnIdle"}, clause="B11.FR.01")
    boot = await restarted(stage, since, clause="B11.FR.01")
    reason = boot.payload.get("reason")
    right = reason in ("RemoteReset", "ScheduledReset")
    stage.check(right, f"the boot has the reason {reason}; right is RemoteReset", "B11.FR.04", boot.number)


@case("core", "wait with a reset until the transaction has ended", "B12.FR.01", "TC_B_21_CS")
async def reset_on_idle_while_charging(stage: Stage) -> None:
    transaction = await charging(stage)
    since = stage.now
    await stage.ask("Reset", {"type": "OnIdle"}, status="Scheduled", clause="B12.FR.01")
    await stage.never("BootNotification", what="while the transaction runs", since=since, clause="B12.FR.03", seconds=2)
    await stage.ask("RequestStopTransaction", {"transactionId": transaction.id}, clause="F03.FR.02")
    await stage.person_does("unplug", 1)
    await ended(stage, transaction, since)
    await restarted(stage, since, clause="B12.FR.03")


@case("core", "stop the transaction for an immediate reset", "B12.FR.02, B12.FR.04", "TC_B_22_CS")
async def immediate_reset_while_charging(stage: Stage) -> None:
    transaction = await charging(stage)
    since = stage.now
    await stage.ask("Reset", {"type": "Immediate"}, clause="B12.FR.04")
    await ended(stage, transaction, since, "ImmediateReset", clause="B12.FR.04")
    await stage.expect("BootNotification", since=since, clause="B11.FR.01", within=stage.limits.reboot)
    stage.plugged.discard(1)
    await stage.person_does("unplug", 1)


@case("core", "send nothing but boots while the boot is rejected, and wait for the interval", "B03.FR.06", "TC_B_03_CS")
async def boot_rejected(stage: Stage) -> None:
    stage.bench.set_boot("Rejected")
    stage.afterwards(lambda: accept(stage))
    since = stage.now
    await stage.ask("Reset", {"type": "Immediate"}, clause="B11.FR.01")
    await stage.gone(clause="B11.FR.01", within=stage.limits.reboot)
    first = await stage.expect("BootNotification", since=since, clause="B01.FR.01", within=stage.limits.reboot)
    again = await stage.expect(
        "BootNotification", what="after the interval", since=first.number + 1, clause="B03.FR.05", within=60
    )
    others = [one for one in stage.frames.seen[first.number :] if one.from_charge_point and one.kind == 2]
    wrong = next((one for one in others if one.action != "BootNotification"), None)
    if wrong is not None:
        stage.check(False, f"{wrong.action} came although the boot was rejected", "B03.FR.06", wrong.number)
    interval = stage.answer_to(first).get("interval", 0)
    waited = again.at - first.at
    stage.check(
        waited >= interval * 0.9,
        f"the next boot came after {waited:.1f} s, not after {interval} s",
        "B03.FR.05",
        again.number,
    )


async def accept(stage: Stage) -> None:
    """Accept the next boot, and wait for it."""
    stage.bench.set_boot("Accepted")
    since = stage.now
    until = asyncio.get_running_loop().time() + stage.limits.reboot
    while asyncio.get_running_loop().time() < until:
        boot = stage.first("BootNotification", lambda p: True, since)
        if boot is not None and stage.answer_to(boot).get("status") == "Accepted":
            await stage.expect("StatusNotification", since=boot.number, clause="B01.FR.05")
            return
        await stage.frames.more(until)


@case("core", "answer requests while the boot is pending", "B02.FR.01", "TC_B_02_CS")
async def boot_pending(stage: Stage) -> None:
    stage.bench.set_boot("Pending")
    stage.afterwards(lambda: accept(stage))
    since = stage.now
    await stage.ask("Reset", {"type": "Immediate"}, clause="B11.FR.01")
    await stage.gone(clause="B11.FR.01", within=stage.limits.reboot)
    boot = await stage.expect("BootNotification", since=since, clause="B01.FR.01", within=stage.limits.reboot)
    await _get(stage, KNOWN, "Accepted")
    await stage.never("StatusNotification", what="while the boot is pending", since=boot.number, clause="B02.FR.02")


@case("core", "send heartbeats at the configured interval", "G02.FR.01")
async def heartbeat_interval(stage: Stage) -> None:
    await set_variable(stage, "OCPPCommCtrlr", "HeartbeatInterval", "3")
    first = await stage.expect("Heartbeat", since=stage.now, clause="G02.FR.01")
    second = await stage.expect("Heartbeat", what="a second time", since=first.number + 1, clause="G02.FR.01")
    stage.check(
        second.at - first.at < 15, f"the second heartbeat came after {second.at - first.at:.0f} s, not 3 s", "G02.FR.01"
    )


async def _get(stage: Stage, wanted: dict[str, object], status: str) -> dict[str, object]:
    answer = await stage.call("GetVariables", {"getVariableData": [wanted]})
    result = (answer.get("getVariableResult") or [{}])[0]
    got = result.get("attributeStatus")
    stage.check(got == status, f"GetVariables has the attributeStatus {got}; right is {status}", "B06")
    return dict(result)


@case("core", "return the value of a variable", "B06.FR.01", "TC_B_06_CS")
async def get_variable(stage: Stage) -> None:
    result = await _get(stage, KNOWN, "Accepted")
    stage.check(bool(result.get("attributeValue")), "the accepted result has no attributeValue", "B06.FR.10")


@case("core", "answer for each of several variables", "B06.FR.02", "TC_B_07_CS")
async def get_variables(stage: Stage) -> None:
    other = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "NetworkConfigurationPriority"}}
    answer = await stage.call("GetVariables", {"getVariableData": [KNOWN, other]})
    results = answer.get("getVariableResult") or []
    stage.check(len(results) == 2, f"two variables were asked for, and {len(results)} results came", "B06.FR.02")


@case("core", "say that a component is unknown", "B06.FR.06", "TC_B_32_CS")
async def get_of_unknown_component(stage: Stage) -> None:
    await _get(stage, {"component": {"name": "NoSuchComponent"}, "variable": {"name": "Nothing"}}, "UnknownComponent")


@case("core", "say that a variable is unknown", "B06.FR.07", "TC_B_33_CS")
async def get_unknown_variable(stage: Stage) -> None:
    await _get(
        stage, {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "NoSuchVariable"}}, "UnknownVariable"
    )


async def _set(stage: Stage, component: str, variable: str, value: str, status: str, clause: str) -> None:
    entry = {"component": {"name": component}, "variable": {"name": variable}, "attributeValue": value}
    answer = await stage.call("SetVariables", {"setVariableData": [entry]})
    got = (answer.get("setVariableResult") or [{}])[0].get("attributeStatus")
    stage.check(got == status, f"SetVariables has the attributeStatus {got}; right is {status}", clause)


@case("core", "set a variable, and return the new value", "B05.FR.01", "TC_B_09_CS")
async def set_a_variable(stage: Stage) -> None:
    await set_variable(stage, "OCPPCommCtrlr", "HeartbeatInterval", "177")
    result = await _get(stage, KNOWN, "Accepted")
    value = result.get("attributeValue")
    stage.check(value == "177", f"HeartbeatInterval is {value} after it was set to 177", "B05.FR.01")


@case("core", "refuse a value of the wrong form", "B05.FR.07", "TC_B_11_CS")
async def set_to_impossible_value(stage: Stage) -> None:
    await _set(stage, "OCPPCommCtrlr", "HeartbeatInterval", "many", "Rejected", "B05.FR.07")


@case("core", "say that a component to be set is unknown", "B05.FR.04", "TC_B_35_CS")
async def set_of_unknown_component(stage: Stage) -> None:
    await _set(stage, "NoSuchComponent", "Nothing", "1", "UnknownComponent", "B05.FR.04")


@case("core", "say that a variable to be set is unknown", "B05.FR.05", "TC_B_36_CS")
async def set_unknown_variable(stage: Stage) -> None:
    await _set(stage, "OCPPCommCtrlr", "NoSuchVariable", "1", "UnknownVariable", "B05.FR.05")


@case("core", "report the whole device model", "B07.FR.01, B07.FR.08", "TC_B_13_CS")
async def full_inventory(stage: Stage) -> None:
    entries = await report(stage, "GetBaseReport", {"reportBase": "FullInventory"}, "NotifyReport", "reportData")
    names = {entry["component"]["name"] for entry in entries}
    for name in ("OCPPCommCtrlr", "SecurityCtrlr", "ChargingStation"):
        stage.check(name in names, f"the full inventory has no {name}", "B07.FR.08")


@case("core", "report what can be configured", "B07.FR.07", "TC_B_12_CS")
async def configuration_inventory(stage: Stage) -> None:
    entries = await report(
        stage, "GetBaseReport", {"reportBase": "ConfigurationInventory"}, "NotifyReport", "reportData"
    )
    read_only = [
        f"{entry['component']['name']}.{entry['variable']['name']}"
        for entry in entries
        if all(one.get("mutability") == "ReadOnly" for one in entry.get("variableAttribute") or [{}])
    ]
    stage.check(
        not read_only, f"the configuration inventory has the read-only {read_only[0] if read_only else ''}", "B07.FR.07"
    )


@case("core", "report one component", "B08.FR.01", "TC_B_17_CS")
async def report_of_a_component(stage: Stage) -> None:
    request = {"componentVariable": [{"component": {"name": "OCPPCommCtrlr"}}]}
    entries = await report(stage, "GetReport", request, "NotifyReport", "reportData")
    others = {entry["component"]["name"] for entry in entries} - {"OCPPCommCtrlr"}
    stage.check(bool(entries) and not others, f"the report has {sorted(others) or 'nothing'}", "B08.FR.01")


@case("core", "answer EmptyResultSet when nothing fits a report", "B08.FR.15", "TC_B_19_CS")
async def report_of_nothing(stage: Stage) -> None:
    request = {"requestId": number(), "componentVariable": [{"component": {"name": "NoSuchComponent"}}]}
    await stage.ask("GetReport", request, status="EmptyResultSet", clause="B08.FR.15")


@case("core", "reject a network profile that cannot be", "B09.FR.02", "TC_B_43_CS")
async def bad_network_profile(stage: Stage) -> None:
    data = {
        "ocppVersion": "OCPP20",
        "ocppTransport": "SOAP",
        "ocppCsmsUrl": "http://127.0.0.1/soap",
        "messageTimeout": 30,
        "securityProfile": 0,
        "ocppInterface": "Wired0",
    }
    await stage.ask(
        "SetNetworkProfile",
        {"configurationSlot": 77, "connectionData": data},
        status=("Rejected", "Failed"),
        clause="B09.FR.02",
    )


__all__ = ["accept", "event"]
