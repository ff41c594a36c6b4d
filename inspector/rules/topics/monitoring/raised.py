"""Whether events fit the monitors that raised them: the threshold, whether it is cleared, and whose monitor it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.topics.example_frames import Payload, csms, script
from inspector.rules.topics.monitoring.installed import (
    CUSTOM,
    HARD_WIRED,
    POWER,
    PRECONFIGURED,
    THRESHOLDS,
    InstalledMonitors,
    Monitor,
    characteristics,
    notified,
)
from inspector.rules.topics.monitoring.monitors import monitored
from inspector.rules.topics.provisioning.variables_v2x import Item, item_of

_BASE = csms("SetMonitoringBase", {"monitoringBase": "HardWiredOnly"})
_CLEARED = csms("ClearVariableMonitoring", {"id": [1]}, {"clearMonitoringResult": [{"status": "Accepted", "id": 1}]})


def _written(mutability: str) -> str:
    attributes = {"variableAttribute": [{"value": "", "mutability": mutability}]}
    characters = {"dataType": "decimal", "supportsMonitoring": True}
    return characteristics({**POWER, **attributes, "variableCharacteristics": characters})


def _decimal(text: Any) -> float | None:
    try:
        return float(text) if type(text) is str and len(text) < 30 else None
    except ValueError:
        return None


class RaisedEvents(Topic):
    """Rules about the events of known monitors."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._removed: Known[int, Item] = Known()  # thresholds that were cleared
        self._installed = self.station.topic(InstalledMonitors)
        self._evidence = self.station.topic(Observation)

    def _events(self, frame: Frame) -> Iterator[tuple[int, Payload, int, Monitor]]:
        """Yield index, event, id and monitor of each event whose monitor is known and unchanged since then."""
        for index, entry in enumerate(elements(frame.payload, "eventData")):
            own = integer(entry, "variableMonitoringId")
            if own is None:
                continue
            one = self._installed.monitors.get(own) or self._installed.before_boot.get(own)
            if one is None or not one.stable or item_of(entry) != one.item:
                continue
            happened = seconds(string(entry, "timestamp"))
            if self._evidence.timed and happened is not None and happened + 1 < one.set_s:
                continue
            yield index, entry, own, one

    @rule(
        "event.threshold",
        call("NotifyEvent"),
        title="An alert does not fit its threshold: it is raised within it, or cleared beyond it",
        severity=Severity.WARNING,
        spec="OCPP 2.x N07.FR.02, N07.FR.11, N07.FR.14, N07.FR.16, N07.FR.17",
        remedy="Send cleared true when the value is back within the threshold, and an alert only when it is beyond it.",
        bad=script(monitored(), notified(actualValue="900")),
        good=script(monitored(), notified(), notified(actualValue="900", cleared=True)),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._installed.monitors and not topic._installed.before_boot,
    )
    def threshold(self, frame: Frame) -> Faults:
        for index, entry, own, one in self._events(frame):
            actual = _decimal(entry.get("actualValue"))
            if one.kind not in THRESHOLDS or one.value is None or actual is None or actual == one.value:
                continue
            beyond = actual > one.value if one.kind == "UpperThreshold" else actual < one.value
            cleared = entry.get("cleared") is True
            if entry.get("trigger") != "Alerting" or beyond != cleared:
                continue
            value = f"the value is {actual:g}; the {one.kind} of monitor {own} is {one.value:g}"
            text = f"cleared is true, but {value}" if cleared else f"cleared is not true, but {value}"
            return Fault(text, f"/3/eventData/{index}", key=f"{own} {cleared}")
        return None

    @rule(
        "event.monitor-owner",
        call("NotifyEvent"),
        title="An event of a monitor that the CSMS has set does not call it a custom monitor",
        severity=Severity.WARNING,
        spec="OCPP 2.x N04.FR.15",
        remedy="Set eventNotificationType to CustomMonitor for monitors that SetVariableMonitoring has set.",
        bad=script(monitored(), notified(PRECONFIGURED)),
        good=script(monitored(), notified(CUSTOM)),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._installed.monitors and not topic._installed.before_boot,
    )
    def owner(self, frame: Frame) -> Faults:
        for index, entry, own, one in self._events(frame):
            origin = string(entry, "eventNotificationType")
            if one.origin == CUSTOM and origin in (HARD_WIRED, PRECONFIGURED):
                text = f"eventNotificationType is {origin}, but the CSMS has set monitor {own}"
                return Fault(text, f"/3/eventData/{index}/eventNotificationType", key=str(own))
        return None

    @rule(
        "event.base",
        call("NotifyEvent"),
        title="An event of a monitor that the accepted monitoring base has removed",
        severity=Severity.WARNING,
        spec="OCPP 2.x N03.FR.04, N03.FR.05",
        remedy="Remove custom monitors at FactoryDefault, and preconfigured ones too at HardWiredOnly.",
        bad=script(_BASE, notified(CUSTOM)),
        good=script(_BASE, notified(HARD_WIRED)),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: topic._installed.base is None,
    )
    def base(self, frame: Frame) -> Faults:
        if self._installed.base is None or self._installed.custom or not self._evidence.timed:
            return None
        base, since_s, stable = self._installed.base
        gone = {"FactoryDefault": (CUSTOM,), "HardWiredOnly": (CUSTOM, PRECONFIGURED)}.get(base, ())
        for index, entry in enumerate(elements(frame.payload, "eventData") if gone and stable else ()):
            origin, happened = string(entry, "eventNotificationType"), seconds(string(entry, "timestamp"))
            if origin in gone and happened is not None and happened + 1 >= since_s:
                return Fault(
                    f"an event of a {origin}; {base} has been accepted, and no monitor was set since",
                    f"/3/eventData/{index}/eventNotificationType",
                    key=origin or "",
                )
        return None

    @rule(
        "event.removed",
        call("NotifyEvent"),
        title="An alert is called cleared because its monitor was removed",
        severity=Severity.WARNING,
        spec="OCPP 2.x N07.FR.12",
        remedy="Send no event with cleared true for a threshold that ClearVariableMonitoring has removed.",
        bad=script(monitored(), notified(), _CLEARED, notified(actualValue="900", cleared=True)),
        good=script(monitored(), notified(), notified(actualValue="900", cleared=True), _CLEARED),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._removed,
    )
    def removed(self, frame: Frame) -> Faults:
        for index, entry in enumerate(elements(frame.payload, "eventData")):
            own = integer(entry, "variableMonitoringId")
            if own is None or own not in self._removed or entry.get("cleared") is not True:
                continue
            if item_of(entry) == self._removed[own]:
                return Fault(f"cleared is true, but monitor {own} was removed", f"/3/eventData/{index}", key=str(own))
        return None

    @rule(
        "event.write-only",
        call("NotifyEvent"),
        title="An event shows the value of a variable that cannot be read",
        severity=Severity.ERROR,
        spec="OCPP 2.x N07.FR.10",
        remedy="Leave actualValue empty for a variable that is write-only.",
        bad=script(_written("WriteOnly"), notified()),
        good=script(_written("WriteOnly"), notified(actualValue="")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._installed.limits,
    )
    def write_only(self, frame: Frame) -> Faults:
        for index, entry in enumerate(elements(frame.payload, "eventData")):
            item = item_of(entry)
            known = self._installed.limits.get(item) if item is not None else None
            if known is not None and known.write_only and entry.get("actualValue") not in ("", None):
                return Fault(f"{item} is write-only", f"/3/eventData/{index}/actualValue", key=str(item))
        return None

    @track(result("ClearVariableMonitoring"))
    def cleared(self, frame: Frame) -> None:
        if not self._evidence.has_sent_all(self.session):
            return  # the end of the alert may be on its way
        for entry in elements(frame.payload, "clearMonitoringResult"):
            own = integer(entry, "id")
            one = self._installed.monitors.get(own) if own is not None else None
            if own is not None and one is not None and one.kind in THRESHOLDS and entry.get("status") == "Accepted":
                self._removed.note(own, one.item)
                self.station.refresh_listeners()

    @track(result("SetVariableMonitoring"), call("BootNotification"))
    def renumbered(self, frame: Frame) -> None:
        self._removed.clear()
