"""Remote start and stop, unlocking, and triggered messages (functional block F)."""

from __future__ import annotations

from typing import Any

from inspector.cli.conformance.case import case
from inspector.cli.conformance.cases_2x.flows import (
    charging,
    ended,
    event,
    number,
    plug_in,
    set_variable,
    started,
    unplug,
)
from inspector.cli.conformance.stage import Stage

TOKEN = {"idToken": "REMOTE01", "type": "Central"}


async def _start(stage: Stage, status: str = "Accepted", **more: Any) -> int:
    """Ask for a remote start at EVSE 1; return its remoteStartId."""
    request_id = number()
    request = {"remoteStartId": request_id, "idToken": TOKEN, "evseId": 1, **more}
    await stage.ask("RequestStartTransaction", request, status=status, clause="F01.FR.01")
    return request_id


async def _of_request(stage: Stage, request_id: int, since: int) -> None:
    await stage.expect(
        "TransactionEvent",
        what=f"with remoteStartId {request_id}",
        where=event(None, None, remoteStartId=request_id),
        since=since,
        clause="F01.FR.25",
    )


@case("core", "start remotely when the car is plugged in, and name the request", "F01.FR.02, F01.FR.25", "TC_F_01_CS")
async def remote_start_cable_first(stage: Stage) -> None:
    await plug_in(stage)
    since = stage.now
    request_id = await _start(stage)
    await started(stage, since, clause="F01.FR.02")
    await _of_request(stage, request_id, since)


@case("core", "start remotely, and wait for the car", "F02.FR.01", "TC_F_02_CS", "TC_F_03_CS")
async def remote_start_before_the_cable(stage: Stage) -> None:
    since = stage.now
    request_id = await _start(stage)
    await stage.person_does("plug-in", 1)
    stage.afterwards(lambda: unplug(stage))
    await started(stage, since, clause="F02.FR.01")
    await _of_request(stage, request_id, since)


@case("core", "give up a remote start when no car is plugged in within EVConnectionTimeOut", "F02.FR.06", "TC_F_04_CS")
async def remote_start_without_a_car(stage: Stage) -> None:
    await set_variable(stage, "TxCtrlr", "EVConnectionTimeOut", "5")
    since = stage.now
    await _start(stage)
    charged = event(None, None, chargingState="Charging")
    await stage.never(
        "TransactionEvent",
        what="with the chargingState Charging without a car",
        where=charged,
        since=since,
        clause="F02.FR.06",
    )
    await stage.person_does("plug-in", 1)
    stage.afterwards(lambda: unplug(stage))
    await stage.never(
        "TransactionEvent", what="after the time was over", where=charged, since=since, clause="F02.FR.06", seconds=2
    )


@case("core", "authorize before a remote start if AuthorizeRemoteStart is true", "F01.FR.01, C05")
async def remote_start_with_authorize(stage: Stage) -> None:
    await set_variable(stage, "AuthCtrlr", "AuthorizeRemoteStart", "true")
    await plug_in(stage)
    since = stage.now
    token = {"idToken": "REMOTE02", "type": "ISO14443"}
    await _start(stage, idToken=token)
    await stage.expect(
        "Authorize", where=lambda p: p.get("idToken", {}).get("idToken") == "REMOTE02", since=since, clause="F01.FR.01"
    )
    await started(stage, since, clause="F01.FR.02")


@case("core", "stop remotely, with the reason Remote", "F03.FR.03", "TC_F_08_CS")
async def remote_stop(stage: Stage) -> None:
    transaction = await charging(stage)
    since = stage.now
    await stage.ask("RequestStopTransaction", {"transactionId": transaction.id}, clause="F03.FR.02")
    await unplug(stage)
    await ended(stage, transaction, since, "Remote", clause="F03.FR.03")


@case("core", "reject a remote stop of an unknown transaction", "F03.FR.08", "TC_F_09_CS")
async def remote_stop_of_nothing(stage: Stage) -> None:
    await stage.ask(
        "RequestStopTransaction", {"transactionId": "no-such-transaction"}, status="Rejected", clause="F03.FR.08"
    )


@case("core", "say that a connector to be unlocked is unknown", "F05.FR.03", "TC_F_10_CS")
async def unlock_unknown_connector(stage: Stage) -> None:
    await stage.ask("UnlockConnector", {"evseId": 99, "connectorId": 1}, status="UnknownConnector", clause="F05.FR.03")


@case("core", "unlock a free connector", "F05.FR.01", "TC_F_06_CS", "TC_F_07_CS")
async def unlock_free_connector(stage: Stage) -> None:
    await stage.ask(
        "UnlockConnector", {"evseId": 1, "connectorId": 1}, status=("Unlocked", "UnlockFailed"), clause="F05.FR.01"
    )


@case("core", "keep the connector locked while a transaction runs", "F05.FR.02", "TC_F_05_CS")
async def unlock_while_charging(stage: Stage) -> None:
    await charging(stage)
    request = {"evseId": 1, "connectorId": 1}
    await stage.ask("UnlockConnector", request, status="OngoingAuthorizedTransaction", clause="F05.FR.02")


async def _triggered(stage: Stage, message: str, status: str | tuple[str, ...] = "Accepted", **more: Any) -> None:
    since = stage.now
    answer = await stage.ask("TriggerMessage", {"requestedMessage": message, **more}, status=status, clause="F06.FR.04")
    if answer["status"] == "Accepted":
        await stage.expect(message, what="after TriggerMessage", since=since, clause="F06.FR.04")


@case("remote-trigger", "send a heartbeat when triggered", "F06.FR.04", "TC_F_20_CS")
async def trigger_heartbeat(stage: Stage) -> None:
    await _triggered(stage, "Heartbeat")


@case("remote-trigger", "report a connector when triggered", "F06.FR.04", "TC_F_23_CS")
async def trigger_status(stage: Stage) -> None:
    await _triggered(stage, "StatusNotification", evse={"id": 1, "connectorId": 1})


@case("remote-trigger", "send meter values when triggered", "F06.FR.06", "TC_F_11_CS")
async def trigger_meter_values(stage: Stage) -> None:
    await _triggered(stage, "MeterValues", evse={"id": 1})


@case(
    "remote-trigger",
    "send the firmware status when triggered: Idle, or the last one of an update",
    "L01.FR.25",
    "TC_F_18_CS",
)
async def trigger_firmware_status(stage: Stage) -> None:
    await _triggered(stage, "FirmwareStatusNotification")


@case("remote-trigger", "send the log status Idle when triggered", "F06.FR.15", "TC_F_15_CS")
async def trigger_log_status(stage: Stage) -> None:
    since = stage.now
    await stage.ask("TriggerMessage", {"requestedMessage": "LogStatusNotification"}, clause="F06.FR.15")
    await stage.expect(
        "LogStatusNotification", what="Idle", where=lambda p: p.get("status") == "Idle", since=since, clause="F06.FR.15"
    )


@case("remote-trigger", "send the state of the transaction when triggered", "F06.FR.07", "TC_F_13_CS")
async def trigger_transaction_event(stage: Stage) -> None:
    transaction = await charging(stage)
    since = stage.now
    await stage.ask("TriggerMessage", {"requestedMessage": "TransactionEvent", "evse": {"id": 1}}, clause="F06.FR.07")
    await stage.expect(
        "TransactionEvent",
        what="with the triggerReason Trigger",
        where=lambda p: event("Updated", transaction.id)(p) and p.get("triggerReason") == "Trigger",
        since=since,
        clause="F06.FR.07",
    )


@case(
    "remote-trigger", "reject a boot notification that is triggered after an accepted boot", "F06.FR.17", "TC_F_26_CS"
)
async def trigger_boot(stage: Stage) -> None:
    await _triggered(stage, "BootNotification", status="Rejected")
