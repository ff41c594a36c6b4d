"""Limits of cost, energy, time and charge that OCPP 2.1 transactions have: how they are set, confirmed and kept."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import duration
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise
from inspector.rules.rule import DEADLINE, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import Event, Transactions2x
from inspector.rules.topics.example_frames import NOW, Payload, csms, script, started, transaction_event
from inspector.rules.topics.transactions.deauthorization_v2x import LIMITS, Deauthorization2x

REACHED = frozenset({"CostLimitReached", "EnergyLimitReached", "TimeLimitReached", "SoCLimitReached"})
EXCESS = 1.05
"""Energy may exceed its limit by so much, and by EXCESS_WH: meters count in steps."""
EXCESS_WH = 1000.0
COST_S = 120.0
"""So long a transaction with a limit of its cost may charge without an update of the cost."""
_UNSAID = frozenset({"ChargingStateChanged", "MeterValueClock", "MeterValuePeriodic"})
_DEFAULT = "Energy.Active.Import.Register"


def _set(component: str, name: str, value: str, instance: str | None = None) -> str:
    at = {"component": {"name": component}, "variable": {"name": name, **({"instance": instance} if instance else {})}}
    told = {"attributeStatus": "Accepted", "attributeValue": value, **at}
    return csms("GetVariables", {"getVariableData": [at]}, {"getVariableResult": [told]})


def _limited(**limits: float) -> str:
    return started({"chargingState": "Charging"}, answer={"transactionLimit": limits})


def _told(sequence: int = 1, answer: Payload | None = None, **limits: float) -> str:
    return transaction_event("Updated", "LimitSet", sequence, {"transactionLimit": limits}, answer=answer or {})


def _reached(kind: str = "Updated", state: str = "SuspendedEVSE", at: str = "2026-01-01T12:00:10Z") -> str:
    event = transaction_event(kind, "TimeLimitReached", 2, {"chargingState": state})
    return event.replace(NOW, at)


_SUPPORTED = _set("TxCtrlr", "SupportedLimits", "maxTime,maxEnergy")
_CENTRAL = _set("TariffCostCtrlr", "Enabled", "false", "Tariff")


class Limits21(Topic):
    """Rules about transactionLimit.

    Attributes:
        set: the limits that the CSMS has set last, by transaction id.
        told: all limits that the station has confirmed, by transaction id.
    """

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self.set: Known[str, Payload] = Known()
        self.told: Known[str, Payload] = Known()
        self._begun: Known[str, float] = Known()  # by transaction: the time of its start
        self._register: Known[str, float] = Known()  # by transaction: its first energy register in Wh
        self._priced: Known[str, None] = Known()  # transactions with an update of the cost
        self._transactions = self.station.topic(Transactions2x)
        self._configuration = self.station.topic(ConfigurationState)
        self._states = self.station.topic(Deauthorization2x)

    def _supported(self) -> set[str] | None:
        listed = self._configuration.variable("TxCtrlr", "SupportedLimits")
        return {name.strip().lower() for name in listed.split(",")} if listed else None

    @rule(
        "transaction-event.limit-told",
        call("TransactionEvent"),
        title="A station reports a limit without naming it, or one that it does not support",
        severity=Severity.WARNING,
        spec="OCPP 2.1 E16.FR.01, E16.FR.13",
        remedy="Send transactionInfo.transactionLimit with LimitSet, and in it only what SupportedLimits lists.",
        bad=script(_SUPPORTED, _limited(maxTime=60), _told(maxCost=20)),
        good=script(_SUPPORTED, _limited(maxTime=60), _told(maxTime=60)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def limit_told(self, frame: Frame) -> Faults:
        event = self._transactions.event
        if event is None:
            return None
        if event.kind == "Started":
            begun = seconds(event.timestamp)
            if begun is not None:
                self._begun.note(event.transaction.transaction_id, begun)
            if (register := register_wh(frame.payload)) is not None:
                self._register.note(event.transaction.transaction_id, register)
        if "transactionLimit" not in event.info:
            if event.trigger != "LimitSet":
                return None
            return Fault("triggerReason is LimitSet, but transactionInfo.transactionLimit is missing", "/3")
        told, supported = member(event.info, "transactionLimit"), self._supported()
        name = event.transaction.transaction_id
        before = self.told.get(name, {})
        again = bool(told) and not event.repeated and all(before.get(limit) == value for limit, value in told.items())
        self.told.note(name, {**self.told.get(name, {}), **told})
        self.station.refresh_listeners()
        for limit in LIMITS if supported else ():
            if limit in told and limit.lower() not in (supported or ()):
                at = f"/3/transactionInfo/transactionLimit/{limit}"
                return Fault(f"{limit} is told, but SupportedLimits does not list it", at, key=limit)
        if again and event.trigger != "LimitSet":
            text = "transactionLimit is sent again, though it has not changed"
            return Fault(text, "/3/transactionInfo/transactionLimit", key=f"again {name}")
        if event.kind == "Updated" and event.trigger in _UNSAID and not before and name not in self.set:
            text = f"a limit of the station is reported with {event.trigger}; expected LimitSet"
            severity = Severity.INFO if event.trigger == "ChargingStateChanged" else None
            return Fault(text, "/3/triggerReason", severity=severity, key=f"trigger {name}")
        return None

    @rule(
        "transaction-event.limit-reached",
        call("TransactionEvent"),
        title="A limit is reached, but the transaction does not stop charging, or the limit is not reached yet",
        severity=Severity.ERROR,
        spec="OCPP 2.1 E16.FR.05, E16.FR.06, E16.FR.09, E16.FR.10, C24.FR.04, C25.FR.26",
        remedy="When a limit is reached, suspend the transfer with SuspendedEVSE, or end the transaction where "
        "TxStopPoint has EnergyTransfer. Count maxTime from Started.",
        bad=script(_limited(maxTime=10), _told(maxTime=10), _reached(state="Charging")),
        good=script(_limited(maxTime=10), _told(maxTime=10), _reached()),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic.told and not topic.set,
    )
    def limit_reached(self, frame: Frame) -> Faults:
        event = self._transactions.event
        if event is None:
            return None
        name = event.transaction.transaction_id
        limits = {**self.told.get(name, {}), **self.set.get(name, {})}
        if not limits:
            return None
        if event.trigger in REACHED:
            return self._stopped(event, limits)
        return self._passed(event, frame, limits)

    def _stopped(self, event: Event, limits: Payload) -> Faults:
        state, name = event.info.get("chargingState"), event.transaction.transaction_id
        if event.kind == "Updated":
            if "EnergyTransfer" in (self._configuration.variable("TxCtrlr", "TxStopPoint") or ""):
                return Fault(f"{event.trigger} is Updated, but TxStopPoint has EnergyTransfer", "/3/eventType")
            if state == "Charging" or (state is None and self._states.before == "Charging"):
                return Fault(f"{event.trigger}, but chargingState is {state or 'missing'}", "/3/transactionInfo")
        begun, now, most = self._begun.get(name), seconds(event.timestamp), limits.get("maxTime")
        if event.trigger != "TimeLimitReached" or not isinstance(most, int | float) or begun is None or now is None:
            return None
        if now - begun + 5 < most:
            text = f"TimeLimitReached {duration(max(now - begun, 0))} after Started; maxTime is {duration(most)}"
            return Fault(text, "/3/triggerReason", key="early")
        return None

    def _passed(self, event: Event, frame: Frame, limits: Payload) -> Faults:
        """Judge an event of a transaction that may charge beyond a limit."""
        name = event.transaction.transaction_id
        register = register_wh(frame.payload)
        if register is not None and name not in self._register:
            self._register.note(name, register)
        state = event.info.get("chargingState", self._states.before)
        if event.trigger == "ChargingStateChanged" and state == "SuspendedEVSE" and self._states.before == "Charging":
            return self._unsaid(event, limits, register)
        if state != "Charging" or event.kind == "Ended" or event.offline or event.repeated:
            return None
        begun, now, most = self._begun.get(name), seconds(event.timestamp), limits.get("maxTime")
        if isinstance(most, int | float) and begun is not None and now is not None:
            late = now - begun - most
            if late > self.settings.answer_timeout_s:
                text = f"{event.transaction} still charges {duration(late)} after its maxTime of {duration(most)}"
                return Fault(text, "/3", key=name)
        energy, first = limits.get("maxEnergy"), self._register.get(name)
        if isinstance(energy, int | float) and register is not None and first is not None:
            used = register - first
            if used > max(energy, 0) * EXCESS + EXCESS_WH:
                text = f"{event.transaction} still charges after {used:.0f} Wh; maxEnergy is {energy}"
                return Fault(text, "/3", key=name)
        return None

    def _unsaid(self, event: Event, limits: Payload, register: float | None) -> Faults:
        """Judge an event that suspends a transaction without the trigger of the limit that it has reached."""
        name, energy = event.transaction.transaction_id, limits.get("maxEnergy")
        first = self._register.get(name)
        if not isinstance(energy, int | float) or register is None or first is None or energy <= 0:
            return None
        if not 0.98 * energy <= register - first <= 1.1 * energy:
            return None
        text = f"{event.transaction} is suspended at its maxEnergy of {energy} with {event.trigger}; "
        return Fault(text + "expected EnergyLimitReached", "/3/triggerReason", key=f"unsaid {name}")

    @rule(
        "transaction-event.limit-repeated",
        result("TransactionEvent"),
        title="The CSMS sends a limit again, or one above that of the station",
        severity=Severity.WARNING,
        spec="OCPP 2.1 E16.FR.02, E16.FR.08",
        remedy="Send a limit once, and none where the station has set a lower one.",
        bad=script(_limited(maxCost=20), _told(answer={"transactionLimit": {"maxCost": 20}}, maxCost=20)),
        good=script(_limited(maxCost=20), _told(answer={"transactionLimit": {"maxCost": 10}}, maxCost=20)),
        versions=V21,
        side=Side.CSMS,
    )
    def limit_repeated(self, frame: Frame) -> Faults:
        if "transactionLimit" not in frame.payload:
            return None
        given, info = member(frame.payload, "transactionLimit"), member(frame.request, "transactionInfo")
        name, told = string(info, "transactionId"), member(info, "transactionLimit")
        before, sequence = self.set.get(name or ""), integer(frame.request, "seqNo")
        if before is not None and given and before == {**given, "seqNo": before["seqNo"]}:
            if sequence == before["seqNo"]:
                return None  # the answer to an event that was sent again
            return Fault(
                f"{', '.join(given)[:100]}: the same limit was sent before", "/2/transactionLimit", key="again"
            )
        for limit in LIMITS:
            most, now = told.get(limit), given.get(limit)
            if isinstance(most, int | float) and isinstance(now, int | float) and now >= most:
                text = f"{limit} is {now}; the station has set {most}, which is not above it"
                return Fault(text, f"/2/transactionLimit/{limit}", key=limit)
        return None

    unconfirmed = Promise(
        "transaction-event.limit-unconfirmed",
        "TransactionEvent",
        promised=lambda topic, frame: topic.confirms(frame),
        kept_by=call("TransactionEvent"),
        keeps=lambda topic, frame: topic.confirmed(frame),
        early=False,
        at_close=AtClose.LATE,
        text="the CSMS has set a limit for {key}, but no event has confirmed it within {wait}",
        title="A limit that the CSMS has set is not confirmed",
        severity=Severity.WARNING,
        spec="OCPP 2.1 C24.FR.03, C24.FR.04, C25.FR.25, C25.FR.26, E16.FR.03, F07.FR.03",
        remedy="Send LimitSet with the limit in transactionInfo.transactionLimit.",
        bad=script(_SUPPORTED, _limited(maxTime=60), "+ 5m"),
        good=script(_SUPPORTED, _limited(maxTime=60), _told(maxTime=60), "+ 5m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )

    def confirms(self, frame: Frame) -> str | None:
        """The transaction whose limit the station has to confirm after this answer."""
        if "transactionLimit" not in frame.payload or frame.request.get("offline") is True:
            return None
        info, supported = member(frame.request, "transactionInfo"), self._supported()
        given = {limit.lower() for limit in member(frame.payload, "transactionLimit") if limit in LIMITS}
        if frame.request.get("eventType") == "Ended" or not given:
            return None
        able = bool(given & supported) if supported is not None else "remoteStartId" in info
        return string(info, "transactionId") if able else None

    def confirmed(self, frame: Frame) -> str | None:
        """The transaction whose limit this event confirms."""
        info = member(frame.payload, "transactionInfo")
        return string(info, "transactionId") if "transactionLimit" in info else None

    @rule(
        "cost.limit-not-updated",
        DEADLINE,
        title="The CSMS limits the cost of a transaction, but does not say what it costs",
        severity=Severity.WARNING,
        spec="OCPP 2.1 E16.FR.11",
        remedy="Send totalCost in the answers to TransactionEvent, or CostUpdated, where the station has no tariff.",
        bad=script(_CENTRAL, _limited(maxCost=20), "+ 11m"),
        good=script(
            _CENTRAL,
            _limited(maxCost=20),
            csms("CostUpdated", {"totalCost": 1.5, "transactionId": "t1"}, {}),
            "+ 11m",
        ),
        versions=V21,
        side=Side.CSMS,
    )
    def not_updated(self, moment: Moment, name: str, frame: Frame) -> Faults:
        one = self._transactions.by_id.get(name)
        if one is None or not one.open or name in self._priced or self.session not in self.station.sessions:
            return None
        if self._states.charging.get(name) != "Charging":
            return None
        text = f"maxCost is set for {one}, but its cost was not updated within {duration(COST_S)}"
        return Fault(text, "/2/transactionLimit", frame=frame, key=name)

    @track(result("TransactionEvent"))
    def answered(self, frame: Frame) -> None:
        payload = frame.payload
        if not payload or not ("transactionLimit" in payload or "totalCost" in payload):
            return
        name = string(member(frame.request, "transactionInfo"), "transactionId")
        if name is None:
            return
        if "totalCost" in payload:
            self._priced.note(name, None)
        given = member(payload, "transactionLimit")
        if not given:
            return
        self.set.note(name, {**given, "seqNo": integer(frame.request, "seqNo")})
        self.station.refresh_listeners()
        tariff = self._configuration.variable("TariffCostCtrlr", "Enabled", None, "Tariff") or ""
        if "maxCost" in given and tariff.lower() == "false":
            self._priced.pop(name, None)
            self.station.deadline(frame, COST_S, self.not_updated, name, frame)

    @track(call("CostUpdated"))
    def cost_updated(self, frame: Frame) -> None:
        self._priced.note(string(frame.payload, "transactionId") or "", None)


def register_wh(payload: dict[str, Any]) -> float | None:
    """The last energy register in Wh of a message."""
    found = None
    if "meterValue" not in payload:
        return None
    for sample in (s for value in elements(payload, "meterValue") for s in elements(value, "sampledValue")):
        value, unit = sample.get("value"), member(sample, "unitOfMeasure")
        if sample.get("measurand", _DEFAULT) == _DEFAULT and isinstance(value, int | float) and "phase" not in sample:
            scale = 10.0 ** max(-9, min(9, integer(unit, "multiplier") or 0))
            found = value * scale * (1000.0 if unit.get("unit") == "kWh" else 1.0)
    return found
