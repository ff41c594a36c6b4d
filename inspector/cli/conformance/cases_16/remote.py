"""Remote start, remote stop, and triggered messages."""

from __future__ import annotations

from inspector.cli.conformance.cases_16.flows import (
    at,
    case_16,
    charging,
    has_profile,
    plug_in,
    set_key,
    started,
    stopped,
    unplug,
)
from inspector.cli.conformance.stage import Stage

TAG = "REMOTE01"


@case_16("core", "start remotely when the car is plugged in", "§5.11", "TC_010_CS")
async def remote_start_cable_first(stage: Stage) -> None:
    await plug_in(stage)
    since = stage.now
    await stage.ask("RemoteStartTransaction", {"connectorId": 1, "idTag": TAG}, clause="§5.11")
    transaction = await started(stage, 1, since, clause="§5.11")
    tag = transaction.started.payload.get("idTag")
    stage.check(
        tag == TAG,
        f"StartTransaction has the idTag {tag}, not the requested {TAG}",
        "§5.11",
        transaction.started.number,
    )


@case_16("core", "start remotely, and wait for the car", "§5.11", "TC_011_1_CS")
async def remote_start_before_the_cable(stage: Stage) -> None:
    since = stage.now
    await stage.ask("RemoteStartTransaction", {"connectorId": 1, "idTag": TAG}, clause="§5.11")
    await stage.expect("StatusNotification", what="Preparing", where=at(1, "Preparing"), since=since, clause="§4.9")
    await stage.person_does("plug-in", 1)
    stage.afterwards(lambda: unplug(stage))
    await started(stage, 1, since, clause="§5.11")


@case_16(
    "core", "give up a remote start when no car is plugged in within ConnectionTimeOut", "§5.11, §9.1.5", "TC_011_2_CS"
)
async def remote_start_without_a_car(stage: Stage) -> None:
    await set_key(stage, "ConnectionTimeOut", "10")
    since = stage.now
    await stage.ask("RemoteStartTransaction", {"connectorId": 1, "idTag": TAG}, clause="§5.11")
    first = await stage.expect(
        "StatusNotification", what="Preparing", where=at(1, "Preparing"), since=since, clause="§4.9"
    )
    await stage.expect(
        "StatusNotification", what="Available", where=at(1, "Available"), since=first.number, clause="§9.1.5"
    )


@case_16(
    "core",
    "authorize before a remote start if AuthorizeRemoteTxRequests is true, and do not charge if refused",
    "§5.11, §9.1.1",
    "TC_023_5_CS",
)
async def remote_start_of_a_blocked_card(stage: Stage) -> None:
    await set_key(stage, "AuthorizeRemoteTxRequests", "true")
    stage.bench.store.set_token("BLOCKED1", status="Blocked")
    await plug_in(stage)
    since = stage.now
    await stage.ask("RemoteStartTransaction", {"connectorId": 1, "idTag": "BLOCKED1"}, clause="§5.11")
    await stage.expect("Authorize", where=lambda p: p.get("idTag") == "BLOCKED1", since=since, clause="§9.1.1")
    await stage.never("StartTransaction", since=since, clause="§5.11")


@case_16("core", "start remotely without Authorize if AuthorizeRemoteTxRequests is false", "§5.11, §9.1.1")
async def remote_start_without_authorize(stage: Stage) -> None:
    await set_key(stage, "AuthorizeRemoteTxRequests", "false")
    await plug_in(stage)
    since = stage.now
    await stage.ask("RemoteStartTransaction", {"connectorId": 1, "idTag": TAG}, clause="§5.11")
    await started(stage, 1, since, clause="§5.11")
    card = stage.first("Authorize", None, since)
    stage.check(
        card is None,
        "Authorize came although AuthorizeRemoteTxRequests is false",
        "§9.1.1",
        card.number if card else None,
    )


@case_16("core", "reject a remote start at a connector where a transaction runs", "§5.11", "TC_026_CS")
async def remote_start_of_a_busy_connector(stage: Stage) -> None:
    await charging(stage)
    await stage.ask("RemoteStartTransaction", {"connectorId": 1, "idTag": TAG}, status="Rejected", clause="§5.11")


@case_16("core", "reject a remote start at connector 0", "§6.33", "TC_027_CS")
async def remote_start_of_connector_0(stage: Stage) -> None:
    await stage.ask("RemoteStartTransaction", {"connectorId": 0, "idTag": TAG}, status="Rejected", clause="§6.33")


@case_16("core", "stop remotely, with the reason Remote", "§5.12", "TC_012_CS")
async def remote_stop(stage: Stage) -> None:
    transaction = await charging(stage)
    since = stage.now
    await stage.ask("RemoteStopTransaction", {"transactionId": transaction.number}, clause="§5.12")
    await stopped(stage, transaction, since, "Remote", clause="§5.12")
    await stage.expect("StatusNotification", what="Finishing", where=at(1, "Finishing"), since=since, clause="§4.9")


@case_16("core", "reject a remote stop of an unknown transaction", "§5.12", "TC_028_CS")
async def remote_stop_of_nothing(stage: Stage) -> None:
    await stage.ask("RemoteStopTransaction", {"transactionId": 999_999_999}, status="Rejected", clause="§5.12")


async def _triggered(stage: Stage, message: str, **more: int) -> None:
    has_profile(stage, "RemoteTrigger")
    since = stage.now
    await stage.ask("TriggerMessage", {"requestedMessage": message, **more}, clause="§5.17")
    await stage.expect(message, what="after TriggerMessage", since=since, clause="§5.17")


@case_16("remote-trigger", "send a heartbeat when triggered", "§5.17", "TC_054_CS")
async def trigger_heartbeat(stage: Stage) -> None:
    await _triggered(stage, "Heartbeat")


@case_16("remote-trigger", "report a connector when triggered", "§5.17", "TC_054_CS")
async def trigger_status(stage: Stage) -> None:
    has_profile(stage, "RemoteTrigger")
    since = stage.now
    await stage.ask("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1}, clause="§5.17")
    await stage.expect("StatusNotification", where=lambda p: p.get("connectorId") == 1, since=since, clause="§5.17")


@case_16("remote-trigger", "send meter values when triggered", "§5.17", "TC_054_CS")
async def trigger_meter_values(stage: Stage) -> None:
    await _triggered(stage, "MeterValues", connectorId=1)


@case_16("remote-trigger", "send a boot notification when triggered, or reject the trigger", "§5.17", "TC_054_CS")
async def trigger_boot(stage: Stage) -> None:
    has_profile(stage, "RemoteTrigger")
    since = stage.now
    request = {"requestedMessage": "BootNotification"}
    answer = await stage.ask("TriggerMessage", request, status=("Accepted", "Rejected"), clause="§5.17")
    if answer["status"] == "Accepted":
        await stage.expect("BootNotification", what="after TriggerMessage", since=since, clause="§5.17")


@case_16("remote-trigger", "send the firmware status Idle when triggered", "§5.17", "TC_054_CS")
async def trigger_firmware_status(stage: Stage) -> None:
    await _triggered(stage, "FirmwareStatusNotification")


@case_16("remote-trigger", "reject a trigger for an unknown connector", "§5.17", "TC_055_CS")
async def trigger_unknown_connector(stage: Stage) -> None:
    has_profile(stage, "RemoteTrigger")
    request = {"requestedMessage": "StatusNotification", "connectorId": 99}
    await stage.ask("TriggerMessage", request, status="Rejected", clause="§5.17")
