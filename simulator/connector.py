"""One connector and the transaction on it: knows which status may follow which; sends nothing.

Statuses are those of OCPP 1.6, the finer ones; 2.x shows them as AvailabilityState and ChargingState.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field

from simulator.meter import Meter, Reading
from simulator.tokens import Verdict
from simulator.vehicle import Vehicle

ALL = frozenset("Available Preparing Charging SuspendedEV SuspendedEVSE Finishing Reserved Unavailable Faulted".split())

MATRIX: dict[str, frozenset[str]] = {
    "Available": ALL - {"Finishing"},
    "Preparing": frozenset({"Available", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Faulted"}),
    "Charging": frozenset({"Available", "SuspendedEV", "SuspendedEVSE", "Finishing", "Unavailable", "Faulted"}),
    "SuspendedEV": frozenset({"Available", "Charging", "SuspendedEVSE", "Finishing", "Unavailable", "Faulted"}),
    "SuspendedEVSE": frozenset({"Available", "Charging", "SuspendedEV", "Finishing", "Unavailable", "Faulted"}),
    "Finishing": frozenset({"Available", "Preparing", "Unavailable", "Faulted"}),
    "Reserved": frozenset({"Available", "Preparing", "Unavailable", "Faulted"}),
    "Unavailable": frozenset({"Available", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Faulted"}),
    "Faulted": ALL,
}
"""Which status may follow which (OCPP 1.6 edition 2, 4.9)."""

PLUGGED = frozenset({"Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"})


ACCEPTED = Verdict("Accepted")
MOST_READINGS = 60


class ImpossibleStatus(Exception):
    """A scenario asked for a status change that a real charge point cannot make."""

    def __init__(self, connector: int, before: str, after: str) -> None:
        self.connector, self.before, self.after = connector, before, after
        super().__init__(connector, before, after)

    def __str__(self) -> str:
        return f"connector {self.connector} cannot go from {self.before} to {self.after} (OCPP 1.6, 4.9)"


@dataclass(slots=True)
class Transaction:
    """One charging transaction as the charge point knows it.

    Attributes:
        id: ours, unique for ever; 2.x sends it as transactionId.
        number: the CSMS's, 1.6 only; None until StartTransaction is answered.
        seq_no: of the next TransactionEvent, 2.x only.
        verdict: what the answer to the start said of the token.
        meter_start: register at the start, Wh.
        readings: (timestamp, reading, context) of what 1.6 may tell again at the end.
    """

    id_token: str
    token_type: str
    meter_start: int
    started: str
    started_at: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    number: int | None = None
    seq_no: int = 0
    remote_start_id: int | None = None
    reservation_id: int | None = None
    evse_told: bool = False
    ended: bool = False
    verdict: Verdict = ACCEPTED
    readings: list[tuple[str, Reading, str]] = field(default_factory=list)

    def noted(self, stamp: str, reading: Reading, context: str) -> None:
        """Keep a reading for the end; of very many, the first and the last ones."""
        self.readings.append((stamp, reading, context))
        if len(self.readings) > MOST_READINGS:
            del self.readings[1]


@dataclass(slots=True)
class Connector:
    """One outlet with its meter; on a 2.x charging station an EVSE with one connector."""

    number: int
    status: str = "Available"
    error_code: str = "NoError"
    meter: Meter = field(default_factory=Meter)
    vehicle: Vehicle | None = None
    transaction: Transaction | None = None
    operative: bool = True
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a transaction begins or ends: what people and the CSMS do meanwhile comes after."""

    @property
    def plugged(self) -> bool:
        return self.vehicle is not None

    def becomes(self, status: str) -> bool:
        """Change the status; returns False where it is the same already.

        Raises:
            ImpossibleStatus: the matrix forbids the change.
        """
        if status == self.status:
            return False
        if status not in MATRIX[self.status]:
            raise ImpossibleStatus(self.number, self.status, status)
        self.status = status
        return True
