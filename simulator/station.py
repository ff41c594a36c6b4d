"""A charge point with outlets and people: plugs, tokens, transactions, limits, faults; leaves words to its version.

`simulator.v16.charge_point`, `simulator.v2x.charge_point` and `simulator.v2x.v21` say how each thing is put into OCPP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from simulator.authorization import Authorizing
from simulator.certificates import CertificateStore
from simulator.clock import timestamp
from simulator.connection import Identity
from simulator.connector import Connector, Transaction
from simulator.link import CallFailed, Payload
from simulator.meter import Reading
from simulator.profiles import ProfileBook
from simulator.reservations import ReservationBook
from simulator.tokens import same
from simulator.vehicle import Vehicle

AC_OUTLET_W = 7_400.0
DC_OUTLET_W = 50_000.0
DRIVER_S = 10.0
"""How long a driver takes to handle the cable, in simulated seconds."""

LOOK_AGAIN_S = 5.0
"""How soon a changed ClockAlignedDataInterval takes effect."""

SIGNIFICANT_W = 100.0
"""A change of power below this is not worth a message."""


@dataclass(frozen=True, slots=True)
class Promise:
    """Someone may charge here as soon as the cable is in."""

    token: str
    kind: str
    trigger: str
    remote_start_id: int | None = None


class Station(Authorizing):
    """What charging is in all versions."""

    def __init__(self, identity: Identity, say: Callable[[str], None] = lambda line: None) -> None:
        super().__init__(identity, say)
        self.settings.by_key["NumberOfConnectors"].value = str(identity.connectors)
        self.connectors = {number: Connector(number) for number in range(1, identity.connectors + 1)}
        self.profiles = ProfileBook()
        self.reservations = ReservationBook()
        self.certificates = CertificateStore(identity.id)
        self.outlet_w = DC_OUTLET_W if identity.direct_current else AC_OUTLET_W
        self.energy_wh = 0
        self.transactions = 0
        self.promises: dict[int, Promise] = {}
        self._shown: dict[int, str] = {}
        self._metered: dict[int, tuple[float, float]] = {}
        self.driver = False
        """Whether somebody plugs in after a remote start and unplugs after a remote stop."""
        self.reset_when_idle: str | None = None
        """Boot reason of the reset that waits for the last transaction to end."""

    # --- status --------------------------------------------------------------------------------------------------

    async def power_on(self, reason: str = "PowerUp", patient: bool = False) -> None:
        self.spawn(self._aligned())
        await super().power_on(reason, patient)

    async def _aligned(self) -> None:
        """Send meter values at every multiple of ClockAlignedDataInterval since midnight UTC; 0 is never."""
        while True:
            interval = self.settings.number("ClockAlignedDataInterval")
            left = interval - time.time() % interval if interval else LOOK_AGAIN_S
            await asyncio.sleep(min(left, LOOK_AGAIN_S))
            if interval and left <= LOOK_AGAIN_S and self.online.is_set():
                for connector in self.connectors.values():
                    await self.sample(connector, "Sample.Clock")

    async def report_all(self) -> None:
        await self.told(self.say_whole_status())
        for connector in self.connectors.values():
            if connector.transaction is None and connector.status != "Faulted":
                # After a reboot a connector shows what it finds, whatever it showed before.
                occupied = connector.plugged and connector.operative
                connector.status = "Preparing" if occupied else self.resting(connector)
            await self.report(connector, always=True)

    async def report_changes(self) -> None:
        for connector in self.connectors.values():
            await self.report(connector)

    async def becomes(self, connector: Connector, status: str) -> None:
        """Change a connector's status and report it."""
        connector.becomes(status)
        await self.report(connector)

    async def report(self, connector: Connector, always: bool = False) -> None:
        """Report a connector's status where it differs from what the CSMS was told last."""
        shown = self.shown_status(connector.status)
        if not always and (not self.online.is_set() or self._shown.get(connector.number) == shown):
            return
        if await self.told(self.say_status(connector)):
            self._shown[connector.number] = shown
            self.say(f"connector {connector.number} is {shown}")

    # --- people and cables ---------------------------------------------------------------------------------------

    def vehicle(self) -> Vehicle:
        """Return a car of the kind that charges here."""
        if self.identity.direct_current:
            return Vehicle(capacity_wh=60_000, charge_wh=12_000, max_power_w=DC_OUTLET_W, direct_current=True)
        return Vehicle()

    async def plug_in(self, number: int, vehicle: Vehicle | None = None) -> None:
        """Put the cable in; charging starts where someone was already accepted."""
        connector = self.connectors[number]
        connector.vehicle = vehicle or self.vehicle()
        if connector.transaction is not None:
            await self._show_power(connector, connector.transaction)
        if connector.status == "Available":
            await self.becomes(connector, "Preparing")
        promise = self.promises.pop(number, None)
        if promise is not None:
            await self.start(number, promise.token, promise.kind, promise.trigger, promise.remote_start_id)

    async def present(self, number: int, token: str, kind: str = "ISO14443") -> str:
        """Hold a token to the reader: it starts charging, or stops what it started.

        Returns:
            The authorization status, or "Occupied" where another transaction runs and "Reserved" where the
            connector waits for somebody else.
        """
        connector = self.connectors[number]
        tx = connector.transaction
        if tx is not None and (same(tx.id_token, token) or await self.of_group(tx.verdict.group, token, kind)):
            await self.stop(number, "Local", token)
            return "Accepted"
        if tx is not None:
            return "Occupied"
        known = self.tokens.known(token, True, True)
        held = self.reservations.of(number)
        admitted = self.reservations.admits(number, token, known.group if known else None)
        # Whose group it belongs to may be for the CSMS to say (1.6, 3.11).
        if held is not None and not admitted and not await self.of_group(held.group, token, kind):
            self.say(f"connector {number} is reserved for somebody else")
            return "Reserved"
        status = await self.authorize(token, kind)
        if status != "Accepted":
            return status
        if connector.status == "Reserved":
            await self.becomes(connector, "Preparing")
        if connector.plugged:
            await self.start(number, token, kind)
        else:
            await self.promise(connector, Promise(token, kind, "Authorized"))
        return status

    async def unplug(self, number: int) -> None:
        """Pull the cable; a running transaction ends with it."""
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
        """Go on with a transaction without a cable, as StopTransactionOnEVSideDisconnect = false wants."""
        reading = self.measure(connector)
        connector.meter.rest()
        connector.vehicle = None
        if connector.becomes("SuspendedEV"):
            message = self.state_changed(connector, tx, reading)
            if message is not None:
                await self.told(self.deliver(message))
            await self.report(connector)

    def resting(self, connector: Connector) -> str:
        if not connector.operative:
            return "Unavailable"
        return "Reserved" if self.reservations.of(connector.number) else "Available"

    async def promise(self, connector: Connector, promise: Promise) -> None:
        """Wait for the cable as long as ConnectionTimeOut says, in simulated seconds."""
        self.promises[connector.number] = promise
        if connector.status in ("Available", "Reserved"):
            await self.becomes(connector, "Preparing")
        self.spawn(self._give_up(connector, promise))
        if self.driver:
            self.spawn(self._later(self.plug_in(connector.number)))

    async def _later(self, act: Coroutine[Any, Any, None]) -> None:
        """Do what a person does once they have walked to the charge point."""
        await self.clock.sleep(DRIVER_S)
        await act

    async def _give_up(self, connector: Connector, promise: Promise) -> None:
        await self.clock.sleep(self.settings.number("ConnectionTimeOut"))
        if self.promises.get(connector.number) is promise:
            del self.promises[connector.number]
            self.say(f"connector {connector.number}: no cable came in time")
            self.profiles.forget_transaction(connector.number)
            if connector.status == "Preparing":
                await self.becomes(connector, self.resting(connector))

    # --- transactions --------------------------------------------------------------------------------------------

    async def start(
        self, number: int, token: str, kind: str = "ISO14443", trigger: str = "Authorized", remote: int | None = None
    ) -> bool:
        """Start a transaction on a plugged connector; returns False where the CSMS refuses the token after all."""
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
            tx.verdict = self.understood_start(tx, answer)
            if not waiting and self._unwanted(tx):
                self.spawn(self.stop(connector.number, "DeAuthorized"))

        try:
            await self.receive(self.post(self.started(connector, tx, reading, trigger), taken))
        except CallFailed as failure:
            # The start is lost for the CSMS; charging goes on, and 1.6 tells it with transaction id -1.
            self.failed(failure)
        waiting = False
        self.say(f"transaction {tx.number or tx.id} started at {reading.energy_wh} Wh")
        if self._unwanted(tx):
            await self._stop(connector, "DeAuthorized", None)
            return False
        await self._show_power(connector, tx)
        self.spawn(self._charge(connector, tx))
        return True

    def _unwanted(self, tx: Transaction) -> bool:
        """Tell whether the answer to a start refused its token."""
        return tx.verdict.status != "Accepted" and self.settings.flag("StopTransactionOnInvalidId")

    def limit_w(self, connector: Connector) -> float:
        """Return how much power the connector may give now, W."""
        started = connector.transaction.started_at if connector.transaction else None
        return self.profiles.limit_w(connector.number, self.outlet_w, self.clock.simulated(), started)

    def measure(self, connector: Connector) -> Reading:
        """Let the meter catch up with the clock, at the limit that held until now, and read it."""
        now = self.clock.simulated()
        before, limit = self._metered.get(connector.number, (now, self.outlet_w))
        self._metered[connector.number] = (now, self.limit_w(connector))
        if connector.vehicle is not None and connector.status == "Charging":
            connector.meter.run(now - before, connector.vehicle, limit)
        else:
            connector.meter.rest()
        return connector.meter.reading(connector.vehicle)

    async def limits_changed(self) -> None:
        """Bring every running transaction in line with the charging profiles."""
        for connector in self.connectors.values():
            tx = connector.transaction
            if tx is None:
                continue
            before = connector.meter.power_w
            await self._show_power(connector, tx)
            if connector.status == "Charging" and abs(connector.meter.power_w - before) > SIGNIFICANT_W:
                message = self.rate_changed(connector, tx, connector.meter.reading(connector.vehicle))
                if message is not None:
                    await self.told(self.deliver(message))

    async def _show_power(self, connector: Connector, tx: Transaction) -> None:
        """Bring the status in line with whether power may and can flow."""
        reading = self.measure(connector)
        if connector.vehicle is None or tx.ended or connector.status == "Faulted":
            return
        demand, limit = connector.vehicle.demand_w(), self.limit_w(connector)
        connector.meter.power_w = min(demand, limit)
        changed = connector.becomes("SuspendedEVSE" if limit <= 0 else "SuspendedEV" if demand <= 0 else "Charging")
        if not changed:
            return
        message = self.state_changed(connector, tx, reading)
        if message is not None:
            await self.told(self.deliver(message))
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
        """Read the meter and send what it shows, within the transaction where one runs."""
        tx = connector.transaction
        reading = self.measure(connector)
        self.say(f"meter {reading}")
        if tx is None or tx.ended:
            await self.told(self.say_meter_values(connector, reading, context))
        else:
            message = self.sampled(connector, tx, reading, context)
            if message is not None:
                await self.told(self.deliver(message))

    async def stop(self, number: int, reason: str = "Local", token: str | None = None) -> None:
        """End the transaction on a connector; the cable may stay in."""
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
        message = self.stopped(connector, tx, reading, reason, token)
        connector.transaction = None
        self.profiles.forget_transaction(connector.number)
        self.energy_wh += max(0, reading.energy_wh - tx.meter_start)
        await self.told(self.deliver(message))
        self.say(f"transaction {tx.number or tx.id} stopped at {reading.energy_wh} Wh ({reason})")
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
        """Tell whether any transaction runs."""
        return any(connector.transaction for connector in self.connectors.values())

    def connector_of(self, transaction: str | int) -> Connector | None:
        """Return the connector on which a transaction runs, by the id that the CSMS uses."""
        for connector in self.connectors.values():
            tx = connector.transaction
            if tx is not None and transaction in (tx.id, tx.number):
                return connector
        return None

    # --- faults ---------------------------------------------------------------------------------

    async def fault(self, number: int, error_code: str = "GroundFailure") -> None:
        """Break a connector; a transaction on it ends."""
        connector = self.connectors[number]
        async with connector.busy:
            await self._stop(connector, "Other", None)
            connector.error_code = error_code
            await self.becomes(connector, "Faulted")
        await self.told(self.say_fault(connector, cleared=False))

    async def clear_fault(self, number: int) -> None:
        """Repair a connector."""
        connector = self.connectors[number]
        connector.error_code = "NoError"
        if connector.status == "Faulted":
            await self.becomes(connector, "Preparing" if connector.plugged else self.resting(connector))
            await self.told(self.say_fault(connector, cleared=True))
