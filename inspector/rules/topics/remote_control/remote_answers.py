"""Judge whether remote starts, triggers and other requests, and their answers, fit the state of the charge point."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.fields import integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, ongoing
from inspector.rules.rule import ALL, V2X, V16, Faults, Topic, call, result, rule, track
from inspector.rules.state.authorized_v2x import Authorized2x
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.state.tokens_v2x import KnownTokens2x, token_of
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.state.transactions_v16 import Transactions16
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.example_frames import (
    ACCEPTED,
    BOOT_2X,
    BOOT_16,
    NOW,
    Payload,
    cp,
    csms,
    script,
    started,
    status_2x,
    transaction_event,
    variable_2x,
)
from inspector.rules.topics.reservation.booking import Reservations

OUT_OF_ORDER = frozenset({"Unavailable", "Faulted"})
_TOKEN = {"idToken": "T", "type": "ISO14443"}
_OTHER = {"idToken": "U", "type": "ISO14443"}
_CENTRAL = {"idToken": "T", "type": "Central"}
_ACCEPTED_TOKEN = {"idTokenInfo": {"status": "Accepted"}}
_RESERVED = csms("ReserveNow", {"id": 5, "expiryDateTime": "2026-01-01T13:00:00Z", "evseId": 1, "idToken": _OTHER})


def _start(status: str = "Accepted", token: Payload = _TOKEN, **answer: object) -> str:
    asked = {"remoteStartId": 5, "evseId": 1, "idToken": token}
    return csms("RequestStartTransaction", asked, {"status": status, **answer})


_BOOTED = BOOT_16.replace('"b"', '"b16"')
_STARTED_16 = cp(
    "StartTransaction",
    {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": NOW},
    {"transactionId": 7, "idTagInfo": ACCEPTED},
)
_ASKS = variable_2x("AuthCtrlr", "AuthorizeRemoteStart", "true")
_NO_STORES = "".join(
    variable_2x(name, "Enabled", "false").replace('"#"', f'"{name}"')
    for name in ("AuthCacheCtrlr", "LocalAuthListCtrlr")
)
_BEGUN = transaction_event(
    "Started", "RemoteStart", 0, {"remoteStartId": 5}, idToken=_TOKEN, answer=_ACCEPTED_TOKEN, evse={"id": 1}
)
_AUTHORIZED = started(answer=_ACCEPTED_TOKEN, idToken=_TOKEN)


class RemoteAnswers(Topic):
    """The rules about requests and answers; `start_stop` has the rules about what must follow them."""

    scope = "station"

    def setup(self) -> None:
        self._remote: Known[str, str | None] = Known()  # the type of each token of a remote start; tokens in lower case
        self._transactions = self.station.topic(Transactions2x)
        self._evidence = self.station.topic(Observation)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "remote.transaction-id",
        result("RequestStartTransaction"),
        title="The answer to a remote start does not name the transaction that has already begun",
        severity=Severity.WARNING,
        spec="OCPP 2.x F01.FR.13",
        remedy="Send transactionId in the answer when a transaction has begun that is not authorized yet.",
        bad=script(started(), _start()),
        good=script(started(), _start(transactionId="t1")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def transaction_id(self, frame: Frame) -> Faults:
        if frame.payload.get("status") != "Accepted":
            return None
        told = string(frame.payload, "transactionId")
        authorized = self.station.topic(Authorized2x)
        for one in self._transactions.open_on(integer(frame.request, "evseId") or 0):
            here = one.connection == self._evidence.connections and one.started is not None
            if here and one.transaction_id not in authorized.seen and self._evidence.has_sent_all(self.session):
                if told is None:
                    return Fault(f"{one} is not authorized yet, but the answer has no transactionId", "/2")
                if told != one.transaction_id:
                    return Fault(f"{one} is not authorized yet, but the answer names {told[:36]!r}", "/2/transactionId")
        return None

    @rule(
        "remote.reserved",
        result("RequestStartTransaction"),
        title="A remote start is accepted on an EVSE that is reserved for somebody else",
        severity=Severity.ERROR,
        spec="OCPP 2.x F01.FR.21, F01.FR.22, F02.FR.23, F02.FR.24",
        remedy="Answer Rejected unless idToken or groupIdToken is that of the reservation.",
        bad=script(_RESERVED, _start()),
        good=script(_RESERVED, _start(token=_OTHER)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def reserved(self, frame: Frame) -> Faults:
        place, token = integer(frame.request, "evseId"), _token(frame.request, "idToken")
        if frame.payload.get("status") != "Accepted" or not place or token is None:
            return None
        for number, one in self.station.topic(Reservations).booked.items():
            held, group = _token(one.accepted.request, "idToken"), _token(one.accepted.request, "groupIdToken")
            if one.place != place or held is None or held == token:
                continue
            if group is None or group != _token(frame.request, "groupIdToken"):
                text = f"Accepted for EVSE {place}, but reservation {number} reserves it for another token"
                return Fault(text, "/2/status", key=str(number))
        return None

    @rule(
        "remote.unavailable",
        result("RequestStartTransaction"),
        title="A remote start is accepted on an EVSE that is out of order",
        severity=Severity.ERROR,
        spec="OCPP 2.x F01.FR.23, F02.FR.25",
        remedy="Answer Rejected while the EVSE is Unavailable or Faulted.",
        bad=script(status_2x("Faulted"), _start()),
        good=script(status_2x("Faulted"), _start("Rejected")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unavailable(self, frame: Frame) -> Faults:
        place = integer(frame.request, "evseId")
        if frame.payload.get("status") != "Accepted" or not place:
            return None
        statuses = self.station.topic(Evses2x).status_of_evse(place)
        if not statuses or not statuses <= OUT_OF_ORDER or not self._evidence.has_sent_all(self.session):
            return None
        return Fault(f"Accepted for EVSE {place}, whose status is {min(statuses)}", "/2/status", key=str(place))

    @rule(
        "remote.occupied",
        result("RequestStartTransaction"),
        title="A remote start is accepted on an EVSE that has an authorized transaction",
        severity=Severity.ERROR,
        spec="OCPP 2.x F01.FR.24, F02.FR.26",
        remedy="Answer Rejected while the EVSE has a transaction that was authorized.",
        bad=script(_AUTHORIZED, _start(transactionId="t1")),
        good=script(_AUTHORIZED, _start("Rejected")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def occupied(self, frame: Frame) -> Faults:
        if frame.payload.get("status") != "Accepted":
            return None
        authorized = self.station.topic(Authorized2x)
        for one in self._transactions.open_on(integer(frame.request, "evseId") or 0):
            here = one.connection == self._evidence.connections and one.transaction_id in authorized.now
            if here and self._evidence.has_sent_all(self.session):
                return Fault(f"Accepted, though {one} is authorized", "/2/status", key=one.transaction_id)
        return None

    @rule(
        "remote.connector-zero",
        call("RemoteStartTransaction", "UnlockConnector"),
        title="RemoteStartTransaction or UnlockConnector names connector 0",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §6.33 and §6.53",
        remedy="Name a connector from 1 on. RemoteStartTransaction may leave connectorId out.",
        bad=script(csms("RemoteStartTransaction", {"connectorId": 0, "idTag": "T"}, {"status": "Rejected"})),
        good=script(csms("RemoteStartTransaction", {"connectorId": 1, "idTag": "T"}, {"status": "Rejected"})),
        versions=V16,
        side=Side.CSMS,
    )
    def connector_zero(self, frame: Frame) -> Faults:
        number = integer(frame.payload, "connectorId")
        if number is None or number > 0:
            return None
        return Fault(f"{frame.action} for connector {number}; connectors are numbered from 1", "/3/connectorId")

    @rule(
        "remote.needless-authorize",
        call("Authorize"),
        title="A remote start is authorized although it needs no authorization",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §5.11 and §9.1.2; OCPP 2.0.1 C03.FR.01; OCPP 2.x C05.FR.01, F01.FR.02, F02.FR.10",
        remedy="Start at once where AuthorizeRemoteTxRequests (1.6) or AuthorizeRemoteStart (2.x) is false, or the "
        "token is of type Central (2.x).",
        bad={
            "1.6": script(
                csms("ChangeConfiguration", {"key": "AuthorizeRemoteTxRequests", "value": "false"}),
                csms("RemoteStartTransaction", {"idTag": "T"}),
                cp("Authorize", {"idTag": "T"}, {"idTagInfo": ACCEPTED}),
            ),
            "2x": script(_start(token=_CENTRAL), cp("Authorize", {"idToken": _CENTRAL}, {"idTokenInfo": ACCEPTED})),
        },
        good={
            "1.6": script(
                csms("RemoteStartTransaction", {"idTag": "T"}), cp("Authorize", {"idTag": "T"}, {"idTagInfo": ACCEPTED})
            ),
            "2x": script(_start(), cp("Authorize", {"idToken": _TOKEN}, {"idTokenInfo": ACCEPTED})),
        },
        versions=ALL,
        side=Side.CHARGE_POINT,
    )
    def needless_authorize(self, frame: Frame) -> Faults:
        if self.session.version is OcppVersion.V16:
            tag = string(frame.payload, "idTag")
            if tag is None or tag.lower() not in self._remote:
                return None
            if self._configuration.flag("AuthorizeRemoteTxRequests") is not False:
                return None
            return Fault(f"Authorize for {tag[:20]!r}, but AuthorizeRemoteTxRequests is false", "/3/idTag")
        token = string(member(frame.payload, "idToken"), "idToken")
        kind = string(member(frame.payload, "idToken"), "type")
        asks = (self._configuration.variable("AuthCtrlr", "AuthorizeRemoteStart") or "").lower()
        if token is not None and asks == "false" and token.lower() in self._remote:
            del self._remote[token.lower()]
            return Fault(f"Authorize for {token[:36]!r}, but AuthorizeRemoteStart is false", "/3/idToken")
        if token is None or kind != "Central" or self._remote.get(token.lower()) != "Central":
            return None
        return Fault(f"Authorize for {token[:36]!r}, a Central token that came with the remote start", "/3/idToken")

    @track(result("RemoteStartTransaction", "RequestStartTransaction"))
    def start_accepted(self, frame: Frame) -> None:
        if not self._remote:
            self.station.refresh_listeners()
        token = member(frame.request, "idToken")
        name = string(frame.request, "idTag") or string(token, "idToken")
        if name is not None and frame.payload.get("status") == "Accepted":
            self._remote.note(name.lower(), string(token, "type"))

    @rule(
        "remote.not-authorized",
        call("TransactionEvent"),
        title="A remote start begins a transaction without the authorization that AuthorizeRemoteStart wants",
        severity=Severity.WARNING,
        spec="OCPP 2.x F01.FR.01, F02.FR.09",
        remedy="Send Authorize after an accepted remote start where AuthorizeRemoteStart is true and the token is not "
        "known, and start only when it is accepted.",
        bad=script(BOOT_2X, _ASKS, _NO_STORES, _start(), _BEGUN),
        good=script(
            BOOT_2X,
            _ASKS,
            _NO_STORES,
            _start(),
            cp("Authorize", {"idToken": _TOKEN}, {"idTokenInfo": ACCEPTED}),
            _BEGUN,
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
        plain=False,
        dormant=lambda topic: not topic._remote,
    )
    def not_authorized(self, frame: Frame) -> Faults:
        event, token = self._transactions.event, token_of(frame.payload)
        if event is None or token is None or event.trigger != "RemoteStart" or event.offline:
            return None
        kind = self._remote.pop(token.value, None)
        if kind in (None, "Central", "NoAuthorization") or kind != token.kind:
            return None
        if (self._configuration.variable("AuthCtrlr", "AuthorizeRemoteStart") or "").lower() != "true":
            return None
        known, name = self.station.topic(KnownTokens2x), event.transaction.transaction_id
        answer = known.answers.get(token)
        if answer is not None and answer.status not in ("Accepted", "ConcurrentTx", "NotAtThisTime"):
            text = f"{event.transaction} begins, but Authorize for {token} was answered with {answer.status[:20]}"
            return Fault(text, "/3/idToken", key=name)
        stores = (known.flag("AuthCacheCtrlr", "Enabled"), known.flag("LocalAuthListCtrlr", "Enabled"))
        if True in stores or token in known.asked or answer is not None or not self._evidence.seen_since:
            return None
        sure = None not in stores  # otherwise the token may be in a cache or list that nobody has asked about
        text = f"{event.transaction} begins without Authorize for {token}"
        return Fault(text, "/3/idToken", severity=None if sure else Severity.INFO, key=name)

    @track(call("StartTransaction", "StopTransaction"), versions=V16, dormant=lambda topic: not topic._remote)
    def used(self, frame: Frame) -> None:
        self._remote.pop((string(frame.payload, "idTag") or "").lower(), None)

    @rule(
        "remote.stop-contradicted",
        result("RemoteStopTransaction"),
        title="The answer to RemoteStopTransaction contradicts the transaction",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §5.12",
        remedy="Answer Accepted for a transaction that is ongoing, and Rejected for any other.",
        bad=script(_BOOTED, _STARTED_16, csms("RemoteStopTransaction", {"transactionId": 9})),
        good=script(_BOOTED, _STARTED_16, csms("RemoteStopTransaction", {"transactionId": 9}, {"status": "Rejected"})),
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def stop_contradicted(self, frame: Frame) -> Faults:
        number, status = integer(frame.request, "transactionId"), frame.payload.get("status")
        known = self.station.topic(Transactions16)
        if number is None or not self._evidence.seen_since or not self._evidence.has_sent_all(self.session):
            return None
        one = known.by_id.get(number)
        if (
            status == "Accepted"
            and one is None
            and known.open_transactions()
            and not (known.unseen or known.undelivered)
        ):
            return Fault(f"the stop of transaction {number} is accepted, but no such transaction began", "/2/status")
        if status == "Rejected" and one is not None and one.open and one.started_ns > self.session.opened_at.mono_ns:
            return Fault(f"the stop of {one} is rejected, although it is open", "/2/status", key=str(number))
        return None

    @rule(
        "trigger.connector",
        call("TriggerMessage"),
        title="A StatusNotification is triggered without a connector",
        severity=Severity.WARNING,
        spec="OCPP 2.x F06.FR.13",
        remedy="Give evse.connectorId where requestedMessage is StatusNotification.",
        bad=script(
            csms(
                "TriggerMessage", {"requestedMessage": "StatusNotification", "evse": {"id": 1}}, {"status": "Rejected"}
            )
        ),
        good=script(
            csms(
                "TriggerMessage",
                {"requestedMessage": "StatusNotification", "evse": {"id": 1, "connectorId": 1}},
                {"status": "Rejected"},
            )
        ),
        versions=V2X,
        side=Side.CSMS,
    )
    def trigger_connector(self, frame: Frame) -> Faults:
        if frame.payload.get("requestedMessage") != "StatusNotification":
            return None
        if "connectorId" in member(frame.payload, "evse"):
            return None
        return Fault("StatusNotification is triggered without evse.connectorId", "/3")

    @rule(
        "transaction-event.ongoing",
        result("GetTransactionStatus"),
        title="The answer to GetTransactionStatus contradicts the transaction",
        severity=Severity.WARNING,
        spec="OCPP 2.x E14.FR.01, E14.FR.02, E14.FR.03",
        remedy="Give ongoingIndicator where the request names a transaction: true until it has ended, then false.",
        bad=script(
            BOOT_2X,
            started(),
            csms(
                "GetTransactionStatus", {"transactionId": "t1"}, {"ongoingIndicator": False, "messagesInQueue": False}
            ),
        ),
        good=script(
            BOOT_2X,
            started(),
            csms("GetTransactionStatus", {"transactionId": "t1"}, {"ongoingIndicator": True, "messagesInQueue": False}),
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def ongoing_answer(self, frame: Frame) -> Faults:
        name, said = string(frame.request, "transactionId"), frame.payload.get("ongoingIndicator")
        if name is None:
            return None
        if "ongoingIndicator" not in frame.payload:
            return Fault(f"ongoingIndicator is missing, though the request names {name[:36]!r}", "/2", key="missing")
        runs = ongoing(self, name)
        if said is True and runs is False:
            return Fault(
                f"ongoingIndicator is true, but transaction {name[:36]!r} does not run",
                "/2/ongoingIndicator",
                key=name[:36],
            )
        if runs is False and name not in self._transactions.by_id and frame.payload.get("messagesInQueue") is True:
            text = f"messagesInQueue is true, but there was no transaction {name[:36]!r}"
            return Fault(text, "/2/messagesInQueue", key=name[:36])
        one = self._transactions.by_id.get(name)
        here = one is not None and one.connection == self._evidence.connections
        sure = here and frame.payload.get("messagesInQueue") is False and self._evidence.has_sent_all(self.session)
        if said is False and runs is True and sure:
            return Fault(f"{one} is open, but ongoingIndicator is not true", "/2/ongoingIndicator", key=name[:36])
        return None


def _token(payload: Payload, name: str) -> str | None:
    token = string(member(payload, name), "idToken")
    return token.lower() if token is not None else None
