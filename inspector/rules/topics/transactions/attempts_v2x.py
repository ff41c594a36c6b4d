"""Judge how a 2.x station repeats refused TransactionEvents, and whether it reports its queue correctly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import duration
from inspector.rules.fields import integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise
from inspector.rules.rule import ASIDE, DEADLINE, V2X, Faults, Topic, aside, call, refusal, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import Payload, csms, script, transaction_event

type Sent = tuple[str, int | None, str | None]
"""The identity of an event, which stays the same if it is sent again: (transaction id, seqNo, kind)."""
ANY = ""
"""Used in place of a transaction id for events of any transaction."""


@dataclass(slots=True, eq=False)
class Attempts:
    """How often an event was sent and refused, and the last refusal."""

    sent: int
    refused: int
    last: Frame


def _names(payload: Payload) -> Sent:
    return (
        string(member(payload, "transactionInfo"), "transactionId") or "",
        integer(payload, "seqNo"),
        string(payload, "eventType"),
    )


def _set(attempts: int, interval: int) -> str:
    given = []
    for name, value in (("MessageAttempts", attempts), ("MessageAttemptInterval", interval)):
        at = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": name, "instance": "TransactionEvent"}}
        given.append({"attributeValue": str(value), **at})
    asked = [{"component": one["component"], "variable": one["variable"]} for one in given]
    told = [{"attributeStatus": "Accepted", **one} for one in given]
    return csms("GetVariables", {"getVariableData": asked}, {"getVariableResult": told})


_REFUSED = transaction_event("Updated", "MeterValuePeriodic", 1).replace('[3,"#",{}]', '[4,"#","InternalError","",{}]')
_TAKEN = transaction_event("Updated", "MeterValuePeriodic", 1)
_OFFLINE = transaction_event("Updated", "MeterValuePeriodic", 1, offline=True)


def _asked(queue: bool, **named: str) -> str:
    ongoing = {"ongoingIndicator": True} if named else {}
    return csms("GetTransactionStatus", dict(named), {**ongoing, "messagesInQueue": queue})


class Attempts2x(Topic):
    """The rules about refused events and the queue."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._attempts: Known[Sent, Attempts] = Known()
        self._empty: Known[str, tuple[Frame, int]] = Known()  # answers that the queue is empty, by transaction id
        self._transactions = self.station.topic(Transactions2x)
        self._configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)

    def _most(self) -> int | None:
        return self._configuration.variable_number("OCPPCommCtrlr", "MessageAttempts", "TransactionEvent")

    def _interval(self) -> int | None:
        return self._configuration.variable_number("OCPPCommCtrlr", "MessageAttemptInterval", "TransactionEvent")

    @track(refusal("TransactionEvent"))
    def refused(self, frame: Frame) -> None:
        name = _names(frame.request)
        one = self._attempts.get(name)
        if one is None:
            if not self._attempts:
                self.station.refresh_listeners()
            one = Attempts(1, 0, frame)
        one.refused, one.last = one.refused + 1, frame
        self._attempts.note(name, one)
        most, interval = self._most(), self._interval()
        if most is not None and interval is not None and one.refused < most:
            wait = interval * one.refused + self.settings.answer_timeout_s
            self.station.deadline(frame, wait, self.not_repeated, name, one.refused, frame, wait)

    @rule(
        "transaction-event.repeated",
        call("TransactionEvent"),
        title="A refused event is sent again too soon, or more often than configured",
        severity=Severity.WARNING,
        spec="OCPP 2.x E13.FR.03, E13.FR.04",
        remedy="Wait MessageAttemptInterval times the number of attempts so far. After MessageAttempts attempts "
        "discard the message.",
        bad=script(_set(3, 60), _REFUSED, _TAKEN),
        good=script(_set(3, 60), _REFUSED, "+ 61s", _TAKEN),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._attempts and not topic._empty,
    )
    def repeated(self, frame: Frame) -> Faults:
        event = self._transactions.event
        if event is None:
            return None
        late = aside(self.queue_denied, frame) if self._empty else None
        one = self._attempts.get(_names(frame.payload))
        if one is None:
            return late
        one.sent += 1
        most, interval = self._most(), self._interval()
        if most is not None and one.refused >= most > 0:
            text = f"{one.refused} attempts were refused, and MessageAttempts is {most}: expected no further one"
            return Fault(text, "/3/seqNo", key=event.transaction.transaction_id)
        passed = (frame.mono_ns - one.last.mono_ns) / 1e9
        if interval is not None and passed + 1 < interval * one.refused:
            text = f"sent again after {duration(passed)}; MessageAttemptInterval × {one.refused} is "
            return Fault(text + duration(interval * one.refused), "/3/seqNo", key=event.transaction.transaction_id)
        return late

    @rule(
        "transaction-event.not-repeated",
        DEADLINE,
        title="A refused event is not sent again",
        severity=Severity.WARNING,
        spec="OCPP 2.x E13.FR.02",
        remedy="Send a refused TransactionEvent again until it was sent MessageAttempts times.",
        bad=script(_set(3, 60), _REFUSED, "+ 5m"),
        good=script(_set(3, 60), _REFUSED, "+ 61s", _TAKEN, "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_repeated(self, moment: Moment, name: Sent, refused: int, frame: Frame, wait: float) -> Faults:
        one = self._attempts.get(name)
        if one is None or one.sent > refused or self.session not in self.station.sessions:
            return None
        if self._evidence.opened_ns is not None and self._evidence.opened_ns > frame.ts_ns:
            return None  # there was a reconnect, and the event may have been sent again without being recorded
        return Fault(f"seqNo {name[1]} was refused, and not sent again within {duration(wait)}", frame=frame.call)

    @rule(
        "transaction-event.queue-denied",
        ASIDE,
        title="The station says that it has no events in its queue, but sends one that waited",
        severity=Severity.WARNING,
        spec="OCPP 2.x E14.FR.04, E14.FR.07",
        remedy="Answer GetTransactionStatus with messagesInQueue true while events wait.",
        bad=script(_asked(False, transactionId="t1"), _OFFLINE),
        good=script(_asked(True, transactionId="t1"), _OFFLINE),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def queue_denied(self, frame: Frame) -> Fault | None:
        event = self._transactions.event
        for name in (event.transaction.transaction_id, ANY) if event is not None else ():
            answer, connection = self._empty.get(name, (None, 0))
            if event is None or answer is None or connection != self._evidence.connections:
                continue
            happened = seconds(event.timestamp) if self._evidence.timed else None
            asked_s = (answer.call or answer).ts_ns / 1e9
            if event.offline or (happened is not None and happened < asked_s - self.settings.clock_skew_s):
                text = f"messagesInQueue is false, but an event of {event.timestamp} of {event.transaction} followed"
                return Fault(text, "/2/messagesInQueue", frame=answer, key=name)
        return None

    @track(result("GetTransactionStatus"))
    def queue_told(self, frame: Frame) -> None:
        name = string(frame.request, "transactionId") or ANY
        if frame.payload.get("messagesInQueue") is False:
            if not self._empty:
                self.station.refresh_listeners()
            self._empty.note(name, (frame, self._evidence.connections))
        else:
            self._empty.pop(name, None)

    queue_claimed = Promise(
        "transaction-event.queue-claimed",
        "GetTransactionStatus",
        promised=lambda topic, frame: topic.claims(frame),
        kept_by=call("TransactionEvent"),
        keeps=lambda topic, frame: topic.sent_of(frame),
        at_close=AtClose.LATE,
        text="messagesInQueue is true, but no event followed within {wait}",
        title="The station says that events are in its queue, but sends none",
        severity=Severity.WARNING,
        spec="OCPP 2.x E14.FR.05, E14.FR.08",
        remedy="Answer messagesInQueue false when no event is left to be delivered.",
        bad=script(_asked(True, transactionId="t1"), "+ 5m"),
        good=script(_asked(False, transactionId="t1"), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )

    def claims(self, frame: Frame) -> str | None:
        """Return the transaction (or ANY) whose events wait in the queue according to this answer.

        Return None if none waits, or if a CALL is unanswered, which may be the event in question.
        """
        if frame.payload.get("messagesInQueue") is not True or not self._evidence.has_sent_all(self.session):
            return None
        return string(frame.request, "transactionId") or ANY

    def sent_of(self, frame: Frame) -> Any:
        """Return the keys that this event satisfies: ANY, and the id of its transaction."""
        return [ANY, _names(frame.payload)[0]]
