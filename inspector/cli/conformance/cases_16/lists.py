"""The local authorization list, and reservations."""

from __future__ import annotations

from inspector.cli.conformance.cases_16.flows import (
    at,
    case_16,
    charging,
    has_profile,
    in_time,
    plug_in,
    present,
    started,
)
from inspector.cli.conformance.stage import Stage

LIST = "LocalAuthListManagement"
RESERVED = 4201


def _entry(tag: str, status: str = "Accepted") -> dict[str, object]:
    return {"idTag": tag, "idTagInfo": {"status": status}}


async def _send(stage: Stage, version: int, kind: str, *tags: str, status: str = "Accepted") -> None:
    request = {"listVersion": version, "updateType": kind, "localAuthorizationList": [_entry(tag) for tag in tags]}
    await stage.ask("SendLocalList", request, status=status, clause="§5.15")


async def _version(stage: Stage) -> int:
    return int((await stage.call("GetLocalListVersion", {})).get("listVersion", -2))


@case_16("local-list", "take a whole local list, and know its version", "§5.15, §5.10", "TC_043_CS")
async def full_local_list(stage: Stage) -> None:
    has_profile(stage, LIST)
    await _send(stage, 5, "Full", "LIST0001", "LIST0002")
    version = await _version(stage)
    stage.check(version == 5, f"the list version is {version} after a list with version 5", "§5.10")


@case_16("local-list", "take changes to the local list", "§5.15", "TC_043_CS")
async def differential_local_list(stage: Stage) -> None:
    has_profile(stage, LIST)
    await _send(stage, 5, "Full", "LIST0001")
    await _send(stage, 6, "Differential", "LIST0003")
    version = await _version(stage)
    stage.check(version == 6, f"the list version is {version} after a change with version 6", "§5.10")


@case_16("local-list", "refuse a change that is older than the list", "§5.15", "TC_043_2_CS")
async def outdated_local_list(stage: Stage) -> None:
    has_profile(stage, LIST)
    await _send(stage, 9, "Full", "LIST0001")
    await _send(stage, 8, "Differential", "LIST0003", status="VersionMismatch")
    version = await _version(stage)
    stage.check(version == 9, f"the list version is {version} though the change was refused", "§5.10")


async def _reserve(stage: Stage, status: str = "Accepted", *, tag: str | None = None, seconds: float = 600) -> str:
    """Reserve connector 1 and return for which card."""
    has_profile(stage, "Reservation")
    tag = tag or stage.known.token or "RESERVE1"
    request = {"connectorId": 1, "expiryDate": in_time(seconds), "idTag": tag, "reservationId": RESERVED}
    await stage.ask("ReserveNow", request, status=status, clause="§5.13")
    if status == "Accepted":
        stage.afterwards(lambda: stage.call("CancelReservation", {"reservationId": RESERVED}))
    return tag


@case_16(
    "reservation", "reserve a connector, and start the transaction for which it is reserved", "§5.13", "TC_046_1_CS"
)
async def use_a_reservation(stage: Stage) -> None:
    stage.need(stage.known.token is not None, "the id of the card is not known yet; name it with --token")
    since = stage.now
    await _reserve(stage)
    await stage.expect("StatusNotification", what="Reserved", where=at(1, "Reserved"), since=since, clause="§4.9")
    await stage.person_does("plug-in", 1)
    since = stage.now
    await present(stage)
    transaction = await started(stage, 1, since)
    number = transaction.started.payload.get("reservationId")
    stage.check(
        number == RESERVED,
        f"StartTransaction has the reservationId {number}, not {RESERVED}",
        "§5.13",
        transaction.started.number,
    )
    stage.afterwards(lambda: stage.person_does("unplug", 1))


@case_16("reservation", "end a reservation when its time is over", "§5.13", "TC_047_CS")
async def reservation_expires(stage: Stage) -> None:
    since = stage.now
    await _reserve(stage, seconds=10)
    await stage.expect("StatusNotification", what="Reserved", where=at(1, "Reserved"), since=since, clause="§4.9")
    reserved = stage.now
    await stage.expect(
        "StatusNotification",
        what="Available",
        where=at(1, "Available"),
        since=reserved,
        clause="§5.13",
        within=stage.limits.answer + 10,
    )


@case_16("reservation", "answer Occupied when a transaction runs", "§5.13", "TC_048_2_CS")
async def reserve_a_busy_connector(stage: Stage) -> None:
    has_profile(stage, "Reservation")
    await charging(stage)
    await _reserve(stage, "Occupied")


@case_16("reservation", "answer Unavailable when the connector is", "§5.13", "TC_048_3_CS")
async def reserve_an_unavailable_connector(stage: Stage) -> None:
    has_profile(stage, "Reservation")
    since = stage.now
    await stage.ask("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"}, clause="§5.2")
    stage.afterwards(lambda: stage.call("ChangeAvailability", {"connectorId": 1, "type": "Operative"}))
    await stage.expect("StatusNotification", where=at(1, "Unavailable"), since=since, clause="§5.2")
    await _reserve(stage, "Unavailable")


@case_16("reservation", "do not charge for another card than the reserved one", "§5.13")
async def other_card_at_a_reserved_connector(stage: Stage) -> None:
    has_profile(stage, "Reservation")
    await _reserve(stage, tag="SOMEBODY")
    since = stage.now
    await stage.person_does("plug-in", 1)
    stage.afterwards(lambda: stage.person_does("unplug", 1))
    await present(stage)
    await stage.never("StartTransaction", what="at a connector reserved for another card", since=since, clause="§5.13")


@case_16("reservation", "cancel a reservation", "§5.1", "TC_051_CS")
async def cancel_a_reservation(stage: Stage) -> None:
    since = stage.now
    await _reserve(stage)
    await stage.expect("StatusNotification", where=at(1, "Reserved"), since=since, clause="§4.9")
    since = stage.now
    await stage.ask("CancelReservation", {"reservationId": RESERVED}, clause="§5.1")
    await stage.expect("StatusNotification", what="Available", where=at(1, "Available"), since=since, clause="§5.1")


@case_16("reservation", "reject the cancellation of an unknown reservation", "§5.1", "TC_052_CS")
async def cancel_an_unknown_reservation(stage: Stage) -> None:
    has_profile(stage, "Reservation")
    await stage.ask("CancelReservation", {"reservationId": 987_654}, status="Rejected", clause="§5.1")


__all__ = ["plug_in"]
