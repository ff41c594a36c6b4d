"""The costs that a 2.1 station calculates (costDetails): when they are due, and whether they fit the tariff."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.durations import duration
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, found
from inspector.rules.rule import ASIDE, V21, Faults, Topic, aside, call, result, rule
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.topics.example_frames import NOW, Payload, script, transaction_event
from inspector.rules.topics.tariffs.events_v21 import begun, costs, ended
from inspector.rules.topics.tariffs.final_costs_v21 import FinalCosts21
from inspector.rules.topics.tariffs.known_v21 import PARTS, KnownTariffs, changed, default, enabled, prices, tariff

_USAGE = {"energy": "energy", "chargingTime": "chargingTime", "idleTime": "idleTime"}
_LOCAL = enabled("Cost", "Tariff")
_USED = {"tariffId": "A"}


def total(kind: str = "NormalCost", amount: float = 3.0, **parts: Any) -> Payload:
    """The total costs, made by `parts`, or by energy alone."""
    made = parts or {"energy": {"exclTax": amount}}
    return {"totalCost": {"currency": "EUR", "typeOfCost": kind, **made, "total": {"exclTax": amount}}}


def running(trigger: str = "RunningCost", **more: Any) -> str:
    """An Updated of the transaction."""
    return transaction_event("Updated", trigger, 1, **more)


_CHANGED = running("TariffChanged", info={"tariffId": "B"})


def _problem(value: str) -> str:
    return enabled("#", value=value, variable="Problem").replace(',"instance":"#"', "")


def _number(payload: Payload, name: str) -> float | None:
    value = payload.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


class Costs21(Topic):
    """Rules about costDetails."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._failed: Known[str, None] = Known()  # transactions whose costs could not be calculated
        self._last_failed: bool | None = None  # whether the latest costs could not be calculated
        self._reserved: Known[str, None] = Known()  # transactions that use a reservation
        self._told: Known[str, tuple[int, int]] = Known()  # by transaction: when costs came last, and their connection
        self._known = self.station.topic(KnownTariffs)
        self._final = self.station.topic(FinalCosts21)
        self._configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)

    @rule(
        "cost.missing",
        call("TransactionEvent"),
        title="The costs of a transaction are missing",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I12.FR.01, I12.FR.02, I12.FR.42",
        remedy="Give costDetails when a transaction with a tariff ends. With Enabled[RunningCost] give it also at the "
        "start and every Interval[Cost] seconds.",
        bad=script(_LOCAL, begun(_USED), ended()),
        good=script(_LOCAL, begun(_USED), ended(costDetails=costs())),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def missing(self, frame: Frame) -> Faults:
        payload = frame.payload
        quiet = "costDetails" not in payload and payload.get("triggerReason") != "RunningCost"
        if quiet and "reservationId" not in payload and not self._known.named:
            return None
        info, told = member(payload, "transactionInfo"), member(payload, "costDetails")
        name, kind, trigger = (
            string(info, "transactionId") or "",
            payload.get("eventType"),
            payload.get("triggerReason"),
        )
        if "reservationId" in payload:
            self._reserved.note(name, None)
        if told:
            if told.get("failureToCalculate") is True:
                self._failed.note(name, None)
                self._last_failed = True
            elif kind == "Ended":
                self._last_failed = False
            wrong = [
                aside(self.not_running, told, kind),
                aside(self.part_missing, told, name),
                aside(self.bounds, told, name, kind),
                aside(self.tax, told),
                aside(self.failure, told),
                aside(self.old_tariff, told, name, frame),
                aside(self._final.outdated, payload),
                aside(self._final.period_order, told),
                aside(self._final.fixed_changes, told, name, self._known.named.get(name)),
            ]
            faults = [each for each in wrong if each is not None]
            late = self._interval(frame, name, kind)
            self._told.note(name, (frame.mono_ns, self._evidence.connections))
            return [*faults, late] if late else faults
        if trigger == "RunningCost":
            fault = aside(self.not_running, told, kind)
            return [fault] if fault is not None else None
        if trigger == "TariffNotAccepted" or name in self._failed or not self._local(name, info):
            return None
        if kind == "Ended":
            return Fault("the transaction has a tariff and has ended, but costDetails is missing", "/3", key="Ended")
        if not self._known.on("RunningCost"):
            return None
        if kind == "Started":
            return Fault(
                "the transaction has a tariff and has started, but costDetails is missing", "/3", key="Started"
            )
        return self._interval(frame, name, kind)

    def _local(self, name: str, info: Payload) -> bool:
        """Whether the station is to calculate the costs of this transaction."""
        named = "tariffId" in info or name in self._known.named
        return named and self._known.on("Cost") is True and self._known.on("Tariff") is True

    def _interval(self, frame: Frame, name: str, kind: Any) -> Fault | None:
        before = self._told.get(name)
        every = self._configuration.variable_number("TariffCostCtrlr", "Interval", "Cost")
        if before is None or not every or every < 1 or not self._known.on("RunningCost") or name in self._failed:
            return None
        since, connection = before
        gap = (frame.mono_ns - since) / 1e9
        if connection != self._evidence.connections or gap <= 2 * every + self.settings.effect_timeout_s:
            return None
        self._told.note(name, (frame.mono_ns, connection))
        text = f"costs are due every {duration(every)}, but none came for {duration(gap)}"
        return Fault(text, "/3", key="interval")

    @rule(
        "cost.running",
        ASIDE,
        title="A running cost update has no costs, or has charging periods",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I12.FR.02, I12.FR.03; OCPP 2.1 part 2, CostDetailsType",
        remedy="Give costDetails with triggerReason RunningCost. Give chargingPeriods only when the transaction ends.",
        bad=script(begun(_USED), running()),
        good=script(begun(_USED), running(costDetails=costs(chargingPeriods=None))),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def not_running(self, told: Payload, kind: Any) -> Fault | None:
        if not told:
            return Fault("triggerReason is RunningCost, but costDetails is missing", "/3", key="missing")
        if kind in ("Started", "Updated") and "chargingPeriods" in told:
            return Fault(f"costDetails of {kind} has chargingPeriods", "/3/costDetails/chargingPeriods", key="periods")
        return None

    @rule(
        "cost.part-missing",
        ASIDE,
        title="A part of the costs is missing, or has no usage",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I12.FR.05, I12.FR.07, I12.FR.08, I12.FR.09, I12.FR.10, I12.FR.11",
        remedy="Put the costs of each element of the tariff into its own member of totalCost, and what was used into "
        "totalUsage.",
        bad=script(default(), begun(_USED), ended(costDetails=costs(**total(fixed={"exclTax": 3.0})))),
        good=script(default(), begun(_USED), ended(costDetails=costs())),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def part_missing(self, told: Payload, name: str) -> Fault | None:
        parts, usage = member(told, "totalCost"), member(told, "totalUsage")
        if parts.get("typeOfCost") != "NormalCost" or told.get("failureToCalculate") is True:
            return None
        for part, amount in (*_USAGE.items(), ("reservationTime", "reservationTime")):
            cost, used = _number(member(parts, part), "exclTax"), _number(usage, amount)
            if cost and not used:
                text = f"{part} costs {cost}, but totalUsage.{amount} is {'missing' if used is None else '0'}"
                return Fault(text, "/3/costDetails/totalUsage", key=part)
        one = self._tariff(told, name)
        for element, given in prices(one) if one is not None else ():
            part = PARTS[element]
            price = given[0] if given else {}
            worth = next((value for key, value in price.items() if key.startswith("price")), 0)
            if "conditions" in price or not isinstance(worth, int | float) or worth <= 0 or part in parts:
                continue
            reserved = element.startswith("reservation")
            applies = name in self._reserved if reserved else element == "fixedFee" or bool(_number(usage, element))
            if applies:
                return Fault(
                    f"the tariff has {element}, but totalCost.{part} is missing", "/3/costDetails/totalCost", key=part
                )
        return None

    def _tariff(self, told: Payload, name: str) -> Payload | None:
        """The content of the only tariff that these costs are of."""
        names = {string(period, "tariffId") for period in elements(told, "chargingPeriods")}
        names.add(self._known.named.get(name))
        names.discard(None)
        if len(names) != 1 or name in self._known.changed:
            return None
        return self._known.contents.get(names.pop() or "")

    @rule(
        "cost.bounds",
        ASIDE,
        title="The costs contradict the minimum or maximum of the tariff",
        severity=Severity.ERROR,
        spec="OCPP 2.1 I12.FR.38, I12.FR.39, I12.FR.41",
        remedy="Charge minCost (MinCost, in fixed) where the total is lower, and stop at maxCost (MaxCost). Otherwise "
        "set typeOfCost to NormalCost.",
        bad=script(default(tariff(minCost={"exclTax": 5.0})), begun(_USED), ended(costDetails=costs())),
        good=script(
            default(tariff(minCost={"exclTax": 5.0})),
            begun(_USED),
            ended(costDetails=costs(**total("MinCost", 5.0, fixed={"exclTax": 5.0}))),
        ),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def bounds(self, told: Payload, name: str, kind: Any) -> Fault | None:
        one, cost = self._tariff(told, name), member(told, "totalCost")
        said, at = string(cost, "typeOfCost"), "/3/costDetails/totalCost"
        if one is None or told.get("failureToCalculate") is True:
            return None
        for bound, type_of_cost in (("minCost", "MinCost"), ("maxCost", "MaxCost")):
            if said == type_of_cost and bound not in one:
                return Fault(f"typeOfCost is {said}, but the tariff has no {bound}", f"{at}/typeOfCost", key=bound)
        least, most = member(one, "minCost"), member(one, "maxCost")
        reached = [
            (_number(member(cost, "total"), tax) or 0.0) > (_number(most, tax) or 0.0) - 0.011
            for tax in ("exclTax", "inclTax")
            if tax in most and tax in member(cost, "total")
        ]
        if said == "MaxCost" and reached and not any(reached):
            return Fault("typeOfCost is MaxCost, but the total is below maxCost", f"{at}/typeOfCost", key="early")
        for tax in ("exclTax", "inclTax"):
            made = _number(member(cost, "total"), tax)
            low, high = _number(least, tax), _number(most, tax)
            fixed = _number(member(cost, "fixed"), tax)
            if made is not None and low is not None and made < low - 0.011 and kind == "Ended":
                return Fault(f"total.{tax} is {made}; minCost is {low}", f"{at}/total/{tax}", key="below")
            if made is not None and high is not None and made > high + 0.011:
                return Fault(f"total.{tax} is {made}; maxCost is {high}", f"{at}/total/{tax}", key="above")
            if said == "MinCost" and low is not None and fixed is not None and abs(fixed - low) > 0.011:
                return Fault(f"fixed.{tax} is {fixed}; minCost is {low}", f"{at}/fixed/{tax}", key="fixed")
        return None

    @rule(
        "cost.tax",
        ASIDE,
        title="A price with tax is not the price without tax plus its taxes",
        severity=Severity.ERROR,
        spec="OCPP 2.1 I12.FR.13",
        remedy="Calculate inclTax from exclTax: add the taxes of stack 0, then those of stack 1 on the result.",
        bad=script(
            begun(_USED),
            ended(
                costDetails=costs(
                    **total(energy={"exclTax": 3.0, "inclTax": 3.1, "taxRates": [{"type": "VAT", "tax": 20.0}]})
                )
            ),
        ),
        good=script(
            begun(_USED),
            ended(
                costDetails=costs(
                    **total(energy={"exclTax": 3.0, "inclTax": 3.6, "taxRates": [{"type": "VAT", "tax": 20.0}]})
                )
            ),
        ),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def tax(self, told: Payload) -> Fault | None:
        for name in PARTS.values():
            part = member(member(told, "totalCost"), name)
            before, after = _number(part, "exclTax"), _number(part, "inclTax")
            rates = elements(part, "taxRates")
            if before is None or after is None or not rates:
                continue
            stacks: dict[int, float] = {}
            for rate in rates:
                stack = integer(rate, "stack") or 0
                stacks[stack] = stacks.get(stack, 0.0) + (_number(rate, "tax") or 0.0)
            wanted = before
            for stack in sorted(stacks):
                wanted *= 1 + stacks[stack] / 100
            if abs(wanted - after) > 0.011 + 0.001 * abs(wanted):
                text = f"{name}.inclTax is {after}; exclTax {before} and the taxes make {wanted:.2f}"
                return Fault(text, f"/3/costDetails/totalCost/{name}/inclTax", key=name)
        return None

    @rule(
        "cost.failure",
        ASIDE,
        title="Costs that could not be calculated are not marked",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I12.FR.14",
        remedy="Set failureToCalculate to true where the costs, or a part of them, could not be calculated.",
        bad=script(begun(_USED), ended(costDetails=costs(failureReason="no clock"))),
        good=script(begun(_USED), ended(costDetails=costs())),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def failure(self, told: Payload) -> Fault | None:
        if "failureReason" not in told or told.get("failureToCalculate") is True:
            return None
        return Fault("failureReason is given, but failureToCalculate is not true", "/3/costDetails")

    @rule(
        "cost.old-tariff",
        ASIDE,
        title="The costs of a transaction ignore its change of tariff",
        severity=Severity.ERROR,
        spec="OCPP 2.1 I11.FR.08",
        remedy="Apply a tariff from the moment that ChangeTransactionTariff is accepted.",
        bad=script(begun(_USED), changed(tariff("B")), _CHANGED, "+ 1h", ended({}, 2, costDetails=costs())),
        good=script(
            begun(_USED),
            changed(tariff("B")),
            _CHANGED,
            "+ 1h",
            ended(
                {},
                2,
                costDetails=costs(
                    chargingPeriods=[
                        {"startPeriod": NOW, "tariffId": "A"},
                        {"startPeriod": "2026-01-01T12:30:00Z", "tariffId": "B"},
                    ]
                ),
            ),
        ),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def old_tariff(self, told: Payload, name: str, frame: Frame) -> Fault | None:
        new = self._known.changed.get(name)
        periods = elements(told, "chargingPeriods")
        if new is None or frame.payload.get("eventType") != "Ended" or not periods:
            return None
        if frame.ts_ns / 1e9 - new[1] < (
            10 if self._known.named.get(name) == new[0] else self.settings.effect_timeout_s
        ):
            return None  # no period may have begun since
        if any(string(period, "tariffId") in (None, new[0]) for period in periods):
            return None
        return Fault(
            f"no charging period is of tariff {new[0][:60]!r}, to which it was changed",
            "/3/costDetails/chargingPeriods",
        )

    @rule(
        "cost.problem-value",
        result("GetVariables"),
        title="The variable Problem contradicts the latest costs",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I12.FR.18, I12.FR.43",
        remedy="Set TariffCostCtrlr.Problem to true when costs cannot be calculated, and to false when they can.",
        bad=script(begun(_USED), ended(costDetails=costs(failureToCalculate=True)), _problem("false")),
        good=script(begun(_USED), ended(costDetails=costs(failureToCalculate=True)), _problem("true")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def problem_value(self, frame: Frame) -> Faults:
        if self._last_failed is None:
            return None
        for index, one in enumerate(elements(frame.payload, "getVariableResult")):
            if found(one, "component/name") != "TariffCostCtrlr" or found(one, "variable/name") != "Problem":
                continue
            value = (string(one, "attributeValue") or "").lower()
            if value == ("false" if self._last_failed else "true"):
                said = "could not be calculated" if self._last_failed else "were calculated"
                text = f"the latest costs {said}, but Problem is {value}"
                return Fault(text, f"/2/getVariableResult/{index}/attributeValue", key=value)
        return None
