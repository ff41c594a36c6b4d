"""Judge transactions that start and stop with the parking bay (TxStartPoint and TxStopPoint ParkingBayOccupancy)."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import since
from inspector.rules.fields import elements, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.device_model import name_of
from inspector.rules.state.transactions_v2x import Event, Transaction2x, Transactions2x
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.example_frames import NOW, cp, script, started, status_2x, transaction_event, variable_2x

POINT = "ParkingBayOccupancy"
SENSOR = "bayoccupancysensor"


def _bay(value: str) -> str:
    what = {"component": {"name": "BayOccupancySensor", "evse": {"id": 1}}, "variable": {"name": "Active"}}
    told = {"eventId": 1, "timestamp": NOW, "trigger": "Delta", "actualValue": value, **what}
    entry = {**told, "eventNotificationType": "HardWiredNotification"}
    return cp("NotifyEvent", {"generatedAt": NOW, "seqNo": 0, "eventData": [entry]})


_STARTS = variable_2x("TxCtrlr", "TxStartPoint", POINT)
_STOPS = variable_2x("TxCtrlr", "TxStopPoint", POINT)
_IDLE = started({"chargingState": "Idle"}).replace("CablePluggedIn", "EVDetected")


class ParkingBays2x(Topic):
    """The rules about parking bays."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._occupied: Known[int, bool] = Known()  # by EVSE: whether its bay is occupied
        self._transactions = self.station.topic(Transactions2x)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "transaction-event.bay-occupied",
        DEADLINE,
        title="No transaction starts when a car enters the parking bay, though TxStartPoint wants it",
        severity=Severity.WARNING,
        spec="OCPP 2.x E01.FR.01",
        remedy="Send Started when the bay becomes occupied and TxStartPoint has ParkingBayOccupancy.",
        bad=script(_STARTS, status_2x("Available"), _bay("true"), "+ 5m"),
        good=script(_STARTS, status_2x("Available"), _bay("true"), _IDLE, "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def bay_occupied(self, moment: Moment, evse: int, before: Event | None, frame: Frame) -> Faults:
        if self._transactions.event is not before or not self._occupied.get(evse):
            return None
        if self.session not in self.station.sessions or self._transactions.open_transactions():
            return None
        statuses = self.station.topic(Evses2x).status_of_evse(evse)
        if statuses and "Available" not in statuses and "Occupied" not in statuses:
            return None
        wait = since(frame, moment)
        text = f"the bay of EVSE {evse} is occupied, but no transaction has started within {wait}"
        return Fault(text, frame=frame, key=str(evse))

    @rule(
        "transaction-event.bay-left",
        DEADLINE,
        title="A transaction continues when the car has left the parking bay, though TxStopPoint ends it",
        severity=Severity.ERROR,
        spec="OCPP 2.x E06.FR.01",
        remedy="Send Ended when the bay is empty and TxStopPoint has ParkingBayOccupancy.",
        bad=script(_STOPS, _IDLE, _bay("false"), "+ 5m"),
        good=script(
            _STOPS,
            _IDLE,
            _bay("false"),
            transaction_event("Ended", "EVDeparted", 1, {"stoppedReason": "EVDisconnected"}),
            "+ 5m",
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def bay_left(self, moment: Moment, evse: int, one: Transaction2x, frame: Frame) -> Faults:
        if not one.open or self._occupied.get(evse) or self.session not in self.station.sessions:
            return None
        wait = since(frame, moment)
        text = f"{one} has not ended within {wait} after its bay became empty"
        return Fault(text, frame=frame, key=one.transaction_id)

    @track(call("NotifyEvent"))
    def happened(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "eventData"):
            name = name_of(entry)
            if name is None or name.component != SENSOR or name.variable != "active" or name.evse is None:
                continue
            value = (string(entry, "actualValue") or "").lower()
            before = self._occupied.get(name.evse)
            self._occupied.note(name.evse, value == "true")
            wait, here = self.settings.effect_timeout_s, self._transactions.open_on(name.evse)
            if value == "true" and not before and not here and self._has("TxStartPoint"):
                self.station.deadline(
                    frame, wait, self.bay_occupied, name.evse, self._transactions.event, frame, at_close=AtClose.LATE
                )
            elif value == "false" and here and self._has("TxStopPoint"):
                self.station.deadline(frame, wait, self.bay_left, name.evse, here[-1], frame, at_close=AtClose.LATE)

    def _has(self, variable: str) -> bool:
        return POINT in (self._configuration.variable("TxCtrlr", variable) or "")
