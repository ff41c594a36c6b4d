"""Judge whether the costs that a 2.1 station gives at the end of a transaction are up to date."""

from __future__ import annotations

from itertools import pairwise

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import ASIDE, V21, Topic, call, rule, track
from inspector.rules.topics.example_frames import NOW, Payload, script, transaction_event
from inspector.rules.topics.tariffs.events_v21 import begun, costs, ended
from inspector.rules.topics.tariffs.known_v21 import KnownTariffs

_USED = {"tariffId": "A"}
_ONCE = ("fixed", "reservationTime", "reservationFixed")
_UNMEASURED_WH = 100
"""A meter may advance by so much after the last cost calculation."""


def _metered(energy_wh: int) -> list[Payload]:
    return [{"timestamp": NOW, "sampledValue": [{"value": energy_wh, "unitOfMeasure": {"unit": "Wh"}}]}]


def _used(kwh: float) -> Payload:
    return costs(chargingPeriods=None, totalUsage={"energy": kwh, "chargingTime": 600, "idleTime": 0})


def _fixed(amount: float, sequence: int = 1) -> str:
    total = {"currency": "EUR", "typeOfCost": "NormalCost", "fixed": {"exclTax": amount}, "total": {"exclTax": amount}}
    told = costs(chargingPeriods=None, totalCost=total)
    return transaction_event("Updated", "RunningCost", sequence, costDetails=told)


def _period(minute: int) -> Payload:
    used = [{"type": "Energy", "volume": 5000}]
    return {"startPeriod": f"2026-01-01T12:{minute:02}:00Z", "tariffId": "A", "dimensions": used}


_RUNNING = transaction_event("Updated", "RunningCost", 1, meterValue=_metered(5000), costDetails=_used(5.0))


class FinalCosts21(Topic):
    """The rule about costs that are not up to date."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._once: Known[str, tuple[str | None, Payload]] = (
            Known()
        )  # by transaction: its tariff, and fees that are due once
        self._running: Known[str, tuple[float, float]] = Known()  # by transaction: energy in the costs and on the meter
        self._begin: Known[str, float] = Known()  # by transaction: what the meter showed when it started
        self._known = self.station.topic(KnownTariffs)

    @track(call("TransactionEvent"), plain=False, dormant=lambda topic: not topic._known.contents)
    def begins(self, frame: Frame) -> None:
        if frame.payload.get("eventType") == "Started":
            name, register = string(member(frame.payload, "transactionInfo"), "transactionId"), _register(frame.payload)
            if name is not None and register is not None:
                self._begin.note(name, register)

    @rule(
        "cost.outdated",
        ASIDE,
        title="The energy in the costs of a transaction is not what its meter counted",
        severity=Severity.ERROR,
        spec="OCPP 2.1 I12.FR.42, I12.FR.09, I12.FR.40",
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
        before, begin = self._running.pop(name, None), self._begin.pop(name, None)
        if begin is not None and register > begin:
            metered = register - begin
            # The specification counts in Wh in its examples (I12), but its text about dimensions says both Wh and kWh.
            off = min(abs(used - metered), abs(used * 1000 - metered))
            if off > max(_UNMEASURED_WH, metered * 0.05):
                text = f"totalUsage.energy is {used:g}, but the meter counted {metered:g} Wh"
                return Fault(text, "/3/costDetails/totalUsage/energy", key=name[:36])
        if before is None or before[0] == 0 or used > before[0] or register - before[1] <= _UNMEASURED_WH:
            return None
        text = f"totalUsage.energy is still {used:g}, but {register - before[1]:g} Wh were metered since the last costs"
        return Fault(text, "/3/costDetails/totalUsage/energy", key=name[:36])

    @rule(
        "cost.fixed-changes",
        ASIDE,
        title="A fee that is due once is charged again while the transaction runs",
        severity=Severity.ERROR,
        spec="OCPP 2.1 I12.FR.06, I12.FR.30",
        remedy="Calculate fixedFee, reservationTime and reservationFixed once, at the start of the transaction.",
        bad=script(begun(_USED), _fixed(1.0), _fixed(2.0, 2)),
        good=script(begun(_USED), _fixed(1.0), _fixed(1.0, 2)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def fixed_changes(self, told: Payload, name: str, tariff: str | None) -> Fault | None:
        parts = member(told, "totalCost")
        if parts.get("typeOfCost") != "NormalCost" or told.get("failureToCalculate") is True:
            return None
        given = {part: member(parts, part).get("exclTax") for part in _ONCE if part in parts}
        before = self._once.get(name)
        self._once.note(name, (tariff, given))
        if before is None or before[0] != tariff:
            return None
        for part, cost in given.items():
            old = before[1].get(part)
            if isinstance(cost, int | float) and isinstance(old, int | float) and old > 0 and cost > old + 0.011:
                text = f"{part}.exclTax rises from {old} to {cost}, but this fee is due once"
                return Fault(text, f"/3/costDetails/totalCost/{part}", key=part)
        return None

    @rule(
        "cost.period-order",
        ASIDE,
        title="The charging periods of the costs do not follow each other",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I12.FR.35, I12.FR.36",
        remedy="When other prices apply, give the period so far its dimensions, and begin a new one at this moment.",
        bad=script(begun(_USED), ended(costDetails=costs(chargingPeriods=[_period(5), _period(0)]))),
        good=script(begun(_USED), ended(costDetails=costs(chargingPeriods=[_period(0), _period(5)]))),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def period_order(self, told: Payload) -> Fault | None:
        periods = elements(told, "chargingPeriods")
        for index, (one, other) in enumerate(pairwise(periods), 1):
            begins, after = seconds(string(one, "startPeriod")), seconds(string(other, "startPeriod"))
            at = f"/3/costDetails/chargingPeriods/{index}"
            if begins is not None and after is not None and after <= begins:
                return Fault("a charging period does not begin after the one before", at, key="order")
            if not one.get("dimensions") and other.get("dimensions"):
                text = "a charging period has ended without dimensions"
                return Fault(text, f"/3/costDetails/chargingPeriods/{index - 1}", key="dimensions")
        return None


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
