"""Whether periodic monitors report as often as they must."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment
from inspector.rules.durations import duration
from inspector.rules.fields import elements, integer, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.topics.example_frames import script
from inspector.rules.topics.monitoring.installed import InstalledMonitors, Monitor, notified
from inspector.rules.topics.monitoring.monitors import monitored

_PERIODIC = frozenset({"Periodic", "PeriodicClockAligned"})
_LONGEST_S = 7 * 86400


class PeriodicMonitors(Topic):
    """The rule about the events of periodic monitors."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._heard: Known[int, Frame] = Known()  # what each periodic monitor was set with, or its latest event
        self._level: int | None = None
        self._installed = self.station.topic(InstalledMonitors)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "event.periodic-missing",
        DEADLINE,
        title="A periodic monitor sends no events",
        severity=Severity.WARNING,
        spec="OCPP 2.x N08.FR.06, N08.FR.07",
        remedy="Send a NotifyEvent for a periodic monitor each time the seconds in its value have passed.",
        bad=script(monitored("Periodic", value=60), "+ 5m"),
        good=script(monitored("Periodic", value=60), "+ 1m", notified(trigger="Periodic"), "+ 1m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def missing(self, moment: Moment, own: int, monitor: Monitor, latest: Frame) -> Faults:
        heard = self._heard.get(own)
        if heard is None or self._installed.monitors.get(own) is not monitor:
            return None
        if self.session not in self.station.sessions or monitor.value is None:
            return None
        wait = monitor.value + self.settings.effect_timeout_s
        if heard is not latest:
            self.station.deadline(heard, wait, self.missing, own, monitor, heard)
            return None
        del self._heard[own]
        if self._level is not None and monitor.severity is not None and monitor.severity > self._level:
            return None
        if self._configuration.variable("MonitoringCtrlr", "Enabled") == "false":
            return None
        text = f"no event of monitor {own} has come within {duration(wait)}; its value is {monitor.value:g} seconds"
        return Fault(text, frame=latest, key=str(own))

    @track(result("SetVariableMonitoring"))
    def accepted(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "setMonitoringResult"):
            own = integer(entry, "id")
            if own is not None and entry.get("status") == "Accepted" and string(entry, "type") in _PERIODIC:
                self._wait(own, frame)

    @track(call("NotifyEvent"), dormant=lambda topic: not topic._installed.monitors)
    def raised(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "eventData"):
            own = integer(entry, "variableMonitoringId")
            if own is None:
                continue
            if own in self._heard:
                self._heard[own] = frame
            else:
                self._wait(own, frame)

    def _wait(self, own: int, frame: Frame) -> None:
        monitor = self._installed.monitors.get(own)
        if monitor is None or monitor.kind not in _PERIODIC or monitor.streamed or monitor.value is None:
            return
        if 0 < monitor.value <= _LONGEST_S:
            self._heard.note(own, frame)
            wait = monitor.value + self.settings.effect_timeout_s
            self.station.deadline(frame, wait, self.missing, own, monitor, frame)

    @track(result("SetMonitoringLevel"))
    def level_set(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            self._level = integer(frame.request, "severity")
