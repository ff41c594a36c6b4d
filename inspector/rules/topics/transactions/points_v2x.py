"""Judge whether 2.x transactions begin and end at TxStartPoint and TxStopPoint, and how faults are reported."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import since
from inspector.rules.fields import elements, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import ASIDE, DEADLINE, V2X, Faults, Topic, aside, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import CONNECTED, Event, Transaction2x, Transactions2x
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.example_frames import Payload, cp, csms, script, started, transaction_event
from inspector.rules.topics.reservation.booking import Reservations
from inspector.rules.topics.transactions.deauthorization_v2x import Deauthorization2x

FAULTS = frozenset({"EmergencyStop", "GroundFault", "OvercurrentFault", "PowerQuality"})
"""Values of stoppedReason that are faults."""
INTERRUPTIONS = frozenset({"PowerLoss", "Reboot"})
"""Other values of stoppedReason for which 2.1 requires the trigger AbnormalCondition."""
_PAUSED = ("SuspendedEV", "SuspendedEVSE")
OUT_OF_ORDER = frozenset({"Faulted", "Unavailable"})

_LATE = {
    "ParkingBayOccupancy": frozenset({"CablePluggedIn", "Authorized", "ChargingStateChanged"}),
    "EVConnected": frozenset({"Authorized", "ChargingStateChanged"}),
    "Authorized": frozenset({"ChargingStateChanged"}),
    "DataSigned": frozenset({"CablePluggedIn", "Authorized", "ChargingStateChanged"}),
}
"""By the only point in TxStartPoint: the triggers that show that this point was not what started the transaction."""
FLOWS_W = 100.0
"""A car that takes more power than this (in W) charges."""

_TOKEN = {"idToken": "T", "type": "ISO14443"}
_VALID: Payload = {"idTokenInfo": {"status": "Accepted"}}
_AUTHORIZED = cp("Authorize", {"idToken": _TOKEN}, _VALID)


def _set(name: str, value: str) -> str:
    at = {"component": {"name": "TxCtrlr"}, "variable": {"name": name}}
    return csms(
        "GetVariables",
        {"getVariableData": [at]},
        {"getVariableResult": [{"attributeStatus": "Accepted", "attributeValue": value, **at}]},
    )


_LOST = transaction_event("Updated", "EVCommunicationLost", 1, {"chargingState": "Idle"})


class Points2x(Topic):
    """The rules about the beginning and the end of transactions."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._starts: frozenset[str] = frozenset()
        self._stops: frozenset[str] = frozenset()
        self._due: Known[str, None] = Known()  # ids of transactions that must end before a deadline
        self._abnormal: Known[str, None] = Known()  # ids of transactions with an event AbnormalCondition
        self._transactions = self.station.topic(Transactions2x)
        self._configuration = self.station.topic(ConfigurationState)
        self._states = self.station.topic(Deauthorization2x)

    @rule(
        "transaction-event.start-point",
        call("TransactionEvent"),
        title="A transaction starts at another point than TxStartPoint sets",
        severity=Severity.WARNING,
        spec="OCPP 2.x E01.FR.01 to E01.FR.06, F01.FR.05, F02.FR.13",
        remedy="Start the transaction when one of the points in TxStartPoint is reached, not before and not later.",
        bad=script(_set("TxStartPoint", "EnergyTransfer"), started()),
        good=script(_set("TxStartPoint", "EVConnected"), started()),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._starts and not topic._stops,
    )
    def start_point(self, frame: Frame) -> Faults:
        event = self._transactions.event
        if event is None:
            return None
        if event.kind == "Updated":
            self._ends(event, frame)
        elif event.kind == "Ended" and self._stops and self._stops <= {"EVConnected", "ParkingBayOccupancy"}:
            return aside(self.ended_early, event)
        elif event.kind == "Started" and self._starts and not event.repeated:
            state, known = event.info.get("chargingState"), self._starts
            cold = state in ("Idle", "EVConnected")
            alone = event.token is None and "remoteStartId" not in event.info
            late = len(known) == 1 and event.trigger in _LATE.get(next(iter(known)), ())
            unplugged = state == "Idle" and known <= {"EVConnected", "PowerPathClosed", "EnergyTransfer"}
            early = (
                (cold and known <= {"EnergyTransfer"})
                or (unplugged and event.trigger != "CablePluggedIn")
                or (alone and cold and known <= {"Authorized", "PowerPathClosed", "EnergyTransfer"})
            )
            if early or (late and not event.offline):
                points = ", ".join(sorted(known))
                text = f"{event.transaction} starts with {event.trigger}, state {state}; TxStartPoint is {points}"
                return Fault(text, "/3/triggerReason", key=event.transaction.transaction_id)
        return None

    def _ends(self, event: Event, frame: Frame) -> None:
        """Set a deadline for the end of a transaction if this event has reached its TxStopPoint."""
        before, state, stops = self._states.before, event.info.get("chargingState"), self._stops
        unplugged = event.trigger in ("EVCommunicationLost", "EVDeparted") or (state == "Idle" and before in CONNECTED)
        over = event.trigger in ("StopAuthorized", "Deauthorized", "RemoteStop")
        cut = before == "Charging" and state in ("EVConnected", "Idle", *_PAUSED)
        points = [
            name
            for name, reached in (
                ("EVConnected", unplugged),
                ("PowerPathClosed", unplugged or over),
                ("Authorized", over),
                ("EnergyTransfer", cut),
                ("ParkingBayOccupancy", event.trigger == "EVDeparted"),
            )
            if reached and name in stops
        ]
        one = event.transaction
        if points and one.open and one.transaction_id not in self._due:
            self._due.note(one.transaction_id, None)
            self.station.deadline(
                frame, self.settings.effect_timeout_s, self.stop_point, one, points[0], frame, at_close=AtClose.LATE
            )

    @rule(
        "transaction-event.stop-point",
        DEADLINE,
        title="A transaction continues after the point at which TxStopPoint ends it",
        severity=Severity.ERROR,
        spec="OCPP 2.x E06.FR.01, E06.FR.02, E06.FR.03, E06.FR.04, E06.FR.06, E06.FR.07; OCPP 2.1 E17.FR.17",
        remedy="Send the event Ended when one of the points in TxStopPoint is reached.",
        bad=script(_set("TxStopPoint", "EVConnected"), started(), _LOST, "+ 5m"),
        good=script(
            _set("TxStopPoint", "EVConnected"),
            started(),
            _LOST,
            transaction_event("Ended", "EVCommunicationLost", 2, {"stoppedReason": "EVDisconnected"}),
            "+ 5m",
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def stop_point(self, moment: Moment, one: Transaction2x, point: str, frame: Frame) -> Faults:
        self._due.pop(one.transaction_id, None)
        if not one.open or self.session not in self.station.sessions:
            return None
        wait = since(frame, moment)
        text = f"{one} has not ended within {wait} of {frame.payload.get('triggerReason')}; TxStopPoint has {point}"
        paused = member(frame.payload, "transactionInfo").get("chargingState") in _PAUSED
        severity = Severity.WARNING if paused and point == "EnergyTransfer" else None
        return Fault(text, "/3/eventType", frame=frame, severity=severity, key=one.transaction_id)

    @rule(
        "transaction-event.ended-early",
        ASIDE,
        title="A transaction ends before the point that TxStopPoint sets",
        severity=Severity.WARNING,
        spec="OCPP 2.x E05.FR.09, E06.FR.01, E06.FR.02, F02.FR.08, F03.FR.02",
        remedy="Send Updated when the authorization ends, and Ended when one of the points in TxStopPoint is reached.",
        bad=script(
            _set("TxStopPoint", "EVConnected"),
            started(),
            transaction_event("Ended", "StopAuthorized", 1, {"chargingState": "EVConnected", "stoppedReason": "Local"}),
        ),
        good=script(
            _set("TxStopPoint", "Authorized"),
            started(),
            transaction_event("Ended", "StopAuthorized", 1, {"chargingState": "EVConnected", "stoppedReason": "Local"}),
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def ended_early(self, event: Event) -> Fault | None:
        state, bay = event.info.get("chargingState"), self._stops <= {"ParkingBayOccupancy"}
        left = not bay and state not in CONNECTED
        by = ("StopAuthorized", "RemoteStop", "EVConnectTimeout") if bay else ("StopAuthorized", "RemoteStop")
        if event.trigger not in by or left or event.offline:
            return None
        text = f"{event.transaction} ends with {event.trigger}; TxStopPoint is {', '.join(sorted(self._stops))}"
        return Fault(text, "/3/eventType", key=event.transaction.transaction_id)

    @rule(
        "transaction-event.abnormal",
        call("TransactionEvent"),
        title="A transaction that a fault has ended does not say so in its triggerReason",
        severity=Severity.WARNING,
        spec="OCPP 2.x E06.FR.16; OCPP 2.1 E17.FR.21, E17.FR.22",
        remedy="Send Ended with triggerReason AbnormalCondition when a fault, a loss of power or a reboot ends it.",
        bad=script(
            started(),
            transaction_event(
                "Ended", "ChargingStateChanged", 1, {"stoppedReason": "GroundFault", "chargingState": "EVConnected"}
            ),
        ),
        good=script(started(), transaction_event("Ended", "AbnormalCondition", 1, {"stoppedReason": "GroundFault"})),
        versions=V2X,
        side=Side.CHARGE_POINT,
        plain=False,
    )
    def abnormal(self, frame: Frame) -> Faults:
        event = self._transactions.event
        if event is None:
            return None
        if event.trigger == "AbnormalCondition":
            self._abnormal.note(event.transaction.transaction_id, None)
        if event.kind != "Ended":
            return None
        reason = string(event.info, "stoppedReason") or ""
        newer = self.session.version is OcppVersion.V21
        one = event.transaction
        if one.transaction_id in self._abnormal:
            return None
        unsaid = event.trigger == "ChargingStateChanged" and reason in ("", "Other") and one.evse is not None
        if unsaid and "Faulted" in self.station.topic(Evses2x).status_of_evse(one.evse or 0):
            text = f"EVSE {one.evse} is Faulted, and {one} is ended by {event.trigger}; expected AbnormalCondition"
            return Fault(text, "/3/triggerReason", key=one.transaction_id)
        if not (reason in FAULTS or (newer and reason in INTERRUPTIONS)):
            return None
        text = f"Ended by {event.trigger} with stoppedReason {reason}; expected the trigger AbnormalCondition"
        return Fault(text, "/3/triggerReason", key=one.transaction_id)

    @rule(
        "transaction-event.not-begun",
        DEADLINE,
        title="No transaction starts after an authorization or with the energy, though TxStartPoint wants it",
        severity=Severity.WARNING,
        spec="OCPP 2.x E01.FR.03, E01.FR.05, E01.FR.06",
        remedy="Send Started at once when the driver is authorized and TxStartPoint has Authorized, and when energy "
        "flows and it has EnergyTransfer.",
        bad=script(_set("TxStartPoint", "Authorized"), _AUTHORIZED, "+ 5m"),
        good=script(
            _set("TxStartPoint", "Authorized"),
            _AUTHORIZED,
            transaction_event("Started", "Authorized", 0, {"chargingState": "Idle"}, idToken=_TOKEN, answer=_VALID),
            "+ 5m",
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_begun(self, moment: Moment, frame: Frame, before: Event | None) -> Faults:
        if self._transactions.open_transactions() or self.session not in self.station.sessions:
            return None
        if self._transactions.event is not before or self.station.topic(Reservations).booked:
            return None
        statuses = set(self.station.topic(Evses2x).connectors.values())
        if statuses and statuses <= OUT_OF_ORDER:
            return None
        wait = since(frame, moment)
        why = "the token was accepted" if frame.action == "Authorize" else "energy flows"
        return Fault(f"{why}, but no transaction has started within {wait}", frame=frame)

    @track(call("MeterValues"), dormant=lambda topic: "EnergyTransfer" not in topic._starts)
    def flows(self, frame: Frame) -> None:
        if not frame.payload.get("evseId") or self._transactions.open_transactions():
            return
        samples = (s for value in elements(frame.payload, "meterValue") for s in elements(value, "sampledValue"))
        for sample in samples:
            power, unit = sample.get("value"), member(sample, "unitOfMeasure").get("unit", "W")
            if sample.get("measurand") != "Power.Active.Import" or not isinstance(power, int | float):
                continue
            if power * (1000 if unit == "kW" else 1) > FLOWS_W:
                wait, event = self.settings.effect_timeout_s, self._transactions.event
                self.station.deadline(frame, wait, self.not_begun, frame, event, at_close=AtClose.LATE)
                return

    @track(result("Authorize"))
    def authorized(self, frame: Frame) -> None:
        status = string(member(frame.payload, "idTokenInfo"), "status")
        statuses = self.station.topic(Evses2x).connectors.values()
        closes = "PowerPathClosed" in self._starts and "Occupied" in statuses and "Available" not in statuses
        begins = "Authorized" in self._starts or closes
        if begins and status == "Accepted" and not self._transactions.open_transactions():
            wait = self.settings.effect_timeout_s
            self.station.deadline(frame, wait, self.not_begun, frame, self._transactions.event, at_close=AtClose.LATE)

    @track(result("GetVariables", "SetVariables"))
    def configured(self, frame: Frame) -> None:
        self._learn()

    @track(call("NotifyReport"))
    def reported(self, frame: Frame) -> None:
        self._learn()

    def _learn(self) -> None:
        found = [
            frozenset(
                name.strip() for name in (self._configuration.variable("TxCtrlr", point) or "").split(",")[:20] if name
            )
            for point in ("TxStartPoint", "TxStopPoint")
        ]
        if found != [self._starts, self._stops]:
            self._starts, self._stops = found
            self.station.refresh_listeners()
