"""A charge point with drivers: cables, tokens, transactions and faults.

Its `dialect` writes the messages of the OCPP version.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any

from simulator.charging.connector import Connector, PendingStart, Transaction
from simulator.charging.tokens import same
from simulator.charging.vehicle import Vehicle
from simulator.clock import timestamp
from simulator.equipment import Equipment
from simulator.wire.link import CallFailed, Payload
from simulator.wire.outbox import Build

LOOK_AGAIN_S = 5.0
"""A changed ClockAlignedDataInterval takes effect within this many seconds."""

DRIVER_S = 10.0
"""Simulated seconds that a driver takes to handle the cable."""

SIGNIFICANT_W = 100.0
"""The smallest change of power, in watts, that is reported."""


class Station(Equipment):
    """A charge point, in any version; see `Equipment` for the arguments."""

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

    # --- people and cables ---------------------------------------------------------------------------------------

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
            await self.transmit(connector, tx, self.dialect.state_changed(connector, tx))
            await self.report(connector)

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
        for watcher in self.watchers:
            watcher.starting(connector, tx)
        self._metered[connector.number] = (self.clock.simulated(), self.limit_w(connector))
        waiting = True

        def taken(answer: Payload) -> None:
            tx.verdict = self.dialect.start_answered(tx, answer)
            self._answered(connector, tx, answer)
            if not waiting and self._unwanted(tx):
                self.spawn(self.stop(connector.number, "DeAuthorized"))
            elif not waiting and tx.verdict.status != "Accepted":
                self.spawn(self.limits_changed())

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

    async def transmit(self, connector: Connector, tx: Transaction, build: Build | None) -> None:
        """Queue a message of a transaction, and wait for its answer or the loss of the connection."""
        if build is not None:
            taken = partial(self._answered, connector, tx)
            await self.attempt(self.receive(self.post(build, taken)))

    def _answered(self, connector: Connector, tx: Transaction, answer: Payload) -> None:
        for watcher in self.watchers:
            watcher.answered(connector, tx, answer)

    async def update(self, connector: Connector, tx: Transaction, trigger: str) -> None:
        """Send an update of a transaction with a TriggerReason of 2.x."""
        await self.transmit(connector, tx, self.dialect.updated(connector, tx, trigger))

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
                await self.transmit(connector, tx, self.dialect.rate_changed(connector, tx, reading))

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
        await self.transmit(connector, tx, self.dialect.state_changed(connector, tx))
        await self.report(connector)

    async def _charge(self, connector: Connector, tx: Transaction) -> None:
        """Send meter values at the sample interval until the transaction ends."""
        while not tx.ended:
            interval = self.settings.number("MeterValueSampleInterval")
            due = self.clock.simulated() + (interval or 60.0)
            while (left := due - self.clock.simulated()) > 0 and not tx.ended:
                await self.clock.sleep(min([left, *(watcher.seconds_left(connector, tx) for watcher in self.watchers)]))
                for watcher in self.watchers:
                    await watcher.check(connector, tx)
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
            await self.transmit(connector, tx, self.dialect.sampled(connector, tx, reading, context))

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
        for watcher in self.watchers:
            watcher.ended(connector, tx)
        await self.transmit(connector, tx, message)
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
