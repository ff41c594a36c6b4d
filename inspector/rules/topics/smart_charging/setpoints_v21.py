"""Judge the setpoints that an OCPP 2.1 station measures, by the period of its charging profile, and who the car is."""

from __future__ import annotations

from itertools import pairwise

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import ACCEPTED, NOW, Payload, cp, script, started, transaction_event
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent

_CURVE = [{"frequency": 49.8, "power": -5000}, {"frequency": 50.0, "power": 0}, {"frequency": 50.2, "power": 5000}]
_TOKEN: Payload = {"idToken": "T", "type": "eMAID"}
_EVCCID: Payload = {**_TOKEN, "additionalInfo": [{"additionalIdToken": "0123456789AB", "type": "EVCCID"}]}
_TOLD = {"idTokenInfo": {"status": "Accepted"}}
_NEEDS = cp(
    "NotifyEVChargingNeeds",
    {
        "evseId": 1,
        "chargingNeeds": {
            "requestedEnergyTransfer": "DC_BPT",
            "availableEnergyTransfer": ["DC_BPT"],
            "controlMode": "DynamicControl",
            "v2xChargingParameters": {"maxChargePower": 11000},
        },
    },
    ACCEPTED,
)


def _period(mode: str, **more: object) -> str:
    one = {"startPeriod": 0, "operationMode": mode, **more}
    schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": [one]}
    return sent(profile("TxProfile", transactionId="t1", schedule=schedule))


def _measured(setpoint: float, frequency: float = 50.1) -> str:
    samples = [
        {"value": frequency, "measurand": "Frequency"},
        {"value": setpoint, "measurand": "Power.Active.Setpoint", "unitOfMeasure": {"unit": "W"}},
    ]
    values = [{"timestamp": NOW, "sampledValue": samples}]
    return transaction_event("Updated", "MeterValuePeriodic", 1, meterValue=values)


_FREQUENCY = _period("LocalFrequency", v2xBaseline=1000, v2xFreqWattCurve=_CURVE)


class Setpoints21(Topic):
    """The rules about setpoints and the identity of cars."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._periods: Known[str, Payload] = Known()  # by transaction: the only period of its only profile
        self._signal: float | None = None  # the last accepted aFRR signal
        self._nameless: Known[str, None] = Known()  # transactions whose tokens have no EVCCID
        self._transactions = self.station.topic(Transactions2x)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "v2x.setpoint",
        call("TransactionEvent"),
        title="A measured setpoint is not the one that the charging profile gives",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q08.FR.06, Q08.FR.07, Q08.FR.10, Q09.FR.05",
        remedy="With LocalFrequency use v2xBaseline plus the power that the curve gives for the frequency; with "
        "LocalLoadBalancing stay between dischargeLimit and limit.",
        bad=script(started({"chargingState": "Charging"}), _FREQUENCY, _measured(0)),
        good=script(started({"chargingState": "Charging"}), _FREQUENCY, _measured(3500)),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._periods,
    )
    def setpoint(self, frame: Frame) -> Faults:
        event = self._transactions.event
        name = event.transaction.transaction_id if event is not None else ""
        period = self._periods.get(name)
        if period is None or event is None or event.offline:
            return None
        for index, value in enumerate(elements(frame.payload, "meterValue")):
            now, frequency = measured_power(value, "Power.Active.Setpoint"), measured_power(value, "Frequency")
            if now is None:
                continue
            at = f"/3/meterValue/{index}"
            if period.get("operationMode") == "LocalFrequency" and frequency is not None:
                wanted = self._wanted(period, frequency)
                if wanted is not None and abs(now - wanted) > 0.05 * abs(wanted) + 100:
                    text = f"the setpoint is {now:.0f} W at {frequency} Hz; the profile gives {wanted:.0f} W"
                    return Fault(text, at, key=name)
            elif period.get("operationMode") == "LocalLoadBalancing":
                for limit, sign in (("limit", 1), ("dischargeLimit", -1)):
                    most = period.get(limit)
                    if isinstance(most, int | float) and sign * (now - most) > 0.01 * abs(most) + 10:
                        return Fault(f"the setpoint is {now:.0f} W; {limit} is {most}", at, key=f"{name} {limit}")
        return None

    def _wanted(self, period: Payload, frequency: float) -> float | None:
        """The setpoint at a frequency, in W; None if the profile does not give it."""
        base, power = period.get("v2xBaseline"), _on(period, "v2xFreqWattCurve", "frequency", frequency)
        if not isinstance(base, int | float) or power is None:
            return None
        if "v2xSignalWattCurve" in period:
            more = _on(period, "v2xSignalWattCurve", "signal", self._signal) if self._signal is not None else None
            return None if more is None else base + power + more
        return base + power

    @track(result("SetChargingProfile"))
    def profile_set(self, frame: Frame) -> None:
        one = member(frame.request, "chargingProfile")
        if frame.payload.get("status") != "Accepted":
            return
        name, schedules = string(one, "transactionId"), elements(one, "chargingSchedule")
        periods = [each for schedule in schedules for each in elements(schedule, "chargingSchedulePeriod")]
        if name is None or name in self._periods or len(periods) != 1 or schedules[0].get("chargingRateUnit") != "W":
            self._periods.clear()  # it may overrule the profile of a transaction
        elif periods[0].get("operationMode") in ("LocalFrequency", "LocalLoadBalancing"):
            self._periods.note(name, periods[0])
        self.station.refresh_listeners()

    @track(result("ClearChargingProfile"))
    def cleared(self, frame: Frame) -> None:
        self._periods.clear()
        self.station.refresh_listeners()

    @track(result("AFRRSignal"))
    def signalled(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            self._signal = integer(frame.request, "signal")

    @rule(
        "v2x.evccid-missing",
        call("NotifyEVChargingNeeds"),
        title="The token of a transaction with ISO 15118-20 does not name the car",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q01.FR.02",
        remedy="Add the EVCCID to the idToken of Started, as additionalInfo of the type EVCCID.",
        bad=script(started(idToken=_TOKEN, answer=_TOLD), _NEEDS),
        good=script(started(idToken=_EVCCID, answer=_TOLD), _NEEDS),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def evccid_missing(self, frame: Frame) -> Faults:
        if "v2xChargingParameters" not in member(frame.payload, "chargingNeeds"):
            return None  # the other parameters are those of ISO 15118-2, too
        evse = integer(frame.payload, "evseId")
        switches = [self._enabled(name, evse) for name in ("ISO15118Ctrlr", "V2XChargingCtrlr")]
        two_way = "BPT" in (string(member(frame.payload, "chargingNeeds"), "requestedEnergyTransfer") or "")
        if False in switches:
            return None
        severity = None if two_way or all(switches) else Severity.INFO  # it matters only where discharging is enabled
        for one in self._transactions.open_on(evse) if evse is not None else []:
            if one.transaction_id in self._nameless:
                text = f"the car of {one} uses ISO 15118-20, but idToken has no additionalInfo of the type EVCCID"
                return Fault(text, key=one.transaction_id, severity=severity)
        return None

    def _enabled(self, component: str, evse: int | None) -> bool | None:
        """Return the variable Enabled of a component, of an EVSE or of the whole station; None if it is not known."""
        for place in (evse, None):
            value = self._configuration.variable(component, "Enabled", place)
            if value is not None:
                return value.lower() == "true"
        return None

    @track(call("TransactionEvent"), plain=False)
    def happened(self, frame: Frame) -> None:
        event = self._transactions.event
        if event is None or event.token is None:
            return
        name = event.transaction.transaction_id
        more = elements(event.token, "additionalInfo")
        if any((string(one, "type") or "").upper() == "EVCCID" for one in more):
            self._nameless.pop(name, None)
        elif event.kind == "Started":
            self._nameless.note(name, None)


def measured_power(value: Payload, measurand: str) -> float | None:
    """The value of a measurand, in W if it is a power."""
    for sample in elements(value, "sampledValue"):
        number, unit = sample.get("value"), member(sample, "unitOfMeasure")
        if sample.get("measurand") == measurand and isinstance(number, int | float) and "phase" not in sample:
            scale = 10.0 ** max(-9, min(9, integer(unit, "multiplier") or 0))
            return float(number) * scale * (1000.0 if unit.get("unit") == "kW" else 1.0)
    return None


def _on(period: Payload, curve: str, axis: str, at: float) -> float | None:
    """The power of a curve at a point between two of its own."""
    points = sorted(
        (float(x), float(y))
        for point in elements(period, curve)
        if isinstance(x := point.get(axis), int | float) and isinstance(y := point.get("power"), int | float)
    )
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 <= at <= x1 and x1 > x0:
            return y0 + (y1 - y0) * (at - x0) / (x1 - x0)
    return None
