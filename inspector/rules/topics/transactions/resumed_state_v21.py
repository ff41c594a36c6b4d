"""Judge the charging state with which an OCPP 2.1 station resumes a transaction after an interruption."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment
from inspector.rules.durations import duration
from inspector.rules.fields import integer, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import CONNECTED, Transaction2x, Transactions2x
from inspector.rules.topics.example_frames import BOOT_2X, script, started, status_2x, transaction_event, variable_2x
from inspector.rules.topics.transactions.deauthorization_v2x import Deauthorization2x
from inspector.rules.topics.transactions.resumed_v21 import INTERRUPTIONS

_RANDOM = ("TxCtrlr", "EnergyTransferResumptionRandomRange")
_AGAIN = BOOT_2X.replace('"b"', '"b2"')


def _before(state: str) -> tuple[str, ...]:
    return BOOT_2X, status_2x("Occupied"), started({"chargingState": state}), "close", "+ 10s", _AGAIN


def _resumed(state: str) -> str:
    return transaction_event("Updated", "TxResumed", 1, {"chargingState": state})


_OCCUPIED, _FREE = status_2x("Occupied"), status_2x("Available")
_CHARGES = transaction_event("Updated", "ChargingStateChanged", 2, {"chargingState": "Charging"})
_RANGE = variable_2x(*_RANDOM, "30")


class ResumedStates21(Topic):
    """The rules about the state of resumed transactions."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._booted = False  # whether the latest boot followed an interruption
        self._reset = False  # whether a Reset was accepted since then: `reset.resumed-state` is about this
        self._status: Known[tuple[int | None, int | None], str] = Known()  # by connector: its status since the boot
        self._waiting: Known[str, None] = Known()  # transactions that have not charged again since they were resumed
        self._transactions = self.station.topic(Transactions2x)
        self._configuration = self.station.topic(ConfigurationState)
        self._states = self.station.topic(Deauthorization2x)

    @rule(
        "transaction-event.resumed-state",
        call("TransactionEvent"),
        title="A transaction is resumed in another charging state than before, or without a car",
        severity=Severity.WARNING,
        spec="OCPP 2.1 E17.FR.11, E17.FR.13, E17.FR.16",
        remedy="Send TxResumed with the charging state from before the interruption, or Idle if the car is gone.",
        bad=script(*_before("EVConnected"), _OCCUPIED, _resumed("Charging")),
        good=script(*_before("EVConnected"), _OCCUPIED, _resumed("EVConnected")),
        versions=V21,
        side=Side.CHARGE_POINT,
        plain=False,
        dormant=lambda topic: not topic._booted,
    )
    def state(self, frame: Frame) -> Faults:
        event = self._transactions.event
        if event is None:
            return None
        one, now = event.transaction, string(event.info, "chargingState")
        if now in ("Charging", "SuspendedEV", "Idle") or event.kind == "Ended":
            self._waiting.pop(one.transaction_id, None)
        if event.trigger != "TxResumed" or event.first or event.repeated or now not in {*CONNECTED, "Idle"}:
            return None
        before, status = self._states.before, self._status.get((one.evse, one.connector))
        if now != "Idle" and status == "Available":
            text = f"{one} is resumed with the state {now}, but its connector is Available"
            return Fault(text, "/3/transactionInfo/chargingState", key=one.transaction_id)
        delay_s = self._configuration.variable_number(*_RANDOM)
        if now == "Idle" or before is None or before == "Idle":
            return None
        if before == "Charging" and now == "SuspendedEVSE" and delay_s:
            if self._allowed():
                self._waiting.note(one.transaction_id, None)
                wait = delay_s + self.settings.effect_timeout_s
                self.station.deadline(frame, wait, self.late, one, delay_s, frame)
            return None
        if now in self._possible(before):
            return None
        text = f"{one} is resumed with the state {now}; before the interruption it was {before}"
        return Fault(text, "/3/transactionInfo/chargingState", key=one.transaction_id)

    def _allowed(self) -> bool:
        return (self._configuration.variable("TxCtrlr", "TxAllowEnergyTransferResumption") or "").lower() == "true"

    def _possible(self, before: str) -> set[str]:
        """The states in which a transaction may be resumed that was in this one."""
        if before == "Charging":  # E17.FR.12 and `transaction-event.resumed` are about stations that must not charge
            return {"Charging", "SuspendedEV", "SuspendedEVSE"} if self._allowed() else set(CONNECTED)
        if before == "SuspendedEV":
            return {"Charging", "SuspendedEV"} if self._allowed() else set(CONNECTED)
        return {before}

    @rule(
        "transaction-event.resumed-late",
        DEADLINE,
        title="A resumed transaction does not charge again within the configured delay",
        severity=Severity.INFO,
        spec="OCPP 2.1 E17.FR.18",
        remedy="Charge again at most EnergyTransferResumptionRandomRange seconds after TxResumed.",
        bad=script(
            *_before("Charging"),
            variable_2x("TxCtrlr", "TxAllowEnergyTransferResumption", "true"),
            _RANGE,
            _OCCUPIED,
            _resumed("SuspendedEVSE"),
            "+ 5m",
        ),
        good=script(
            *_before("Charging"),
            variable_2x("TxCtrlr", "TxAllowEnergyTransferResumption", "true"),
            _RANGE,
            _OCCUPIED,
            _resumed("SuspendedEVSE"),
            "+ 20s",
            _CHARGES,
            "+ 5m",
        ),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def late(self, moment: Moment, one: Transaction2x, delay_s: int, frame: Frame) -> Faults:
        if one.transaction_id not in self._waiting or not one.open or self.session not in self.station.sessions:
            return None
        text = f"{one} has not charged again; EnergyTransferResumptionRandomRange is {duration(delay_s)}"
        return Fault(text, "/3/transactionInfo/chargingState", frame=frame, key=one.transaction_id)

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._booted = not self._reset and string(frame.payload, "reason") in INTERRUPTIONS
        self._reset = False
        self._status.clear()
        self.station.refresh_listeners()

    @track(result("Reset"))
    def reset(self, frame: Frame) -> None:
        self._reset = frame.payload.get("status") in ("Accepted", "Scheduled")
        if self._reset:
            self._booted = False
            self.station.refresh_listeners()

    @track(call("StatusNotification"))
    def status(self, frame: Frame) -> None:
        told = string(frame.payload, "connectorStatus")
        if told is not None:
            self._status.note((integer(frame.payload, "evseId"), integer(frame.payload, "connectorId")), told)
