"""The energy meter of one connector."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.charging.vehicle import VOLTAGE, Vehicle

STEP_S = 10.0
"""The longest interval, in simulated seconds, over which power counts as constant."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of the meter, with the state of charge (in %) of a connected vehicle."""

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
    """Integrate power over simulated time. The energy register never decreases."""

    register_wh: float = 1_000.0
    power_w: float = 0.0

    def run(self, seconds: float, vehicle: Vehicle, limit_w: float) -> None:
        """Charge the vehicle for some simulated seconds, with at most `limit_w` watts."""
        while seconds > 0:
            step = min(seconds, STEP_S)
            self.power_w = max(0.0, min(vehicle.demand_w(), limit_w))
            energy = self.power_w * step / 3600
            self.register_wh += energy
            vehicle.take(energy)
            seconds -= step

    def rest(self) -> None:
        """Set the power to 0."""
        self.power_w = 0.0

    def reading(self, vehicle: Vehicle | None) -> Reading:
        """Return the current reading."""
        return Reading(
            energy_wh=round(self.register_wh),
            power_w=round(self.power_w),
            current_a=round(self.power_w / VOLTAGE, 1),
            voltage_v=VOLTAGE,
            soc=None if vehicle is None else round(vehicle.soc),
        )
