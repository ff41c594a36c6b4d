"""Configuration keys, the device model with its reports and monitors, and periodic event streams."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.listening import VERSIONS, ListeningCsms
from tests.simulator.powered import TOKEN, PowerOn, charge
from tests.simulator.schemas import violations


async def test_settings_change_what_is_sent(csms: ListeningCsms, power_on: PowerOn) -> None:
    station = await power_on("1.6")

    async def change(key: str, value: str) -> str:
        return str((await csms.ask("ChangeConfiguration", {"key": key, "value": value}))[2]["status"])

    assert await change("MeterValuesSampledData", "SoC,Voltage") == "Accepted"
    assert await change("MeterValueSampleInterval", "30") == "Accepted"
    assert await change("MeterValueSampleInterval", "often") == "Rejected"
    assert await change("NumberOfConnectors", "7") == "Rejected"
    assert await change("Colour", "blue") == "NotSupported"
    assert await change("AuthorizationKey", "0123456789abcdef" * 2) == "Accepted"
    found = (await csms.ask("GetConfiguration", {"key": ["AuthorizationKey", "NumberOfConnectors", "Colour"]}))[2]
    assert found["configurationKey"] == [
        {"key": "AuthorizationKey", "readonly": False},
        {"key": "NumberOfConnectors", "readonly": True, "value": "1"},
    ]
    assert found["unknownKey"] == ["Colour"]
    await charge(station)
    await csms.until(lambda: csms.calls("MeterValues"))
    values = csms.calls("MeterValues")[0]["meterValue"][0]["sampledValue"]
    assert [value["measurand"] for value in values] == ["Voltage", "SoC"]


async def test_a_measurand_that_is_switched_off_is_not_sent(csms: ListeningCsms, power_on: PowerOn) -> None:
    """1.6 9.1.16: an empty list means no meter values; a blank after a comma is allowed."""
    station = await power_on("1.6")
    empty = {"key": "MeterValuesSampledData", "value": ""}
    assert (await csms.ask("ChangeConfiguration", empty))[2]["status"] == "Accepted"
    await charge(station)
    await station.sample(station.connectors[1], "Sample.Periodic")
    assert csms.calls("MeterValues") == []
    two = {"key": "MeterValuesSampledData", "value": "Voltage, SoC"}
    assert (await csms.ask("ChangeConfiguration", two))[2]["status"] == "Accepted"
    await station.sample(station.connectors[1], "Sample.Periodic")
    values = csms.calls("MeterValues")[0]["meterValue"][0]["sampledValue"]
    assert {value["measurand"] for value in values} == {"Voltage", "SoC"}


@pytest.mark.parametrize("listed", ["", "Energy.Active.Import.Register,SoC"])
async def test_the_end_of_a_1_6_transaction_tells_again_what_its_setting_lists(
    csms: ListeningCsms, power_on: PowerOn, listed: str
) -> None:
    """StopTxnSampledData: transactionData has begin, samples and end, or is absent."""
    station = await power_on("1.6")
    change = {"key": "StopTxnSampledData", "value": listed}
    assert (await csms.ask("ChangeConfiguration", change))[2]["status"] == "Accepted"
    await charge(station)
    await station.sample(station.connectors[1], "Sample.Periodic")
    await station.present(1, TOKEN)
    stop = csms.calls("StopTransaction")[0]
    told = [
        (value["measurand"], value["context"])
        for each in stop.get("transactionData", [])
        for value in each["sampledValue"]
    ]
    wanted = [name for name in listed.split(",") if name]
    contexts = ("Transaction.Begin", "Sample.Periodic", "Transaction.End")
    assert told == [(name, context) for context in contexts for name in wanted]
    assert violations("1.6", "StopTransaction", "request", stop) == []


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_transaction_outlives_its_cable_where_the_setting_says_so(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    """StopTransactionOnEVSideDisconnect = false: unplugging suspends, plugging in resumes, the token ends it."""
    station = await power_on(version)
    connector = station.connectors[1]
    station.settings.by_key["StopTransactionOnEVSideDisconnect"].value = "false"
    await charge(station)
    await station.unplug(1)
    assert connector.status == "SuspendedEV" and connector.transaction is not None
    assert station.measure(connector).power_w == 0
    await station.plug_in(1)
    assert connector.status == "Charging"
    await station.unplug(1)
    await station.present(1, TOKEN)
    assert connector.status == "Available" and connector.transaction is None
    ended = csms.calls("StopTransaction") or [c for c in csms.calls("TransactionEvent") if c["eventType"] == "Ended"]
    assert len(ended) == 1
    assert station.failures == []


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_token_of_the_same_group_may_stop_a_transaction(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    """1.6 3.8, 2.x C09: a token of another group may not stop it; the same token in another case may."""

    def judged(payload: dict[str, Any]) -> dict[str, Any]:
        token = payload.get("idTag") or payload["idToken"]["idToken"]
        group = "ELSEWHERE" if token == "STRANGER" else "FLEET"
        if version == "1.6":
            return {"idTagInfo": {"status": "Accepted", "parentIdTag": group}}
        info = {"status": "Accepted", "groupIdToken": {"idToken": group, "type": "Central"}}
        return {"idTokenInfo": info}

    csms.answers["Authorize"] = judged
    csms.answers["StartTransaction"] = lambda payload: {"transactionId": 1, **judged(payload)}
    csms.answers["TransactionEvent"] = lambda payload: judged(payload) if "idToken" in payload else {}
    station = await power_on(version)
    await charge(station)
    assert await station.present(1, "STRANGER") == "Occupied"
    assert await station.present(1, "COLLEAGUE") == "Accepted"
    assert station.connectors[1].transaction is None
    await station.present(1, TOKEN)
    assert await station.present(1, TOKEN.lower()) == "Accepted"
    assert station.connectors[1].transaction is None


async def test_variables_are_got_and_set_one_by_one(csms: ListeningCsms, power_on: PowerOn) -> None:
    """B05, B06: one result for each variable, in order; results with Unknown or Rejected have no value."""
    await power_on("2.0.1")

    def named(component: str, variable: str) -> dict[str, Any]:
        return {"component": {"name": component}, "variable": {"name": variable}}

    wanted = [
        named("SampledDataCtrlr", "TxUpdatedInterval"),
        named("Toaster", "Heat"),
        named("AuthCtrlr", "Heat"),
        named("SecurityCtrlr", "BasicAuthPassword"),
        named("AuthCtrlr", "Enabled") | {"attributeType": "MaxSet"},
        {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "AvailabilityState"}},
    ]
    found = (await csms.ask("GetVariables", {"getVariableData": wanted}))[2]["getVariableResult"]
    assert [(result["attributeStatus"], result.get("attributeValue")) for result in found] == [
        ("Accepted", "60"),
        ("UnknownComponent", None),
        ("UnknownVariable", None),
        ("Rejected", None),
        ("NotSupportedAttributeType", None),
        ("Accepted", "Available"),
    ]
    changes = [
        named("SampledDataCtrlr", "TxUpdatedInterval") | {"attributeValue": "30"},
        named("TxCtrlr", "TxStartPoint") | {"attributeValue": "Authorized"},
        named("Toaster", "Heat") | {"attributeValue": "9"},
    ]
    done = (await csms.ask("SetVariables", {"setVariableData": changes}))[2]["setVariableResult"]
    assert [result["attributeStatus"] for result in done] == ["Accepted", "Rejected", "UnknownComponent"]
    found = (await csms.ask("GetVariables", {"getVariableData": wanted[:1]}))[2]["getVariableResult"]
    assert found[0]["attributeValue"] == "30"
    too_many = await csms.ask("GetVariables", {"getVariableData": wanted[:1] * 51})
    assert too_many[2] == "OccurrenceConstraintViolation"


async def test_a_full_report_comes_in_numbered_parts(csms: ListeningCsms, power_on: PowerOn) -> None:
    """B07.FR.04 and .10."""
    await power_on("2.1", connectors=4)
    assert (await csms.ask("GetBaseReport", {"requestId": 5, "reportBase": "FullInventory"}))[2] == {
        "status": "Accepted"
    }
    await csms.until(lambda: csms.calls("NotifyReport") and csms.calls("NotifyReport")[-1]["tbc"] is False)
    parts = csms.calls("NotifyReport")
    assert len(parts) > 1
    assert [part["seqNo"] for part in parts] == list(range(len(parts)))
    assert {part["requestId"] for part in parts} == {5}
    names = [(entry["component"]["name"], entry["variable"]["name"]) for part in parts for entry in part["reportData"]]
    assert names.count(("EVSE", "AvailabilityState")) == 4
    assert ("AuthCtrlr", "Enabled") in names


async def test_monitors_are_kept_reported_and_cleared(csms: ListeningCsms, power_on: PowerOn) -> None:
    await power_on("2.0.1")
    power = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
    wanted = [
        power | {"type": "UpperThreshold", "value": 5000, "severity": 5},
        power | {"type": "UpperThreshold", "value": 6000, "severity": 5},
        {
            "component": {"name": "Toaster"},
            "variable": {"name": "Heat"},
            "type": "Delta",
            "value": 1,
            "severity": 5,
        },
    ]
    done = (await csms.ask("SetVariableMonitoring", {"setMonitoringData": wanted}))[2]["setMonitoringResult"]
    assert [result["status"] for result in done] == ["Accepted", "Duplicate", "UnknownComponent"]
    number = done[0]["id"]
    assert (await csms.ask("GetMonitoringReport", {"requestId": 6}))[2]["status"] == "Accepted"
    await csms.until(lambda: csms.calls("NotifyMonitoringReport"))
    monitor = csms.calls("NotifyMonitoringReport")[0]["monitor"][0]["variableMonitoring"][0]
    assert (monitor["id"], monitor["value"]) == (number, 5000)
    cleared = (await csms.ask("ClearVariableMonitoring", {"id": [number, 99]}))[2]["clearMonitoringResult"]
    assert [result["status"] for result in cleared] == ["Accepted", "NotFound"]
    assert (await csms.ask("GetMonitoringReport", {"requestId": 7}))[2]["status"] == "EmptyResultSet"


async def test_monitors_tell_when_a_threshold_is_crossed_and_when_it_is_over(
    csms: ListeningCsms, power_on: PowerOn
) -> None:
    """N07: Alerting above the threshold, cleared below it; monitors above the set severity level send nothing."""
    station = await power_on("2.0.1")
    power = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
    wanted = [
        power | {"type": "UpperThreshold", "value": 5000, "severity": 5},
        power | {"type": "LowerThreshold", "value": 9000, "severity": 8},
        power | {"type": "Delta", "value": 1000, "severity": 4},
    ]
    assert (await csms.ask("SetMonitoringLevel", {"severity": 6}))[2]["status"] == "Accepted"
    await csms.ask("SetVariableMonitoring", {"setMonitoringData": wanted})
    await charge(station)
    await csms.until(lambda: len(csms.calls("NotifyEvent")) == 2)
    await station.present(1, TOKEN)
    await csms.until(lambda: len(csms.calls("NotifyEvent")) == 4)
    told = [call["eventData"][0] for call in csms.calls("NotifyEvent")]
    assert [(event["trigger"], event["actualValue"], event["cleared"]) for event in told] == [
        ("Alerting", "7400", False),
        ("Delta", "7400", False),
        ("Alerting", "0", True),
        ("Delta", "0", False),
    ]
    assert {event["eventNotificationType"] for event in told} == {"CustomMonitor"}


async def test_a_periodic_event_stream_goes_out_as_send(csms: ListeningCsms, power_on: PowerOn) -> None:
    """N15.FR.01: message type 6, which has no answer."""
    await power_on("2.1")
    monitor = {
        "component": {"name": "EVSE", "evse": {"id": 1}},
        "variable": {"name": "Power"},
        "type": "Periodic",
        "value": 10,
        "severity": 9,
        "periodicEventStream": {"interval": 30, "values": 1},
    }
    await csms.ask("SetVariableMonitoring", {"setMonitoringData": [monitor]})
    await csms.until(lambda: [frame for side, frame in csms.frames if side == "cp" and frame[0] == 6])
    send = next(frame for side, frame in csms.frames if side == "cp" and frame[0] == 6)
    assert send[2] == "NotifyPeriodicEventStream"
    assert send[3]["data"] == [{"t": 0, "v": "0"}]
    found = (await csms.ask("GetPeriodicEventStream", {}))[2]["constantStreamData"]
    assert found[0]["params"] == {"interval": 30, "values": 1}
