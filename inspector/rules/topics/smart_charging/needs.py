"""Judge the charging needs of cars (ISO 15118): the station's report, the answer of the CSMS, and the next profile."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment, SessionContext
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise
from inspector.rules.rule import OPENED, V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import Payload, cp, script, started, transaction_event
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent

SOON_S = 60
"""A CSMS that sends a profile within this time after the needs has been able to make one; the car waits as long."""
_POWER = {"maxChargePower": 11000, "maxDischargePower": 0}
_DC = {"evMaxCurrent": 200, "evMaxVoltage": 400}


def needs(status: str = "Accepted", tuples: int | None = None, transfer: str = "AC_three_phase", **told: object) -> str:
    """Return a NotifyEVChargingNeeds of EVSE 1 over ISO 15118-20, and its answer; None leaves a member out."""
    given: Payload = {
        "requestedEnergyTransfer": transfer,
        "controlMode": "ScheduledControl",
        "v2xChargingParameters": _POWER,
    }
    if "BPT" in transfer:
        given["availableEnergyTransfer"] = [transfer]
    wanted = {name: value for name, value in {**given, **told}.items() if value is not None}
    more = {"maxScheduleTuples": tuples} if tuples is not None else {}
    return cp("NotifyEVChargingNeeds", {"evseId": 1, **more, "chargingNeeds": wanted}, {"status": status})


def needs_2(status: str = "Accepted", tuples: int | None = None) -> str:
    """Return a NotifyEVChargingNeeds over ISO 15118-2, which 2.0.1 and 2.1 have, and its answer."""
    return needs(status, tuples, "DC", controlMode=None, v2xChargingParameters=None, dcChargingParameters=_DC)


def given(*starts: int, schedules: int = 1) -> str:
    """Return a SetChargingProfile with a TxProfile of transaction "t1" whose periods begin at these seconds."""
    one = profile("TxProfile", transactionId="t1")
    schedule = one["chargingSchedule"][0]
    periods = [{"startPeriod": start, "limit": 16.0} for start in starts or (0,)]
    many = [{**schedule, "id": number + 1, "chargingSchedulePeriod": periods} for number in range(schedules)]
    return sent({**one, "chargingSchedule": many})


def _ended(trigger: str, reason: str) -> str:
    return transaction_event("Ended", trigger, 1, {"stoppedReason": reason})


_REFUSED = _ended("AbnormalCondition", "ReqEnergyTransferRejected")


class ChargingNeeds(Topic):
    """The rules about NotifyEVChargingNeeds and the profiles that follow it."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._needs: Known[int, Payload] = Known()  # by EVSE: the needs of its transaction
        self._processing: Known[int, Frame] = Known()  # by EVSE: the answer that has promised a profile for later
        self._unable: Known[int, Frame] = Known()  # by EVSE: the answer that no profile follows
        self._configuration = self.station.topic(ConfigurationState)
        self._transactions = self.station.topic(Transactions2x)

    @rule(
        "needs.parameters",
        call("NotifyEVChargingNeeds"),
        title="The needs of a car over ISO 15118-20 lack controlMode, or have the parameters of ISO 15118-2",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K17.FR.06, K18.FR.01, K18.FR.06, K19.FR.01, K19.FR.06",
        remedy="Send controlMode, and v2xChargingParameters in place of acChargingParameters and dcChargingParameters.",
        bad=script(needs(v2xChargingParameters=None, dcChargingParameters=_DC)),
        good=script(needs()),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def parameters(self, frame: Frame) -> Faults:
        told = member(frame.payload, "chargingNeeds")
        if "controlMode" not in told:
            if "v2xChargingParameters" not in told:
                return None
            return Fault("v2xChargingParameters is given, but controlMode is missing", "/3/chargingNeeds", key="mode")
        wrong = [name for name in ("acChargingParameters", "dcChargingParameters") if name in told]
        if wrong:
            return Fault(f"controlMode is given, but also {wrong[0]}", f"/3/chargingNeeds/{wrong[0]}", key=wrong[0])
        return None

    @rule(
        "needs.der-parameters",
        call("NotifyEVChargingNeeds"),
        title="The needs of a car for DER lack the abilities of its inverter",
        severity=Severity.WARNING,
        spec="OCPP 2.1 R02.FR.01, R03.FR.01",
        remedy="Send derChargingParameters where requestedEnergyTransfer is AC_BPT_DER or AC_DER.",
        bad=script(needs(transfer="AC_BPT_DER")),
        good=script(needs(transfer="AC_BPT_DER", derChargingParameters={"maxApparentPower": 11000})),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def der_parameters(self, frame: Frame) -> Faults:
        told = member(frame.payload, "chargingNeeds")
        transfer = string(told, "requestedEnergyTransfer") or ""
        if not transfer.endswith("_DER") or "derChargingParameters" in told:
            return None
        return Fault(f"{transfer[:20]}, but derChargingParameters is missing", "/3/chargingNeeds", key=transfer[:20])

    @rule(
        "needs.no-profile",
        result("NotifyEVChargingNeeds"),
        title="The CSMS answers NoChargingProfile to a station that uses ISO 15118-2",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K15.FR.04, K17.FR.04",
        remedy="Answer Rejected where no profile follows. NoChargingProfile is for ISO 15118-20.",
        bad=script(needs_2("NoChargingProfile")),
        good=script(needs_2("Rejected")),
        versions=V21,
        side=Side.CSMS,
    )
    def no_profile(self, frame: Frame) -> Faults:
        told = member(frame.request, "chargingNeeds")
        old = "acChargingParameters" in told or "dcChargingParameters" in told
        if frame.payload.get("status") != "NoChargingProfile" or not old or "controlMode" in told:
            return None
        return Fault("NoChargingProfile, though the needs are those of ISO 15118-2; expected Rejected", "/2/status")

    @rule(
        "needs.profile-after-all",
        call("SetChargingProfile"),
        title="The CSMS answers that it has no charging profile, but sends one within a minute",
        severity=Severity.WARNING,
        spec="OCPP 2.x K15.FR.03, K15.FR.04, K15.FR.05, K17.FR.03, K17.FR.04, K17.FR.05; "
        "OCPP 2.1 K18.FR.03, K18.FR.04, K18.FR.05, K19.FR.03, K19.FR.04, K19.FR.05",
        remedy="Answer Accepted where a profile can be sent, and Processing where it takes longer.",
        bad=script(started(), needs_2("Rejected"), given()),
        good=script(started(), needs_2("Processing"), given()),
        versions=V2X,
        side=Side.CSMS,
        dormant=lambda topic: not topic._unable,
    )
    def profile_after_all(self, frame: Frame) -> Faults:
        evse, one = integer(frame.payload, "evseId") or 0, member(frame.payload, "chargingProfile")
        answer = self._unable.get(evse)
        if answer is None or one.get("chargingProfilePurpose") != "TxProfile":
            return None
        passed = (frame.mono_ns - answer.mono_ns) / 1e9
        del self._unable[evse]
        self.station.refresh_listeners()
        if passed > SOON_S:
            return None
        text = (
            f"{answer.payload.get('status')} was answered for EVSE {evse}, but a TxProfile comes {passed:.0f} s later"
        )
        return Fault(text, "/3/chargingProfile", key=str(evse))

    slow = Promise(
        "profile.sent-late",
        "NotifyEVChargingNeeds",
        promised=lambda topic, frame: (
            integer(frame.request, "evseId") if frame.payload.get("status") == "Accepted" else None
        ),
        kept_by=call("SetChargingProfile"),
        keeps=lambda topic, frame: integer(frame.payload, "evseId"),
        seconds=lambda topic: 60,
        text="the charging needs of EVSE {key} were accepted, but no SetChargingProfile came within {wait}",
        title="A charging profile for a car's needs takes longer than a minute",
        severity=Severity.INFO,
        spec="OCPP 2.x K15.FR.08, K17.FR.08; OCPP 2.1 K18.FR.08, K19.FR.08",
        remedy="Send the profile within 60 seconds, before the car gives up waiting.",
        bad=script(started(), needs_2(), "+ 90s", given(), "+ 1m"),
        good=script(started(), needs_2(), "+ 50s", given(), "+ 1m"),
        versions=V2X,
        side=Side.CSMS,
    )

    not_stopped = Promise(
        "needs.not-stopped",
        "NotifyEVChargingNeeds",
        promised=lambda topic, frame: (
            integer(frame.request, "evseId")
            if frame.payload.get("status") == "Rejected" and "controlMode" in member(frame.request, "chargingNeeds")
            else None
        ),
        kept_by=call("TransactionEvent", "NotifyEVChargingNeeds"),
        keeps=lambda topic, frame: topic.stopped(frame),
        early=False,
        excused=lambda topic, frame: not topic.busy(integer(frame.request, "evseId")),
        at_close=AtClose.LATE,
        text="the energy transfer of EVSE {key} was rejected, but its transaction has not ended within {wait}",
        title="A transaction does not end although its energy transfer was rejected",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K18.FR.23, K19.FR.16, Q01.FR.05, Q01.FR.06",
        remedy="Renegotiate with the car and send its new needs, or end the transaction with triggerReason "
        "AbnormalCondition and stoppedReason ReqEnergyTransferRejected.",
        bad=script(started(), needs("Rejected"), "+ 5m"),
        good=script(started(), needs("Rejected"), _REFUSED, "+ 5m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )

    def stopped(self, frame: Frame) -> int | None:
        """Return the EVSE whose transaction this event ends, or that has new needs; None if there is none."""
        if frame.action == "NotifyEVChargingNeeds":
            return integer(frame.payload, "evseId")
        event = self._transactions.event
        return event.transaction.evse if event is not None and event.kind == "Ended" else None

    def busy(self, evse: int | None) -> bool:
        """Return whether a transaction is known to be open on this EVSE."""
        return evse is not None and bool(self._transactions.open_on(evse))

    @rule(
        "needs.stopped-reason",
        call("TransactionEvent"),
        title="A transaction whose energy transfer was rejected ends with another reason",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K18.FR.23, K19.FR.16",
        remedy="Set stoppedReason to ReqEnergyTransferRejected.",
        bad=script(started(), needs("Rejected"), _ended("AbnormalCondition", "Other")),
        good=script(started(), needs("Rejected"), _REFUSED),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._needs,
    )
    def stopped_reason(self, frame: Frame) -> Faults:
        event = self._transactions.event
        if event is None or event.kind != "Ended" or event.trigger != "AbnormalCondition":
            return None
        told = self._needs.get(event.transaction.evse or 0)
        reason = event.info.get("stoppedReason")
        if told is None or told.get("rejected") is not True or reason == "ReqEnergyTransferRejected":
            return None
        return Fault(f"the energy transfer was rejected, but stoppedReason is {str(reason)[:30]}", "/3/transactionInfo")

    @rule(
        "profile.never-sent",
        call("TransactionEvent"),
        title="A promised charging profile is not sent until the transaction ends",
        severity=Severity.WARNING,
        spec="OCPP 2.x K15.FR.07, K17.FR.07; OCPP 2.1 K17.FR.19, K18.FR.07, K19.FR.07",
        remedy="After answering Processing, send a TxProfile for the EVSE as soon as it is ready.",
        bad=script(started(), needs_2("Processing"), "+ 1h", _ended("StopAuthorized", "Local")),
        good=script(started(), needs_2("Processing"), given(), "+ 1h", _ended("StopAuthorized", "Local")),
        versions=V2X,
        side=Side.CSMS,
        dormant=lambda topic: not topic._processing,
    )
    def never_sent(self, frame: Frame) -> Faults:
        event = self._transactions.event
        if event is None or event.kind != "Ended" or event.transaction.evse is None:
            return None
        answer = self._processing.pop(event.transaction.evse, None)
        if answer is None or frame.mono_ns - answer.mono_ns < SOON_S * 1e9:
            return None
        text = (
            f"Processing was answered for EVSE {event.transaction.evse}, but no profile came until {event.transaction}"
        )
        return Fault(f"{text} ended", "/2/status", frame=answer, key=str(event.transaction.evse))

    @rule(
        "profile.too-many-periods",
        call("SetChargingProfile"),
        title="A charging profile has more periods or schedules than the car can take",
        severity=Severity.ERROR,
        spec="OCPP 2.x K15.FR.07, K17.FR.07; OCPP 2.1 K17.FR.19, K18.FR.07, K19.FR.07",
        remedy="Keep each schedule within maxScheduleTuples and PeriodsPerSchedule; send a car in dynamic control one "
        "schedule.",
        bad=script(started(), needs_2(tuples=1), given(0, 60)),
        good=script(started(), needs_2(tuples=2), given(0, 60)),
        versions=V2X,
        side=Side.CSMS,
    )
    def too_many_periods(self, frame: Frame) -> Faults:
        one, told = member(frame.payload, "chargingProfile"), self._needs.get(integer(frame.payload, "evseId") or 0)
        if told is None or one.get("chargingProfilePurpose") != "TxProfile":
            return None
        schedules, at = elements(one, "chargingSchedule"), "/3/chargingProfile/chargingSchedule"
        if told.get("controlMode") == "DynamicControl" and len(schedules) > 1:
            return Fault(f"{len(schedules)} schedules; a car in dynamic control takes one", at, key="schedules")
        most = integer(told, "maxScheduleTuples")
        station = self._configuration.variable_number("SmartChargingCtrlr", "PeriodsPerSchedule")
        for index, schedule in enumerate(schedules):
            count = len(elements(schedule, "chargingSchedulePeriod"))
            for limit, name in ((most, "maxScheduleTuples"), (station, "PeriodsPerSchedule")):
                if limit and count > limit:
                    return Fault(f"{count} periods; {name} is {limit}", f"{at}/{index}", key=name)
        return None

    @track(result("NotifyEVChargingNeeds"))
    def answered(self, frame: Frame) -> None:
        evse, status = integer(frame.request, "evseId"), frame.payload.get("status")
        if evse is None:
            return
        told = member(frame.request, "chargingNeeds")
        mode = string(told, "controlMode")
        self._needs.note(
            evse,
            {
                "maxScheduleTuples": integer(frame.request, "maxScheduleTuples"),
                "controlMode": mode,
                "rejected": status == "Rejected" and mode is not None,
            },
        )
        self._unable.pop(evse, None)
        if status in ("NoChargingProfile", "Rejected"):
            self._unable.note(evse, frame)
        self._processing.pop(evse, None)
        if status == "Processing":
            self._processing.note(evse, frame)
        self.station.refresh_listeners()

    @track(call("SetChargingProfile"))
    def profile_sent(self, frame: Frame) -> None:
        self._processing.pop(integer(frame.payload, "evseId") or 0, None)

    @track(call("TransactionEvent"), dormant=lambda topic: not topic._needs)
    def transaction_ended(self, frame: Frame) -> None:
        evse = self.stopped(frame)
        if evse is not None:
            self._unable.pop(evse, None)
        if evse is not None and self._needs.pop(evse, None) is not None and not self._needs:
            self.station.refresh_listeners()

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self._needs.clear()  # the transaction may have ended
            self._processing.clear()
            self._unable.clear()
