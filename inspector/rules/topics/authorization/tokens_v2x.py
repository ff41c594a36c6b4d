"""Judge whether a 2.x station asks the CSMS about tokens, and acts on what it knows about them."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import ASIDE, V2X, Faults, Topic, aside, call, rule
from inspector.rules.state.authorized_v2x import Authorized2x
from inspector.rules.state.observation import Observation
from inspector.rules.state.tokens_v2x import KnownTokens2x, Token, token_of
from inspector.rules.state.transactions_v2x import Event, Transactions2x
from inspector.rules.topics.authorization.master_pass_v2x import MasterPass2x, authorize
from inspector.rules.topics.authorization.payments_v21 import Payments21
from inspector.rules.topics.example_frames import (
    BOOT_2X,
    Payload,
    csms,
    script,
    started,
    transaction_event,
    variable_2x,
)

CARD: Payload = {"idToken": "T", "type": "ISO14443"}
_LOCAL: Payload = {"idToken": "L", "type": "Local"}
YES: Payload = {"idTokenInfo": {"status": "Accepted"}}
AGAIN_S = 60.0
"""A driver who was authorized so many seconds ago presents the token again."""
_NO: Payload = {"idTokenInfo": {"status": "Blocked"}}
_PLACED: Payload = {"idTokenInfo": {"status": "Accepted", "evseId": [2]}}
_CHARGING: Payload = {"chargingState": "Charging"}


def local_list(token: Payload, status: str, **info: object) -> str:
    """Return a Full update of the local list with one token, and its answer; `script` sets the message id."""
    entry = {"idToken": token, "idTokenInfo": {"status": status, **info}}
    return csms("SendLocalList", {"versionNumber": 5, "updateType": "Full", "localAuthorizationList": [entry]})


def _presented(token: Payload, answer: Payload = YES, **more: Any) -> str:
    return transaction_event("Updated", "Authorized", 1, idToken=token, answer=answer, **more)


class TokenUse2x(Topic):
    """The rules about the tokens in transactions. They run before the answers to the events are known."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._tokens = self.station.topic(KnownTokens2x)
        self._transactions = self.station.topic(Transactions2x)
        self._evidence = self.station.topic(Observation)
        self._authorized = self.station.topic(Authorized2x)
        self._master = self.station.topic(MasterPass2x)
        self._own: Known[str, Token] = Known()  # the token of each transaction
        self._places: Known[str, frozenset[int]] = Known()  # the EVSEs that its token was accepted for, by transaction

    @rule(
        "authorize.not-asked",
        call("TransactionEvent"),
        title="A token is used that the station cannot know without asking the CSMS",
        severity=Severity.WARNING,
        spec="OCPP 2.x C01.FR.02, C06.FR.02, C07.FR.01, C08.FR.01, C09.FR.05, C10.FR.11, C11.FR.01, C11.FR.03, "
        "N10.FR.03, N10.FR.06; OCPP 2.1 C18.FR.04",
        remedy="Send Authorize for a token that is neither in the authorization cache nor in the local list, and for "
        "each token of type Local or eMAID while the station is online.",
        bad=script(BOOT_2X, started(), _presented(_LOCAL)),
        good=script(BOOT_2X, started(), authorize(_LOCAL, YES), _presented(_LOCAL)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_asked(self, frame: Frame) -> Faults:
        """Judge every event by several rules. One check for all is faster, because most events have no token."""
        event = self._transactions.event
        if event is None:
            return None
        if event.token is None:
            authorized = event.transaction.transaction_id in self._authorized.seen
            if event.info.get("chargingState") == "Charging" and (self._tokens.placed or not authorized):
                return self._charging(event)
            if event.kind == "Ended" and event.trigger == "StopAuthorized":
                return aside(self._master.master_reason, event, None, frame)
            return None
        token = token_of(frame.payload)
        if token is None or event.repeated or token.kind == "NoAuthorization":
            return None
        if token.kind == "DirectPayment" and not event.offline:
            return self._payment(event, token, frame)
        own = self._own.get(event.transaction.transaction_id)
        again = own is not None and own == token
        found: list[Fault | None] = []
        if event.trigger == "StopAuthorized":
            found.append(aside(self._master.master_reason, event, token, frame))
            if not again and own is not None and not event.offline:
                found += [aside(self.refused, event, token, frame), self._unasked(event, token)]
        elif not again and event.kind != "Ended":
            found.append(aside(self._master.master_pass, event, token))
            if event.offline:
                found.append(aside(self.offline, event, token, frame))
            elif token not in self._tokens.remote and event.trigger != "RemoteStart":
                found += [aside(self.refused, event, token, frame), self._unasked(event, token)]
            self._own.note(event.transaction.transaction_id, token)
            answer = self._tokens.answers.get(token) if self._tokens.placed else None
            if answer is not None and answer.evses:
                self._places.note(event.transaction.transaction_id, answer.evses)
        if event.info.get("chargingState") == "Charging":
            found.append(self._charging(event))
        return [fault for fault in found if fault is not None]

    def _payment(self, event: Event, token: Token, frame: Frame) -> list[Fault]:
        """Judge the token of a payment: it may start only one transaction, and must not be in a cache."""
        own = self._own.get(event.transaction.transaction_id)
        remote = token in self._tokens.remote
        payments = self.station.topic(Payments21)
        found = []
        if own is None or own != token:
            payments.note(event, token, remote)
            self._own.note(event.transaction.transaction_id, token)
            if not remote and event.kind != "Ended":
                found = [aside(self.refused, event, token, frame), self._unasked(event, token)]
                found.append(aside(payments.limit, event, frame))
        return [fault for fault in found if fault is not None]

    def _unasked(self, event: Event, token: Token) -> Fault | None:
        asked_ns = self._tokens.asked.pop(token, None)
        if asked_ns is not None and event.trigger == "Authorized" and (self._tokens.cleared_ns or 0) > asked_ns:
            asked_ns = None
        if asked_ns is not None or token.kind == "Central" or not self._evidence.has_seen_since(None):
            return None
        if not event.transaction.known_from_start:
            return None
        if token.kind == "DirectPayment":
            needed = self._tokens.flag("PaymentCtrlr", "AuthorizeDirectPayment") is True
        else:
            needed = token.kind in ("Local", "eMAID") or self._tokens.not_stored(token)
        if not needed:
            return None
        return Fault(f"token {token} is used, but no Authorize has asked for it", "/3/idToken", key=token.value[:36])

    @rule(
        "authorize.refused-token",
        ASIDE,
        title="A refused token is used",
        severity=Severity.ERROR,
        spec="OCPP 2.x C10.FR.01, C10.FR.03, C10.FR.04, C10.FR.05, C10.FR.08, C10.FR.10, C10.FR.13, C12.FR.05, "
        "C12.FR.06, C13.FR.01, C14.FR.01, C14.FR.03, C14.FR.05, C09.FR.11; OCPP 2.1 C17.FR.05",
        remedy="Send Authorize for a token that cache or local list do not call Accepted, and heed the answer.",
        bad=script(started(), authorize(CARD, _NO), _presented(CARD, _NO)),
        good=script(started(), authorize(CARD, _NO), authorize(CARD, YES), _presented(CARD)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def refused(self, event: Event, token: Token, frame: Frame) -> Fault | None:
        entry, answer = self._tokens.entry(token), self._tokens.answers.get(token)
        asked_ns = self._tokens.asked.get(token, 0)
        if entry is not None:  # the list counts more than the cache (C14.FR.01)
            expired = self._tokens.expired(entry, frame)
            if entry.told_ns <= asked_ns or (entry.status == "Accepted" and not expired):
                return None
            why = "has expired in" if expired else f"is {entry.status[:20]} in"
            text = f"token {token} {why} the local list, and no Authorize has asked for it"
        elif answer is None or answer.told_ns <= asked_ns:
            return None
        elif answer.status != "Accepted":
            text = f"token {token} is used; the last answer about it was {answer.status[:20]}"
        elif not self._tokens.cache_only(token) or not self._tokens.outdated(answer, frame):
            return None
        elif asked_ns and (event.trigger != "Authorized" or frame.mono_ns - asked_ns < AGAIN_S * 1e9):
            return None  # the driver may have presented it only once
        else:
            text = f"token {token} is used again without Authorize; its entry in the cache has expired"
        return Fault(text, "/3/idToken", key=token.value[:36])

    @rule(
        "authorize.offline",
        ASIDE,
        title="A token that must be refused is accepted offline",
        severity=Severity.ERROR,
        spec="OCPP 2.x C13.FR.02, C13.FR.05, C13.FR.06, C07.FR.07",
        remedy="Without connection, accept only tokens that the local list or the cache calls Accepted, others only if "
        "OfflineTxForUnknownIdEnabled is true, and contract certificates only if ContractValidationOffline is true.",
        bad=script(local_list(CARD, "Blocked"), started(), _presented(CARD, offline=True)),
        good=script(local_list(CARD, "Accepted"), started(), _presented(CARD, offline=True)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def offline(self, event: Event, token: Token, frame: Frame) -> Fault | None:
        if token.kind == "eMAID" and self._tokens.flag("ISO15118Ctrlr", "ContractValidationOffline") is False:
            return Fault(f"token {token} is accepted offline, though ContractValidationOffline is false", "/3/idToken")
        entry = self._tokens.entry(token)
        if entry is not None and entry.told_ns > self._tokens.asked.get(token, 0):
            expired = self._tokens.expired(entry, frame)
            if entry.status != "Accepted" or expired:
                why = "has expired" if expired else f"is {entry.status[:20]}"
                return Fault(f"token {token} is accepted offline, but {why} in the local list", "/3/idToken")
            return None
        if token in self._tokens.remote or self._tokens.flag("AuthCtrlr", "OfflineTxForUnknownIdEnabled") is not False:
            return None
        sure = self._tokens.not_stored(token)
        if sure or (token not in self._tokens.answers and self._tokens.entry(token) is None):
            text = f"the unknown token {token} is accepted offline, though OfflineTxForUnknownIdEnabled is false"
            return Fault(text, "/3/idToken", severity=None if sure else Severity.INFO)
        return None

    def _charging(self, event: Event) -> Fault | None:
        return aside(self.evse, event) or aside(self.unauthorized, event)

    @rule(
        "authorize.evse",
        ASIDE,
        title="A token charges at an EVSE that it is not accepted for",
        severity=Severity.ERROR,
        spec="OCPP 2.x C01.FR.21",
        remedy="Charge only at the EVSEs in idTokenInfo.evseId.",
        bad=script(started(), authorize(CARD, _PLACED), _presented(CARD, info=_CHARGING)),
        good=script(started(), authorize(CARD, YES), _presented(CARD, info=_CHARGING)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def evse(self, event: Event) -> Fault | None:
        if not self._tokens.placed or event.transaction.evse is None:
            return None
        own = self._own.get(event.transaction.transaction_id)
        info = self._tokens.answers.get(own) if own is not None else None
        evses = (info.evses if info is not None else None) or self._places.get(event.transaction.transaction_id)
        if own is None or not evses or event.transaction.evse in evses:
            return None
        places = ", ".join(str(number) for number in sorted(evses)[:9])
        text = f"{event.transaction} charges with token {own}, which is accepted for EVSE {places}"
        return Fault(text, "/3", key=event.transaction.transaction_id)

    @rule(
        "authorize.without-token",
        ASIDE,
        title="A station charges without authorization",
        severity=Severity.ERROR,
        spec="OCPP 2.x C01.FR.01, C06.FR.01",
        remedy="While AuthCtrlr.Enabled is true, charge only after a token was accepted, and send it in the event.",
        bad=script(BOOT_2X, variable_2x("AuthCtrlr", "Enabled", "true"), started(_CHARGING)),
        good=script(BOOT_2X, variable_2x("AuthCtrlr", "Enabled", "false"), started(_CHARGING)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unauthorized(self, event: Event) -> Fault | None:
        name = event.transaction.transaction_id
        if event.token is not None or not event.transaction.known_from_start or event.offline:
            return None
        if "remoteStartId" in event.info or name in self._authorized.seen or event.sequence is None:
            return None
        if self._tokens.flag("AuthCtrlr", "Enabled") is False or len(event.transaction.events) <= event.sequence:
            return None  # an earlier event may have had the token
        sure = self._tokens.flag("AuthCtrlr", "Enabled") is True
        if not sure and self._tokens.asked:
            return None  # the rule transaction-event.token-not-sent judges these
        severity = None if sure else Severity.INFO  # it may be a station that needs no authorization
        return Fault(f"{event.transaction} charges, but no event of it has a token", "/3", severity=severity, key=name)
