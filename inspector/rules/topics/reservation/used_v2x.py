"""Judge how a 2.x station handles used and replaced reservations."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import since
from inspector.rules.fields import integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.example_frames import ACCEPTED, Payload, cp, csms, script, started, status_2x
from inspector.rules.topics.reservation.booking import Reservations
from inspector.rules.topics.reservation.places_v2x import reserve, same_token, variable

_TOKEN = {"idToken": "T", "type": "ISO14443"}
_OTHER = {"idToken": "U", "type": "ISO14443"}
_TOLD = {"idTokenInfo": {"status": "Accepted"}}
_USED = started(idToken=_TOKEN, reservationId=5, answer=_TOLD)
_OTHER_USE = _USED.replace('"t1"', '"t2"').replace('"id":1', '"id":2')
_GROUP = (
    variable("Enabled", "false", "AuthCacheCtrlr")
    + variable("Enabled", "false", "LocalAuthListCtrlr").replace('"#"', '"l"')
    + reserve(evseId=1, groupIdToken={"idToken": "G", "type": "Central"}).replace('"#"', '"r"')
)


def _remote(status: str = "Accepted") -> str:
    return csms("RequestStartTransaction", {"remoteStartId": 6, "evseId": 1, "idToken": _TOKEN}, {"status": status})


class UsedReservations2x(Topic):
    """The rules about used and replaced reservations."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._used: Known[int, str] = Known()  # by reservation id: the transaction that used it
        self._held: Known[int, Payload] = Known()  # by reservation id: the request that was accepted
        self._asked: Known[str, None] = Known()  # tokens that were sent with Authorize
        self._reservations = self.station.topic(Reservations)
        self._evses = self.station.topic(Evses2x)
        self._configuration = self.station.topic(ConfigurationState)
        self._transactions = self.station.topic(Transactions2x)

    def _off(self, component: str) -> bool:
        return (self._configuration.variable(component, "Enabled") or "").lower() == "false"

    @rule(
        "reservation.not-used-up",
        DEADLINE,
        title="A connector stays Reserved although its reservation is used",
        severity=Severity.WARNING,
        spec="OCPP 2.x H03.FR.10",
        remedy="Report the connector as Available or Occupied once the driver of the reservation is there.",
        bad=script(reserve(evseId=1), status_2x("Reserved"), _USED, "+ 5m"),
        good=script(reserve(evseId=1), status_2x("Reserved"), _USED, status_2x("Occupied"), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_used_up(self, moment: Moment, number: int, evse: int, frame: Frame) -> Faults:
        if self.session not in self.station.sessions or self._evses.status_of_evse(evse) != {"Reserved"}:
            return None
        if any(one.place in (0, evse) for one in self._reservations.booked.values()):
            return None
        wait = since(frame, moment)
        text = f"reservation {number} is used, but EVSE {evse} is still Reserved {wait} later"
        return Fault(text, "/3/reservationId", frame=frame, key=str(number))

    @rule(
        "reservation.used-twice",
        call("TransactionEvent"),
        title="A second transaction uses a reservation that was used before",
        severity=Severity.WARNING,
        spec="OCPP 2.x H03.FR.09",
        remedy="Forget a reservation once its token was presented.",
        bad=script(reserve(evseId=1), _USED, _OTHER_USE),
        good=script(reserve(evseId=1), _USED, reserve(evseId=2), _OTHER_USE),
        versions=V2X,
        side=Side.CHARGE_POINT,
        plain=False,
    )
    def used_twice(self, frame: Frame) -> Faults:
        if "reservationId" not in frame.payload:
            return None
        event, number = self._transactions.event, integer(frame.payload, "reservationId")
        if event is None or number is None:
            return None
        name, evse = event.transaction.transaction_id, event.transaction.evse
        before = self._used.get(number)
        if before is None:
            self._used.note(number, name)
            if evse is not None:
                wait = self.settings.effect_timeout_s
                self.station.deadline(frame, wait, self.not_used_up, number, evse, frame, at_close=AtClose.LATE)
        elif before != name:
            text = f"{event.transaction} uses reservation {number}, which transaction {before[:36]} has used"
            return Fault(text, "/3/reservationId", key=str(number))
        return None

    @rule(
        "reservation.not-replaced",
        DEADLINE,
        title="An EVSE stays Reserved although its reservation was moved to another one",
        severity=Severity.WARNING,
        spec="OCPP 2.x H01.FR.02",
        remedy="Replace a reservation by the one with the same id, and free the EVSE of the old one.",
        bad=script(reserve(evseId=1), status_2x("Reserved"), reserve(evseId=2), status_2x("Reserved", 2), "+ 5m"),
        good=script(
            reserve(evseId=1),
            status_2x("Reserved"),
            reserve(evseId=2),
            status_2x("Reserved", 2),
            status_2x("Available"),
            "+ 5m",
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_replaced(self, moment: Moment, number: int, evse: int, frame: Frame) -> Faults:
        if self.session not in self.station.sessions or self._evses.status_of_evse(evse) != {"Reserved"}:
            return None
        if any(one.place in (0, evse) for one in self._reservations.booked.values()):
            return None
        text = f"reservation {number} was moved to another EVSE, but EVSE {evse} is still Reserved"
        return Fault(text, "/2/status", frame=frame, key=str(number))

    @rule(
        "remote.reserved-refused",
        result("RequestStartTransaction"),
        title="A remote start is rejected although the EVSE is reserved for its token",
        severity=Severity.WARNING,
        spec="OCPP 2.x H03.FR.01, H03.FR.02, H03.FR.03, H03.FR.04, H03.FR.05, H03.FR.06",
        remedy="Answer Accepted when idToken or groupIdToken is that of the reservation.",
        bad=script(reserve(evseId=1), status_2x("Reserved"), _remote("Rejected")),
        good=script(reserve(evseId=1), status_2x("Reserved"), _remote()),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def reserved_refused(self, frame: Frame) -> Faults:
        evse = integer(frame.request, "evseId")
        if frame.payload.get("status") != "Rejected" or not evse or "chargingProfile" in frame.request:
            return None
        if self._evses.status_of_evse(evse) not in ({"Reserved"}, {"Available"}) or self._transactions.open_on(evse):
            return None
        for number, one in self._reservations.booked.items():
            held = one.accepted.request
            fits = same_token(member(frame.request, "idToken"), member(held, "idToken"))
            group = same_token(member(frame.request, "groupIdToken"), member(held, "groupIdToken"))
            if one.place in (0, evse) and (fits or group):
                text = f"Rejected for EVSE {evse}, but reservation {number} is for this token"
                return Fault(text, "/2/status", key=str(number))
        return None

    @rule(
        "reservation.group-unasked",
        call("TransactionEvent"),
        title="A reservation is used by another token that was not authorized by the CSMS",
        severity=Severity.WARNING,
        spec="OCPP 2.x H03.FR.08",
        remedy="Send Authorize for a token that is in neither the cache nor the local list, to learn its group.",
        bad=script(
            _GROUP,
            started(idToken=_OTHER, reservationId=5, answer=_TOLD),
        ),
        good=script(
            _GROUP,
            cp("Authorize", {"idToken": _OTHER}, {"idTokenInfo": ACCEPTED}),
            started(idToken=_OTHER, reservationId=5, answer=_TOLD),
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._held,
    )
    def group_unasked(self, frame: Frame) -> Faults:
        event, number = self._transactions.event, integer(frame.payload, "reservationId")
        held = self._held.get(number if number is not None else -1)
        if event is None or held is None or event.token is None or "remoteStartId" in event.info:
            return None
        if "groupIdToken" not in held or same_token(event.token, member(held, "idToken")):
            return None
        if not self._off("AuthCacheCtrlr") or not self._off("LocalAuthListCtrlr"):
            return None
        if (string(event.token, "idToken") or "").lower() in self._asked:
            return None
        return Fault(f"reservation {number} is used by another token without Authorize", "/3/idToken", key=str(number))

    @track(result("ReserveNow"))
    def reserved(self, frame: Frame) -> None:
        number, evse = integer(frame.request, "id"), integer(frame.request, "evseId")
        if number is None or frame.payload.get("status") != "Accepted":
            return
        old = self._held.get(number)
        before = integer(old, "evseId") if old is not None and number not in self._used else None
        if before and before != evse:
            self.station.deadline(
                frame, self.settings.effect_timeout_s, self.not_replaced, number, before, frame, at_close=AtClose.LATE
            )
        self._used.pop(number, None)
        self._held.note(number, frame.request)
        self.station.refresh_listeners()

    @track(call("Authorize"))
    def asked(self, frame: Frame) -> None:
        self._asked.note((string(member(frame.payload, "idToken"), "idToken") or "").lower(), None)
