"""Judge whether a 2.x station reports that a limit of an external system has changed how fast a car charges."""

from __future__ import annotations

from typing import NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment
from inspector.rules.fields import elements, integer
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import BOOT_2X, NOW, Payload, script, started, status_2x, transaction_event
from inspector.rules.topics.smart_charging.external import limited
from inspector.rules.topics.smart_charging.metered_v2x import samples_of

SOON_S = 30.0
"""A change that a meter value shows is to be reported within so many seconds."""
EVSES_LIMIT = 500
_FIRST = (None, "L1", "L1-N")
"""The phases of a sample by which rates are compared."""
CAUSED_S = 300.0
"""A rate that changes so long after a limit has another cause."""
LEAST_PERCENT = 10
"""The change that counts where LimitChangeSignificance is not known."""


def _metered(number: int, amps: float, trigger: str = "MeterValuePeriodic") -> str:
    sample = {"value": amps, "measurand": "Current.Import"}
    info = {"chargingState": "Charging"}
    return transaction_event(
        "Updated", trigger, number, info, meterValue=[{"timestamp": NOW, "sampledValue": [sample]}]
    )


class _Change(NamedTuple):
    """A message about the limit of an external system, and the rate of an EVSE before."""

    frame: Frame
    unit: str
    rate: float


_CHARGES = (BOOT_2X, status_2x("Available"), started(), status_2x("Occupied"), _metered(1, 16.0))


class ChangedRates(Topic):
    """The rule about the event ChargingRateChanged."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._values: dict[int, Payload] = {}  # by EVSE: its latest meter value
        self._changes: Known[int, _Change] = Known()  # by EVSE: a change whose effect is to be reported
        self._configuration = self.station.topic(ConfigurationState)
        self._transactions = self.station.topic(Transactions2x)

    @rule(
        "transaction-event.rate-unreported",
        DEADLINE,
        title="A limit of an external system has changed the charging rate, and no event reports it",
        severity=Severity.WARNING,
        spec="OCPP 2.x K11.FR.04, K13.FR.03",
        remedy="Send a TransactionEvent with triggerReason ChargingRateChanged when the rate of a transaction changes "
        "by more than LimitChangeSignificance.",
        bad=script(*_CHARGES, limited(), "+ 20s", _metered(2, 8.0), "+ 5m"),
        good=script(*_CHARGES, limited(), "+ 20s", _metered(2, 8.0, "ChargingRateChanged"), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unreported(self, moment: Moment, evse: int, change: _Change, rate: float, frame: Frame) -> Faults:
        if self._changes.get(evse) is not change or self.session not in self.station.sessions:
            return None
        del self._changes[evse]
        text = (
            f"EVSE {evse} charges with {rate:g} {change.unit} after {change.frame.action}, with {change.rate:g} before"
        )
        return Fault(f"{text}, but no event ChargingRateChanged came", "/3/meterValue", frame=frame, key=str(evse))

    @track(call("NotifyChargingLimit", "ClearedChargingLimit"))
    def limited(self, frame: Frame) -> None:
        place = integer(frame.payload, "evseId")
        for evse, value in self._values.items():
            if place in (None, 0, evse) and self._transactions.open_on(evse):
                for sample in samples_of(value):
                    if sample.phase in _FIRST:
                        self._changes.note(evse, _Change(frame, sample.unit, sample.value))
                        break
        self.station.refresh_listeners()

    @track(result("SetChargingProfile", "ClearChargingProfile", "UpdateDynamicSchedule"))
    def profiled(self, frame: Frame) -> None:
        self._changes.clear()  # the rate may change because of this

    @track(call("TransactionEvent"), plain=False, dormant=lambda topic: not topic._changes)
    def reported(self, frame: Frame) -> None:
        event = self._transactions.event
        evse = event.transaction.evse if event is not None else None
        if event is not None and evse is not None:
            if event.trigger == "ChargingRateChanged" or event.kind == "Ended" or "Suspended" in str(event.info):
                self._changes.pop(evse, None)
            if event.kind == "Ended":
                self._values.pop(evse, None)

    @track(call("MeterValues", "TransactionEvent"))
    def measured(self, frame: Frame) -> None:
        if "meterValue" not in frame.payload:
            return
        evse = integer(frame.payload, "evseId")
        if frame.action == "TransactionEvent":
            event = self._transactions.event
            evse = event.transaction.evse if event is not None and event.kind == "Updated" else None
        values = elements(frame.payload, "meterValue")
        if not evse or not values:
            return
        change = self._changes.get(evse) if self._changes else None
        if change is None:
            if evse in self._values or len(self._values) < EVSES_LIMIT:
                self._values[evse] = values[-1]
            return
        if frame.mono_ns - change.frame.mono_ns > CAUSED_S * 1e9:
            del self._changes[evse]
            return
        for sample in samples_of(values[-1]):
            falls = change.frame.action == "NotifyChargingLimit"
            if sample.phase not in _FIRST or sample.unit != change.unit or change.rate <= 0:
                continue
            if (sample.value < change.rate) is falls:
                least = self._configuration.variable_number("SmartChargingCtrlr", "LimitChangeSignificance")
                percent = abs(sample.value - change.rate) / change.rate * 100
                if percent > max(LEAST_PERCENT if least is None else least, 1):
                    self.station.deadline(frame, SOON_S, self.unreported, evse, change, sample.value, frame)
            return
