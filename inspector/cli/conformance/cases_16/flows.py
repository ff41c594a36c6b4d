"""What several cases of OCPP 1.6 do: charge, change a key, restart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from inspector.cli.conformance.case import Play, case
from inspector.cli.conformance.failures import Failed, NotApplicable
from inspector.cli.conformance.seen import Seen
from inspector.cli.conformance.stage import Stage, Test, having

V16 = ("1.6",)
OCCUPIED = ("Charging", "SuspendedEV", "SuspendedEVSE")


def case_16(profile: str, title: str, spec: str, *octt: str) -> Callable[[Play], Play]:
    """`case` for OCPP 1.6."""
    return case(profile, title, spec, *octt, versions=V16)


@dataclass(slots=True)
class Transaction:
    """A transaction of a case."""

    number: int
    connector: int
    started: Seen
    stopped: bool = False


def at(connector: int, *statuses: str) -> Test:
    """Return a test for a StatusNotification of a connector with one of some statuses."""
    return lambda payload: payload.get("connectorId") == connector and payload.get("status") in statuses


def in_time(seconds: float) -> str:
    """Return a time from now, as OCPP writes it."""
    return f"{datetime.now(UTC) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S.000Z}"


async def look(stage: Stage) -> None:
    """Ask the charge point for its configuration, which decides what applies to it."""
    answer = await stage.call("GetConfiguration", {})
    for entry in answer.get("configurationKey", []):
        stage.known.settings[entry["key"]] = (entry.get("value"), not entry.get("readonly", False))
    value = stage.known.settings.get("SupportedFeatureProfiles", (None, False))[0] or ""
    stage.known.profiles = {name.strip() for name in value.split(",")} - {""}
    count = stage.known.settings.get("NumberOfConnectors", (None, False))[0]
    if count and count.isdecimal():
        stage.known.connectors = int(count)


def has_profile(stage: Stage, name: str) -> None:
    """End the case as NOT APPLICABLE if the charge point lists its feature profiles, and this one is not among them."""
    profiles = stage.known.profiles
    if profiles and name not in profiles:
        raise NotApplicable(f"SupportedFeatureProfiles has no {name}")


async def set_key(stage: Stage, key: str, value: str, *, needed: bool = True) -> bool:
    """Change a configuration key until the end of the case; return whether it was possible.

    Raises:
        NotApplicable: the key does not exist or cannot be written, and the case needs it.
    """
    old, writable = stage.known.settings.get(key, (None, True))
    if not writable:
        status = "readonly"
    else:
        status = str((await stage.call("ChangeConfiguration", {"key": key, "value": value})).get("status"))
    if status not in ("Accepted", "RebootRequired"):
        if needed:
            raise NotApplicable(f"the key {key} cannot be set to {value} ({status})")
        stage.leave_out(f"the key {key} cannot be set to {value} ({status})")
        return False
    if old is not None:
        stage.afterwards(lambda: stage.call("ChangeConfiguration", {"key": key, "value": old}))
    return True


async def plug_in(stage: Stage, connector: int = 1) -> None:
    """Let the person plug in; the connector becomes Preparing."""
    since = stage.now
    await stage.person_does("plug-in", connector)
    stage.afterwards(lambda: unplug(stage, connector))
    await stage.expect(
        "StatusNotification",
        what="Preparing after the car was plugged in",
        where=at(connector, "Preparing"),
        since=since,
        clause="§4.9",
    )


async def unplug(stage: Stage, connector: int = 1) -> None:
    """Let the person unplug, if a car is plugged in; the connector becomes Available."""
    if connector not in stage.plugged:
        return
    since = stage.now
    await stage.person_does("unplug", connector)
    await stage.expect(
        "StatusNotification",
        what="Available after the car was unplugged",
        where=at(connector, "Available", "Unavailable", "Reserved"),
        since=since,
        clause="§4.9",
    )


async def present(stage: Stage, connector: int = 1) -> None:
    """Let the person present the card."""
    await stage.person_does("present", connector, token=stage.known.token, expect=None)


async def started(stage: Stage, connector: int, since: int, *, clause: str = "§4.8") -> Transaction:
    """Wait for StartTransaction on a connector and for its status; the transaction ends with the case."""
    frame = await stage.expect(
        "StartTransaction", where=lambda p: p.get("connectorId") == connector, since=since, clause=clause
    )
    stage.known.token = stage.known.token or frame.payload.get("idTag")
    await stage.expect(
        "StatusNotification", what="of a connector in use", where=at(connector, *OCCUPIED), since=since, clause="§4.9"
    )
    transaction = Transaction(stage.answer_to(frame)["transactionId"], connector, frame)
    stage.afterwards(lambda: stop(stage, transaction))
    return transaction


async def charging(stage: Stage, connector: int = 1) -> Transaction:
    """Let the person plug in and present the card; return the running transaction."""
    await plug_in(stage, connector)
    since = stage.now
    await present(stage, connector)
    return await started(stage, connector, since)


async def stopped(stage: Stage, transaction: Transaction, since: int, *reasons: str, clause: str = "§4.10") -> Seen:
    """Wait for StopTransaction of a transaction, with one of some reasons (none: any); Local may be left out."""
    frame = await stage.expect(
        "StopTransaction", where=lambda p: p.get("transactionId") == transaction.number, since=since, clause=clause
    )
    transaction.stopped = True
    reason = frame.payload.get("reason", "Local")
    wanted = " or ".join(reasons)
    stage.check(
        not reasons or reason in reasons,
        f"StopTransaction has the reason {reason}; right is {wanted}",
        "§7.36",
        frame.number,
    )
    begin, end = transaction.started.payload.get("meterStart"), frame.payload.get("meterStop")
    if isinstance(begin, int) and isinstance(end, int):
        stage.check(end >= begin, f"meterStop {end} is less than meterStart {begin}", "§4.10", frame.number)
    return frame


async def stop(stage: Stage, transaction: Transaction) -> None:
    """Stop a transaction remotely if it still runs."""
    if transaction.stopped:
        return
    since = stage.now
    answer = await stage.call("RemoteStopTransaction", {"transactionId": transaction.number})
    if answer.get("status") == "Accepted":
        await stopped(stage, transaction, since)
    elif stage.first("StopTransaction", lambda p: p.get("transactionId") == transaction.number) is None:
        raise Failed(f"the transaction {transaction.number} could not be stopped remotely", "§5.12")


async def restarted(stage: Stage, kind: str, since: int, *, clause: str) -> Seen:
    """Wait for the restart after a Reset: disconnected, connected, booted, all connectors reported."""
    await stage.gone(clause=clause, within=stage.limits.reboot)
    await stage.back(clause=clause)
    boot = await stage.expect(
        "BootNotification", what=f"after the {kind} reset", since=since, clause="§4.2", within=stage.limits.reboot
    )
    for connector in range(1, stage.known.connectors + 1):
        await stage.expect(
            "StatusNotification",
            what=f"of connector {connector} after the boot",
            where=having(connectorId=connector),
            since=boot.number,
            clause="§4.9",
        )
    return boot


def profile(number: int, purpose: str, limit: float, **more: Any) -> dict[str, Any]:
    """Return a charging profile with one period without end."""
    period = {"startPeriod": 0, "limit": limit}
    schedule = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [period],
        "duration": 3600,
        "startSchedule": in_time(-60),
    }
    return {
        "chargingProfileId": number,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
        **more,
    }
