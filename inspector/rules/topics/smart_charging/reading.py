"""Find the charging profiles and schedules in the payloads of SetChargingProfile and remote starts; judges nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member


class Found(NamedTuple):
    """A profile of a CALL, with where it stands and where it is to hold."""

    profile: dict[str, Any]
    pointer: str
    place: int | None  # connector or EVSE


def profiles_of(frame: Frame) -> Iterator[Found]:
    """Return the charging profiles that a CALL brings."""
    return profiles_in(frame.payload)


def profiles_in(payload: dict[str, Any]) -> Iterator[Found]:
    """The profiles of a SetChargingProfile or remote start CALL."""
    place = integer(payload, "evseId")
    if place is None:
        place = integer(payload, "connectorId")
    for name in ("csChargingProfiles", "chargingProfile"):
        if profile := member(payload, name):
            yield Found(profile, f"/3/{name}", place)


def schedules_of(found: Found) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The periods of each schedule of a profile, with the pointer to them."""
    one = member(found.profile, "chargingSchedule")
    if one:
        yield f"{found.pointer}/chargingSchedule/chargingSchedulePeriod", elements(one, "chargingSchedulePeriod")
    for index, schedule in enumerate(elements(found.profile, "chargingSchedule")):
        pointer = f"{found.pointer}/chargingSchedule/{index}/chargingSchedulePeriod"
        yield pointer, elements(schedule, "chargingSchedulePeriod")
