"""The electric vehicle: its battery, and how much power it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

VOLTAGE = 230.0
"""The voltage between phase and neutral, in V."""


@dataclass(slots=True)
class Vehicle:
    """A battery and the vehicle's charger.

    Attributes:
        capacity_wh: the energy in a full battery, in Wh.
        charge_wh: the energy in the battery now, in Wh.
        max_power_w: the most power that the vehicle takes, in W; 7.4 kW is 32 A on one phase.
        direct_current: whether it charges with DC; then the power decreases while the battery fills.
    """

    capacity_wh: float = 52_000.0
    charge_wh: float = 20_800.0
    max_power_w: float = 7_400.0
    direct_current: bool = False

    @property
    def soc(self) -> float:
        """The state of charge, 0 to 100 %."""
        return 100.0 * self.charge_wh / self.capacity_wh

    def demand_w(self) -> float:
        """Return the power that the vehicle would take now, in W.

        Depending on the state of charge, it takes with AC full power up to 95 % and a tenth of it at 100 %; with DC
        full power from 10 % to 50 %, a fifth at 80 % and a twentieth at 100 %, as lithium cells require.
        """
        points = DC_CURVE if self.direct_current else AC_CURVE
        return 0.0 if self.soc >= 100.0 else self.max_power_w * interpolated(points, self.soc)

    def take(self, energy_wh: float) -> None:
        """Add energy to the battery, in Wh."""
        self.charge_wh = min(self.capacity_wh, self.charge_wh + energy_wh)


AC_CURVE = ((0.0, 1.0), (95.0, 1.0), (100.0, 0.1), (100.0001, 0.0))
DC_CURVE = ((0.0, 0.6), (10.0, 1.0), (50.0, 1.0), (80.0, 0.2), (100.0, 0.05), (100.0001, 0.0))


def interpolated(points: Sequence[tuple[float, float]], x: float) -> float:
    """Interpolate linearly between (x, y) points sorted by x; constant beyond the ends."""
    for (x0, y0), (x1, y1) in pairwise(points):
        if x <= x1:
            return y0 + (y1 - y0) * max(0.0, x - x0) / (x1 - x0)
    return points[-1][1]
