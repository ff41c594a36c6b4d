"""Judge recommended reasons for the end of 2.x transactions, and limits that are removed or slightly exceeded."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import ASIDE, V2X, V21, Faults, Topic, aside, call, result, rule
from inspector.rules.state.transactions_v2x import Event, Transactions2x
from inspector.rules.topics.example_frames import NOW, Payload, script, started, transaction_event
from inspector.rules.topics.transactions.content_v2x import NOT_LOCAL
from inspector.rules.topics.transactions.deauthorization_v2x import LIMITS
from inspector.rules.topics.transactions.limits_v21 import Limits21, register_wh

DRIVER = frozenset({"Local", "MasterPass", "StoppedByEV"})
"""The values of stoppedReason with which a driver or the car ends a transaction."""
_VAGUE = frozenset({"Local", "Other"})
OVER = 1.01
"""A meter counts in steps, so an energy limit counts as kept up to this share of it."""

_ENERGY: Payload = {"transactionLimit": {"maxEnergy": 5000}}
_LIMITED = started({"chargingState": "Charging"}, answer=_ENERGY)
_TOLD = transaction_event("Updated", "LimitSet", 1, _ENERGY)


def _values(register: float) -> list[Payload]:
    return [{"timestamp": NOW, "sampledValue": [{"value": register}]}]


def _metered(begun: float, ended: float) -> str:
    done = {"chargingState": "SuspendedEVSE"}
    return script(
        started({"chargingState": "Charging"}, meterValue=_values(begun), answer=_ENERGY),
        _TOLD,
        "+ 2h",
        transaction_event("Updated", "EnergyLimitReached", 2, done, meterValue=_values(ended)).replace("T12:", "T14:"),
    )


class TransactionAdvice(Topic):
    """The rules about recommended reasons, and about limits; they run before Limits21 is updated."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._first: Known[str, float] = Known()  # by transaction: the register in its Started, in Wh
        self._transactions = self.station.topic(Transactions2x)
        self._limits = self.station.topic(Limits21)

    @rule(
        "transaction-event.reason-advice",
        call("TransactionEvent"),
        title="The reason why a transaction stopped is not the most fitting one",
        severity=Severity.INFO,
        spec="OCPP 2.x E07.FR.04, E07.FR.05, E07.FR.06",
        remedy="Use Local if the driver has stopped at the station, and otherwise the reason of the trigger.",
        bad=script(started(), transaction_event("Ended", "StopAuthorized", 1, {"stoppedReason": "Other"})),
        good=script(started(), transaction_event("Ended", "StopAuthorized", 1, {"stoppedReason": "Local"})),
        versions=V2X,
        side=Side.CHARGE_POINT,
        plain=False,
    )
    def reason(self, frame: Frame) -> Faults:
        event = self._transactions.event
        if event is None:
            return None
        if event.kind == "Started" and "meterValue" in frame.payload:
            register = register_wh(frame.payload)
            if register is not None:
                self._first.note(event.transaction.transaction_id, register)
        found = [aside(self.overshot, event, frame)] if self._limits.told or self._limits.set else []
        if event.kind == "Ended":
            self._first.pop(event.transaction.transaction_id, None)
            found.append(self._advice(event))
        return [fault for fault in found if fault is not None]

    def _advice(self, event: Event) -> Fault | None:
        reason, one = string(event.info, "stoppedReason"), event.transaction
        if reason is None or one.stopped_remotely or event.repeated:
            return None
        at, name = "/3/transactionInfo/stoppedReason", one.transaction_id
        if event.trigger == "StopAuthorized" and reason not in DRIVER:
            return Fault(
                f"stoppedReason is {reason[:30]}, though StopAuthorized ends {one}; expected Local", at, key=name
            )
        fitting = NOT_LOCAL.get(event.trigger or "")
        if fitting in (None, "a fault", "Other", reason) or one.stopped_locally or reason not in _VAGUE:
            return None
        if event.trigger in ("Deauthorized", "EVConnectTimeout", "ResetCommand"):
            return None  # the rule transaction-event.reason-mismatch reports these
        return Fault(f"stoppedReason is {reason}, though {event.trigger} ends {one}; expected {fitting}", at, key=name)

    @rule(
        "transaction-event.limit-overshot",
        ASIDE,
        title="A transaction has used more energy than its limit allows",
        severity=Severity.INFO,
        spec="OCPP 2.1 E16.FR.19",
        remedy="Stop before the limit if the meter does not count finely enough to stop exactly there.",
        bad=_metered(1000, 6500),
        good=_metered(1000, 5900),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def overshot(self, event: Event, frame: Frame) -> Fault | None:
        register, name = register_wh(frame.payload), event.transaction.transaction_id
        first = self._first.get(name)
        if register is None or first is None:
            return None
        limits = {**self._limits.told.get(name, {}), **self._limits.set.get(name, {})}
        most = limits.get("maxEnergy")
        stops = event.trigger == "EnergyLimitReached" or event.kind == "Ended"
        if not stops or not isinstance(most, int | float) or most <= 0 or register - first <= most * OVER:
            return None
        text = f"{event.transaction} has used {register - first:.0f} Wh; maxEnergy is {most}"
        return Fault(text, "/3/meterValue", key=name)

    @rule(
        "transaction-event.limit-removed",
        call("TransactionEvent"),
        result("TransactionEvent"),
        title="A limit of a transaction is removed, although it can only be changed",
        severity=Severity.WARNING,
        spec="OCPP 2.1 E16.FR.17",
        remedy="Set the limit to a value that is so high that it has no effect.",
        bad=script(_LIMITED, _TOLD, transaction_event("Updated", "LimitSet", 2, {"transactionLimit": {}})),
        good=script(
            _LIMITED,
            _TOLD,
            transaction_event("Updated", "MeterValuePeriodic", 2, answer={"transactionLimit": {"maxEnergy": 900000}}),
        ),
        versions=V21,
        plain=False,
    )
    def removed(self, frame: Frame) -> Faults:
        answer = frame.call is not None
        info = member(frame.request if answer else frame.payload, "transactionInfo")
        holder, at = (frame.payload, "/2") if answer else (info, "/3/transactionInfo")
        if "transactionLimit" not in holder:
            return None
        name = string(info, "transactionId") or ""
        before = {**self._limits.told.get(name, {}), **self._limits.set.get(name, {})}
        had = [limit for limit in LIMITS if isinstance(before.get(limit), int | float) and before[limit] > 0]
        given = member(holder, "transactionLimit")
        if not had:
            return None
        if not any(limit in given for limit in LIMITS):
            return Fault(
                f"transactionLimit is empty; {had[0]} was {before[had[0]]}", f"{at}/transactionLimit", key=name
            )
        for limit in had:
            value = given.get(limit, 1)
            if value is None or (isinstance(value, int | float) and value <= 0):
                text = f"{limit} is {value}, and was {before[limit]} before"
                return Fault(text, f"{at}/transactionLimit/{limit}", key=f"{name} {limit}")
        return None
