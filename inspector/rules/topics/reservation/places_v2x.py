"""Judge reservations of a 2.x station that were refused or have no EVSE."""

from __future__ import annotations

from typing import Any

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
from inspector.rules.topics.example_frames import Payload, csms, script, started, status_2x
from inspector.rules.topics.reservation.booking import Booking, Reservations

_TOKEN = {"idToken": "T", "type": "ISO14443"}
_OTHER = {"idToken": "U", "type": "ISO14443"}
_TOLD = {"idTokenInfo": {"status": "Accepted"}}
_CHARGING = {"chargingState": "Charging"}


def reserve(status: str = "Accepted", number: int = 5, **place: Any) -> str:
    """Return a ReserveNow for the token T, and its answer."""
    asked = {"id": number, "expiryDateTime": "2026-01-01T13:00:00Z", "idToken": _TOKEN, **place}
    return csms("ReserveNow", asked, {"status": status})


def variable(name: str, value: str, component: str = "ReservationCtrlr") -> str:
    """Return a GetVariables for one variable, and the answer with its value."""
    at = {"component": {"name": component}, "variable": {"name": name}}
    told = {"attributeStatus": "Accepted", "attributeValue": value, **at}
    return csms("GetVariables", {"getVariableData": [at]}, {"getVariableResult": [told]})


_ANYWHERE = variable("NonEvseSpecific", "true")


class ReservedPlaces2x(Topic):
    """The rules about the places of reservations."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._refused: Known[int, Frame] = Known()  # by EVSE: the answer that refused to reserve it
        self._running: Known[int, set[str]] = Known()  # by reservation id: transactions that were already open
        self._reservations = self.station.topic(Reservations)
        self._evses = self.station.topic(Evses2x)
        self._configuration = self.station.topic(ConfigurationState)
        self._transactions = self.station.topic(Transactions2x)

    def _flag(self, component: str, variable: str) -> bool | None:
        said = (self._configuration.variable(component, variable) or "").lower()
        return said == "true" if said in ("true", "false") else None

    def _fits(self, evse: int, kind: str | None) -> bool:
        """Return whether an EVSE has a connector of this type, according to its variables; any EVSE fits None."""
        return kind is None or self._configuration.variable("Connector", "ConnectorType", evse) == kind

    def _available(self, kind: str | None) -> list[int]:
        """Return the EVSEs that are available and have a connector of this type; None means any type."""
        evses = sorted({evse for evse, _ in self._evses.connectors})
        return [n for n in evses if self._evses.status_of_evse(n) == {"Available"} and self._fits(n, kind)]

    def _anywhere(self, kind: str | None) -> list[Booking]:
        """Return the reservations without an EVSE for this connector type; None for those without a type."""
        booked = self._reservations.booked.values()
        return [one for one in booked if not one.place and string(one.accepted.request, "connectorType") == kind]

    @rule(
        "reservation.refused",
        result("ReserveNow"),
        title="A reservation without an EVSE is refused although an EVSE is available",
        severity=Severity.WARNING,
        spec="OCPP 2.x H01.FR.03, H01.FR.04, H01.FR.06, H01.FR.18",
        remedy="Answer Accepted while NonEvseSpecific is true and an EVSE (with this connector type) is available.",
        bad=script(_ANYWHERE, status_2x("Available"), reserve("Occupied")),
        good=script(_ANYWHERE, status_2x("Available"), reserve("Accepted")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def refused(self, frame: Frame) -> Faults:
        status, request = string(frame.payload, "status"), frame.request
        if status in (None, "Accepted") or integer(request, "evseId"):
            return None
        kind = string(request, "connectorType")
        left = self._available(kind)
        if self._flag("ReservationCtrlr", "NonEvseSpecific") is not True or len(left) <= len(self._anywhere(kind)):
            return None
        if self._flag("ReservationCtrlr", "Enabled") is False or self._transactions.open_on(left[0]):
            return None
        return Fault(f"{status} without an EVSE, but EVSE {left[0]} is Available", "/2/status", key=kind or "")

    @rule(
        "reservation.disabled",
        result("ReserveNow"),
        title="A reservation is not rejected although reservations are switched off",
        severity=Severity.WARNING,
        spec="OCPP 2.x H01.FR.01",
        remedy="Answer Rejected while ReservationCtrlr.Enabled is false.",
        bad=script(variable("Enabled", "false"), reserve(evseId=1)),
        good=script(variable("Enabled", "false"), reserve("Rejected", evseId=1)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def disabled(self, frame: Frame) -> Faults:
        status = string(frame.payload, "status")
        off = [name for name in ("Enabled", "Available") if self._flag("ReservationCtrlr", name) is False]
        if status in (None, "Rejected") or not off:
            return None
        return Fault(f"{status}, though ReservationCtrlr.{off[0]} is false; expected Rejected", "/2/status")

    @rule(
        "reservation.shown-refused",
        call("StatusNotification"),
        title="A connector is shown as reserved after its reservation was refused",
        severity=Severity.WARNING,
        spec="OCPP 2.x H01.FR.03",
        remedy="Answer Accepted when the EVSE is reserved.",
        bad=script(status_2x("Available"), reserve("Occupied", evseId=1), status_2x("Reserved")),
        good=script(status_2x("Available"), reserve("Accepted", evseId=1), status_2x("Reserved")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._refused,
    )
    def shown_refused(self, frame: Frame) -> Faults:
        place = integer(frame.payload, "evseId")
        answer = self._refused.get(place or 0)
        if answer is None or frame.payload.get("connectorStatus") != "Reserved" or self._reservations.booked:
            return None
        passed = (frame.mono_ns - answer.mono_ns) / 1e9
        if passed > self.settings.effect_timeout_s:
            return None
        text = f"EVSE {place} becomes Reserved, but its reservation was answered {answer.payload.get('status')}"
        return Fault(text, "/2/status", frame=answer, key=str(place))

    @rule(
        "reservation.all-shown",
        DEADLINE,
        title="EVSEs are not shown as reserved although as many are reserved as are available",
        severity=Severity.WARNING,
        spec="OCPP 2.x H01.FR.20, H01.FR.24",
        remedy="Report all connectors as Reserved once each available EVSE is needed for a reservation.",
        bad=script(_ANYWHERE, status_2x("Available"), reserve(), "+ 5m"),
        good=script(_ANYWHERE, status_2x("Available"), reserve(), status_2x("Reserved"), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def all_shown(self, moment: Moment, booking: Booking, kind: str | None) -> Faults:
        left, held = self._available(kind), self._anywhere(kind)
        if booking not in held or not left or len(left) > len(held) or self.session not in self.station.sessions:
            return None
        wait = since(booking.accepted, moment)
        text = f"{len(held)} reservations need {len(left)} available EVSEs, but {wait} later EVSE {left[0]} is "
        return Fault(text + "still Available", "/2/status", frame=booking.accepted, key=kind or "")

    @rule(
        "reservation.none-left",
        call("TransactionEvent"),
        title="No EVSE is left for a reservation, as other drivers charge on all of them",
        severity=Severity.ERROR,
        spec="OCPP 2.x H01.FR.07, H01.FR.09",
        remedy="Keep one EVSE (with the reserved connector type) free for each reservation until it is used.",
        bad=script(status_2x("Available"), reserve(), started(_CHARGING, idToken=_OTHER, answer=_TOLD)),
        good=script(
            status_2x("Available"),
            status_2x("Available", 2),
            reserve(),
            started(_CHARGING, idToken=_OTHER, answer=_TOLD),
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._reservations.booked,
    )
    def none_left(self, frame: Frame) -> Faults:
        event = self._transactions.event
        if event is None or event.info.get("chargingState") != "Charging" or event.offline:
            return None
        for one in self._reservations.booked.values():
            held = one.accepted.request
            if (
                one.place
                or "groupIdToken" in held
                or event.transaction.transaction_id in self._running.get(one.number, ())
            ):
                continue
            if event.token is None or same_token(event.token, member(held, "idToken")):
                continue
            kind = string(held, "connectorType")
            evses = [n for n in sorted({evse for evse, _ in self._evses.connectors}) if self._fits(n, kind)]
            free = [n for n in evses if n != event.transaction.evse and not self._transactions.open_on(n)]
            if event.transaction.evse in evses and not free:
                text = f"reservation {one.number} has no EVSE left: {event.transaction} has another token"
                return Fault(text, "/3/idToken", key=str(one.number))
        return None

    @track(result("ReserveNow"))
    def reserved(self, frame: Frame) -> None:
        number, evse = integer(frame.request, "id"), integer(frame.request, "evseId")
        if frame.payload.get("status") != "Accepted":
            if evse is not None and self._evses.status_of_evse(evse) == {"Available"}:
                self._refused.note(evse, frame)
                self.station.refresh_listeners()
            return
        booking = self._reservations.booked.get(number if number is not None else -1)
        if booking is None or evse:
            return
        self._running.note(booking.number, {one.transaction_id for one in self._transactions.open_transactions()})
        kind = string(frame.request, "connectorType")
        self.station.deadline(
            frame, self.settings.effect_timeout_s, self.all_shown, booking, kind, at_close=AtClose.LATE
        )


def same_token(one: Payload, other: Payload) -> bool:
    """Return whether two tokens are equal, except for upper and lower case."""
    name = string(one, "idToken")
    return name is not None and name.lower() == (string(other, "idToken") or "").lower()
