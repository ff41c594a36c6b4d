"""Judge tariffs and costs of OCPP 2.1: a station's tariffs, reported costs, VAT numbers. It does not compute costs."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose
from inspector.rules.fields import elements, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise, found, ongoing, same
from inspector.rules.rule import V21, Faults, Topic, call, result, rule, track
from inspector.rules.topics.example_frames import (
    ACCEPTED,
    BOOT_2X,
    NOW,
    Payload,
    cp,
    csms,
    script,
    started,
    transaction_event,
)

_TOKEN = {"idToken": "T", "type": "ISO14443"}


def _tariff(name: str = "A", **more: Any) -> Payload:
    return {"tariffId": name, "currency": "EUR", "energy": {"prices": [{"priceKwh": 0.3}]}, **more}


def _default(status: str = "Accepted") -> str:
    return csms("SetDefaultTariff", {"evseId": 0, "tariff": _tariff()}, {"status": status})


def _listed(status: str, *assigned: str) -> str:
    told = [{"tariffId": name, "tariffKind": "DefaultTariff", "evseIds": [1]} for name in assigned]
    return csms("GetTariffs", {"evseId": 0}, {"status": status, **({"tariffAssignments": told} if told else {})})


_CHANGED = csms("ChangeTransactionTariff", {"transactionId": "t1", "tariff": _tariff("B")})


_PARTS = ("fixed", "energy", "chargingTime", "idleTime", "reservationTime", "reservationFixed")


def _changed_to(currency: str) -> str:
    tariff = {**_tariff("B"), "currency": currency}
    return csms("ChangeTransactionTariff", {"transactionId": "t1", "tariff": tariff})


def _cost(currency: str = "EUR", period: Payload | None = None, energy: Payload | None = None, **more: Any) -> str:
    periods = [{"startPeriod": NOW, "tariffId": "A"} if period is None else period]
    parts = {"energy": energy or {"exclTax": 3.0}}
    total = {"currency": currency, "typeOfCost": "NormalCost", **parts, "total": {"exclTax": 3.0}}
    usage = {"energy": 10.0, "chargingTime": 600, "idleTime": 0}
    costs = {"chargingPeriods": periods, "totalCost": total, "totalUsage": usage, **more}
    return transaction_event("Ended", "StopAuthorized", 1, {"tariffId": "A"}, costDetails=costs)


def _problem() -> str:
    event = {
        "eventId": 1,
        "timestamp": NOW,
        "trigger": "Alerting",
        "actualValue": "true",
        "eventNotificationType": "HardWiredNotification",
        "component": {"name": "TariffCostCtrlr"},
        "variable": {"name": "Problem"},
    }
    return cp("NotifyEvent", {"generatedAt": NOW, "seqNo": 0, "eventData": [event]})


def _named(payload: Payload, tariff: Payload) -> str:
    """Return a text that names the tariff of a transaction."""
    name, transaction = string(tariff, "tariffId"), string(payload, "transactionId")
    return f"tariff {name!r:.60} of transaction {transaction!r:.40}"


def _changed(topic: Tariffs21, frame: Frame) -> str | None:
    """Return the tariff and transaction that a TransactionEvent must name after this answer; None for a refusal."""
    return _named(frame.request, member(frame.request, "tariff")) if frame.payload.get("status") == "Accepted" else None


def _in_use(topic: Tariffs21, frame: Frame) -> str:
    """Return the tariff and transaction in a TransactionEvent, in the same form."""
    info = member(frame.payload, "transactionInfo")
    return _named(info, info)


class Tariffs21(Topic):
    """The rules about tariffs and costs."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._default: Known[str, None] = Known()  # the ids of the station's default tariffs
        self._currencies: Known[str, str] = Known()  # the currency of each tariff, by tariff id
        self._in_use: Known[str, str] = Known()  # the tariff id of each transaction, by transaction id

    @rule(
        "tariff.duplicate-id",
        result("SetDefaultTariff"),
        title="A tariff is accepted under an id that the station has already",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I07.FR.04",
        remedy="Answer DuplicateTariffId until the tariff with this id is cleared.",
        bad=script(_default(), _default()),
        good=script(_default(), _default("DuplicateTariffId")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def duplicate_id(self, frame: Frame) -> Faults:
        name = string(member(frame.request, "tariff"), "tariffId")
        if frame.payload.get("status") != "Accepted" or name not in self._default:
            return None
        return Fault(
            f"tariff {name[:60] if name else ''!r} is accepted, though the station has it", "/2/status", key=name or ""
        )

    @rule(
        "tariff.valid-from",
        result("Authorize"),
        title="The tariff of a driver has validFrom",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I08.FR.09",
        remedy="Leave validFrom out of the tariff in the answer to Authorize.",
        bad=script(cp("Authorize", {"idToken": _TOKEN}, {"idTokenInfo": ACCEPTED, "tariff": _tariff(validFrom=NOW)})),
        good=script(cp("Authorize", {"idToken": _TOKEN}, {"idTokenInfo": ACCEPTED, "tariff": _tariff()})),
        versions=V21,
        side=Side.CSMS,
    )
    def valid_from(self, frame: Frame) -> Faults:
        if "validFrom" not in member(frame.payload, "tariff"):
            return None
        return Fault("the tariff in the answer to Authorize has validFrom", "/2/tariff/validFrom")

    @rule(
        "tariff.list",
        result("GetTariffs"),
        title="The list of tariffs contradicts its status",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I09.FR.01, I09.FR.03, I09.FR.04",
        remedy="Answer Accepted with tariffAssignments, or NoTariff without any.",
        bad=script(_listed("NoTariff", "A")),
        good=script(_listed("Accepted", "A")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def listed(self, frame: Frame) -> Faults:
        status, given = frame.payload.get("status"), "tariffAssignments" in frame.payload
        if status == "NoTariff" and given:
            return Fault("the status is NoTariff, but tariffAssignments is given", "/2/tariffAssignments", key="given")
        if status == "Accepted" and not given:
            return Fault("the status is Accepted, but tariffAssignments is missing", "/2", key="missing")
        for index, one in enumerate(elements(frame.payload, "tariffAssignments")):
            if one.get("tariffKind") == "DefaultTariff" and not one.get("evseIds"):
                return Fault("a default tariff without evseIds", f"/2/tariffAssignments/{index}", key="evseIds")
        return None

    @rule(
        "tariff.no-transaction",
        result("ChangeTransactionTariff"),
        title="The tariff of a transaction that does not exist is changed",
        severity=Severity.ERROR,
        spec="OCPP 2.1 I11.FR.04",
        remedy="Answer TxNotFound where no such transaction is active.",
        bad=script(BOOT_2X, _CHANGED),
        good=script(BOOT_2X, started(), _CHANGED),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def no_transaction(self, frame: Frame) -> Faults:
        name, status = string(frame.request, "transactionId"), frame.payload.get("status")
        runs = ongoing(self, name)
        if status == "Accepted" and runs is False:
            return Fault(
                f"a tariff is accepted for transaction {name!r:.40}, which is not active", "/2/status", key="accepted"
            )
        return None

    not_changed = Promise(
        "tariff.not-changed",
        "ChangeTransactionTariff",
        promised=_changed,
        kept_by=call("TransactionEvent"),
        keeps=_in_use,
        excused=lambda topic, frame: ongoing(topic, string(frame.request, "transactionId")) is False,
        at_close=AtClose.LATE,
        text="{key} was accepted, but no TransactionEvent has named it within {wait}",
        title="A new tariff of a transaction is accepted, but not reported",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I11.FR.07",
        remedy="Send a TransactionEvent with triggerReason TariffChanged and the tariffId of the new tariff.",
        bad=script(started(), _CHANGED, "+ 5m"),
        good=script(started(), _CHANGED, transaction_event("Updated", "TariffChanged", 1, {"tariffId": "B"}), "+ 5m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )

    @rule(
        "tariff.currency-changed",
        result("ChangeTransactionTariff"),
        title="The tariff of a transaction is changed to another currency",
        severity=Severity.ERROR,
        spec="OCPP 2.1 I11.FR.05",
        remedy="Answer NoCurrencyChange where the new tariff has another currency.",
        bad=script(_default(), started({"tariffId": "A"}), _changed_to("USD")),
        good=script(_default(), started({"tariffId": "A"}), _changed_to("EUR")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def currency_changed(self, frame: Frame) -> Faults:
        name, new = string(frame.request, "transactionId"), string(member(frame.request, "tariff"), "currency")
        present = self._currencies.get(self._in_use.get(name or "", ""))
        if frame.payload.get("status") != "Accepted" or present is None or new is None or new == present:
            return None
        return Fault(f"a tariff in {new[:3]} is accepted; the transaction has one in {present[:3]}", "/2/status")

    @track(call("TransactionEvent"), dormant=lambda topic: not topic._currencies)
    def tariff_used(self, frame: Frame) -> None:
        info = member(frame.payload, "transactionInfo")
        name, tariff = string(info, "transactionId"), string(info, "tariffId")
        if name is not None and tariff is not None:
            self._in_use.note(name, tariff)

    @rule(
        "cost.total",
        call("TransactionEvent"),
        title="The total of the costs is not the sum of its parts",
        severity=Severity.ERROR,
        spec="OCPP 2.1 I12.FR.12, I12.FR.17",
        remedy="Set total.exclTax and total.inclTax to the sums of the parts; each part has exclTax.",
        bad=script(started(), _cost(energy={"exclTax": 2.0})),
        good=script(started(), _cost(energy={"exclTax": 3.0})),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def total(self, frame: Frame) -> Faults:
        if "costDetails" not in frame.payload:
            return None
        costs = member(member(frame.payload, "costDetails"), "totalCost")
        parts = {name: member(costs, name) for name in _PARTS if name in costs}
        for name, part in parts.items():
            if "exclTax" not in part:
                return Fault(f"{name} has no exclTax", f"/3/costDetails/totalCost/{name}", key=name)
        for tax in ("exclTax", "inclTax") if parts else ():
            total = member(costs, "total").get(tax)
            given = [part[tax] for part in parts.values() if isinstance(part.get(tax), int | float)]
            if isinstance(total, int | float) and given and abs(total - sum(given)) > 0.011 * len(given):
                text = f"total.{tax} is {total}; the parts make {sum(given):.2f}"
                return Fault(text, f"/3/costDetails/totalCost/total/{tax}", key=tax)
        return None

    @rule(
        "cost.tariff-id",
        call("TransactionEvent"),
        title="A charging period of the costs does not name its tariff",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I12.FR.04",
        remedy="Give tariffId in each element of costDetails.chargingPeriods.",
        bad=script(started(), _cost(period={"startPeriod": NOW})),
        good=script(started(), _cost()),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def tariff_id(self, frame: Frame) -> Faults:
        if "costDetails" not in frame.payload:
            return None
        for index, period in enumerate(elements(member(frame.payload, "costDetails"), "chargingPeriods")):
            if "tariffId" not in period:
                return Fault("a charging period without tariffId", f"/3/costDetails/chargingPeriods/{index}")
        return None

    @rule(
        "cost.currency",
        call("TransactionEvent"),
        title="The costs of a transaction are in another currency than its tariff",
        severity=Severity.ERROR,
        spec="OCPP 2.1 I12.FR.16",
        remedy="Report costs in the currency of the tariff.",
        bad=script(_default(), started(), _cost("USD")),
        good=script(_default(), started(), _cost("EUR")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def currency(self, frame: Frame) -> Faults:
        if "costDetails" not in frame.payload or not self._currencies:
            return None
        details = member(frame.payload, "costDetails")
        told = string(member(details, "totalCost"), "currency")
        names = [string(member(frame.payload, "transactionInfo"), "tariffId")]
        names += [string(period, "tariffId") for period in elements(details, "chargingPeriods")]
        for name in names:
            wanted = self._currencies.get(name or "")
            if wanted is not None and told is not None and wanted != told:
                text = f"the currency is {told[:3]}; that of tariff {(name or '')[:60]!r} is {wanted[:3]}"
                return Fault(text, "/3/costDetails/totalCost/currency", key=name or "")
        return None

    failure_unreported = Promise(
        "cost.failure-unreported",
        "TransactionEvent",
        promised=lambda topic, frame: (
            "problem" if found(frame.request, "costDetails/failureToCalculate") is True else None
        ),
        kept_by=call("NotifyEvent"),
        keeps=lambda topic, frame: "problem" if _is_problem(frame) else None,
        early=False,
        at_close=AtClose.LATE,
        text="the costs could not be calculated, but no NotifyEvent for TariffCostCtrlr.Problem came within {wait}",
        title="Costs that could not be calculated are not reported as a problem",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I12.FR.19",
        remedy="Send NotifyEvent with the value true for the variable Problem of TariffCostCtrlr.",
        bad=script(started(), _cost(failureToCalculate=True), "+ 5m"),
        good=script(started(), _cost(failureToCalculate=True), _problem(), "+ 5m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )

    @rule(
        "vat.answer",
        result("VatNumberValidation"),
        title="The answer about a VAT number is for another EVSE or number",
        severity=Severity.WARNING,
        spec="OCPP 2.1 C18.FR.10",
        remedy="Repeat vatNumber, and evseId where the request has it.",
        bad=script(
            cp("VatNumberValidation", {"vatNumber": "DE1", "evseId": 1}, {**ACCEPTED, "vatNumber": "DE1", "evseId": 2})
        ),
        good=script(
            cp("VatNumberValidation", {"vatNumber": "DE1", "evseId": 1}, {**ACCEPTED, "vatNumber": "DE1", "evseId": 1})
        ),
        versions=V21,
        side=Side.CSMS,
    )
    def vat_answer(self, frame: Frame) -> Faults:
        if "evseId" in frame.request and "evseId" not in frame.payload:
            return Fault("evseId is missing, though the request has it", "/2", key="missing")
        return same("evseId")(self, frame) or same("vatNumber")(self, frame)

    @track(result("SetDefaultTariff", "ChangeTransactionTariff", "Authorize"))
    def tariff_given(self, frame: Frame) -> None:
        tariff = member(frame.payload if frame.action == "Authorize" else frame.request, "tariff")
        name, currency = string(tariff, "tariffId"), string(tariff, "currency")
        if name is None or (frame.action != "Authorize" and frame.payload.get("status") != "Accepted"):
            return
        if frame.action == "SetDefaultTariff":
            self._default.note(name, None)
        if currency is not None:
            if not self._currencies:
                self.station.refresh_listeners()
            self._currencies.note(name, currency)

    @track(result("ClearTariffs"))
    def cleared(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "clearTariffsResult"):
            name = string(entry, "tariffId")
            if name is not None:
                self._default.pop(name, None)
        if "tariffIds" not in frame.request:
            self._default.clear()


def _is_problem(frame: Frame) -> bool:
    return any(
        found(event, "component/name") == "TariffCostCtrlr" and found(event, "variable/name") == "Problem"
        for event in elements(frame.payload, "eventData")
    )
