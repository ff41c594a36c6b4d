"""The connectors of a charge point: their status, their power limits and their meters."""

from __future__ import annotations

from collections.abc import Callable

from simulator.certificates import CertificateStore
from simulator.charging.authorization import Authorization
from simulator.charging.connector import Connector, PendingStart
from simulator.charging.meter import Reading
from simulator.charging.profiles import ProfileBook
from simulator.charging.reservations import ReservationBook
from simulator.charging.tokens import Verdict
from simulator.charging.vehicle import Vehicle
from simulator.charging.watcher import Watcher
from simulator.dialect import Dialect
from simulator.lifecycle import Lifecycle
from simulator.wire.connection import Identity
from simulator.wire.link import Message

AC_OUTLET_W = 7_400.0
DC_OUTLET_W = 50_000.0


class Equipment(Lifecycle):
    """A charge point without people and transactions; `Station` adds them.

    Args:
        identity: the options of the charge point.
        dialect: the class that writes the messages of its OCPP version.
        log: gets one line for each event.
    """

    def __init__(self, identity: Identity, dialect: type[Dialect], log: Callable[[str], None]) -> None:
        super().__init__(dialect.version, identity, log)
        self.certificates = CertificateStore(identity.id)
        self.dialect = dialect(identity, self.settings, self.certificates)
        self.authorization = Authorization(self.settings, self.online.is_set, self._ask, log)
        self.tokens = self.authorization.tokens
        self.settings.by_key["NumberOfConnectors"].value = str(identity.connectors)
        self.connectors = {number: Connector(number) for number in range(1, identity.connectors + 1)}
        self.profiles = ProfileBook()
        self.reservations = ReservationBook()
        self.outlet_w = DC_OUTLET_W if identity.direct_current else AC_OUTLET_W
        self.energy_wh = 0
        self.transactions = 0
        self.pending_starts: dict[int, PendingStart] = {}
        self._shown: dict[int, str] = {}
        self._metered: dict[int, tuple[float, float]] = {}
        self.driver = False
        """Whether a simulated driver plugs in after a remote start, and unplugs after a remote stop."""
        self.firmware_fault: str | None = None
        """The status with which the next firmware update fails, one of `maintenance.FIRMWARE_FAULTS`."""
        self.watchers: list[Watcher] = []
        """The parts of 2.1 that follow transactions."""
        self.parts: list[object] = []
        """The parts that only some versions have; see `part`."""
        self.reset_when_idle: str | None = None
        """The boot reason of a reset that waits for the last transaction to end."""

    def part[Part](self, kind: type[Part]) -> Part | None:
        """Return the part of a class; None if this charge point has none."""
        return next((each for each in self.parts if isinstance(each, kind)), None)

    def boot_message(self, reason: str) -> Message:
        return self.dialect.boot(reason, self.firmware)

    async def _ask(self, token: str, kind: str) -> Verdict:
        """Ask the CSMS about a token."""
        answer = await self.call(*self.dialect.authorize(token, kind))
        for watcher in self.watchers:
            watcher.authorized(token, answer)
        return self.dialect.authorized(answer)

    # --- status --------------------------------------------------------------------------------------------------

    async def report_all(self) -> None:
        await self.report_whole()
        for connector in self.connectors.values():
            if connector.transaction is None and connector.status != "Faulted":
                # After a reboot the status depends only on the cable.
                occupied = connector.plugged and connector.operative
                connector.status = "Preparing" if occupied else self.resting(connector)
            await self.report(connector, always=True)

    async def report_whole(self) -> None:
        """Report the status of the charge point itself, if the version has one."""
        operative = any(connector.operative for connector in self.connectors.values())
        await self.send(self.dialect.whole_status(operative))

    async def report_changes(self) -> None:
        for connector in self.connectors.values():
            await self.report(connector)

    async def becomes(self, connector: Connector, status: str) -> None:
        """Change a connector's status and report it."""
        connector.becomes(status)
        await self.report(connector)

    async def report(self, connector: Connector, always: bool = False) -> None:
        """Report a connector's status if it differs from the last reported one, or with `always` in any case."""
        number = connector.number
        while (shown := self.dialect.shown_status(connector.status)) != self._shown.get(number) or always:
            if not ((always or self.online.is_set()) and await self.send(self.dialect.status(connector))):
                return
            self._shown[number], always = shown, False  # and look again: it may have changed meanwhile
            self.log(f"connector {number} is {shown}")

    def resting(self, connector: Connector) -> str:
        """Return the status of a connector without a cable."""
        if not connector.operative:
            return "Unavailable"
        return "Reserved" if self.reservations.of(connector.number) else "Available"

    def vehicle(self) -> Vehicle:
        """Return a vehicle for the current of this charge point, AC or DC."""
        if self.identity.direct_current:
            return Vehicle(capacity_wh=60_000, charge_wh=12_000, max_power_w=DC_OUTLET_W, direct_current=True)
        return Vehicle()

    # --- power ---------------------------------------------------------------------------------------------------

    def limit_w(self, connector: Connector) -> float:
        """Return the power limit of a connector now, in W."""
        tx = connector.transaction
        if tx is not None and (tx.paused or tx.verdict.status != "Accepted"):
            return 0.0  # 1.6, 9.1.29 and 2.x, E05.FR.02: a refused token gets no energy
        started, priority = (tx.started_at, tx.priority) if tx else (None, False)
        return self.profiles.limit_w(connector.number, self.outlet_w, self.clock.simulated(), started, priority)

    def measure(self, connector: Connector) -> Reading:
        """Advance the meter to the current time, with the limit that was valid until now, and return its reading."""
        now = self.clock.simulated()
        before, limit = self._metered.get(connector.number, (now, self.outlet_w))
        self._metered[connector.number] = (now, self.limit_w(connector))
        if connector.vehicle is not None and connector.status == "Charging":
            connector.meter.run(now - before, connector.vehicle, limit)
        else:
            connector.meter.rest()
        reading = connector.meter.reading(connector.vehicle)
        if connector.transaction is not None:
            for watcher in self.watchers:
                watcher.measured(connector, connector.transaction, reading)
        return reading

    def charging(self) -> bool:
        """Return whether a transaction runs."""
        return any(connector.transaction for connector in self.connectors.values())

    def connector_of(self, transaction: str | int) -> Connector | None:
        """Return the connector of a running transaction, by the id that the CSMS knows."""
        for connector in self.connectors.values():
            tx = connector.transaction
            if tx is not None and transaction in (tx.id, tx.number):
                return connector
        return None
