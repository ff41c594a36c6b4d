"""Judge whether an OCPP 2.1 transaction stops at the limit of its cost or of the car's state of charge."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.durations import duration
from inspector.rules.fields import elements, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.transactions_v2x import Event, Transactions2x
from inspector.rules.topics.example_frames import NOW, Payload, csms, script, started, transaction_event
from inspector.rules.topics.tariffs.known_v21 import KnownTariffs
from inspector.rules.topics.transactions.deauthorization_v2x import Deauthorization2x
from inspector.rules.topics.transactions.limits_v21 import Limits21

_LIMITED = started({"chargingState": "Charging"}, answer={"transactionLimit": {"maxCost": 20}})
_TOLD = transaction_event("Updated", "LimitSet", 1, {"transactionLimit": {"maxCost": 20}})


def _costs(amount: float) -> str:
    return csms("CostUpdated", {"totalCost": amount, "transactionId": "t1"}, {})


_STILL = transaction_event(
    "Updated",
    "MeterValuePeriodic",
    2,
    {"chargingState": "Charging"},
    meterValue=[{"timestamp": NOW, "sampledValue": [{"value": 1.0, "measurand": "Voltage"}]}],
)
_REACHED = transaction_event("Updated", "CostLimitReached", 2, {"chargingState": "SuspendedEVSE"})


class CostLimits21(Topic):
    """The rule about the limits of cost and of the state of charge."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._costs: Known[str, float] = Known()  # by transaction: its cost, as the CSMS has told it last
        self._own: Known[str, float] = Known()  # by transaction: its cost, as the station has told it last
        self._passed: Known[str, int] = Known()  # by transaction: when its cost reached the limit (monotonic)
        self._transactions = self.station.topic(Transactions2x)
        self._states = self.station.topic(Deauthorization2x)
        self._limits = self.station.topic(Limits21)
        self._tariffs = self.station.topic(KnownTariffs)

    @rule(
        "transaction-event.cost-limit",
        call("TransactionEvent"),
        title="A transaction charges beyond the limit of its cost or state of charge, or stops before it",
        severity=Severity.ERROR,
        spec="OCPP 2.1 E16.FR.05, E16.FR.15, E16.FR.16",
        remedy="Stop charging when the cost reaches maxCost: the cost that the CSMS has told, or the own cost "
        "of the station where it calculates with a tariff.",
        bad=script(_LIMITED, _TOLD, _costs(25), "+ 5m", _STILL),
        good=script(_LIMITED, _TOLD, _costs(25), _REACHED),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not (topic._limits.told or topic._limits.set),
    )
    def beyond(self, frame: Frame) -> Faults:
        event = self._transactions.event
        if event is None or event.offline or event.repeated:
            return None
        name = event.transaction.transaction_id
        own = member(member(frame.payload, "costDetails"), "totalCost")
        spent = member(own, "total").get("inclTax", member(own, "total").get("exclTax"))
        if isinstance(spent, int | float):
            self._own.note(name, spent)
        limits = {**self._limits.told.get(name, {}), **self._limits.set.get(name, {})}
        most = limits.get("maxCost")
        if isinstance(most, int | float) and (fault := self._cost(event, most, frame)) is not None:
            return fault
        percent = limits.get("maxSoC")
        if isinstance(percent, int | float) and self._charges(event):
            for sample in (s for v in elements(frame.payload, "meterValue") for s in elements(v, "sampledValue")):
                value = sample.get("value")
                if sample.get("measurand") == "SoC" and isinstance(value, int | float) and value > percent + 1:
                    text = f"{event.transaction} still charges at {value} %; maxSoC is {percent}"
                    return Fault(text, "/3", key=f"{name} SoC")
        return None

    def _charges(self, event: Event) -> bool:
        return event.kind != "Ended" and event.info.get("chargingState", self._states.before) == "Charging"

    def _cost(self, event: Event, most: float, frame: Frame) -> Fault | None:
        name = event.transaction.transaction_id
        local = self._local()
        spent = self._own.get(name) if local else self._costs.get(name)
        if spent is None:
            return None
        if event.trigger == "CostLimitReached":
            if spent >= most * 0.9 - 0.5:
                return None
            whose = "own cost of the station" if local else "cost that the CSMS has told"
            return Fault(f"CostLimitReached at {spent}, the {whose}; maxCost is {most}", "/3/triggerReason", key=name)
        if spent < most or not self._charges(event):
            self._passed.pop(name, None)
            return None
        since = self._passed.setdefault(name, frame.mono_ns)
        late_s = (frame.mono_ns - since) / 1e9
        if late_s <= self.settings.answer_timeout_s:
            return None
        text = f"{event.transaction} still charges {duration(late_s)} after its cost was {spent}; maxCost is {most}"
        return Fault(text, "/3", key=name)

    def _local(self) -> bool:
        """Whether the station calculates the cost itself."""
        return self._tariffs.on("Tariff") is not False and bool(self._tariffs.defaults or self._tariffs.drivers)

    @track(result("TransactionEvent"), plain=False)
    def answered(self, frame: Frame) -> None:
        if "totalCost" in frame.payload:
            name = string(member(frame.request, "transactionInfo"), "transactionId") or ""
            self._told(name, frame.payload.get("totalCost"), frame)

    @track(call("CostUpdated"))
    def updated(self, frame: Frame) -> None:
        self._told(string(frame.payload, "transactionId") or "", frame.payload.get("totalCost"), frame)

    def _told(self, name: str, spent: object, frame: Frame) -> None:
        if isinstance(spent, int | float):
            self._costs.note(name, spent)
            limits: Payload = {**self._limits.told.get(name, {}), **self._limits.set.get(name, {})}
            most = limits.get("maxCost")
            if isinstance(most, int | float) and spent >= most and name not in self._passed:
                self._passed.note(name, frame.mono_ns)
