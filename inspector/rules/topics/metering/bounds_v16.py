"""Judge whether the register of a 1.6 transaction stays between its meterStart and its meterStop.

This topic reads no frames: `registers` calls it.
"""

from __future__ import annotations

from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import ASIDE, V16, Topic, rule
from inspector.rules.state.transactions_v16 import Transactions16
from inspector.rules.topics.example_frames import NOW, cp, script
from inspector.rules.topics.metering.energy import Reading

TRANSACTIONS_LIMIT = 200

_START = cp(
    "StartTransaction",
    {"connectorId": 1, "idTag": "T", "meterStart": 1000, "timestamp": NOW},
    {"transactionId": 7, "idTagInfo": {"status": "Accepted"}},
)


def _sample(value: int) -> str:
    sampled = {"timestamp": NOW, "sampledValue": [{"value": str(value)}]}
    return cp("MeterValues", {"connectorId": 1, "transactionId": 7, "meterValue": [sampled]})


class MeterBounds16(Topic):
    """The rule about the bounds. `registers` calls it with each energy reading that is not the highest so far.

    Attributes:
        highest: the highest reading of each transaction in Wh, meterStart included, by transaction id.
    """

    scope = "station"
    versions = V16

    def setup(self) -> None:
        self.highest: dict[int, float] = {}
        self._known = self.station.topic(Transactions16)

    @rule(
        "meter.outside-transaction",
        ASIDE,
        title="The register of a transaction is below its meterStart or above its meterStop",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §6.45, §6.49 and §7.31",
        remedy="Take meterStart, the sampled values and meterStop from one register, in Wh.",
        bad=script(_START, _sample(200)),
        good=script(_START, _sample(1200)),
        versions=V16,
        side=Side.CHARGE_POINT,
        heuristic=True,
    )
    def outside(self, number: int, reading: Reading, stop: bool) -> Fault | None:
        value, rounding = reading[0], reading[3] + 1.0
        highest = self.highest.get(number)
        if stop:
            self.highest.pop(number, None)
            if highest is None or value >= highest - rounding:
                return None
            text = f"transaction {number} ends at {value:.0f} Wh, below the {highest:.0f} Wh that were sampled"
            return Fault(text, key=f"{number} stop")
        known = self._known.by_id.get(number)
        begun = known.meter_start if known is not None else None
        lowest = begun - rounding if begun is not None else value
        self.highest[number] = max(value, lowest, highest if highest is not None else value)
        if len(self.highest) > TRANSACTIONS_LIMIT:
            del self.highest[next(iter(self.highest))]
        if value >= lowest:
            return None
        return Fault(f"{value:.0f} Wh in transaction {number}, which began at {begun} Wh", key=str(number))
