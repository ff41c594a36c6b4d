"""A battery swap station (2.1, S): its EVSEs are slots, and some of them hold a battery.

Batteries in slots are not charged: the simulator has no transactions for them (S04).
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import Any

from simulator.answers import answers
from simulator.charging.vehicle import Vehicle
from simulator.settings import RW, Setting
from simulator.station import DRIVER_S, Station
from simulator.wire.link import Payload, Reply

TARGET_SOC = 90
"""The state of charge, in %, that a battery must have to be given away."""


@dataclass(slots=True)
class Battery:
    """One battery."""

    serial: str
    soc: float = 95.0

    def data(self, slot: int) -> Payload:
        return {"evseId": slot, "serialNumber": self.serial, "soC": self.soc, "soH": 98}


@dataclass(slots=True)
class Swap:
    """A swap from the authorization until the new battery is out."""

    token: Payload
    request_id: int
    slot: int
    battery_in: asyncio.Event = field(default_factory=asyncio.Event)


class BatterySwaps:
    """The slots, and the swap that is going on.

    Args:
        station: the charge point.
        count: how many slots hold a charged battery at first.
    """

    def __init__(self, station: Station, count: int) -> None:
        self.station, self.count = station, count
        self.slots: dict[int, Battery | None] = {
            number: Battery(f"B-{number}") if number <= count else None for number in station.connectors
        }
        self.swap: Swap | None = None
        self._ids = itertools.count(1)
        for name, value in (("In", "60"), ("Out", "60")):
            station.settings.add(Setting(None, "BatterySwapCtrlr", f"Timeout/{name}", value, "integer", RW))
        station.settings.add(Setting(None, "BatterySwapCtrlr", "TargetSoC", str(TARGET_SOC), "integer", RW))
        station.parts.append(self)
        for slot, battery in self.slots.items():
            self._occupy(slot, battery)

    def _timeout(self, name: str) -> float:
        return float(self.station.settings.by_variable["BatterySwapCtrlr", f"Timeout/{name}"].value)

    def _charged(self) -> int | None:
        """Return a slot with a battery that can be given away."""
        target = float(self.station.settings.by_variable["BatterySwapCtrlr", "TargetSoC"].value)
        return next((slot for slot, held in self.slots.items() if held is not None and held.soc >= target), None)

    def _empty(self) -> int | None:
        return next((slot for slot, held in self.slots.items() if held is None), None)

    @answers("RequestBatterySwap")
    def request(self, payload: Payload) -> Reply:
        reason = self.begin(payload["idToken"], payload["requestId"])
        if reason is not None:
            return Reply(self.station.dialect.rejected(reason))  # S02.FR.04

        async def follow() -> None:
            if self.station.driver:
                self.station.spawn(self._driver())

        return Reply({"status": "Accepted"}, follow)

    async def _driver(self) -> None:
        """Put in an old battery and take out the new one, as a person would."""
        await self.station.clock.sleep(DRIVER_S)
        await self.insert("OLD", 12)
        await self.station.clock.sleep(DRIVER_S)
        await self.take()

    def begin(self, token: Payload, request_id: int | None = None) -> str | None:
        """Open a slot for an authorized token; return the reasonCode if no swap is possible (S01.FR.01, S03.FR.05)."""
        slot = self._empty()
        if self.swap is not None or slot is None or self._charged() is None:
            return "NoBatteryAvailable"
        self.swap = Swap(token, next(self._ids) if request_id is None else request_id, slot)
        self.station.log(f"battery swap: slot {slot} is open")
        self.station.spawn(self._give_up(self.swap))
        return None

    async def _give_up(self, swap: Swap) -> None:
        """End the authorization if nobody puts in a battery (S01.FR.02, S02.FR.05)."""
        try:
            await asyncio.wait_for(swap.battery_in.wait(), self._timeout("In") / self.station.clock.speed)
        except TimeoutError:
            if self.swap is swap:
                self.swap = None
                self.station.log("battery swap: nobody put in a battery")

    async def insert(self, serial: str, soc: float) -> None:
        """Put a battery into the open slot (S03.FR.01, S03.FR.02).

        Raises:
            ValueError: no slot is open.
        """
        swap = self.swap
        if swap is None or swap.battery_in.is_set():
            raise ValueError("no slot is open for a battery")
        swap.battery_in.set()
        battery = Battery(serial, soc)
        self._occupy(swap.slot, battery)
        await self._send("BatteryIn", swap, battery.data(swap.slot))
        await self._report(swap.slot, "Occupied")
        out = self._charged()
        if out is not None:
            swap.slot = out
            self.station.spawn(self._wait_for_hands(swap))

    async def _wait_for_hands(self, swap: Swap) -> None:
        """Report a battery that nobody takes out in time (S03.FR.06)."""
        await self.station.clock.sleep(self._timeout("Out"))
        battery = self.slots[swap.slot]
        if self.swap is swap and battery is not None:
            self.swap = None
            await self._send("BatteryOutTimeout", swap, battery.data(swap.slot))

    async def take(self) -> None:
        """Take the offered battery out of its slot (S03.FR.03, S03.FR.04).

        Raises:
            ValueError: no battery is offered.
        """
        swap = self.swap
        battery = self.slots[swap.slot] if swap is not None else None
        if swap is None or battery is None or not swap.battery_in.is_set():
            raise ValueError("no battery is offered")
        self.swap = None
        self._occupy(swap.slot, None)
        await self._send("BatteryOut", swap, battery.data(swap.slot))
        await self._report(swap.slot, "Available")

    def _occupy(self, slot: int, battery: Battery | None) -> None:
        """Put a battery into a slot, or take it out; its connector is Occupied or Available."""
        self.slots[slot] = battery
        if battery is not None or self.count:
            connector = self.station.connectors[slot]
            connector.vehicle = None if battery is None else Vehicle()
            connector.status = "Available" if battery is None else "Preparing"

    async def _send(self, event: str, swap: Swap, data: Payload) -> None:
        message = {"eventType": event, "requestId": swap.request_id, "idToken": swap.token, "batteryData": [data]}
        await self.station.send(("BatterySwap", message))

    async def _report(self, slot: int, state: str) -> None:
        more: dict[str, Any] = {"eventNotificationType": "HardWiredNotification", "trigger": "Delta"}
        component = {"name": "Connector", "evse": {"id": slot, "connectorId": 1}}
        event = self.station.dialect.event(component, {"name": "AvailabilityState"}, state, **more)
        await self.station.send(event)
