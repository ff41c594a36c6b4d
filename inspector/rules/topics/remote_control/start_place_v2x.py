"""Judge which EVSE a 2.x station selects for a remote start, and which transaction a CSMS stops."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import integer, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.example_frames import (
    BOOT_2X,
    Payload,
    cp,
    csms,
    script,
    started,
    status_2x,
    transaction_event,
)
from inspector.rules.topics.reservation.booking import Reservations

_TOKEN = {"idToken": "T", "type": "ISO14443"}
_OUT = frozenset({"Faulted", "Unavailable"})
_START = csms("RequestStartTransaction", {"remoteStartId": 5, "idToken": _TOKEN})
_TWO = (status_2x("Faulted"), status_2x("Available", 2))


def _begun(evse: int | None) -> str:
    place: Payload = {} if evse is None else {"evse": {"id": evse, "connectorId": 1}}
    info = {"chargingState": "Idle", "remoteStartId": 5}
    told = {"idTokenInfo": {"status": "Accepted"}}
    return transaction_event("Started", "RemoteStart", 0, info, idToken=_TOKEN, answer=told, **place)


def _reserved(expires: str = "2026-01-01T13:00:00Z") -> str:
    return csms("ReserveNow", {"id": 5, "expiryDateTime": expires, "evseId": 1, "idToken": {**_TOKEN, "idToken": "U"}})


def _cancel(status: str) -> str:
    return csms("CancelReservation", {"reservationId": 5}, {"status": status})


_EXPIRED = cp("ReservationStatusUpdate", {"reservationId": 5, "reservationUpdateStatus": "Expired"})
_HERE: Payload = {"remoteStartId": 6, "evseId": 1, "idToken": _TOKEN}
_NO = csms("RequestStartTransaction", _HERE, {"status": "Rejected", "statusInfo": {"reasonCode": "Reserved"}})


def _stop(name: str, status: str) -> str:
    return csms("RequestStopTransaction", {"transactionId": name}, {"status": status})


_STOPPED = transaction_event("Ended", "RemoteStop", 1, {"stoppedReason": "Remote"})


class StartPlaces2x(Topic):
    """The rules about the EVSE of a remote start, and the transaction of a remote stop."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._anywhere: Known[int, None] = Known()  # accepted remoteStartIds of starts without an EVSE
        self._reserved: Known[int, int] = Known()  # by id of the reservation: its EVSE
        self._freed: Known[int, str] = Known()  # EVSEs whose reservation has ended, and how
        self._transactions = self.station.topic(Transactions2x)
        self._evses = self.station.topic(Evses2x)
        self._evidence = self.station.topic(Observation)

    @rule(
        "remote.evse-selection",
        call("TransactionEvent"),
        title="A remote start without an EVSE is carried out on an EVSE that is out of order",
        severity=Severity.WARNING,
        spec="OCPP 2.x F01.FR.20, F02.FR.22",
        remedy="Select a free EVSE for a start that names none, and send it with the transaction.",
        bad=script(*_TWO, _START, _begun(1)),
        good=script(*_TWO, _START, _begun(2)),
        versions=V2X,
        side=Side.CHARGE_POINT,
        plain=False,
        dormant=lambda topic: not topic._anywhere,
    )
    def selection(self, frame: Frame) -> Faults:
        event = self._transactions.event
        number = integer(event.info, "remoteStartId") if event is not None else None
        if event is None or number is None or number not in self._anywhere:
            return None
        del self._anywhere[number]
        self.station.refresh_listeners()
        evse = event.transaction.evse
        if evse is None:
            return None  # it may depend on where the driver plugs in
        statuses = self._evses.status_of_evse(evse)
        if event.kind == "Started" and statuses and statuses <= _OUT:
            text = f"the station has selected EVSE {evse} for a remote start, but it is {min(statuses)}"
            return Fault(text, "/3/evse/id", key=str(evse))
        return None

    @rule(
        "remote.stop-unknown",
        result("RequestStopTransaction"),
        title="The CSMS stops a transaction that does not exist",
        severity=Severity.INFO,
        spec="OCPP 2.x part 2, RequestStopTransactionRequest.transactionId",
        remedy="Send the transactionId that the station has reported for the transaction.",
        bad=script(BOOT_2X, status_2x("Available"), started(), _stop("t9", "Rejected")),
        good=script(BOOT_2X, status_2x("Available"), started(), _stop("t1", "Accepted"), _STOPPED),
        versions=V2X,
        side=Side.CSMS,
    )
    def stop_unknown(self, frame: Frame) -> Faults:
        name = string(frame.request, "transactionId")
        known = self._transactions
        if name is None or name in known.by_id or not known.by_id or frame.payload.get("status") == "Accepted":
            return None
        if not known.open_transactions():
            return None  # there is no transaction that it may have meant
        if not known.would_have_been_seen(None) or not self._evidence.has_sent_all(self.session):
            return None
        text = f"no transaction has the id {name[:36]!r}"
        return Fault(text, "/3/transactionId", frame=frame.call, key=name[:36])

    @rule(
        "remote.still-reserved",
        result("RequestStartTransaction", "ReserveNow"),
        title="A start or a reservation is refused for an EVSE whose reservation has ended",
        severity=Severity.WARNING,
        spec="OCPP 2.x H02.FR.03, H02.FR.05, H04.FR.02",
        remedy="Allow charging again on an EVSE when its reservation has expired or is cancelled.",
        bad=script(_reserved(), _EXPIRED, status_2x("Available"), _NO),
        good=script(_reserved(), _EXPIRED, status_2x("Available"), csms("RequestStartTransaction", _HERE), _begun(1)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def still_reserved(self, frame: Frame) -> Faults:
        evse, status = integer(frame.request, "evseId"), string(frame.payload, "status")
        if frame.action == "ReserveNow" and status == "Accepted":
            self._reserved.note(integer(frame.request, "id") or 0, evse or 0)
            self._freed.pop(evse or 0, None)
            return None
        if evse is None or evse not in self._freed or self._evses.status_of_evse(evse) != {"Available"}:
            return None
        if evse in self._reserved.values() or 0 in self._reserved.values() or self._transactions.open_on(evse):
            return None
        info = frame.payload.get("statusInfo")
        reason = str(info.get("reasonCode", "")) if type(info) is dict else ""
        if status not in ("Rejected", "Occupied") or (reason and "reserv" not in reason.lower()):
            return None
        if status == "Rejected" and not reason and frame.action == "ReserveNow":
            return None  # the station may not support it
        text = f"{frame.action} for EVSE {evse} is answered with {status}, but its reservation {self._freed[evse]}"
        return Fault(text, "/2/status", key=str(evse))

    @rule(
        "reservation.cancel-refused",
        result("CancelReservation"),
        title="CancelReservation is rejected for a reservation that the station has accepted",
        severity=Severity.ERROR,
        spec="OCPP 2.x H02.FR.02",
        remedy="Cancel the reservation and answer Accepted.",
        bad=script(BOOT_2X, status_2x("Available"), _reserved(), _cancel("Rejected")),
        good=script(BOOT_2X, status_2x("Available"), _reserved(), _cancel("Accepted")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def cancel_refused(self, frame: Frame) -> Faults:
        number = integer(frame.request, "reservationId")
        booking = self.station.topic(Reservations).booked.get(number) if number is not None else None
        if booking is None or frame.payload.get("status") != "Rejected" or number not in self._reserved:
            return None
        return Fault(f"reservation {number} was accepted, and has not ended", "/2/status", key=str(number))

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._reserved.clear()

    @track(result("RequestStartTransaction"))
    def asked(self, frame: Frame) -> None:
        number = integer(frame.request, "remoteStartId")
        if number is not None and "evseId" not in frame.request and frame.payload.get("status") == "Accepted":
            self._anywhere.note(number, None)
            self.station.refresh_listeners()

    @track(call("ReservationStatusUpdate"))
    def expired(self, frame: Frame) -> None:
        if frame.payload.get("reservationUpdateStatus") == "Expired":
            self._ended(integer(frame.payload, "reservationId"), "has expired")

    @track(result("CancelReservation"))
    def cancelled(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            self._ended(integer(frame.request, "reservationId"), "was cancelled")

    @track(call("StatusNotification"))
    def status(self, frame: Frame) -> None:
        evse = integer(frame.payload, "evseId")
        if evse is not None and frame.payload.get("connectorStatus") in ("Occupied", *_OUT):
            self._freed.pop(evse, None)

    def _ended(self, number: int | None, how: str) -> None:
        evse = self._reserved.pop(number, None) if number is not None else None
        if evse is None:
            return
        all_evses = {one for one, _ in self._evses.connectors}
        for one in [evse] if evse else sorted(all_evses - set(self._reserved.values())):
            self._freed.note(one, how)
