"""The transactions that charge batteries in their slots: how they start and end, and the state of charge in them."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import duration
from inspector.rules.fields import elements, integer, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.device_model import DeviceModel
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.battery_slots_v21 import TOKEN, BatterySlots21, charged, set_variable, swapped
from inspector.rules.topics.example_frames import BOOT_2X, NOW, script, status_2x, transaction_event

_ENDED = {"chargingState": "Idle", "stoppedReason": "EVDisconnected"}
_RESTARTS = frozenset({"ImmediateReset", "Reboot", "PowerLoss"})
_SOC = "SoC"
_RESET = transaction_event("Ended", "ResetCommand", 1, {"stoppedReason": "ImmediateReset"})
_BOOT = BOOT_2X.partition("\n")[2]


def _ends(reason: str = "EVDisconnected", trigger: str = "EVCommunicationLost") -> str:
    return transaction_event("Ended", trigger, 1, {"chargingState": "Idle", "stoppedReason": reason})


def _sampled(measurand: str, value: float = 50, state: str = "Charging", trigger: str = "MeterValuePeriodic") -> str:
    meter = [{"timestamp": NOW, "sampledValue": [{"value": value, "measurand": measurand}]}]
    return transaction_event("Updated", trigger, 1, {"chargingState": state}, meterValue=meter)


def _soc(frame: Frame) -> float | None:
    """Return the state of charge in the meter values of an event, None where there is none."""
    for meter in elements(frame.payload, "meterValue"):
        for sample in elements(meter, "sampledValue"):
            value: Any = sample.get("value")
            if sample.get("measurand") == _SOC and type(value) in (int, float):
                return float(value)
    return None


class BatteryCharging21(Topic):
    """Rules about transactions on slots."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._out_ns: Known[int, int] = Known()  # when (monotonic) a battery was taken out of each slot
        self._ends: Known[int, tuple[Frame, Fault]] = Known()  # ends that are wrong if the battery was taken out
        self._heard_ns: Known[int, int] = Known()  # when (monotonic) each slot had its latest event
        self._states: Known[str, str] = Known()  # the latest charging state, by transaction
        self._slots = self.station.topic(BatterySlots21)
        self._transactions = self.station.topic(Transactions2x)
        self._model = self.station.topic(DeviceModel)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "battery.transaction-start",
        call("TransactionEvent"),
        title="The transaction of a battery does not start as it must",
        severity=Severity.WARNING,
        spec="OCPP 2.1 S04.FR.02, S04.FR.03",
        remedy="Start with CablePluggedIn, Charging, and the Central token in IdToken of BatterySwapCtrlr, or with "
        "NoAuthorization where it is not set.",
        bad=script(swapped(), charged(token=TOKEN)),
        good=script(swapped(), charged()),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._slots.inside,
    )
    def start(self, frame: Frame) -> Faults:
        event = self._transactions.event
        put_ns = self._slots.inside.get(event.evse) if event is not None and event.evse is not None else None
        if event is None or put_ns is None or event.kind != "Started" or event.repeated:
            return None
        if frame.mono_ns - put_ns > self.settings.effect_timeout_s * 1e9:
            return None
        if event.trigger not in (None, "CablePluggedIn"):
            text = f"the trigger is {event.trigger[:30]}; expected CablePluggedIn"
            return Fault(text, "/3/triggerReason", key="trigger")
        state = string(event.info, "chargingState")
        if state != "Charging":
            text = f"chargingState is {str(state)[:30]}; expected Charging"
            return Fault(text, "/3/transactionInfo", key="state")
        given = (string(event.token or {}, "idToken"), string(event.token or {}, "type"))
        own = self._configuration.variable("BatterySwapCtrlr", "IdToken")
        expected = [(own, "Central")] if own else [("", "NoAuthorization")]
        if own is None and given[1] == "Central" and not self._model.lacks("BatterySwapCtrlr", "IdToken"):
            return None
        if given in expected:
            return None
        text = f"the token is {str(given[1])[:20]}; expected {expected[0][1]}" if given[1] else "idToken is missing"
        if own and given[1] == "Central":
            text = "the token is another one than IdToken of BatterySwapCtrlr"
        return Fault(text, "/3/idToken" if event.token is not None else "/3", key="token")

    @rule(
        "battery.transaction-end",
        call("TransactionEvent", "BatterySwap"),
        title="The transaction of a battery that was taken out does not end as it must",
        severity=Severity.WARNING,
        spec="OCPP 2.1 S04.FR.07",
        remedy="End with the trigger EVCommunicationLost, the state Idle and the reason EVDisconnected.",
        bad=script(charged(), swapped(), swapped("BatteryOut"), _ends("Local", "StopAuthorized")),
        good=script(charged(), swapped(), swapped("BatteryOut"), _ends()),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not (topic._out_ns or topic._slots.inside),
    )
    def end(self, frame: Frame) -> Faults:
        if frame.action == "BatterySwap":
            return self._ended_before(frame)
        event = self._transactions.event
        if event is None or event.kind != "Ended" or event.repeated or event.transaction.evse is None:
            return None
        trigger, slot = event.trigger, event.transaction.evse
        fault = None
        if trigger not in (None, "EVCommunicationLost"):
            text = f"the trigger is {str(trigger)[:30]}; expected EVCommunicationLost"
            fault = Fault(text, "/3/triggerReason", key="trigger")
        for name, expected in _ENDED.items():
            value = string(event.info, name)
            if fault is None and value != expected:
                fault = Fault(f"{name} is {str(value)[:30]}; expected {expected}", "/3/transactionInfo", key=name)
        out_ns = self._out_ns.get(slot)
        if out_ns is not None and frame.mono_ns - out_ns <= self.settings.effect_timeout_s * 1e9:
            return fault
        self._ends.pop(slot, None)
        if fault is not None and slot in self._slots.inside and string(event.info, "stoppedReason") not in _RESTARTS:
            self._ends.note(slot, (frame, fault))
        return None

    def _ended_before(self, frame: Frame) -> Faults:
        """Return the fault of an end that was reported before its battery was taken out."""
        if frame.payload.get("eventType") != "BatteryOut":
            return None
        faults = []
        for battery in elements(frame.payload, "batteryData"):
            ended, fault = self._ends.pop(integer(battery, "evseId") or 0, (None, None))
            late = self.settings.effect_timeout_s * 1e9
            if ended is not None and fault is not None and frame.mono_ns - ended.mono_ns <= late:
                faults.append(fault._replace(frame=ended))
        return faults

    @rule(
        "battery.soc-missing",
        call("TransactionEvent"),
        title="The periodic meter values of a battery lack its state of charge",
        severity=Severity.WARNING,
        spec="OCPP 2.1 S04.FR.04",
        remedy="Add SoC to SampledDataTxUpdatedMeasurands of a battery swap station.",
        bad=script(swapped(), charged(), _sampled("Power.Active.Import")),
        good=script(swapped(), charged(), _sampled(_SOC)),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._slots.inside,
    )
    def soc_missing(self, frame: Frame) -> Faults:
        event = self._transactions.event
        if event is None or event.trigger != "MeterValuePeriodic" or event.kind != "Updated":
            return None
        if event.transaction.evse not in self._slots.inside or _soc(frame) is not None:
            return None
        return Fault("no meter value has the measurand SoC", "/3/meterValue" if "meterValue" in frame.payload else "/3")

    @rule(
        "battery.limit-trigger",
        call("TransactionEvent"),
        title="A fully charged battery is not reported with EnergyLimitReached",
        severity=Severity.WARNING,
        spec="OCPP 2.1 S04.FR.06",
        remedy="Send the trigger EnergyLimitReached with SuspendedEVSE when MaxSoc is reached.",
        bad=script(
            set_variable("BatterySwapCtrlr", MaxSoc="90"),
            swapped(),
            charged(),
            _sampled(_SOC, 90, "SuspendedEVSE", "ChargingStateChanged"),
        ),
        good=script(
            set_variable("BatterySwapCtrlr", MaxSoc="90"),
            swapped(),
            charged(),
            _sampled(_SOC, 90, "SuspendedEVSE", "EnergyLimitReached"),
        ),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._slots.inside,
    )
    def limit_trigger(self, frame: Frame) -> Faults:
        event, most = self._transactions.event, self._slots.max_soc()
        if event is None or most is None or event.info.get("chargingState") != "SuspendedEVSE":
            return None
        soc, before = _soc(frame), self._states.get(event.transaction.transaction_id)
        if soc is None or soc < most or before != "Charging" or event.trigger == "EnergyLimitReached":
            return None
        return Fault(f"the trigger is {str(event.trigger)[:30]}; expected EnergyLimitReached", "/3/triggerReason")

    @rule(
        "battery.not-suspended",
        DEADLINE,
        title="A battery is charged beyond its maximum state of charge",
        severity=Severity.ERROR,
        spec="OCPP 2.1 S04.FR.06",
        remedy="At MaxSoc send Updated with the trigger EnergyLimitReached and the state SuspendedEVSE.",
        bad=script(
            set_variable("BatterySwapCtrlr", MaxSoc="90"),
            swapped(),
            status_2x("Occupied"),
            charged(),
            _sampled(_SOC, 95),
            "+ 5m",
        ),
        good=script(
            set_variable("BatterySwapCtrlr", MaxSoc="90"),
            swapped(),
            charged(),
            _sampled(_SOC, 90, "SuspendedEVSE", "EnergyLimitReached"),
        ),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def not_suspended(self, moment: Moment, name: str, evse: int, frame: Frame) -> Faults:
        if self.session not in self.station.sessions or evse not in self._slots.inside:
            return None
        if self._states.get(name) != "Charging":
            return None
        wait = duration(self.settings.effect_timeout_s)
        text = f"charging has gone on for {wait}; MaxSoc is {self._slots.max_soc()}"
        return Fault(text, "/3", frame=frame, key=name[:36])

    @rule(
        "battery.after-restart",
        DEADLINE,
        title="No transaction starts after a restart for a battery that is in its slot",
        severity=Severity.WARNING,
        spec="OCPP 2.1 S04.FR.11",
        remedy="After a restart start a new transaction on each slot that has a battery.",
        bad=script(swapped(), status_2x("Occupied"), charged(), _RESET, _BOOT, status_2x("Occupied"), "+ 5m"),
        good=script(
            swapped(),
            status_2x("Occupied"),
            charged(),
            _RESET,
            _BOOT,
            status_2x("Occupied"),
            charged().replace('"t1"', '"t2"'),
            "+ 2m",
        ),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def after_restart(self, moment: Moment, frame: Frame) -> Faults:
        if self.session not in self.station.sessions:
            return None
        silent = [evse for evse in self._slots.inside if self._heard_ns.get(evse, 0) < frame.mono_ns]
        if not silent:
            return None
        wait = duration(self.settings.effect_timeout_s)
        text = f"no transaction on slot {silent[0]} within {wait} after the restart"
        return Fault(text, frame=frame, key=str(silent[0]))

    @track(result("BootNotification"))
    def booted(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted" and self._slots.inside:
            self.station.deadline(
                frame, self.settings.effect_timeout_s, self.after_restart, frame, at_close=AtClose.LATE
            )

    @track(call("TransactionEvent"), dormant=lambda topic: not topic._slots.inside)
    def measured(self, frame: Frame) -> None:
        event = self._transactions.event
        if event is None or event.transaction.evse is None or event.transaction.evse not in self._slots.inside:
            return
        self._heard_ns.note(event.transaction.evse, frame.mono_ns)
        name, state = event.transaction.transaction_id, string(event.info, "chargingState")
        if event.kind == "Ended":
            self._states.pop(name, None)
            return
        if state is not None:
            self._states.note(name, state)
        soc, most = _soc(frame), self._slots.max_soc()
        if soc is not None and most is not None and soc >= most and self._states.get(name) == "Charging":
            wait = self.settings.effect_timeout_s
            self.station.deadline(
                frame, wait, self.not_suspended, name, event.transaction.evse, frame, at_close=AtClose.LATE
            )

    @track(call("BatterySwap"))
    def taken_out(self, frame: Frame) -> None:
        if frame.payload.get("eventType") != "BatteryOut":
            return
        for battery in elements(frame.payload, "batteryData"):
            evse = integer(battery, "evseId")
            if evse is not None:
                self._out_ns.note(evse, frame.mono_ns)
        self.station.refresh_listeners()
