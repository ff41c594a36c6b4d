"""Restarts and new transactions during a firmware update."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.fields import integer, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import found
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.device_model import DeviceModel
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.example_frames import BOOT_2X, cp, csms, script, started, status_2x, transaction_event
from inspector.rules.topics.firmware.schedule_v2x import FirmwareSchedule

_BEFORE = frozenset({"Downloaded", "SignatureVerified", "InstallScheduled"})
_ALLOW = "AllowNewSessionsPendingFirmwareUpdate"
_BOOT = BOOT_2X.partition("\n")[2].replace("PowerUp", "FirmwareUpdate")
_PLACE = {"component": {"name": "ChargingStation"}, "variable": {"name": _ALLOW}}
_FORBIDDEN = csms(
    "GetVariables",
    {"getVariableData": [_PLACE]},
    {"getVariableResult": [{**_PLACE, "attributeStatus": "Accepted", "attributeValue": "false"}]},
)
_SECOND = {"id": 2, "connectorId": 1}


def _status(status: str) -> str:
    return cp("FirmwareStatusNotification", {"status": status, "requestId": 7})


def _second() -> str:
    told = {"transactionId": "t2", "chargingState": "EVConnected"}
    return transaction_event("Started", "CablePluggedIn", 0, told, evse=_SECOND)


_WAITS = ("InstallScheduled", "SignatureVerified", "Downloaded")
WAITING_S = 30.0
"""An installation that has not begun so long after the download waits for transactions to end."""


class FirmwareRestarts(Topic):
    """Rules about what happens beside an update."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._status: str | None = None
        self._restarted_at: str | None = None  # the status of the update that its own restart has interrupted
        self._waits: Frame | None = None  # the latest InstallScheduled that forbids new transactions
        self._schedule = self.station.topic(FirmwareSchedule)
        self._model = self.station.topic(DeviceModel)
        self._evses = self.station.topic(Evses2x)
        self._transactions = self.station.topic(Transactions2x)
        self._configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)

    def _forbidden(self) -> bool:
        """Whether no transaction may start while an update waits for the others to end."""
        allowed = self._configuration.variable("ChargingStation", _ALLOW)
        return allowed.lower() == "false" if allowed is not None else self._model.lacks("ChargingStation", _ALLOW)

    def _ongoing(self) -> str | None:
        """Return a transaction that is certainly going on."""
        if not self._evidence.has_sent_all(self.session):
            return None  # its end may be on its way
        for one in self._transactions.open_transactions():
            if one.connection == self._evidence.connections:
                return str(one)
        return None

    @rule(
        "firmware.restart-in-transaction",
        result("FirmwareStatusNotification"),
        title="The station restarts for a firmware update during a transaction",
        severity=Severity.ERROR,
        spec="OCPP 2.x L01.FR.06, L01.FR.33, L02.FR.03, L02.FR.22",
        remedy="Wait until all transactions have ended before the restart.",
        bad=script(started(), _status("Installing"), _status("InstallRebooting")),
        good=script(started(), _status("Installing"), _status("InstallScheduled")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def in_transaction(self, frame: Frame) -> Faults:
        if frame.request.get("status") != "InstallRebooting":
            return None
        going_on = self._ongoing()
        return Fault(f"a restart is announced during {going_on}", "/3/status", frame=frame.call) if going_on else None

    @rule(
        "firmware.restart-unannounced",
        call("FirmwareStatusNotification"),
        title="A restart before the installation of firmware was not announced",
        severity=Severity.WARNING,
        spec="OCPP 2.x L01.FR.15, L02.FR.09",
        remedy="Send InstallRebooting before a restart that the installation needs.",
        bad=script(_status("Downloaded"), _BOOT, status_2x("Available"), _status("Installing")),
        good=script(
            _status("Downloaded"), _status("InstallRebooting"), _BOOT, status_2x("Available"), _status("Installing")
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unannounced(self, frame: Frame) -> Faults:
        status, interrupted = string(frame.payload, "status"), self._restarted_at
        if status is None or status == "Idle":
            return None
        self._status, self._restarted_at = status, None
        if status not in ("Installing", "Installed") or interrupted not in _BEFORE:
            return None
        return Fault(f"the restart after {interrupted} was not announced", "/3/status", key=str(interrupted))

    @rule(
        "firmware.new-transaction",
        result("TransactionEvent"),
        title="A transaction starts although a firmware update waits for the others to end",
        severity=Severity.WARNING,
        spec="OCPP 2.x L01.FR.07, L02.FR.04",
        remedy="Set free EVSEs to Unavailable while an update waits for transactions to end.",
        bad=script(_FORBIDDEN, started(), _status("InstallScheduled"), _second()),
        good=script(_FORBIDDEN, started(), _second(), _status("InstallScheduled")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: topic._waits is None,
    )
    def new_transaction(self, frame: Frame) -> Faults:
        if frame.request.get("eventType") != "Started" or frame.request.get("offline") is True:
            return None
        waits = self._waits
        if waits is None or self._status not in _WAITS or not self._forbidden():
            return None
        if self._status != "InstallScheduled" and frame.mono_ns - waits.mono_ns < WAITING_S * 1e9:
            return None  # the installation may begin at once
        others = [one for one in self._transactions.open_transactions() if one.connection == self._evidence.connections]
        if len(others) < 2 or not self._evidence.has_sent_all(self.session):
            return None
        return Fault(f"a transaction has started; the update waits, and {_ALLOW} is not true", "/3", frame=frame.call)

    @rule(
        "firmware.evse-available",
        DEADLINE,
        title="A free EVSE stays available although a firmware update waits for transactions to end",
        severity=Severity.WARNING,
        spec="OCPP 2.x L01.FR.07, L02.FR.04",
        remedy="Set free EVSEs to Unavailable while an update waits for transactions to end.",
        bad=script(_FORBIDDEN, status_2x("Available", 2), started(), _status("InstallScheduled"), "+ 5m"),
        good=script(
            _FORBIDDEN,
            status_2x("Available", 2),
            started(),
            _status("InstallScheduled"),
            status_2x("Unavailable", 2),
            "+ 5m",
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def evse_available(self, moment: Moment, frame: Frame) -> Faults:
        if self._waits is not frame or self._status not in _WAITS:
            return None
        if self.session not in self.station.sessions:
            return None
        for evse in sorted({place for place, _ in self._evses.connectors}):
            if self._evses.status_of_evse(evse) == {"Available"} and not self._transactions.open_on(evse):
                text = f"EVSE {evse} is still available; the update waits, and {_ALLOW} is not true"
                return Fault(text, "/3/status", frame=frame, key=str(evse))
        return None

    @track(call("FirmwareStatusNotification"))
    def reported(self, frame: Frame) -> None:
        self._waits = None
        update = self._schedule.updates.get(integer(frame.payload, "requestId") or 0)
        signed = update is not None and found(update.asked.payload, "firmware/signature") is not None
        checked = "SignatureVerified" if signed else "Downloaded"
        if frame.payload.get("status") in ("InstallScheduled", checked) and self._forbidden():
            begins = self._schedule.planned(update.asked.payload, "installDateTime") if update is not None else None
            later = begins is not None and (not self._evidence.timed or begins > frame.ts_ns / 1e9)
            if not later and self._transactions.open_transactions():
                self._waits = frame
                self.station.deadline(
                    frame, self.settings.effect_timeout_s, self.evse_available, frame, at_close=AtClose.LATE
                )
        self.station.refresh_listeners()

    def _wait(self, after: Frame, waits: Frame) -> None:
        wait = self.settings.effect_timeout_s
        self.station.deadline(after, wait, self.evse_available, waits, at_close=AtClose.LATE)

    @track(call("StatusNotification"), dormant=lambda topic: topic._waits is None)
    def became(self, frame: Frame) -> None:
        if self._waits is not None and frame.payload.get("connectorStatus") == "Available":
            self.station.deadline(
                frame, self.settings.effect_timeout_s, self.evse_available, self._waits, at_close=AtClose.LATE
            )

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        own = frame.payload.get("reason") == "FirmwareUpdate"
        self._restarted_at, self._status, self._waits = self._status if own else None, None, None
        self.station.refresh_listeners()
