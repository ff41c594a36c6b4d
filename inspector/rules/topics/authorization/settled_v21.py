"""Judge whether a 2.1 station settles those card payments that it must settle, and no others."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose
from inspector.rules.fields import elements, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise
from inspector.rules.rule import V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.tokens_v2x import token_of
from inspector.rules.topics.authorization.payments_v21 import COMPONENT, Payments21
from inspector.rules.topics.example_frames import NOW, Payload, cp, script, set_2x, transaction_event, variable_2x

_CARD: Payload = {"idToken": "PSP1", "type": "DirectPayment"}
_YES: Payload = {"idTokenInfo": {"status": "Accepted"}}
_BY_CSMS = variable_2x(COMPONENT, "SettlementByCSMS", "true")
_BY_STATION = variable_2x(COMPONENT, "SettlementByCSMS", "false")
_WEB = "WebPaymentsCtrlr"
_URL = "https://pay.example/{chargingstationid}?version={version}"


def _settled(status: str = "Settled", amount: float = 5.0) -> str:
    told = {"pspRef": "PSP1", "status": status, "settlementAmount": amount, "settlementTime": NOW}
    return cp("NotifySettlement", {**told, "transactionId": "t1"})


def _charged(cost: float) -> str:
    start = transaction_event("Started", "Authorized", 0, {"chargingState": "Idle"}, idToken=_CARD, answer=_YES)
    end = transaction_event("Ended", "StopAuthorized", 1, {"stoppedReason": "Local"}, answer={"totalCost": cost})
    return start.replace('"#"', '"s"') + end.replace('"#"', '"e"')


def _asked(status: str) -> str:
    return cp("Authorize", {"idToken": _CARD}, {"idTokenInfo": {"status": status}})


class Settlements21(Topic):
    """The rules about NotifySettlement."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._denied: Known[str, str] = Known()  # status of payments that the CSMS has refused, in lower case
        self._unused: Known[str, None] = Known()  # transactions that ended before a car was plugged in
        self._costs: Known[str, float] = Known()  # what transactions cost, as the answer to their end says
        self._configuration = self.station.topic(ConfigurationState)
        self._payments = self.station.topic(Payments21)

    def _by_csms(self) -> str | None:
        return (self._configuration.variable(COMPONENT, "SettlementByCSMS") or "").lower()

    @rule(
        "payment.settled-by-station",
        call("NotifySettlement"),
        title="The station settles a payment that the CSMS must settle",
        severity=Severity.WARNING,
        spec="OCPP 2.1 C21.FR.05, C21.FR.06",
        remedy="Leave the settlement to the CSMS while PaymentCtrlr.SettlementByCSMS is true.",
        bad=script(_BY_CSMS, _settled()),
        good=script(_BY_STATION, _settled()),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def by_station(self, frame: Frame) -> Faults:
        if frame.payload.get("status") != "Settled" or self._by_csms() != "true":
            return None
        return Fault("the status is Settled, but SettlementByCSMS is true", "/3/status")

    @rule(
        "payment.settled-anyway",
        call("NotifySettlement"),
        title="A payment is settled although it was refused or never used",
        severity=Severity.WARNING,
        spec="OCPP 2.1 C18.FR.07, C20.FR.04",
        remedy="Release the authorized amount and report Canceled where the CSMS has refused the payment, or where "
        "nobody plugged in.",
        bad=script(_asked("Blocked"), _settled()),
        good=script(_asked("Blocked"), _settled("Canceled", 0.0)),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._denied and not topic._unused,
    )
    def anyway(self, frame: Frame) -> Faults:
        amount, name = frame.payload.get("settlementAmount"), string(frame.payload, "transactionId") or ""
        if frame.payload.get("status") != "Settled" or not isinstance(amount, int | float) or amount <= 0:
            return None
        status = self._denied.get((string(frame.payload, "pspRef") or "").lower())
        if status is not None:
            return Fault(f"{amount:g} is settled, but the CSMS has answered {status[:30]}", "/3/status", key="refused")
        if name in self._unused:
            return Fault(f"{amount:g} is settled, but nobody plugged in for {name[:36]}", "/3/status", key="unused")
        return None

    @rule(
        "payment.amount-differs",
        call("NotifySettlement"),
        title="Another amount is settled than the transaction costs",
        severity=Severity.WARNING,
        spec="OCPP 2.1 C21.FR.01",
        remedy="Settle the total cost of the transaction.",
        bad=script(_charged(5.0), _settled(amount=7.5)),
        good=script(_charged(5.0), _settled(amount=5.0)),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._costs,
    )
    def amount_differs(self, frame: Frame) -> Faults:
        amount, cost = (
            frame.payload.get("settlementAmount"),
            self._costs.get(string(frame.payload, "transactionId") or ""),
        )
        if frame.payload.get("status") != "Settled" or cost is None or not isinstance(amount, int | float):
            return None
        if abs(amount - cost) < 0.015:
            return None
        return Fault(f"{amount:g} is settled; the transaction costs {cost:g}", "/3/settlementAmount")

    @track(call("CostUpdated"))
    def updated(self, frame: Frame) -> None:
        self._costs.pop(string(frame.payload, "transactionId") or "", None)

    @track(result("Authorize", "TransactionEvent"), plain=False)
    def answered(self, frame: Frame) -> None:
        cost, name = frame.payload.get("totalCost"), string(member(frame.request, "transactionInfo"), "transactionId")
        local = name is not None and name in self._payments.transactions
        if local and frame.request.get("eventType") == "Ended" and isinstance(cost, int | float):
            self._costs.note(name or "", cost)
            self.station.refresh_listeners()
        if frame.request.get("triggerReason") == "EVConnectTimeout" and frame.payload.get("totalCost") == 0:
            self._unused.note(string(member(frame.request, "transactionInfo"), "transactionId") or "", None)
            self.station.refresh_listeners()
        token = token_of(frame.request)
        if token is None or token.kind != "DirectPayment" or "idTokenInfo" not in frame.payload:
            return
        status = string(member(frame.payload, "idTokenInfo"), "status")
        self._denied.pop(token.value, None)
        if status not in (None, "Accepted") and frame.action == "Authorize":
            self._denied.note(token.value, status or "")
            self.station.refresh_listeners()

    def owed(self, answer: Frame) -> str | None:
        """Return the id of the transaction that this answer ends, if the station must settle its cost."""
        name = string(member(answer.request, "transactionInfo"), "transactionId") or ""
        payment = self._payments.transactions.get(name)
        if answer.request.get("eventType") != "Ended" or payment is None or payment.remote:
            return None
        cost = answer.payload.get("totalCost")
        if self._by_csms() == "true" or not isinstance(cost, int | float) or cost <= 0:
            return None
        return name

    not_settled = Promise(
        "payment.not-settled",
        "TransactionEvent",
        promised=lambda topic, frame: topic.owed(frame),
        kept_by=call("NotifySettlement"),
        keeps=lambda topic, frame: string(frame.payload, "transactionId"),
        early=False,
        plain=False,
        at_close=AtClose.LATE,
        text="transaction {key} has ended, but no NotifySettlement of its payment came within {wait}",
        title="The cost of a transaction that was paid by card is not settled",
        severity=Severity.WARNING,
        spec="OCPP 2.1 C21.FR.01, C21.FR.02",
        remedy="Settle the total cost through the payment terminal, and report the result with NotifySettlement.",
        bad=script(_BY_STATION, _charged(5.0), "+ 5m"),
        good=script(_BY_STATION, _charged(5.0), _settled(), "+ 5m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )

    @rule(
        "payment.url-template",
        call("SetVariables", "NotifyReport"),
        result("GetVariables"),
        title="The template of the payment URL lacks a placeholder",
        severity=Severity.WARNING,
        spec="OCPP 2.1 C25.FR.50",
        remedy="Give WebPaymentsCtrlr.URLTemplate the placeholders {totp}, {version}, and {chargingstationid} or "
        "{roamingevseid}.",
        bad=script(set_2x(_WEB, "URLTemplate", _URL)),
        good=script(set_2x(_WEB, "URLTemplate", _URL + "&totp={totp}")),
        versions=V21,
    )
    def template(self, frame: Frame) -> Faults:
        for url, at in _templates(frame):
            lower = url.lower()
            missing = [name for name in ("{totp}", "{version}") if name not in lower]
            if "{chargingstationid}" not in lower and "{roamingevseid}" not in lower:
                missing.append("{chargingstationid}")
            if missing:
                return Fault(f"URLTemplate has no {missing[0]}", at, key=missing[0])
        return None


def _templates(frame: Frame) -> list[tuple[str, str]]:
    """Return the templates in a frame, each with its place."""
    part, name = {
        "SetVariables": ("/3", "setVariableData"),
        "NotifyReport": ("/3", "reportData"),
        "GetVariables": ("/2", "getVariableResult"),
    }[frame.action or ""]
    found = []
    for index, entry in enumerate(elements(frame.payload, name)):
        told = _value(entry) if _is_template(entry) else None
        if told:
            found.append((told, f"{part}/{name}/{index}"))
    return found


def _is_template(entry: dict[str, Any]) -> bool:
    component, variable = string(member(entry, "component"), "name"), string(member(entry, "variable"), "name")
    return (component or "").lower() == _WEB.lower() and (variable or "").lower() == "urltemplate"


def _value(entry: dict[str, Any]) -> str | None:
    for attribute in elements(entry, "variableAttribute"):
        if attribute.get("type") in (None, "Actual"):
            return string(attribute, "value")
    return string(entry, "attributeValue") if entry.get("attributeType") in (None, "Actual") else None
