"""Whether monitors fit their variable, and events the variable and the clock of their monitor."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule
from inspector.rules.state.device_model import DeviceModel, Name
from inspector.rules.state.observation import Observation
from inspector.rules.topics.example_frames import Payload, script
from inspector.rules.topics.monitoring.installed import (
    POWER,
    THRESHOLDS,
    InstalledMonitors,
    characteristics,
    notified,
)
from inspector.rules.topics.monitoring.monitors import monitored
from inspector.rules.topics.provisioning.variables_v2x import item_of

_NUMBERS = frozenset({"decimal", "integer"})
_QUARTER_S = 900  # clock-aligned intervals that divide it are the same in every time zone
_ROUNDING_S = 10
_OTHER: Payload = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Voltage"}}
_ALIGNED = monitored("PeriodicClockAligned", value=900)


def _typed(kind: str) -> str:
    return characteristics(
        {
            **POWER,
            "variableAttribute": [{"value": "1"}],
            "variableCharacteristics": {"dataType": kind, "supportsMonitoring": True},
        }
    )


class FittingMonitors(Topic):
    """Rules about single monitors and events."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._installed = self.station.topic(InstalledMonitors)
        self._device = self.station.topic(DeviceModel)
        self._evidence = self.station.topic(Observation)

    @rule(
        "monitor.no-number",
        result("SetVariableMonitoring"),
        title="A threshold is accepted for a variable that is no number",
        severity=Severity.WARNING,
        spec="OCPP 2.x N04.FR.05",
        remedy="Answer UnsupportedMonitorType to a threshold on a variable that is not of type decimal or integer.",
        bad=script(_typed("boolean"), monitored()),
        good=script(_typed("boolean"), monitored("Delta")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def no_number(self, frame: Frame) -> Faults:
        for index, asked, _, item in self._installed.accepted(frame):
            known = self._device.variables.get(Name(*item[:6]))
            kind = string((known.characteristics if known is not None else None) or {}, "dataType")
            if kind is not None and kind not in _NUMBERS and string(asked, "type") in THRESHOLDS:
                text = f"{asked.get('type')} is Accepted, but the type of {item} is {kind[:20]}"
                return Fault(text, f"/2/setMonitoringResult/{index}/status", key=str(item))
        return None

    @rule(
        "event.other-variable",
        call("NotifyEvent"),
        title="An event names another variable than its monitor watches",
        severity=Severity.WARNING,
        spec="OCPP 2.x N07.FR.06",
        remedy="Name in each event the component and variable of the monitor in variableMonitoringId.",
        bad=script(monitored(), notified(**_OTHER)),
        good=script(monitored(), notified()),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._installed.monitors,
    )
    def other_variable(self, frame: Frame) -> Faults:
        for index, entry in enumerate(elements(frame.payload, "eventData")):
            own, item = integer(entry, "variableMonitoringId"), item_of(entry)
            one = self._installed.monitors.get(own) if own is not None else None
            happened = seconds(string(entry, "timestamp"))
            if one is None or item is None or not one.stable or not self._evidence.timed:
                continue
            if happened is None or happened + 1 < one.set_s:
                continue
            if (item.component, item.variable) != (one.item.component, one.item.variable):
                return Fault(f"the event is of {item}; monitor {own} watches {one.item}", f"/3/eventData/{index}")
        return None

    @rule(
        "event.not-aligned",
        call("NotifyEvent"),
        title="An event of a clock-aligned monitor is not aligned to the clock",
        severity=Severity.WARNING,
        spec="OCPP 2.x N08.FR.07",
        remedy="Send the event at multiples of the value in seconds: with 900 at 0, 15, 30 and 45 minutes.",
        bad=script(_ALIGNED, "+ 7m", notified(trigger="Periodic", timestamp="2026-01-01T12:07:00Z")),
        good=script(_ALIGNED, "+ 15m", notified(trigger="Periodic", timestamp="2026-01-01T12:15:00Z")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._installed.monitors,
    )
    def not_aligned(self, frame: Frame) -> Faults:
        for index, entry in enumerate(elements(frame.payload, "eventData")):
            own, happened = integer(entry, "variableMonitoringId"), seconds(string(entry, "timestamp"))
            one = self._installed.monitors.get(own) if own is not None else None
            if one is None or happened is None or one.kind != "PeriodicClockAligned" or not one.stable:
                continue
            value = one.value or 0
            if value < 60 or _QUARTER_S % value or happened <= one.set_s or entry.get("trigger") != "Periodic":
                continue
            beside = min(happened % value, value - happened % value)
            if beside > _ROUNDING_S:
                text = f"the event is {beside:g} seconds beside the clock; monitor {own} has the value {value:g}"
                return Fault(text, f"/3/eventData/{index}/timestamp", key=str(own))
        return None
