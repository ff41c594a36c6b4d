"""Judge recommended reasons for the end of 2.x transactions, and limits that are removed or slightly exceeded."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import since
from inspector.rules.fields import member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import ASIDE, DEADLINE, V2X, V21, Faults, Topic, aside, call, result, rule
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import Event, Transaction2x, Transactions2x
from inspector.rules.topics.example_frames import BOOT_2X, NOW, Payload, csms, script, started, transaction_event
from inspector.rules.topics.transactions.content_v2x import NOT_LOCAL
from inspector.rules.topics.transactions.deauthorization_v2x import LIMITS
from inspector.rules.topics.transactions.limits_v21 import Limits21, register_wh

DRIVER = frozenset({"Local", "MasterPass", "StoppedByEV"})
"""The values of stoppedReason with which a driver or the car ends a transaction."""
_VAGUE = frozenset({"Local", "Other"})
OVER = 1.01
"""A meter counts in steps, so an energy limit counts as kept up to this share of it."""

CAUSES = {
    "DeAuthorized": frozenset({"Deauthorized", "EVCommunicationLost", "EVConnectTimeout", "TariffNotAccepted"}),
    "EVDisconnected": frozenset({"EVCommunicationLost", "EVDeparted", "Deauthorized"}),
    "Remote": frozenset({"RemoteStop"}),
    "Timeout": frozenset({"EVConnectTimeout"}),
}
"""For some values of stoppedReason: the triggers of which one must have come in the transaction."""
_UNSAID = frozenset({"Authorized", "CablePluggedIn", "ChargingRateChanged", "ChargingStateChanged", "MeterValueClock"})
_UNSAID |= {"MeterValuePeriodic", "StopAuthorized", "SignedDataReceived", "RemoteStop", "EVConnectTimeout"}
"""Triggers that contradict a cause which they do not name; others, such as AbnormalCondition, may come with any."""
_OFFLINE_STOP = transaction_event("Updated", "StopAuthorized", 1, {"chargingState": "EVConnected"}, offline=True)

_BY_CSMS: Payload = {"chargingState": "EVConnected", "stoppedReason": "Remote"}
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
        self._configuration = self.station.topic(ConfigurationState)

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
            found += [self._advice(event), aside(self.cause, event)]
        elif event.offline and event.trigger == "StopAuthorized" and not event.repeated:
            self.station.deadline(
                frame,
                self.settings.effect_timeout_s,
                self.offline_stop,
                event.transaction,
                frame,
                at_close=AtClose.LATE,
            )
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
        "transaction-event.end-trigger",
        ASIDE,
        title="The trigger of the end of a transaction does not fit the reason why it stopped",
        severity=Severity.WARNING,
        spec="OCPP 2.x E01.FR.15, E02.FR.15, E06.FR.15, E07.FR.06, F03.FR.09",
        remedy="Set triggerReason to what has caused the event, such as RemoteStop for the reason Remote.",
        bad=script(BOOT_2X, started(), transaction_event("Ended", "ChargingStateChanged", 1, _BY_CSMS)),
        good=script(
            BOOT_2X,
            started(),
            csms("RequestStopTransaction", {"transactionId": "t1"}).replace('"#"', '"stop"'),
            transaction_event("Updated", "RemoteStop", 1, {"chargingState": "EVConnected"}),
            transaction_event("Ended", "ChargingStateChanged", 2, _BY_CSMS),
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def cause(self, event: Event) -> Fault | None:
        reason, one = string(event.info, "stoppedReason"), event.transaction
        fitting = CAUSES.get(reason or "")
        if fitting is None or event.trigger in fitting or event.trigger not in _UNSAID or event.repeated:
            return None
        if not one.known_from_start or one.started is None or one.stopped_locally:
            return None
        if any(trigger in fitting for _, _, trigger in one.events.values()):
            return None
        severity = Severity.INFO if reason == "EVDisconnected" and event.trigger == "ChargingStateChanged" else None
        text = f"{one} is ended by {event.trigger} with stoppedReason {reason}; expected {min(fitting)}"
        return Fault(text, "/3/triggerReason", severity=severity, key=one.transaction_id)

    @rule(
        "transaction-event.offline-stop",
        DEADLINE,
        title="A transaction was stopped with a token while the station was offline, but does not end",
        severity=Severity.INFO,
        spec="OCPP 2.x E08.FR.04",
        remedy="End a transaction whose token was presented again while the station was offline.",
        bad=script(started(), _OFFLINE_STOP, "+ 5m"),
        good=script(
            started(), _OFFLINE_STOP, transaction_event("Ended", "EVDeparted", 2, {"stoppedReason": "Local"}), "+ 5m"
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def offline_stop(self, moment: Moment, one: Transaction2x, frame: Frame) -> Faults:
        points = self._configuration.variable("TxCtrlr", "TxStopPoint")
        stays = points is not None and "Authorized" not in points and "PowerPathClosed" not in points
        if not one.open or stays or self.session not in self.station.sessions:
            return None
        text = f"{one} was stopped offline, but has not ended within {since(frame, moment)}"
        return Fault(text, "/3/eventType", frame=frame, key=one.transaction_id)

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
