"""Judge how a 2.x station handles a reset: end transactions, report their end, keep reservations."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import since
from inspector.rules.fields import integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.device_model import DeviceModel, Name
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transaction2x, Transactions2x
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.example_frames import (
    NOW,
    Payload,
    cp,
    csms,
    entry_2x,
    inventory_2x,
    script,
    started,
    status_2x,
    transaction_event,
)

BY_RESET = frozenset({"RemoteReset", "ScheduledReset"})
_ON_IDLE = csms("Reset", {"type": "OnIdle"}, {"status": "Scheduled"})
_ONE_EVSE = csms("Reset", {"type": "Immediate", "evseId": 1})
_IMMEDIATE = csms("Reset", {"type": "Immediate"})
_CUT: Payload = {"stoppedReason": "ImmediateReset"}
_ENDED = transaction_event("Ended", "ResetCommand", 1, _CUT)
_LEFT = transaction_event("Ended", "EVDeparted", 1, {"stoppedReason": "EVDisconnected"})
_UNANSWERED = _ENDED.partition("\n")[0].replace('"#"', '"end"') + "\n"
_RESERVED = csms(
    "ReserveNow",
    {"id": 5, "evseId": 1, "expiryDateTime": "2026-01-01T18:00:00Z", "idToken": {"idToken": "T", "type": "Central"}},
)
_EVSE: Payload = {"name": "EVSE", "evse": {"id": 1}}


def boot_2x(reason: str) -> str:
    """Return a BootNotification and its answer Accepted; `script` sets the message id."""
    station = {"model": "M", "vendorName": "V"}
    answer = {"status": "Accepted", "currentTime": NOW, "interval": 86400}
    return cp("BootNotification", {"reason": reason, "chargingStation": station}, answer)


_AGAIN = ("close", 'open {"from_start": true}', boot_2x("RemoteReset"), status_2x("Available"))


def _transaction_on_evse(topic: ResetEnds2x, frame: Frame) -> str | None:
    evse = integer(frame.request, "evseId")
    if evse is None or frame.request.get("type") != "Immediate" or frame.payload.get("status") != "Accepted":
        return None
    here = topic.evidence.connections
    return next((one.transaction_id for one in topic.transactions.open_on(evse) if one.connection == here), None)


def _ended(topic: ResetEnds2x, frame: Frame) -> str | None:
    ended = frame.payload.get("eventType") == "Ended"
    return string(member(frame.payload, "transactionInfo"), "transactionId") if ended else None


class ResetEnds2x(Topic):
    """The rules about open transactions and reservations at a reset."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self.transactions = self.station.topic(Transactions2x)
        self.evidence = self.station.topic(Observation)
        self._model = self.station.topic(DeviceModel)
        self._waiting: list[Transaction2x] = []  # the open transactions that a scheduled reset must wait for
        self._unsent: Known[str, int | None] = Known()  # by transaction id: Ended events of a reset without an answer
        self._reset = False  # whether an immediate reset was accepted and no boot has come since
        self._reserved: Known[int, tuple[int, float | None]] = Known()  # EVSE and expiry, by reservation id
        self._to_show: set[int] = set()  # EVSEs that must be Reserved after the boot

    @rule(
        "reset.transaction-cut",
        DEADLINE,
        call("TransactionEvent"),
        title="A reset that should wait for the end of a transaction cuts it off",
        severity=Severity.ERROR,
        spec="OCPP 2.x B12.FR.03, B12.FR.07",
        remedy="After Reset(OnIdle) wait until each transaction has ended as usual, then restart.",
        bad=script(started(), _ON_IDLE, transaction_event("Ended", "ResetCommand", 1, _CUT)),
        good=script(
            started(), _ON_IDLE, transaction_event("Ended", "EVDeparted", 1, {"stoppedReason": "EVDisconnected"})
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._waiting,
    )
    def transaction_cut(
        self, given: Frame | Moment, one: Transaction2x | None = None, boot: Frame | None = None
    ) -> Faults:
        if isinstance(given, Moment):
            if one is None or not one.open:
                return None
            return Fault(
                f"{one} has not ended, but the station has restarted", "/3", frame=boot, key=one.transaction_id
            )
        event = self.transactions.event
        if event is None or event.kind != "Ended" or event.transaction not in self._waiting:
            return None
        self._waiting.remove(event.transaction)
        if not self._waiting:
            self.station.refresh_listeners()
        if event.trigger != "ResetCommand" and event.info.get("stoppedReason") != "ImmediateReset":
            return None
        return Fault(f"{event.transaction} is ended by Reset(OnIdle)", "/3", key=event.transaction.transaction_id)

    @track(result("Reset"))
    def answered(self, frame: Frame) -> None:
        status, kind, evse = (frame.payload.get("status"), frame.request.get("type"), integer(frame.request, "evseId"))
        if status not in ("Accepted", "Scheduled"):
            return
        if kind == "OnIdle":
            running = self.transactions.open_transactions() if evse is None else self.transactions.open_on(evse)
            self._waiting = [one for one in running if one.connection == self.evidence.connections][:100]
        else:
            self._waiting = []
            self._reset = self._reset or evse is None
        self.station.refresh_listeners()

    evse_transaction_open = Promise(
        "reset.evse-transaction-open",
        "Reset",
        promised=_transaction_on_evse,
        kept_by=call("TransactionEvent"),
        keeps=_ended,
        at_close=AtClose.LATE,
        text="the reset of the EVSE was accepted, but transaction {key} has not ended within {wait}",
        title="An EVSE is reset without ending its transaction",
        severity=Severity.WARNING,
        spec="OCPP 2.x B12.FR.08",
        remedy="End the transaction with ResetCommand and ImmediateReset before you reset the EVSE.",
        bad=script(started(), _ONE_EVSE, "+ 5m"),
        good=script(started(), _ONE_EVSE, _ENDED, "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )

    @rule(
        "reset.event-not-resent",
        DEADLINE,
        title="The end of a transaction is not sent again after a reset, although nobody had answered it",
        severity=Severity.WARNING,
        spec="OCPP 2.x B12.FR.05",
        remedy="Keep the TransactionEvent that has no answer, and send it again after the restart.",
        bad=script(started(), _IMMEDIATE, _UNANSWERED, *_AGAIN, "+ 5m"),
        good=script(started(), _IMMEDIATE, _UNANSWERED, *_AGAIN, _ENDED, "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_resent(self, moment: Moment, name: str, boot: Frame, connections: int) -> Faults:
        if name not in self._unsent or self.evidence.connections != connections:
            return None
        if self.session not in self.station.sessions:
            return None
        del self._unsent[name]
        wait = since(boot, moment)
        text = f"the end of transaction {name[:36]} was never answered, and is not sent again within {wait}"
        return Fault(text, frame=boot, key=name[:36])

    @track(call("TransactionEvent"), dormant=lambda topic: not topic._reset and not topic._unsent)
    def event(self, frame: Frame) -> None:
        name = _ended(self, frame)
        if name is not None and self._reset and frame.payload.get("triggerReason") == "ResetCommand":
            self._unsent.note(name, frame.frame_id)
        elif name is not None:
            self._unsent.pop(name, None)

    @track(result("TransactionEvent"), dormant=lambda topic: not topic._unsent)
    def event_answered(self, frame: Frame) -> None:
        self._unsent.pop(string(member(frame.request, "transactionInfo"), "transactionId") or "", None)

    @rule(
        "reset.evse-not-allowed",
        result("Reset"),
        title="The reset of an EVSE that cannot be reset alone is accepted",
        severity=Severity.WARNING,
        spec="OCPP 2.x B11.FR.09, B12.FR.09",
        remedy="Answer Rejected to a Reset with evseId while AllowReset of the EVSE is false.",
        bad=script(inventory_2x(entry_2x(_EVSE, "AllowReset", "false")), _ONE_EVSE),
        good=script(inventory_2x(entry_2x(_EVSE, "AllowReset", "true")), _ONE_EVSE),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def evse_not_allowed(self, frame: Frame) -> Faults:
        evse = integer(frame.request, "evseId")
        if evse is None or frame.payload.get("status") not in ("Accepted", "Scheduled"):
            return None
        known = self._model.variables.get(Name("evse", "", evse, None, "allowreset", ""))
        if known is None or (known.value or "").lower() != "false":
            return None
        return Fault(f"the reset of EVSE {evse} is accepted, though its AllowReset is false", "/2/status")

    @rule(
        "reset.reservation-lost",
        call("StatusNotification"),
        title="A reserved EVSE is available after a restart",
        severity=Severity.WARNING,
        spec="OCPP 2.x B11.FR.05, B01.FR.13",
        remedy="Keep reservations over a restart, and report the EVSE as Reserved again.",
        bad=script(_RESERVED, status_2x("Reserved"), boot_2x("RemoteReset"), status_2x("Available")),
        good=script(_RESERVED, status_2x("Reserved"), boot_2x("RemoteReset"), status_2x("Reserved")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._to_show,
    )
    def reservation_lost(self, frame: Frame) -> Faults:
        evse, status = integer(frame.payload, "evseId"), frame.payload.get("connectorStatus")
        if evse not in self._to_show:
            return None
        self._to_show.discard(evse)
        if not self._to_show:
            self.station.refresh_listeners()
        if status != "Available" or evse not in self._places(frame):
            return None
        return Fault(f"EVSE {evse} was reserved before the restart, and is available after it", "/3/connectorStatus")

    def _places(self, frame: Frame) -> set[int]:
        """Return the EVSEs whose reservation has not expired."""
        now = frame.ts_ns / 1e9 + self.settings.clock_skew_s
        known = self._reserved.values()
        return {evse for evse, until in known if until is not None and self.evidence.timed and until > now}

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        here = self.evidence.connections
        if string(frame.payload, "reason") in BY_RESET:
            for one in self._waiting:
                self.station.deadline(
                    frame, self.settings.effect_timeout_s, self.transaction_cut, one, frame, at_close=AtClose.LATE
                )
        for name in self._unsent:
            wait = self.settings.effect_timeout_s
            self.station.deadline(frame, wait, self.not_resent, name, frame, here, at_close=AtClose.LATE)
        self._waiting, self._reset = [], False
        if self._reserved:
            evses = self.station.topic(Evses2x)
            shown = {evse for evse in self._places(frame) if "Reserved" in evses.status_of_evse(evse)}
            self._to_show = shown
        self.station.refresh_listeners()

    @track(result("ReserveNow"))
    def reserved(self, frame: Frame) -> None:
        number, evse = integer(frame.request, "id"), integer(frame.request, "evseId")
        if number is not None and evse is not None and frame.payload.get("status") == "Accepted":
            self._reserved.note(number, (evse, seconds(string(frame.request, "expiryDateTime"))))

    @track(call("ReservationStatusUpdate", "CancelReservation"))
    def unreserved(self, frame: Frame) -> None:
        self._reserved.pop(integer(frame.payload, "reservationId") or 0, None)

    @track(call("TransactionEvent"), dormant=lambda topic: not topic._reserved)
    def used(self, frame: Frame) -> None:
        if "reservationId" in frame.payload:
            self._reserved.pop(integer(frame.payload, "reservationId") or 0, None)
