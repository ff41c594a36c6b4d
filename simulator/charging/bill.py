"""The costs of one transaction by its tariff (2.1, I12), as costDetails of TransactionEvent."""

from __future__ import annotations

import time
from dataclasses import dataclass

from simulator.clock import timestamp
from simulator.wire.link import Payload

MEMBERS = {"energy": "priceKwh", "chargingTime": "priceMinute", "idleTime": "priceMinute"}


@dataclass(slots=True)
class Period:
    """The part of a transaction with one tariff: energy in Wh, times in seconds."""

    tariff: Payload
    since: str
    energy_wh: float = 0.0
    charging_s: float = 0.0
    idle_s: float = 0.0

    def amount(self, member: str) -> float:
        """Return how much of a priced dimension was used, in kWh or in minutes."""
        return {"energy": self.energy_wh / 1000, "chargingTime": self.charging_s / 60, "idleTime": self.idle_s / 60}[
            member
        ]

    def report(self) -> Payload:
        """Return a ChargingPeriodType."""
        used = {"Energy": self.energy_wh, "ChargingTime": self.charging_s, "IdleTIme": self.idle_s}
        dimensions = [{"type": kind, "volume": round(volume, 3)} for kind, volume in used.items() if volume]
        period: Payload = {"tariffId": self.tariff["tariffId"], "startPeriod": self.since}
        return period | ({"dimensions": dimensions} if dimensions else {})


class Bill:
    """The costs so far. Times are real, as the timestamps of the transaction are.

    Args:
        tariff: the TariffType at the start.
        register_wh: the energy register at the start.
    """

    def __init__(self, tariff: Payload, register_wh: float) -> None:
        self.fixed = tariff.get("fixedFee")
        self.periods = [Period(tariff, timestamp())]
        self._register, self._at = register_wh, time.monotonic()
        self._frozen: Payload | None = None

    @property
    def tariff(self) -> Payload:
        return self.periods[-1].tariff

    def note(self, register_wh: float, charging: bool) -> None:
        """Add energy and time since the last call; `charging` is whether energy flowed."""
        now, period = time.monotonic(), self.periods[-1]
        period.energy_wh += max(0.0, register_wh - self._register)
        if charging:
            period.charging_s += now - self._at
        else:
            period.idle_s += now - self._at
        self._register, self._at = register_wh, now
        if self._frozen is None and self._reaches(self._total(), "maxCost"):
            # I12.FR.39: no more costs are added.
            self._frozen = self._total() | {"typeOfCost": "MaxCost"}

    def change(self, tariff: Payload) -> None:
        """Use another tariff from now on; the costs so far remain (I11.FR.08)."""
        self.periods.append(Period(tariff, timestamp()))

    def cost(self) -> float:
        """Return the total so far, with tax."""
        total = (self._frozen or self._total())["total"]
        return float(total.get("inclTax", total["exclTax"]))

    def details(self, final: bool) -> Payload:
        """Return the costs as CostDetailsType; only the final one has the periods."""
        total = self._frozen or self._total()
        floor = self.tariff.get("minCost")
        if final and floor is not None and not self._reaches(total, "minCost"):
            # I12.FR.38
            price = {name: floor[name] for name in ("exclTax", "inclTax", "taxRates") if name in floor}
            amounts = {name: floor[name] for name in ("exclTax", "inclTax") if name in floor}
            total = {"currency": self.tariff["currency"], "typeOfCost": "MinCost", "fixed": price, "total": amounts}
        usage = {
            "energy": round(sum(period.energy_wh for period in self.periods), 1),
            "chargingTime": round(sum(period.charging_s for period in self.periods)),
            "idleTime": round(sum(period.idle_s for period in self.periods)),
        }
        details: Payload = {"totalCost": total, "totalUsage": usage}
        return details | ({"chargingPeriods": [period.report() for period in self.periods]} if final else {})

    def _reaches(self, total: Payload, bound: str) -> bool:
        """Return whether the costs reach minCost or maxCost. Return False if the tariff has no such bound."""
        wanted = self.tariff.get(bound, {})
        amounts = total["total"]
        names = [name for name in ("exclTax", "inclTax") if name in wanted]
        reached = [bool(amounts.get(name, amounts["exclTax"]) >= wanted[name]) for name in names]
        return bool(reached) and (all(reached) if bound == "minCost" else any(reached))

    def _total(self) -> Payload:
        parts: dict[str, Payload] = {}
        if self.fixed is not None:
            parts["fixed"] = _price(self.fixed["prices"][0]["priceFixed"], self.fixed.get("taxRates"))
        for member, unit in MEMBERS.items():
            priced = [period for period in self.periods if member in period.tariff]
            if priced:
                net = sum(period.amount(member) * period.tariff[member]["prices"][0][unit] for period in priced)
                parts[member] = _price(net, priced[-1].tariff[member].get("taxRates"))
        total: Payload = {"exclTax": round(sum(part["exclTax"] for part in parts.values()), 4)}
        if "inclTax" in set().union(*parts.values()):
            gross = [part["inclTax"] if "inclTax" in part else part["exclTax"] for part in parts.values()]
            total["inclTax"] = round(sum(gross), 4)
        return {"currency": self.tariff["currency"], "typeOfCost": "NormalCost", **parts, "total": total}


def _price(net: float, taxes: list[Payload] | None) -> Payload:
    """Return a PriceType. Taxes of one stack add up; those of the next stack apply to the result (I12.FR.13)."""
    if not taxes:
        return {"exclTax": round(net, 4)}
    gross = net
    for stack in sorted({rate.get("stack", 0) for rate in taxes}):
        gross *= 1 + sum(rate["tax"] for rate in taxes if rate.get("stack", 0) == stack) / 100
    return {"exclTax": round(net, 4), "inclTax": round(gross, 4), "taxRates": taxes}
