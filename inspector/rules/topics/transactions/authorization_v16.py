"""Judge whether the idTags that start and stop 1.6 transactions are authorized, as far as the frames show."""

from __future__ import annotations

from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import duration
from inspector.rules.fields import elements, member, seconds, string
from inspector.rules.finding import ABSENT, Fault, Severity, Side
from inspector.rules.rule import DEADLINE, V16, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v16 import Transaction16, Transactions16
from inspector.rules.topics.availability.status_v16 import Status16

TAGS_LIMIT = 1000
REFUSALS = frozenset({"Blocked", "Expired", "Invalid", "ConcurrentTx"})
"""The statuses with which an idTag is refused (1.6 section 7.2); an unknown status does not count as a refusal."""
REPLAYED_S = 60.0
"""If a StartTransaction arrives more than so many seconds after its timestamp, the charge point was offline.

It could not send Authorize then.
"""

_AUTHORIZE = '> [2,"a","Authorize",{"idTag":"T"}]\n< [3,"a",{"idTagInfo":{"status":"Accepted"}}]\n'
_START = """> [2,"s","StartTransaction",{"connectorId":1,"idTag":"T","meterStart":0,"timestamp":"2026-01-01T12:00:01Z"}]
< [3,"s",{"transactionId":7,"idTagInfo":{"status":"Accepted"}}]
"""
_REFUSED_START = _START.replace("Accepted", "Blocked")
_STOP = (
    '> [2,"e","StopTransaction",{"idTag":"T","transactionId":7,"meterStop":9,"timestamp":"2026-01-01T12:00:02Z"}]\n'
    '< [3,"e",{}]\n'
)


class _Said(NamedTuple):
    """The last status of an idTag, and the monotonic time of the message with it."""

    status: str
    said_ns: int


class TransactionAuthorization16(Topic):
    """The rules about authorization.

    Attributes:
        tags: the last status of each idTag, from any message; in lower case, because idTags are case-insensitive.
    """

    scope = "station"
    versions = V16

    def setup(self) -> None:
        self.tags: dict[str, _Said] = {}
        self._asked: dict[str, Frame] = {}
        self._remote_starts: dict[str, int] = {}
        self._known = self.station.topic(Transactions16)
        self._evidence = self.station.topic(Observation)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "transaction.not-authorized",
        call("StartTransaction"),
        title="A transaction starts for an idTag that was not seen to be authorized",
        severity=Severity.INFO,
        spec="OCPP 1.6 §4.1",
        remedy="Send an Authorize first, unless the idTag is in the local list or the authorization cache.",
        bad=_START,
        good=_AUTHORIZE + _START,
        versions=V16,
        side=Side.CHARGE_POINT,
        heuristic=True,
    )
    def not_authorized(self, frame: Frame) -> Faults:
        id_tag = string(frame.payload, "idTag")
        if id_tag is None or self._again() or self._replayed(frame):
            return None
        tag = id_tag.lower()
        if tag in self.tags or tag in self._remote_starts:
            return None
        since = "" if self.session.from_start else " since the capture began"
        text = f"a start for {id_tag!r} without a previous Authorize{since}; a local list or cache may have accepted it"
        return Fault(text, "/3/idTag", key=tag)

    @rule(
        "transaction.after-refusal",
        call("StartTransaction"),
        title="A transaction starts for an idTag that the CSMS has just refused",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §4.1",
        remedy="Supply energy only after authorization.",
        bad=_AUTHORIZE.replace("Accepted", "Blocked") + _START,
        good=_AUTHORIZE + _START,
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def after_refusal(self, frame: Frame) -> Faults:
        id_tag = string(frame.payload, "idTag")
        if id_tag is None or self._again() or self._replayed(frame):
            return None
        said = self.tags.get(id_tag.lower())
        if said is None or said.status not in REFUSALS:
            return None
        # After ConcurrentTx a start is allowed: it is not a valid answer to Authorize, which another rule reports.
        if said.status == "ConcurrentTx" or self._remote_starts.get(id_tag.lower(), -1) > said.said_ns:
            return None
        text = f"a start for {id_tag!r}, although the CSMS has answered {said.status}"
        return Fault(text, "/3/idTag", key=id_tag.lower())

    @rule(
        "transaction.needless-authorize",
        call("StopTransaction"),
        title="An Authorize is sent for the idTag that started the transaction, only to stop it",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §4.1",
        remedy="Stop without Authorize when the idTag is the one that started the transaction.",
        bad=_AUTHORIZE + _START + _AUTHORIZE.replace('"a"', '"a2"') + _STOP,
        good=_AUTHORIZE + _START + _STOP,
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def needless_authorize(self, frame: Frame) -> Faults:
        stopping = self._known.stopping
        if stopping is None or stopping.transaction is None or stopping.earlier is not None:
            return None
        transaction, stop = stopping.transaction, stopping.stop
        if stop.id_tag is None or stop.reason not in (None, "Local") or transaction.id_tag is None:
            return None
        tag = stop.id_tag.lower()
        asked = self._asked.get(tag)
        if asked is None or tag != transaction.id_tag.lower() or asked.mono_ns <= transaction.started_ns:
            return None
        if frame.mono_ns - asked.mono_ns > self.settings.effect_timeout_s * 1e9:
            return None
        text = (
            f"Authorize for {stop.id_tag!r} before the stop of transaction {stopping.transaction_id}, which the "
            f"same idTag started"
        )
        return Fault(text, "/3/idTag", frame=asked, key=tag)

    @rule(
        "transaction.concurrent-tag",
        result("Authorize"),
        title="An Authorize is answered with ConcurrentTx",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §7.2",
        remedy="Use ConcurrentTx only in the answer to StartTransaction.",
        bad=_AUTHORIZE.replace("Accepted", "ConcurrentTx"),
        good=_AUTHORIZE + _START.replace("Accepted", "ConcurrentTx"),
        versions=V16,
        side=Side.CSMS,
    )
    def concurrent_tag(self, frame: Frame) -> Faults:
        if member(frame.payload, "idTagInfo").get("status") != "ConcurrentTx":
            return None
        return Fault(
            "Authorize is answered with ConcurrentTx, which is meant for StartTransaction", "/2/idTagInfo/status"
        )

    @rule(
        "transaction.not-deauthorized",
        DEADLINE,
        title="A transaction continues although the CSMS refused it",
        severity=Severity.WARNING,
        spec="OCPP 1.6 errata 3.17",
        remedy="When a start is not Accepted, stop with reason DeAuthorized or report SuspendedEVSE.",
        bad=_REFUSED_START + "+ 5m",
        good=_REFUSED_START + _STOP.replace('"idTag":"T"', '"reason":"DeAuthorized"') + "+ 5m",
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def not_deauthorized(self, moment: Moment, transaction: Transaction16, answered_ns: int) -> Faults:
        if self.session not in self.station.sessions:
            return None  # the charge point is offline, so its reaction may not have been seen yet
        if self.station.topic(Status16).suspended_ns.get(transaction.connector or 0, -1) >= answered_ns:
            return None
        if (self._configuration.number("MaxEnergyOnInvalidId") or 0) > 0:
            return None  # the configuration allows it to continue for some energy
        stop = transaction.stop
        if stop is not None:
            ended = seconds(stop.timestamp)
            before = ended is not None and ended * 1e9 <= (transaction.answered_ts_ns or 0)
            if before or stop.reason not in (None, "Local", "Other"):
                return None
            went_on = f"but ends with reason {stop.reason or 'missing'}; expected DeAuthorized"
        else:
            went_on = f"but is neither stopped nor suspended after {duration(self.settings.effect_timeout_s)}"
        text = f"{transaction} was refused ({transaction.status}) {went_on}"
        return Fault(text, frame=ABSENT, key=str(transaction.transaction_id))

    @track(call("Authorize"))
    def asked(self, frame: Frame) -> None:
        id_tag = string(frame.payload, "idTag")
        if id_tag is not None:
            _keep(self._asked, id_tag.lower(), frame)

    @track(result("Authorize", "StopTransaction", "StartTransaction"))
    def duration(self, frame: Frame) -> None:
        id_tag = string(frame.request, "idTag")
        status = string(member(frame.payload, "idTagInfo"), "status")
        if id_tag is not None and status is not None:
            _keep(self.tags, id_tag.lower(), _Said(status, frame.mono_ns))

    @track(result("StartTransaction"))
    def refused(self, frame: Frame) -> None:
        answering = self._known.answering
        if answering is None or answering.transaction.status not in REFUSALS:
            return
        self.station.deadline(
            frame,
            self.settings.effect_timeout_s,
            self.not_deauthorized,
            answering.transaction,
            frame.mono_ns,
            at_close=AtClose.LATE,
        )

    @track(result("RemoteStartTransaction"))
    def remotely_started(self, frame: Frame) -> None:
        id_tag = string(frame.request, "idTag")
        if id_tag is not None and frame.payload.get("status") == "Accepted":
            _keep(self._remote_starts, id_tag.lower(), frame.mono_ns)

    @track(result("SendLocalList"))
    def listed(self, frame: Frame) -> None:
        if frame.payload.get("status") != "Accepted":
            return
        for entry in elements(frame.request, "localAuthorizationList")[:TAGS_LIMIT]:
            id_tag, status = string(entry, "idTag"), string(member(entry, "idTagInfo"), "status")
            if id_tag is not None and status is not None:
                _keep(self.tags, id_tag.lower(), _Said(status, frame.mono_ns))

    def _again(self) -> bool:
        return self._known.starting is not None and self._known.starting.again

    def _replayed(self, frame: Frame) -> bool:
        if not self._evidence.timed:
            return False
        started = seconds(string(frame.payload, "timestamp"))
        return started is not None and frame.ts_ns / 1e9 - started > REPLAYED_S


def _keep(known: dict[Any, Any], key: Any, value: Any) -> None:
    known.pop(key, None)
    known[key] = value
    if len(known) > TAGS_LIMIT:
        del known[next(iter(known))]
