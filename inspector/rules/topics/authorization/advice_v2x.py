"""Judge what is recommended about tokens and local lists, and two rules about who may use an EVSE."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import duration, since
from inspector.rules.fields import integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.device_model import DeviceModel
from inspector.rules.state.observation import Observation
from inspector.rules.state.tokens_v2x import KnownTokens2x, Token, token_of
from inspector.rules.state.transactions_v2x import Transaction2x, Transactions2x
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.example_frames import (
    BOOT_2X,
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

_AGAIN = "close\n" + BOOT_2X.replace('"b"', '"again"')
_CARD: Payload = {"idToken": "T", "type": "ISO14443"}
_OTHER: Payload = {"idToken": "U", "type": "ISO14443"}
_PAYER: Payload = {"idToken": "PSP1", "type": "DirectPayment"}
_REFUSED: Payload = {"idTokenInfo": {"status": "Blocked"}}
_YES: Payload = {"idTokenInfo": {"status": "Accepted"}}
_SCANNED = csms("NotifyWebPaymentStarted", {"evseId": 1, "timeout": 60}, {})
_EVSES = inventory_2x(
    *(entry_2x({"name": "EVSE", "evse": {"id": number}}, "AvailabilityState", "Available") for number in (1, 2))
)


def _asked(token: Payload, status: str = "Accepted", **more: object) -> str:
    return cp("Authorize", {"idToken": token}, {"idTokenInfo": {"status": status, **more}})


def _list(kind: str, number: int, status: str) -> str:
    return csms("SendLocalList", {"versionNumber": number, "updateType": kind}, {"status": status})


def _version(number: int) -> str:
    return csms("GetLocalListVersion", {}, {"versionNumber": number})


_IN_GROUP: Payload = {"status": "Accepted", "groupIdToken": {"idToken": "G", "type": "Central"}}
_CHARGING: Payload = {"chargingState": "Charging"}
_GROUP = (
    started(_CHARGING, idToken=_CARD, answer={"idTokenInfo": _IN_GROUP}),
    cp("Authorize", {"idToken": _OTHER}, {"idTokenInfo": _IN_GROUP}),
    transaction_event("Updated", "MeterValuePeriodic", 1, _CHARGING),
)
_STOPPED = transaction_event(
    "Ended", "StopAuthorized", 2, {"stoppedReason": "Local"}, idToken=_OTHER, answer={"idTokenInfo": _IN_GROUP}
)


def _remote(token: Payload) -> str:
    return csms("RequestStartTransaction", {"remoteStartId": 5, "evseId": 1, "idToken": token})


def _local(token: Payload) -> str:
    return started(idToken=token, answer=_YES)


class AuthorizationAdvice(Topic):
    """The rules about recommendations; they run before KnownTokens2x is updated."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._cut: Known[str, Token] = Known()  # the token of each transaction that is open, but no longer authorized
        self._own: Known[str, Token] = Known()  # the token with which each transaction began
        self._failed: str | None = None  # the status of the latest Differential update, if it failed
        self._version: int | None = None  # the version of the local list before the latest boot
        self._known: int | None = None  # the version of the local list, as far as it is known
        self._scanned: Known[int, tuple[int, int]] = Known()  # by EVSE: when a web payment began, and its timeout
        self._transactions = self.station.topic(Transactions2x)
        self._model = self.station.topic(DeviceModel)

    @rule(
        "authorize.second-token",
        result("Authorize"),
        title="Another token is accepted while a transaction that is no longer authorized is still open",
        severity=Severity.INFO,
        spec="OCPP 2.x C01.FR.23, C01.FR.24",
        remedy="Answer NotAtThisTime until the transaction has ended.",
        bad=script(started(idToken=_CARD, answer=_REFUSED), _asked(_OTHER)),
        good=script(started(idToken=_CARD, answer=_REFUSED), _asked(_OTHER, "NotAtThisTime")),
        versions=V2X,
        side=Side.CSMS,
        dormant=lambda topic: not topic._cut,
    )
    def second_token(self, frame: Frame) -> Faults:
        token = token_of(frame.request)
        if token is None or string(member(frame.payload, "idTokenInfo"), "status") != "Accepted":
            return None
        waiting = [
            (one, self._cut[one.transaction_id])
            for one in self._transactions.open_transactions()
            if one.transaction_id in self._cut
        ]
        if not waiting or any(own == token for _, own in waiting):
            return None
        if {evse for evse, _ in self.station.topic(Evses2x).connectors} - {one.evse for one, _ in waiting}:
            return None  # the token may be for another EVSE
        text = f"token {token} is Accepted; {waiting[0][0]} of token {waiting[0][1]} is still open"
        return Fault(text, "/2/idTokenInfo/status", key=token.value[:36])

    @rule(
        "authorize.group-not-stopped",
        DEADLINE,
        title="A token of the same group does not stop the station's only transaction",
        severity=Severity.WARNING,
        spec="OCPP 2.x C09.FR.03",
        remedy="Let every valid token with the groupIdToken of a transaction stop it.",
        bad=script(status_2x("Occupied"), *_GROUP, "+ 5m"),
        good=script(status_2x("Occupied"), *_GROUP, _STOPPED, "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def group_not_stopped(self, moment: Moment, one: Transaction2x, frame: Frame) -> Faults:
        stopped = any(trigger == "StopAuthorized" for _, _, trigger in one.events.values())
        if not one.open or stopped or self.session not in self.station.sessions:
            return None
        token, wait = token_of(frame.request), since(frame, moment)
        text = f"token {token} is in the group of {one}, but has not stopped it within {wait}"
        return Fault(text, "/2/idTokenInfo", frame=frame, key=one.transaction_id)

    @track(result("Authorize"))
    def presented(self, frame: Frame) -> None:
        info, token = member(frame.payload, "idTokenInfo"), token_of(frame.request)
        group = string(member(info, "groupIdToken"), "idToken")
        running = self._transactions.open_transactions()
        if group is None or token is None or info.get("status") != "Accepted" or len(running) != 1:
            return
        one, evses = running[0], {evse for evse, _ in self.station.topic(Evses2x).connectors}
        own = self._own.get(one.transaction_id)
        if own is None or own == token or evses != {one.evse}:
            return
        if self.station.topic(KnownTokens2x).groups.get(own) == group.lower():
            wait = self.settings.effect_timeout_s
            self.station.deadline(frame, wait, self.group_not_stopped, one, frame, at_close=AtClose.LATE)

    @rule(
        "authorize.every-evse",
        result("Authorize"),
        title="A token that is allowed everywhere is answered with a list of all EVSEs",
        severity=Severity.WARNING,
        spec="OCPP 2.x C01.FR.19, C01.FR.20",
        remedy="Leave evseId out if the token is allowed at every EVSE.",
        bad=script(_EVSES, _asked(_CARD, evseId=[1, 2])),
        good=script(_EVSES, _asked(_CARD, evseId=[2])),
        versions=V2X,
        side=Side.CSMS,
    )
    def every_evse(self, frame: Frame) -> Faults:
        given = member(frame.payload, "idTokenInfo").get("evseId")
        if type(given) is not list or len(given) < 2:
            return None
        evses: set[int | None]
        if self._model.whole:
            evses = {name.evse for name, known in self._model.variables.items() if known.listed} - {None, 0}
        elif self.station.topic(Observation).seen_since is not None:
            evses = {evse for evse, _ in self.station.topic(Evses2x).connectors}
        else:
            return None
        if len(evses) < 2 or not evses <= {one for one in given if type(one) is int}:
            return None
        return Fault(f"evseId has all {len(evses)} EVSEs of the station", "/2/idTokenInfo/evseId")

    @rule(
        "list.differential-again",
        call("SendLocalList"),
        title="The CSMS sends another Differential update after an update of the local list has failed",
        severity=Severity.INFO,
        spec="OCPP 2.x D01.FR.03",
        remedy="Send the full list after Failed or VersionMismatch.",
        bad=script(_list("Differential", 7, "Failed"), _list("Differential", 8, "Accepted")),
        good=script(_list("Differential", 7, "Failed"), _list("Full", 8, "Accepted")),
        versions=V2X,
        side=Side.CSMS,
    )
    def differential_again(self, frame: Frame) -> Faults:
        failed, self._failed = self._failed, None
        if failed is None or frame.payload.get("updateType") != "Differential":
            return None
        return Fault(f"Differential, but the previous update was answered with {failed}", "/3/updateType")

    @rule(
        "list.not-persistent",
        result("GetLocalListVersion"),
        title="A station lost its local list when it restarted",
        severity=Severity.INFO,
        spec="OCPP 2.x D01.FR.10",
        remedy="Keep the local list in non-volatile memory.",
        bad=script(_list("Full", 7, "Accepted"), _AGAIN, _version(0)),
        good=script(_list("Full", 7, "Accepted"), _AGAIN, _version(7)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_persistent(self, frame: Frame) -> Faults:
        number, before = integer(frame.payload, "versionNumber"), self._version
        self._known, self._version = number, None
        if number is None or before is None or number == before:
            return None
        return Fault(f"the version is {number}; before the restart it was {before}", "/2/versionNumber")

    @track(result("SendLocalList"))
    def list_sent(self, frame: Frame) -> None:
        status = string(frame.payload, "status")
        if status == "Accepted":
            self._known, self._version = integer(frame.request, "versionNumber"), None
        elif frame.request.get("updateType") == "Differential" and status in ("Failed", "VersionMismatch"):
            self._failed = status

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        if self._known is not None and self._known > 0:
            self._version, self._known = self._known, None

    @rule(
        "payment.other-token",
        call("RequestStartTransaction"),
        title="The CSMS starts a transaction of another driver on an EVSE that waits for a web payment",
        severity=Severity.WARNING,
        spec="OCPP 2.1 C24.FR.01, C25.FR.23",
        remedy="Use the authorization reference of the payment as idToken, with the type DirectPayment.",
        bad=script(_SCANNED, _remote(_CARD)),
        good=script(_SCANNED, _remote(_PAYER)),
        versions=V21,
        side=Side.CSMS,
        dormant=lambda topic: not topic._scanned,
    )
    def other_token(self, frame: Frame) -> Faults:
        evse, kind = integer(frame.payload, "evseId"), string(member(frame.payload, "idToken"), "type")
        since = self._scanned.pop(evse, None) if evse is not None else None
        if since is None or kind in (None, "DirectPayment") or frame.mono_ns - since[0] > since[1] * 1e9:
            return None
        return Fault(f"a web payment waits for EVSE {evse}, but the token is of type {kind}", "/3/idToken/type")

    @rule(
        "payment.not-held",
        call("TransactionEvent"),
        title="An EVSE is used by another driver while a web payment for it is under way",
        severity=Severity.INFO,
        spec="OCPP 2.1 C25.FR.22",
        remedy="Keep the EVSE free for the timeout in NotifyWebPaymentStarted.",
        bad=script(_SCANNED, _local(_CARD)),
        good=script(_SCANNED, "+ 61s", _local(_CARD)),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._scanned,
    )
    def not_held(self, frame: Frame) -> Faults:
        told = self._transactions.event
        if told is None or told.offline or told.repeated:
            return None
        evse = told.transaction.evse
        since = self._scanned.get(evse) if evse is not None else None
        if since is None or told.token is None or "remoteStartId" in told.info or told.kind == "Ended":
            return None
        passed_s = (frame.mono_ns - since[0]) / 1e9
        if passed_s > since[1] or told.token.get("type") == "DirectPayment" or told.trigger == "StopAuthorized":
            return None
        if told.kind != "Started" and told.trigger != "Authorized":
            return None
        text = f"{told.transaction} is authorized {duration(passed_s)} after a web payment began there"
        return Fault(text, "/3/idToken", key=str(evse))

    @track(call("NotifyWebPaymentStarted"), versions=V21)
    def scanned(self, frame: Frame) -> None:
        evse, wait = integer(frame.payload, "evseId"), integer(frame.payload, "timeout")
        if evse is not None and wait is not None:
            self._scanned.note(evse, (frame.mono_ns, wait))
            self.station.refresh_listeners()

    @track(call("TransactionEvent"), plain=False)
    def happened(self, frame: Frame) -> None:
        told = self._transactions.event
        if told is None:
            return
        name, token = told.transaction.transaction_id, token_of(frame.payload) if told.token is not None else None
        if token is not None and name not in self._own:
            self._own.note(name, token)
        if told.kind == "Ended":
            self._own.pop(name, None)
            self._cut.pop(name, None)
        elif told.trigger in ("StopAuthorized", "Deauthorized", "RemoteStop") and name in self._own:
            self._cut.note(name, self._own[name])
            self.station.refresh_listeners()

    @track(result("TransactionEvent"), plain=False)
    def answered(self, frame: Frame) -> None:
        if "idTokenInfo" not in frame.payload:
            return
        name = string(member(frame.request, "transactionInfo"), "transactionId") or ""
        status, own = string(member(frame.payload, "idTokenInfo"), "status"), self._own.get(name)
        if frame.request.get("triggerReason") == "StopAuthorized":
            return
        if status == "Accepted":
            self._cut.pop(name, None)
        elif status is not None and own is not None:
            self._cut.note(name, own)
            self.station.refresh_listeners()
