"""Carry out the requests of a CSMS: remote control, availability, reset, unlocking, reservations.

Methods that are not coroutines return the answer; the coroutines do the work after the answer was sent.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

from simulator.charging.connector import Connector, PendingStart
from simulator.charging.reservations import Reservation
from simulator.charging.smart_charging import SmartCharging
from simulator.station import Station
from simulator.wire.link import Payload, Reply

REJECTED = Reply({"status": "Rejected"})


class Requests:
    """The requests that all versions have. The modules of each version parse the payloads."""

    def __init__(self, station: Station, smart_charging: SmartCharging) -> None:
        self.station, self.smart_charging = station, smart_charging

    # --- remote control ------------------------------------------------------------------------------------------

    def start(
        self, number: int | None, token: str, kind: str, profile: Payload | None, remote_start_id: int | None
    ) -> Reply:
        """Answer a remote start on a connector (None: any); `profile` is a TxProfile for the transaction."""
        connector = self._free_connector(number, token)
        if connector is None or self.station.registration != "Accepted":
            return REJECTED
        if profile is not None and (
            profile["chargingProfilePurpose"] != "TxProfile"
            or "transactionId" in profile
            or self.smart_charging.objection(profile, connector.number, charging=True)
        ):
            return REJECTED

        async def follow() -> None:
            if profile is not None:
                self.smart_charging.install(profile, connector.number)
            await self._start(connector, token, kind, remote_start_id)

        return Reply({"status": "Accepted"}, follow)

    def _free_connector(self, number: int | None, token: str) -> Connector | None:
        """Return a connector that is free for a remote start, or None."""
        # A connectorId is above 0 if it is present (1.6, 6.33), and so is evseId of 2.x.
        chosen = [self.station.connectors.get(number)] if number is not None else list(self.station.connectors.values())
        for connector in chosen:
            if (
                connector is not None
                and connector.operative
                and connector.transaction is None
                and connector.number not in self.station.pending_starts
                and connector.status in ("Available", "Preparing", "Finishing", "Reserved")
                and self.station.reservations.admits(connector.number, token, None)
            ):
                return connector
        return None

    async def _start(self, connector: Connector, token: str, kind: str, remote_start_id: int | None) -> None:
        """Start the transaction, or without a cable wait for one."""
        ask_first = self.station.settings.flag("AuthorizeRemoteTxRequests")
        if kind == "Central" and self.station.version != "1.6":
            ask_first = False  # C03.FR.01
        if ask_first and await self.station.authorization.authorize(token, kind) != "Accepted":
            return
        if connector.plugged:
            await self.station.start(connector.number, token, kind, "RemoteStart", remote_start_id)
        else:
            await self.station.await_cable(connector, PendingStart(token, kind, "RemoteStart", remote_start_id))

    def stop(self, transaction_id: str | int) -> Reply:
        """Answer a remote stop."""
        connector = self.station.connector_of(transaction_id)
        if connector is None:
            return REJECTED
        return Reply({"status": "Accepted"}, lambda: self.station.stop(connector.number, "Remote"))

    async def reset(self, stop_reason: str, boot_reason: str) -> None:
        """Stop every transaction, close the connection, connect again and boot."""
        for number in self.station.connectors:
            await self.station.stop(number, stop_reason)
        await self.station.restart(boot_reason)

    async def unlock(self, number: int) -> None:
        """Unlock a connector: end the transaction on it, and let the driver unplug."""
        await self.station.stop(number, "UnlockCommand")
        await self.station.unplug(number)

    async def trigger_boot(self) -> None:
        """Send BootNotification now, because of a TriggerMessage."""
        self.station.boot_now()

    # --- availability --------------------------------------------------------------------------------------------

    def change_availability(self, number: int, operative: bool) -> Reply:
        """Make a connector available or unavailable; number 0 means all connectors."""
        if number and number not in self.station.connectors:
            return REJECTED
        chosen = [self.station.connectors[number]] if number else list(self.station.connectors.values())
        for connector in chosen:
            connector.operative = operative
        busy = not operative and any(connector.transaction for connector in chosen)
        return Reply({"status": "Scheduled" if busy else "Accepted"}, lambda: self._report_availability(number))

    async def _report_availability(self, number: int) -> None:
        """Change and report the status; a connector with a transaction changes when the transaction ends."""
        if number == 0:
            await self.station.report_whole()
        for connector in self.station.connectors.values():
            if connector.transaction is not None or (number and connector.number != number):
                continue
            if connector.operative and connector.status == "Unavailable":
                connector.becomes("Preparing" if connector.plugged else self.station.resting(connector))
            elif not connector.operative and connector.status not in ("Unavailable", "Faulted"):
                if (reservation := self.station.reservations.of(connector.number)) is not None:
                    # H01.FR.17
                    del self.station.reservations.held[reservation.id]
                    await self.station.send(self.station.dialect.reservation_ended(reservation, "Removed"))
                if connector.status == "Preparing":
                    await self.station.becomes(connector, "Finishing")
                connector.becomes("Unavailable")
            await self.station.report(connector, always=True)

    # --- reservations --------------------------------------------------------------------------------------------

    def reserve(self, reservation: Reservation) -> Reply:
        """Reserve a connector for a token; connector 0 means any."""
        status = self._reserve(reservation)
        if status != "Accepted":
            return Reply({"status": status})
        return Reply({"status": status}, lambda: self._show_reservation(reservation.id))

    def _reserve(self, reservation: Reservation) -> str:
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
        self.station.reservations.held[reservation.id] = replace(reservation, connector=free[0].number)
        return "Accepted"

    async def _show_reservation(self, number: int) -> None:
        """Report a new reservation, and its end when it expires."""
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
            self.station.log(f"reservation {number} expired")
            await self._release(reservation, "Expired")

    def cancel(self, number: int) -> Reply:
        """Answer CancelReservation."""
        held = self.station.reservations.held.pop(number, None)
        if held is None:
            return REJECTED
        return Reply({"status": "Accepted"}, lambda: self._release(held, None))

    async def _release(self, reservation: Reservation, why: Literal["Expired", "Removed"] | None) -> None:
        """Report the end of a reservation; `why` is None if the CSMS itself ended it."""
        connector = self.station.connectors[reservation.connector]
        if connector.status == "Reserved":
            await self.station.becomes(connector, "Available")
        if why is not None:
            await self.station.send(self.station.dialect.reservation_ended(reservation, why))
