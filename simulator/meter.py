"""The energy meter of one connector: knows power, energy and how they add up; knows nothing of messages."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.vehicle import VOLTAGE, Vehicle

STEP_S = 10.0
"""Longest stretch of simulated seconds over which power is taken as constant."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the meter shows at one moment: Wh since it was built in, W, A, V, and the vehicle's SoC in %."""

    energy_wh: int
    power_w: int
    current_a: float
    voltage_v: float
    soc: int | None

    def __str__(self) -> str:
        soc = "" if self.soc is None else f", SoC {self.soc} %"
        return f"{self.energy_wh} Wh, {self.power_w / 1000:.1f} kW{soc}"


@dataclass(slots=True)
class Meter:
    """Integrates power over simulated time; its register never falls."""

    register_wh: float = 1_000.0
    power_w: float = 0.0

    def run(self, seconds: float, vehicle: Vehicle, limit_w: float) -> None:
        """Let the vehicle charge for a while, taking at most `limit_w` watts."""
        while seconds > 0:
            step = min(seconds, STEP_S)
            self.power_w = max(0.0, min(vehicle.demand_w(), limit_w))
            energy = self.power_w * step / 3600
            self.register_wh += energy
            vehicle.take(energy)
            seconds -= step

    def rest(self) -> None:
        """No power flows from now on."""
        self.power_w = 0.0

    def reading(self, vehicle: Vehicle | None) -> Reading:
        """Return what the meter shows now."""
        return Reading(
            energy_wh=round(self.register_wh),
            power_w=round(self.power_w),
            current_a=round(self.power_w / VOLTAGE, 1),
            voltage_v=VOLTAGE,
            soc=None if vehicle is None else round(vehicle.soc),
        )
