"""One connector with its transaction, and the allowed changes of its status.

The statuses are those of OCPP 1.6, which has more of them; 2.x reports them as connector status and charging state.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import Any

from simulator.charging.bill import Bill
from simulator.charging.meter import Meter, Reading
from simulator.charging.tokens import Verdict
from simulator.charging.vehicle import Vehicle

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
"""Status -> the statuses that may follow it (OCPP 1.6 edition 2, 4.9)."""

PLUGGED = frozenset({"Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"})

ACCEPTED = Verdict("Accepted")
MOST_READINGS = 60


class ImpossibleStatus(Exception):
    """A status change that the specification forbids."""

    def __init__(self, connector: int, before: str, after: str) -> None:
        self.connector, self.before, self.after = connector, before, after
        super().__init__(connector, before, after)

    def __str__(self) -> str:
        return f"connector {self.connector} cannot go from {self.before} to {self.after} (OCPP 1.6, 4.9)"


@dataclass(frozen=True, slots=True)
class PendingStart:
    """An authorized token that waits for the cable to be plugged in."""

    token: str
    kind: str
    trigger: str
    remote_start_id: int | None = None


@dataclass(slots=True)
class Transaction:
    """One transaction.

    Attributes:
        id: chosen by the charge point, never repeated; the transactionId of 2.x.
        number: the transactionId of 1.6, chosen by the CSMS; None until StartTransaction is answered.
        seq_no: the seqNo of the next TransactionEvent (2.x).
        evse_told: whether an event has already named the EVSE (2.x).
        verdict: the status of the token in the answer to the start.
        meter_start: the energy register at the start, in Wh.
        once: members of transactionInfo for the next TransactionEvent (2.x).
        tariff_id, bill: the tariff and the costs by it (2.1).
        central_cost: the latest cost that the CSMS sent (2.1).
        limits: the transactionLimit that is in force (2.1).
        paused: whether it has reached one of them.
        priority: whether priority charging is active (2.1).
        readings: the readings that StopTransaction may repeat (1.6), as (timestamp, reading, context).
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
    once: dict[str, Any] = field(default_factory=dict)
    tariff_id: str | None = None
    bill: Bill | None = None
    central_cost: float | None = None
    limits: dict[str, float] = field(default_factory=dict)
    paused: bool = False
    priority: bool = False
    readings: list[tuple[str, Reading, str]] = field(default_factory=list)

    def noted(self, stamp: str, reading: Reading, context: str) -> None:
        """Keep a reading for StopTransaction. Above `MOST_READINGS` only the first and the newest ones remain."""
        self.readings.append((stamp, reading, context))
        if len(self.readings) > MOST_READINGS:
            del self.readings[1]


@dataclass(slots=True)
class Connector:
    """One connector with its meter; in 2.x an EVSE with one connector."""

    number: int
    status: str = "Available"
    error_code: str = "NoError"
    meter: Meter = field(default_factory=Meter)
    vehicle: Vehicle | None = None
    transaction: Transaction | None = None
    operative: bool = True
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    """A lock for the start and the end of a transaction, so that no other task starts or ends one meanwhile."""

    @property
    def plugged(self) -> bool:
        return self.vehicle is not None

    def becomes(self, status: str) -> bool:
        """Change the status, and return whether it is different from the old one.

        Raises:
            ImpossibleStatus: `MATRIX` forbids the change.
        """
        if status == self.status:
            return False
        if status not in MATRIX[self.status]:
            raise ImpossibleStatus(self.number, self.status, status)
        self.status = status
        return True
