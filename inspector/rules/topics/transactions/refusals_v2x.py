"""Judge how a 2.x transaction continues after its token was refused, and ends that name a refusal nobody has sent."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.device_model import name_of
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import CONNECTED, Event, Transactions2x
from inspector.rules.topics.example_frames import (
    BOOT_2X,
    NOW,
    Payload,
    cp,
    script,
    started,
    transaction_event,
    variable_2x,
)

ENDS = frozenset({"Authorized", "PowerPathClosed", "EnergyTransfer"})
"""With one of these in TxStopPoint, a refused token ends the transaction."""
_DRIVEN = frozenset({"Authorized", "ChargingStateChanged", "MeterValueClock", "MeterValuePeriodic", "StopAuthorized"})
"""Triggers that do not say why a refused transaction ends. Others, such as RemoteStop, have a cause of their own."""
_OWN_CAUSES = frozenset({"EVConnectTimeout", "EVCommunicationLost", "EVDeparted", "TariffNotAccepted"})

_TOKEN: Payload = {"idToken": "T", "type": "ISO14443"}
_STOPS = variable_2x("TxCtrlr", "StopTxOnInvalidId", "true")
_POINT = variable_2x("TxCtrlr", "TxStopPoint", "Authorized")
_REFUSED = started({"chargingState": "Charging"}, idToken=_TOKEN, answer={"idTokenInfo": {"status": "Blocked"}})
_VALID = started({"chargingState": "Charging"}, idToken=_TOKEN, answer={"idTokenInfo": {"status": "Accepted"}})
_CONNECTED = {"chargingState": "EVConnected"}


def _ended(trigger: str, reason: str) -> str:
    return transaction_event("Ended", trigger, 1, {**_CONNECTED, "stoppedReason": reason})


def _unlocked() -> str:
    component = {"name": "ConnectorPlugRetentionLock", "evse": {"id": 1, "connectorId": 1}}
    told = {"eventId": 1, "timestamp": NOW, "trigger": "Delta", "actualValue": "false", "component": component}
    entry = {**told, "variable": {"name": "Active"}, "eventNotificationType": "HardWiredNotification"}
    return cp("NotifyEvent", {"generatedAt": NOW, "seqNo": 0, "eventData": [entry]})


class Refusals2x(Topic):
    """The rules about refused tokens."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._refused: Known[str, str] = Known()  # the status of the refused token of each open transaction
        self._over: Known[str, None] = Known()  # ids of transactions that were Deauthorized
        self._accepted: Known[str, None] = Known()  # ids of transactions whose token was accepted
        self._ever: Known[str, None] = Known()  # ids of transactions that had a token refused
        self._locked: Known[int, str] = Known()  # EVSEs whose cable must stay locked, with the status
        self._transactions = self.station.topic(Transactions2x)
        self._configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)

    def _stops(self) -> bool | None:
        told = (self._configuration.variable("TxCtrlr", "StopTxOnInvalidId") or "").lower()
        return {"true": True, "false": False}.get(told)

    @rule(
        "transaction-event.refusal-handling",
        call("TransactionEvent"),
        title="A transaction whose token was refused does not stop in the configured way",
        severity=Severity.WARNING,
        spec="OCPP 2.x C15.FR.03, C15.FR.04, C15.FR.06, E05.FR.02, E05.FR.09, E05.FR.10",
        remedy="With StopTxOnInvalidId send Deauthorized: in Ended if TxStopPoint has Authorized, PowerPathClosed or "
        "EnergyTransfer, otherwise in Updated. Without it, send ChargingStateChanged with SuspendedEVSE.",
        bad=script(_STOPS, _POINT, _REFUSED, _ended("ChargingStateChanged", "Other")),
        good=script(_STOPS, _POINT, _REFUSED, _ended("Deauthorized", "DeAuthorized")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._refused,
    )
    def handling(self, frame: Frame) -> Faults:
        event = self._transactions.event
        name = event.transaction.transaction_id if event is not None else ""
        status, stops = self._refused.get(name), self._stops()
        if event is None or status is None or stops is None or event.repeated:
            return None
        if not stops and (self._configuration.variable_number("TxCtrlr", "MaxEnergyOnInvalidId") or 0) > 0:
            return None  # the rule transaction-event.deauthorized-early judges these
        points = {one.strip() for one in (self._configuration.variable("TxCtrlr", "TxStopPoint") or "").split(",")}
        known = points != {""}
        text = self._handled(event, stops, points, known)
        if event.kind == "Ended" or event.trigger == "Authorized" or (event.trigger == "Deauthorized" and not stops):
            self._refused.pop(name, None)
        elif event.trigger == "Deauthorized":
            self._over.note(name, None)
        if text is None:
            return None
        return Fault(f"the token was {status[:20]}, but {text}", "/3/triggerReason", key=name)

    def _handled(self, event: Event, stops: bool, points: set[str], known: bool) -> str | None:
        ended = event.kind == "Ended"
        if stops:
            if ended and event.trigger in _DRIVEN and not event.transaction.stopped_locally:
                return f"the transaction is ended by {event.trigger}; expected Deauthorized"
            if ended and event.trigger == "Deauthorized" and known and not points & ENDS:
                return "Deauthorized ends the transaction; TxStopPoint has no point that ends it"
            over, state = event.transaction.transaction_id in self._over, event.info.get("chargingState")
            if over and state == "Charging" and event.kind == "Updated" and event.token is None:
                return "the transaction charges after Deauthorized"
            if not over and event.trigger == "ChargingStateChanged" and state in ("EVConnected", "SuspendedEVSE"):
                return "the transaction stops charging with ChargingStateChanged; expected Deauthorized"
            return None
        if event.trigger == "ChargingStateChanged" and event.info.get("chargingState") == "Charging" and not ended:
            return "the transaction starts to charge"
        if event.trigger == "Deauthorized" and not ended:
            return "triggerReason is Deauthorized; StopTxOnInvalidId is false, so ChargingStateChanged is expected"
        if ended and event.trigger == "Deauthorized" and known and "EnergyTransfer" not in points:
            return "the transaction is ended; StopTxOnInvalidId is false, and TxStopPoint has no EnergyTransfer"
        return None

    @rule(
        "transaction-event.deauthorized-unasked",
        call("TransactionEvent"),
        title="A transaction is deauthorized although the CSMS has accepted its token",
        severity=Severity.WARNING,
        spec="OCPP 2.x C12.FR.04, E01.FR.15; OCPP 2.1 C17.FR.04, C18.FR.03, C18.FR.05",
        remedy="Let the car charge as long as the token is accepted; use the trigger of the real cause.",
        bad=script(BOOT_2X, _VALID, _ended("Deauthorized", "DeAuthorized")),
        good=script(BOOT_2X, _REFUSED, _ended("Deauthorized", "DeAuthorized")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        plain=False,
    )
    def unasked(self, frame: Frame) -> Faults:
        event = self._transactions.event
        if event is None or event.trigger != "Deauthorized" or event.repeated or event.offline:
            return None
        one = event.transaction
        if one.started is None or not one.known_from_start or one.transaction_id in self._ever:
            return None
        if one.transaction_id not in self._accepted or not self._evidence.has_seen_since(None):
            return None
        if any(trigger in _OWN_CAUSES for _, _, trigger in one.events.values()) or not one.connected:
            return None
        return Fault(f"{one} is deauthorized, but its token was Accepted", "/3/triggerReason", key=one.transaction_id)

    @rule(
        "connector.unlocked-after-refusal",
        call("NotifyEvent"),
        title="A cable is unlocked before its owner has come back, although the token was refused",
        severity=Severity.INFO,
        spec="OCPP 2.x C15.FR.05, E05.FR.11",
        remedy="Keep the cable locked until the owner presents the token.",
        bad=script(_REFUSED, transaction_event("Updated", "Deauthorized", 1, _CONNECTED), _unlocked()),
        good=script(
            _REFUSED,
            transaction_event("Updated", "Deauthorized", 1, _CONNECTED),
            cp("Authorize", {"idToken": _TOKEN}, {"idTokenInfo": {"status": "Blocked"}}),
            _unlocked(),
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._locked,
    )
    def unlocked(self, frame: Frame) -> Faults:
        for index, entry in enumerate(elements(frame.payload, "eventData")):
            name = name_of(entry)
            if name is None or name.component != "connectorplugretentionlock" or name.variable != "active":
                continue
            status = self._locked.get(name.evse) if name.evse is not None else None
            if status is None or (string(entry, "actualValue") or "").lower() != "false":
                continue
            del self._locked[name.evse]  # type: ignore[arg-type]
            text = f"the lock of EVSE {name.evse} is not Active; the token was {status[:20]}, and none has come since"
            return Fault(text, f"/3/eventData/{index}", key=str(name.evse))
        return None

    @track(call("Authorize"))
    def presented(self, frame: Frame) -> None:
        self._locked.clear()

    @track(result("UnlockConnector", "RequestStopTransaction"))
    def asked(self, frame: Frame) -> None:
        self._locked.clear()

    @track(call("TransactionEvent"), plain=False, dormant=lambda topic: not topic._locked)
    def happened(self, frame: Frame) -> None:
        event = self._transactions.event
        if event is None or event.transaction.evse is None:
            return
        state = string(event.info, "chargingState")
        if event.token is not None or (state is not None and state not in CONNECTED):
            self._locked.pop(event.transaction.evse, None)

    @track(result("TransactionEvent"), plain=False)
    def answered(self, frame: Frame) -> None:
        if "idTokenInfo" not in frame.payload:
            return
        name = string(member(frame.request, "transactionInfo"), "transactionId") or ""
        status, one = string(member(frame.payload, "idTokenInfo"), "status"), self._transactions.by_id.get(name)
        if status == "Accepted":
            self._refused.pop(name, None)
            self._over.pop(name, None)
            self._accepted.note(name, None)
        elif status is not None and one is not None:
            self._ever.note(name, None)
            if one.open and frame.request.get("triggerReason") != "StopAuthorized":
                self._refused.note(name, status)
                if one.evse is not None and one.connected:
                    self._locked.note(one.evse, status)
            self.station.refresh_listeners()
