"""Find the charging profiles and schedules in the payloads of SetChargingProfile and remote starts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member


class Found(NamedTuple):
    """A charging profile of a CALL, its JSON pointer, and the connector or EVSE that it is for."""

    profile: dict[str, Any]
    pointer: str
    place: int | None  # connector or EVSE


def profiles_of(frame: Frame) -> Iterator[Found]:
    """Return the charging profiles in a SetChargingProfile or remote start CALL."""
    return profiles_in(frame.payload)


def profiles_in(payload: dict[str, Any]) -> Iterator[Found]:
    """Yield the charging profiles in the payload of a SetChargingProfile or remote start CALL."""
    place = integer(payload, "evseId")
    if place is None:
        place = integer(payload, "connectorId")
    for name in ("csChargingProfiles", "chargingProfile"):
        if profile := member(payload, name):
            yield Found(profile, f"/3/{name}", place)


def schedules_of(found: Found) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield (JSON pointer, periods) for each schedule of a profile."""
    one = member(found.profile, "chargingSchedule")
    if one:
        yield f"{found.pointer}/chargingSchedule/chargingSchedulePeriod", elements(one, "chargingSchedulePeriod")
    for index, schedule in enumerate(elements(found.profile, "chargingSchedule")):
        pointer = f"{found.pointer}/chargingSchedule/{index}/chargingSchedulePeriod"
        yield pointer, elements(schedule, "chargingSchedulePeriod")
