"""Who may send which action, told from the answers the versions hold and the schemas there are; sends nothing."""

from __future__ import annotations

from functools import cache

from csms import schemas
from csms.connection import Connection
from csms.schemas import Version
from csms.v16 import ChargePoint16
from csms.v21 import ChargePoint21
from csms.v201 import ChargePoint201

CHARGE_POINTS: dict[Version, type[Connection]] = {
    "1.6": ChargePoint16,
    "2.0.1": ChargePoint201,
    "2.1": ChargePoint21,
}
FROM_BOTH = frozenset({"DataTransfer"})


@cache
def from_charge_point(version: Version) -> frozenset[str]:
    """Return the actions that a charge point may send: those the CSMS has an answer to."""
    members = (getattr(CHARGE_POINTS[version], name) for name in dir(CHARGE_POINTS[version]))
    return frozenset(str(member._on_action) for member in members if hasattr(member, "_on_action"))


@cache
def from_csms(version: Version) -> frozenset[str]:
    """Return the actions that a CSMS may send."""
    return schemas.actions(version) - from_charge_point(version) | FROM_BOTH
