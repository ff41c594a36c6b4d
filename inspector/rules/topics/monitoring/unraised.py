"""Whether monitors raise events when a value that the CSMS reads shows it, and none once they are cleared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import since
from inspector.rules.fields import elements, integer, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.device_model import DeviceModel, Name
from inspector.rules.state.observation import Observation
from inspector.rules.topics.example_frames import csms, script
from inspector.rules.topics.monitoring.installed import POWER, THRESHOLDS, InstalledMonitors, Monitor, notified
from inspector.rules.topics.monitoring.monitors import monitored
from inspector.rules.topics.provisioning.variables_v2x import Item, item_of

_CLEARED = csms("ClearVariableMonitoring", {"id": [1]}, {"clearMonitoringResult": [{"status": "Accepted", "id": 1}]})


def _read(value: str) -> str:
    told = {"attributeStatus": "Accepted", "attributeValue": value, **POWER}
    return csms("GetVariables", {"getVariableData": [POWER]}, {"getVariableResult": [told]})


@dataclass(slots=True, eq=False)
class _Watch:
    """A monitor that the CSMS has set."""

    monitor: Monitor
    raised: bool = False  # whether its latest event is an alert that was not cleared
    base: str | None = None  # the value in its latest event, or the first that was read since
    exact: bool = False  # whether `base` is from an event
    events: int = 0


class UnraisedEvents(Topic):
    """Rules about events that must come, and about those of monitors that are gone."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._watched: Known[int, _Watch] = Known()
        self._gone: Known[int, float] = Known()  # when monitors were cleared, in seconds since 1970
        self._level: int | None = None
        self._installed = self.station.topic(InstalledMonitors)
        self._device = self.station.topic(DeviceModel)
        self._configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)

    @rule(
        "event.threshold-missing",
        DEADLINE,
        title="A value crosses the threshold of a monitor, but no event says so",
        severity=Severity.WARNING,
        spec="OCPP 2.x N07.FR.02, N07.FR.11, N07.FR.16, N07.FR.17",
        remedy="Send NotifyEvent with trigger Alerting when the value passes the threshold, and with cleared true when "
        "it is back.",
        bad=script(monitored(), _read("1500"), "+ 5m"),
        good=script(monitored(), _read("1500"), notified(actualValue="1500"), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def threshold_missing(self, moment: Moment, own: int, watch: _Watch, frame: Frame, value: float) -> Faults:
        beyond = _beyond(watch.monitor, value)
        if beyond == watch.raised or not self._active(own, watch):
            return None
        watch.raised = beyond
        text = f"the value is {value:g}; the {watch.monitor.kind} of monitor {own} is {watch.monitor.value or 0:g}"
        what = "alert" if beyond else "event with cleared true"
        text = f"{text}, but no {what} came within {since(frame, moment)}"
        return Fault(text, frame=frame, key=f"{own} {beyond}")

    @rule(
        "event.change-missing",
        DEADLINE,
        title="A value changes by more than the delta of a monitor, but no event says so",
        severity=Severity.WARNING,
        spec="OCPP 2.x N07.FR.18, N07.FR.19",
        remedy="Send NotifyEvent with trigger Delta when the value has changed by more than the value of the monitor.",
        bad=script(monitored("Delta", value=10), _read("100"), _read("150"), "+ 5m"),
        good=script(monitored("Delta", value=10), _read("100"), _read("105"), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def change_missing(self, moment: Moment, own: int, watch: _Watch, frame: Frame, change: str, events: int) -> Faults:
        if watch.events != events or not self._active(own, watch):
            return None
        watch.base, watch.exact = None, False
        text = f"the value has changed {change}, but no event of the Delta monitor {own} came"
        return Fault(f"{text} within {since(frame, moment)}", frame=frame, key=str(own))

    def _active(self, own: int, watch: _Watch) -> bool:
        """Whether a monitor exists still, and reports events."""
        if self._watched.get(own) is not watch or self._installed.monitors.get(own) is not watch.monitor:
            return False
        if self.session not in self.station.sessions:
            return False
        severity, level = watch.monitor.severity, self._level
        if level is None:
            level = self._configuration.variable_number("MonitoringCtrlr", "ActiveMonitoringLevel")
        if level is not None and severity is not None and severity > level:
            return False
        return self._configuration.variable("MonitoringCtrlr", "Enabled") != "false"

    @rule(
        "event.after-clear",
        call("NotifyEvent"),
        title="An event of a monitor that was cleared",
        severity=Severity.WARNING,
        spec="OCPP 2.x N06.FR.01",
        remedy="Remove the monitor where you answer Accepted to ClearVariableMonitoring, and send no events of it.",
        bad=script(monitored(), _CLEARED, notified(timestamp="2026-01-01T12:01:00Z")),
        good=script(monitored(), notified(), _CLEARED),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._gone,
    )
    def after_clear(self, frame: Frame) -> Faults:
        for index, entry in enumerate(elements(frame.payload, "eventData")):
            own, happened = integer(entry, "variableMonitoringId"), seconds(string(entry, "timestamp"))
            since = self._gone.get(own) if own is not None else None
            if since is None or happened is None or happened <= since or entry.get("cleared") is True:
                continue
            if self._evidence.timed:
                return Fault(f"monitor {own} was cleared", f"/3/eventData/{index}", key=str(own))
        return None

    @track(result("ClearVariableMonitoring"))
    def cleared(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "clearMonitoringResult"):
            own = integer(entry, "id")
            if own is not None and entry.get("status") == "Accepted":
                self._watched.pop(own, None)
                self._gone.note(own, frame.ts_ns / 1e9)
        self.station.refresh_listeners()

    @track(result("SetMonitoringLevel"))
    def level_set(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            self._level = integer(frame.request, "severity")

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._gone.clear()  # the ids may be those of other monitors now
        self._watched.clear()

    @track(result("SetVariableMonitoring"))
    def accepted(self, frame: Frame) -> None:
        for _, asked, told, item in self._installed.accepted(frame):
            own = integer(told, "id")
            monitor = self._installed.monitors.get(own) if own is not None else None
            if own is None or monitor is None:
                continue
            self._gone.pop(own, None)
            before = self._watched.pop(own, None)
            if asked.get("transaction") is True or monitor.streamed or monitor.value is None:
                continue
            watch = _Watch(monitor)
            known = self._device.variables.get(Name(*item[:6]))
            if known is not None and frame.mono_ns - known.seen_ns <= self.settings.effect_timeout_s * 1e9:
                watch.base = known.value
            self._watched.note(own, watch)
            if before is not None and before.monitor.kind == monitor.kind and before.monitor.item == monitor.item:
                self._changed(own, before, watch, frame)
        self.station.refresh_listeners()

    def _changed(self, own: int, before: _Watch, watch: _Watch, frame: Frame) -> None:
        """Expect an event after a new threshold if the last known value is on its other side."""
        watch.raised = before.raised
        value = _decimal(before.base if before.exact else watch.base)
        if watch.monitor.kind not in THRESHOLDS or value is None or value == watch.monitor.value:
            return
        if _beyond(watch.monitor, value) != watch.raised:
            self._wait(frame, self.threshold_missing, own, watch, frame, value)

    @track(call("NotifyEvent"), dormant=lambda topic: not topic._watched)
    def raised(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "eventData"):
            own = integer(entry, "variableMonitoringId")
            watch = self._watched.get(own) if own is not None else None
            if watch is not None:
                watch.raised = entry.get("cleared") is not True
                watch.base, watch.exact = string(entry, "actualValue"), True
                watch.events += 1

    @track(result("GetVariables", "SetVariables"), call("NotifyReport"), dormant=lambda topic: not topic._watched)
    def read(self, frame: Frame) -> None:
        for item, told in _readings(frame):
            for own, watch in list(self._watched.items()):
                if watch.monitor.item == item:
                    self._compare(own, watch, told, frame)

    def _wait(self, frame: Frame, check: Callable[..., Any], *given: Any) -> None:
        self.station.deadline(frame, self.settings.effect_timeout_s, check, *given, at_close=AtClose.LATE)

    def _compare(self, own: int, watch: _Watch, told: str, frame: Frame) -> None:
        value = _decimal(told)
        if watch.monitor.kind in THRESHOLDS and value is not None and value != watch.monitor.value:
            if _beyond(watch.monitor, value) != watch.raised:
                self._wait(frame, self.threshold_missing, own, watch, frame, value)
        elif watch.monitor.kind == "Delta":
            before = _decimal(watch.base)
            most = (watch.monitor.value or 0) * (1 if watch.exact else 2)
            if watch.base is None:
                watch.base = told
            elif value is not None and before is not None:
                if abs(value - before) > most:
                    change = f"from {before:g} to {value:g}"
                    self._wait(frame, self.change_missing, own, watch, frame, change, watch.events)
            elif value is None and before is None and told != watch.base:
                change = f"from {watch.base[:20]!r} to {told[:20]!r}"
                self._wait(frame, self.change_missing, own, watch, frame, change, watch.events)


def _beyond(monitor: Monitor, value: float) -> bool:
    most = monitor.value or 0.0
    return value > most if monitor.kind == "UpperThreshold" else value < most


def _readings(frame: Frame) -> Iterator[tuple[Item, str]]:
    """Yield the values of the attribute Actual in a frame."""
    if frame.action == "NotifyReport":
        for entry in elements(frame.payload, "reportData"):
            item = item_of(entry)
            for attribute in elements(entry, "variableAttribute") if item is not None else ():
                value = string(attribute, "value")
                if attribute.get("type") in (None, "Actual") and value is not None and item is not None:
                    yield item, value
        return
    asked = {item_of(one): string(one, "attributeValue") for one in elements(frame.request, "setVariableData")}
    name = "setVariableResult" if frame.action == "SetVariables" else "getVariableResult"
    for entry in elements(frame.payload, name):
        item = item_of(entry)
        value = asked.get(item) if frame.action == "SetVariables" else string(entry, "attributeValue")
        if entry.get("attributeStatus") == "Accepted" and item is not None and value is not None:
            yield item, value


def _decimal(text: str | None) -> float | None:
    try:
        return float(text) if text is not None and len(text) < 30 else None
    except ValueError:
        return None
