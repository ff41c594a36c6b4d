"""Judge whether the costs that a 2.1 station gives at the end of a transaction are up to date."""

from __future__ import annotations

from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import ASIDE, V21, Topic, rule
from inspector.rules.topics.example_frames import NOW, Payload, script, transaction_event
from inspector.rules.topics.tariffs.events_v21 import begun, costs, ended

_USED = {"tariffId": "A"}
_UNMEASURED_WH = 100
"""A meter may advance by so much after the last cost calculation."""


def _metered(energy_wh: int) -> list[Payload]:
    return [{"timestamp": NOW, "sampledValue": [{"value": energy_wh, "unitOfMeasure": {"unit": "Wh"}}]}]


def _used(kwh: float) -> Payload:
    return costs(chargingPeriods=None, totalUsage={"energy": kwh, "chargingTime": 600, "idleTime": 0})


_RUNNING = transaction_event("Updated", "RunningCost", 1, meterValue=_metered(5000), costDetails=_used(5.0))


class FinalCosts21(Topic):
    """The rule about costs that are not up to date."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._running: Known[str, tuple[float, float]] = Known()  # by transaction: energy in the costs and on the meter

    @rule(
        "cost.outdated",
        ASIDE,
        title="The costs at the end of a transaction lack the energy since the last running costs",
        severity=Severity.ERROR,
        spec="OCPP 2.1 I12.FR.42, I12.FR.09",
        remedy="Finish the calculation before you send Ended: costDetails must have all energy of the transaction.",
        bad=script(begun(_USED), _RUNNING, ended(sequence=2, meterValue=_metered(9000), costDetails=_used(5.0))),
        good=script(begun(_USED), _RUNNING, ended(sequence=2, meterValue=_metered(9000), costDetails=_used(9.0))),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def outdated(self, payload: Payload) -> Fault | None:
        told = member(payload, "costDetails")
        used, register = member(told, "totalUsage").get("energy"), _register(payload)
        if not isinstance(used, int | float) or register is None or told.get("failureToCalculate") is True:
            return None
        name = string(member(payload, "transactionInfo"), "transactionId") or ""
        if payload.get("eventType") != "Ended":
            self._running.note(name, (used, register))
            return None
        before = self._running.pop(name, None)
        if before is None or before[0] == 0 or used > before[0] or register - before[1] <= _UNMEASURED_WH:
            return None
        text = f"totalUsage.energy is still {used:g}, but {register - before[1]:g} Wh were metered since the last costs"
        return Fault(text, "/3/costDetails/totalUsage/energy", key=name[:36])


def _register(payload: Payload) -> float | None:
    """Return the latest import register of an event in Wh, of all phases together; None if it has none."""
    for value in reversed(elements(payload, "meterValue")):
        for sample in reversed(elements(value, "sampledValue")):
            measurand, unit = sample.get("measurand"), member(sample, "unitOfMeasure")
            scale = {"Wh": 1, "kWh": 1000}.get(string(unit, "unit") or "Wh")
            number = sample.get("value")
            if (
                measurand in (None, "Energy.Active.Import.Register")
                and "phase" not in sample
                and sample.get("location") in (None, "Outlet")
                and scale is not None
                and isinstance(number, int | float)
            ):
                multiplier = integer(unit, "multiplier") or 0
                return float(number) * scale * 10.0**multiplier if -9 <= multiplier <= 9 else None
    return None
