"""Restarts, configuration, availability and small requests (core profile)."""

from __future__ import annotations

import asyncio

from inspector.cli.conformance.cases_16.flows import at, case_16, charging, restarted, set_key, stopped
from inspector.cli.conformance.stage import Stage

REQUIRED_KEYS = (
    *("AuthorizeRemoteTxRequests", "ClockAlignedDataInterval", "ConnectionTimeOut", "ConnectorPhaseRotation"),
    *("GetConfigurationMaxKeys", "HeartbeatInterval", "LocalAuthorizeOffline", "LocalPreAuthorize"),
    *("MeterValuesAlignedData", "MeterValuesSampledData", "MeterValueSampleInterval", "NumberOfConnectors"),
    *("ResetRetries", "StopTransactionOnEVSideDisconnect", "StopTransactionOnInvalidId", "StopTxnAlignedData"),
    *(
        "StopTxnSampledData",
        "SupportedFeatureProfiles",
        "TransactionMessageAttempts",
        "TransactionMessageRetryInterval",
    ),
    "UnlockConnectorOnEVSideDisconnect",
)
"""The keys that every charge point has (section 9.1)."""


@case_16("core", "restart after a soft reset, boot, and report every connector", "§5.14, §4.2", "TC_014_CS")
async def soft_reset(stage: Stage) -> None:
    since = stage.now
    await stage.ask("Reset", {"type": "Soft"}, clause="§5.14")
    await restarted(stage, "soft", since, clause="§5.14")


@case_16("core", "restart after a hard reset, boot, and report every connector", "§5.14, §4.2", "TC_013_CS")
async def hard_reset(stage: Stage) -> None:
    since = stage.now
    await stage.ask("Reset", {"type": "Hard"}, clause="§5.14")
    await restarted(stage, "hard", since, clause="§5.14")


@case_16("core", "stop the transaction before a hard reset, with the reason HardReset", "§5.14", "TC_015_CS")
async def hard_reset_while_charging(stage: Stage) -> None:
    transaction = await charging(stage)
    since = stage.now
    await stage.ask("Reset", {"type": "Hard"}, clause="§5.14")
    await stage.gone(clause="§5.14", within=stage.limits.reboot)
    await stage.back(clause="§5.14")
    await stopped(stage, transaction, since, "HardReset", clause="§5.14")
    await stage.expect("BootNotification", since=since, clause="§4.2", within=stage.limits.reboot)


@case_16("core", "stop the transaction before a soft reset, with the reason SoftReset", "§5.14", "TC_016_CS")
async def soft_reset_while_charging(stage: Stage) -> None:
    transaction = await charging(stage)
    since = stage.now
    await stage.ask("Reset", {"type": "Soft"}, clause="§5.14")
    stop = await stopped(stage, transaction, since, "SoftReset", clause="§5.14")
    boot = await restarted(stage, "soft", since, clause="§5.14")
    stage.check(stop.number < boot.number, "the transaction was stopped only after the restart", "§5.14", stop.number)


@case_16("core", "send nothing but boots while the boot is rejected, and wait for the interval", "§4.2")
async def boot_rejected(stage: Stage) -> None:
    stage.bench.set_boot("Rejected")
    stage.afterwards(lambda: _accept(stage))
    since = stage.now
    await stage.ask("Reset", {"type": "Soft"}, clause="§5.14")
    await stage.gone(clause="§5.14", within=stage.limits.reboot)
    first = await stage.expect("BootNotification", since=since, clause="§4.2", within=stage.limits.reboot)
    again = await stage.expect(
        "BootNotification", what="after the interval", since=first.number + 1, clause="§4.2", within=60
    )
    others = [one for one in stage.frames.seen[first.number :] if one.from_charge_point and one.kind == 2]
    wrong = next((one for one in others if one.action != "BootNotification"), None)
    if wrong is not None:
        stage.check(False, f"{wrong.action} came although the boot was rejected", "§4.2", wrong.number)
    waited = again.at - first.at
    interval = stage.answer_to(first).get("interval", 0)
    stage.check(
        waited >= interval * 0.9,
        f"the next boot came after {waited:.1f} s, not after {interval} s",
        "§4.2",
        again.number,
    )


async def _accept(stage: Stage) -> None:
    """Accept the next boot, and wait for it."""
    stage.bench.set_boot("Accepted")
    accepted = stage.now
    until = asyncio.get_running_loop().time() + stage.limits.reboot
    while asyncio.get_running_loop().time() < until:
        boot = stage.first("BootNotification", lambda p: True, accepted)
        if boot is not None and stage.answer_to(boot).get("status") == "Accepted":
            await stage.expect("StatusNotification", since=boot.number, clause="§4.9")
            return
        await stage.frames.more(until)


@case_16("core", "answer requests while the boot is pending, and boot again when triggered", "§4.2", "TC_002_CS")
async def boot_pending(stage: Stage) -> None:
    stage.bench.set_boot("Pending")
    stage.afterwards(lambda: _accept(stage))
    since = stage.now
    await stage.ask("Reset", {"type": "Soft"}, clause="§5.14")
    await stage.gone(clause="§5.14", within=stage.limits.reboot)
    boot = await stage.expect("BootNotification", since=since, clause="§4.2", within=stage.limits.reboot)
    answer = await stage.call("GetConfiguration", {"key": ["HeartbeatInterval"]})
    stage.check(bool(answer.get("configurationKey")), "GetConfiguration has no HeartbeatInterval while pending", "§4.2")
    await stage.never("StatusNotification", what="while the boot is pending", since=boot.number, clause="§4.2")


@case_16("core", "send heartbeats at the configured interval", "§4.6, §9.1.9")
async def heartbeat_interval(stage: Stage) -> None:
    await set_key(stage, "HeartbeatInterval", "3")
    since = stage.now
    first = await stage.expect("Heartbeat", since=since, clause="§4.6")
    second = await stage.expect("Heartbeat", what="a second time", since=first.number + 1, clause="§4.6")
    stage.check(
        second.at - first.at < 15, f"the second heartbeat came after {second.at - first.at:.0f} s, not 3 s", "§9.1.9"
    )


@case_16("core", "list all configuration keys, with those that every charge point has", "§5.8, §9.1", "TC_019_CS")
async def get_all_keys(stage: Stage) -> None:
    answer = await stage.call("GetConfiguration", {})
    known = {entry["key"].lower() for entry in answer.get("configurationKey", [])}
    missing = [key for key in REQUIRED_KEYS if key.lower() not in known]
    stage.check(not missing, f"GetConfiguration lacks {', '.join(missing)}", "§9.1")


@case_16("core", "return the keys that were asked for, and name unknown ones", "§5.8", "TC_019_CS")
async def get_some_keys(stage: Stage) -> None:
    answer = await stage.call("GetConfiguration", {"key": ["HeartbeatInterval", "NoSuchKeyHere"]})
    known = [entry["key"] for entry in answer.get("configurationKey", [])]
    stage.check(known == ["HeartbeatInterval"], f"configurationKey has {known}, not HeartbeatInterval alone", "§5.8")
    unknown = answer.get("unknownKey")
    stage.check(unknown == ["NoSuchKeyHere"], f"unknownKey is {unknown}; right is ['NoSuchKeyHere']", "§5.8")


@case_16("core", "change a configuration key, and return the new value", "§5.3", "TC_021_CS")
async def change_key(stage: Stage) -> None:
    await set_key(stage, "MeterValueSampleInterval", "77")
    answer = await stage.call("GetConfiguration", {"key": ["MeterValueSampleInterval"]})
    value = [entry.get("value") for entry in answer.get("configurationKey", [])]
    stage.check(value == ["77"], f"MeterValueSampleInterval is {value} after it was set to 77", "§5.3")


@case_16("core", "answer NotSupported when an unknown key is set", "§5.3", "TC_040_1_CS")
async def change_unknown_key(stage: Stage) -> None:
    await stage.ask("ChangeConfiguration", {"key": "NoSuchKeyHere", "value": "1"}, status="NotSupported", clause="§5.3")


@case_16("core", "reject an impossible value, and keep the old one", "§5.3", "TC_040_2_CS")
async def change_to_impossible_value(stage: Stage) -> None:
    key = "MeterValueSampleInterval"
    before = await stage.call("GetConfiguration", {"key": [key]})
    await stage.ask("ChangeConfiguration", {"key": key, "value": "-1"}, status="Rejected", clause="§5.3")
    after = await stage.call("GetConfiguration", {"key": [key]})
    stage.check(before == after, f"{key} has changed although the change was rejected", "§5.3")


@case_16("core", "reject a change of a read-only key", "§5.3")
async def change_read_only_key(stage: Stage) -> None:
    await stage.ask(
        "ChangeConfiguration", {"key": "NumberOfConnectors", "value": "9"}, status="Rejected", clause="§5.3"
    )


@case_16("core", "make a connector unavailable, and available again", "§5.2")
async def change_availability(stage: Stage) -> None:
    since = stage.now
    await stage.ask("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"}, clause="§5.2")
    stage.afterwards(lambda: stage.call("ChangeAvailability", {"connectorId": 1, "type": "Operative"}))
    await stage.expect("StatusNotification", what="Unavailable", where=at(1, "Unavailable"), since=since, clause="§5.2")
    since = stage.now
    await stage.ask("ChangeAvailability", {"connectorId": 1, "type": "Operative"}, clause="§5.2")
    await stage.expect("StatusNotification", what="Available", where=at(1, "Available"), since=since, clause="§5.2")


@case_16("core", "make the whole charge point unavailable, and available again", "§5.2")
async def change_availability_of_all(stage: Stage) -> None:
    since = stage.now
    await stage.ask("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}, clause="§5.2")
    stage.afterwards(lambda: stage.call("ChangeAvailability", {"connectorId": 0, "type": "Operative"}))
    for connector in range(1, stage.known.connectors + 1):
        await stage.expect("StatusNotification", where=at(connector, "Unavailable"), since=since, clause="§5.2")


@case_16("core", "schedule unavailability while charging, and carry it out after the transaction", "§5.2")
async def unavailable_after_charging(stage: Stage) -> None:
    transaction = await charging(stage)
    since = stage.now
    request = {"connectorId": 1, "type": "Inoperative"}
    await stage.ask("ChangeAvailability", request, status="Scheduled", clause="§5.2")
    stage.afterwards(lambda: stage.call("ChangeAvailability", {"connectorId": 1, "type": "Operative"}))
    await stage.never("StatusNotification", where=at(1, "Unavailable"), since=since, clause="§5.2", seconds=2)
    await stage.ask("RemoteStopTransaction", {"transactionId": transaction.number}, clause="§5.12")
    await stopped(stage, transaction, since)
    await stage.person_does("unplug", 1)
    await stage.expect("StatusNotification", what="Unavailable", where=at(1, "Unavailable"), since=since, clause="§5.2")


@case_16("core", "clear the authorization cache, or reject it", "§5.4", "TC_061_1_CS")
async def clear_cache(stage: Stage) -> None:
    await stage.ask("ClearCache", {}, status=("Accepted", "Rejected"), clause="§5.4")


@case_16("core", "refuse data of an unknown vendor", "§5.6", "TC_062_CS")
async def data_of_unknown_vendor(stage: Stage) -> None:
    request = {"vendorId": "org.example.unknown", "messageId": "hello", "data": "x"}
    await stage.ask("DataTransfer", request, status=("UnknownVendorId", "UnknownMessageId", "Rejected"), clause="§5.6")


@case_16("core", "answer NotSupported when an unknown connector is unlocked", "§5.18", "TC_031_CS")
async def unlock_unknown_connector(stage: Stage) -> None:
    await stage.ask("UnlockConnector", {"connectorId": 99}, status="NotSupported", clause="§5.18")


@case_16("core", "unlock a free connector, or say that it has no lock", "§5.18", "TC_017_1_CS", "TC_017_2_CS")
async def unlock_free_connector(stage: Stage) -> None:
    await stage.ask("UnlockConnector", {"connectorId": 1}, status=("Unlocked", "NotSupported"), clause="§5.18")


@case_16("core", "stop the transaction when its connector is unlocked", "§5.18", "TC_018_1_CS")
async def unlock_while_charging(stage: Stage) -> None:
    transaction = await charging(stage)
    since = stage.now
    answer = await stage.ask("UnlockConnector", {"connectorId": 1}, status=("Unlocked", "NotSupported"), clause="§5.18")
    stage.need(answer["status"] == "Unlocked", "the connector has no lock")
    await stopped(stage, transaction, since, "UnlockCommand", clause="§5.18")
