"""Whether cars, stations and CSMS agree on the transfer of energy in both directions (OCPP 2.1, block Q)."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise, ongoing
from inspector.rules.rule import V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import ACCEPTED, Payload, cp, csms, script, started
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent

_TOKEN = {"idToken": "T", "type": "ISO14443"}
_VALID: Payload = {"idTokenInfo": {"status": "Accepted"}}
_BOTH_WAYS = {"evTargetEnergyRequest": 20, "maxChargePower": 11000, "maxDischargePower": 11000}
_DC = {"evMaxCurrent": 200, "evMaxVoltage": 400}


def _authorize(*modes: str) -> str:
    told = {"allowedEnergyTransfer": list(modes)} if modes else {}
    return cp("Authorize", {"idToken": _TOKEN}, {"idTokenInfo": ACCEPTED, **told})


def needs(mode: str, status: str = "Accepted", **more: object) -> str:
    """NotifyEVChargingNeeds with this energy transfer, and its answer."""
    told: Payload = {"requestedEnergyTransfer": mode}
    if more:
        told |= more
    elif "BPT" in mode:
        told |= {"availableEnergyTransfer": ["DC", mode], "controlMode": "DynamicControl"}
        told["v2xChargingParameters"] = _BOTH_WAYS
    else:
        told["dcChargingParameters"] = _DC
    return cp("NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": told}, {"status": status})


_BEGUN = started(idToken=_TOKEN, answer=_VALID)
_ALLOWED = csms("NotifyAllowedEnergyTransfer", {"transactionId": "t1", "allowedEnergyTransfer": ["DC_BPT"]})
_REJECTED = _ALLOWED.replace('"Accepted"', '"Rejected"')


def _two_way(mode: str | None) -> bool:
    return "BPT" in (mode or "")


class TwoWayNeeds21(Topic):
    """Rules about NotifyEVChargingNeeds and the energy transfers that the CSMS allows."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._allowed: Known[str, list[str]] = Known()  # by token, as the CSMS answered Authorize; [] for none
        self._granted: Known[str, list[str]] = Known()  # by transaction, as NotifyAllowedEnergyTransfer said
        self._tokens: Known[str, str] = Known()  # by transaction
        self._mode: Known[int, str] = Known()  # the requestedEnergyTransfer of each EVSE
        self._transactions = self.station.topic(Transactions2x)

    def _may(self, evse: int | None) -> list[str] | None:
        """What the CSMS allows on an EVSE; None where that is not known."""
        running = self._transactions.open_on(evse) if evse is not None else []
        if len(running) != 1:
            return None
        name = running[0].transaction_id
        if name in self._granted:
            return self._granted[name]
        return self._allowed.get(self._tokens.get(name, ""))

    @rule(
        "v2x.not-allowed",
        call("NotifyEVChargingNeeds"),
        result("NotifyEVChargingNeeds"),
        title="An energy transfer is requested, or accepted, that the CSMS has not allowed",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q01.FR.04, Q01.FR.09, Q02.FR.04, K18.FR.22, K19.FR.15",
        remedy="Request charging only until allowedEnergyTransfer has the other modes. Answer Rejected to a mode that "
        "is not allowed.",
        bad=script(_authorize(), _BEGUN, needs("DC_BPT")),
        good=script(_authorize("DC", "DC_BPT"), _BEGUN, needs("DC_BPT")),
        versions=V21,
    )
    def not_allowed(self, frame: Frame) -> Faults:
        answer = frame.call is not None
        payload = frame.request if answer else frame.payload
        mode, may = string(member(payload, "chargingNeeds"), "requestedEnergyTransfer"), None
        if mode is not None:
            may = self._may(integer(payload, "evseId"))
        if may is None or mode is None or mode in may or (not may and not _two_way(mode)):
            return None
        allowed = ", ".join(may)[:100] or "none was given"
        if answer:
            if frame.payload.get("status") == "Rejected" or not may:
                return None
            return Fault(f"{mode} is not rejected; allowedEnergyTransfer: {allowed}", "/2/status", key=mode)
        severity = Severity.INFO if may else None  # the CSMS may still reject it
        text = f"{mode} is requested; allowedEnergyTransfer: {allowed}"
        return Fault(text, "/3/chargingNeeds", key=mode, severity=severity)

    @rule(
        "v2x.needs-incomplete",
        call("NotifyEVChargingNeeds"),
        title="The charging needs of a car that can discharge are incomplete",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q01.FR.03",
        remedy="Send availableEnergyTransfer, controlMode and v2xChargingParameters with a bidirectional transfer.",
        bad=script(needs("DC_BPT", dcChargingParameters=_DC)),
        good=script(needs("DC_BPT")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def needs_incomplete(self, frame: Frame) -> Faults:
        told = member(frame.payload, "chargingNeeds")
        if not _two_way(string(told, "requestedEnergyTransfer")):
            return None
        wanted = ("availableEnergyTransfer", "controlMode", "v2xChargingParameters")
        lacking = [name for name in wanted if name not in told]
        return Fault(f"{', '.join(lacking)} is missing", "/3/chargingNeeds") if lacking else None

    @rule(
        "v2x.needs-answer",
        result("NotifyEVChargingNeeds"),
        title="An energy transfer is rejected that the CSMS has allowed",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q01.FR.07",
        remedy="Answer Accepted or Processing to an energy transfer in allowedEnergyTransfer, or NoChargingProfile "
        "where no charging profile follows.",
        bad=script(_authorize("DC", "DC_BPT"), _BEGUN, needs("DC_BPT", "Rejected")),
        good=script(_authorize("DC", "DC_BPT"), _BEGUN, needs("DC_BPT", "NoChargingProfile")),
        versions=V21,
        side=Side.CSMS,
    )
    def needs_answer(self, frame: Frame) -> Faults:
        mode, status = (
            string(member(frame.request, "chargingNeeds"), "requestedEnergyTransfer"),
            frame.payload.get("status"),
        )
        may = self._may(integer(frame.request, "evseId"))
        if status != "Rejected" or mode is None or may is None or mode not in may:
            return None
        return Fault(f"{mode} is rejected, although the CSMS has allowed it", "/2/status", key=mode)

    @rule(
        "v2x.mode-unrequested",
        call("SetChargingProfile"),
        title="A profile controls discharging although the car has requested charging only",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q02.FR.01",
        remedy="Use the operationMode ChargingOnly where requestedEnergyTransfer is not bidirectional.",
        bad=script(
            started(),
            needs("DC"),
            sent(
                profile(
                    "TxProfile",
                    transactionId="t1",
                    period={"operationMode": "CentralFrequency", "setpoint": 9},
                )
            ),
        ),
        good=script(
            started(),
            needs("DC"),
            sent(profile("TxProfile", transactionId="t1", period={"operationMode": "ChargingOnly"})),
        ),
        versions=V21,
        side=Side.CSMS,
        dormant=lambda topic: not topic._mode,
    )
    def mode_unrequested(self, frame: Frame) -> Faults:
        one = member(frame.payload, "chargingProfile")
        mode = self._mode.get(integer(frame.payload, "evseId") or 0)
        if mode is None or _two_way(mode) or one.get("chargingProfilePurpose") != "TxProfile":
            return None
        for schedule in elements(one, "chargingSchedule"):
            for period in elements(schedule, "chargingSchedulePeriod"):
                if string(period, "operationMode") in _DISCHARGES:
                    text = f"operationMode is {period['operationMode']}, but the car has requested {mode}"
                    return Fault(text, "/3/chargingProfile/chargingSchedule")
        return None

    @rule(
        "v2x.transfer-refused",
        result("NotifyAllowedEnergyTransfer"),
        title="The energy transfers that the CSMS allows for a transaction are rejected",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q02.FR.06",
        remedy="Answer Accepted, and renegotiate the service with the car.",
        bad=script(started(), needs("DC"), _REJECTED),
        good=script(started(), needs("DC"), _ALLOWED, needs("DC_BPT")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def transfer_refused(self, frame: Frame) -> Faults:
        name = string(frame.request, "transactionId")
        if frame.payload.get("status") != "Rejected" or name is None or ongoing(self, name) is not True:
            return None
        evse = self._transactions.by_id[name].evse
        if evse not in self._mode:
            return None  # a car that has told no needs may not speak ISO 15118
        return Fault(f"Rejected for transaction {name[:36]}, which is active", "/2/status", key=name[:36])

    not_renegotiated = Promise(
        "v2x.not-renegotiated",
        "NotifyAllowedEnergyTransfer",
        promised=lambda topic, frame: (
            string(frame.request, "transactionId") if frame.payload.get("status") == "Accepted" else None
        ),
        kept_by=call("NotifyEVChargingNeeds", "TransactionEvent"),
        keeps=lambda topic, frame: topic.renegotiated(frame),
        excused=lambda topic, frame: ongoing(topic, string(frame.request, "transactionId")) is False,
        at_close=AtClose.LATE,
        text="other energy transfers were accepted for {key}, but no NotifyEVChargingNeeds came within {wait}",
        title="New charging needs do not follow the energy transfers that the CSMS allows",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q02.FR.05, Q02.FR.07",
        remedy="Send NotifyEVChargingNeeds after the renegotiation with the car.",
        bad=script(started(), _ALLOWED, "+ 5m"),
        good=script(started(), _ALLOWED, needs("DC_BPT", "Processing"), "+ 5m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )

    def renegotiated(self, frame: Frame) -> object:
        """The transactions whose needs, or whose end, this frame reports."""
        if frame.action == "TransactionEvent":
            name = string(member(frame.payload, "transactionInfo"), "transactionId")
            return name if frame.payload.get("eventType") == "Ended" else None
        return [one.transaction_id for one in self._transactions.open_on(integer(frame.payload, "evseId") or 0)]

    @track(call("NotifyEVChargingNeeds"))
    def needs_told(self, frame: Frame) -> None:
        evse, mode = integer(frame.payload, "evseId"), member(frame.payload, "chargingNeeds")
        if evse is not None:
            self._mode.note(evse, string(mode, "requestedEnergyTransfer") or "")
            self.station.refresh_listeners()

    @track(result("Authorize"))
    def authorized(self, frame: Frame) -> None:
        token = string(member(frame.request, "idToken"), "idToken")
        if token and string(member(frame.payload, "idTokenInfo"), "status") == "Accepted":
            told = frame.payload.get("allowedEnergyTransfer")
            self._allowed.note(token.lower(), [str(one) for one in told[:20]] if type(told) is list else [])
            self.station.refresh_listeners()

    @track(call("TransactionEvent"), dormant=lambda topic: not topic._allowed)
    def happened(self, frame: Frame) -> None:
        told = self._transactions.event
        token = string(told.token, "idToken") if told is not None and told.token is not None else None
        if told is not None and token:
            self._tokens.note(told.transaction.transaction_id, token.lower())
        if told is not None and told.kind == "Ended" and told.transaction.evse is not None:
            self._mode.pop(told.transaction.evse, None)

    @track(result("NotifyAllowedEnergyTransfer"))
    def granted(self, frame: Frame) -> None:
        name, told = string(frame.request, "transactionId"), frame.request.get("allowedEnergyTransfer")
        if name is not None and type(told) is list and frame.payload.get("status") == "Accepted":
            self._granted.note(name, [str(one) for one in told[:20]])


_DISCHARGES = frozenset("CentralSetpoint CentralFrequency LocalFrequency LocalLoadBalancing ExternalSetpoint".split())
