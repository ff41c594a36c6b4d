"""Judge how reservations are used and how they end."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import since
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transaction2x, Transactions2x
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.example_frames import cp, csms, script, started, status_2x
from inspector.rules.topics.reservation.booking import EXPIRY_LIMIT_S, Reservations

_TOKEN = {"idToken": "T", "type": "ISO14443"}
_RESERVED = csms("ReserveNow", {"id": 5, "expiryDateTime": "2026-01-01T13:00:00Z", "evseId": 1, "idToken": _TOKEN})
_RESERVED_16 = csms(
    "ReserveNow", {"connectorId": 1, "expiryDate": "2026-01-01T13:00:00Z", "idTag": "T", "reservationId": 5}
)
_CANCELLED = csms("CancelReservation", {"reservationId": 5})
_START_16 = cp(
    "StartTransaction",
    {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2026-01-01T12:05:00Z", "reservationId": 5},
    {"transactionId": 1, "idTagInfo": {"status": "Accepted"}},
)
_TOLD = {"idTokenInfo": {"status": "Accepted"}}


def _updated(status: str) -> str:
    return cp("ReservationStatusUpdate", {"reservationId": 5, "reservationUpdateStatus": status})


def _out_of_order(topic: Reserved, frame: Frame) -> int | None:
    """Return the id of the reservation of an EVSE that is Faulted or Unavailable after this status; None if none is."""
    booked = topic.station.topic(Reservations).booked
    if not booked:
        return None
    places = {integer(frame.request, "evseId")}
    for entry in elements(frame.request, "eventData"):
        places.add(integer(member(member(entry, "component"), "evse"), "id"))
    statuses = topic.station.topic(Evses2x).status_of_evse
    for number, one in booked.items():
        if one.place and one.place in places and statuses(one.place) and statuses(one.place) <= _LOST:
            return number
    return None


_LOST = frozenset({"Faulted", "Unavailable"})


class Reserved(Topic):
    """The rules about the use and the end of reservations."""

    scope = "station"

    def setup(self) -> None:
        self._cancelled: Known[int, float] = Known()  # by id: when it was cancelled, in seconds since 1970
        self._told: Known[int, None] = Known()  # the ids of reservations whose end the station has reported
        self._accepted: Known[int, Frame] = Known()  # by id: the answer that has accepted it
        self._tokens: Known[str, str] = Known()  # by transaction whose EVSE is not known yet: its token
        self._reservations = self.station.topic(Reservations)
        self._transactions = self.station.topic(Transactions2x)
        self._evidence = self.station.topic(Observation)

    @rule(
        "reservation.id-missing",
        DEADLINE,
        title="A transaction that uses a reservation does not name it",
        severity=Severity.WARNING,
        spec="OCPP 2.x H01.FR.15, E01.FR.13, E02.FR.03, E03.FR.03, F02.FR.06",
        remedy="Send reservationId in a TransactionEvent of the transaction that uses the reservation.",
        bad=script(_RESERVED, started(idToken=_TOKEN, answer=_TOLD), "+ 5m"),
        good=script(_RESERVED, started(idToken=_TOKEN, reservationId=5, answer=_TOLD), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def id_missing(self, moment: Moment, number: int, transaction: Transaction2x, frame: Frame) -> Faults:
        if number not in self._reservations.booked or self.session not in self.station.sessions:
            return None
        wait = since(frame, moment)
        text = f"{transaction} uses reservation {number}, but has not named it within {wait}"
        return Fault(text, "/3", frame=frame, key=str(number))

    @track(call("TransactionEvent"), versions=V2X, dormant=lambda topic: not topic._reservations.booked)
    def happened(self, frame: Frame) -> None:
        event, booked = self._transactions.event, self._reservations.booked
        if not booked or event is None or event.kind == "Ended":
            return
        name, place = event.transaction.transaction_id, event.transaction.evse
        token = string(event.token, "idToken") if event.token is not None else self._tokens.get(name)
        told = integer(frame.payload, "reservationId") if "reservationId" in frame.payload else None
        if token is None or told in booked:
            return
        if place is None:
            self._tokens.note(name, token)
            return
        for number, one in booked.items():
            held = string(member(one.accepted.request, "idToken"), "idToken")
            if one.place == place and held is not None and held.lower() == token.lower():
                self._tokens.pop(name, None)
                wait, check = self.settings.effect_timeout_s, self.id_missing
                self.station.deadline(frame, wait, check, number, event.transaction, frame, at_close=AtClose.JUDGED)
                return

    not_removed = Promise(
        "reservation.not-removed",
        "StatusNotification",
        "NotifyEvent",
        promised=_out_of_order,
        kept_by=call("ReservationStatusUpdate", "CancelReservation"),
        keeps=lambda topic, frame: (
            integer(frame.payload, "reservationId")
            if frame.payload.get("reservationUpdateStatus") in (None, "Removed")
            else None
        ),
        early=False,
        excused=lambda topic, frame: topic.usable_again(frame),
        at_close=AtClose.LATE,
        text="the EVSE of reservation {key} is out of order, but no ReservationStatusUpdate came within {wait}",
        title="A reservation is not removed although its EVSE is Faulted or Unavailable",
        severity=Severity.WARNING,
        spec="OCPP 2.x H01.FR.16, H01.FR.17",
        remedy="When the reserved EVSE becomes Faulted or Unavailable, cancel the reservation and send "
        "ReservationStatusUpdate with Removed.",
        bad=script(_RESERVED, status_2x("Faulted"), "+ 5m"),
        good=script(_RESERVED, status_2x("Faulted"), _updated("Removed"), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )

    def usable_again(self, frame: Frame) -> bool:
        """Return whether no reservation is on an EVSE that is out of order."""
        return _out_of_order(self, frame) is None

    @rule(
        "reservation.not-expired",
        DEADLINE,
        title="The station does not report that a reservation has expired",
        severity=Severity.WARNING,
        spec="OCPP 2.x H04.FR.01",
        remedy="Send ReservationStatusUpdate with Expired when expiryDateTime is reached.",
        bad=script(_RESERVED, "+ 2h"),
        good=script(_RESERVED, "+ 59m", _updated("Expired"), "+ 2h"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_expired(self, moment: Moment, number: int, accepted: Frame, connections: int) -> Faults:
        if number in self._told or self._evidence.connections != connections or number in self._cancelled:
            return None
        if self.session not in self.station.sessions or self._accepted.get(number) is not accepted:
            return None
        return Fault(
            f"reservation {number} has expired, but no ReservationStatusUpdate says so", frame=accepted, key=str(number)
        )

    @track(result("ReserveNow"))
    def reserved(self, frame: Frame) -> None:
        old = self.session.version is OcppVersion.V16
        number = integer(frame.request, "reservationId" if old else "id")
        if number is None or frame.payload.get("status") != "Accepted":
            return
        self._cancelled.pop(number, None)
        self._told.pop(number, None)
        expires = seconds(string(frame.request, "expiryDateTime"))
        if old or expires is None or not self._evidence.timed:
            return
        skew = min(self.settings.clock_skew_s, self._evidence.skew_s + 10)  # how late its clock may be
        left = expires - frame.ts_ns / 1e9 + skew + self.settings.answer_timeout_s
        if 0 < left < EXPIRY_LIMIT_S:
            self._accepted.note(number, frame)
            self.station.refresh_listeners()
            self.station.deadline(frame, left, self.not_expired, number, frame, self._evidence.connections)

    @track(call("ReservationStatusUpdate"), versions=V2X)
    def updated(self, frame: Frame) -> None:
        self._end(frame)

    @track(call("TransactionEvent"), versions=V2X, dormant=lambda topic: not topic._accepted)
    def used(self, frame: Frame) -> None:
        if "reservationId" in frame.payload:
            self._end(frame)

    def _end(self, frame: Frame) -> None:
        number = integer(frame.payload, "reservationId")
        if number is not None:
            self._told.note(number, None)

    @track(result("CancelReservation"))
    def cancelled(self, frame: Frame) -> None:
        number = integer(frame.request, "reservationId")
        if number is not None and frame.payload.get("status") == "Accepted":
            self._cancelled.note(number, frame.ts_ns / 1e9)
            self.station.refresh_listeners()

    @rule(
        "reservation.cancelled-used",
        call("StartTransaction", "TransactionEvent"),
        title="A transaction uses a reservation that was cancelled",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §4.8 and §5.1; OCPP 2.x H02.FR.02",
        remedy="Forget a reservation once its cancellation is accepted, and start without reservationId.",
        bad={
            "1.6": script(_RESERVED_16, _CANCELLED, _START_16),
            "2x": script(_RESERVED, _CANCELLED, started(idToken=_TOKEN, reservationId=5, answer=_TOLD)),
        },
        good={
            "1.6": script(_RESERVED_16, _START_16),
            "2x": script(_RESERVED, started(idToken=_TOKEN, reservationId=5, answer=_TOLD)),
        },
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._cancelled,
    )
    def cancelled_used(self, frame: Frame) -> Faults:
        number = integer(frame.payload, "reservationId")
        ended = self._cancelled.get(number if number is not None else -1)
        if ended is None:
            return None
        happened = seconds(string(frame.payload, "timestamp"))
        if happened is None or not self._evidence.timed or happened + self.settings.clock_skew_s < ended:
            return None  # the transaction may have started before the cancellation
        return Fault(
            f"the transaction uses reservation {number}, which was cancelled", "/3/reservationId", key=str(number)
        )
