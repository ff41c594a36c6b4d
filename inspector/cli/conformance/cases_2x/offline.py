"""The network fails while charging; nothing may be lost (E04, E08, E12)."""

from __future__ import annotations

import asyncio

from inspector.cli.conformance.case import case
from inspector.cli.conformance.cases_2x.flows import charging, connector_is, ended, event, present, set_variable, unplug
from inspector.cli.conformance.cases_16.offline import DOWN_S, happened_before, network_fails, network_returns
from inspector.cli.conformance.stage import Stage


@case("offline", "connect again after the network failed", "J.5.3", "TC_B_57_CS")
async def reconnect(stage: Stage) -> None:
    await network_fails(stage)
    await asyncio.sleep(DOWN_S)
    await network_returns(stage)
    await stage.call("GetLocalListVersion", {})


@case("offline", "continue a transaction while the network is down, under its own id", "E11.FR.01", "TC_E_40_CS")
async def network_fails_while_charging(stage: Stage) -> None:
    transaction = await charging(stage)
    since = stage.now
    await network_fails(stage)
    await asyncio.sleep(DOWN_S)
    await network_returns(stage)
    stage.check(
        stage.first("TransactionEvent", event("Started"), since) is None,
        "the transaction started a second time",
        "E11.FR.01",
    )
    since = stage.now
    await stage.ask("RequestStopTransaction", {"transactionId": transaction.id}, clause="F03.FR.02")
    await unplug(stage)
    await ended(stage, transaction, since)


@case(
    "offline",
    "deliver the end of a transaction that ended while the network was down, marked as offline",
    "E08.FR.05, E04.FR.03",
    "TC_E_44_CS",
)
async def stop_while_offline(stage: Stage) -> None:
    transaction = await charging(stage)
    since = stage.now
    await network_fails(stage)
    await stage.person_does("unplug", 1)
    await asyncio.sleep(DOWN_S)
    returned = await network_returns(stage)
    frame = await ended(stage, transaction, since)
    happened_before(stage, frame, returned, "the event Ended")
    stage.check(
        frame.payload.get("offline") is True, "the event Ended is not marked as offline", "E04.FR.03", frame.number
    )


@case("offline", "deliver a transaction that began while the network was down", "E04.FR.01, E12.FR.01", "TC_E_43_CS")
async def start_while_offline(stage: Stage) -> None:
    await set_variable(stage, "AuthCtrlr", "LocalAuthorizeOffline", "true", needed=False)
    await set_variable(stage, "AuthCtrlr", "OfflineTxForUnknownIdEnabled", "true", needed=False)
    since = stage.now
    await network_fails(stage)
    await stage.person_does("plug-in", 1)
    stage.afterwards(lambda: unplug(stage))
    await present(stage)
    await asyncio.sleep(DOWN_S)
    returned = await network_returns(stage)
    frame = await stage.expect(
        "TransactionEvent", what="Started", where=event("Started"), since=since, clause="E12.FR.01"
    )
    happened_before(stage, frame, returned, "the event Started")
    stage.check(
        frame.payload.get("offline") is True, "the event Started is not marked as offline", "E04.FR.03", frame.number
    )
    await stage.ask(
        "RequestStopTransaction",
        {"transactionId": frame.payload["transactionInfo"]["transactionId"]},
        clause="F03.FR.02",
    )


@case("offline", "report a status that changed while the network was down", "B04.FR.01", "TC_B_51_CS", "TC_B_52_CS")
async def status_after_offline(stage: Stage) -> None:
    since = stage.now
    await network_fails(stage)
    await stage.person_does("plug-in", 1)
    stage.afterwards(lambda: unplug(stage))
    await asyncio.sleep(DOWN_S)
    await network_returns(stage)
    await stage.expect("StatusNotification", where=connector_is("Occupied"), since=since, clause="B04.FR.01")
