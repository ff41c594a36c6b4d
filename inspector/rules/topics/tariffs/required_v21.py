"""Judge how a 2.1 station handles a tariff that it cannot use, or that becomes valid later."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Promise, ongoing
from inspector.rules.rule import V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.topics.example_frames import Payload, script
from inspector.rules.topics.tariffs.answers_v21 import assigned, listed
from inspector.rules.topics.tariffs.events_v21 import begun, costs, ended, problem
from inspector.rules.topics.tariffs.known_v21 import KnownTariffs, authorized, default, enabled, prices, tariff
from inspector.rules.topics.tariffs.problem_v21 import is_problem
from inspector.rules.topics.tariffs.structure_v21 import mistakes

DAY_S = 86400
_MOST_KWH = 500.0
"""No transaction takes more energy; larger numbers are in Wh."""
_LATER, _EARLIER = tariff("A", validFrom="2026-03-01T00:00:00Z"), tariff("B", validFrom="2026-02-01T00:00:00Z")
_NO_CONDITIONS = enabled("Tariff", value="false", variable="ConditionsSupported")
_GIVEN = ("SetDefaultTariff", "ChangeTransactionTariff")


def _with(**conditions: object) -> Payload:
    return tariff(energy={"prices": [{"priceKwh": 0.3, "conditions": conditions}]})


class RequiredTariffs21(Topic):
    """The rules about tariffs that a station must refuse, keep or report."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._problem = False  # whether the station has reported a problem with a tariff
        self._known = self.station.topic(KnownTariffs)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "tariff.invalid-accepted",
        result(*_GIVEN),
        title="A tariff is accepted although its structure is invalid",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I07.FR.05",
        remedy="Answer Rejected, with the reasonCode InvalidValue, for a tariff without prices or with conditions that "
        "cannot be met.",
        bad=script(default(_with(minEnergy=20, maxEnergy=10))),
        good=script(default(_with(minEnergy=20, maxEnergy=10), status="Rejected")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def invalid_accepted(self, frame: Frame) -> Faults:
        if frame.payload.get("status") != "Accepted":
            return None
        wrong = next(mistakes(member(frame.request, "tariff")), None)
        return Fault(f"Accepted, but {wrong}", "/2/status", key=wrong) if wrong is not None else None

    @rule(
        "tariff.other-status",
        result(*_GIVEN),
        title="A tariff is refused with another status than the one for its fault",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I07.FR.02, I07.FR.03, I07.FR.04, I11.FR.02, I11.FR.03, I11.FR.04",
        remedy="Answer TooManyElements, ConditionNotSupported, DuplicateTariffId or TxNotFound where it fits.",
        bad=script(_NO_CONDITIONS, default(_with(minEnergy=20), status="Rejected")),
        good=script(_NO_CONDITIONS, default(_with(minEnergy=20), status="ConditionNotSupported")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def other_status(self, frame: Frame) -> Faults:
        one, status = member(frame.request, "tariff"), string(frame.payload, "status")
        if status in (None, "Accepted") or next(mistakes(one), None) is not None:
            return None
        fitting = set(self._unusable(one))
        if frame.action == "ChangeTransactionTariff":
            if ongoing(self, string(frame.request, "transactionId")) is False:
                fitting.add("TxNotFound")
        elif string(one, "tariffId") in self._known.defaults:
            fitting.add("DuplicateTariffId")
        if not fitting or status in fitting or status == "NoCurrencyChange":
            return None
        if "reasonCode" in member(frame.payload, "statusInfo") and status == "Rejected":
            return None  # there may be another fault
        return Fault(f"{status}; expected {min(fitting)}", "/2/status", key=min(fitting))

    def _unusable(self, one: Payload) -> Iterator[str]:
        """Yield the statuses that fit a tariff which the station cannot use, as far as its variables show."""
        most = self._configuration.variable_number("TariffCostCtrlr", "MaxElements", "Tariff")
        given = [each for _, found in prices(one) for each in found]
        if most is not None and 0 < most < len(given):
            yield "TooManyElements"
        if self._known.on("Tariff", "ConditionsSupported") is False and any("conditions" in each for each in given):
            yield "ConditionNotSupported"

    @rule(
        "tariff.replaced-early",
        result("GetTariffs"),
        title="A tariff that becomes valid later is gone, although it was not cleared",
        severity=Severity.ERROR,
        spec="OCPP 2.1 I07.FR.23",
        remedy="Keep a tariff until its validFrom, also if one is set that is valid earlier.",
        bad=script(default(_LATER), default(_EARLIER), listed(assigned("B", 1, validFrom="2026-02-01T00:00:00Z"))),
        good=script(
            default(_LATER),
            default(_EARLIER),
            listed(
                assigned("A", 1, validFrom="2026-03-01T00:00:00Z"), assigned("B", 1, validFrom="2026-02-01T00:00:00Z")
            ),
        ),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._known.contents,
    )
    def replaced_early(self, frame: Frame) -> Faults:
        evse, status = integer(frame.request, "evseId"), frame.payload.get("status")
        if status not in ("Accepted", "NoTariff") or evse is None:
            return None
        told = {string(one, "tariffId") for one in elements(frame.payload, "tariffAssignments")}
        for name, one in self._known.defaults.items():
            begins = one.valid_from
            if begins is None or begins - self.settings.clock_skew_s < frame.ts_ns / 1e9 or name in told:
                continue
            if one.sure or evse not in (0, one.evse or evse):
                continue  # tariff.not-listed judges it, or it is of another EVSE
            return Fault(f"tariff {name[:60]!r} becomes valid later, but is no longer listed", "/2", key=name[:60])
        return None

    @rule(
        "tariff.driver-ignored",
        call("TransactionEvent"),
        title="A transaction uses the default tariff although its driver has a tariff",
        severity=Severity.ERROR,
        spec="OCPP 2.1 I08.FR.04, I08.FR.10",
        remedy="Use the tariff in the answer to Authorize at once, whatever its validFrom is.",
        bad=script(default(), authorized(tariff("D")), begun({"tariffId": "A"})),
        good=script(default(), authorized(tariff("D")), begun({"tariffId": "D"})),
        versions=V21,
        side=Side.CHARGE_POINT,
        plain=False,
        dormant=lambda topic: not topic._known.drivers,
    )
    def driver_ignored(self, frame: Frame) -> Faults:
        info = member(frame.payload, "transactionInfo")
        name, told = string(info, "transactionId") or "", string(info, "tariffId")
        token = self._known.tokens.get(name) or (string(member(frame.payload, "idToken"), "idToken") or "").lower()
        one = self._known.drivers.get(token)
        if one is None or told is None or told == one.get("tariffId") or name in self._known.changed:
            return None
        if told not in self._known.defaults or self._problem or next(self._unusable(one), None) is not None:
            return None
        text = f"tariff {told[:60]!r} is used, but the CSMS has given the driver {str(one.get('tariffId'))[:60]!r}"
        return Fault(text, "/3/transactionInfo/tariffId", key=name[:36])

    @rule(
        "cost.price",
        call("TransactionEvent"),
        title="The costs of energy are not those of the price that applies",
        severity=Severity.ERROR,
        spec="OCPP 2.1 I12.FR.33 to I12.FR.36",
        remedy="Use the first price of the tariff that has no conditions, or whose conditions are met. When "
        "another price applies, begin a new charging period.",
        bad=script(default(tariff(energy={"prices": [{"priceKwh": 0.5}]})), begun(), ended(costDetails=costs())),
        good=script(default(), begun(), ended(costDetails=costs())),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._known.contents,
    )
    def price(self, frame: Frame) -> Faults:
        details = frame.payload.get("costDetails")
        if type(details) is not dict or details.get("failureToCalculate") is True:
            return None
        names = {string(one, "tariffId") for one in elements(details, "chargingPeriods")}
        one = self._known.contents.get(next(iter(names)) or "") if len(names) == 1 else None
        made = member(member(details, "totalCost"), "energy").get("exclTax")
        used = member(details, "totalUsage").get("energy")
        first = elements(member(one or {}, "energy"), "prices")
        # The examples of the specification (I12) count energy in Wh, its text about dimensions says both Wh and kWh.
        in_kwh = self._priced(details, first, made, used)
        if in_kwh is None or not isinstance(used, int | float):
            return in_kwh
        in_wh = self._priced(details, first, made, used / 1000)
        return in_wh and (in_wh if used > _MOST_KWH else in_kwh)

    def _priced(self, details: Payload, first: list[Payload], made: object, used: object) -> Fault | None:
        if fault := self._conditional(details, first, made, used):
            return fault
        each = first[0].get("priceKwh") if first and "conditions" not in first[0] else None
        if not all(isinstance(value, int | float) for value in (made, used, each)):
            return None
        if member(details, "totalCost").get("typeOfCost") != "NormalCost":
            return None
        wanted = float(each) * float(used)  # type: ignore[arg-type]
        if abs(float(made) - wanted) <= max(0.02, wanted * 0.01):  # type: ignore[arg-type]
            return None
        text = f"energy costs {made:g} for {used:g} kWh; at {each:g} it is {wanted:.2f}"
        return Fault(text, "/3/costDetails/totalCost/energy", key="energy")

    def _conditional(self, details: Payload, given: list[Payload], made: object, used: object) -> Fault | None:
        """Return the fault of costs that no mixture of the prices makes, or that lack a period for the second price."""
        begins = [string(one, "startPeriod") or "" for one in elements(details, "chargingPeriods")]
        whole, given = len(given), [one for one in given if _can_apply(one, begins, used)]
        if not given or (whole == 1 and "conditions" not in given[0]):
            return None
        each = [price.get("priceKwh") for price in given]
        known = [float(price) for price in each if isinstance(price, int | float)]
        if not isinstance(made, int | float) or not isinstance(used, int | float) or len(known) < len(each):
            return None
        if member(details, "totalCost").get("typeOfCost") != "NormalCost":
            return None
        always = any("conditions" not in price for price in given)  # otherwise some energy may have no price
        low, high = (min(known) if always else min(0.0, *known)) * used, max(known) * used
        if not low - 0.02 <= made <= high * 1.01 + 0.02:
            text = f"energy costs {made:g} for {used:g} kWh; the prices that apply make {low:.2f} to {high:.2f}"
            return Fault(text, "/3/costDetails/totalCost/energy", key="energy")
        limit = member(given[0], "conditions").get("maxEnergy")
        periods = elements(details, "chargingPeriods")
        if len(given) < 2 or not isinstance(limit, int | float) or len(member(given[0], "conditions")) != 1:
            return None
        if len(periods) == 1 and used * 1000 > limit * 1.01 and "conditions" not in given[1]:
            text = f"{used:g} kWh were used, but no period begins at the maxEnergy of the first price, {limit:g} Wh"
            return Fault(text, "/3/costDetails/chargingPeriods", key="period")
        return None

    @track(call("NotifyEvent"))
    def notified(self, frame: Frame) -> None:
        for one in elements(frame.payload, "eventData"):
            if is_problem(one):
                self._problem = (string(one, "actualValue") or "").lower() == "true"

    unreported = Promise(
        "tariff.problem-unreported",
        "Authorize",
        promised=lambda topic, frame: topic.unusable_for_driver(frame),
        kept_by=call("NotifyEvent"),
        keeps=lambda topic, frame: "problem" if any(map(is_problem, elements(frame.payload, "eventData"))) else None,
        at_close=AtClose.LATE,
        text="the tariff has what the station does not support, but no NotifyEvent for Problem came within {wait}",
        title="A station does not report that it cannot use the tariff of a driver",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I08.FR.30, I08.FR.31, I08.FR.37",
        remedy="Set TariffCostCtrlr.Problem to true and send NotifyEvent with this value.",
        bad=script(_NO_CONDITIONS, authorized(_with(minEnergy=20)), "+ 5m"),
        good=script(_NO_CONDITIONS, authorized(_with(minEnergy=20)), problem(), "+ 5m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )

    def unusable_for_driver(self, frame: Frame) -> str | None:
        """Return "problem" if this answer to Authorize has a tariff that the station cannot use."""
        if string(member(frame.payload, "idTokenInfo"), "status") != "Accepted":
            return None
        unusable = next(self._unusable(member(frame.payload, "tariff")), None)
        return "problem" if unusable is not None else None


def _can_apply(price: Payload, begins: list[str], used: object) -> bool:
    """Return whether a price may apply to a transaction with this energy whose charging periods begin at these times.

    Dates in conditions are local, so a day more or less does not count.
    """
    conditions = member(price, "conditions")
    days = [at for each in begins if (at := seconds(each)) is not None]
    first, last = (seconds(f"{string(conditions, name)}T00:00:00Z") for name in ("validFromDate", "validToDate"))
    if days and first is not None and max(days) < first - 2 * DAY_S:
        return False
    if days and last is not None and min(days) > last + 3 * DAY_S:
        return False
    least = conditions.get("minEnergy")
    return not (isinstance(least, int | float) and isinstance(used, int | float) and used * 1000 < least * 0.99)
