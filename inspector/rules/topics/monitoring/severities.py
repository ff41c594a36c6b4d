"""Whether events name the severity of their monitor, and whether a cleared alert was reported before."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, integer, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import OPENED, V2X, V21, Faults, Topic, call, event, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.topics.example_frames import NOW, Payload, cp, script
from inspector.rules.topics.monitoring.installed import CUSTOM, POWER, InstalledMonitors
from inspector.rules.topics.monitoring.monitors import monitored

_QUEUED = "OfflineMonitoringEventQueuingSeverity"
_LIMITS = frozenset({"UpperThreshold", "LowerThreshold", "TargetDelta", "TargetDeltaRelative"})


def _raised(**more: Any) -> str:
    one: Payload = {"eventId": 1, "timestamp": NOW, "trigger": "Alerting", "actualValue": "1100", **POWER}
    one |= {"eventNotificationType": CUSTOM, "variableMonitoringId": 1, **more}
    return cp("NotifyEvent", {"generatedAt": NOW, "seqNo": 0, "eventData": [one]})


class EventSeverities(Topic):
    """Rules about severities and the ends of alerts."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._quiet: Known[int, None] = Known()  # new threshold monitors that have not raised an alert yet
        self._offline = False  # whether the connection was lost since the latest of them was set
        self._installed = self.station.topic(InstalledMonitors)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "event.severity",
        call("NotifyEvent"),
        title="An event has no severity, or another one than its monitor",
        severity=Severity.INFO,
        spec="OCPP 2.1 N07.FR.20, N07.FR.21",
        remedy="Set severity in eventData to the severity of the monitor, or to any other where there is none.",
        bad=script(monitored(), _raised(severity=9)),
        good=script(monitored(), _raised(severity=5)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def severity(self, frame: Frame) -> Faults:
        for index, one in enumerate(elements(frame.payload, "eventData")):
            told, own = integer(one, "severity"), integer(one, "variableMonitoringId")
            known = self._installed.monitors.get(own) if own is not None else None
            at = f"/3/eventData/{index}"
            if known is not None and known.severity is not None and told is not None and told != known.severity:
                return Fault(f"severity is {told}; monitor {own} has {known.severity}", at, key="differs")
            wired = one.get("eventNotificationType") == "HardWiredNotification"
            if told is None and (known is not None or wired):
                what = "a hard-wired notification" if wired else f"an event of monitor {own}"
                return Fault(f"{what} has no severity", at, key="missing", everywhere=True)
        return None

    @rule(
        "event.clear-without-alert",
        call("NotifyEvent"),
        title="The end of an alert is reported, but the alert was not",
        severity=Severity.WARNING,
        spec="OCPP 2.x N07.FR.02, N07.FR.04",
        remedy="Send an event when the threshold is crossed. Without a connection, keep it and send it afterwards.",
        bad=script(monitored(), _raised(actualValue="900", cleared=True)),
        good=script(monitored(), _raised(), _raised(actualValue="900", cleared=True)),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._quiet,
    )
    def clear_without_alert(self, frame: Frame) -> Faults:
        faults = []
        for index, one in enumerate(elements(frame.payload, "eventData")):
            own = integer(one, "variableMonitoringId")
            if own is None or own not in self._quiet:
                continue
            del self._quiet[own]
            known = self._installed.monitors.get(own)
            if one.get("cleared") is not True or known is None:
                continue
            queued = self._configuration.variable_number("MonitoringCtrlr", _QUEUED)
            if self._offline and (queued is None or known.severity is None or known.severity > queued):
                continue  # it need not be kept
            text = f"monitor {own} is cleared, but has raised no alert since it was set"
            faults.append(Fault(text, f"/3/eventData/{index}/cleared", key=str(own)))
        return faults

    @track(result("SetVariableMonitoring"))
    def set_by_csms(self, frame: Frame) -> None:
        for _, asked, told, _ in self._installed.accepted(frame):
            own = integer(told, "id")
            if own is None:
                continue
            self._quiet.pop(own, None)
            if "id" not in asked and string(told, "type") in _LIMITS:
                self._quiet.note(own, None)
                self._offline = False
        self.station.refresh_listeners()

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._quiet.clear()  # ids may have changed
        self.station.refresh_listeners()

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        self._offline = True
        if not session.from_start:
            self._quiet.clear()

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        self._quiet.clear()
