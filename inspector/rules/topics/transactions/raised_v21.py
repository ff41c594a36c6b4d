"""Judge whether an OCPP 2.1 transaction that its limit has suspended charges again when the limit is raised."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import since
from inspector.rules.fields import member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import Payload, script, started, transaction_event
from inspector.rules.topics.transactions.limits_v21 import Limits21

KINDS = {
    "CostLimitReached": "maxCost",
    "EnergyLimitReached": "maxEnergy",
    "SoCLimitReached": "maxSoC",
    "TimeLimitReached": "maxTime",
}
_LIMITED = started({"chargingState": "Charging"}, answer={"transactionLimit": {"maxEnergy": 5000}})
_TOLD = transaction_event("Updated", "LimitSet", 1, {"transactionLimit": {"maxEnergy": 5000}})
_MORE = {"transactionLimit": {"maxEnergy": 9000}}


def _reached(answer: Payload) -> str:
    return transaction_event("Updated", "EnergyLimitReached", 2, {"chargingState": "SuspendedEVSE"}, answer=answer)


_TOLD_MORE = transaction_event("Updated", "LimitSet", 3, _MORE)
_AGAIN = transaction_event("Updated", "ChargingStateChanged", 4, {"chargingState": "Charging"})


class RaisedLimits21(Topic):
    """The rule about raised limits."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._stopped: Known[str, tuple[str, float]] = Known()  # by transaction: the limit that stopped it
        self._transactions = self.station.topic(Transactions2x)
        self._limits = self.station.topic(Limits21)

    @rule(
        "transaction-event.limit-raised",
        DEADLINE,
        title="A transaction stays suspended although the limit that stopped it was raised",
        severity=Severity.WARNING,
        spec="OCPP 2.1 E16.FR.14, F07.FR.04",
        remedy="Charge again, and report it with chargingState, when the limit that was reached is raised.",
        bad=script(_LIMITED, _TOLD, _reached(_MORE), _TOLD_MORE, "+ 5m"),
        good=script(_LIMITED, _TOLD, _reached(_MORE), _TOLD_MORE, _AGAIN, "+ 5m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def not_resumed(self, moment: Moment, name: str, now: float, frame: Frame) -> Faults:
        one, stopped = self._transactions.by_id.get(name), self._stopped.get(name)
        if one is None or not one.open or stopped is None or stopped[1] >= now:
            return None
        if self.session not in self.station.sessions:
            return None
        wait = since(frame, moment)
        text = f"{stopped[0]} of {one} was raised to {now}, but it has not charged again within {wait}"
        return Fault(text, frame=frame, key=name)

    @track(call("TransactionEvent"), plain=False, dormant=lambda topic: not (topic._limits.told or topic._limits.set))
    def happened(self, frame: Frame) -> None:
        event = self._transactions.event
        if event is None or event.offline:
            return
        name, state = event.transaction.transaction_id, event.info.get("chargingState")
        kind = KINDS.get(event.trigger or "")
        if event.kind == "Ended" or (state is not None and state != "SuspendedEVSE"):
            self._stopped.pop(name, None)
        elif kind is not None and state == "SuspendedEVSE":
            limits = {**self._limits.told.get(name, {}), **self._limits.set.get(name, {})}
            most = limits.get(kind)
            if isinstance(most, int | float):
                self._stopped.note(name, (kind, most))
        if "transactionLimit" in event.info:
            self._raised(name, member(event.info, "transactionLimit"), frame)

    @track(result("TransactionEvent"), plain=False)
    def answered(self, frame: Frame) -> None:
        if "transactionLimit" in frame.payload:
            name = string(member(frame.request, "transactionInfo"), "transactionId") or ""
            self._raised(name, member(frame.payload, "transactionLimit"), frame)

    def _raised(self, name: str, given: Payload, frame: Frame) -> None:
        stopped = self._stopped.get(name)
        now = given.get(stopped[0]) if stopped is not None else None
        if stopped is not None and isinstance(now, int | float) and now > stopped[1]:
            self.station.deadline(
                frame, self.settings.effect_timeout_s, self.not_resumed, name, now, frame, at_close=AtClose.LATE
            )
