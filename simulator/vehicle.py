"""The electric vehicle at the other end of the cable: knows how much power it takes; knows nothing of OCPP."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

VOLTAGE = 230.0
"""Volts between phase and neutral."""


@dataclass(slots=True)
class Vehicle:
    """A battery with a charger in front of it.

    Attributes:
        capacity_wh: what the battery holds when full, Wh.
        charge_wh: what it holds now, Wh.
        max_power_w: what the vehicle takes at most, W; a 32 A single-phase on-board charger takes 7.4 kW.
        direct_current: True where the battery is charged directly, with a taper towards full.
    """

    capacity_wh: float = 52_000.0
    charge_wh: float = 20_800.0
    max_power_w: float = 7_400.0
    direct_current: bool = False

    @property
    def soc(self) -> float:
        """State of charge, 0 to 100 %."""
        return 100.0 * self.charge_wh / self.capacity_wh

    def demand_w(self) -> float:
        """Return the power the vehicle would take now, W.

        AC holds its power until 95 % and then falls to a tenth; DC rises to its peak at 10 %, holds until 50 %
        and tapers to a fifth at 80 % and to a twentieth at 100 %, as lithium cells ask for.
        """
        points = DC_CURVE if self.direct_current else AC_CURVE
        return self.max_power_w * _between(points, self.soc)

    def take(self, energy_wh: float) -> None:
        """Put energy into the battery, Wh."""
        self.charge_wh = min(self.capacity_wh, self.charge_wh + energy_wh)


AC_CURVE = ((0.0, 1.0), (95.0, 1.0), (100.0, 0.1), (100.0001, 0.0))
DC_CURVE = ((0.0, 0.6), (10.0, 1.0), (50.0, 1.0), (80.0, 0.2), (100.0, 0.05), (100.0001, 0.0))


def _between(points: tuple[tuple[float, float], ...], x: float) -> float:
    """Interpolate linearly between (x, y) points sorted by x; the ends go on flat."""
    if x >= 100.0:
        return 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x <= x1:
            return y0 + (y1 - y0) * max(0.0, x - x0) / (x1 - x0)
    return points[-1][1]
