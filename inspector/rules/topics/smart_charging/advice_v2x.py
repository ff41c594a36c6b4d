"""Judge what the specification recommends for smart charging over ISO 15118."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise
from inspector.rules.rule import V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.transactions_v2x import Transaction2x, Transactions2x
from inspector.rules.topics.example_frames import BOOT_2X, NOW, Payload, script, started, status_2x, transaction_event
from inspector.rules.topics.smart_charging.ev_schedule import chosen
from inspector.rules.topics.smart_charging.needs import SOON_S, given, needs_2

_VALID: Payload = {"idTokenInfo": {"status": "Accepted"}}
_TOKEN: Payload = {"idToken": {"idToken": "T1", "type": "ISO14443"}, "answer": _VALID}
_BEGUN = (BOOT_2X, status_2x("Available"), started(**_TOKEN), status_2x("Occupied"))
_NAMELESS = (BOOT_2X, status_2x("Available"), started(), status_2x("Occupied"))
_LATE = transaction_event("Updated", "ChargingStateChanged", 1, {"chargingState": "Charging"}, offline=True)
_DATED = needs_2().replace('"evseId":1,', f'"evseId":1,"timestamp":"{NOW}",')
_AGAIN = given()


class ChargingAdvice(Topic):
    """The rules about recommendations of the use cases K15 to K20."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._named: Known[str, None] = Known()  # transactions with an event that has an idToken
        self._early: Known[str, Frame] = Known()  # by transaction: the answer that accepted a TxProfile before needs
        self._needs: Known[str, Payload] = Known()  # by transaction: the needs that were sent last
        self._kept: Known[str, Payload] = Known()  # by transaction: the TxProfile that was accepted last
        self._profiled: Known[str, tuple[int, int]] = Known()  # by transaction: how many TxProfiles since, and when
        self._offline: Known[str, int] = Known()  # by transaction: when an event came that was made while offline
        self._transactions = self.station.topic(Transactions2x)

    def _running(self, evse: int | None) -> Transaction2x | None:
        found = self._transactions.open_on(evse) if evse is not None else []
        return found[0] if len(found) == 1 and found[0].known_from_start else None

    @rule(
        "needs.before-token",
        call("NotifyEVChargingNeeds"),
        title="The charging needs of a car come before the token of its driver",
        severity=Severity.INFO,
        spec="OCPP 2.x K15.FR.16; OCPP 2.1 K18.FR.16, K19.FR.12",
        remedy="Configure TxStartPoint so that a TransactionEvent with idToken comes first: Authorized, EVConnected or "
        "PowerPathClosed.",
        bad=script(*_NAMELESS, needs_2()),
        good=script(*_BEGUN, needs_2()),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def before_token(self, frame: Frame) -> Faults:
        one = self._running(integer(frame.payload, "evseId"))
        if one is None or one.transaction_id in self._named or one.transaction_id in self._needs:
            return None
        return Fault(f"no event of {one} has named a token yet", "/3", key=one.transaction_id)

    @rule(
        "needs.timestamp",
        call("NotifyEVChargingNeeds"),
        title="Charging needs that waited for the connection do not say when the car sent them",
        severity=Severity.INFO,
        spec="OCPP 2.1 K15.FR.20, K17.FR.17, K18.FR.21, K19.FR.14, K20.FR.05",
        remedy="Add timestamp to NotifyEVChargingNeeds that are sent after the station was offline.",
        bad=script(*_BEGUN, _LATE, needs_2()),
        good=script(*_BEGUN, _LATE, _DATED),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._offline,
    )
    def timestamp(self, frame: Frame) -> Faults:
        one = self._running(integer(frame.payload, "evseId"))
        late_ns = self._offline.get(one.transaction_id) if one is not None else None
        if one is None or late_ns is None or "timestamp" in frame.payload or frame.mono_ns - late_ns > SOON_S * 1e9:
            return None
        return Fault(f"no timestamp, although events of {one} have just come from an offline time", "/3")

    @rule(
        "needs.not-asked-again",
        call("NotifyEVChargingNeeds"),
        title="The charging needs of a car are sent again although the CSMS has begun to renegotiate",
        severity=Severity.INFO,
        spec="OCPP 2.x K16.FR.09",
        remedy="Do not send the needs of the car that it repeats because of a new profile: the CSMS knows them.",
        bad=script(*_BEGUN, needs_2(), given(), chosen(16), "+ 10m", given(0, 60), needs_2()),
        good=script(*_BEGUN, needs_2(), given(), chosen(16), "+ 10m", given(0, 60), "+ 10m", needs_2()),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._profiled,
    )
    def not_asked_again(self, frame: Frame) -> Faults:
        one = self._running(integer(frame.payload, "evseId"))
        count, at_ns = self._profiled.get(one.transaction_id, (0, 0)) if one is not None else (0, 0)
        if count < 2 or frame.mono_ns - at_ns > SOON_S * 1e9:
            return None
        return Fault("the needs are sent right after a new profile of the CSMS, which has started from them", "/3")

    @rule(
        "profile.before-needs",
        call("NotifyEVChargingNeeds"),
        title="A TxProfile is accepted before the charging needs of the car are sent",
        severity=Severity.INFO,
        spec="OCPP 2.x K15.FR.17; OCPP 2.1 K18.FR.17, K19.FR.13",
        remedy="Reject a TxProfile that comes before NotifyEVChargingNeeds, with reasonCode InvalidMessageSequence.",
        bad=script(*_BEGUN, given(), needs_2()),
        good=script(*_BEGUN, needs_2(), given()),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._early,
    )
    def before_needs(self, frame: Frame) -> Faults:
        one = self._running(integer(frame.payload, "evseId"))
        answer = self._early.pop(one.transaction_id, None) if one is not None else None
        if answer is None:
            return None
        return Fault(f"Accepted, but the needs of the car of {one} come only later", "/2/status", frame=answer)

    @rule(
        "profile.one-schedule",
        call("SetChargingProfile"),
        title="A charging profile offers a car several schedules",
        severity=Severity.INFO,
        spec="OCPP 2.x K15.FR.18; OCPP 2.1 K18.FR.18",
        remedy="Send one chargingSchedule, so that it is clear which one the car follows.",
        bad=script(*_BEGUN, needs_2(), given(schedules=2)),
        good=script(*_BEGUN, needs_2(), given()),
        versions=V2X,
        side=Side.CSMS,
        dormant=lambda topic: not topic._needs,
    )
    def one_schedule(self, frame: Frame) -> Faults:
        one, evse = member(frame.payload, "chargingProfile"), integer(frame.payload, "evseId")
        running, count = self._running(evse), len(elements(one, "chargingSchedule"))
        if running is None or running.transaction_id not in self._needs or count < 2:
            return None
        return Fault(f"{count} schedules for one car", "/3/chargingProfile/chargingSchedule")

    @rule(
        "profile.renegotiation-refused",
        result("SetChargingProfile"),
        title="A new charging profile for a car that charges over ISO 15118 is rejected without a reason",
        severity=Severity.WARNING,
        spec="OCPP 2.x K16.FR.01",
        remedy="Accept a new TxProfile and renegotiate with the car, or say in statusInfo why the profile is invalid.",
        bad=script(*_BEGUN, needs_2(), given(), chosen(16), "+ 10m", _AGAIN.replace("Accepted", "Rejected")),
        good=script(*_BEGUN, needs_2(), given(), chosen(16), "+ 10m", _AGAIN),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._kept,
    )
    def renegotiation_refused(self, frame: Frame) -> Faults:
        one = member(frame.request, "chargingProfile")
        running = self._running(integer(frame.request, "evseId"))
        before = self._kept.get(running.transaction_id) if running is not None else None
        if running is None or before is None or running.transaction_id not in self._needs:
            return None
        if frame.payload.get("status") != "Rejected" or "statusInfo" in frame.payload:
            return None
        same = ("id", "stackLevel", "chargingProfilePurpose", "chargingProfileKind", "transactionId")
        if any(one.get(name) != before.get(name) for name in same) or _shape(one) > _shape(before):
            return None
        text = f"Rejected without statusInfo; a TxProfile of the same form was accepted for {running} before"
        return Fault(text, "/2/status", key=running.transaction_id)

    schedule_missing = Promise(
        "ev-schedule.missing",
        "SetChargingProfile",
        promised=lambda topic, frame: topic.promised_schedule(frame),
        kept_by=call("NotifyEVChargingSchedule"),
        keeps=lambda topic, frame: integer(frame.payload, "evseId"),
        excused=lambda topic, frame: topic._running(integer(frame.request, "evseId")) is None,
        text="EVSE {key} has a new profile for its car, but no NotifyEVChargingSchedule came within {wait}",
        title="The schedule that a car follows is not reported",
        severity=Severity.INFO,
        spec="OCPP 2.x K15.FR.10, K15.FR.19, K16.FR.05, K16.FR.13, K17.FR.10, K17.FR.16; OCPP 2.1 K18.FR.19",
        remedy="Send NotifyEVChargingSchedule with the schedule of the car. If the car returns none, send the one that "
        "it has selected.",
        bad=script(*_BEGUN, needs_2(), given(), "+ 5m"),
        good=script(*_BEGUN, needs_2(), given(), chosen(16), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )

    def promised_schedule(self, frame: Frame) -> int | None:
        """Return the EVSE whose car gets a schedule with this answer; None if there is none."""
        evse, one = integer(frame.request, "evseId"), member(frame.request, "chargingProfile")
        running = self._running(evse)
        needs = self._needs.get(running.transaction_id) if running is not None else None
        if needs is None or frame.payload.get("status") != "Accepted":
            return None
        if needs.get("controlMode") == "DynamicControl" or one.get("chargingProfilePurpose") != "TxProfile":
            return None
        return evse if one.get("chargingProfileKind") != "Dynamic" else None

    @track(call("NotifyEVChargingNeeds"))
    def needed(self, frame: Frame) -> None:
        one = self._running(integer(frame.payload, "evseId"))
        if one is not None:
            self._profiled.pop(one.transaction_id, None)
            self._needs.note(one.transaction_id, member(frame.payload, "chargingNeeds"))
            self.station.refresh_listeners()

    @track(result("SetChargingProfile"))
    def profiled(self, frame: Frame) -> None:
        one, running = member(frame.request, "chargingProfile"), self._running(integer(frame.request, "evseId"))
        if one.get("chargingProfilePurpose") != "TxProfile" or frame.payload.get("status") != "Accepted":
            return
        if running is None:
            return
        name = running.transaction_id
        self._kept.note(name, one)
        if name in self._needs:
            self._profiled.note(name, (self._profiled.get(name, (0, 0))[0] + 1, frame.mono_ns))
        else:
            self._early.note(name, frame)
        self.station.refresh_listeners()

    @track(call("TransactionEvent"), plain=False)
    def event(self, frame: Frame) -> None:
        event = self._transactions.event
        if event is None:
            return
        name = event.transaction.transaction_id
        if event.token is not None:
            self._named.note(name, None)
        if event.offline:
            self._offline.note(name, frame.mono_ns)
            self.station.refresh_listeners()


def _shape(one: Payload) -> list[int]:
    """Return the numbers that a station may limit: of schedules, and of the periods of each."""
    schedules = elements(one, "chargingSchedule")
    return [len(schedules), *(len(elements(each, "chargingSchedulePeriod")) for each in schedules)]
