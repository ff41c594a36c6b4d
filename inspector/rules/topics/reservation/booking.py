"""Judge whether the answers to reservations fit the status of connectors, and whether the status then changes."""

from __future__ import annotations

from dataclasses import dataclass

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import duration
from inspector.rules.fields import integer, seconds, string
from inspector.rules.finding import ABSENT, Fault, Severity, Side
from inspector.rules.rule import DEADLINE, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.availability.status_v16 import Status16
from inspector.rules.topics.example_frames import joined, reported

RESERVATIONS_LIMIT = 500
EXPIRY_LIMIT_S = 30 * 86400.0
"""There is no deadline for reservations that expire in more than so many seconds."""

ANSWERS: dict[str, frozenset[str]] = {
    "Available": frozenset({"Accepted", "Rejected"}),
    "Occupied": frozenset({"Occupied", "Rejected"}),
    "Charging": frozenset({"Occupied", "Rejected"}),
    "SuspendedEV": frozenset({"Occupied", "Rejected"}),
    "SuspendedEVSE": frozenset({"Occupied", "Rejected"}),
    "Finishing": frozenset({"Occupied", "Rejected"}),
    "Reserved": frozenset({"Occupied", "Rejected"}),
    "Faulted": frozenset({"Faulted", "Rejected"}),
    "Unavailable": frozenset({"Unavailable", "Rejected"}),
}
"""For each status of a connector, the answers to ReserveNow that fit it.

Rejected always fits: it means that the station does not support reservations.
"""
KNOWN_ANSWERS = frozenset().union(*ANSWERS.values())
"""All statuses with which ReserveNow may be answered."""

_RESERVE = {
    "1.6": '< [2,"r","ReserveNow",{"connectorId":1,"expiryDate":"2026-01-01T13:00:00Z","idTag":"T",'
    '"reservationId":5}]\n',
    "2x": '< [2,"r","ReserveNow",{"evseId":1,"expiryDateTime":"2026-01-01T13:00:00Z","id":5,'
    '"idToken":{"idToken":"T","type":"Central"}}]\n',
}
_ANSWER = '> [3,"r",{"status":"%s"}]\n'
_CANCEL = '< [2,"%s","CancelReservation",{"reservationId":5}]\n> [3,"%s",{"status":"%s"}]\n'


@dataclass(slots=True, eq=False)
class Booking:
    """One accepted reservation; `place` is its connector (1.6) or EVSE (2.x), 0 for any."""

    number: int
    place: int
    accepted: Frame


class Reservations(Topic):
    """The rules about ReserveNow and CancelReservation.

    Attributes:
        booked: the accepted reservations that were not used, cancelled or expired, by id, oldest first.
    """

    scope = "station"

    def setup(self) -> None:
        self.booked: dict[int, Booking] = {}
        self._gone: dict[int, int] = {}  # by id: the monotonic time from which a reservation has certainly ended
        self._at_call: dict[int, tuple[str | None, bool]] = {}  # by frame id: status, and whether the id was booked
        self._evidence = self.station.topic(Observation)
        self._configuration = self.station.topic(ConfigurationState)

    def _status(self, place: int) -> str | None:
        """Return the last reported status of a connector (1.6), or the common status of an EVSE's connectors (2.x).

        Return None if it is not known, or if the connectors of the EVSE have different statuses.
        """
        if self.session.version is OcppVersion.V16:
            return self.station.topic(Status16).status(place) if place else None
        statuses = self.station.topic(Evses2x).status_of_evse(place)
        return next(iter(statuses)) if len(statuses) == 1 else None

    def _asked(self, frame: Frame) -> tuple[int | None, int]:
        """Return the id and the place in a ReserveNow; the place is 0 for any."""
        payload = frame.payload
        if self.session.version is OcppVersion.V16:
            return integer(payload, "reservationId"), integer(payload, "connectorId") or 0
        return integer(payload, "id"), integer(payload, "evseId") or 0

    @track(call("ReserveNow"))
    def asked(self, frame: Frame) -> None:
        number, place = self._asked(frame)
        self._at_call[frame.frame_id] = self._status(place), number in self.booked
        if len(self._at_call) > RESERVATIONS_LIMIT:
            del self._at_call[next(iter(self._at_call))]

    @rule(
        "reservation.answer",
        result("ReserveNow"),
        title="The answer to ReserveNow contradicts the connector's status",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §5.13; 2.x H01.FR.02, .11, .12, .14, .19, .23",
        remedy="Answer Accepted for an available connector, otherwise Occupied, Faulted or Unavailable according "
        "to its status.",
        bad=joined(reported("Faulted"), _RESERVE, _ANSWER % "Accepted"),
        good=joined(reported("Faulted"), _RESERVE, _ANSWER % "Faulted"),
        side=Side.CHARGE_POINT,
    )
    def answer(self, frame: Frame) -> Faults:
        status = string(frame.payload, "status")
        if status is None or frame.call is None:
            return None
        _, place = self._asked(frame.call)
        if place == 0:
            if status == "Accepted" and self._any_place_allowed() is False:
                return Fault(
                    "Accepted without a connector, but the configuration does not allow that", "/2/status", key="0"
                )
            return None
        before, again = self._at_call.get(frame.call.frame_id, (None, False))
        fitting = ANSWERS.get(before or "")
        if again and before == "Reserved" == self._status(place) and status in ("Occupied", "Rejected"):
            one = self.booked.get(integer(frame.request, "id") or 0)
            if one is not None and one.place == place:
                return Fault(f"{status}, but reservation {one.number} has this id; expected Accepted", "/2/status")
        if fitting is None or status in fitting or again or before != self._status(place):
            return None
        if status not in KNOWN_ANSWERS:
            return None  # payload.schema reports it
        taken = any(one.place in (0, place) for one in self.booked.values())
        if (status == "Occupied" and taken) or (before == "Reserved" and not taken):
            return None  # the station may not yet have reported that it has reserved or released the connector
        return Fault(f"{status} for {self._name(place)}, whose status is {before}", "/2/status", key=str(place))

    def _any_place_allowed(self) -> bool | None:
        """Return whether reservations without a connector are supported; None if that is not known."""
        known = self._configuration
        if self.session.version is OcppVersion.V16:
            return known.flag("ReserveConnectorZeroSupported")
        said = (known.variable("ReservationCtrlr", "NonEvseSpecific") or "").lower()
        return said == "true" if said in ("true", "false") else None

    def _name(self, place: int) -> str:
        return f"{'connector' if self.session.version is OcppVersion.V16 else 'EVSE'} {place}"

    @track(result("ReserveNow"))
    def answered(self, frame: Frame) -> None:
        if frame.call is None:
            return
        before, _ = self._at_call.pop(frame.call.frame_id, (None, False))
        number, place = self._asked(frame.call)
        if number is None or frame.payload.get("status") != "Accepted":
            return
        self._gone.pop(number, None)
        self.booked.pop(number, None)
        self.booked[number] = booking = Booking(number, place, frame)
        self.station.refresh_listeners()
        if len(self.booked) > RESERVATIONS_LIMIT:
            del self.booked[next(iter(self.booked))]
        wait = self.settings.effect_timeout_s
        if place and before == "Available":
            self.station.deadline(frame, wait, self.not_shown, booking, at_close=AtClose.LATE)
        expires = seconds(string(frame.request, "expiryDate") or string(frame.request, "expiryDateTime"))
        left = expires - frame.ts_ns / 1e9 if expires is not None and self._evidence.timed else -1.0
        if 0 <= left < EXPIRY_LIMIT_S:
            self.station.deadline(frame, left, self.expired, booking)
            self.station.deadline(frame, left + wait, self.not_released, booking, "expired", at_close=AtClose.LATE)

    @rule(
        "reservation.not-shown",
        DEADLINE,
        title="A reserved connector is not shown as reserved",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §4.9; 2.x H01.FR.23",
        remedy="Report the status Reserved for each reserved connector.",
        bad=joined(reported("Available"), _RESERVE, _ANSWER % "Accepted", "+ 5m"),
        good=joined(reported("Available"), _RESERVE, _ANSWER % "Accepted", reported("Reserved", "n2"), "+ 5m"),
        side=Side.CHARGE_POINT,
    )
    def not_shown(self, moment: Moment, booking: Booking) -> Faults:
        if self.booked.get(booking.number) is not booking or self.session not in self.station.sessions:
            return None
        status = self._status(booking.place)
        if status is None and self.session.version is not OcppVersion.V16:
            statuses = self.station.topic(Evses2x).status_of_evse(booking.place)
            status = "Available" if statuses == {"Available", "Reserved"} else None  # one connector was left out
        if status != "Available":
            return None
        wait = (moment.mono_ns - booking.accepted.mono_ns) / 1e9
        text = f"{self._name(booking.place)} was reserved; {duration(wait)} later it is still Available"
        return Fault(text, "/2/status", frame=booking.accepted, key=str(booking.place))

    @track(DEADLINE)
    def expired(self, moment: Moment, booking: Booking) -> None:
        if self.booked.get(booking.number) is booking:
            skew_ns = int(self.settings.clock_skew_s * 1e9)  # by the station's clock, it may expire later
            self._end(booking.number, moment.mono_ns + skew_ns)

    @rule(
        "reservation.not-released",
        DEADLINE,
        title="A connector stays reserved after its reservation has ended",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §5.13; 2.x H02.FR.02, H02.FR.04, H04.FR.03",
        remedy="Make the connector available and report it when a reservation is cancelled or expires.",
        bad=joined(reported("Reserved"), _RESERVE, _ANSWER % "Accepted", "+ 2h"),
        good=joined(
            reported("Reserved"), _RESERVE, _ANSWER % "Accepted", "+ 1h\n", reported("Available", "n2"), "+ 2h"
        ),
        side=Side.CHARGE_POINT,
    )
    def not_released(self, moment: Moment, booking: Booking, how: str) -> Faults:
        if booking.number in self.booked or self.session not in self.station.sessions or not booking.place:
            return None
        if any(one.place in (0, booking.place) for one in self.booked.values()):
            return None
        if self._status(booking.place) != "Reserved":
            return None
        text = f"reservation {booking.number} has ended ({how}), but {self._name(booking.place)} is still Reserved"
        return Fault(text, frame=ABSENT, key=f"{booking.number} {booking.place}")

    @rule(
        "reservation.cancel",
        result("CancelReservation"),
        title="CancelReservation is accepted for a reservation that does not exist",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §5.1; 2.x H02.FR.01",
        remedy="Answer Rejected when no reservation has this id.",
        bad=joined(_RESERVE, _ANSWER % "Accepted", _CANCEL % ("c", "c", "Accepted"), _CANCEL % ("d", "d", "Accepted")),
        good=joined(_RESERVE, _ANSWER % "Accepted", _CANCEL % ("c", "c", "Accepted"), _CANCEL % ("d", "d", "Rejected")),
        side=Side.CHARGE_POINT,
    )
    def cancel(self, frame: Frame) -> Faults:
        number = integer(frame.request, "reservationId")
        if number is None or frame.payload.get("status") != "Accepted" or number in self.booked:
            return None
        if number in self._gone:
            if frame.mono_ns < self._gone[number]:
                return None
            return Fault(f"reservation {number} is cancelled, although it had ended", "/2/status", key=str(number))
        if self._evidence.seen_since is None:
            return None
        text = f"reservation {number} is cancelled, but no reservation has had this id since the boot"
        return Fault(text, "/2/status", severity=Severity.WARNING, key=str(number))  # it may be from before the boot

    @track(result("CancelReservation"))
    def cancelled(self, frame: Frame) -> None:
        number = integer(frame.request, "reservationId")
        if number is None or frame.payload.get("status") != "Accepted":
            return
        booking = self.booked.get(number)
        self._end(number, frame.mono_ns)
        if booking is not None:
            wait = self.settings.effect_timeout_s
            self.station.deadline(frame, wait, self.not_released, booking, "cancelled", at_close=AtClose.LATE)

    @track(call("StartTransaction", "TransactionEvent", "ReservationStatusUpdate"), plain=False)
    def used(self, frame: Frame) -> None:
        if self.booked:
            number = integer(frame.payload, "reservationId")
            if number is not None:
                self._end(number, frame.mono_ns)

    def _end(self, number: int, since_ns: int) -> None:
        self.booked.pop(number, None)
        self._gone[number] = since_ns
        if len(self._gone) > RESERVATIONS_LIMIT:
            del self._gone[next(iter(self._gone))]
