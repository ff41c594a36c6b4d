"""Judge whether an energy register rises as fast as the power that is reported with it.

A reading has the imported energy and the imported power of all phases at one timestamp. `registers` reads them from the
frames. Power may change between two samples, so energy is compared with the least and the most that the lower and the
higher of two neighbouring samples would give.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.durations import duration
from inspector.rules.fields import earlier, seconds
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import ASIDE, Topic, aside, rule

SERIES_LIMIT = 200
"""At most so many transactions and connectors (or EVSEs) are remembered; beyond that, the oldest is forgotten."""
GAP_S = 1200.0
"""Samples that are further apart than this (in seconds) are not compared, because the power may have changed often."""
JUMP_WH = 1000.0
"""A smaller rise is never reported as a jump, however short the time is."""
SAMPLES = 4
"""At least so many samples of power are needed for a comparison."""
COARSE_WH, FINE_WH, IDLE_WH = 1000.0, 100.0, 500.0
"""Energy differences in Wh up to these limits are not reported.

COARSE_WH and FINE_WH limit how much energy may be missing: COARSE_WH while the register has not yet risen, because it
may count in large steps, FINE_WH after that. IDLE_WH limits how much the register may count too much.
"""

_START = """> [2,"s","StartTransaction",{"connectorId":1,"idTag":"T","meterStart":0,"timestamp":"2026-01-01T12:00:00Z"}]
< [3,"s",{"transactionId":7,"idTagInfo":{"status":"Accepted"}}]
"""


def _metered(minute: int, energy: float, power: float | None, *, new: bool) -> str:
    value = "{}" if new else '"{}"'
    place = '"evseId":1' if new else '"connectorId":1,"transactionId":7'
    samples = '{"value":' + value.format(energy) + "}"
    if power is not None:
        samples += ',{"measurand":"Power.Active.Import","value":' + value.format(power) + "}"
    return (
        f'> [2,"m{minute}","MeterValues",{{{place},"meterValue":[{{"timestamp":"2026-01-01T12:{minute:02}:00Z",'
        f'"sampledValue":[{samples}]}}]}}]\n< [3,"m{minute}",{{}}]\n'
    )


def _course(power: float | None, *energies: float) -> dict[str, str]:
    """Return an example with readings a minute apart, by version."""
    old = "".join(_metered(n, energy, power, new=False) for n, energy in enumerate(energies, 1))
    new = "".join(_metered(n, energy, power, new=True) for n, energy in enumerate(energies, 1))
    return {"1.6": _START + old, "2x": new}


type Reading = tuple[float, Any, str | None, float]
"""One reading of a register: its value in the base unit, the value as sent, its timestamp, and the factor of its unit.

The factor is how many base units one unit of the sent value has: 1000.0 for kWh.
"""


@dataclass(slots=True)
class _Series:
    """The state of one register: its last reading, and the sums since power and energy were last compared.

    Timestamps are parsed only if they matter, because `mono_ns` is enough to see that almost every reading fits.
    """

    reading: Reading
    mono_ns: int
    power_w: float | None
    step_wh: float = 0.0  # the smallest rise between two readings so far
    begun: Reading | None = None  # the first reading with power of this comparison
    powered: str | None = None  # the timestamp of the last reading with power
    samples: int = 0
    least_wh: float = 0.0
    most_wh: float = 0.0

    def begin(self) -> None:
        """Begin a new comparison at the latest reading."""
        self.begun, self.powered = self.reading, self.reading[2]
        self.samples, self.least_wh, self.most_wh = 1, 0.0, 0.0


class EnergyAndPower(Topic):
    """The rules that compare energy, power and time."""

    scope = "station"

    def setup(self) -> None:
        self._series: dict[Any, _Series] = {}

    def forget(self, scope: Any) -> None:
        """Forget a register, because it may start again at a lower value."""
        self._series.pop(scope, None)

    def began(self, scope: Any, timestamp: str | None, meter_start: int, frame: Frame) -> None:
        """Begin the state of a register with the meterStart of its transaction."""
        self._keep(scope, _Series((float(meter_start), meter_start, timestamp, 1.0), frame.mono_ns, None))

    def read(self, frame: Frame, scope: Any, reading: Reading, power_w: float | None) -> list[Fault] | None:
        """Compare a reading with the earlier ones, and return the faults.

        Args:
            frame: the frame with the reading.
            scope: the transaction id; without a transaction, a tuple of the connector or EVSE.
            reading: the energy register of all phases.
            power_w: the power at the same time; None if it is not reported.
        """
        known = self._series.get(scope)
        if known is None:
            known = _Series(reading, frame.mono_ns, power_w)
            self._keep(scope, known)
            if power_w is not None:
                known.begin()
            return None
        last, passed_ns, power_before = known.reading, frame.mono_ns - known.mono_ns, known.power_w
        risen_wh = reading[0] - last[0]
        if risen_wh < 0 and earlier(reading[2], last[2]):
            return None  # it is an older reading that was delivered late
        known.reading, known.mono_ns, known.power_w = reading, frame.mono_ns, power_w
        if risen_wh < 0:
            known.begun = None  # the rule meter.register-falls reports it
        elif risen_wh and (not known.step_wh or risen_wh < known.step_wh):
            known.step_wh = risen_wh
        jump = aside(self.jumps, scope, last, reading) if risen_wh > JUMP_WH else None
        if power_w is None:
            return [jump] if jump else None
        likely_wh = power_w * passed_ns / 3.6e12
        if (risen_wh < 2.5 * likely_wh and likely_wh < 2.5 * risen_wh) or not (risen_wh or power_w):
            known.begun, known.powered = reading, reading[2]
            if known.samples != 1:
                known.begin()
            return [jump] if jump else None
        if known.begun is None or not math.isfinite(risen_wh + power_w):
            known.begin()
            return [jump] if jump else None
        found = self._sum_up(known, scope, power_w, power_before)
        return [one for one in (jump, found) if one is not None]

    @rule(
        "meter.register-jumps",
        ASIDE,
        title="A register rises faster than any charge point can charge",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §4.7 and §7.31; OCPP 2.x J02.FR.16",
        remedy="Always report the same meter, in the stated unit. `highest_power_w` is the highest power that "
        "counts as possible.",
        bad=_course(None, 10, 909000),
        good=_course(None, 10, 9090),
        side=Side.CHARGE_POINT,
        heuristic=True,
    )
    def jumps(self, scope: Any, last: Reading, reading: Reading) -> Fault | None:
        passed_s = _passed_s(last[2], reading[2])
        risen_wh = reading[0] - last[0] - step(reading) - step(last)
        if passed_s is None or passed_s < 0 or not math.isfinite(risen_wh):
            return None
        power_w = risen_wh * 3600 / (passed_s + 1)  # add a second, because many timestamps have whole seconds only
        if power_w <= self.settings.highest_power_w:
            return None
        of = self._words(scope)
        text = f"the register rises from {_amount(last[0])}Wh to {_amount(reading[0])}Wh in {duration(passed_s)}"
        return Fault(f"{text}: that takes {_amount(power_w)}W ({of})", key=of)

    @rule(
        "meter.energy-power",
        ASIDE,
        title="The energy register contradicts the power that is reported with it",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §7.31; OCPP 2.x part 2, MeasurandEnumType",
        remedy="Check the units of both, and whether both come from the same meter. `energy_factor` and "
        "`energy_window_s` set the tolerance.",
        bad=_course(9400, *(361, 361, 361, 361, 361, 361, 361, 362, 362)),
        good=_course(9400, *(361 + 156 * minute for minute in range(9))),
        side=Side.CHARGE_POINT,
        heuristic=True,
    )
    def contradicts(self, scope: Any, known: _Series, begun: Reading, lasted_s: float) -> Fault | None:
        factor, counted = self.settings.energy_factor, known.reading[0] - begun[0]
        rounding = step(known.reading)
        spare = rounding + (COARSE_WH if not known.step_wh else max(FINE_WH, known.step_wh))
        said = f"the register rises by {_amount(counted)}Wh in {duration(lasted_s)}"
        if known.least_wh > spare and known.least_wh > factor * (counted + rounding):
            text = f"{said}, but the power reported meanwhile makes at least {_amount(known.least_wh)}Wh"
        elif counted - known.most_wh > IDLE_WH + rounding and counted > factor * known.most_wh:
            text = f"{said}, but the power reported meanwhile makes at most {_amount(known.most_wh)}Wh"
        else:
            if known.least_wh > spare or not known.most_wh:
                known.begin()
            return None
        known.begin()
        of = self._words(scope)
        return Fault(f"{text} ({of})", key=of)

    def _sum_up(self, known: _Series, scope: Any, power_w: float, power_before: float | None) -> Fault | None:
        """Add a sample of power to the sums; compare them with the energy if there are enough samples."""
        begun, taken = known.begun, known.reading[2]
        passed_s = _passed_s(known.powered, taken)
        if begun is None or power_before is None or power_w < 0 or passed_s is None or not 0 <= passed_s <= GAP_S:
            known.begin()
            return None
        known.powered = taken
        known.samples += 1
        known.least_wh += min(power_w, power_before) * passed_s / 3600
        known.most_wh += max(power_w, power_before) * passed_s / 3600
        lasted_s = _passed_s(begun[2], taken)
        if known.samples < SAMPLES or lasted_s is None or lasted_s < self.settings.energy_window_s:
            return None
        return aside(self.contradicts, scope, known, begun, lasted_s)

    def _words(self, scope: Any) -> str:
        if type(scope) is not tuple:
            return f"transaction {scope}"[:60]
        where = "connector" if self.session.version is OcppVersion.V16 else "EVSE"
        return f"{where} {scope[0]}, no transaction"

    def _keep(self, scope: Any, series: _Series) -> None:
        self._series[scope] = series
        if len(self._series) > SERIES_LIMIT:
            del self._series[next(iter(self._series))]


def _passed_s(one: str | None, other: str | None) -> float | None:
    before, after = seconds(one), seconds(other)
    return None if before is None or after is None else after - before


def step(reading: Reading) -> float:
    """Return the value of the last digit of a reading, in the base unit."""
    return reading[3] * 10.0 ** -len(str(reading[1]).partition(".")[2])


def _amount(value: float) -> str:
    """Return a number with three digits and the prefix of a unit, such as "12.3 k"; the unit must follow."""
    for scale, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= scale:
            return f"{value / scale:.3g} {prefix}"
    return f"{value:.3g} "
