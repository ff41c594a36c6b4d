"""Judge the status of 1.6 connectors and how it changes.

The table of status changes is from 1.6 section 4.9 with errata 3.20. It applies to connectors above 0.
"""

from __future__ import annotations

from typing import NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import since
from inspector.rules.fields import string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import DEADLINE, V16, Faults, Topic, call, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v16 import Transactions16

CONNECTORS_LIMIT = 500

_FROM_ANY = frozenset(
    "Available Preparing Charging SuspendedEV SuspendedEVSE Finishing Reserved Unavailable Faulted".split()
)
NEXT_STATUS: dict[str, frozenset[str]] = {
    "Available": _FROM_ANY - {"Finishing"},
    "Preparing": frozenset({"Available", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Faulted"}),
    "Charging": frozenset({"Available", "SuspendedEV", "SuspendedEVSE", "Finishing", "Unavailable", "Faulted"}),
    "SuspendedEV": frozenset({"Available", "Charging", "SuspendedEVSE", "Finishing", "Unavailable", "Faulted"}),
    "SuspendedEVSE": frozenset({"Available", "Charging", "SuspendedEV", "Finishing", "Unavailable", "Faulted"}),
    "Finishing": frozenset({"Available", "Preparing", "Unavailable", "Faulted"}),
    "Reserved": frozenset({"Available", "Preparing", "Unavailable", "Faulted"}),
    "Unavailable": _FROM_ANY - {"Finishing", "Reserved"},
    "Faulted": _FROM_ANY,
}
"""For each status of a connector above 0, the statuses that may follow it."""
MAIN_CONTROLLER = frozenset({"Available", "Unavailable", "Faulted"})
FREE = frozenset({"Available", "Preparing", "Reserved", "Unavailable"})
"""The statuses that a connector without a transaction may have."""
COMMUNICATION_ERROR = frozenset({"Preparing", "SuspendedEV", "SuspendedEVSE", "Finishing"})


def _report(status: str, connector: int = 1, error: str = "NoError", message_id: str = "n") -> str:
    payload = f'{{"connectorId":{connector},"errorCode":"{error}","status":"{status}"}}'
    return f'> [2,"{message_id}","StatusNotification",{payload}]\n< [3,"{message_id}",{{}}]\n'


class Reported(NamedTuple):
    """The content of a StatusNotification; `life` is how many boots and connections there were before it."""

    status: str
    error: str | None
    vendor_error: str | None
    info: str | None
    mono_ns: int
    life: tuple[int, int]


class Status16(Topic):
    """The rules about StatusNotification.

    Attributes:
        connectors: the last report of each connector; connector 0 is the charge point itself.
        connector: the connector of the latest StatusNotification; None if the frame has none.
        now: the content of the latest StatusNotification; None if it is not valid.
        before: the previous report of that connector; None if there was none.
        suspended_ns: the monotonic time when each connector last reported SuspendedEVSE.
    """

    scope = "station"
    versions = V16

    def setup(self) -> None:
        self.connectors: dict[int, Reported] = {}
        self.connector: int | None = None
        self.now: Reported | None = None
        self.before: Reported | None = None
        self.suspended_ns: dict[int, int] = {}
        self._triggered_ns: int | None = None
        self._evidence = self.station.topic(Observation)
        self._transactions = self.station.topic(Transactions16)
        self._configuration = self.station.topic(ConfigurationState)

    def status(self, connector: int) -> str | None:
        """Return the last reported status of a connector; None if it is not known."""
        known = self.connectors.get(connector)
        return known.status if known else None

    @track(call("StatusNotification"))
    def take_in(self, frame: Frame) -> None:
        payload, evidence = frame.payload, self._evidence
        connector, status = payload.get("connectorId"), payload.get("status")
        if type(connector) is not int or type(status) is not str:
            self.connector = self.now = self.before = None
            return
        self.connector, self.before = connector, self.connectors.get(connector)
        self.now = now = Reported(
            status,
            string(payload, "errorCode"),
            string(payload, "vendorErrorCode"),
            string(payload, "info"),
            frame.mono_ns,
            (evidence.boots, evidence.connections),
        )
        if self.before is not None or len(self.connectors) < CONNECTORS_LIMIT:
            self.connectors[connector] = now
            if status == "SuspendedEVSE":
                self.suspended_ns[connector] = frame.mono_ns
        began = status == "Charging" and connector > 0 and self.before is not None and self.before.status in FREE
        if began and not self._transactions.open_on(connector):
            self.station.deadline(
                frame,
                self.settings.effect_timeout_s,
                self.charging_without_start,
                connector,
                frame,
                at_close=AtClose.LATE,
            )

    @rule(
        "status.transition",
        call("StatusNotification"),
        title="A connector changes to a status that cannot follow the one before",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §4.9, errata 3.20",
        remedy="Report every change of status in order; you may leave out only those shorter than "
        "MinimumStatusDuration.",
        bad=_report("Available") + _report("Finishing", message_id="n2"),
        good=_report("Available") + _report("Charging", message_id="n2") + _report("Finishing", message_id="n3"),
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def transition(self, frame: Frame) -> Faults:
        connector, now, before = self.connector, self.now, self.before
        if now is None or before is None or not connector or now.status == before.status:
            return None
        follows = NEXT_STATUS.get(before.status)
        if follows is None or now.status in follows or now.status not in NEXT_STATUS:
            return None  # payload.schema reports unknown statuses
        key = f"{connector} {before.status} {now.status}"
        text = f"connector {connector} goes from {before.status} to {now.status}"
        if now.life != before.life:
            return Fault(f"{text}, with a boot or a time offline between", "/3/status", severity=Severity.INFO, key=key)
        if (self._configuration.number("MinimumStatusDuration") or 0) > 0 and any(
            now.status in NEXT_STATUS[between] for between in follows - {"Faulted"}
        ):
            return Fault(f"{text}; a status between was too short", "/3/status", severity=Severity.INFO, key=key)
        return Fault(f"{text}; after {before.status} come {', '.join(sorted(follows))}", "/3/status", key=key)

    @rule(
        "status.repeated",
        call("StatusNotification"),
        title="A connector reports the status it had already reported",
        severity=Severity.INFO,
        spec="OCPP 1.6 §4.9",
        remedy="Report a status only when it changes, after a boot, after being offline and when triggered.",
        bad=_report("Available") + _report("Available", message_id="n2"),
        good=_report("Available") + _report("Preparing", message_id="n2"),
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def repeated(self, frame: Frame) -> Faults:
        now, before = self.now, self.before
        if now is None or before is None or now.status != before.status:
            return None
        if now._replace(mono_ns=0) != before._replace(mono_ns=0):
            return None  # the error is another one, or there was a boot or a reconnect in between
        if self._triggered_ns is not None and frame.mono_ns - self._triggered_ns < self.settings.effect_timeout_s * 1e9:
            return None
        return Fault(
            f"connector {self.connector} has already reported {now.status}", "/3/status", key=str(self.connector)
        )

    @rule(
        "status.main-controller",
        call("StatusNotification"),
        title="Connector 0 reports a status that only a connector can have",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §4.9",
        remedy="Report Available, Unavailable or Faulted for connector 0, the charge point itself.",
        bad=_report("Charging", 0),
        good=_report("Unavailable", 0),
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def main_controller(self, frame: Frame) -> Faults:
        now = self.now
        if self.connector != 0 or now is None or now.status in MAIN_CONTROLLER or now.status not in _FROM_ANY:
            return None
        return Fault(
            f"connector 0 is {now.status}; it can be Available, Unavailable or Faulted", "/3/status", key=now.status
        )

    @rule(
        "status.communication-error",
        call("StatusNotification"),
        title="EVCommunicationError is reported in a status without a car",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §4.9",
        remedy="Use EVCommunicationError with Preparing, SuspendedEV, SuspendedEVSE and Finishing only.",
        bad=_report("Available", error="EVCommunicationError"),
        good=_report("Preparing", error="EVCommunicationError"),
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def communication_error(self, frame: Frame) -> Faults:
        now = self.now
        if now is None or now.error != "EVCommunicationError" or now.status in COMMUNICATION_ERROR:
            return None
        return Fault(f"EVCommunicationError while {now.status[:20]}", "/3/errorCode", key=now.status[:20])

    @rule(
        "status.no-error",
        call("StatusNotification"),
        title="A connector is Faulted with the errorCode NoError",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §4.9 and §7.6",
        remedy="Send the errorCode that fits, or OtherError with vendorErrorCode and info.",
        bad=_report("Faulted"),
        good=_report("Faulted", error="OtherError"),
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def no_error(self, frame: Frame) -> Faults:
        now = self.now
        if now is None or now.status != "Faulted" or now.error != "NoError":
            return None
        said = "; ".join(part for part in (now.vendor_error, now.info) if part)[:160]
        where = f"connector {self.connector}" if self.connector else "the charge point"
        text = f"{where} is Faulted, and its errorCode is NoError{f' ({said})' if said else ''}"
        return Fault(text, "/3/errorCode", key=str(self.connector))

    @rule(
        "status.fault-reported",
        call("StatusNotification"),
        title="A connector reports a fault",
        severity=Severity.INFO,
        spec="OCPP 1.6 §4.9 and §7.6",
        remedy="Check the charge point: it reports a hardware fault; its messages are correct.",
        bad=_report("Faulted", error="GroundFailure"),
        good=_report("Available"),
        versions=V16,
        side=Side.CHARGE_POINT,
        heuristic=True,
    )
    def fault_reported(self, frame: Frame) -> Faults:
        connector, now = self.connector, self.now
        if now is None or now.error == "NoError" or (now.status != "Faulted" and now.error is None):
            return None  # another rule reports Faulted with NoError
        said = "; ".join(part for part in (now.error, now.vendor_error, now.info) if part)[:160]
        where = f"connector {connector}" if connector else "the charge point"
        running = " during a transaction" if connector and self._transactions.open_on(connector) else ""
        return Fault(f"{where} is {now.status}{running}: {said}", "/3/errorCode", key=f"{connector} {now.error}"[:60])

    @rule(
        "status.charging-without-start",
        DEADLINE,
        title="A connector is Charging without a transaction",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §4.8",
        remedy="Send StartTransaction when charging starts: energy is supplied only within a transaction.",
        bad=_report("Available") + _report("Charging", message_id="n2") + "+ 5m",
        good=_report("Available")
        + _report("Charging", message_id="n2")
        + _report("Finishing", message_id="n3")
        + "+ 5m",
        versions=V16,
        side=Side.CHARGE_POINT,
        heuristic=True,
    )
    def charging_without_start(self, moment: Moment, connector: int, frame: Frame) -> Faults:
        known = self.connectors.get(connector)
        if known is None or known.status != "Charging" or self.session not in self.station.sessions:
            return None
        if self._transactions.started_since(connector, frame.mono_ns):
            return None
        if known.life != (self._evidence.boots, self._evidence.connections):
            return None
        text = f"connector {connector} is Charging, and after {since(frame, moment)} no transaction has started on it"
        return Fault(text, "/3/status", frame=frame, key=str(connector))

    @track(call("TriggerMessage", "ExtendedTriggerMessage"))
    def triggered(self, frame: Frame) -> None:
        if frame.payload.get("requestedMessage") == "StatusNotification":
            self._triggered_ns = frame.mono_ns
