"""Judge reservations of a 2.x station without an EVSE, and reservations that nobody uses."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.fields import integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.example_frames import BOOT_2X, cp, csms, script, status_2x, variable_2x
from inspector.rules.topics.reservation.booking import ANSWERS, Booking, Reservations
from inspector.rules.topics.reservation.places_v2x import reserve, same_token, variable

WAIT_LIMIT_S = 86400.0
_TOKEN = {"idToken": "T", "type": "ISO14443"}
_TWO = (BOOT_2X, variable("NonEvseSpecific", "true"), status_2x("Available"), status_2x("Available", 2))
_BOTH = (*_TWO, reserve(number=5), reserve(number=6), status_2x("Reserved"), status_2x("Reserved", 2))
_CANCEL = csms("CancelReservation", {"reservationId": 5})
_BROKEN = (BOOT_2X, variable("NonEvseSpecific", "true"), status_2x("Faulted"), status_2x("Faulted", 2))
_PRESENTED = cp("Authorize", {"idToken": _TOKEN}, {"idTokenInfo": {"status": "Accepted"}})
_SOON = (BOOT_2X, variable_2x("TxCtrlr", "EVConnectionTimeOut", "60"), status_2x("Available"), reserve(evseId=1))
_UNUSED = cp("ReservationStatusUpdate", {"reservationId": 5, "reservationUpdateStatus": "NoTransaction"})


class AnyEvse2x(Topic):
    """The rules about reservations without an EVSE, and about those that end without a transaction."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._held: Known[int, Frame] = Known()  # accepted reservations, by id: the answer
        self._heard: Known[int, int] = Known()  # by id of a reservation: when a message last reported its end
        self._events = 0  # how often a transaction has begun
        self._evses = self.station.topic(Evses2x)
        self._reservations = self.station.topic(Reservations)
        self._evidence = self.station.topic(Observation)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "reservation.answer-anywhere",
        result("ReserveNow"),
        title="The answer to a reservation without an EVSE contradicts the statuses of all EVSEs",
        severity=Severity.WARNING,
        spec="OCPP 2.x H01.FR.11, H01.FR.12, H01.FR.14",
        remedy="Answer Faulted, Unavailable or Occupied if this is the status of every EVSE that fits.",
        bad=script(*_BROKEN, reserve("Occupied")),
        good=script(*_BROKEN, reserve("Faulted")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def answer(self, frame: Frame) -> Faults:
        status, request = string(frame.payload, "status"), frame.request
        if integer(request, "evseId") or status is None or "connectorType" in request:
            return None
        if integer(request, "id") in self._held or self._evidence.seen_since is None:
            return None
        anywhere = (self._configuration.variable("ReservationCtrlr", "NonEvseSpecific") or "").lower()
        enabled = (self._configuration.variable("ReservationCtrlr", "Enabled") or "").lower()
        evses = {evse for evse, _ in self._evses.connectors}
        statuses = set().union(*(self._evses.status_of_evse(evse) for evse in evses)) if evses else set()
        wanted = {frozenset(ANSWERS.get(one, frozenset()) - {"Rejected"}) for one in statuses}
        if len(wanted) != 1 or "Available" in statuses or status in (fitting := set(next(iter(wanted)))):
            return None
        if not fitting or enabled == "false" or (status == "Rejected" and anywhere != "true"):
            return None
        text = f"{status}, but every EVSE is {' or '.join(sorted(statuses))}; expected {min(fitting)}"
        return Fault(text, "/2/status", key=min(statuses))

    @rule(
        "reservation.still-shown",
        DEADLINE,
        title="EVSEs stay Reserved although a reservation for any of them was cancelled",
        severity=Severity.WARNING,
        spec="OCPP 2.x H02.FR.06",
        remedy="Report every connector as Available that is not reserved by itself, once fewer reservations than EVSEs "
        "are left.",
        bad=script(*_BOTH, _CANCEL, "+ 5m"),
        good=script(*_BOTH, _CANCEL, status_2x("Available"), status_2x("Available", 2), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def still_shown(self, moment: Moment, number: int, frame: Frame) -> Faults:
        booked: list[Booking] = list(self._reservations.booked.values())
        own = {one.place for one in booked if one.place}
        anywhere = [one for one in booked if not one.place]
        if self.session not in self.station.sessions or any("connectorType" in b.accepted.request for b in anywhere):
            return None
        shown = sorted(
            evse
            for evse in {evse for evse, _ in self._evses.connectors} - own
            if self._evses.status_of_evse(evse) == {"Reserved"}
        )
        if len(shown) <= len(anywhere):
            return None
        text = f"reservation {number} was cancelled; {len(anywhere)} without an EVSE are left, but EVSEs {shown[:10]}"
        return Fault(f"{text} are still Reserved", "/2/status", frame=frame, key=str(number))

    @rule(
        "reservation.no-transaction",
        DEADLINE,
        title="Nobody has plugged in after presenting the token of a reservation, and this is not reported",
        severity=Severity.INFO,
        spec="OCPP 2.1 H03.FR.11",
        remedy="Send ReservationStatusUpdate with NoTransaction if no transaction starts within EVConnectionTimeOut.",
        bad=script(*_SOON, _PRESENTED, "+ 5m"),
        good=script(*_SOON, _PRESENTED, "+ 1m", _UNUSED, "+ 4m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def no_transaction(self, moment: Moment, number: int, frame: Frame, events: int) -> Faults:
        if self.session not in self.station.sessions or self._events != events:
            return None
        if self._heard.get(number, 0) >= frame.mono_ns:
            return None
        text = f"the token of reservation {number} was presented, but neither a transaction nor NoTransaction came"
        return Fault(text, "/3/idToken", frame=frame, key=str(number))

    @track(result("ReserveNow"))
    def reserved(self, frame: Frame) -> None:
        number = integer(frame.request, "id")
        if number is not None and frame.payload.get("status") == "Accepted":
            self._held.note(number, frame)

    @track(result("CancelReservation"))
    def cancelled(self, frame: Frame) -> None:
        number = integer(frame.request, "reservationId")
        one = self._held.pop(number, None) if number is not None else None
        if one is not None and frame.payload.get("status") == "Accepted" and not integer(one.request, "evseId"):
            self.station.deadline(
                frame, self.settings.effect_timeout_s, self.still_shown, number, frame, at_close=AtClose.LATE
            )

    @track(call("ReservationStatusUpdate"))
    def told(self, frame: Frame) -> None:
        number = integer(frame.payload, "reservationId")
        if number is not None:
            self._heard.note(number, frame.mono_ns)
            self._held.pop(number, None)

    @track(call("TransactionEvent"), plain=False)
    def used(self, frame: Frame) -> None:
        self._events += 1
        self._held.pop(integer(frame.payload, "reservationId") or -1, None)

    @track(result("Authorize"), versions=V21)
    def presented(self, frame: Frame) -> None:
        if string(member(frame.payload, "idTokenInfo"), "status") != "Accepted":
            return
        wait = self._configuration.variable_number("TxCtrlr", "EVConnectionTimeOut")
        for number, one in self._held.items():
            fits = same_token(member(frame.request, "idToken"), member(one.request, "idToken"))
            if fits and wait and 0 < wait < WAIT_LIMIT_S and frame.call is not None:
                wait_s = wait + self.settings.effect_timeout_s
                self.station.deadline(frame, wait_s, self.no_transaction, number, frame.call, self._events)
