"""Track which transactions of a 2.x charging station are authorized, from their events."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import member, string
from inspector.rules.rule import V2X, Topic, call, result, track
from inspector.rules.state.transactions_v2x import Transactions2x

AUTHORIZED_LIMIT = 1000
_NO_LONGER = frozenset(
    "StopAuthorized RemoteStop Deauthorized EVConnectTimeout EVCommunicationLost EVDeparted TimeLimitReached "
    "EnergyLimitReached AbnormalCondition ResetCommand UnlockCommand".split()
)
"""After an event with one of these triggers, a transaction is no longer authorized, but may continue."""


class Authorized2x(Topic):
    """The authorization of a station's transactions.

    Attributes:
        now: the ids of transactions that are authorized: a token was sent and not refused. Oldest first.
        seen: the ids of transactions that have ever had a token or a remote start, oldest first.
    """

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self.now: dict[str, None] = {}
        self.seen: dict[str, None] = {}
        self._transactions = self.station.topic(Transactions2x)

    @track(call("TransactionEvent"), plain=False)
    def happened(self, frame: Frame) -> None:
        event = self._transactions.event
        if event is None or (event.token is None and not self.now and "remoteStartId" not in event.info):
            return
        name = event.transaction.transaction_id
        if event.token is not None or "remoteStartId" in event.info:
            _note(self.seen, name)
        if event.kind == "Ended" or event.trigger in _NO_LONGER:
            self.now.pop(name, None)
        elif event.token is not None:
            _note(self.now, name)

    @track(result("TransactionEvent"), plain=False)
    def answered(self, frame: Frame) -> None:
        if "idTokenInfo" not in frame.payload:
            return
        status = string(member(frame.payload, "idTokenInfo"), "status")
        if status is not None and status != "Accepted":
            self.now.pop(string(member(frame.request, "transactionInfo"), "transactionId") or "", None)


def _note(known: dict[str, None], name: str) -> None:
    known[name] = None
    if len(known) > AUTHORIZED_LIMIT:
        del known[next(iter(known))]
