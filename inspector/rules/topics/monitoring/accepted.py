"""Whether a station accepts monitors that it must reject."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V2X, Faults, Topic, result, rule
from inspector.rules.state.device_model import NO_SUCH, VARIABLES_LIMIT, DeviceModel, name_of
from inspector.rules.topics.example_frames import Payload, csms, script
from inspector.rules.topics.monitoring.installed import (
    HARD_WIRED,
    POWER,
    PRECONFIGURED,
    THRESHOLDS,
    InstalledMonitors,
    characteristics,
    notified,
    number,
)
from inspector.rules.topics.monitoring.monitors import monitored

LEVELS = range(10)
"""The severity numbers."""
_VOLTAGE: Payload = {**POWER, "variable": {"name": "Voltage"}}


def _limited(**limits: Any) -> str:
    attributes = {"variableAttribute": [{"value": "1"}]}
    characters = {"dataType": "decimal", "supportsMonitoring": True, **limits}
    return characteristics({**POWER, **attributes, "variableCharacteristics": characters})


_INVENTORY = csms("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})


class MonitorAnswers(Topic):
    """Rules about answers to SetVariableMonitoring and SetMonitoringLevel."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._installed = self.station.topic(InstalledMonitors)
        self._model = self.station.topic(DeviceModel)

    @rule(
        "monitor.duplicate",
        result("SetVariableMonitoring"),
        title="A monitor is accepted although one of the same type and severity exists for the variable",
        severity=Severity.WARNING,
        spec="OCPP 2.x N04.FR.10",
        remedy="Answer Duplicate; a variable has one monitor of a type and severity.",
        bad=script(monitored(), monitored(told={"id": 2})),
        good=script(monitored(), monitored(told={"id": 2, "severity": 4}, severity=4)),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._installed.monitors,
    )
    def duplicate(self, frame: Frame) -> Faults:
        for index, _, told, item in self._installed.accepted(frame):
            own, kind, severity = integer(told, "id"), told.get("type"), integer(told, "severity")
            for other, one in self._installed.monitors.items():
                if own is None or other == own or (one.item, one.kind, one.severity) != (item, kind, severity):
                    continue
                text = f"monitor {own} is Accepted; monitor {other} has the same variable, type and severity"
                return Fault(text, f"/2/setMonitoringResult/{index}/status", key=f"{own} {other}")
        return None

    @rule(
        "monitor.replaced",
        result("SetVariableMonitoring"),
        title="A monitor is replaced under another id, or for another variable",
        severity=Severity.WARNING,
        spec="OCPP 2.x N04.FR.12, N04.FR.16",
        remedy="Keep the id of a monitor that is replaced, and answer Rejected where the variable is another one.",
        bad=script(monitored(), monitored(id=1, told=_VOLTAGE, **_VOLTAGE)),
        good=script(monitored(), monitored(id=1, told={"status": "Rejected", **_VOLTAGE}, **_VOLTAGE)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def replaced(self, frame: Frame) -> Faults:
        for index, asked, told, item in self._installed.accepted(frame):
            wanted, given = integer(asked, "id"), integer(told, "id")
            at = f"/2/setMonitoringResult/{index}"
            if wanted is None:
                continue
            if given is not None and given != wanted:
                return Fault(f"the id is {given}; monitor {wanted} was to be replaced", f"{at}/id", key="id")
            known = self._installed.monitors.get(wanted)
            if known is not None and known.item != item:
                text = f"monitor {wanted} of {known.item} is replaced by one of {item}"
                return Fault(text, f"{at}/status", key="variable")
        return None

    @rule(
        "monitor.hard-wired",
        result("SetVariableMonitoring", "ClearVariableMonitoring"),
        title="A hard-wired monitor is replaced or cleared",
        severity=Severity.WARNING,
        spec="OCPP 2.x N04.FR.18, N06.FR.03",
        remedy="Answer Rejected for a monitor that is hard-wired.",
        bad=script(notified(HARD_WIRED), monitored(id=1)),
        good=script(notified(PRECONFIGURED), monitored(id=1)),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._installed.origins,
    )
    def hard_wired(self, frame: Frame) -> Faults:
        if frame.action == "SetVariableMonitoring":
            changed = [integer(asked, "id") for _, asked, _, _ in self._installed.accepted(frame)]
        else:
            told = elements(frame.payload, "clearMonitoringResult")
            changed = [integer(entry, "id") for entry in told if entry.get("status") == "Accepted"]
        for one in changed:
            if one is not None and self._installed.origins.get(one, (None, ""))[1] == HARD_WIRED:
                return Fault(f"monitor {one} is hard-wired, but the status is Accepted", "/2", key=str(one))
        return None

    @rule(
        "monitor.limits",
        result("SetVariableMonitoring"),
        title="A monitor that its variable does not allow is accepted",
        severity=Severity.WARNING,
        spec="OCPP 2.x N04.FR.05, N04.FR.06",
        remedy="Answer Rejected for a threshold beyond minLimit or maxLimit, UnsupportedMonitorType where the "
        "variable cannot be monitored.",
        bad=script(_limited(maxLimit=900), monitored()),
        good=script(_limited(maxLimit=1000), monitored()),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._installed.limits,
    )
    def beyond_limits(self, frame: Frame) -> Faults:
        for index, asked, _, item in self._installed.accepted(frame):
            known, value = self._installed.limits.get(item), number(asked, "value")
            at = f"/2/setMonitoringResult/{index}/status"
            if known is None:
                continue
            if not known.monitored:
                return Fault(f"{item} is reported with supportsMonitoring false", at, key=f"{item}")
            if value is None or string(asked, "type") not in THRESHOLDS:
                continue
            if (known.least is not None and value < known.least) or (known.most is not None and value > known.most):
                text = f"the threshold is {value:g}; {item} is reported with {known.least} to {known.most}"
                return Fault(text, at, key=f"{item}")
        return None

    @rule(
        "monitor.unknown-variable",
        result("SetVariableMonitoring"),
        title="The answer to SetVariableMonitoring contradicts which variables there are",
        severity=Severity.WARNING,
        spec="OCPP 2.x N04.FR.03, N04.FR.04",
        remedy="Answer UnknownComponent or UnknownVariable for what the full inventory does not list, and only then.",
        bad=script(_INVENTORY, _limited(), monitored(told=_VOLTAGE, **_VOLTAGE)),
        good=script(_INVENTORY, _limited(), monitored()),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unknown_variable(self, frame: Frame) -> Faults:
        for index, told in enumerate(elements(frame.payload, "setMonitoringResult")):
            name, status = name_of(told), string(told, "status")
            known = self._model.variables.get(name) if name is not None else None
            at = f"/2/setMonitoringResult/{index}/status"
            if known is not None and known.unknown is not None and status in ("Accepted", *NO_SUCH):
                if status != known.unknown:
                    return Fault(f"the status is {status}, but {name} was {known.unknown}", at, key=str(name))
                continue
            if not self._model.whole:
                continue
            if name is None or len(self._model.variables) >= VARIABLES_LIMIT:
                continue
            if status in NO_SUCH and known is not None and known.listed:
                return Fault(f"{name} is in the full inventory, but the status is {status}", at, key=str(name))
            if status == "Accepted" and (known is None or not (known.listed or known.kinds)):
                return Fault(f"{name} is Accepted, but the full inventory does not list it", at, key=str(name))
        return None

    @rule(
        "monitor.level-range",
        result("SetMonitoringLevel"),
        title="A monitoring level that does not exist is accepted",
        severity=Severity.WARNING,
        spec="OCPP 2.x N05.FR.02",
        remedy="Answer Rejected for a severity outside of 0 to 9.",
        bad=script(csms("SetMonitoringLevel", {"severity": 12})),
        good=script(csms("SetMonitoringLevel", {"severity": 9})),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def level_range(self, frame: Frame) -> Faults:
        level = integer(frame.request, "severity")
        if level is None or level in LEVELS or frame.payload.get("status") != "Accepted":
            return None
        return Fault(f"severity {level} is Accepted; the levels are 0 to 9", "/2/status")
