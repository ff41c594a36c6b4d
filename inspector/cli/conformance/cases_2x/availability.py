"""Availability and faults (functional block G)."""

from __future__ import annotations

from typing import Any

from inspector.cli.conformance.case import case
from inspector.cli.conformance.cases_2x.flows import charging, connector_is, ended, restarted
from inspector.cli.conformance.stage import Stage

EVSE = {"evse": {"id": 1}}
CONNECTOR = {"evse": {"id": 1, "connectorId": 1}}


async def _becomes(stage: Stage, state: str, shown: str, place: dict[str, Any], clause: str) -> None:
    since = stage.now
    await stage.ask("ChangeAvailability", {"operationalStatus": state, **place}, clause=clause)
    await stage.expect("StatusNotification", what=shown, where=connector_is(shown), since=since, clause=clause)


async def _back(stage: Stage, place: dict[str, Any]) -> None:
    await stage.call("ChangeAvailability", {"operationalStatus": "Operative", **place})


@case("core", "make an EVSE unavailable, and available again", "G03.FR.01", "TC_G_03_CS", "TC_G_04_CS")
async def evse_availability(stage: Stage) -> None:
    stage.afterwards(lambda: _back(stage, EVSE))
    await _becomes(stage, "Inoperative", "Unavailable", EVSE, "G03.FR.01")
    await _becomes(stage, "Operative", "Available", EVSE, "G03.FR.01")


@case("core", "make a connector unavailable, and available again", "G03.FR.01", "TC_G_07_CS", "TC_G_08_CS")
async def connector_availability(stage: Stage) -> None:
    stage.afterwards(lambda: _back(stage, CONNECTOR))
    await _becomes(stage, "Inoperative", "Unavailable", CONNECTOR, "G03.FR.01")
    await _becomes(stage, "Operative", "Available", CONNECTOR, "G03.FR.01")


@case("core", "make the charging station unavailable, and available again", "G04.FR.01", "TC_G_05_CS", "TC_G_06_CS")
async def station_availability(stage: Stage) -> None:
    stage.afterwards(lambda: _back(stage, {}))
    await _becomes(stage, "Inoperative", "Unavailable", {}, "G04.FR.01")
    await _becomes(stage, "Operative", "Available", {}, "G04.FR.01")


@case("core", "accept a state that it is in already", "G03.FR.02, G04.FR.02", "TC_G_09_CS")
async def same_availability(stage: Stage) -> None:
    await stage.ask("ChangeAvailability", {"operationalStatus": "Operative", **EVSE}, clause="G03.FR.02")


@case(
    "core", "schedule unavailability while charging, and carry it out after the transaction", "G03.FR.05", "TC_G_11_CS"
)
async def unavailable_after_charging(stage: Stage) -> None:
    transaction = await charging(stage)
    since = stage.now
    request = {"operationalStatus": "Inoperative", **EVSE}
    await stage.ask("ChangeAvailability", request, status="Scheduled", clause="G03.FR.05")
    stage.afterwards(lambda: _back(stage, EVSE))
    await stage.ask("RequestStopTransaction", {"transactionId": transaction.id}, clause="F03.FR.02")
    await stage.person_does("unplug", 1)
    await ended(stage, transaction, since)
    await stage.expect(
        "StatusNotification", what="Unavailable", where=connector_is("Unavailable"), since=since, clause="G03.FR.05"
    )


@case("core", "stay unavailable after a restart", "G03.FR.08", "TC_G_18_CS")
async def unavailable_after_restart(stage: Stage) -> None:
    stage.afterwards(lambda: _back(stage, EVSE))
    await _becomes(stage, "Inoperative", "Unavailable", EVSE, "G03.FR.01")
    since = stage.now
    await stage.ask("Reset", {"type": "Immediate"}, clause="B11.FR.01")
    boot = await restarted(stage, since, clause="B11.FR.01")
    shown = stage.first("StatusNotification", lambda p: p.get("evseId") == 1, boot.number)
    assert shown is not None
    status = shown.payload.get("connectorStatus")
    stage.check(
        status == "Unavailable", f"EVSE 1 is {status} after the restart, not Unavailable", "G03.FR.08", shown.number
    )


@case("core", "report a fault and its end", "G05.FR.01", "TC_G_20_CS")
async def fault(stage: Stage) -> None:
    since = stage.now
    await stage.person_does("fault", 1)
    stage.afterwards(lambda: stage.person_does("clear-fault", 1))
    frame = await stage.expect(
        "StatusNotification", what="Faulted", where=connector_is("Faulted"), since=since, clause="G01.FR.01"
    )
    await stage.person_does("clear-fault", 1)
    await stage.expect(
        "StatusNotification", what="Available", where=connector_is("Available"), since=frame.number, clause="G01.FR.01"
    )
