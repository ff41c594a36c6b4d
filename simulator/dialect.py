"""What a version must be able to say for a charge point: the list of it, and no word of any version."""

from __future__ import annotations

from abc import abstractmethod

from simulator.connector import Connector, Transaction
from simulator.lifecycle import Lifecycle
from simulator.link import Payload
from simulator.meter import Reading
from simulator.outbox import Build
from simulator.reservations import Reservation
from simulator.tokens import Verdict


class Dialect(Lifecycle):
    """Methods named `say_…` send a CALL; those that return a Build are told in order, through the outbox."""

    @abstractmethod
    async def say_status(self, connector: Connector) -> None:
        """Send StatusNotification."""

    async def say_whole_status(self) -> None:
        """Report the charge point itself, where the version knows that: 1.6 calls it connector 0."""

    @abstractmethod
    async def say_authorize(self, token: str, kind: str) -> Verdict:
        """Send Authorize; return what the CSMS says."""

    @abstractmethod
    async def say_meter_values(self, connector: Connector, reading: Reading, context: str) -> None:
        """Send MeterValues outside a transaction."""

    @abstractmethod
    async def say_security_event(self, kind: str, info: str | None) -> None:
        """Send SecurityEventNotification."""

    @abstractmethod
    async def say_fault(self, connector: Connector, cleared: bool) -> None:
        """Tell more about a fault than the status does, where the version can."""

    @abstractmethod
    async def say_reservation_ended(self, reservation: Reservation, why: str) -> None:
        """Tell that a reservation is Expired or Removed, where the version can."""

    @abstractmethod
    def started(self, connector: Connector, tx: Transaction, reading: Reading, trigger: str) -> Build:
        """Tell that a transaction started."""

    @abstractmethod
    def understood_start(self, tx: Transaction, answer: Payload) -> Verdict:
        """Take in the answer to a start; return what it says of the token."""

    @abstractmethod
    def sampled(self, connector: Connector, tx: Transaction, reading: Reading, context: str) -> Build | None:
        """Tell what the meter shows in a transaction; None where no measurand is asked for."""

    @abstractmethod
    def state_changed(self, connector: Connector, tx: Transaction, reading: Reading) -> Build | None:
        """Tell that charging goes on, pauses or resumes; None where the status says it all."""

    @abstractmethod
    def rate_changed(self, connector: Connector, tx: Transaction, reading: Reading) -> Build | None:
        """Tell that a limit changed the power; None where the version has no word for that."""

    @abstractmethod
    def stopped(self, connector: Connector, tx: Transaction, reading: Reading, reason: str, token: str | None) -> Build:
        """Tell that a transaction ended."""

    @abstractmethod
    def shown_status(self, status: str) -> str:
        """Return the word that StatusNotification has for a status of ours."""
