"""Judge whether NotifyEvent agrees with the monitor that caused it, and how its parts are numbered."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, integer, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import OPENED, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.topics.example_frames import NOW, Payload, cp, csms, script
from inspector.rules.topics.monitoring.monitors import Monitors, monitored

TRIGGERS = {
    "UpperThreshold": "Alerting",
    "LowerThreshold": "Alerting",
    "TargetDelta": "Alerting",
    "TargetDeltaRelative": "Alerting",
    "Delta": "Delta",
    "Periodic": "Periodic",
    "PeriodicClockAligned": "Periodic",
}
"""For each type of monitor, the trigger that its events must have."""
_RAISED_BY = frozenset({"HardWiredMonitor", "PreconfiguredMonitor", "CustomMonitor"})


def _notified(sequence: int = 0, *, more: bool = False, **changes: Any) -> str:
    event: Payload = {
        "eventId": 1,
        "timestamp": NOW,
        "trigger": "Alerting",
        "actualValue": "1100",
        "eventNotificationType": "CustomMonitor",
        "variableMonitoringId": 1,
        "component": {"name": "EVSE", "evse": {"id": 1}},
        "variable": {"name": "Power"},
        **changes,
    }
    event = {name: value for name, value in event.items() if value is not None}
    return cp("NotifyEvent", {"generatedAt": NOW, "tbc": more, "seqNo": sequence, "eventData": [event]})


class Events2x(Topic):
    """The rules about NotifyEvent."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._next: int | None = None  # the next seqNo; None if it is not known
        self._latest: Payload | None = None
        self._level: int | None = None  # events with a severity number above this are not reported; None if unknown
        self._monitors = self.station.topic(Monitors)

    @rule(
        "event.monitor-missing",
        call("NotifyEvent"),
        title="An event does not name the monitor that raised it",
        severity=Severity.WARNING,
        spec="OCPP 2.x N07.FR.06",
        remedy="Give variableMonitoringId unless eventNotificationType is HardWiredNotification.",
        bad=script(_notified(variableMonitoringId=None)),
        good=script(_notified()),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def monitor_missing(self, frame: Frame) -> Faults:
        for index, event in enumerate(elements(frame.payload, "eventData")):
            kind = string(event, "eventNotificationType")
            if kind in _RAISED_BY and "variableMonitoringId" not in event:
                return Fault(
                    f"an event of a {kind} without variableMonitoringId", f"/3/eventData/{index}", key=str(kind)
                )
        return None

    @rule(
        "event.trigger",
        call("NotifyEvent"),
        title="The trigger of an event does not fit the type of its monitor",
        severity=Severity.WARNING,
        spec="OCPP 2.x N07.FR.16 to N07.FR.19, N08.FR.05, N07.FR.22, N07.FR.23",
        remedy="Set trigger to Periodic for periodic monitors, to Delta for Delta and to Alerting for thresholds.",
        bad=script(monitored("Periodic"), _notified()),
        good=script(monitored("Periodic"), _notified(trigger="Periodic")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def trigger(self, frame: Frame) -> Faults:
        kinds = self._monitors.kinds
        for index, event in enumerate(elements(frame.payload, "eventData") if kinds else ()):
            number, trigger = integer(event, "variableMonitoringId"), string(event, "trigger")
            kind = kinds.get(number if number is not None else -1)
            fitting = TRIGGERS.get(kind or "")
            if fitting is None or trigger is None or trigger == fitting:
                continue
            text = f"the trigger is {trigger[:20]}; expected {fitting} for monitor {number} of type {kind}"
            return Fault(text, f"/3/eventData/{index}/trigger", key=str(number))
        return None

    @rule(
        "event.below-level",
        call("NotifyEvent"),
        title="An event is reported whose severity is above the accepted monitoring level",
        severity=Severity.WARNING,
        spec="OCPP 2.x N05.FR.03, N07.FR.15",
        remedy="Report only events of monitors whose severity number is at most that of SetMonitoringLevel.",
        bad=script(monitored(), csms("SetMonitoringLevel", {"severity": 3}), _notified()),
        good=script(monitored(), csms("SetMonitoringLevel", {"severity": 5}), _notified()),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def below_level(self, frame: Frame) -> Faults:
        level = self._level
        for index, event in enumerate(elements(frame.payload, "eventData") if level is not None else ()):
            number = integer(event, "variableMonitoringId")
            severity = self._monitors.severities.get(number if number is not None else -1)
            if severity is not None and level is not None and severity > level:
                text = f"monitor {number} has severity {severity}; the level is {level}"
                return Fault(text, f"/3/eventData/{index}", key=str(number))
        return None

    @track(result("SetMonitoringLevel"))
    def level_set(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            self._level = integer(frame.request, "severity")

    @rule(
        "event.sequence",
        call("NotifyEvent"),
        title="The parts of a NotifyEvent are not numbered from 0",
        severity=Severity.WARNING,
        spec="OCPP 2.x N07.FR.07, N08.FR.04",
        remedy="Begin each notification with seqNo 0, and count on only after a part with tbc true.",
        bad=script(_notified(), _notified(1)),
        good=script(_notified(more=True), _notified(1), _notified()),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def sequence(self, frame: Frame) -> Faults:
        payload = frame.payload
        sequence, expected, before = integer(payload, "seqNo"), self._next, self._latest
        if sequence is None:
            return None
        self._next, self._latest = (sequence + 1 if payload.get("tbc") is True else 0), payload
        if expected is None or sequence == expected or before == payload:
            return None
        if sequence == 0 and expected > 1:
            return None  # the station has given up the rest of a notification
        text = f"seqNo is {sequence}; expected {expected}"
        return Fault(text, "/3/seqNo", key="after the last part" if expected == 0 else "in order")

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        self._next = 0 if session.from_start and self._latest is None else None
