"""Judge whether the answer to UnlockConnector fits the connector and its transaction."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import duration
from inspector.rules.fields import integer, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import DEADLINE, V2X, V16, Faults, Topic, result, rule, track
from inspector.rules.state.authorized_v2x import Authorized2x
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.state.transactions_v16 import Transaction16, Transactions16
from inspector.rules.topics.availability.evses_v2x import Evses2x

_TRIED = frozenset({"Unlocked", "UnlockFailed"})
REPORTED_S = 1.0
"""A station that has reported one connector of an EVSE reports the others within so many seconds."""
_CONNECTORS = (
    '< [2,"g","GetConfiguration",{"key":["NumberOfConnectors"]}]\n'
    '> [3,"g",{"configurationKey":[{"key":"NumberOfConnectors","readonly":true,"value":"2"}]}]\n'
)
_AVAILABLE = (
    '> [2,"n","StatusNotification",{"timestamp":"2026-01-01T12:00:00Z","evseId":1,"connectorId":1,'
    '"connectorStatus":"Available"}]\n< [3,"n",{}]\n'
)
_UNLOCK_16 = '< [2,"u","UnlockConnector",{"connectorId":%d}]\n> [3,"u",{"status":"%s"}]\n'
_UNLOCK_2X = '< [2,"u","UnlockConnector",{"evseId":1,"connectorId":1}]\n> [3,"u",{"status":"%s"}]\n'
_STARTED_16 = (
    '> [2,"s","StartTransaction",{"connectorId":1,"idTag":"T","meterStart":0,"timestamp":"2026-01-01T12:00:00Z"}]\n'
    '< [3,"s",{"transactionId":1,"idTagInfo":{"status":"Accepted"}}]\n'
)
_STOPPED_16 = (
    '> [2,"e","StopTransaction",{"transactionId":1,"meterStop":0,"timestamp":"2026-01-01T12:00:00Z",'
    '"reason":"UnlockCommand"}]\n< [3,"e",{}]\n'
)
_STARTED_2X = (
    '> [2,"s","TransactionEvent",{"eventType":"Started","timestamp":"2026-01-01T12:00:00Z","triggerReason":'
    '"Authorized","seqNo":0,"transactionInfo":{"transactionId":"t1","chargingState":"Charging"},'
    '"evse":{"id":1,"connectorId":1},"idToken":{"idToken":"T","type":"Central"}}]\n'
    '< [3,"s",{"idTokenInfo":{"status":"Accepted"}}]\n'
)


class Unlock(Topic):
    """The rules about UnlockConnector."""

    scope = "station"

    def setup(self) -> None:
        self._authorized = self.station.topic(Authorized2x)
        self._evidence = self.station.topic(Observation)
        self._configuration = self.station.topic(ConfigurationState)
        self._transactions = self.station.topic(Transactions2x)

    @rule(
        "unlock.connector",
        result("UnlockConnector"),
        title="The answer to UnlockConnector contradicts the connectors that the charge point has",
        severity={
            OcppVersion.V16: Severity.WARNING,
            OcppVersion.V201: Severity.ERROR,
            OcppVersion.V21: Severity.ERROR,
        },
        spec="OCPP 1.6 §7.45 with errata 3.87; 2.x F05.FR.03, F05.FR.06",
        remedy="Answer NotSupported (1.6) or UnknownConnector (2.x) for a connector you do not have, and for no other.",
        bad={"1.6": _CONNECTORS + _UNLOCK_16 % (3, "UnlockFailed"), "2x": _AVAILABLE + _UNLOCK_2X % "UnknownConnector"},
        good={"1.6": _CONNECTORS + _UNLOCK_16 % (3, "NotSupported"), "2x": _AVAILABLE + _UNLOCK_2X % "Unlocked"},
        side=Side.CHARGE_POINT,
    )
    def connector(self, frame: Frame) -> Faults:
        status, connector = string(frame.payload, "status"), integer(frame.request, "connectorId")
        if connector is None or status is None:
            return None
        if self.session.version is OcppVersion.V16:
            most = self._configuration.connectors
            if status not in _TRIED or most is None or connector <= most:
                return None
            return Fault(f"{status} for connector {connector}; NumberOfConnectors is {most}", "/2/status")
        evses = self.station.topic(Evses2x)
        evse = integer(frame.request, "evseId")
        known = evses.status(evse, connector) if evse is not None else None
        where = f"connector {connector} of EVSE {evse}"
        if status == "UnknownConnector" and known is not None:
            return Fault(f"{where} is called unknown; its status was {known[:20]}", "/2/status", key=where)
        if status in _TRIED and known is None and self._all_told(frame) and evses.connectors:
            return Fault(
                f"{status} for {where}, which has not reported a status since the boot", "/2/status", key=where
            )
        return None

    def _all_told(self, frame: Frame) -> bool:
        """Return whether a boot was seen, and by now every connector must have reported its status (B01.FR.05)."""
        booted, wait = self._evidence.booted_at, self.settings.status_after_boot_s
        known = self.station.topic(Evses2x).connectors
        if known:
            wait = min(wait, REPORTED_S)  # the station is reporting its connectors
        return self._evidence.seen_since is not None and booted is not None and frame.ts_ns - booted > wait * 1e9

    @rule(
        "unlock.transaction",
        result("UnlockConnector"),
        title="The answer to UnlockConnector contradicts the connector's transaction",
        severity=Severity.ERROR,
        spec="OCPP 2.x F05.FR.02",
        remedy="Do not unlock during an authorized transaction: answer OngoingAuthorizedTransaction, and only then.",
        bad=_STARTED_2X + _UNLOCK_2X % "Unlocked",
        good=_STARTED_2X + _UNLOCK_2X % "OngoingAuthorizedTransaction",
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def transaction(self, frame: Frame) -> Faults:
        status, connector = string(frame.payload, "status"), integer(frame.request, "connectorId")
        evse = integer(frame.request, "evseId")
        if evse is None or connector is None:
            return None
        known = self._transactions
        there = [one for one in known.open_on(evse) if one.connector in (None, connector)]
        if status == "OngoingAuthorizedTransaction":
            if there or not known.would_have_been_seen(None, evse):
                return None
            return Fault(f"{status}, though none is open on EVSE {evse}", "/2/status", key=str(evse))
        if status not in _TRIED or not self._evidence.has_sent_all(self.session):
            return None
        for one in there:
            if one.transaction_id in self._authorized.now and one.connection == self._evidence.connections:
                return Fault(f"{status}, though {one} is authorized and open", "/2/status", key=one.transaction_id[:36])
        return None

    @rule(
        "unlock.transaction-goes-on",
        DEADLINE,
        title="A connector is unlocked and its transaction continues",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §5.18",
        remedy="End the transaction with the reason UnlockCommand before you unlock its connector.",
        bad=_STARTED_16 + _UNLOCK_16 % (1, "Unlocked") + "+ 5m",
        good=_STARTED_16 + _UNLOCK_16 % (1, "Unlocked") + _STOPPED_16 + "+ 5m",
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def goes_on(self, moment: Moment, one: Transaction16, frame: Frame) -> Faults:
        if not one.open or self.session not in self.station.sessions:
            return None
        wait = self.settings.effect_timeout_s
        text = f"connector {one.connector} was unlocked; {duration(wait)} later {one} is still open"
        return Fault(text, "/2/status", frame=frame, key=str(one.connector))

    @track(result("UnlockConnector"), versions=V16)
    def unlocked(self, frame: Frame) -> None:
        connector = integer(frame.request, "connectorId")
        if connector is None or frame.payload.get("status") != "Unlocked":
            return
        since = self.session.opened_at.mono_ns
        for one in self.station.topic(Transactions16).open_on(connector):
            if max(one.started_ns, one.metered_ns or 0) >= since:
                self.station.deadline(
                    frame, self.settings.effect_timeout_s, self.goes_on, one, frame, at_close=AtClose.LATE
                )
