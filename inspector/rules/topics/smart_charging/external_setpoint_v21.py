"""Judge profiles for CentralFrequency, aFRR signals, and whether the setpoint of the CSMS or an external one wins."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import (
    NOW,
    Payload,
    cp,
    csms,
    script,
    started,
    transaction_event,
    variable_2x,
)
from inspector.rules.topics.smart_charging.reported import reported
from inspector.rules.topics.smart_charging.sent_v2x import sent
from inspector.rules.topics.smart_charging.setpoints_v21 import measured_power

_FREQUENCY, _CENTRAL, _OUTSIDE = "CentralFrequency", "CentralSetpoint", "ExternalSetpoint"
_PRIORITY = "SetpointPriority"


def _profile(mode: str, kind: str = "Dynamic", purpose: str = "TxProfile", **more: object) -> Payload:
    schedule = {"id": 1, "chargingRateUnit": "W", "duration": more.pop("duration", 300)}
    periods = [{"startPeriod": 0, "operationMode": mode, "setpoint": more.pop("setpoint", 1000)}]
    begins = {"startSchedule": NOW} if kind == "Absolute" else {}
    schedule = {name: value for name, value in schedule.items() if value is not None}
    own = {"transactionId": "t1"} if purpose == "TxProfile" else {}
    one = {"id": more.pop("number", 1), "stackLevel": 0, "chargingProfilePurpose": purpose, "chargingProfileKind": kind}
    own |= {"dynUpdateTime": NOW} if purpose != "TxProfile" else {}
    return {**one, **own, "chargingSchedule": [{**schedule, **begins, "chargingSchedulePeriod": periods}]}


def _signal(when: str) -> str:
    return csms("AFRRSignal", {"timestamp": when, "signal": 1}, {"status": "Rejected"})


def _measured(setpoint: float) -> str:
    sample = {"value": setpoint, "measurand": "Power.Active.Setpoint", "unitOfMeasure": {"unit": "W"}}
    meter = [{"timestamp": NOW, "sampledValue": [sample]}]
    return transaction_event("Updated", "MeterValuePeriodic", 1, meterValue=meter)


_EXTERNAL = reported(
    _profile(_OUTSIDE, purpose="ChargingStationExternalConstraints", setpoint=4000, number=-1, duration=None),
    source="EMS",
)
_NOTIFIED = cp("NotifyChargingLimit", {"chargingLimit": {"chargingLimitSource": "EMS"}})
_ASKED = csms("GetChargingProfiles", {"requestId": 3, "evseId": 1, "chargingProfile": {"chargingLimitSource": ["EMS"]}})
_BOTH = (started({"chargingState": "Charging"}), sent(_profile(_CENTRAL)), _NOTIFIED, _ASKED, _EXTERNAL)


_PERIODS = "chargingSchedulePeriod"


def _periods(one: Payload) -> list[Payload]:
    return [each for schedule in elements(one, "chargingSchedule") for each in elements(schedule, _PERIODS)]


def _constant(one: Payload, mode: str) -> float | None:
    """Return the setpoint of a profile whose only period has this mode, in W."""
    periods, schedules = _periods(one), elements(one, "chargingSchedule")
    if len(periods) != 1 or schedules[0].get("chargingRateUnit") != "W":
        return None
    value = periods[0].get("setpoint")
    return float(value) if periods[0].get("operationMode") == mode and isinstance(value, int | float) else None


class ExternalSetpoints21(Topic):
    """The rules about setpoints of several origins."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._central: Known[str, float] = Known()  # the setpoint of the CSMS, by transaction
        self._external: Known[int, float] = Known()  # the external setpoint, by EVSE
        self._configuration = self.station.topic(ConfigurationState)
        self._transactions = self.station.topic(Transactions2x)
        self._evidence = self.station.topic(Observation)

    @rule(
        "v2x.central-frequency",
        call("SetChargingProfile"),
        title="A profile for CentralFrequency is not dynamic, or has several periods or limits",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q07.FR.02, Q07.FR.03",
        remedy="Send setpoints for CentralFrequency in a dynamic profile with one period, without limits.",
        bad=script(started(), sent(_profile(_FREQUENCY, "Absolute"))),
        good=script(started(), sent(_profile(_FREQUENCY))),
        versions=V21,
        side=Side.CSMS,
    )
    def central_frequency(self, frame: Frame) -> Faults:
        one = member(frame.payload, "chargingProfile")
        periods = _periods(one)
        own = [period for period in periods if period.get("operationMode") == _FREQUENCY]
        if not own:
            return None
        if one.get("chargingProfileKind") != "Dynamic":
            return Fault(f"the kind is {str(one.get('chargingProfileKind'))[:20]}; expected Dynamic", "/3", key="kind")
        if len(periods) > 1:
            return Fault(f"there are {len(periods)} periods; expected one", "/3", key="periods")
        limits = [name for name in own[0] if name.lower().startswith(("limit_", "dischargelimit")) or name == "limit"]
        return Fault(f"{limits[0][:20]} is given", "/3", key="limit") if limits else None

    @rule(
        "v2x.frequency-duration",
        call("SetChargingProfile"),
        title="A profile for CentralFrequency has no duration",
        severity=Severity.INFO,
        spec="OCPP 2.1 Q07.FR.04",
        remedy="Give a duration, so that the setpoint does not stay when you can send no more updates.",
        bad=script(started(), sent(_profile(_FREQUENCY, duration=None))),
        good=script(started(), sent(_profile(_FREQUENCY))),
        versions=V21,
        side=Side.CSMS,
    )
    def frequency_duration(self, frame: Frame) -> Faults:
        one = member(frame.payload, "chargingProfile")
        for index, schedule in enumerate(elements(one, "chargingSchedule")):
            modes = {string(period, "operationMode") for period in elements(schedule, _PERIODS)}
            if _FREQUENCY in modes and "duration" not in schedule:
                return Fault("duration is missing", f"/3/chargingProfile/chargingSchedule/{index}")
        return None

    @rule(
        "v2x.signal-time",
        call("AFRRSignal"),
        title="The timestamp of an aFRR signal is not the current time",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q08.FR.12",
        remedy="Send AFRRSignal when the signal comes, with the current time in timestamp.",
        bad=script(_signal("2026-01-01T09:00:00Z")),
        good=script(_signal(NOW)),
        versions=V21,
        side=Side.CSMS,
    )
    def signal_time(self, frame: Frame) -> Faults:
        when = seconds(string(frame.payload, "timestamp"))
        if when is None or not self._evidence.timed:
            return None
        off = abs(when - frame.ts_ns / 1e9)
        if off <= self.settings.clock_skew_s:
            return None
        return Fault(f"timestamp differs by {off:.0f} s from the time of the frame", "/3/timestamp")

    @rule(
        "v2x.mode-unlisted",
        result("SetChargingProfile", "AFRRSignal"),
        title="The station supports control by frequency, but does not list its mode of operation",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q07.FR.01, Q08.FR.20",
        remedy="List CentralFrequency and LocalFrequency in SupportedOperationModes of V2XChargingCtrlr, or answer "
        "Rejected.",
        bad=script(
            variable_2x("V2XChargingCtrlr", "SupportedOperationModes", "Idle"),
            started(),
            sent(_profile(_FREQUENCY)),
        ),
        good=script(
            variable_2x("V2XChargingCtrlr", "SupportedOperationModes", "ChargingOnly,CentralSetpoint,CentralFrequency"),
            started(),
            sent(_profile(_FREQUENCY)),
        ),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def mode_unlisted(self, frame: Frame) -> Faults:
        told = self._configuration.variable("V2XChargingCtrlr", "SupportedOperationModes")
        if not told or frame.payload.get("status") != "Accepted":
            return None
        modes = {"LocalFrequency"} if frame.action == "AFRRSignal" else set()
        modes |= {
            string(period, "operationMode") or "" for period in _periods(member(frame.request, "chargingProfile"))
        }
        listed = {one.strip() for one in told.split(",")}
        for mode in sorted(modes & {_FREQUENCY, "LocalFrequency"} - listed):
            return Fault(f"Accepted, but SupportedOperationModes has no {mode}", "/2/status", key=mode)
        return None

    @rule(
        "v2x.setpoint-priority",
        call("TransactionEvent"),
        result("GetCompositeSchedule"),
        title="A station follows the setpoint of the wrong origin",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q06.FR.20, Q06.FR.21, Q06.FR.22",
        remedy="Use the external setpoint, unless SmartChargingCtrlr.SetpointPriority is CSMS.",
        bad=script(variable_2x("SmartChargingCtrlr", _PRIORITY, "CSMS"), *_BOTH, _measured(4000)),
        good=script(variable_2x("SmartChargingCtrlr", _PRIORITY, "ExternalControl"), *_BOTH, _measured(4000)),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not (topic._central and topic._external),
    )
    def priority(self, frame: Frame) -> Faults:
        if frame.action == "GetCompositeSchedule":
            return self._composed(frame)
        event = self._transactions.event
        if event is None or event.offline:
            return None
        for index, value in enumerate(elements(frame.payload, "meterValue")):
            now = measured_power(value, "Power.Active.Setpoint")
            name, evse = event.transaction.transaction_id, event.transaction.evse
            text = self._wrong(name, evse, now) if now is not None else None
            if text:
                return Fault(text, f"/3/meterValue/{index}", key=name)
        return None

    def _composed(self, frame: Frame) -> Faults:
        schedule, evse = member(frame.payload, "schedule"), integer(frame.request, "evseId")
        periods = elements(schedule, _PERIODS)
        now = periods[0].get("setpoint") if periods else None
        if evse is None or not isinstance(now, int | float) or schedule.get("chargingRateUnit") != "W":
            return None
        for one in self._transactions.open_on(evse):
            text = self._wrong(one.transaction_id, evse, float(now))
            if text:
                return Fault(text, f"/2/schedule/{_PERIODS}/0/setpoint", key=one.transaction_id)
        return None

    def _wrong(self, name: str, evse: int | None, now: float) -> str | None:
        central, external = self._central.get(name), self._external.get(evse if evse is not None else -1)
        if external is None:
            external = self._external.get(0)
        if central is None or external is None or abs(central - external) < 0.2 * max(abs(central), abs(external), 500):
            return None
        told = self._configuration.variable("SmartChargingCtrlr", _PRIORITY)
        first, other = (central, external) if told == "CSMS" else (external, central)
        if abs(now - other) > 0.05 * abs(other) + 50 or abs(now - first) <= 0.05 * abs(first) + 50:
            return None
        whose = "external" if told == "CSMS" else "CSMS's"
        return (
            f"the setpoint is {now:.0f} W, which is the {whose} one; {_PRIORITY} is {(told or 'ExternalControl')[:20]}"
        )

    @track(result("SetChargingProfile"))
    def profile_set(self, frame: Frame) -> None:
        one = member(frame.request, "chargingProfile")
        if frame.payload.get("status") != "Accepted":
            return
        name, value = string(one, "transactionId"), _constant(one, _CENTRAL)
        if name is None or value is None or name in self._central:
            self._central.clear()  # it may overrule the profile of a transaction
        else:
            self._central.note(name, value)
        self.station.refresh_listeners()

    @track(call("ReportChargingProfiles"))
    def profiles_told(self, frame: Frame) -> None:
        evse = integer(frame.payload, "evseId")
        for one in elements(frame.payload, "chargingProfile"):
            value = _constant(one, _OUTSIDE)
            external = one.get("chargingProfilePurpose") == "ChargingStationExternalConstraints"
            if external and value is not None and evse is not None:
                self._external.note(evse, value)
        self.station.refresh_listeners()

    @track(call("NotifyChargingLimit", "ClearedChargingLimit", "BootNotification"))
    def limits_told(self, frame: Frame) -> None:
        self._external.clear()
        evse, value = integer(frame.payload, "evseId") or 0, _constant(frame.payload, _OUTSIDE)
        if frame.action == "NotifyChargingLimit" and value is not None:
            self._external.note(evse, value)
        self.station.refresh_listeners()

    @track(result("ClearChargingProfile", "UpdateDynamicSchedule", "PullDynamicScheduleUpdate"))
    def changed(self, frame: Frame) -> None:
        self._central.clear()
        self.station.refresh_listeners()
