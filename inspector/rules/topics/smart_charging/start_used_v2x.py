"""Judge whether a 2.x station uses the charging profile of RequestStartTransaction for the transaction it starts."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import Transaction2x, Transactions2x
from inspector.rules.topics.example_frames import Payload, csms, script, transaction_event
from inspector.rules.topics.smart_charging.reported import asked, reported
from inspector.rules.topics.smart_charging.sent_v2x import profile

_TOKEN = {"idToken": "T", "type": "ISO14443"}
_START = csms(
    "RequestStartTransaction",
    {"remoteStartId": 5, "evseId": 1, "idToken": _TOKEN, "chargingProfile": profile("TxProfile", "Relative")},
)
_STARTED = transaction_event(
    "Started",
    "RemoteStart",
    0,
    {"chargingState": "Charging", "remoteStartId": 5},
    evse={"id": 1, "connectorId": 1},
    idToken=_TOKEN,
    answer={"idTokenInfo": {"status": "Accepted"}},
)


def _asked(status: str) -> str:
    return asked(1, status, chargingProfilePurpose="TxProfile")


_TOLD = reported(profile("TxProfile", "Relative"))
_KNOWN_CRITERIA = frozenset({"chargingProfileId", "chargingProfilePurpose", "chargingLimitSource", "stackLevel"})


class StartProfiles2x(Topic):
    """The rule about profiles that come with a remote start."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._sent: Known[int, Payload] = Known()  # by remoteStartId: the profile that the CSMS has sent with it
        self._used: Known[int, tuple[Payload, Transaction2x]] = Known()  # by id of the profile
        self._transactions = self.station.topic(Transactions2x)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "profile.start-not-used",
        result("GetChargingProfiles", "ClearChargingProfile"),
        title="The station does not know the charging profile that came with a remote start",
        severity=Severity.WARNING,
        spec="OCPP 2.x F01.FR.10, F02.FR.18",
        remedy="Keep the profile of an accepted RequestStartTransaction for its transaction, and report it.",
        bad=script(_START, _STARTED, _asked("NoProfiles")),
        good=script(_START, _STARTED, _asked("Accepted"), _TOLD),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_used(self, frame: Frame) -> Faults:
        status = string(frame.payload, "status")
        for number, (one, transaction) in list(self._used.items()):
            if not transaction.open:
                del self._used[number]
            elif frame.action == "GetChargingProfiles":
                if status == "NoProfiles" and _matches(frame.request, one, transaction):
                    text = f"NoProfiles, although profile {number} came with the start of {transaction}"
                    return Fault(text, "/2/status", key=str(number))
            elif integer(frame.request, "chargingProfileId") == number and status == "Unknown":
                text = f"profile {number} is called unknown, although it came with the start of {transaction}"
                return Fault(text, "/2/status", key=str(number))
        if frame.action == "ClearChargingProfile" and status == "Accepted":
            self._used.clear()
        return None

    @track(result("RequestStartTransaction"))
    def started(self, frame: Frame) -> None:
        one, number = member(frame.request, "chargingProfile"), integer(frame.request, "remoteStartId")
        able = (self._configuration.variable("SmartChargingCtrlr", "Enabled") or "true").lower() == "true"
        lasting = "validTo" not in one and "validFrom" not in one
        if one and number is not None and frame.payload.get("status") == "Accepted" and able and lasting:
            self._sent.note(number, one)
            self.station.refresh_listeners()

    @track(call("TransactionEvent"), plain=False, dormant=lambda topic: not topic._sent)
    def happened(self, frame: Frame) -> None:
        event = self._transactions.event
        number = integer(event.info, "remoteStartId") if event is not None else None
        one = self._sent.pop(number, None) if number is not None else None
        if event is None or one is None:
            return
        name = integer(one, "id")
        if name is not None:
            self._used.note(name, (one, event.transaction))
        self.station.refresh_listeners()

    @track(result("SetChargingProfile"))
    def replaced(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            one = member(frame.request, "chargingProfile")
            if one.get("chargingProfilePurpose") in ("TxProfile", "PriorityCharging"):
                self._used.clear()  # it may overrule the profile of the start


def _matches(request: Payload, one: Payload, transaction: Transaction2x) -> bool:
    """Whether a request for charging profiles covers this one."""
    wanted, evse = member(request, "chargingProfile"), integer(request, "evseId")
    ids, sources = wanted.get("chargingProfileId"), wanted.get("chargingLimitSource")
    return (
        wanted.keys() <= _KNOWN_CRITERIA
        and (evse is None or evse == transaction.evse)
        and (type(ids) is not list or one.get("id") in ids)
        and (type(sources) is not list or "CSO" in sources)
        and wanted.get("chargingProfilePurpose") in (None, "TxProfile")
        and wanted.get("stackLevel") in (None, one.get("stackLevel"))
    )
