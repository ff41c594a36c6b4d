"""Judge what a 2.x station reports about the locks of its connectors (ConnectorPlugRetentionLock)."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.device_model import name_of
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import CONNECTED, Transactions2x
from inspector.rules.topics.example_frames import (
    BOOT_2X,
    NOW,
    cp,
    csms,
    script,
    started,
    status_2x,
    transaction_event,
    variable_2x,
)

NORMAL = frozenset({"Local", "Remote", "StoppedByEV"})
"""The values of stoppedReason with which the driver or the car ends a transaction. Without one, it is Local."""
_GONE = frozenset({"EVCommunicationLost", "EVDeparted"})
_FREEING = frozenset({"Authorized", "RemoteStop", "StopAuthorized", "UnlockCommand"})
"""After an event with one of these triggers, a station may unlock a cable."""
_ENDED = transaction_event("Ended", "StopAuthorized", 1, {"stoppedReason": "Local"})
_LEFT = transaction_event("Updated", "EVCommunicationLost", 1, {"chargingState": "Idle"})
_KEEPS = variable_2x("OCPPCommCtrlr", "UnlockOnEVSideDisconnect", "false")
_TOKEN = {"idToken": "T", "type": "ISO14443"}
_AUTHORIZED = cp("Authorize", {"idToken": _TOKEN}, {"idTokenInfo": {"status": "Accepted"}})


def _lock(value: str, variable: str = "Active") -> str:
    what = {
        "component": {"name": "ConnectorPlugRetentionLock", "evse": {"id": 1, "connectorId": 1}},
        "variable": {"name": variable},
    }
    told = {"eventId": 1, "timestamp": NOW, "trigger": "Delta", "actualValue": value, **what}
    entry = {**told, "eventNotificationType": "HardWiredNotification"}
    return cp("NotifyEvent", {"generatedAt": NOW, "seqNo": 0, "eventData": [entry]})


def _read(value: str, variable: str = "Active") -> str:
    named = {"name": "ConnectorPlugRetentionLock", "evse": {"id": 1, "connectorId": 1}}
    what = {"component": named, "variable": {"name": variable}}
    told = {"attributeStatus": "Accepted", "attributeValue": value, **what}
    return csms("GetVariables", {"getVariableData": [what]}, {"getVariableResult": [told]})


def _unlock(status: str) -> str:
    return csms("UnlockConnector", {"evseId": 1, "connectorId": 1}, {"status": status})


class Locks2x(Topic):
    """The rules about the locks of connectors."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._locks: Known[int, str] = Known()  # by EVSE: the last value of Active
        self._problems: Known[int, None] = Known()  # EVSEs for whose lock an event has reported a problem
        self._answers: Known[int, tuple[str, int, str | None]] = Known()  # UnlockConnector: status, time, value before
        self._over: Known[int, int] = Known()  # by EVSE: when its transaction ended in a way that unlocks the cable
        self._told: Known[int, Frame] = Known()  # EVSEs whose lock was reported as Active when it changed
        self._left: Known[int, bool] = Known()  # EVSEs whose car is gone, and whether the cable has to be unlocked
        self._transactions = self.station.topic(Transactions2x)
        self._configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)

    @rule(
        "connector.still-locked",
        DEADLINE,
        title="A connector stays locked although its transaction is over or the station has unlocked it",
        severity=Severity.WARNING,
        spec="OCPP 2.x E06.FR.10, E07.FR.07, E08.FR.03, E09.FR.02, F04.FR.02, F05.FR.05",
        remedy="Unlock the cable when the transaction ends, and answer UnlockFailed where unlocking has failed.",
        bad=script(started(), _ENDED, "+ 10s", _read("true"), "+ 5m"),
        good=script(started(), _ENDED, "+ 10s", _read("true"), "+ 10s", _read("false"), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def still_locked(self, moment: Moment, evse: int, why: str, frame: Frame) -> Faults:
        if frame.action == "TransactionEvent" and evse not in self._told:
            return None  # the lock was reported again
        if self._locks.get(evse) != "true" or why != self._why_unlocked(evse, moment.mono_ns):
            return None
        return Fault(f"the lock of EVSE {evse} is Active, though {why}", frame=frame, key=str(evse))

    def _why_unlocked(self, evse: int, asked_ns: int) -> str:
        """Why the lock of an EVSE must not be active; empty if it may be."""
        if self._left.get(evse):
            return "the car is unplugged and UnlockOnEVSideDisconnect is true"
        if self._transactions.open_on(evse):
            return ""
        answer = self._answers.get(evse)
        if answer is not None and answer[0] == "Unlocked" and answer[1] <= asked_ns:
            return "UnlockConnector was answered with Unlocked"
        over = self._over.get(evse)
        return "its transaction has ended" if over is not None and over <= asked_ns else ""

    @rule(
        "connector.unlocked-early",
        call("NotifyEvent", "NotifyReport"),
        result("GetVariables"),
        title="A cable is unlocked without a token, or although UnlockConnector has failed",
        severity=Severity.WARNING,
        spec="OCPP 2.x E09.FR.03, E10.FR.01, F05.FR.04",
        remedy="Keep the cable locked until the driver presents a token again, and answer Unlocked where it worked.",
        bad=script(_KEEPS, started(), _LEFT, _lock("false")),
        good=script(_KEEPS, started(), _LEFT, _AUTHORIZED, _lock("false")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unlocked_early(self, frame: Frame) -> Faults:
        faults: list[Fault] = []
        for evse, variable, value in _locks(frame):
            if variable == "problem" and value == "true":
                self._problem(evse, frame)
            elif variable == "active":
                answer = self._answers.get(evse)
                self._locks.note(evse, value)
                if value == "true" and frame.action == "NotifyEvent":
                    self._told.note(evse, frame)
                else:
                    self._told.pop(evse, None)
                why = self._why_locked(evse, answer, frame) if value == "false" else ""
                if why:
                    faults.append(Fault(f"the lock of EVSE {evse} is not Active, though {why}", key=str(evse)))
                elif value == "true":
                    self._judge_later(evse, frame)
        return faults

    def _why_locked(self, evse: int, answer: tuple[str, int, str | None] | None, frame: Frame) -> str:
        """Why the lock of an EVSE must be active; empty if it need not be."""
        known = self._configuration
        stores = [known.variable(name, "Enabled") or "" for name in ("AuthCacheCtrlr", "LocalAuthListCtrlr")]
        if self._left.get(evse) is False and "true" not in {value.lower() for value in stores}:
            return "no token has come since the car was unplugged or did not come"
        if answer is None or answer[0] != "UnlockFailed" or answer[2] != "true":
            return ""
        recent = frame.mono_ns - answer[1] < self.settings.effect_timeout_s * 1e9
        return "UnlockConnector was answered with UnlockFailed" if recent else ""

    def _judge_later(self, evse: int, frame: Frame) -> None:
        why = self._why_unlocked(evse, (frame.call or frame).mono_ns)
        if why:
            wait = self.settings.effect_timeout_s
            self.station.deadline(frame, wait, self.still_locked, evse, why, frame, at_close=AtClose.JUDGED)

    def _problem(self, evse: int, frame: Frame) -> None:
        if frame.action == "NotifyEvent":
            self._problems.note(evse, None)
        elif evse not in self._problems and self._evidence.seen_since is not None:
            wait = self.settings.effect_timeout_s
            self.station.deadline(frame, wait, self.unreported, evse, frame, at_close=AtClose.JUDGED)

    @rule(
        "connector.lock-unreported",
        DEADLINE,
        title="The lock of a connector has a problem that no event has reported",
        severity=Severity.WARNING,
        spec="OCPP 2.x G05.FR.02",
        remedy="Send NotifyEvent for ConnectorPlugRetentionLock.Problem with the value true when locking fails.",
        bad=script(BOOT_2X, status_2x("Available"), _read("true", "Problem"), "+ 5m"),
        good=script(BOOT_2X, status_2x("Available"), _lock("true", "Problem"), _read("true", "Problem"), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unreported(self, moment: Moment, evse: int, frame: Frame) -> Faults:
        if evse in self._problems or self._evidence.seen_since is None:
            return None
        text = f"the lock of EVSE {evse} has a Problem, but no NotifyEvent has reported it"
        return Fault(text, frame=frame, key=str(evse))

    @track(call("TransactionEvent"), plain=False)
    def happened(self, frame: Frame) -> None:
        event = self._transactions.event
        evse = event.transaction.evse if event is not None else None
        if event is None or evse is None:
            return
        state, frees = string(event.info, "chargingState"), self._frees()
        if event.trigger in _FREEING or event.token is not None or state in CONNECTED:
            self._left.pop(evse, None)
        gone = event.trigger in _GONE or string(event.info, "stoppedReason") == "EVDisconnected"
        if event.trigger == "EVConnectTimeout":
            self._left.note(evse, False)
        elif gone and frees is not None:
            stops = self._configuration.variable("TxCtrlr", "StopTxOnEVSideDisconnect") or ""
            if not frees or stops.lower() == "true":
                self._left.note(evse, frees)
        if event.kind != "Ended":
            self._over.pop(evse, None)
            self._answers.pop(evse, None)
        elif not event.offline and (string(event.info, "stoppedReason") or "Local") in NORMAL:
            self._over.note(evse, frame.mono_ns)
        if evse in self._told and not event.offline and (why := self._why_unlocked(evse, frame.mono_ns)):
            # It has reported the lock when it changed, so it would report that it is free.
            wait = self.settings.effect_timeout_s
            self.station.deadline(frame, wait, self.still_locked, evse, why, frame, at_close=AtClose.LATE)

    def _frees(self) -> bool | None:
        """Whether the station has to unlock a cable that is unplugged from the car; None if that is not known."""
        value = self._configuration.variable("OCPPCommCtrlr", "UnlockOnEVSideDisconnect") or ""
        return {"true": True, "false": False}.get(value.lower())

    @track(call("Authorize"))
    def authorized(self, frame: Frame) -> None:
        self._left.clear()

    @track(call("StatusNotification"))
    def status(self, frame: Frame) -> None:
        evse = integer(frame.payload, "evseId")
        if evse is not None and frame.payload.get("connectorStatus") != "Available":
            self._over.pop(evse, None)  # a new cable may be plugged in, and locked
            self._answers.pop(evse, None)

    @track(result("UnlockConnector"))
    def unlocked(self, frame: Frame) -> None:
        evse, status = integer(frame.request, "evseId"), string(frame.payload, "status")
        if evse is not None and status is not None:
            self._answers.note(evse, (status, frame.mono_ns, self._locks.get(evse)))
            self._locks.pop(evse, None)
            self._left.pop(evse, None)


def _locks(frame: Frame) -> Iterator[tuple[int, str, str]]:
    """The EVSE, variable and value of each lock in an event, a report or an answer, names and values in lower case."""
    payload = frame.payload
    if frame.action == "NotifyEvent":
        entries = [(one, string(one, "actualValue")) for one in elements(payload, "eventData")]
    elif frame.action == "GetVariables":
        entries = [(one, string(one, "attributeValue")) for one in elements(payload, "getVariableResult")]
    else:
        entries = [
            (one, string(attribute, "value"))
            for one in elements(payload, "reportData")
            if member(one, "component").get("name") == "ConnectorPlugRetentionLock"
            for attribute in elements(one, "variableAttribute")
        ]
    for one, value in entries:
        if member(one, "component").get("name") != "ConnectorPlugRetentionLock" or value is None:
            continue
        if one.get("attributeType") not in (None, "Actual"):
            continue
        name = name_of(one)
        if name is not None and name.evse is not None and name.variable in ("active", "problem"):
            yield name.evse, name.variable, value.lower()
