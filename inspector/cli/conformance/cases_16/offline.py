"""The network fails while charging; nothing may be lost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from inspector.cli.conformance.cases_16.flows import (
    case_16,
    charging,
    plug_in,
    present,
    set_key,
    started,
    stopped,
    unplug,
)
from inspector.cli.conformance.seen import Seen
from inspector.cli.conformance.stage import Stage

NOTICED_S = 1.0
"""How long a charge point may take to notice that its connection was reset."""
DOWN_S = 5.0
"""How long the network is down where a case needs no more."""


async def network_fails(stage: Stage) -> datetime:
    """Cut the network until the end of the case; return when."""
    stage.bench.network_down()
    stage.afterwards(lambda: _returns(stage))
    await stage.gone(clause="OCPP-J, 5.3")
    await asyncio.sleep(NOTICED_S)
    return datetime.now(UTC)


async def _returns(stage: Stage) -> None:
    stage.bench.network_up()
    await stage.back()


async def network_returns(stage: Stage) -> datetime:
    """Let the network return, and wait for the charge point; return when the network returned."""
    at = datetime.now(UTC)
    await _returns(stage)
    return at


def happened_before(stage: Stage, frame: Seen, moment: datetime, what: str) -> None:
    """Check that the timestamp of a message is from before a moment: when it happened, not when it was delivered."""
    try:
        told = datetime.fromisoformat(str(frame.payload.get("timestamp")))
    except ValueError:
        return  # a rule reports timestamps that are none
    told = told if told.tzinfo else told.replace(tzinfo=UTC)
    stage.check(
        told <= moment, f"the timestamp of {what} is when it was delivered, not when it happened", "§3.7", frame.number
    )


@case_16("offline", "connect again after the network failed", "OCPP-J, 5.3")
async def reconnect(stage: Stage) -> None:
    await network_fails(stage)
    await asyncio.sleep(DOWN_S)
    await network_returns(stage)
    await stage.call("GetConfiguration", {"key": ["HeartbeatInterval"]})


@case_16("offline", "continue a transaction while the network is down, under its own id", "§3.7", "TC_036_CS")
async def network_fails_while_charging(stage: Stage) -> None:
    transaction = await charging(stage)
    since = stage.now
    await network_fails(stage)
    await asyncio.sleep(DOWN_S)
    await network_returns(stage)
    stage.check(stage.first("StartTransaction", None, since) is None, "the transaction started a second time", "§3.7")
    since = stage.now
    await stage.ask("RemoteStopTransaction", {"transactionId": transaction.number}, clause="§5.12")
    await stopped(stage, transaction, since, "Remote")


@case_16("offline", "deliver the end of a transaction that ended while the network was down", "§3.7", "TC_038_CS")
async def stop_while_offline(stage: Stage) -> None:
    transaction = await charging(stage)
    since = stage.now
    await network_fails(stage)
    await stage.person_does("unplug", 1)
    await asyncio.sleep(DOWN_S)
    returned = await network_returns(stage)
    frame = await stopped(stage, transaction, since)
    happened_before(stage, frame, returned, "StopTransaction")


@case_16(
    "offline",
    "start a transaction while the network is down, and deliver it later",
    "§3.5, §3.7",
    "TC_037_1_CS",
    "TC_039_CS",
)
async def start_while_offline(stage: Stage) -> None:
    await set_key(stage, "LocalAuthorizeOffline", "true", needed=False)
    if not await set_key(stage, "AllowOfflineTxForUnknownId", "true", needed=False):
        await set_key(stage, "LocalAuthListEnabled", "true", needed=False)
    since = stage.now
    await network_fails(stage)
    await stage.person_does("plug-in", 1)
    stage.afterwards(lambda: unplug(stage))
    await present(stage)
    await asyncio.sleep(DOWN_S)
    returned = await network_returns(stage)
    transaction = await started(stage, 1, since, clause="§3.7")
    happened_before(stage, transaction.started, returned, "StartTransaction")


@case_16("offline", "report a status that changed while the network was down", "§4.9")
async def status_after_offline(stage: Stage) -> None:
    since = stage.now
    await network_fails(stage)
    await stage.person_does("plug-in", 1)
    stage.afterwards(lambda: unplug(stage))
    await asyncio.sleep(DOWN_S)
    await network_returns(stage)
    await stage.expect("StatusNotification", where=lambda p: p.get("status") == "Preparing", since=since, clause="§4.9")


__all__ = ["happened_before", "network_fails", "network_returns", "plug_in"]
