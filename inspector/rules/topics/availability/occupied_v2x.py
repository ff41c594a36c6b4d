"""Judge whether the status of 2.x connectors agrees with cars, reservations and the status of the EVSE."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment, SessionContext
from inspector.rules.durations import since
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, event, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transaction2x, Transactions2x
from inspector.rules.topics.example_frames import NOW, cp, csms, script, started, status_2x, transaction_event
from inspector.rules.topics.reservation.booking import Booking, Reservations

PLACES_LIMIT = 500
OUT = frozenset({"Unavailable", "Faulted"})
_UNPLUGGED = frozenset({"EVCommunicationLost", "EVDeparted"})

type Place = tuple[int, int]
"""(EVSE, connector); 0 means all of them."""

_TOKEN = {"idToken": "T", "type": "ISO14443"}
_RESERVED = csms("ReserveNow", {"id": 5, "expiryDateTime": "2026-01-01T13:00:00Z", "evseId": 1, "idToken": _TOKEN})
_ENDED = transaction_event("Ended", "EVDeparted", 1, {"stoppedReason": "EVDisconnected"})
_STOPPED = transaction_event("Ended", "StopAuthorized", 1, {"stoppedReason": "Local"})
_TX_START = {"component": {"name": "TxCtrlr"}, "variable": {"name": "TxStartPoint"}}
_STARTS = csms(
    "GetVariables",
    {"getVariableData": [_TX_START]},
    {"getVariableResult": [{"attributeStatus": "Accepted", "attributeValue": "EVConnected", **_TX_START}]},
)


def _second(status: str) -> str:
    return status_2x(status).replace('"connectorId":1', '"connectorId":2')


def _notified(component: str, variable: str, value: str, **evse: int) -> str:
    told = {"eventId": 1, "timestamp": NOW, "trigger": "Delta", "actualValue": value}
    what = {"component": {"name": component, **({"evse": evse} if evse else {})}, "variable": {"name": variable}}
    entry = {**told, **what, "eventNotificationType": "HardWiredNotification"}
    return cp("NotifyEvent", {"generatedAt": NOW, "seqNo": 0, "eventData": [entry]})


class Occupied2x(Topic):
    """The rules about the status of connectors.

    Attributes:
        now: the last status of each connector that was reported since the last gap in the recording.
    """

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self.now: dict[Place, str] = {}
        self._plugged: Known[str, None] = Known()  # ids of transactions whose EVSE must become Occupied
        self._unlocked: Known[int, Frame] = Known()  # EVSEs whose lock has a problem
        self._authorized_ns: int | None = None
        self._transactions = self.station.topic(Transactions2x)
        self._reservations = self.station.topic(Reservations)
        self._configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)

    def _on(self, evse: int | None) -> set[str]:
        return {status for (place, _), status in self.now.items() if evse in (0, place)}

    @rule(
        "connector.not-occupied",
        DEADLINE,
        title="A connector is not reported as Occupied although a cable was plugged in",
        severity=Severity.WARNING,
        spec="OCPP 2.x E02.FR.05, G01.FR.03, G01.FR.06",
        remedy="Report the connector as Occupied when a cable is plugged in, unless it is reserved for another driver.",
        bad=script(status_2x("Available"), started(), "+ 5m"),
        good=script(status_2x("Available"), started(), status_2x("Occupied"), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_occupied(self, moment: Moment, one: Transaction2x, frame: Frame) -> Faults:
        self._plugged.pop(one.transaction_id, None)
        if not one.open or not one.connected or self.session not in self.station.sessions:
            return None
        statuses = self._on(one.evse)
        if statuses != {"Available"}:
            return None
        wait = since(frame, moment)
        text = f"a car is connected to EVSE {one.evse}, but {wait} later its status is still Available"
        return Fault(text, "/3", frame=frame, key=str(one.evse))

    @rule(
        "connector.not-freed",
        DEADLINE,
        title="A connector stays Occupied after the car was unplugged",
        severity=Severity.WARNING,
        spec="OCPP 2.x G01.FR.04",
        remedy="Report the connector as Available when the car is unplugged.",
        bad=script(status_2x("Occupied"), started(), _ENDED, "+ 5m"),
        good=script(status_2x("Occupied"), started(), _ENDED, status_2x("Available"), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_freed(self, moment: Moment, one: Transaction2x, frame: Frame) -> Faults:
        if self._on(one.evse) != {"Occupied"} or self.session not in self.station.sessions:
            return None
        if one.evse is None or self._transactions.open_on(one.evse) or self._transactions.event is None:
            return None
        latest = self._transactions.event.transaction
        if latest is not one and latest.evse in (None, one.evse):
            return None  # another car may be there by now
        wait = since(frame, moment)
        text = f"the car has left EVSE {one.evse}, but {wait} later its status is still Occupied"
        # A car that was only unplugged may have left its cable in the socket.
        severity = None if frame.payload.get("triggerReason") == "EVDeparted" else Severity.INFO
        return Fault(text, "/3", severity=severity, frame=frame, key=str(one.evse))

    @rule(
        "transaction-event.not-ended",
        DEADLINE,
        title="A transaction has not ended although its connector is available again",
        severity=Severity.WARNING,
        spec="OCPP 2.x E08.FR.04",
        remedy="Send Ended when a transaction stops, also for one that stopped while there was no connection.",
        bad=script(status_2x("Occupied"), started(), status_2x("Available"), "+ 5m"),
        good=script(status_2x("Occupied"), started(), _STOPPED, status_2x("Available"), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_ended(self, moment: Moment, one: Transaction2x, sequence: int | None, frame: Frame) -> Faults:
        if not one.open or one.highest_seq != sequence or self.session not in self.station.sessions:
            return None
        stops = self._configuration.variable("TxCtrlr", "TxStopPoint")
        if self._on(one.evse) != {"Available"} or "ParkingBayOccupancy" in (stops or ""):
            return None
        wait = since(frame, moment)
        text = f"EVSE {one.evse} is Available, but {one} has not ended {wait} later"
        return Fault(text, "/3", frame=frame, key=one.transaction_id)

    @rule(
        "transaction-event.none-started",
        DEADLINE,
        title="No transaction starts although a car was plugged in and TxStartPoint has EVConnected",
        severity=Severity.WARNING,
        spec="OCPP 2.x E01.FR.02, E02.FR.06",
        remedy="Send Started when a cable is plugged in and TxStartPoint has EVConnected.",
        bad=script(_STARTS, status_2x("Available"), status_2x("Occupied"), "+ 5m"),
        good=script(_STARTS, status_2x("Available"), status_2x("Occupied"), started(), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def none_started(self, moment: Moment, place: Place, before: object, frame: Frame) -> Faults:
        if self.now.get(place) != "Occupied" or self.session not in self.station.sessions:
            return None
        if self._transactions.open_transactions() or self._transactions.event is not before:
            return None
        wait = since(frame, moment)
        text = f"connector {place[1]} of EVSE {place[0]} is Occupied, but no transaction has started within {wait}"
        return Fault(text, frame=frame, key=str(place))

    @rule(
        "connector.reserved-changed",
        DEADLINE,
        title="A reserved connector becomes Occupied before the token of the reservation was presented",
        severity=Severity.WARNING,
        spec="OCPP 2.0.1 G03.FR.09; OCPP 2.1 G01.FR.09",
        remedy="Keep the status Reserved while a car is plugged in without the token of the reservation.",
        bad=script(_RESERVED, status_2x("Reserved"), status_2x("Occupied"), "+ 5m"),
        good=script(
            _RESERVED,
            status_2x("Reserved"),
            status_2x("Occupied"),
            started(idToken=_TOKEN, reservationId=5, answer={"idTokenInfo": {"status": "Accepted"}}),
            "+ 5m",
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def reserved_changed(self, moment: Moment, booking: Booking, since_ns: int, frame: Frame) -> Faults:
        if self._reservations.booked.get(booking.number) is not booking:
            return None
        token_ns = self._authorized_ns
        if self.session not in self.station.sessions or (token_ns is not None and token_ns >= since_ns):
            return None
        text = f"EVSE {booking.place} becomes Occupied, but no token was presented for reservation {booking.number}"
        return Fault(text, "/3", frame=frame, key=str(booking.number))

    @rule(
        "availability.part-left",
        DEADLINE,
        title="A connector stays Available although its EVSE or the whole station is out of order",
        severity=Severity.WARNING,
        spec="OCPP 2.x G03.FR.06, G04.FR.01, G04.FR.07",
        remedy="Report every connector as Unavailable when its EVSE or the station becomes Unavailable or Faulted.",
        bad=script(
            status_2x("Available"),
            _second("Available"),
            _notified("EVSE", "AvailabilityState", "Unavailable", id=1),
            _second("Unavailable"),
            "+ 5m",
        ),
        good=script(
            status_2x("Available"),
            _second("Available"),
            _notified("EVSE", "AvailabilityState", "Unavailable", id=1),
            _second("Unavailable"),
            status_2x("Unavailable"),
            "+ 5m",
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def part_left(self, moment: Moment, evse: int, asked: bool, frame: Frame) -> Faults:
        here = {place: status for place, status in self.now.items() if evse in (0, place[0])}
        left = sorted(place for place, status in here.items() if status == "Available")
        if not left or self.session not in self.station.sessions or (asked and not set(here.values()) & OUT):
            return None
        if self._transactions.open_transactions() and asked:
            return None
        named = ", ".join(f"{connector} of EVSE {place}" for place, connector in left[:10])
        return Fault(
            f"{'EVSE ' + str(evse) if evse else 'the station'} is out of order, but connector {named} is Available",
            frame=frame,
            key=str(evse),
        )

    @rule(
        "connector.lock-failed",
        call("TransactionEvent"),
        title="Charging starts although the connector could not be locked",
        severity=Severity.ERROR,
        spec="OCPP 2.x G05.FR.01",
        remedy="Do not charge while the ConnectorPlugRetentionLock reports a Problem.",
        bad=script(
            started(),
            _notified("ConnectorPlugRetentionLock", "Problem", "true", id=1, connectorId=1),
            transaction_event("Updated", "ChargingStateChanged", 1, {"chargingState": "Charging"}),
        ),
        good=script(
            started(),
            _notified("ConnectorPlugRetentionLock", "Problem", "true", id=1, connectorId=1),
            _notified("ConnectorPlugRetentionLock", "Problem", "false", id=1, connectorId=1),
            transaction_event("Updated", "ChargingStateChanged", 1, {"chargingState": "Charging"}),
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._unlocked,
    )
    def lock_failed(self, frame: Frame) -> Faults:
        event = self._transactions.event
        evse = event.transaction.evse if event is not None else None
        if event is None or evse not in self._unlocked or event.info.get("chargingState") != "Charging":
            return None
        if event.offline:
            return None
        return Fault(f"EVSE {evse} charges, but its ConnectorPlugRetentionLock has a Problem", "/3", key=str(evse))

    @track(call("TransactionEvent"), plain=False)
    def happened(self, frame: Frame) -> None:
        event, wait = self._transactions.event, self.settings.effect_timeout_s
        if event is None:
            return
        one = event.transaction
        if event.token is not None:
            self._authorized_ns = frame.mono_ns
        if event.offline or one.evse is None:
            return
        if event.kind == "Ended":
            gone = event.trigger in _UNPLUGGED or event.info.get("chargingState") == "Idle"
            if gone and event.trigger != "EVConnectTimeout" and self._on(one.evse) == {"Occupied"}:
                self.station.deadline(frame, wait, self.not_freed, one, frame, at_close=AtClose.LATE)
        elif one.connected and one.transaction_id not in self._plugged and self._on(one.evse) == {"Available"}:
            self._plugged.note(one.transaction_id, None)
            self.station.deadline(frame, wait, self.not_occupied, one, frame, at_close=AtClose.LATE)

    @track(call("StatusNotification"))
    def reported(self, frame: Frame) -> None:
        self._learn(
            integer(frame.payload, "evseId"),
            integer(frame.payload, "connectorId"),
            string(frame.payload, "connectorStatus"),
            frame,
        )

    @track(call("NotifyEvent"))
    def notified(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "eventData"):
            what, about = string(member(entry, "variable"), "name"), member(entry, "component")
            evse, value = integer(member(about, "evse"), "id"), string(entry, "actualValue")
            if what == "AvailabilityState" and about.get("name") == "Connector":
                self._learn(evse, integer(member(about, "evse"), "connectorId"), value, frame)
            elif what == "AvailabilityState" and about.get("name") in ("EVSE", "ChargingStation") and value in OUT:
                place = evse if about.get("name") == "EVSE" else 0
                if place is not None:
                    wait = self.settings.effect_timeout_s
                    self.station.deadline(frame, wait, self.part_left, place, False, frame, at_close=AtClose.LATE)
            elif what == "Problem" and about.get("name") == "ConnectorPlugRetentionLock" and evse is not None:
                if (value or "").lower() == "true":
                    self._unlocked.note(evse, frame)
                else:
                    self._unlocked.pop(evse, None)
                self.station.refresh_listeners()

    def _learn(self, evse: int | None, connector: int | None, status: str | None, frame: Frame) -> None:
        if evse is None or connector is None or status is None:
            return
        before = self.now.get((evse, connector))
        if before is not None or len(self.now) < PLACES_LIMIT:
            self.now[evse, connector] = status
        wait = self.settings.effect_timeout_s
        if before == "Occupied" and status == "Available" and self._on(evse) == {"Available"}:
            for one in self._transactions.open_on(evse)[-3:]:
                last = one.events.get(one.highest_seq if one.highest_seq is not None else -1)
                if one.connected and (last is None or last[2] not in _UNPLUGGED):
                    self.station.deadline(
                        frame, wait, self.not_ended, one, one.highest_seq, frame, at_close=AtClose.LATE
                    )
        if status != "Occupied" or before not in ("Available", "Reserved"):
            return
        points = self._configuration.variable("TxCtrlr", "TxStartPoint") or ""
        recent = self._authorized_ns is not None and frame.mono_ns - self._authorized_ns < wait * 1e9
        alone = "EVConnected" in points and not recent and not self._transactions.open_transactions()
        if before == "Available" and alone:
            place = (evse, connector)
            self.station.deadline(
                frame, wait, self.none_started, place, self._transactions.event, frame, at_close=AtClose.LATE
            )
        for booking in self._reservations.booked.values() if before == "Reserved" else ():
            if booking.place == evse:
                self.station.deadline(
                    frame, wait, self.reserved_changed, booking, booking.accepted.mono_ns, frame, at_close=AtClose.LATE
                )

    @track(result("ChangeAvailability"))
    def availability_changed(self, frame: Frame) -> None:
        place = member(frame.request, "evse")
        wanted = frame.request.get("operationalStatus") == "Inoperative" and frame.payload.get("status") == "Accepted"
        if wanted and "connectorId" not in place:
            wait = self.settings.effect_timeout_s
            self.station.deadline(
                frame, wait, self.part_left, integer(place, "id") or 0, True, frame, at_close=AtClose.LATE
            )

    @track(result("Authorize"))
    def authorized(self, frame: Frame) -> None:
        self._authorized_ns = frame.mono_ns

    @track(result("RequestStartTransaction"))
    def remote_started(self, frame: Frame) -> None:
        self._authorized_ns = frame.mono_ns

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        self.now.clear()
        self._unlocked.clear()
