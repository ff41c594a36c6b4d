"""Judge how a 2.x transaction continues when its token is refused, nobody plugs in, or a limit is reached."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import duration
from inspector.rules.fields import member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise
from inspector.rules.rule import ASIDE, DEADLINE, V2X, V21, Faults, Topic, aside, call, result, rule, track
from inspector.rules.state.authorized_v2x import Authorized2x
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Event, Transaction2x, Transactions2x
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.example_frames import NOW, Payload, script, started, transaction_event

REASONS = {
    "Deauthorized": ("DeAuthorized", Severity.WARNING),  # E05.FR.10
    "EVConnectTimeout": ("Timeout", Severity.INFO),  # E03.FR.05
    "ResetCommand": ("ImmediateReset", Severity.WARNING),  # B12.FR.04
}
"""For some values of triggerReason in Ended: the stoppedReason that must come with it, and the severity if not."""
LIMITS = ("maxCost", "maxEnergy", "maxTime", "maxSoC")
_METER = [{"timestamp": NOW, "sampledValue": [{"value": 1.0}]}]
_NO_POWER = frozenset({"SuspendedEVSE", "EVConnected", "Idle"})
_TOKEN = {"idToken": "T", "type": "ISO14443"}
_REFUSED: Payload = {"idTokenInfo": {"status": "Blocked"}}
_CHARGING = {"chargingState": "Charging"}
_PLUG_IN = (
    '< [2,"v","GetVariables",{"getVariableData":[{"component":{"name":"TxCtrlr"},"variable":'
    '{"name":"EVConnectionTimeOut"}}]}]\n> [3,"v",{"getVariableResult":[{"attributeStatus":"Accepted",'
    '"attributeValue":"60","component":{"name":"TxCtrlr"},"variable":{"name":"EVConnectionTimeOut"}}]}]\n'
)
_SUPPORTED = _PLUG_IN.replace("EVConnectionTimeOut", "SupportedLimits").replace('"60"', '"maxEnergy,maxTime"')
_WAITING = transaction_event("Started", "RemoteStart", 0, {"chargingState": "Idle", "remoteStartId": 5})


def _refused(topic: Deauthorization2x, frame: Frame) -> str | None:
    """Return the transaction that this answer refuses; None if it refuses none."""
    if "idTokenInfo" not in frame.payload:
        return None
    status = string(member(frame.payload, "idTokenInfo"), "status")
    name = string(member(frame.request, "transactionInfo"), "transactionId") or ""
    one = topic.transactions.by_id.get(name)
    if status in (None, "Accepted") or one is None or not one.open:
        return None
    return name if topic.configuration.variable("TxCtrlr", "MaxEnergyOnInvalidId") in (None, "", "0") else None


def _stops(topic: Deauthorization2x, frame: Frame) -> str | None:
    """Return the transaction that this event stops or suspends; None if it does neither."""
    info = member(frame.payload, "transactionInfo")
    stopped = frame.payload.get("eventType") == "Ended" or frame.payload.get("triggerReason") == "Deauthorized"
    name = string(info, "transactionId")
    suspended = string(info, "chargingState") in _NO_POWER and topic.before == "Charging"
    return name if stopped or suspended else None


_EARLY = frozenset({"Authorized", "RemoteStart"})
"""The triggers with which a transaction starts before a car is plugged in."""


class Deauthorization2x(Topic):
    """The rules about transactions that must not continue.

    Attributes:
        charging: the last charging state of each open transaction, by transaction id.
        before: the charging state before the latest event in its transaction; None if it had none.
    """

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self.charging: Known[str, str] = Known()
        self.before: str | None = None
        self.limits: Known[str, Payload] = Known()  # the limits that the CSMS has set, by transaction id
        self.transactions = self.station.topic(Transactions2x)
        self.configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)

    def _note(self, event: Event, frame: Frame, name: str, state: str | None) -> None:
        if event.kind == "Ended":
            self.charging.pop(name, None)
        elif type(state) is str:
            self.charging.note(name, state)
        if event.kind == "Started" and not event.transaction.connected:
            plug_in_s = self.configuration.variable_number("TxCtrlr", "EVConnectionTimeOut")
            unplugged = state is None and event.trigger in _EARLY and self._all_free()
            if plug_in_s and (state == "Idle" or unplugged):
                self._wait(event, frame, plug_in_s)
        elif event.kind == "Updated" and event.trigger == "EVCommunicationLost" and state == "Idle":
            one, plug_in_s = event.transaction, self.configuration.variable_number("TxCtrlr", "EVConnectionTimeOut")
            stops = self.configuration.variable("TxCtrlr", "TxStopPoint") or ""
            ends = "EVConnected" in stops or "PowerPathClosed" in stops
            if plug_in_s and not (one.stopped_locally or one.stopped_remotely or ends):
                self._wait(event, frame, plug_in_s)

    def _wait(self, event: Event, frame: Frame, plug_in_s: int) -> None:
        wait = plug_in_s + min(plug_in_s, self.settings.answer_timeout_s)
        self.station.deadline(frame, wait, self.not_plugged_in, event.transaction, frame, plug_in_s)

    not_deauthorized = Promise(
        "transaction-event.not-deauthorized",
        "TransactionEvent",
        promised=_refused,
        plain=False,
        kept_by=call("TransactionEvent"),
        keeps=_stops,
        early=False,
        excused=lambda topic, frame: topic.may_go_on(frame),
        at_close=AtClose.LATE,
        text="the token of {key} was refused, but the transaction still charges {wait} later",
        title="A transaction continues although its token was refused",
        severity=Severity.ERROR,
        spec="OCPP 2.x E05.FR.02, E05.FR.09, E05.FR.10, E06.FR.04, C15.FR.03, C15.FR.04, C15.FR.06",
        remedy="Stop charging at once and report it: with triggerReason Deauthorized, with Ended, or with the "
        "charging state SuspendedEVSE.",
        bad=script(started(_CHARGING, idToken=_TOKEN, answer=_REFUSED), "+ 5m"),
        good=script(
            started(_CHARGING, idToken=_TOKEN, answer=_REFUSED),
            transaction_event("Ended", "Deauthorized", 1, {"stoppedReason": "DeAuthorized"}),
            "+ 5m",
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )

    def _all_free(self) -> bool:
        """Return whether every connector that the station has reported is available."""
        return set(self.station.topic(Evses2x).connectors.values()) == {"Available"}

    def may_go_on(self, answer: Frame) -> bool:
        """Return whether a refused transaction is not charging, or another token was accepted for it."""
        if answer.request.get("offline") is True and not self._evidence.has_sent_all(self.station.current):
            return True  # its end may still be waiting behind other events
        name = string(member(answer.request, "transactionInfo"), "transactionId") or ""
        if name in self.station.topic(Authorized2x).now:
            return True
        stops = (self.configuration.variable("TxCtrlr", "StopTxOnInvalidId") or "").lower() == "true"
        return self.charging.get(name) != "Charging" and not stops

    @rule(
        "transaction-event.reason-mismatch",
        call("TransactionEvent"),
        title="The reason why a transaction stopped does not fit the trigger of its end",
        severity=Severity.WARNING,
        spec="OCPP 2.x E05.FR.10, E03.FR.05, B12.FR.04",
        remedy="Set stoppedReason to DeAuthorized for Deauthorized, to Timeout for EVConnectTimeout and to "
        "ImmediateReset for ResetCommand.",
        bad=script(started(), transaction_event("Ended", "Deauthorized", 1, {"stoppedReason": "Local"})),
        good=script(started(), transaction_event("Ended", "Deauthorized", 1, {"stoppedReason": "DeAuthorized"})),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def reason_mismatch(self, frame: Frame) -> Faults:
        event = self.transactions.event
        if event is None:
            return None
        name, state = event.transaction.transaction_id, event.info.get("chargingState")
        self.before = self.charging.get(name)
        if event.kind != "Updated" or (state is not None and state != self.before):
            self._note(event, frame, name, state)
        if event.trigger == "Trigger":
            return aside(self.event_content, event, frame.payload)
        if event.kind == "Ended" and event.info.get("stoppedReason") == "ImmediateReset" != event.trigger:
            before = {trigger for _, _, trigger in event.transaction.events.values()}
            if "ResetCommand" not in before:
                text = f"Ended by {event.trigger} with stoppedReason ImmediateReset; expected ResetCommand"
                return Fault(text, "/3/triggerReason", key=name)
        if event.kind != "Ended" or event.trigger not in REASONS:
            return None
        reason, (fitting, severity) = string(event.info, "stoppedReason"), REASONS[event.trigger or ""]
        if reason in (None, fitting) or (event.trigger == "Deauthorized" and reason == "EVDisconnected"):
            return None  # the rule transaction-event.stopped-reason reports a missing one
        text = f"Ended by {event.trigger} with stoppedReason {reason}; expected {fitting}"
        return Fault(text, "/3/transactionInfo/stoppedReason", severity=severity, key=event.transaction.transaction_id)

    @rule(
        "trigger.event-content",
        ASIDE,
        title="A triggered TransactionEvent lacks the charging state or the meter values",
        severity=Severity.WARNING,
        spec="OCPP 2.x F06.FR.07",
        remedy="Send chargingState and the latest meter values with triggerReason Trigger.",
        bad=script(transaction_event("Updated", "Trigger", 3, {"chargingState": "Charging"})),
        good=script(transaction_event("Updated", "Trigger", 3, {"chargingState": "Charging"}, meterValue=_METER)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def event_content(self, event: Event, payload: Payload) -> Fault | None:
        if "chargingState" not in event.info:
            return Fault("triggerReason is Trigger, but chargingState is missing", "/3/transactionInfo")
        wanted = self.configuration.variable("SampledDataCtrlr", "TxUpdatedMeasurands")
        if payload.get("meterValue") or wanted == "":
            return None
        return Fault("triggerReason is Trigger, but meterValue is missing", "/3", key="meter")

    @rule(
        "transaction-event.not-plugged-in",
        DEADLINE,
        title="A transaction does not end although nobody has plugged in in time",
        severity=Severity.INFO,
        spec="OCPP 2.x E03.FR.05, E03.FR.15, E10.FR.02, F02.FR.07, F02.FR.08; OCPP 2.1 C20.FR.02",
        remedy="Send EVConnectTimeout once EVConnectionTimeOut is over, and end the transaction with Timeout unless "
        "TxStopPoint has ParkingBayOccupancy.",
        bad=script(_PLUG_IN, _WAITING, "+ 5m"),
        good=script(
            _PLUG_IN,
            _WAITING,
            "+ 1m",
            transaction_event("Ended", "EVConnectTimeout", 1, {"stoppedReason": "Timeout"}),
            "+ 5m",
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_plugged_in(self, moment: Moment, one: Transaction2x, frame: Frame, plug_in_s: int) -> Faults:
        stays = self.configuration.variable("TxCtrlr", "TxStopPoint") or ""
        if any(trigger == "Deauthorized" for _, _, trigger in one.events.values()):
            return None
        if not one.open or one.connected or self.session not in self.station.sessions:
            return None
        if "ParkingBayOccupancy" in stays:
            if any(trigger == "EVConnectTimeout" for _, _, trigger in one.events.values()):
                return None
            text = f"{one} got no EVConnectTimeout; EVConnectionTimeOut is {duration(plug_in_s)}"
            return Fault(text, "/3", severity=Severity.WARNING, frame=frame, key=one.transaction_id)
        text = f"{one} is open without a car; EVConnectionTimeOut is {duration(plug_in_s)}"
        # F02.FR.07 and E10.FR.02 say SHALL, E03.FR.05 says SHOULD.
        remote = member(frame.payload, "transactionInfo").get("remoteStartId") is not None
        remote = remote or member(frame.payload, "idToken").get("type") == "DirectPayment"  # C20.FR.02: SHALL
        severity = Severity.WARNING if remote or frame.payload.get("eventType") == "Updated" else None
        return Fault(text, "/3", severity=severity, frame=frame, key=one.transaction_id)

    @rule(
        "transaction-event.limit-exceeded",
        call("TransactionEvent"),
        title="A station sets a higher limit for a transaction than the CSMS has set",
        severity=Severity.ERROR,
        spec="OCPP 2.1 E16.FR.04",
        remedy="Keep limits at or below those of the CSMS's transactionLimit.",
        bad=script(
            started(answer={"transactionLimit": {"maxCost": 20}}),
            transaction_event("Updated", "LimitSet", 1, {"transactionLimit": {"maxCost": 30}}),
        ),
        good=script(
            started(answer={"transactionLimit": {"maxCost": 20}}),
            transaction_event("Updated", "LimitSet", 1, {"transactionLimit": {"maxCost": 20}}),
        ),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic.limits,
    )
    def limit_exceeded(self, frame: Frame) -> Faults:
        event = self.transactions.event
        if event is None:
            return None
        known, told = self.limits.get(event.transaction.transaction_id), member(event.info, "transactionLimit")
        for name in LIMITS if known and told else ():
            most, limit = (known or {}).get(name), told.get(name)
            if isinstance(most, int | float) and isinstance(limit, int | float) and limit > most:
                at = f"/3/transactionInfo/transactionLimit/{name}"
                return Fault(f"{name} is {limit}, above the {most} that the CSMS has set", at, key=name)
        return None

    @rule(
        "transaction-event.limit-unsupported",
        result("TransactionEvent"),
        title="The CSMS sets a limit that the station does not support",
        severity=Severity.WARNING,
        spec="OCPP 2.1 E16.FR.12",
        remedy="Set only limits that TxCtrlr.SupportedLimits lists.",
        bad=script(_SUPPORTED, started(answer={"transactionLimit": {"maxCost": 20}})),
        good=script(_SUPPORTED, started(answer={"transactionLimit": {"maxEnergy": 20}})),
        versions=V21,
        side=Side.CSMS,
    )
    def limit_unsupported(self, frame: Frame) -> Faults:
        given = member(frame.payload, "transactionLimit")
        listed = self.configuration.variable("TxCtrlr", "SupportedLimits") if given else None
        supported = {name.strip().lower() for name in (listed or "").split(",")}
        for name in LIMITS if listed else ():
            if name in given and name.lower() not in supported:
                return Fault(f"{name} is set; the station supports {listed}", f"/2/transactionLimit/{name}", key=name)
        return None

    @track(result("TransactionEvent"), versions=V21)
    def limited(self, frame: Frame) -> None:
        name = string(member(frame.request, "transactionInfo"), "transactionId")
        if "transactionLimit" not in frame.payload or name is None:
            return
        if not self.limits:
            self.station.refresh_listeners()
        self.limits.note(name, {**self.limits.get(name, {}), **member(frame.payload, "transactionLimit")})
