"""Judge whether an accepted remote start or stop has an effect."""

from __future__ import annotations

from dataclasses import dataclass

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.context import AtClose, Moment, SessionContext
from inspector.rules.durations import since
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import DEADLINE, V2X, V16, Faults, Topic, call, refusal, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.state.transactions_v16 import Transactions16
from inspector.rules.topics.availability.evses_v2x import Evses2x

REQUESTS_LIMIT = 100
"""The effects of so many remote starts, and as many remote stops, are awaited; beyond that, the oldest is forgotten."""

_START = {
    "1.6": '< [2,"r","RemoteStartTransaction",{"connectorId":1,"idTag":"T"}]\n> [3,"r",{"status":"Accepted"}]\n',
    "2x": '< [2,"r","RequestStartTransaction",{"remoteStartId":5,"evseId":1,"idToken":{"idToken":"T",'
    '"type":"Central"}}]\n> [3,"r",{"status":"Accepted"}]\n',
}
_AUTHORIZE = {
    "1.6": '> [2,"a","Authorize",{"idTag":"T"}]\n< [3,"a",{"idTagInfo":{"status":"Blocked"}}]\n',
    "2x": '> [2,"a","Authorize",{"idToken":{"idToken":"T","type":"Central"}}]\n'
    '< [3,"a",{"idTokenInfo":{"status":"Blocked"}}]\n',
}
_STOP = {
    "1.6": '< [2,"x","RemoteStopTransaction",{"transactionId":7}]\n> [3,"x",{"status":"Accepted"}]\n',
    "2x": '< [2,"x","RequestStopTransaction",{"transactionId":"t1"}]\n> [3,"x",{"status":"Accepted"}]\n',
}
_STOPPED = {
    "1.6": '> [2,"s","StopTransaction",{"transactionId":7,"meterStop":1,"timestamp":"2026-01-01T12:00:00Z",'
    '"reason":"Remote"}]\n< [3,"s",{}]\n',
    "2x": '> [2,"s","TransactionEvent",{"eventType":"Ended","timestamp":"2026-01-01T12:00:00Z","triggerReason":'
    '"RemoteStop","seqNo":5,"transactionInfo":{"transactionId":"t1","stoppedReason":"Remote"}}]\n< [3,"s",{}]\n',
}


@dataclass(slots=True, eq=False)
class RemoteStart:
    """A remote start; `place` is its connector (1.6) or EVSE (2.x), None for any."""

    session: SessionContext
    place: int | None
    token: str | None
    number: int | None  # remoteStartId
    showed: bool = False  # whether an effect was seen


class RemoteControl(Topic):
    """The rules about the effects of remote starts and stops."""

    scope = "station"

    def setup(self) -> None:
        self._starts: dict[int, RemoteStart] = {}  # by the frame id of the CALL
        self._stops: dict[int | str, SessionContext] = {}  # the session of each remote stop, by transaction id
        self._configuration = self.station.topic(ConfigurationState)

    @track(call("RemoteStartTransaction", "RequestStartTransaction"))
    def start_asked(self, frame: Frame) -> None:
        payload = frame.payload
        if self.session.version is OcppVersion.V16:
            one = RemoteStart(self.session, integer(payload, "connectorId"), string(payload, "idTag"), None)
        else:
            token = string(member(payload, "idToken"), "idToken")
            one = RemoteStart(self.session, integer(payload, "evseId"), token, integer(payload, "remoteStartId"))
        self._starts[frame.frame_id] = one
        if len(self._starts) > REQUESTS_LIMIT:
            del self._starts[next(iter(self._starts))]

    @track(result("RemoteStartTransaction", "RequestStartTransaction"))
    def start_answered(self, frame: Frame) -> None:
        asked = frame.call.frame_id if frame.call is not None else -1
        one = self._starts.get(asked)
        if one is None:
            return
        if frame.payload.get("status") != "Accepted":
            del self._starts[asked]
            return
        known = self._configuration
        plug_in_s = known.number("ConnectionTimeOut") or known.variable_number("TxCtrlr", "EVConnectionTimeOut") or 0
        wait = max(self.settings.effect_timeout_s, plug_in_s)
        occupied = self.station.topic(Evses2x).status_of_evse(one.place or 0) == {"Occupied"}
        now = occupied or "Authorized" in (known.variable("TxCtrlr", "TxStartPoint") or "")
        ends = AtClose.LATE if now and self.session.version is not OcppVersion.V16 else AtClose.WAITS
        self.station.deadline(frame, wait, self.no_start, asked, frame, at_close=ends)

    @track(refusal("RemoteStartTransaction", "RequestStartTransaction"))
    def start_refused(self, frame: Frame) -> None:
        if frame.call is not None:
            self._starts.pop(frame.call.frame_id, None)

    @track(call("Authorize", "StartTransaction", "StatusNotification"), versions=V16)
    def seen_16(self, frame: Frame) -> None:
        if self._starts:
            self._show(integer(frame.payload, "connectorId"), string(frame.payload, "idTag"), None)

    @track(call("Authorize", "TransactionEvent", "StatusNotification", "NotifyEvent"), versions=V2X)
    def seen_2x(self, frame: Frame) -> None:
        if not self._starts:
            return
        payload = frame.payload
        token = string(member(payload, "idToken"), "idToken")
        number = integer(member(payload, "transactionInfo"), "remoteStartId")
        evse = integer(payload, "evseId")
        self._show(evse if evse is not None else integer(member(payload, "evse"), "id"), token, number)
        for entry in elements(payload, "eventData"):
            self._show(integer(member(member(entry, "component"), "evse"), "id"), None, None)

    def _show(self, place: int | None, token: str | None, number: int | None) -> None:
        for one in self._starts.values():
            same_token = token is not None and one.token is not None and token.lower() == one.token.lower()
            here = place is not None and place > 0 and one.place in (None, 0, place)
            if here or same_token or (number is not None and number == one.number):
                one.showed = True

    @rule(
        "remote.no-start",
        DEADLINE,
        title="An accepted remote start has no effect",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §5.11; 2.x F01.FR.01 to F01.FR.03, F02.FR.09 to F02.FR.11",
        remedy="Authorize or start the transaction after accepting, or answer Rejected.",
        bad={version: script + "+ 5m" for version, script in _START.items()},
        good={version: script + _AUTHORIZE[version] + "+ 5m" for version, script in _START.items()},
        side=Side.CHARGE_POINT,
    )
    def no_start(self, moment: Moment, asked: int, frame: Frame) -> Faults:
        one = self._starts.pop(asked, None)
        if one is None or one.showed or one.session not in self.station.sessions:
            return None
        text = (
            f"the remote start was accepted, but no authorization, status or transaction followed within "
            f"{since(frame, moment)}"
        )
        return Fault(text, "/2/status", frame=frame)

    @track(result("RemoteStopTransaction", "RequestStopTransaction"))
    def stop_answered(self, frame: Frame) -> None:
        name = frame.request.get("transactionId")
        if type(name) not in (int, str) or frame.payload.get("status") != "Accepted" or self._ended(name):
            return
        self._stops[name] = self.session
        if len(self._stops) > REQUESTS_LIMIT:
            del self._stops[next(iter(self._stops))]
        self.station.deadline(frame, self.settings.effect_timeout_s, self.no_stop, name, frame, at_close=AtClose.LATE)

    def _ended(self, name: int | str) -> bool:
        if type(name) is int:
            known = self.station.topic(Transactions16).by_id.get(name)
            return known is not None and not known.open
        transaction = self.station.topic(Transactions2x).by_id.get(str(name))
        return transaction is not None and not transaction.open

    @track(call("StopTransaction"), versions=V16)
    def stopped(self, frame: Frame) -> None:
        number = integer(frame.payload, "transactionId")
        if number is not None:
            self._stops.pop(number, None)

    @track(call("TransactionEvent"), versions=V2X, plain=False)
    def stopped_2x(self, frame: Frame) -> None:
        if self._stops and (
            frame.payload.get("eventType") == "Ended" or frame.payload.get("triggerReason") == "RemoteStop"
        ):
            self._stops.pop(string(member(frame.payload, "transactionInfo"), "transactionId") or "", None)

    @rule(
        "remote.no-stop",
        DEADLINE,
        title="An accepted remote stop has no effect",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §5.12; 2.x F03.FR.02, F03.FR.03, F04.FR.02, F04.FR.03, I03.FR.01",
        remedy="Stop the transaction after accepting and report it, or answer Rejected.",
        bad={version: script + "+ 5m" for version, script in _STOP.items()},
        good={version: script + _STOPPED[version] + "+ 5m" for version, script in _STOP.items()},
        side=Side.CHARGE_POINT,
    )
    def no_stop(self, moment: Moment, name: int | str, frame: Frame) -> Faults:
        session = self._stops.pop(name, None)
        if session is None or session not in self.station.sessions:
            return None
        wait = since(frame, moment)
        text = f"the stop of transaction {str(name)[:36]} was accepted, but it has not ended within {wait}"
        return Fault(text, "/2/status", frame=frame, key=str(name)[:36])
