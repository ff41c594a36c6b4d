"""A charge point with connectors and drivers: cables, tokens, transactions, power limits and faults.

Its `dialect` writes the messages of the OCPP version.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from simulator.certificates import CertificateStore
from simulator.charging.authorization import Authorization
from simulator.charging.connector import Connector, PendingStart, Transaction
from simulator.charging.meter import Reading
from simulator.charging.profiles import ProfileBook
from simulator.charging.reservations import ReservationBook
from simulator.charging.tokens import Verdict, same
from simulator.charging.vehicle import Vehicle
from simulator.clock import timestamp
from simulator.dialect import Dialect
from simulator.lifecycle import Lifecycle
from simulator.wire.connection import Identity
from simulator.wire.link import CallFailed, Message, Payload

AC_OUTLET_W = 7_400.0
DC_OUTLET_W = 50_000.0
DRIVER_S = 10.0
"""Simulated seconds that a driver takes to handle the cable."""

LOOK_AGAIN_S = 5.0
"""A changed ClockAlignedDataInterval takes effect within this many seconds."""

SIGNIFICANT_W = 100.0
"""The smallest change of power, in watts, that is reported."""


class Station(Lifecycle):
    """A charge point, in any version.

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
        self.reset_when_idle: str | None = None
        """The boot reason of a reset that waits for the last transaction to end."""

    def boot_message(self, reason: str) -> Message:
        return self.dialect.boot(reason, self.firmware)

    async def _ask(self, token: str, kind: str) -> Verdict:
        """Ask the CSMS about a token."""
        return self.dialect.authorized(await self.call(*self.dialect.authorize(token, kind)))

    # --- status --------------------------------------------------------------------------------------------------

    async def power_on(self, reason: str = "PowerUp", patient: bool = False) -> None:
        self.spawn(self._aligned())
        await super().power_on(reason, patient)

    async def _aligned(self) -> None:
        """Send meter values at each multiple of ClockAlignedDataInterval since midnight UTC; 0 means never."""
        while True:
            interval = self.settings.number("ClockAlignedDataInterval")
            left = interval - time.time() % interval if interval else LOOK_AGAIN_S
            await asyncio.sleep(min(left, LOOK_AGAIN_S))
            if interval and left <= LOOK_AGAIN_S and self.online.is_set():
                for connector in self.connectors.values():
                    await self.sample(connector, "Sample.Clock")

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
        shown = self.dialect.shown_status(connector.status)
        if not always and (not self.online.is_set() or self._shown.get(connector.number) == shown):
            return
        if await self.send(self.dialect.status(connector)):
            self._shown[connector.number] = shown
            self.log(f"connector {connector.number} is {shown}")

    # --- people and cables ---------------------------------------------------------------------------------------

    def vehicle(self) -> Vehicle:
        """Return a vehicle for the current of this charge point, AC or DC."""
        if self.identity.direct_current:
            return Vehicle(capacity_wh=60_000, charge_wh=12_000, max_power_w=DC_OUTLET_W, direct_current=True)
        return Vehicle()

    async def plug_in(self, number: int, vehicle: Vehicle | None = None) -> None:
        """Plug in a vehicle; charging starts if a token is already authorized."""
        connector = self.connectors[number]
        connector.vehicle = vehicle or self.vehicle()
        if connector.transaction is not None:
            await self._show_power(connector, connector.transaction)
        if connector.status == "Available":
            await self.becomes(connector, "Preparing")
        pending = self.pending_starts.pop(number, None)
        if pending is not None:
            await self.start(number, pending.token, pending.kind, pending.trigger, pending.remote_start_id)

    async def present(self, number: int, token: str, kind: str = "ISO14443") -> str:
        """Present a token to the reader: it starts a transaction, or stops the one that it started.

        Returns:
            The authorization status; "Occupied" if another token's transaction runs on the connector; "Reserved" if
            the connector is reserved for another token.
        """
        connector = self.connectors[number]
        tx = connector.transaction
        if tx is not None and (
            same(tx.id_token, token) or await self.authorization.in_group(tx.verdict.group, token, kind)
        ):
            await self.stop(number, "Local", token)
            return "Accepted"
        if tx is not None:
            return "Occupied"
        known = self.tokens.known(token, True, True)
        held = self.reservations.of(number)
        admitted = self.reservations.admits(number, token, known.group if known else None)
        # If the reservation has a group, the CSMS may know that the token belongs to it (1.6, 3.11).
        if held is not None and not admitted and not await self.authorization.in_group(held.group, token, kind):
            self.log(f"connector {number} is reserved for another token")
            return "Reserved"
        status = await self.authorization.authorize(token, kind)
        if status != "Accepted":
            return status
        if connector.status == "Reserved":
            await self.becomes(connector, "Preparing")
        if connector.plugged:
            await self.start(number, token, kind)
        else:
            await self.await_cable(connector, PendingStart(token, kind, "Authorized"))
        return status

    async def unplug(self, number: int) -> None:
        """Unplug the vehicle, which ends a running transaction."""
        connector = self.connectors[number]
        async with connector.busy:
            if connector.transaction and not self.settings.flag("StopTransactionOnEVSideDisconnect"):
                await self._left_open(connector, connector.transaction)
                return
            await self._stop(connector, "EVDisconnected", None)
            connector.vehicle = None
            if connector.status not in ("Faulted", "Unavailable", "Reserved"):
                await self.becomes(connector, self.resting(connector))

    async def _left_open(self, connector: Connector, tx: Transaction) -> None:
        """Suspend a transaction without a cable, for StopTransactionOnEVSideDisconnect = false."""
        self.measure(connector)
        connector.meter.rest()
        connector.vehicle = None
        if connector.becomes("SuspendedEV"):
            await self.deliver(self.dialect.state_changed(connector, tx))
            await self.report(connector)

    def resting(self, connector: Connector) -> str:
        """Return the status of a connector without a cable."""
        if not connector.operative:
            return "Unavailable"
        return "Reserved" if self.reservations.of(connector.number) else "Available"

    async def await_cable(self, connector: Connector, pending: PendingStart) -> None:
        """Wait for the cable for the simulated seconds of ConnectionTimeOut."""
        self.pending_starts[connector.number] = pending
        if connector.status in ("Available", "Reserved"):
            await self.becomes(connector, "Preparing")
        self.spawn(self._give_up(connector, pending))
        if self.driver:
            self.spawn(self._later(self.plug_in(connector.number)))

    async def _later(self, act: Coroutine[Any, Any, None]) -> None:
        """Run the action of a driver, after the time that the driver needs for it."""
        await self.clock.sleep(DRIVER_S)
        await act

    async def _give_up(self, connector: Connector, pending: PendingStart) -> None:
        await self.clock.sleep(self.settings.number("ConnectionTimeOut"))
        if self.pending_starts.get(connector.number) is pending:
            del self.pending_starts[connector.number]
            self.log(f"connector {connector.number}: nobody plugged in within ConnectionTimeOut")
            self.profiles.forget_transaction(connector.number)
            if connector.status == "Preparing":
                await self.becomes(connector, self.resting(connector))

    # --- transactions --------------------------------------------------------------------------------------------

    async def start(
        self, number: int, token: str, kind: str = "ISO14443", trigger: str = "Authorized", remote: int | None = None
    ) -> bool:
        """Start a transaction on a connector with a vehicle; return False if the CSMS refuses the token."""
        connector = self.connectors[number]
        async with connector.busy:
            if connector.transaction is not None or not connector.plugged:
                return False
            return await self._start(connector, token, kind, trigger, remote)

    async def _start(self, connector: Connector, token: str, kind: str, trigger: str, remote: int | None) -> bool:
        if connector.status in ("Reserved", "Available", "Finishing"):
            await self.becomes(connector, "Preparing")
        reading = connector.meter.reading(connector.vehicle)
        tx = Transaction(token, kind, reading.energy_wh, timestamp(), self.clock.simulated(), remote_start_id=remote)
        reservation = self.reservations.of(connector.number)
        if reservation is not None:
            del self.reservations.held[reservation.id]
            tx.reservation_id = reservation.id
        connector.transaction = tx
        self.transactions += 1
        self._metered[connector.number] = (self.clock.simulated(), self.limit_w(connector))
        waiting = True

        def taken(answer: Payload) -> None:
            tx.verdict = self.dialect.start_answered(tx, answer)
            if not waiting and self._unwanted(tx):
                self.spawn(self.stop(connector.number, "DeAuthorized"))

        try:
            await self.receive(self.post(self.dialect.started(connector, tx, reading, trigger), taken))
        except CallFailed as failure:
            # The start did not reach the CSMS. Charging continues, in 1.6 with the transaction id -1.
            self.failed(failure)
        waiting = False
        self.log(f"transaction {tx.number or tx.id} started at {reading.energy_wh} Wh")
        if self._unwanted(tx):
            await self._stop(connector, "DeAuthorized", None)
            return False
        await self._show_power(connector, tx)
        self.spawn(self._charge(connector, tx))
        return True

    def _unwanted(self, tx: Transaction) -> bool:
        """Return whether a transaction must stop because the answer to its start refused the token."""
        return tx.verdict.status != "Accepted" and self.settings.flag("StopTransactionOnInvalidId")

    def limit_w(self, connector: Connector) -> float:
        """Return the power limit of a connector now, in W."""
        started = connector.transaction.started_at if connector.transaction else None
        return self.profiles.limit_w(connector.number, self.outlet_w, self.clock.simulated(), started)

    def measure(self, connector: Connector) -> Reading:
        """Advance the meter to the current time, with the limit that was valid until now, and return its reading."""
        now = self.clock.simulated()
        before, limit = self._metered.get(connector.number, (now, self.outlet_w))
        self._metered[connector.number] = (now, self.limit_w(connector))
        if connector.vehicle is not None and connector.status == "Charging":
            connector.meter.run(now - before, connector.vehicle, limit)
        else:
            connector.meter.rest()
        return connector.meter.reading(connector.vehicle)

    async def limits_changed(self) -> None:
        """Apply changed charging profiles to all running transactions."""
        for connector in self.connectors.values():
            tx = connector.transaction
            if tx is None:
                continue
            before = connector.meter.power_w
            await self._show_power(connector, tx)
            if connector.status == "Charging" and abs(connector.meter.power_w - before) > SIGNIFICANT_W:
                reading = connector.meter.reading(connector.vehicle)
                await self.deliver(self.dialect.rate_changed(connector, tx, reading))

    async def _show_power(self, connector: Connector, tx: Transaction) -> None:
        """Set the status: suspended if the limit allows no power or the vehicle takes none, else charging."""
        self.measure(connector)
        if connector.vehicle is None or tx.ended or connector.status == "Faulted":
            return
        demand, limit = connector.vehicle.demand_w(), self.limit_w(connector)
        connector.meter.power_w = min(demand, limit)
        changed = connector.becomes("SuspendedEVSE" if limit <= 0 else "SuspendedEV" if demand <= 0 else "Charging")
        if not changed:
            return
        await self.deliver(self.dialect.state_changed(connector, tx))
        await self.report(connector)

    async def _charge(self, connector: Connector, tx: Transaction) -> None:
        """Send meter values at the sample interval until the transaction ends."""
        while not tx.ended:
            interval = self.settings.number("MeterValueSampleInterval")
            await self.clock.sleep(interval or 60.0)
            if tx.ended:
                return
            await self._show_power(connector, tx)
            if interval and not tx.ended:
                await self.sample(connector, "Sample.Periodic")

    async def sample(self, connector: Connector, context: str) -> None:
        """Read the meter and send the reading, as part of the transaction if one runs."""
        tx = connector.transaction
        reading = self.measure(connector)
        self.log(f"meter {reading}")
        if tx is None or tx.ended:
            await self.send(self.dialect.meter_values(connector, reading, context))
        else:
            await self.deliver(self.dialect.sampled(connector, tx, reading, context))

    async def stop(self, number: int, reason: str = "Local", token: str | None = None) -> None:
        """End the transaction on a connector; the cable remains plugged in."""
        connector = self.connectors[number]
        async with connector.busy:
            await self._stop(connector, reason, token)

    async def _stop(self, connector: Connector, reason: str, token: str | None) -> None:
        tx = connector.transaction
        if tx is None or tx.ended:
            return
        reading = self.measure(connector)
        tx.ended = True
        connector.meter.rest()
        message = self.dialect.stopped(connector, tx, reading, reason, token)
        connector.transaction = None
        self.profiles.forget_transaction(connector.number)
        self.energy_wh += max(0, reading.energy_wh - tx.meter_start)
        await self.deliver(message)
        self.log(f"transaction {tx.number or tx.id} stopped at {reading.energy_wh} Wh ({reason})")
        if connector.status != "Faulted":
            if reason != "EVDisconnected":
                await self.becomes(connector, "Finishing" if connector.plugged else self.resting(connector))
            if not connector.operative:
                await self.becomes(connector, "Unavailable")
        if self.driver and reason == "Remote":
            self.spawn(self._later(self.unplug(connector.number)))
        if self.reset_when_idle and not self.charging():
            why, self.reset_when_idle = self.reset_when_idle, None
            self.spawn(self.restart(why))

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

    # --- faults ---------------------------------------------------------------------------------

    async def fault(self, number: int, error_code: str = "GroundFailure") -> None:
        """Break a connector, and end the transaction on it."""
        connector = self.connectors[number]
        async with connector.busy:
            await self._stop(connector, "Other", None)
            connector.error_code = error_code
            await self.becomes(connector, "Faulted")
        await self.send(self.dialect.fault(connector, cleared=False))

    async def clear_fault(self, number: int) -> None:
        """Repair a connector."""
        connector = self.connectors[number]
        connector.error_code = "NoError"
        if connector.status == "Faulted":
            await self.becomes(connector, "Preparing" if connector.plugged else self.resting(connector))
            await self.send(self.dialect.fault(connector, cleared=True))
