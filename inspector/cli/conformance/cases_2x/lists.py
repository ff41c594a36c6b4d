"""The local authorization list, and reservations (functional blocks D and H)."""

from __future__ import annotations

from typing import Any

from inspector.cli.conformance.case import case
from inspector.cli.conformance.cases_2x.flows import (
    charging,
    connector_is,
    event,
    has_component,
    in_time,
    number,
    present,
    unplug,
)
from inspector.cli.conformance.stage import Stage


def _entry(token: str) -> dict[str, Any]:
    return {"idToken": {"idToken": token, "type": "ISO14443"}, "idTokenInfo": {"status": "Accepted"}}


async def _send(stage: Stage, version: int, kind: str, *tokens: str, status: str = "Accepted") -> None:
    has_component(stage, "LocalAuthListCtrlr")
    request = {
        "versionNumber": version,
        "updateType": kind,
        "localAuthorizationList": [_entry(token) for token in tokens],
    }
    await stage.ask("SendLocalList", request, status=status, clause="D01.FR.01")


async def _version_is(stage: Stage, version: int) -> None:
    got = (await stage.call("GetLocalListVersion", {})).get("versionNumber")
    stage.check(got == version, f"the version of the list is {got}, not {version}", "D02.FR.01")


@case("local-list", "take a whole local list, and know its version", "D01.FR.01, D02.FR.01", "TC_D_01_CS", "TC_D_08_CS")
async def full_local_list(stage: Stage) -> None:
    await _send(stage, 5, "Full", "LIST0001", "LIST0002")
    await _version_is(stage, 5)


@case("local-list", "take changes to the local list", "D01.FR.05", "TC_D_02_CS")
async def differential_local_list(stage: Stage) -> None:
    await _send(stage, 5, "Full", "LIST0001")
    await _send(stage, 6, "Differential", "LIST0003")
    await _version_is(stage, 6)


@case("local-list", "refuse a change that is older than the list", "D01.FR.19", "TC_D_06_CS")
async def outdated_local_list(stage: Stage) -> None:
    await _send(stage, 9, "Full", "LIST0001")
    await _send(stage, 8, "Differential", "LIST0003", status="VersionMismatch")
    await _version_is(stage, 9)


async def _reserve(stage: Stage, status: str = "Accepted", *, token: str | None = None, seconds: float = 600) -> int:
    has_component(stage, "ReservationCtrlr")
    reservation = number()
    owner = {"idToken": token or stage.known.token or "RESERVE1", "type": stage.known.token_type}
    request = {"id": reservation, "expiryDateTime": in_time(seconds), "idToken": owner, "evseId": 1}
    await stage.ask("ReserveNow", request, status=status, clause="H01.FR.04")
    if status == "Accepted":
        stage.afterwards(lambda: stage.call("CancelReservation", {"reservationId": reservation}))
    return reservation


@case("reservation", "reserve an EVSE, and use it with the card", "H01.FR.04, H03.FR.01", "TC_H_01_CS")
async def use_a_reservation(stage: Stage) -> None:
    stage.need(stage.known.token is not None, "the id of the card is not known yet; name it with --token")
    since = stage.now
    reservation = await _reserve(stage)
    await stage.expect(
        "StatusNotification", what="Reserved", where=connector_is("Reserved"), since=since, clause="H01.FR.23"
    )
    await stage.person_does("plug-in", 1)
    stage.afterwards(lambda: unplug(stage))
    since = stage.now
    await present(stage)
    frame = await stage.expect(
        "TransactionEvent", where=lambda p: p.get("reservationId") == reservation, since=since, clause="H01.FR.15"
    )
    request = {"transactionId": frame.payload["transactionInfo"]["transactionId"]}
    await stage.ask("RequestStopTransaction", request, clause="F03.FR.02")


@case("reservation", "end a reservation when its time is over", "H04.FR.01", "TC_H_07_CS")
async def reservation_expires(stage: Stage) -> None:
    since = stage.now
    reservation = await _reserve(stage, seconds=10)
    await stage.expect(
        "ReservationStatusUpdate",
        what="Expired",
        where=lambda p: p.get("reservationId") == reservation and p.get("reservationUpdateStatus") == "Expired",
        since=since,
        clause="H04.FR.01",
        within=stage.limits.answer + 10,
    )
    await stage.expect(
        "StatusNotification", what="Available", where=connector_is("Available"), since=since, clause="H04.FR.02"
    )


@case("reservation", "answer Occupied when a transaction runs", "H01.FR.11", "TC_H_04_CS")
async def reserve_a_busy_evse(stage: Stage) -> None:
    has_component(stage, "ReservationCtrlr")
    await charging(stage)
    await _reserve(stage, "Occupied")


@case("reservation", "answer Unavailable when the EVSE is", "H01.FR.14", "TC_H_06_CS")
async def reserve_an_unavailable_evse(stage: Stage) -> None:
    has_component(stage, "ReservationCtrlr")
    place = {"evse": {"id": 1}}
    since = stage.now
    await stage.ask("ChangeAvailability", {"operationalStatus": "Inoperative", **place}, clause="G03.FR.01")
    stage.afterwards(lambda: stage.call("ChangeAvailability", {"operationalStatus": "Operative", **place}))
    await stage.expect("StatusNotification", where=connector_is("Unavailable"), since=since, clause="G03.FR.01")
    await _reserve(stage, "Unavailable")


@case("reservation", "do not charge for another card than the reserved one", "H01.FR.15", "TC_H_02_CS")
async def other_card_at_a_reserved_evse(stage: Stage) -> None:
    await _reserve(stage, token="SOMEBODY")
    since = stage.now
    await stage.person_does("plug-in", 1)
    stage.afterwards(lambda: unplug(stage))
    await present(stage)
    charged = event(None, None, chargingState="Charging")
    await stage.never(
        "TransactionEvent", what="Charging at a reserved EVSE", where=charged, since=since, clause="H03.FR.01"
    )


@case("reservation", "cancel a reservation", "H02.FR.02", "TC_H_17_CS")
async def cancel_a_reservation(stage: Stage) -> None:
    since = stage.now
    reservation = await _reserve(stage)
    await stage.expect("StatusNotification", where=connector_is("Reserved"), since=since, clause="H01.FR.23")
    since = stage.now
    await stage.ask("CancelReservation", {"reservationId": reservation}, clause="H02.FR.02")
    await stage.expect(
        "StatusNotification", what="Available", where=connector_is("Available"), since=since, clause="H02.FR.02"
    )


@case("reservation", "reject the cancellation of an unknown reservation", "H02.FR.01", "TC_H_18_CS")
async def cancel_an_unknown_reservation(stage: Stage) -> None:
    has_component(stage, "ReservationCtrlr")
    await stage.ask("CancelReservation", {"reservationId": 987_654}, status="Rejected", clause="H02.FR.01")
