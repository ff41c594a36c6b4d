"""Judge the content of 2.x TransactionEvents: state, EVSE, token, offline, reasons."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import CONNECTED, Transactions2x

OFFLINE_MARGIN_S = 5.0
"""An event that is so many seconds within the time without a connection was certainly offline.

The margin is needed because clocks differ and a close is noticed late.
"""
QUEUED_S = 600.0
"""An event is ignored if it is so many seconds older than the loss of the connection: its clock may have been wrong."""
NOT_LOCAL = {
    "AbnormalCondition": "a fault",
    "CostLimitReached": "LocalOutOfCredit",
    "Deauthorized": "DeAuthorized",
    "EVCommunicationLost": "EVDisconnected",
    "EVConnectTimeout": "Timeout",
    "EVDeparted": "EVDisconnected",
    "EnergyLimitReached": "EnergyLimitReached",
    "ResetCommand": "ImmediateReset",
    "SoCLimitReached": "SOCLimitReached",
    "TariffNotAccepted": "DeAuthorized",
    "TimeLimitReached": "TimeLimitReached",
    "UnlockCommand": "Other",
}
"""For each trigger with another cause than a stop by the driver at the station, the stoppedReason that would fit."""


def _event(
    kind: str, trigger: str, more: str = "", info: str = "", sequence: int = 0, at: str = "00:10", message: str = ""
) -> str:
    message = message or f"e{sequence}"
    return (
        f'> [2,"{message}","TransactionEvent",{{"eventType":"{kind}","timestamp":"2026-01-01T12:{at}Z","triggerReason":'
        f'"{trigger}","seqNo":{sequence},{more}"transactionInfo":{{{info}"transactionId":"t1"}}}}]\n'
    )


_EVSE = '"evse":{"id":1,"connectorId":1},'
_TOKEN = '"idToken":{"idToken":"T","type":"ISO14443"},'
_STARTED = _event("Started", "CablePluggedIn", _EVSE, '"chargingState":"EVConnected",') + '< [3,"e0",{}]\n'
_RECONNECT = 'open {"from_start": true}\n' + _STARTED + "close {}\n+ 1m\n" + 'open {"from_start": true}\n'

_NOT_REMOTE = frozenset(
    {"Authorized", "ChargingStateChanged", "MeterValueClock", "MeterValuePeriodic", "StopAuthorized"}
)
"""Triggers that a transaction does not have that a remote stop has ended."""


class TransactionContent2x(Topic):
    """The rules about the content of a single event."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._latest: tuple[int, str | None] | None = None  # arrival (ns since 1970) and timestamp of the last event
        self._known = self.station.topic(Transactions2x)
        self._evidence = self.station.topic(Observation)

    @rule(
        "transaction-event.charging-state",
        call("TransactionEvent"),
        title="An event that starts a transaction or changes the charging state does not report the state",
        severity=Severity.ERROR,
        spec="OCPP 2.x E02.FR.13, E01.FR.18",
        remedy="Send transactionInfo.chargingState when a cable is plugged in and with every change of the state.",
        bad=_event("Updated", "ChargingStateChanged"),
        good=_event("Updated", "ChargingStateChanged", _EVSE, '"chargingState":"Charging",'),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def charging_state(self, frame: Frame) -> Faults:
        event = self._known.event
        if event is None or "chargingState" in event.info:
            return None
        if event.trigger == "ChargingStateChanged":
            return Fault("ChargingStateChanged without transactionInfo.chargingState", "/3/transactionInfo")
        # Without a cable there is no state: a remote start may come before it.
        if event.kind == "Started" and event.trigger == "CablePluggedIn":
            text = "Started without transactionInfo.chargingState"
            return Fault(text, "/3/transactionInfo", severity=Severity.WARNING, key="started")
        return None

    @rule(
        "transaction-event.evse-missing",
        call("TransactionEvent"),
        title="The EVSE and connector are missing although a car is connected",
        severity=Severity.WARNING,
        spec="OCPP 2.x E01.FR.16",
        remedy="Send evse.id and evse.connectorId in the first event after the car is connected.",
        bad=_event("Started", "CablePluggedIn", "", '"chargingState":"EVConnected",'),
        good=_STARTED + _event("Updated", "ChargingStateChanged", "", '"chargingState":"Charging",', 1),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def evse_missing(self, frame: Frame) -> Faults:
        event = self._known.event
        if event is None or string(event.info, "chargingState") not in CONNECTED:
            return None
        transaction = event.transaction
        if transaction.started is None and not transaction.known_from_start:
            return None  # an event before the capture may have had it
        lacking = "evse" if transaction.evse is None else "evse.connectorId" if transaction.connector is None else None
        if lacking is None:
            return None
        text = f"{transaction} is {event.info['chargingState']}, but {lacking} was never sent"
        return Fault(text, "/3/evse" if transaction.evse else "/3", key=transaction.transaction_id)

    @rule(
        "transaction-event.evse-repeated",
        call("TransactionEvent"),
        title="The EVSE is sent again although the car is still connected to it",
        severity=Severity.INFO,
        spec="OCPP 2.x E01.FR.16",
        remedy="Send evse only in the first event after the car is connected.",
        bad=_STARTED + _event("Updated", "ChargingStateChanged", _EVSE, '"chargingState":"Charging",', 1),
        good=_STARTED + _event("Updated", "ChargingStateChanged", "", '"chargingState":"Charging",', 1),
        versions=V2X,
        side=Side.CHARGE_POINT,
        plain=False,
    )
    def evse_repeated(self, frame: Frame) -> Faults:
        event = self._known.event
        if event is None or event.evse is None or not event.placed_before or event.repeated:
            return None
        if event.evse != event.evse_before or (
            event.connector is not None and event.connector != event.connector_before
        ):
            return None  # the EVSE has changed, which another rule reports, or the connector is new
        return Fault("evse is sent again; only the first event after the car is connected has it", "/3/evse")

    @rule(
        "transaction-event.evse-changed",
        call("TransactionEvent"),
        title="A transaction moves to another EVSE or connector",
        severity=Severity.ERROR,
        spec="OCPP 2.x E01.FR.16",
        remedy="Keep a transaction on its EVSE and connector; start a new transaction for another one.",
        bad=_STARTED + _event("Updated", "MeterValuePeriodic", _EVSE.replace('"id":1', '"id":2'), sequence=1),
        good=_STARTED + _event("Updated", "MeterValuePeriodic", sequence=1),
        versions=V2X,
        side=Side.CHARGE_POINT,
        heuristic=True,
        plain=False,
    )
    def evse_changed(self, frame: Frame) -> Faults:
        event = self._known.event
        if event is None:
            return None
        name = event.transaction.transaction_id
        if event.evse is not None and event.evse_before is not None and event.evse != event.evse_before:
            text = f"transaction {name[:36]} moves from EVSE {event.evse_before} to {event.evse}"
            return Fault(text, "/3/evse/id", key=name)
        before = event.connector_before
        if event.connector is not None and before is not None and event.connector != before:
            return Fault(
                f"{event.transaction} moves from connector {before} to {event.connector}",
                "/3/evse/connectorId",
                key=name,
            )
        return None

    @rule(
        "transaction-event.token-missing",
        call("TransactionEvent"),
        title="An authorization is reported without its token",
        severity=Severity.ERROR,
        spec="OCPP 2.x E01.FR.10, E02.FR.01, C12.FR.02",
        remedy="Send idToken in the event with the triggerReason Authorized.",
        bad=_event("Updated", "Authorized"),
        good=_event("Updated", "Authorized", _TOKEN),
        versions=V2X,
        side=Side.CHARGE_POINT,
        plain=False,
    )
    def token_missing(self, frame: Frame) -> Faults:
        event = self._known.event
        if event is None or event.trigger != "Authorized" or "idToken" in frame.payload:
            return None
        return Fault(f"Authorized in {event.transaction} without idToken", "/3", key=event.transaction.transaction_id)

    @rule(
        "transaction-event.token-unanswered",
        result("TransactionEvent"),
        title="A token in a TransactionEvent gets no idTokenInfo",
        severity=Severity.ERROR,
        spec="OCPP 2.x E01.FR.12, E02.FR.02, E03.FR.02, C12.FR.03",
        remedy="Answer every event that has an idToken with idTokenInfo.",
        bad=_event("Updated", "Authorized", _TOKEN) + '< [3,"e0",{}]',
        good=_event("Updated", "Authorized", _TOKEN) + '< [3,"e0",{"idTokenInfo":{"status":"Accepted"}}]',
        versions=V2X,
        side=Side.CSMS,
    )
    def token_unanswered(self, frame: Frame) -> Faults:
        if type(frame.request.get("idToken")) is not dict or "idTokenInfo" in frame.payload:
            return None
        return Fault("no idTokenInfo, though the event carries an idToken", "/2")

    @rule(
        "transaction-event.not-offline",
        call("TransactionEvent"),
        title="An event from a time without connection is not marked as offline",
        severity=Severity.ERROR,
        spec="OCPP 2.x E04.FR.03, E08.FR.07, E11.FR.02, E11.FR.07, E12.FR.02",
        remedy="Set offline to true in every event that happened or waited while there was no connection.",
        bad=_RECONNECT + _event("Updated", "MeterValuePeriodic", sequence=1, at="00:30"),
        good=_RECONNECT + _event("Updated", "MeterValuePeriodic", '"offline":true,', sequence=1, at="00:30"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_offline(self, frame: Frame) -> Faults:
        event = self._known.event
        if event is None or event.offline:
            return None
        latest, self._latest = self._latest, (frame.ts_ns, event.timestamp)
        closed, opened = self._evidence.offline_from_ns, self._evidence.opened_ns
        if closed is None or opened is None or latest is None or not self._evidence.timed:
            return None
        happened, told = seconds(event.timestamp), seconds(latest[1])
        if happened is None or told is None or frame.ts_ns / 1e9 - happened < OFFLINE_MARGIN_S:
            return None
        happened += latest[0] / 1e9 - told  # correct it by the difference of the clocks at the previous event
        if not closed / 1e9 - QUEUED_S < happened < opened / 1e9 - OFFLINE_MARGIN_S:
            return None
        queued = happened <= closed / 1e9 + OFFLINE_MARGIN_S
        if queued and (event.repeated or happened <= latest[0] / 1e9):
            return None  # it was sent before the connection was lost
        self._latest = latest
        when = "which waited for the connection" if queued else "a time without connection"
        text = f"an event of {event.timestamp}, {when}, does not have offline=true"
        return Fault(text, "/3", key=event.transaction.transaction_id)

    @rule(
        "transaction-event.stopped-reason",
        call("TransactionEvent"),
        title="A transaction that was not stopped by the driver ends without stoppedReason",
        severity=Severity.WARNING,
        spec="OCPP 2.x E06.FR.08 and E06.FR.09",
        remedy='Set stoppedReason; without it the reason is "Local".',
        bad=_STARTED + _event("Ended", "EVCommunicationLost", sequence=1),
        good=_STARTED + _event("Ended", "StopAuthorized", sequence=1),
        versions=V2X,
        side=Side.CHARGE_POINT,
        plain=False,
    )
    def stopped_reason(self, frame: Frame) -> Faults:
        event = self._known.event
        if event is None or event.kind != "Ended" or "stoppedReason" in event.info:
            return None
        fitting = NOT_LOCAL.get(event.trigger or "")
        if fitting is None or event.transaction.stopped_locally:
            return None  # the driver has stopped it; the later triggers (unplugging, leaving) are not the reason
        if event.transaction.stopped_remotely:
            fitting = "Remote"  # a remote stop came before this event and is the reason (F04.FR.03)
        text = f"Ended by {event.trigger} without stoppedReason; expected {fitting}"
        return Fault(text, "/3/transactionInfo", key=event.transaction.transaction_id)

    @rule(
        "transaction-event.remote-stop-reason",
        call("TransactionEvent"),
        title="A transaction that a remote stop ended does not have the stoppedReason Remote",
        severity=Severity.ERROR,
        spec="OCPP 2.x F03.FR.03, F04.FR.03",
        remedy="End it with triggerReason RemoteStop and stoppedReason Remote.",
        bad=_STARTED + _event("Ended", "RemoteStop", "", '"stoppedReason":"Local",', 1),
        good=_STARTED + _event("Ended", "RemoteStop", "", '"stoppedReason":"Remote",', 1),
        versions=V2X,
        side=Side.CHARGE_POINT,
        plain=False,
    )
    def remote_stop_reason(self, frame: Frame) -> Faults:
        event = self._known.event
        if event is None or event.kind != "Ended":
            return None
        reason, before = string(event.info, "stoppedReason"), event.transaction
        later = before.stopped_remotely and not before.stopped_locally and reason in ("Local", "EVDisconnected")
        if (
            reason == "Remote"
            and event.trigger == "StopAuthorized"
            and not before.stopped_remotely
            and before.known_from_start
        ):
            text = f"Ended with stoppedReason Remote by {event.trigger}; expected RemoteStop"
            return Fault(text, "/3/triggerReason", severity=Severity.WARNING, key=event.transaction.transaction_id)
        if reason == "Remote" or not (event.trigger == "RemoteStop" or later):
            return None
        text = f"Ended after RemoteStop with stoppedReason {reason or 'missing'}; expected Remote"
        severity = Severity.WARNING if event.trigger != "RemoteStop" else None
        return Fault(text, "/3/transactionInfo", severity=severity, key=event.transaction.transaction_id)

    @rule(
        "transaction-event.no-authorization-token",
        call("TransactionEvent", "Authorize", "RequestStartTransaction", "ReserveNow"),
        title="A token of type NoAuthorization is not empty",
        severity=Severity.ERROR,
        spec="OCPP 2.x C02.FR.01",
        remedy="Send an empty string as idToken when nobody was authorized.",
        bad=_event("Updated", "Authorized", '"idToken":{"idToken":"T","type":"NoAuthorization"},'),
        good=_event("Updated", "Authorized", '"idToken":{"idToken":"","type":"NoAuthorization"},'),
        versions=V2X,
        plain=False,
    )
    def no_authorization_token(self, frame: Frame) -> Faults:
        token = frame.payload.get("idToken")
        if (
            token is None
            or type(token) is not dict
            or token.get("type") != "NoAuthorization"
            or not token.get("idToken")
        ):
            return None
        return Fault("a NoAuthorization token that is not empty", "/3/idToken/idToken")
