"""What parts of a charge point can do at certain moments of a transaction, such as computing costs."""

from __future__ import annotations

from simulator.charging.connector import Connector, Transaction
from simulator.charging.meter import Reading
from simulator.wire.link import Payload


class Watcher:
    """The station calls these methods; a part overrides those that it needs."""

    def authorized(self, token: str, answer: Payload) -> None:
        """Take the answer to Authorize."""

    def starting(self, connector: Connector, tx: Transaction) -> None:
        """A transaction starts; its first message is not written yet."""

    def measured(self, connector: Connector, tx: Transaction, reading: Reading) -> None:
        """The meter was read, while the status is still the old one."""

    def answered(self, connector: Connector, tx: Transaction, answer: Payload) -> None:
        """The CSMS has answered a message of the transaction."""

    def seconds_left(self, connector: Connector, tx: Transaction) -> float:
        """Return the simulated seconds after which `check` must be called."""
        return float("inf")

    async def check(self, connector: Connector, tx: Transaction) -> None:
        """Do the work that is due."""

    def ended(self, connector: Connector, tx: Transaction) -> None:
        """The transaction has ended; its last message is queued."""
