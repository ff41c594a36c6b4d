"""Judge how a 2.1 station reports payments by card: their limits, and how they are settled or canceled."""

from __future__ import annotations

from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import since
from inspector.rules.fields import elements, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import ASIDE, DEADLINE, V21, Faults, Topic, aside, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.tokens_v2x import Token, token_of
from inspector.rules.state.transactions_v2x import Event, Transactions2x
from inspector.rules.topics.example_frames import (
    NOW,
    Payload,
    cp,
    csms,
    script,
    transaction_event,
    variable_2x,
)

COMPONENT = "PaymentCtrlr"
_CARD: Payload = {"idToken": "PSP1", "type": "DirectPayment"}
_YES: Payload = {"idTokenInfo": {"status": "Accepted"}}
_AMOUNT = variable_2x(COMPONENT, "AuthorizationAmount", "50")
_STEP = variable_2x(COMPONENT, "IncrementalAuthorizationAmount", "10")
_PAID: Payload = {"transactionLimit": {"maxCost": 50}}
_WAITING: Payload = {"chargingState": "Idle"}


def _settled(status: str, answer: Payload | None = None, **more: Any) -> str:
    told = {"pspRef": "PSP1", "status": status, "settlementAmount": 5.0, "settlementTime": NOW, **more}
    return cp("NotifySettlement", told, answer)


def _start(info: Payload, answer: Payload = _YES) -> str:
    return transaction_event("Started", "Authorized", 0, {**_WAITING, **info}, idToken=_CARD, answer=answer)


def _left(answer: Payload) -> str:
    return transaction_event("Ended", "EVConnectTimeout", 1, {"stoppedReason": "Timeout"}, answer=answer)


def _raised(most: int) -> str:
    return transaction_event("Updated", "LimitSet", 1, {"transactionLimit": {"maxCost": most}})


_REMOTE = csms("RequestStartTransaction", {"remoteStartId": 5, "idToken": _CARD})


def _remote_start(answer: Payload) -> str:
    info = {**_WAITING, "remoteStartId": 5}
    return transaction_event("Started", "RemoteStart", 0, info, idToken=_CARD, answer={**_YES, **answer})


class _Payment(NamedTuple):
    token: Token
    remote: bool


class Payments21(Topic):
    """The rules about direct payments.

    Attributes:
        transactions: the transactions with a token of type DirectPayment, by id.
    """

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self.transactions: Known[str, _Payment] = Known()
        self._canceled: Known[str, Frame] = Known()  # transactions for which nothing has to be paid
        self._granted: Known[str, Frame] = Known()  # authorized payments without a transaction yet
        self._limits: Known[str, float] = Known()
        self._waiting: Known[str, None] = Known()  # transactions in which no car has been plugged in so far
        self._configuration = self.station.topic(ConfigurationState)
        self._events = self.station.topic(Transactions2x)

    def _flag(self, variable: str) -> bool | None:
        told = (self._configuration.variable(COMPONENT, variable) or "").lower()
        return {"true": True, "false": False}.get(told)

    def note(self, event: Event, token: Token, remote: bool) -> None:
        """Remember the payment of a transaction, at the first event with its token."""
        name, most = event.transaction.transaction_id, member(event.info, "transactionLimit").get("maxCost")
        self.transactions.note(name, _Payment(token, remote))
        if isinstance(most, int | float):
            self._limits.note(name, most)
        if event.first and event.transaction.known_from_start and event.info.get("chargingState") == "Idle":
            self._waiting.note(name, None)
        self._granted.pop(token.value, None)
        self.station.refresh_listeners()

    @rule(
        "payment.limit",
        ASIDE,
        call("Authorize"),
        title="A payment by card is reported without its amount or details",
        severity=Severity.WARNING,
        spec="OCPP 2.1 C18.FR.04, C18.FR.06",
        remedy="Send transactionLimit.maxCost with AuthorizationAmount in the first event of the token, and "
        "additionalInfo with each type in PaymentDetails.",
        bad=script(_AMOUNT, _start({})),
        good=script(_AMOUNT, _start(_PAID)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def limit(self, given: Event | Frame, frame: Frame | None = None) -> Fault | None:
        payload = (given if frame is None else frame).payload  # type: ignore[union-attr]
        token = member(payload, "idToken")
        if token.get("type") != "DirectPayment":
            return None
        wanted = self._configuration.variable(COMPONENT, "PaymentDetails") or ""
        told = {(string(one, "type") or "").lower() for one in elements(token, "additionalInfo")}
        for kind in (one.strip() for one in wanted.split(",") if one.strip()):
            if kind.lower() not in told:
                text = f"additionalInfo has no {kind[:50]}, which PaymentDetails names"
                return Fault(text, "/3/idToken", key=kind[:50])
        amount = self._configuration.variable(COMPONENT, "AuthorizationAmount")
        if frame is None or amount is None:
            return None
        most = member(member(payload, "transactionInfo"), "transactionLimit").get("maxCost")
        if most is None:
            return Fault(f"maxCost is missing; AuthorizationAmount is {amount[:20]}", "/3/transactionInfo")
        if _number(amount) not in (None, most):
            at = "/3/transactionInfo/transactionLimit/maxCost"
            return Fault(f"maxCost is {str(most)[:20]}; AuthorizationAmount is {amount[:20]}", at)
        return None

    @rule(
        "payment.settlement",
        call("NotifySettlement"),
        title="A settlement does not have what its status needs",
        severity=Severity.WARNING,
        spec="OCPP 2.1 C21.FR.02, C21.FR.04, C22.FR.01, C22.FR.02",
        remedy="Name the transaction of a payment that was Settled, Rejected or Failed. Give receiptUrl and receiptId "
        "only when it was settled, and always then if ReceiptByCSMS is false.",
        bad=script(_settled("Settled")),
        good=script(_settled("Settled", transactionId="t1")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def settlement(self, frame: Frame) -> Faults:
        status, payload = string(frame.payload, "status"), frame.payload
        if status in ("Settled", "Rejected", "Failed") and "transactionId" not in payload:
            return Fault(f"the status is {status}, but transactionId is missing", "/3", key="transaction")
        if status in ("Rejected", "Failed"):
            given = [name for name in ("receiptUrl", "receiptId") if payload.get(name)]
            return Fault(f"the status is {status}, but {given[0]} is given", f"/3/{given[0]}") if given else None
        if status == "Settled" and self._flag("ReceiptByCSMS") is False:
            left = [name for name in ("receiptUrl", "receiptId") if not payload.get(name)]
            return Fault(f"ReceiptByCSMS is false, but {left[0]} is missing", "/3", key=left[0]) if left else None
        return None

    @rule(
        "payment.receipt",
        result("NotifySettlement"),
        title="A settlement is answered without the receipt that the CSMS makes",
        severity=Severity.WARNING,
        spec="OCPP 2.1 C21.FR.03",
        remedy="Answer with receiptUrl while PaymentCtrlr.ReceiptByCSMS is true.",
        bad=script(variable_2x(COMPONENT, "ReceiptByCSMS", "true"), _settled("Settled", transactionId="t1")),
        good=script(
            variable_2x(COMPONENT, "ReceiptByCSMS", "true"),
            _settled("Settled", {"receiptUrl": "https://csms.example/r"}, transactionId="t1"),
        ),
        versions=V21,
        side=Side.CSMS,
    )
    def receipt(self, frame: Frame) -> Faults:
        wanted = self._flag("ReceiptByCSMS") is True and frame.request.get("status") == "Settled"
        if not wanted or frame.payload.get("receiptUrl"):
            return None
        return Fault("ReceiptByCSMS is true, but receiptUrl is missing", "/2")

    @rule(
        "payment.cost-not-zero",
        result("TransactionEvent"),
        title="A payment that was never used costs something",
        severity=Severity.WARNING,
        spec="OCPP 2.1 C20.FR.03",
        remedy="Answer with totalCost 0 to the end of a transaction that nobody plugged in for.",
        bad=script(_start(_PAID), _left({"totalCost": 1.5})),
        good=script(_start(_PAID), _left({"totalCost": 0})),
        versions=V21,
        side=Side.CSMS,
        dormant=lambda topic: not topic.transactions,
    )
    def cost_not_zero(self, frame: Frame) -> Faults:
        if frame.request.get("eventType") != "Ended":
            return aside(self.limit_not_set, frame)
        name = string(member(frame.request, "transactionInfo"), "transactionId") or ""
        payment = self.transactions.get(name)
        trigger = frame.request.get("triggerReason")
        left = trigger == "EVConnectTimeout" or (trigger == "StopAuthorized" and name in self._waiting)
        if payment is None or not left:
            return None
        if not payment.remote:
            self._canceled.note(name, frame)
            self.station.deadline(
                frame, self.settings.effect_timeout_s, self.not_canceled, name, frame, at_close=AtClose.LATE
            )
        cost = frame.payload.get("totalCost")
        if cost == 0:
            return None
        told = "missing" if cost is None else str(cost)[:20]
        return Fault(f"totalCost is {told}; nobody plugged in", "/2/totalCost" if cost is not None else "/2", key=name)

    @rule(
        "payment.not-canceled",
        DEADLINE,
        title="The CSMS does not hear that a payment is canceled",
        severity=Severity.WARNING,
        spec="OCPP 2.1 C19.FR.02, C20.FR.05",
        remedy="For a payment that is not charged send NotifySettlement with Canceled and pspRef, and with "
        "transactionId if there was a transaction.",
        bad=script(_start(_PAID), _left({"totalCost": 0}), "+ 5m"),
        good=script(_start(_PAID), _left({"totalCost": 0}), _settled("Canceled", transactionId="t1"), "+ 5m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def not_canceled(self, moment: Moment, name: str, frame: Frame) -> Faults:
        kept = self._canceled if frame.action == "TransactionEvent" else self._granted
        if kept.get(name) is not frame or self.session not in self.station.sessions:
            return None
        del kept[name]
        what = "transaction" if kept is self._canceled else "payment"
        wait = since(frame, moment)
        return Fault(f"{what} {name[:36]} was not used, but no NotifySettlement has come within {wait}", frame=frame)

    @track(call("NotifySettlement"))
    def settled(self, frame: Frame) -> None:
        self._canceled.pop(string(frame.payload, "transactionId") or "", None)
        self._granted.pop((string(frame.payload, "pspRef") or "").lower(), None)

    @track(result("Authorize"))
    def granted(self, frame: Frame) -> None:
        token = token_of(frame.request)
        if token is None or token.kind != "DirectPayment":
            return
        plug_in_s = self._configuration.variable_number("TxCtrlr", "EVConnectionTimeOut")
        if plug_in_s and string(member(frame.payload, "idTokenInfo"), "status") == "Accepted":
            self._granted.note(token.value, frame)
            wait = plug_in_s + self.settings.effect_timeout_s
            self.station.deadline(frame, wait, self.not_canceled, token.value, frame, at_close=AtClose.LATE)

    @rule(
        "payment.limit-not-set",
        ASIDE,
        title="The CSMS does not limit a transaction that was paid for elsewhere",
        severity=Severity.WARNING,
        spec="OCPP 2.1 C24.FR.02, C25.FR.24",
        remedy="Answer Started with transactionLimit where you started the transaction with a DirectPayment token.",
        bad=script(_REMOTE, _remote_start({})),
        good=script(_REMOTE, _remote_start(_PAID)),
        versions=V21,
        side=Side.CSMS,
    )
    def limit_not_set(self, frame: Frame) -> Fault | None:
        name = string(member(frame.request, "transactionInfo"), "transactionId") or ""
        payment = self.transactions.get(name)
        if frame.request.get("eventType") != "Started" or payment is None or not payment.remote:
            return None
        if "transactionLimit" in frame.payload or frame.request.get("offline") is True:
            return None
        return Fault(
            f"transaction {name[:36]} was paid for in advance, but transactionLimit is missing", "/2", key=name
        )

    @rule(
        "payment.increment",
        call("TransactionEvent"),
        title="The limit of a payment is raised by another amount than configured",
        severity=Severity.WARNING,
        spec="OCPP 2.1 C23.FR.02",
        remedy="Raise transactionLimit.maxCost by IncrementalAuthorizationAmount, and send it with LimitSet.",
        bad=script(_STEP, _start(_PAID), _raised(55)),
        good=script(_STEP, _start(_PAID), _raised(60)),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic.transactions,
    )
    def increment(self, frame: Frame) -> Faults:
        info = member(frame.payload, "transactionInfo")
        if self._waiting and (
            frame.payload.get("triggerReason") == "CablePluggedIn" or info.get("chargingState") not in (None, "Idle")
        ):
            self._waiting.pop(string(info, "transactionId") or "", None)
        most = member(info, "transactionLimit").get("maxCost") if "transactionLimit" in info else None
        name = string(info, "transactionId") or ""
        if not isinstance(most, int | float) or name not in self.transactions:
            return None
        before = self._limits.get(name)
        self._limits.note(name, most)
        step = _number(self._configuration.variable(COMPONENT, "IncrementalAuthorizationAmount"))
        if before is None or not step or most <= before or self.transactions[name].remote:
            return None
        rounds = (most - before) / step
        if abs(rounds - round(rounds)) > 0.001:
            at = "/3/transactionInfo/transactionLimit/maxCost"
            return Fault(f"maxCost rises from {before:g} to {most:g}; the step is {step:g}", at, key=name)
        if frame.payload.get("triggerReason") != "LimitSet":
            return Fault(f"maxCost rises to {most:g}, but triggerReason is not LimitSet", "/3/triggerReason", key=name)
        return None


def _number(value: str | None) -> float | None:
    try:
        return float(value) if value is not None and len(value) < 20 else None
    except ValueError:
        return None
