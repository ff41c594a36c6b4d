"""Judge how a 2.x station reacts to requests about transactions: remote start, remote stop, GetTransactionStatus."""

from __future__ import annotations

from typing import NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.fields import integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Event, Transaction2x, Transactions2x

REMOTE_STARTS_LIMIT = 100
REMOTE_START_AGE_S = 60.0
"""A transaction that starts later than this after a remote start is not its effect: the driver has not plugged in.

It is used if EVConnectionTimeOut is not known.
"""

_BOOT = """open {"from_start": true}
> [2,"b","BootNotification",{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}]
< [3,"b",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":86400}]
"""
_START_REQUEST = (
    '< [2,"r","RequestStartTransaction",{"remoteStartId":5,"evseId":1,"idToken":{"idToken":"T","type":"Central"}}]\n'
    '> [3,"r",{"status":"Accepted"}]\n'
)
_STARTED = (
    '> [2,"e","TransactionEvent",{"eventType":"Started","timestamp":"2026-01-01T12:00:10Z","triggerReason":"%s",'
    '"seqNo":0,"evse":{"id":1,"connectorId":1},"transactionInfo":{"transactionId":"t1","chargingState":"Idle"%s}}]\n'
)
_STOP_REQUEST = """< [2,"x","RequestStopTransaction",{"transactionId":"%s"}]
> [3,"x",{"status":"%s"}]
+ 5m
"""


class RemoteStart(NamedTuple):
    """An accepted RequestStartTransaction without an event yet; `transaction` is the transaction id in its answer."""

    remote_start_id: int
    evse: int | None
    token: str | None
    transaction: str | None
    accepted_ns: int


class TransactionRequests2x(Topic):
    """The rules about RequestStartTransaction, RequestStopTransaction and GetTransactionStatus.

    Attributes:
        remote_starts: the accepted remote starts that have had no effect yet, by remoteStartId, oldest first.
    """

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self.remote_starts: dict[int, RemoteStart] = {}
        self._known = self.station.topic(Transactions2x)
        self._configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)

    @rule(
        "transaction-event.remote-start",
        call("TransactionEvent"),
        title="The first event after a remote start does not refer to it",
        severity=Severity.ERROR,
        spec="OCPP 2.x C05.FR.03, F01.FR.19, F01.FR.25, F02.FR.01 and F02.FR.21",
        remedy="Set triggerReason RemoteStart and the remoteStartId of the request in the next event.",
        bad=_START_REQUEST + _STARTED % ("CablePluggedIn", ""),
        good=_START_REQUEST + _STARTED % ("RemoteStart", ',"remoteStartId":5'),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def remote_start(self, frame: Frame) -> Faults:
        event = self._known.event
        if not self.remote_starts or event is None or event.offline or event.repeated:
            return None
        request = self._meant(event, frame)
        if request is None:
            return None
        del self.remote_starts[request.remote_start_id]
        number = integer(event.info, "remoteStartId")
        lacking = []
        if event.trigger != "RemoteStart":
            lacking.append(f"triggerReason is {event.trigger}, not RemoteStart")
        if number != request.remote_start_id:
            lacking.append(f"remoteStartId is {number if number is not None else 'missing'}")
        if not lacking:
            return None
        text = f"the first event after remote start {request.remote_start_id}: {' and '.join(lacking)}"
        return Fault(text, "/3", key=str(request.remote_start_id))

    def _meant(self, event: Event, frame: Frame) -> RemoteStart | None:
        """Return the accepted remote start whose first event this is; None if there is none."""
        named = integer(event.info, "remoteStartId")
        if named is not None and named in self.remote_starts:
            return self.remote_starts[named]
        token = string(event.token, "idToken") if event.token is not None else None
        happened = seconds(event.timestamp) if self._evidence.timed else None
        age_s = self._configuration.variable_number("TxCtrlr", "EVConnectionTimeOut") or REMOTE_START_AGE_S
        for request in self.remote_starts.values():
            if happened is not None and happened * 1e9 < request.accepted_ns:
                continue  # the event may have been sent before the request arrived
            if frame.ts_ns - request.accepted_ns > age_s * 1e9:
                continue
            if request.transaction is not None:
                if request.transaction == event.transaction.transaction_id:
                    return request
            elif token is not None:
                if token == request.token:
                    return request
            elif event.kind == "Started" and request.evse is not None and request.evse == event.evse:
                return request
        return None

    @rule(
        "transaction-event.stop-answer",
        DEADLINE,
        title="The answer to RequestStopTransaction contradicts the transaction",
        severity=Severity.ERROR,
        spec="OCPP 2.x F03.FR.07 and F03.FR.08",
        remedy="Answer Accepted for an active transaction, Rejected for any other.",
        bad=_BOOT + _STARTED % ("CablePluggedIn", "") + _STOP_REQUEST % ("t1", "Rejected"),
        good=_BOOT + _STARTED % ("CablePluggedIn", "") + _STOP_REQUEST % ("t1", "Accepted"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def stop_answer(self, moment: Moment, name: str, before: Transaction2x | None, frame: Frame) -> Faults:
        transaction = self._known.by_id.get(name)
        if frame.payload.get("status") == "Accepted":
            if before is not None and frame.call is not None:
                ended = before.ended_ns is not None and before.ended_ns < frame.call.mono_ns
                text = f"the stop of {before} is accepted, although it had ended"
                return Fault(text, "/2/status", frame=frame, key=name) if ended else None
            if transaction is not None or self._evidence.seen_since is None or self._known.unseen:
                return None
            text = f"the stop of {name[:36]!r} is accepted, but there is no such transaction"
            return Fault(text, "/2/status", frame=frame, key=name)
        if before is None or transaction is not before:
            return None
        if before.ended is not None:
            ended_s = seconds(before.ended[1])
            if ended_s is None or not self._evidence.timed or ended_s <= frame.ts_ns / 1e9 + 1:
                return None  # the transaction had ended; its Ended event came after this answer
        return Fault(f"the stop of {before} is rejected, although it is active", "/2/status", frame=frame, key=name)

    @rule(
        "transaction-event.ongoing-unasked",
        result("GetTransactionStatus"),
        title="ongoingIndicator is sent although the request names no transaction",
        severity=Severity.ERROR,
        spec="OCPP 2.x E14.FR.06",
        remedy="Leave out ongoingIndicator when the request has no transactionId.",
        bad='< [2,"q","GetTransactionStatus",{}]\n> [3,"q",{"ongoingIndicator":true,"messagesInQueue":false}]',
        good='< [2,"q","GetTransactionStatus",{"transactionId":"t1"}]\n'
        '> [3,"q",{"ongoingIndicator":true,"messagesInQueue":false}]',
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def ongoing_unasked(self, frame: Frame) -> Faults:
        if "transactionId" in frame.request or "ongoingIndicator" not in frame.payload:
            return None
        return Fault("ongoingIndicator is sent, but the request names no transaction", "/2/ongoingIndicator")

    @track(result("RequestStartTransaction"))
    def start_accepted(self, frame: Frame) -> None:
        request = frame.request
        number = integer(request, "remoteStartId")
        if number is None or frame.payload.get("status") != "Accepted":
            return
        self.remote_starts[number] = RemoteStart(
            number,
            integer(request, "evseId"),
            string(member(request, "idToken"), "idToken"),
            string(frame.payload, "transactionId"),
            frame.ts_ns,
        )
        if len(self.remote_starts) > REMOTE_STARTS_LIMIT:
            del self.remote_starts[next(iter(self.remote_starts))]

    @track(result("RequestStopTransaction"))
    def stop_answered(self, frame: Frame) -> None:
        name = string(frame.request, "transactionId")
        status = frame.payload.get("status")
        if name is None or status not in ("Accepted", "Rejected"):
            return
        known = self._known.by_id.get(name)
        if status == "Rejected" and (known is None or known.ended is not None):
            return
        if status == "Accepted" and known is not None and known.ended is None:
            return
        wait = self.settings.answer_timeout_s
        self.station.deadline(frame, wait, self.stop_answer, name, known, frame, at_close=AtClose.JUDGED)
