"""Judge whether each item of GetVariables and SetVariables is answered."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule
from inspector.rules.state.configuration import ConfigurationState

_DATA = {"GetVariables": "getVariableData", "SetVariables": "setVariableData"}
_RESULT = {"GetVariables": "getVariableResult", "SetVariables": "setVariableResult"}
_ITEMS = {
    "GetVariables": ("DeviceDataCtrlr", "getVariableData"),
    "SetVariables": ("DeviceDataCtrlr", "setVariableData"),
    "GetReport": ("DeviceDataCtrlr", "componentVariable"),
    "GetMonitoringReport": ("DeviceDataCtrlr", "componentVariable"),
    "SetVariableMonitoring": ("MonitoringCtrlr", "setMonitoringData"),
    "ClearVariableMonitoring": ("MonitoringCtrlr", "id"),
}
"""For each action, the component whose variable ItemsPerMessage limits it, and the list that is limited."""
_NO_VALUE = frozenset({"UnknownComponent", "UnknownVariable", "NotSupportedAttributeType"})

_HEARTBEAT = '"component":{"name":"OCPPCommCtrlr"},"variable":{"name":"HeartbeatInterval"}'
_OFFLINE = '"component":{"name":"OCPPCommCtrlr"},"variable":{"name":"OfflineThreshold"}'
_TOLD = f'{{"attributeStatus":"Accepted","attributeType":"Actual","attributeValue":"300",{_HEARTBEAT}}}'
_TOLD_OTHER = f'{{"attributeStatus":"Accepted","attributeType":"Actual","attributeValue":"300",{_OFFLINE}}}'
_LIMIT = (
    '< [2,"l","GetVariables",{"getVariableData":[{"component":{"name":"DeviceDataCtrlr"},'
    '"variable":{"name":"ItemsPerMessage","instance":"GetVariables"}}]}]\n'
    '> [3,"l",{"getVariableResult":[{"attributeStatus":"Accepted","attributeType":"Actual","attributeValue":"1",'
    '"component":{"name":"DeviceDataCtrlr"},"variable":{"name":"ItemsPerMessage","instance":"GetVariables"}}]}]\n'
)


def _get(*items: str) -> str:
    asked = ",".join(f"{{{item}}}" for item in items)
    return f'< [2,"g","GetVariables",{{"getVariableData":[{asked}]}}]\n'


def _told(*results: str) -> str:
    return f'> [3,"g",{{"getVariableResult":[{",".join(results)}]}}]'


class Item(NamedTuple):
    """An attribute of a variable. Names are in lower case, because they are case-insensitive."""

    component: str
    component_instance: str
    evse: int | None
    connector: int | None
    variable: str
    variable_instance: str
    attribute: str

    def __str__(self) -> str:
        instance = f"[{self.variable_instance[:50]}]" if self.variable_instance else ""
        return f"{self.component[:50]}.{self.variable[:50]}{instance} ({self.attribute[:20]})"


class Variables2x(Topic):
    """The rules about GetVariables and SetVariables."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._known = self.station.topic(ConfigurationState)

    @rule(
        "variables.count",
        result("GetVariables", "SetVariables"),
        title="The answer does not have one result for each requested variable",
        severity=Severity.ERROR,
        spec="OCPP 2.x B05.FR.01, B06.FR.01",
        remedy="Answer with one result for each element of the request; use UnknownComponent or UnknownVariable "
        "where you have none.",
        bad=_get(_HEARTBEAT, _OFFLINE) + _told(_TOLD),
        good=_get(_HEARTBEAT, _OFFLINE) + _told(_TOLD, _TOLD_OTHER),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def count(self, frame: Frame) -> Faults:
        asked, told = len(_asked(frame)), len(_results(frame))
        if asked == told:
            return None
        return Fault(f"results: {told}, requested variables: {asked}", f"/2/{_RESULT[frame.action or '']}")

    @rule(
        "variables.not-asked",
        result("GetVariables", "SetVariables"),
        title="A result is for a variable that was not requested",
        severity=Severity.ERROR,
        spec="OCPP 2.x B05.FR.02, .03, .12; B06.FR.02, .03, .11, .14",
        remedy="Repeat component, variable and attributeType of the request in each result (Actual where left out).",
        bad=_get(_HEARTBEAT) + _told(_TOLD_OTHER),
        good=_get(_HEARTBEAT) + _told(_TOLD),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_asked(self, frame: Frame) -> Faults:
        left = Counter(_items(_asked(frame)))
        faults = []
        for index, entry in enumerate(_results(frame)):
            item = item_of(entry)
            if item is None:
                continue
            if left[item] > 0:
                left[item] -= 1
                continue
            text = f"a result for {item}, which was not requested"
            faults.append(Fault(text, f"/2/{_RESULT[frame.action or '']}/{index}", key=str(item)))
        return faults or None

    @rule(
        "variables.value-of-unknown",
        result("GetVariables"),
        title="A result has a value although its status says that there is none",
        severity=Severity.ERROR,
        spec="OCPP 2.x B06.FR.06, B06.FR.07, B06.FR.08",
        remedy="Leave attributeValue out for UnknownComponent, UnknownVariable and NotSupportedAttributeType.",
        bad=_get(_HEARTBEAT) + _told(_TOLD.replace("Accepted", "UnknownVariable")),
        good=_get(_HEARTBEAT) + _told(_TOLD.replace('Accepted"', 'Rejected"')),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def value_of_unknown(self, frame: Frame) -> Faults:
        faults = []
        for index, entry in enumerate(_results(frame)):
            status = string(entry, "attributeStatus")
            if status in _NO_VALUE and "attributeValue" in entry:
                text = f"attributeValue is sent, but the status is {status}"
                faults.append(Fault(text, f"/2/getVariableResult/{index}/attributeValue", key=str(item_of(entry))))
        return faults or None

    @rule(
        "variables.value-missing",
        result("GetVariables"),
        title="A variable that could be read has no value",
        severity=Severity.WARNING,
        spec="OCPP 2.x B06.FR.04, B06.FR.10, B06.FR.13",
        remedy="Give attributeValue with the status Accepted, or another status.",
        bad=_get(_HEARTBEAT) + _told(_TOLD.replace('"attributeValue":"300",', "")),
        good=_get(_HEARTBEAT) + _told(_TOLD),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def value_missing(self, frame: Frame) -> Faults:
        faults = []
        for index, entry in enumerate(_results(frame)):
            if entry.get("attributeStatus") == "Accepted" and "attributeValue" not in entry:
                text = f"{item_of(entry)} is Accepted, but attributeValue is missing"
                faults.append(Fault(text, f"/2/getVariableResult/{index}", key=str(item_of(entry))))
        return faults or None

    @rule(
        "variables.too-many",
        call(*_ITEMS),
        title="A message has more variables or monitors than the station accepts",
        severity=Severity.ERROR,
        spec="OCPP 2.x B05.FR.11, B06.FR.05, B08.FR.06, N02.FR.07, N04.FR.09, N06.FR.04",
        remedy="Send at most as many as the station's variable ItemsPerMessage says.",
        bad=_LIMIT + _get(_HEARTBEAT, _OFFLINE),
        good=_LIMIT + _get(_HEARTBEAT),
        versions=V2X,
        side=Side.CSMS,
    )
    def too_many(self, frame: Frame) -> Faults:
        component, name = _ITEMS[frame.action or ""]
        limited = "GetReport" if frame.action == "GetMonitoringReport" else frame.action
        most = self._known.variable_number(component, "ItemsPerMessage", limited)
        items = frame.payload.get(name)
        if not most or type(items) is not list or len(items) <= most:
            return None
        return Fault(f"{name} has {len(items)} elements; the station accepts {most} (ItemsPerMessage)", f"/3/{name}")

    @rule(
        "variables.twice",
        call("SetVariables"),
        title="One message sets the same attribute twice",
        severity=Severity.ERROR,
        spec="OCPP 2.x B05.FR.13",
        remedy="Name each component, variable and attributeType once in a message.",
        bad=f'< [2,"s","SetVariables",{{"setVariableData":[{{"attributeValue":"1",{_HEARTBEAT}}},'
        f'{{"attributeValue":"2","attributeType":"Actual",{_HEARTBEAT}}}]}}]',
        good=f'< [2,"s","SetVariables",{{"setVariableData":[{{"attributeValue":"1",{_HEARTBEAT}}},'
        f'{{"attributeValue":"2","attributeType":"Target",{_HEARTBEAT}}}]}}]',
        versions=V2X,
        side=Side.CSMS,
    )
    def twice(self, frame: Frame) -> Faults:
        seen: set[Item] = set()
        for index, entry in enumerate(elements(frame.payload, "setVariableData")):
            item = item_of(entry)
            if item in seen:
                return Fault(f"{item} is set twice in one message", f"/3/setVariableData/{index}", key=str(item))
            if item is not None:
                seen.add(item)
        return None


def _asked(frame: Frame) -> list[dict[str, Any]]:
    return elements(frame.request, _DATA[frame.action or ""])


def _results(frame: Frame) -> list[dict[str, Any]]:
    return elements(frame.payload, _RESULT[frame.action or ""])


def _items(entries: list[dict[str, Any]]) -> list[Item]:
    return [item for item in map(item_of, entries) if item is not None]


def item_of(entry: dict[str, Any]) -> Item | None:
    """Return the attribute that an entry of a request, an answer or a report names; None if it names none."""
    component, variable = member(entry, "component"), member(entry, "variable")
    name, its_variable = string(component, "name"), string(variable, "name")
    if name is None or its_variable is None:
        return None
    evse = member(component, "evse")
    return Item(
        name.lower(),
        (string(component, "instance") or "").lower(),
        integer(evse, "id"),
        integer(evse, "connectorId"),
        its_variable.lower(),
        (string(variable, "instance") or "").lower(),
        string(entry, "attributeType") or "Actual",
    )
