"""What several cases of OCPP 2.x do: charge, set a variable, ask for a report, restart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from inspector.cli.conformance.failures import Failed, NotApplicable
from inspector.cli.conformance.seen import Seen
from inspector.cli.conformance.stage import Stage, Test, having

_NUMBERS = count(9001)


def number() -> int:
    """Return a request id that was not used before."""
    return next(_NUMBERS)


def in_time(seconds: float) -> str:
    """Return a time from now, as OCPP writes it."""
    return f"{datetime.now(UTC) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S.000Z}"


@dataclass(slots=True)
class Transaction:
    """A transaction of a case."""

    id: str
    evse: int
    started: Seen
    ended: bool = False


def connector_is(status: str, evse: int = 1) -> Test:
    """Return a test for a StatusNotification of an EVSE."""
    return lambda payload: payload.get("evseId") == evse and payload.get("connectorStatus") == status


def event(kind: str | None = None, transaction: str | None = None, **info: Any) -> Test:
    """Return a test for a TransactionEvent: its type, its transaction, and members of its transactionInfo."""

    def test(payload: dict[str, Any]) -> bool:
        told = payload.get("transactionInfo") or {}
        return (
            kind in (None, payload.get("eventType"))
            and transaction in (None, told.get("transactionId"))
            and all(told.get(name) == value for name, value in info.items())
        )

    return test


async def report(
    stage: Stage, action: str, request: dict[str, Any], answers_with: str, member: str
) -> list[dict[str, Any]]:
    """Ask for a report, and return the entries of all its parts."""
    request_id = number()
    since = stage.now
    await stage.ask(action, {"requestId": request_id, **request}, clause="B07, B08")
    entries: list[dict[str, Any]] = []
    while True:
        part = await stage.expect(
            answers_with,
            what=f"with requestId {request_id}",
            where=lambda p: p.get("requestId") == request_id,
            since=since,
            clause="B07.FR.09",
        )
        entries += part.payload.get(member) or []
        if not part.payload.get("tbc", False):
            return entries
        since = part.number + 1


async def look(stage: Stage) -> None:
    """Ask the charge point for its device model, which decides what applies to it."""
    entries = await report(stage, "GetBaseReport", {"reportBase": "FullInventory"}, "NotifyReport", "reportData")
    evses = set()
    for entry in entries:
        component, variable = entry["component"], entry["variable"]
        evse = (component.get("evse") or {}).get("id")
        if evse:
            evses.add(evse)
            continue
        attribute = (entry.get("variableAttribute") or [{}])[0]
        writable = attribute.get("mutability", "ReadWrite") != "ReadOnly"
        stage.known.settings.setdefault(f"{component['name']}.{variable['name']}", (attribute.get("value"), writable))
    stage.known.connectors = max(len(evses), 1)


def has_component(stage: Stage, name: str) -> None:
    """End the case as NOT APPLICABLE if the device model is known and lacks a component."""
    settings = stage.known.settings
    if settings and not any(known.startswith(f"{name}.") for known in settings):
        raise NotApplicable(f"the device model has no {name}")


async def set_variable(stage: Stage, component: str, variable: str, value: str, *, needed: bool = True) -> bool:
    """Set a variable until the end of the case; return whether it was possible.

    Raises:
        NotApplicable: the variable does not exist or cannot be set, and the case needs it.
    """
    old, writable = stage.known.settings.get(f"{component}.{variable}", (None, True))
    status = await _set(stage, component, variable, value) if writable else "read-only"
    if status not in ("Accepted", "RebootRequired"):
        why = f"{component}.{variable} cannot be set to {value} ({status})"
        if needed:
            raise NotApplicable(why)
        stage.leave_out(why)
        return False
    if old is not None:
        stage.afterwards(lambda: _set(stage, component, variable, old))
    return True


async def _set(stage: Stage, component: str, variable: str, value: str) -> str:
    entry = {"component": {"name": component}, "variable": {"name": variable}, "attributeValue": value}
    answer = await stage.call("SetVariables", {"setVariableData": [entry]})
    results = answer.get("setVariableResult") or [{}]
    return str(results[0].get("attributeStatus"))


async def plug_in(stage: Stage, evse: int = 1) -> None:
    """Let the person plug in; the connector becomes Occupied."""
    since = stage.now
    await stage.person_does("plug-in", evse)
    stage.afterwards(lambda: unplug(stage, evse))
    await stage.expect(
        "StatusNotification", what="Occupied", where=connector_is("Occupied", evse), since=since, clause="G01.FR.01"
    )


async def unplug(stage: Stage, evse: int = 1) -> None:
    """Let the person unplug, if a car is plugged in; the connector is no longer Occupied."""
    if evse not in stage.plugged:
        return
    since = stage.now
    shown = [one.payload for one in stage.frames.seen if one.action == "StatusNotification" and one.kind == 2]
    occupied = next((p.get("connectorStatus") == "Occupied" for p in reversed(shown) if p.get("evseId") == evse), True)
    await stage.person_does("unplug", evse)
    if not occupied:
        return  # such as Reserved or Unavailable, which the cable does not change
    await stage.expect(
        "StatusNotification",
        what="after the car was unplugged",
        where=lambda p: p.get("evseId") == evse and p.get("connectorStatus") != "Occupied",
        since=since,
        clause="G01.FR.01",
    )


async def present(stage: Stage, evse: int = 1) -> None:
    """Let the person present the card."""
    await stage.person_does("present", evse, token=stage.known.token, expect=None)


async def started(stage: Stage, since: int, evse: int = 1, *, clause: str = "E02.FR.01") -> Transaction:
    """Wait for a transaction and for the energy to flow; the transaction ends with the case."""
    frame = await stage.expect("TransactionEvent", what="Started", where=event("Started"), since=since, clause=clause)
    transaction = Transaction(str(frame.payload["transactionInfo"]["transactionId"]), evse, frame)
    stage.afterwards(lambda: stop(stage, transaction))
    await stage.expect(
        "TransactionEvent",
        what="with the chargingState Charging or Suspended",
        where=lambda p: (
            event(None, transaction.id)(p)
            and str(p["transactionInfo"].get("chargingState")).startswith(("Charging", "Suspended"))
        ),
        since=frame.number,
        clause="E02.FR.05",
    )
    stage.known.token = stage.known.token or _token(stage, since)
    return transaction


def _token(stage: Stage, since: int) -> str | None:
    for one in stage.frames.seen[since:]:
        token = one.payload.get("idToken") if isinstance(one.payload, dict) and one.from_charge_point else None
        if isinstance(token, dict) and token.get("idToken") and token.get("type") != "NoAuthorization":
            stage.known.token_type = str(token.get("type"))
            return str(token["idToken"])
    return None


async def charging(stage: Stage, evse: int = 1) -> Transaction:
    """Let the person plug in and present the card; return the running transaction."""
    since = stage.now
    await plug_in(stage, evse)
    await present(stage, evse)
    return await started(stage, since, evse)


async def ended(stage: Stage, transaction: Transaction, since: int, *reasons: str, clause: str = "E06.FR.01") -> Seen:
    """Wait for the end of a transaction, with one of some stoppedReasons (none: any); Local may be left out."""
    frame = await stage.expect(
        "TransactionEvent", what="Ended", where=event("Ended", transaction.id), since=since, clause=clause
    )
    transaction.ended = True
    reason = frame.payload["transactionInfo"].get("stoppedReason", "Local")
    wanted = " or ".join(reasons)
    stage.check(not reasons or reason in reasons, f"stoppedReason is {reason}; right is {wanted}", clause, frame.number)
    return frame


async def stop(stage: Stage, transaction: Transaction) -> None:
    """Stop a transaction remotely if it still runs; unplugging may be what ends it."""
    if transaction.ended or stage.first("TransactionEvent", event("Ended", transaction.id)):
        return
    since = stage.now
    answer = await stage.call("RequestStopTransaction", {"transactionId": transaction.id})
    if answer.get("status") != "Accepted":
        raise Failed(f"the transaction {transaction.id} could not be stopped remotely", "F03.FR.02")
    if transaction.evse in stage.plugged:
        await unplug(stage, transaction.evse)
    await ended(stage, transaction, since)


async def restarted(stage: Stage, since: int, *, clause: str) -> Seen:
    """Wait for the restart after a Reset: disconnected, connected, booted, all connectors reported."""
    await stage.gone(clause=clause, within=stage.limits.reboot)
    await stage.back(clause=clause)
    boot = await stage.expect(
        "BootNotification", what="after the reset", since=since, clause="B01.FR.01", within=stage.limits.reboot
    )
    for evse in range(1, stage.known.connectors + 1):
        await stage.expect(
            "StatusNotification",
            what=f"of EVSE {evse} after the boot",
            where=having(evseId=evse),
            since=boot.number,
            clause="B01.FR.05",
        )
    return boot
