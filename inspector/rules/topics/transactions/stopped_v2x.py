"""Judge whether a 2.x transaction charges after the driver or the CSMS has stopped it."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import seconds
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, Faults, Topic, call, rule, track
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import Payload, script, started, transaction_event
from inspector.rules.topics.transactions.deauthorization_v2x import Deauthorization2x

_TOKEN = {"idToken": "T", "type": "ISO14443"}
_TOLD = {"idTokenInfo": {"status": "Accepted"}}
_STARTED = started({"chargingState": "Charging"}, idToken=_TOKEN, answer=_TOLD)
_STOPPED = transaction_event(
    "Updated", "StopAuthorized", 1, {"chargingState": "EVConnected"}, idToken=_TOKEN, answer=_TOLD
)


def _again(sequence: int = 2, trigger: str = "ChargingStateChanged", **more: Payload) -> str:
    return transaction_event("Updated", trigger, sequence, {"chargingState": "Charging"}, **more)


STOPS_S = 30.0
"""A station stops charging within so many seconds."""


class Stopped2x(Topic):
    """The rule about transactions that charge after their stop."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._stopped: Known[str, tuple[str, int, float | None]] = Known()  # by id: trigger, seqNo and time of the stop
        self._transactions = self.station.topic(Transactions2x)
        self._states = self.station.topic(Deauthorization2x)

    @rule(
        "transaction-event.charges-after-stop",
        call("TransactionEvent"),
        title="A transaction charges after it was stopped, without a new authorization",
        severity=Severity.ERROR,
        spec="OCPP 2.x E07.FR.01, E08.FR.01, E08.FR.02, F03.FR.02, F04.FR.02",
        remedy="Stop charging when the driver or the CSMS stops the transaction, and charge again only with a token.",
        bad=script(_STARTED, _STOPPED, "+ 10m", _again()),
        good=script(_STARTED, _STOPPED, "+ 10m", _again(trigger="Authorized", idToken=_TOKEN, answer=_TOLD)),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._stopped,
    )
    def charges(self, frame: Frame) -> Faults:
        event = self._transactions.event
        if event is None or event.repeated or event.sequence is None:
            return None
        name, state, at = event.transaction.transaction_id, event.info.get("chargingState"), seconds(event.timestamp)
        if event.kind == "Updated" and event.trigger in ("StopAuthorized", "RemoteStop"):
            return None
        stop = self._stopped.get(name)
        if stop is None or event.sequence < stop[1]:
            return None
        if event.kind == "Ended" or event.token is not None or event.trigger in ("Authorized", "RemoteStart"):
            del self._stopped[name]
            return None
        late = at is not None and stop[2] is not None and at > stop[2] + STOPS_S
        begins = event.trigger == "ChargingStateChanged" and self._states.before not in ("Charging", None)
        if state != "Charging" or not (late or begins):
            return None
        text = f"{event.transaction} charges after {stop[0]}, and no token was presented again"
        return Fault(text, "/3/transactionInfo/chargingState", key=name)

    @track(call("TransactionEvent"), plain=False)
    def stopped(self, frame: Frame) -> None:
        event = self._transactions.event
        if event is None or event.repeated or event.sequence is None or event.kind != "Updated":
            return
        if event.trigger in ("StopAuthorized", "RemoteStop"):
            first = not self._stopped
            self._stopped.note(
                event.transaction.transaction_id, (event.trigger, event.sequence, seconds(event.timestamp))
            )
            if first:
                self.station.refresh_listeners()

    @track(call("Authorize", "RequestStartTransaction"))
    def asked(self, frame: Frame) -> None:
        self._stopped.clear()
