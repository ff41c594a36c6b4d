"""Reservations of connectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from simulator.charging.tokens import same


@dataclass(frozen=True, slots=True)
class Reservation:
    """A connector reserved for a token, or for its group, until it expires."""

    id: int
    connector: int
    token: str
    group: str | None
    expires: datetime


@dataclass(slots=True)
class ReservationBook:
    """The reservations by id."""

    held: dict[int, Reservation] = field(default_factory=dict)

    def of(self, connector: int) -> Reservation | None:
        """Return the reservation on a connector."""
        return next((held for held in self.held.values() if held.connector == connector), None)

    def admits(self, connector: int, token: str, group: str | None) -> bool:
        """Return whether a token may use a connector."""
        held = self.of(connector)
        if held is None or same(held.token, token):
            return True
        return group is not None and held.group is not None and same(held.group, group)
