"""Limits of a transaction in energy, time, cost or state of charge, set by the CSMS (2.1, E16)."""

from __future__ import annotations

from simulator.charging.connector import Connector, Transaction
from simulator.charging.watcher import Watcher
from simulator.settings import RO, Setting
from simulator.station import Station
from simulator.wire.link import Payload

SUPPORTED = ("maxCost", "maxEnergy", "maxTime", "maxSoC")
TRIGGER = {
    "maxEnergy": "EnergyLimitReached",
    "maxTime": "TimeLimitReached",
    "maxCost": "CostLimitReached",
    "maxSoC": "SoCLimitReached",
}


class TransactionLimits(Watcher):
    """Confirms the limits in answers to TransactionEvent, and pauses the transaction when one is reached."""

    def __init__(self, station: Station) -> None:
        self.station = station
        names = ",".join(SUPPORTED)
        station.settings.add(Setting(None, "TxCtrlr", "SupportedLimits", names, "|".join(SUPPORTED), RO))
        station.watchers.append(self)

    def answered(self, connector: Connector, tx: Transaction, answer: Payload) -> None:
        if "totalCost" in answer and not tx.ended:
            tx.central_cost = float(answer["totalCost"])
        limits = {name: answer.get("transactionLimit", {})[name] for name in SUPPORTED if name in answer.get(
            "transactionLimit", {}
        )}  # fmt: skip
        changed = {name: value for name, value in limits.items() if tx.limits.get(name) != value}
        if not tx.ended and changed:
            tx.limits |= changed
            self.station.spawn(self._confirm(connector, tx, changed))

    async def _confirm(self, connector: Connector, tx: Transaction, limits: Payload) -> None:
        # E16.FR.03
        tx.once["transactionLimit"] = limits
        await self.station.update(connector, tx, "LimitSet")
        await self.check(connector, tx)

    def reached(self, connector: Connector, tx: Transaction) -> str | None:
        """Return the TriggerReason of the first limit that a transaction has reached."""
        vehicle = connector.vehicle
        values = {
            "maxEnergy": connector.meter.register_wh - tx.meter_start,
            "maxTime": self.station.clock.simulated() - tx.started_at,
            # E16.FR.15, E16.FR.16
            "maxCost": tx.bill.cost() if tx.bill is not None else tx.central_cost,
            "maxSoC": None if vehicle is None else vehicle.soc,
        }
        for name, limit in tx.limits.items():
            value = values[name]
            if value is not None and value >= limit:
                return TRIGGER[name]
        return None

    async def check(self, connector: Connector, tx: Transaction) -> None:
        """Pause the transaction if a limit is reached, and resume it if a limit was raised (E16.FR.05, E16.FR.14)."""
        if tx.ended:
            return
        self.station.measure(connector)
        trigger = self.reached(connector, tx)
        if trigger is not None and not tx.paused:
            tx.paused = True
            if connector.status in ("Charging", "SuspendedEV"):
                connector.becomes("SuspendedEVSE")
            connector.meter.rest()
            await self.station.update(connector, tx, trigger)
            await self.station.report(connector)
        elif trigger is None and tx.paused:
            tx.paused = False
            await self.station.limits_changed()

    def seconds_left(self, connector: Connector, tx: Transaction) -> float:
        """Return the simulated seconds until the transaction will reach a limit, at its present power."""
        left = [float("inf")]
        if "maxTime" in tx.limits:
            left.append(tx.limits["maxTime"] - (self.station.clock.simulated() - tx.started_at))
        if connector.meter.power_w > 0 and "maxEnergy" in tx.limits:
            missing = tx.limits["maxEnergy"] - (connector.meter.register_wh - tx.meter_start)
            left.append(missing * 3600 / connector.meter.power_w)
        if connector.meter.power_w > 0 and "maxSoC" in tx.limits and connector.vehicle is not None:
            car = connector.vehicle
            missing = car.capacity_wh * tx.limits["maxSoC"] / 100 - car.charge_wh
            left.append(missing * 3600 / connector.meter.power_w)
        return max(0.1, min(left))
