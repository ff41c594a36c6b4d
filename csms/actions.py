"""The actions that a charge point and a CSMS may send, according to the handlers and the schemas."""

from __future__ import annotations

from functools import cache

from csms import schemas
from csms.schemas import Version
from csms.wire.connection import Connection

FROM_BOTH = frozenset({"DataTransfer"})


@cache
def charge_point_of(version: Version) -> type[Connection]:
    """Return the connection class of a version.

    Its module is imported when the first charge point of the version connects: importing ocpp's dataclasses of all
    three versions would double the start time of the CSMS.
    """
    if version == "1.6":
        from csms.v16 import ChargePoint16

        return ChargePoint16
    if version == "2.0.1":
        from csms.v201 import ChargePoint201

        return ChargePoint201
    from csms.v21 import ChargePoint21

    return ChargePoint21


@cache
def from_charge_point(version: Version) -> frozenset[str]:
    """Return the actions that a charge point may send: those with a handler."""
    kind = charge_point_of(version)
    members = (getattr(kind, name) for name in dir(kind))
    return frozenset(str(member._on_action) for member in members if hasattr(member, "_on_action"))


@cache
def from_csms(version: Version) -> frozenset[str]:
    """Return the actions that a CSMS may send."""
    return schemas.actions(version) - from_charge_point(version) | FROM_BOTH
