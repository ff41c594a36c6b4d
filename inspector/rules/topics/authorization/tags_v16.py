"""Whether a 1.6 charge point asks about idTags, and heeds its local list and its reservations."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise
from inspector.rules.rule import ASIDE, V16, Faults, Topic, aside, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v16 import Transactions16
from inspector.rules.topics.example_frames import BOOT_16, NOW, cp, csms, script

LIST_LIMIT = 5000
REFUSED = frozenset({"Blocked", "Expired", "Invalid"})
_OFF = "".join(
    csms("ChangeConfiguration", {"key": key, "value": "false"}).replace('"#"', f'"{key}"')
    for key in ("AuthorizationCacheEnabled", "LocalAuthListEnabled")
)


def _authorize(status: str = "Accepted", tag: str = "T") -> str:
    return cp("Authorize", {"idTag": tag}, {"idTagInfo": {"status": status}})


def _start(tag: str = "T", **more: object) -> str:
    started = {"connectorId": 1, "idTag": tag, "meterStart": 0, "timestamp": NOW, **more}
    return cp("StartTransaction", started, {"transactionId": 7, "idTagInfo": {"status": "Accepted"}})


def _listed(status: str) -> str:
    entry = {"idTag": "T", "idTagInfo": {"status": status}}
    return csms("SendLocalList", {"listVersion": 5, "updateType": "Full", "localAuthorizationList": [entry]})


_RESERVED = csms(
    "ReserveNow", {"connectorId": 1, "expiryDate": "2026-01-01T18:00:00Z", "idTag": "R", "reservationId": 5}
)
_CONFLICT = cp("StatusNotification", {"connectorId": 0, "errorCode": "LocalListConflict", "status": "Available"})


def _conflicts(topic: Tags16, frame: Frame) -> str | None:
    """Say whether an answer refuses an idTag that the local list accepts."""
    tag, status = string(frame.request, "idTag"), string(member(frame.payload, "idTagInfo"), "status")
    if tag is None or status not in REFUSED or topic.listed.get(tag.lower()) != "Accepted":
        return None
    return "conflict" if topic.configuration.flag("LocalAuthListEnabled") is not False else None


class Tags16(Topic):
    """Rules about idTags; judged before the transactions take the frame in.

    Attributes:
        listed: the status of each idTag in the local list, as far as it is known; "" for one that was removed.
    """

    scope = "station"
    versions = V16

    def setup(self) -> None:
        self.listed: dict[str, str] = {}
        self.configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)
        self._transactions = self.station.topic(Transactions16)
        self._asked: Known[str, None] = Known()  # idTags whose Authorize no transaction has used
        self._remote: Known[str, None] = Known()
        self._families: Known[int, None] = Known()  # reservations that more than one idTag may use

    @rule(
        "transaction.not-asked",
        call("StartTransaction"),
        title="A transaction starts without Authorize although no cache or list can have the idTag",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §4.1",
        remedy="Send Authorize for an idTag that is neither in the authorization cache nor in the local list.",
        bad=script(BOOT_16, _OFF, _start()),
        good=script(BOOT_16, _OFF, _authorize(), _start()),
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def not_asked(self, frame: Frame) -> Faults:
        tag = (string(frame.payload, "idTag") or "").lower()
        happened, known = seconds(string(frame.payload, "timestamp")), self.configuration
        asked, remote = tag in self._asked, tag in self._remote
        self._asked.pop(tag, None)
        late = happened is None or not self._evidence.timed or happened < frame.ts_ns / 1e9 - 60
        found = [aside(self.listed_refused, tag, asked) if late else None, aside(self.reserved, frame, tag, happened)]
        off = known.flag("AuthorizationCacheEnabled") is False and known.flag("LocalAuthListEnabled") is False
        starting = self._transactions.starting
        again = starting is not None and starting.again
        if off and not asked and not remote and not late and not again and self._evidence.has_seen_since(happened):
            found.append(Fault(f"a start for {tag[:20]!r} without Authorize", "/3/idTag", key=tag[:20]))
        return [fault for fault in found if fault is not None]

    @rule(
        "transaction.listed-refused",
        ASIDE,
        title="A transaction starts offline for an idTag that the local list refuses",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §3.5.3 and §3.5.4",
        remedy="Refuse an idTag that is not Accepted in the local list while there is no connection.",
        bad=script(_listed("Blocked"), "+ 5m", _start()),
        good=script(_listed("Accepted"), "+ 5m", _start()),
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def listed_refused(self, tag: str, asked: bool) -> Fault | None:
        status = self.listed.get(tag)
        if not status or status == "Accepted" or asked or tag in self._remote:
            return None
        if self.configuration.flag("LocalAuthListEnabled") is False:
            return None
        return Fault(f"a start for {tag[:20]!r}, which is {status[:20]} in the local list", "/3/idTag", key=tag[:20])

    @rule(
        "reservation.stranger",
        ASIDE,
        title="A transaction starts on a connector that is reserved for another idTag",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §5.13",
        remedy="Refuse every idTag on a reserved connector but the one that it is reserved for, and those of its "
        "parent idTag.",
        bad=script(_RESERVED, _authorize(), _start()),
        good=script(_RESERVED, _authorize(tag="R"), _start("R", reservationId=5)),
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def reserved(self, frame: Frame, tag: str, happened: float | None) -> Fault | None:
        connector = integer(frame.payload, "connectorId")
        if happened is None or not self._evidence.timed:
            return None
        skew = self.settings.clock_skew_s
        for one in self._transactions.reservations.values():
            if one.connector != connector or not one.connector or one.id_tag.lower() == tag:
                continue
            if one.reservation_id in self._families or one.expires_s is None or one.expires_s < happened + skew:
                continue
            if happened < one.accepted_ns / 1e9 - 1:
                continue  # it had started before
            text = f"connector {connector} is reserved for {one.id_tag[:20]!r}, but {tag[:20]!r} starts"
            return Fault(text, "/3/idTag", key=str(one.reservation_id))
        return None

    @track(result("ReserveNow"))
    def reservation_made(self, frame: Frame) -> None:
        number = integer(frame.request, "reservationId")
        if number is not None and frame.payload.get("status") == "Accepted":
            self._families.pop(number, None)
            if "parentIdTag" in frame.request:
                self._families.note(number, None)

    conflict_unreported = Promise(
        "status.local-list-conflict",
        "Authorize",
        "StartTransaction",
        promised=_conflicts,
        kept_by=call("StatusNotification"),
        keeps=lambda topic, frame: "conflict" if frame.payload.get("errorCode") == "LocalListConflict" else None,
        at_close=AtClose.LATE,
        text="an idTag was refused that the local list accepts, but no LocalListConflict came within {wait}",
        title="A conflict between the local list and the CSMS is not reported",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §3.5.2",
        remedy="Send StatusNotification for connector 0 with errorCode LocalListConflict when the CSMS refuses an "
        "idTag that the local list accepts.",
        bad=script(_listed("Accepted"), _authorize("Blocked"), "+ 5m"),
        good=script(_listed("Accepted"), _authorize("Blocked"), _CONFLICT, "+ 5m"),
        versions=V16,
        side=Side.CHARGE_POINT,
    )

    @track(call("Authorize"))
    def authorizing(self, frame: Frame) -> None:
        self._asked.note((string(frame.payload, "idTag") or "").lower(), None)

    @track(result("RemoteStartTransaction"))
    def remote_started(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            self._remote.note((string(frame.request, "idTag") or "").lower(), None)

    @track(result("SendLocalList"))
    def list_sent(self, frame: Frame) -> None:
        if frame.payload.get("status") != "Accepted":
            return
        if frame.request.get("updateType") == "Full":
            self.listed.clear()
        for entry in elements(frame.request, "localAuthorizationList"):
            tag = (string(entry, "idTag") or "").lower()
            if tag in self.listed or len(self.listed) < LIST_LIMIT:
                self.listed[tag] = string(member(entry, "idTagInfo"), "status") or ""
