"""Whether a 2.x station charges within the limits of its charging profiles, as far as its meter values show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import BOOT_2X, Payload, cp, script, started, status_2x, variable_2x
from inspector.rules.topics.smart_charging.composite import CompositeSchedules, bounds_of
from inspector.rules.topics.smart_charging.ev_schedule import Step
from inspector.rules.topics.smart_charging.phase_switching import switches_phases
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent

SETTLES_S = 25.0
"""A car has so many seconds to follow a new limit; the specifications of the cable give it less."""
TOGETHER_S = 60.0
"""The power of several EVSEs is added up if it was sampled within so many seconds."""
_SLACK = {"A": 1.0, "W": 300.0}
_UNITS = {"A": ("A", 1.0), "W": ("W", 1.0), "kW": ("W", 1000.0)}
_LEAST_V, _MOST_V = 200.0, 280.0
"""Voltages with which a limit in one unit is compared with a value in the other, to the benefit of the station."""
_MEASURANDS = {"Current.Import": "A", "Power.Active.Import": "W"}
_PHASES = ("L1", "L2", "L3", "L1-N", "L2-N", "L3-N")


class _Sample(NamedTuple):
    unit: str
    value: float
    phase: str | None


def metered(minute: int, value: float, measurand: str = "Current.Import", evse: int = 1, **more: object) -> str:
    """Return MeterValues of an EVSE with one sample."""
    sample = {"value": value, "measurand": measurand, **more}
    at = f"2026-01-01T12:{minute:02}:00Z"
    return cp("MeterValues", {"evseId": evse, "meterValue": [{"timestamp": at, "sampledValue": [sample]}]})


_BEGUN = (BOOT_2X, status_2x("Available"), started(), status_2x("Occupied"))
_TX = profile("TxProfile", transactionId="t1")
_CAPPED = profile("TxProfile", transactionId="t1", schedule={"limitAtSoC": {"soc": 80, "limit": 8.0}})


def _on(phase: int) -> tuple[str, str]:
    told = variable_2x("EVSE", "ACPhaseSwitchingSupported", "true")
    selected = profile("TxProfile", transactionId="t1", period={"numberPhases": 1, "phaseToUse": phase})
    return told.replace('"name":"EVSE"', '"name":"EVSE","evse":{"id":1}'), sent(selected)


def _charged(soc: int) -> str:
    samples = [{"value": 16.0, "measurand": "Current.Import"}, {"value": soc, "measurand": "SoC"}]
    value = {"timestamp": "2026-01-01T12:10:00Z", "sampledValue": samples}
    return cp("MeterValues", {"evseId": 1, "meterValue": [value]})


_WATTS = profile(
    "TxProfile", transactionId="t1", schedule={"chargingRateUnit": "W"}, period={"limit": 6900.0, "numberPhases": 3}
)
_ONE_PHASE = profile("TxProfile", transactionId="t1", period={"numberPhases": 1})


def _three_phases(amps: float) -> str:
    """Return MeterValues with 15 A on the first phase and another current on the two others."""
    currents = {"L1": 15.0, "L2": amps, "L3": amps}
    samples = [{"value": one, "measurand": "Current.Import", "phase": phase} for phase, one in currents.items()]
    value = {"timestamp": "2026-01-01T12:05:00Z", "sampledValue": samples}
    return cp("MeterValues", {"evseId": 1, "meterValue": [value]})


class MeteredLimits(Topic):
    """The rules that compare meter values with charging profiles."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._single: Known[str, None] = Known()  # transactions that use one phase, as an event said
        self._latest: Known[int, tuple[float, float]] = Known()  # by EVSE: when its power was sampled, and how many W
        self._profiles = self.station.topic(CompositeSchedules)
        self._transactions = self.station.topic(Transactions2x)
        self._evidence = self.station.topic(Observation)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "profile.exceeded",
        call("MeterValues", "TransactionEvent"),
        title="A station charges faster than a charging profile or an external system allows",
        severity=Severity.WARNING,
        spec="OCPP 2.x K01.FR.02, K01.FR.51, K04.FR.05, K06.FR.01, K07.FR.01, K11.FR.01, K12.FR.01, K16.FR.11; "
        "OCPP 2.1 K01.FR.101, K01.FR.103, K20.FR.04, Q06.FR.30",
        remedy="Keep the lowest limit of all valid profiles. A limit in A holds for each phase, one of the whole "
        "station for all EVSEs together.",
        bad=script(*_BEGUN, sent(_TX), "+ 5m", metered(5, 32.0, phase="L1")),
        good=script(*_BEGUN, sent(_TX), "+ 5m", metered(5, 16.4, phase="L1")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._profiles.active,
    )
    def exceeded(self, frame: Frame) -> Faults:
        evse = self._evse(frame)
        if not evse or frame.mono_ns - self._profiles.changed_ns < SETTLES_S * 1e9:
            return None
        for at, samples in _read(frame):
            self._add(evse, at, samples)
            for what, whole in self._profiles.deciding(evse):
                stack = self._while_offline(whole, at) if frame.payload.get("offline") is True else whole
                for unit in ("A", "W") if stack else ():
                    most = self._profiles.most([bounds_of(one, unit, at) for one in stack], Step(at, at, 0.0))
                    for sample in samples:
                        if most < float("inf") and sample.value > _bearable(sample, unit, most):
                            fault = self._fault(sample.value, sample.unit, most, unit, what)
                            # Some stations report the sum of all phases as the current without a phase.
                            sum_fits = sample.unit == "A" and sample.value <= 3 * _bearable(sample, unit, most)
                            sum_fits = sum_fits and not self._one_phase(frame, stack[0])
                            return fault._replace(severity=Severity.INFO if sum_fits and not sample.phase else None)
                    if unit == "W" and (what.startswith("ChargingStationMax") or self._profiles.is_for_all(what)):
                        together = sum(value for when, value in self._latest.values() if abs(when - at) <= TOGETHER_S)
                        if together > most * 1.1 + _SLACK["W"]:
                            return self._fault(together, "W", most, unit, what)
        return None

    def _one_phase(self, frame: Frame, one: Payload) -> bool:
        """Return whether the car is known to charge with one phase only."""
        event = self._transactions.event
        if frame.payload.get("numberOfPhasesUsed") == 1 or (
            event is not None and event.transaction.transaction_id in self._single and frame.action != "MeterValues"
        ):
            return True
        schedules = elements(one, "chargingSchedule")
        counts = {p.get("numberPhases") for each in schedules for p in elements(each, "chargingSchedulePeriod")}
        return counts == {1}

    @track(call("TransactionEvent"), plain=False)
    def phases_used(self, frame: Frame) -> None:
        event, used = self._transactions.event, frame.payload.get("numberOfPhasesUsed")
        if event is not None and used is not None:
            self._single.pop(event.transaction.transaction_id, None)
            if used == 1:
                self._single.note(event.transaction.transaction_id, None)

    def _while_offline(self, stack: list[Payload], at: float) -> list[Payload]:
        """Return the profiles that were valid at a time when the station may have been offline; none if unsure."""
        since, until = self._evidence.offline_from_ns, self._evidence.opened_ns
        kept = []
        for one in stack:
            most = integer(one, "maxOfflineDuration")
            if most is None or (since is not None and at < since / 1e9 + most - SETTLES_S):
                kept.append(one)
            elif since is None or until is None or not since / 1e9 + most + SETTLES_S < at < until / 1e9:
                return []
        return kept

    def _fault(self, value: float, unit: str, most: float, its: str, what: str) -> Fault:
        text = f"{value:g} {unit} are imported, but the {what} allows {most:g} {its}"
        return Fault(text, "/3/meterValue", key=what)

    def _add(self, evse: int, at: float, samples: list[_Sample]) -> None:
        for sample in samples:
            if sample.unit == "W" and sample.phase is None:
                self._latest.note(evse, (at, sample.value))

    def _evse(self, frame: Frame) -> int | None:
        if frame.action == "MeterValues":
            return integer(frame.payload, "evseId")
        event = self._transactions.event
        return event.transaction.evse if event is not None and "meterValue" in frame.payload else None

    @rule(
        "profile.soc-limit",
        call("MeterValues", "TransactionEvent"),
        title="A station does not lower the limit once the battery of the car is full enough",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K01.FR.100",
        remedy="Use limitAtSoC.limit as the highest limit once the SoC has reached limitAtSoC.soc.",
        bad=script(*_BEGUN, sent(_CAPPED), "+ 10m", _charged(85)),
        good=script(*_BEGUN, sent(_CAPPED), "+ 10m", _charged(75)),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._profiles.active,
    )
    def soc_limit(self, frame: Frame) -> Faults:
        evse = self._evse(frame)
        if not evse or frame.mono_ns - self._profiles.changed_ns < SETTLES_S * 1e9:
            return None
        for what, stack in self._profiles.deciding(evse):
            schedules = elements(stack[0], "chargingSchedule")
            cap = member(schedules[0], "limitAtSoC") if len(schedules) == 1 else {}
            limit, wanted, unit = cap.get("limit"), cap.get("soc"), schedules[0].get("chargingRateUnit") if cap else ""
            if not isinstance(limit, int | float) or not isinstance(wanted, int | float):
                continue
            for value in elements(frame.payload, "meterValue"):
                soc = [one.get("value") for one in elements(value, "sampledValue") if one.get("measurand") == "SoC"]
                if not any(isinstance(one, int | float) and one >= wanted + 1 for one in soc):
                    continue
                for sample in samples_of(value):
                    if sample.unit == unit and sample.value > _bearable(sample, unit, float(limit)):
                        text = f"{sample.value:g} {unit} are imported at SoC {soc[0]}; the {what} allows {limit:g}"
                        return Fault(text, "/3/meterValue", key=what)
        return None

    @rule(
        "profile.more-phases",
        call("MeterValues", "TransactionEvent"),
        title="A station charges with more phases than the charging profile that it has accepted",
        severity=Severity.WARNING,
        spec="OCPP 2.x K01.FR.43",
        remedy="Reject a profile with numberPhases unless no more phases than these will be used.",
        bad=script(*_BEGUN, sent(_ONE_PHASE), "+ 5m", _three_phases(14.0)),
        good=script(*_BEGUN, sent(_ONE_PHASE), "+ 5m", _three_phases(0.3)),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._profiles.active,
    )
    def more_phases(self, frame: Frame) -> Faults:
        evse = self._evse(frame)
        if not evse or frame.mono_ns - self._profiles.changed_ns < SETTLES_S * 1e9:
            return None
        for what, stack in self._profiles.deciding(evse):
            schedules = elements(stack[0], "chargingSchedule")
            periods = [one for schedule in schedules for one in elements(schedule, "chargingSchedulePeriod")]
            count = integer(periods[0], "numberPhases") if len(periods) == 1 == len(stack) else None
            for _, samples in _read(frame) if count else ():
                used = {(one.phase or "")[:2] for one in samples if one.unit == "A" and one.value > 2 and one.phase}
                if count is not None and len(used) > count:
                    text = f"current on {len(used)} phases, but the {what} has numberPhases {count}"
                    return Fault(text, "/3/meterValue", key=what)
        return None

    @rule(
        "profile.phase-current",
        call("MeterValues", "TransactionEvent"),
        title="The current of a phase is too high for a limit in W that is shared by the phases",
        severity=Severity.WARNING,
        spec="OCPP 2.x K01.FR.49, K01.FR.50",
        remedy="Allow each phase the limit divided by the line voltage and numberPhases, which is 3 if it is left out.",
        bad=script(*_BEGUN, sent(_WATTS), "+ 5m", metered(5, 20.0, phase="L1")),
        good=script(*_BEGUN, sent(_WATTS), "+ 5m", metered(5, 10.0, phase="L1")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._profiles.active,
    )
    def phase_current(self, frame: Frame) -> Faults:
        evse = self._evse(frame)
        if not evse or frame.mono_ns - self._profiles.changed_ns < SETTLES_S * 1e9:
            return None
        for what, stack in self._profiles.deciding(evse):
            schedules = elements(stack[0], "chargingSchedule")
            periods = [one for each in schedules for one in elements(each, "chargingSchedulePeriod")]
            if len(periods) != 1 or len(stack) != 1 or schedules[0].get("chargingRateUnit") != "W":
                continue
            count = integer(periods[0], "numberPhases")
            for at, samples in _read(frame):
                most = self._profiles.most([bounds_of(stack[0], "W", at)], Step(at, at, 0.0))
                each = most * 1.1 / _LEAST_V / (count if count in (1, 2, 3) else 3) + _SLACK["A"]
                for one in samples:
                    if one.unit == "A" and one.phase and most < float("inf") and one.value > each:
                        text = f"{one.value:g} A on {one.phase}, but the {what} allows {most:g} W for all phases"
                        return Fault(text, "/3/meterValue", key=what, severity=None if count else Severity.INFO)
        return None

    @rule(
        "profile.other-phase",
        call("MeterValues", "TransactionEvent"),
        result("GetCompositeSchedule"),
        title="A station charges with another phase than the charging profile selects",
        severity=Severity.WARNING,
        spec="OCPP 2.x K01.FR.46",
        remedy="Connect the phase that phaseToUse names to the car.",
        bad=script(*_BEGUN, *_on(2), "+ 5m", metered(5, 14.0, phase="L1")),
        good=script(*_BEGUN, *_on(2), "+ 5m", metered(5, 14.0, phase="L2")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._profiles.active,
    )
    def other_phase(self, frame: Frame) -> Faults:
        composite = frame.call is not None
        evse = integer(frame.request, "evseId") if composite else self._evse(frame)
        if not evse or (frame.mono_ns - self._profiles.changed_ns < SETTLES_S * 1e9 and not composite):
            return None
        if switches_phases(self, evse) is not True:
            return None
        for what, stack in self._profiles.deciding(evse):
            schedules = elements(stack[0], "chargingSchedule")
            periods = [one for schedule in schedules for one in elements(schedule, "chargingSchedulePeriod")]
            phases = {one.get("phaseToUse") for one in periods if one.get("numberPhases") == 1}
            if len(stack) != 1 or len(phases) != 1 or len(periods) != 1 or not phases <= {1, 2, 3}:
                continue
            phase = phases.pop()
            for period in elements(member(frame.payload, "schedule"), "chargingSchedulePeriod") if composite else ():
                if integer(period, "phaseToUse") not in (None, phase):
                    text = f"the composite schedule has phase {period['phaseToUse']}, but the {what} selects {phase}"
                    return Fault(text, "/2/schedule/chargingSchedulePeriod", key=what)
            for _, samples in _read(frame):
                for sample in samples:
                    if (
                        sample.unit == "A"
                        and sample.value > 2
                        and sample.phase not in (None, f"L{phase}", f"L{phase}-N")
                    ):
                        text = f"{sample.value:g} A on {sample.phase}, but the {what} selects phase {phase}"
                        return Fault(text, "/3/meterValue", key=what)
        return None


def _bearable(sample: _Sample, unit: str, most: float) -> float:
    """Return the highest value of a sample that may still be within a limit in A or W."""
    limit = most * 1.1 + _SLACK[unit]
    if sample.unit == unit:
        return limit
    if unit == "W":
        return limit / _LEAST_V
    return limit * _MOST_V * (1 if sample.phase is not None else 3)


def _read(frame: Frame) -> Iterator[tuple[float, list[_Sample]]]:
    """Yield the time and the imported current and power of each meter value."""
    for value in elements(frame.payload, "meterValue"):
        at = seconds(string(value, "timestamp"))
        samples = samples_of(value)
        if at is not None and samples:
            yield at, samples


def samples_of(value: Payload) -> list[_Sample]:
    found = []
    for one in elements(value, "sampledValue"):
        kind = _MEASURANDS.get(string(one, "measurand") or "")
        number, phase, told = one.get("value"), string(one, "phase"), member(one, "unitOfMeasure")
        unit, factor = _UNITS.get(string(told, "unit") or kind or "", ("", 0.0))
        if kind is None or unit != kind or "multiplier" in told or not isinstance(number, int | float):
            continue
        if one.get("location") in (None, "Outlet") and phase in (None, *_PHASES):
            found.append(_Sample(unit, float(number) * factor, phase))
    return found
