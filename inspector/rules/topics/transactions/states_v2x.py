"""Judge what the events of a 2.x transaction report about its charging state, its phases and sleeping cars."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import ASIDE, DEADLINE, V2X, V21, Faults, Topic, aside, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import Event, Transactions2x
from inspector.rules.topics.example_frames import NOW, Payload, csms, script, started, transaction_event
from inspector.rules.topics.transactions.deauthorization_v2x import Deauthorization2x

SAMPLES = frozenset({"MeterValuePeriodic", "MeterValueClock"})
PHASES = frozenset({"L1", "L2", "L3"})
FLOWS_A = 1.0
"""A phase with more current than this (in A) is in use."""

_TOKEN = {"idToken": "T", "type": "ISO14443"}
_VALID: Payload = {"idTokenInfo": {"status": "Accepted"}}
_CHARGING = {"chargingState": "Charging"}


def _currents(*amperes: float) -> list[Payload]:
    samples = [
        {"value": value, "measurand": "Current.Import", "phase": f"L{number}"}
        for number, value in enumerate(amperes, 1)
    ]
    return [{"timestamp": NOW, "sampledValue": samples}]


def _set(**values: str) -> str:
    names = [{"component": {"name": "TxCtrlr"}, "variable": {"name": name}} for name in values]
    told = [
        {"attributeStatus": "Accepted", "attributeValue": value, **name}
        for name, value in zip(names, values.values(), strict=True)
    ]
    return csms("GetVariables", {"getVariableData": names}, {"getVariableResult": told})


_KEEPS_ON = _set(StopTxOnInvalidId="false", MaxEnergyOnInvalidId="1000")
_REFUSED = started(_CHARGING, idToken=_TOKEN, answer={"idTokenInfo": {"status": "Blocked"}})
_STOPS = _set(StopTxOnEVSideDisconnect="true")
_LOST = transaction_event("Updated", "EVCommunicationLost", 1, {"chargingState": "SuspendedEV"})


class States2x(Topic):
    """The rules about what events report about charging."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._phases: Known[str, int] = Known()  # numberOfPhasesUsed, by transaction id
        self._other: Known[str, int] = Known()  # the number of phases in the last samples if it differs, by transaction
        self._told: Known[str, int] = Known()  # by transaction id: when its charging state was last reported
        self._refused: Known[str, Frame] = Known()  # refused transactions that may continue for some energy
        self._cut: Known[str, None] = Known()  # transactions that were deauthorized because the car was unplugged
        self._transactions = self.station.topic(Transactions2x)
        self._states = self.station.topic(Deauthorization2x)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "transaction-event.phases",
        call("TransactionEvent"),
        title="The number of phases in use has changed, but numberOfPhasesUsed is not sent",
        severity=Severity.WARNING,
        spec="OCPP 2.x E02.FR.19, E03.FR.14",
        remedy="Send numberOfPhasesUsed in the next event when the number of phases in use changes.",
        bad=script(
            started(_CHARGING, numberOfPhasesUsed=3, meterValue=_currents(16, 16, 16)),
            transaction_event("Updated", "MeterValuePeriodic", 1, meterValue=_currents(16, 0, 0)),
            transaction_event("Updated", "MeterValuePeriodic", 2, meterValue=_currents(16, 0, 0)),
        ),
        good=script(
            started(_CHARGING, numberOfPhasesUsed=3, meterValue=_currents(16, 16, 16)),
            transaction_event("Updated", "MeterValuePeriodic", 1, meterValue=_currents(16, 0, 0)),
            transaction_event("Updated", "ChargingRateChanged", 2, numberOfPhasesUsed=1),
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def phases(self, frame: Frame) -> Faults:
        event, payload = self._transactions.event, frame.payload
        if event is None:
            return None
        name = event.transaction.transaction_id
        fault: Fault | None = None
        state = event.info.get("chargingState")
        if state is not None and (state != self._states.before or event.trigger not in SAMPLES):
            self._state(event, frame)
        if self._cut:
            fault = aside(self.unauthorized, event)
        if self._refused:
            fault = aside(self.early, event, frame) or fault
        if "evseSleep" in payload:
            fault = aside(self.sleep, event, payload) or fault
        told = integer(payload, "numberOfPhasesUsed") if "numberOfPhasesUsed" in payload else None
        if told is not None:
            self._phases.note(name, told)
            self._other.pop(name, None)
        elif self._phases and name in self._phases and "meterValue" in payload:
            used = _used(payload)
            if used is None or used == self._phases[name] or event.kind == "Ended":
                self._other.pop(name, None)
            elif self._other.get(name) == used:
                text = f"current flows in {used} phases, but numberOfPhasesUsed was last {self._phases[name]}"
                return Fault(text, "/3", key=name)
            else:
                self._other.note(name, used)
        return fault

    def _state(self, event: Event, frame: Frame) -> None:
        name, state, before = event.transaction.transaction_id, event.info["chargingState"], self._states.before
        if event.trigger not in SAMPLES:
            if before != state or name in self._told:
                self._told.note(name, frame.mono_ns)
        elif before is not None and before != state and event.kind == "Updated" and not event.repeated:
            self._told.note(name, 0)
            self.station.deadline(
                frame, self.settings.answer_timeout_s, self.state_trigger, event, before, frame, at_close=AtClose.JUDGED
            )

    @rule(
        "transaction-event.state-trigger",
        DEADLINE,
        title="A change of the charging state is only reported together with meter values",
        severity=Severity.WARNING,
        spec="OCPP 2.x E02.FR.17, E03.FR.12, E01.FR.15, E02.FR.15, E06.FR.15, F01.FR.17, F03.FR.09",
        remedy="Send an event with triggerReason ChargingStateChanged when the state changes.",
        bad=script(started(), transaction_event("Updated", "MeterValuePeriodic", 1, _CHARGING), "+ 5m"),
        good=script(started(), transaction_event("Updated", "ChargingStateChanged", 1, _CHARGING), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def state_trigger(self, moment: Moment, event: Event, before: str, frame: Frame) -> Faults:
        name = event.transaction.transaction_id
        if (
            event.sequence is not None
            and event.sequence_before is not None
            and event.sequence > event.sequence_before + 1
        ):
            return None  # the event of the change may be the missing one
        if self._told.get(name) or self.session not in self.station.sessions:
            return None
        text = f"the state of {event.transaction} changes from {before} to {event.info['chargingState']}, but "
        return Fault(f"{text}triggerReason is {event.trigger}", "/3/triggerReason", frame=frame, key=name)

    @rule(
        "transaction-event.deauthorized-early",
        ASIDE,
        title="A refused transaction stops at once, although it may use some more energy",
        severity=Severity.WARNING,
        spec="OCPP 2.x C15.FR.07, E05.FR.03",
        remedy="Let the car have MaxEnergyOnInvalidId where StopTxOnInvalidId is false.",
        bad=script(
            _KEEPS_ON, _REFUSED, transaction_event("Updated", "Deauthorized", 1, {"chargingState": "SuspendedEVSE"})
        ),
        good=script(_KEEPS_ON, _REFUSED, transaction_event("Updated", "MeterValuePeriodic", 1, _CHARGING)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def early(self, event: Event, frame: Frame) -> Fault | None:
        name = event.transaction.transaction_id
        answer = self._refused.get(name)
        ends = event.trigger == "Deauthorized" or event.info.get("stoppedReason") == "DeAuthorized"
        if answer is None or not (ends or event.info.get("chargingState") == "SuspendedEVSE"):
            return None
        del self._refused[name]
        energy = self._configuration.variable_number("TxCtrlr", "MaxEnergyOnInvalidId") or 0
        passed = (frame.mono_ns - answer.mono_ns) / 1e9
        least = energy * 3600 / self.settings.highest_power_w
        if passed >= least or event.offline:
            return None
        text = f"{event.transaction} stops {passed:.1f} s after it was refused; it may use {energy} Wh more"
        return Fault(text, "/3/triggerReason", key=name)

    @rule(
        "transaction-event.unauthorized",
        ASIDE,
        title="A transaction charges again after the car was unplugged, without a new authorization",
        severity=Severity.ERROR,
        spec="OCPP 2.x E09.FR.01",
        remedy="Where StopTxOnEVSideDisconnect is true, end the authorization when the cable is unplugged at the car.",
        bad=script(
            _STOPS,
            started(_CHARGING, idToken=_TOKEN, answer=_VALID),
            _LOST,
            transaction_event("Updated", "ChargingStateChanged", 2, _CHARGING),
        ),
        good=script(
            _STOPS,
            started(_CHARGING, idToken=_TOKEN, answer=_VALID),
            _LOST,
            transaction_event("Updated", "Authorized", 2, _CHARGING, idToken=_TOKEN, answer=_VALID),
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unauthorized(self, event: Event) -> Fault | None:
        name = event.transaction.transaction_id
        if name not in self._cut:
            return None
        if event.token is not None or event.kind == "Ended" or "remoteStartId" in event.info:
            del self._cut[name]
        elif event.info.get("chargingState") == "Charging":
            del self._cut[name]
            text = f"{event.transaction} charges again without a token; EVCommunicationLost has ended its authorization"
            return Fault(text, "/3", key=name)
        return None

    @rule(
        "transaction-event.sleep",
        ASIDE,
        title="An EVSE is reported to sleep although it charges or cannot sleep",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q10.FR.04, Q10.FR.05",
        remedy="Send evseSleep true only while the EVSE sleeps, which needs SupportsEvseSleep and the mode Idle.",
        bad=script(started(), transaction_event("Updated", "ChargingStateChanged", 1, _CHARGING, evseSleep=True)),
        good=script(started(), transaction_event("Updated", "ChargingStateChanged", 1, _CHARGING, evseSleep=False)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def sleep(self, event: Event, payload: Payload) -> Fault | None:
        if payload.get("evseSleep") is not True:
            return None
        known = self._configuration
        able = known.variable("SmartChargingCtrlr", "SupportsFeature", instance="EvseSleep")
        able = known.variable("SmartChargingCtrlr", "SupportsEvseSleep") if able is None else able
        if (able or "").lower() == "false":
            return Fault("evseSleep is true, but SupportsEvseSleep is false", "/3/evseSleep", key="unable")
        if event.info.get("chargingState") == "Charging":
            return Fault("evseSleep is true, but the car is charging", "/3/evseSleep")
        return None

    @track(result("TransactionEvent"))
    def answered(self, frame: Frame) -> None:
        lost = frame.request.get("triggerReason") == "EVCommunicationLost"
        if not lost and not frame.payload:
            return
        name = string(member(frame.request, "transactionInfo"), "transactionId")
        if name is None or not (lost or "idTokenInfo" in frame.payload):
            return
        known = self._configuration
        if lost and (known.variable("TxCtrlr", "StopTxOnEVSideDisconnect") or "").lower() == "true":
            self._cut.note(name, None)
        status = string(member(frame.payload, "idTokenInfo"), "status")
        if status in (None, "Accepted") or frame.request.get("eventType") == "Ended":
            return
        stays = (known.variable("TxCtrlr", "StopTxOnInvalidId") or "").lower() == "false"
        if stays and (known.variable_number("TxCtrlr", "MaxEnergyOnInvalidId") or 0) > 0:
            self._refused.note(name, frame)


def _used(payload: dict[str, Any]) -> int | None:
    """Return how many phases have current in the last samples; None if that is not known."""
    found: dict[str, float] = {}
    for sample in (s for value in elements(payload, "meterValue") for s in elements(value, "sampledValue")):
        phase, amperes = string(sample, "phase"), sample.get("value")
        if sample.get("measurand") == "Current.Import" and phase in PHASES and isinstance(amperes, int | float):
            found[str(phase)] = amperes
    used = sum(amperes > FLOWS_A for amperes in found.values())
    return used if len(found) == len(PHASES) and used else None
