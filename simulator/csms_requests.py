"""What a CSMS may ask of a charge point, in no version's words: knows what follows, forms no message."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from simulator.connector import Connector
from simulator.reservations import Reservation
from simulator.station import Promise, Station


class Requests:
    """Remote control, availability, reset and reservations.

    Methods that return a word decide what to answer; the coroutines do what follows once the answer is sent.
    """

    def __init__(self, station: Station) -> None:
        self.station = station

    def free_connector(self, number: int | None, token: str) -> Connector | None:
        """Return the connector on which a remote start may happen, or None."""
        candidates = [self.station.connectors.get(number)] if number else list(self.station.connectors.values())
        for connector in candidates:
            if (
                connector is not None
                and connector.operative
                and connector.transaction is None
                and connector.number not in self.station.promises
                and connector.status in ("Available", "Preparing", "Finishing", "Reserved")
                and self.station.reservations.admits(connector.number, token, None)
            ):
                return connector
        return None

    async def remote_start(self, connector: Connector, token: str, kind: str, remote: int | None) -> None:
        """Start what the CSMS asked for; without a cable wait for one."""
        ask_first = self.station.settings.flag("AuthorizeRemoteTxRequests")
        if ask_first and await self.station.authorize(token, kind) != "Accepted":
            return
        if connector.plugged:
            await self.station.start(connector.number, token, kind, "RemoteStart", remote)
        else:
            await self.station.promise(connector, Promise(token, kind, "RemoteStart", remote))

    def change_availability(self, number: int, operative: bool) -> str:
        """Make a connector, or all of them with 0, usable or not; returns Accepted, Scheduled or Rejected."""
        if number and number not in self.station.connectors:
            return "Rejected"
        chosen = [self.station.connectors[number]] if number else list(self.station.connectors.values())
        for connector in chosen:
            connector.operative = operative
        busy = not operative and any(connector.transaction for connector in chosen)
        return "Scheduled" if busy else "Accepted"

    async def show_availability(self, number: int) -> None:
        """Report what `change_availability` changed; a connector with a transaction follows when that ends."""
        if number == 0:
            await self.station.told(self.station.say_whole_status())
        for connector in self.station.connectors.values():
            if connector.transaction is not None or (number and connector.number != number):
                continue
            if connector.operative and connector.status == "Unavailable":
                connector.becomes("Preparing" if connector.plugged else self.station.resting(connector))
            elif not connector.operative and connector.status not in ("Unavailable", "Faulted"):
                if connector.status == "Preparing":
                    await self.station.becomes(connector, "Finishing")
                connector.becomes("Unavailable")
            await self.station.report(connector, always=True)

    async def reset(self, stop_reason: str, boot_reason: str) -> None:
        """End every transaction, then really go away, come back and boot."""
        for number in self.station.connectors:
            await self.station.stop(number, stop_reason)
        await self.station.restart(boot_reason)

    def unlock(self, number: int) -> bool:
        """Tell whether a connector can be unlocked."""
        return number in self.station.connectors

    async def unlocked(self, number: int) -> None:
        """Let go of the cable: a transaction on it ends, the cable comes out."""
        await self.station.stop(number, "UnlockCommand")
        await self.station.unplug(number)

    # --- reservations ------------------------------------------------------------------------------------------------

    def reserve(self, reservation: Reservation) -> str:
        """Keep a connector for a token; connector 0 means any. Returns what ReserveNow answers."""
        number = reservation.connector
        if number and number not in self.station.connectors:
            return "Rejected"
        chosen = [self.station.connectors[number]] if number else list(self.station.connectors.values())
        held = self.station.reservations.held.get(reservation.id)
        free = [c for c in chosen if c.status == "Available" or (held is not None and held.connector == c.number)]
        if not free:
            status = chosen[0].status
            return status if status in ("Faulted", "Unavailable") else "Occupied"
        if reservation.expires <= datetime.now(UTC):
            return "Rejected"
        self.station.reservations.held[reservation.id] = Reservation(
            reservation.id, free[0].number, reservation.token, reservation.group, reservation.expires
        )
        return "Accepted"

    async def show_reservation(self, number: int) -> None:
        """Show a reservation just made, until it ends by itself."""
        reservation = self.station.reservations.held.get(number)
        if reservation is None:
            return
        connector = self.station.connectors[reservation.connector]
        for other in self.station.connectors.values():
            if other.status == "Reserved" and self.station.reservations.of(other.number) is None:
                await self.station.becomes(other, "Available")
        await self.station.becomes(connector, "Reserved")
        await asyncio.sleep(max(0.0, (reservation.expires - datetime.now(UTC)).total_seconds()))
        if self.station.reservations.held.get(number) == reservation:
            del self.station.reservations.held[number]
            self.station.say(f"reservation {number} expired")
            await self.release(reservation, "Expired")

    async def release(self, reservation: Reservation, why: str | None) -> None:
        """Show that a reservation is over."""
        connector = self.station.connectors[reservation.connector]
        if connector.status == "Reserved":
            await self.station.becomes(connector, "Available")
        if why is not None:
            await self.station.told(self.station.say_reservation_ended(reservation, why))
