"""Track which variables a 2.x station has and which values they accept, as far as its frames show.

`configuration` remembers the values of variables that other rules ask for by name. This topic remembers more about each
variable: instances, connector, types of attributes and characteristics, and whether a full inventory has listed it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.rule import V2X, Topic, call, result, track
from inspector.rules.state.configuration import one_name

VARIABLES_LIMIT = 3000
REQUESTS_LIMIT = 50
NO_SUCH = frozenset({"UnknownComponent", "UnknownVariable"})


class Name(NamedTuple):
    """The full name of a variable. Names and instances are in lower case, because they are case-insensitive."""

    component: str
    component_instance: str
    evse: int | None
    connector: int | None
    variable: str
    variable_instance: str

    def __str__(self) -> str:
        place = f"[{self.component_instance[:50]}]" if self.component_instance else ""
        place += "".join(f" {number}" for number in (self.evse, self.connector) if number is not None)
        instance = f"[{self.variable_instance[:50]}]" if self.variable_instance else ""
        return f"{self.component[:50]}{place}.{self.variable[:50]}{instance}"


@dataclass(slots=True, eq=False)
class Variable:
    """What is known about a variable."""

    value: str | None = None  # the value of its attribute Actual
    seen_ns: int = 0  # the monotonic time when this value was reported
    kinds: set[str] = field(default_factory=set)  # types of attribute that it was seen to have since the boot
    unsupported: set[str] = field(default_factory=set)  # types of attribute that it was said not to have since the boot
    mutability: dict[str, str] = field(default_factory=dict)  # by type of attribute
    characteristics: dict[str, Any] | None = None
    listed: bool = False  # whether the latest full inventory has it
    unknown: str | None = None  # the status with which the station called it unknown
    accepted: str | None = None  # the value that was set, until the station tells one


def name_of(entry: dict[str, Any]) -> Name | None:
    """Return the name of the variable in an entry of a request, answer, report or event; None if it names none."""
    component, variable = entry.get("component"), entry.get("variable")
    if type(component) is not dict or type(variable) is not dict:
        return None
    name, its_variable = component.get("name"), variable.get("name")
    if type(name) is not str or type(its_variable) is not str:
        return None
    evse = member(component, "evse")
    return Name(
        name.lower(),
        (string(component, "instance") or "").lower(),
        integer(evse, "id"),
        integer(evse, "connectorId"),
        one_name(its_variable),
        (string(variable, "instance") or "").lower(),
    )


class DeviceModel(Topic):
    """The variables of one station.

    Attributes:
        variables: at most VARIABLES_LIMIT variables by name, oldest first.
        whole: whether a complete full inventory has come since the latest boot, so that every variable is listed.
        components: the names of all components in that inventory.
    """

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self.variables: dict[Name, Variable] = {}
        self.whole = False
        self.components: set[str] = set()
        self._inventories: dict[int, set[Name]] = {}  # the variables in each inventory so far, by requestId

    def get(self, component: str, variable: str, instance: str = "") -> Variable | None:
        """Return a variable that belongs to no EVSE; `instance` is that of its component. None if it is not known."""
        return self.variables.get(Name(component.lower(), instance.lower(), None, None, variable.lower(), ""))

    def value(self, component: str, variable: str, instance: str = "") -> str | None:
        """Return the last known value of a variable that belongs to no EVSE; None if it is not known."""
        known = self.get(component, variable, instance)
        return known.value if known is not None else None

    def lacks(self, component: str, variable: str) -> bool:
        """Return whether the station has shown that it has no such variable: in an inventory, or in an answer."""
        known = self.get(component, variable)
        return self.whole if known is None else known.unknown is not None or (self.whole and not known.listed)

    def instances(self, component: str) -> Iterator[tuple[Name, Variable]]:
        """Return the known variables of all instances of a component."""
        wanted = component.lower()
        return ((name, known) for name, known in self.variables.items() if name.component == wanted)

    def _of(self, name: Name) -> Variable | None:
        known = self.variables.get(name)
        if known is None and len(self.variables) < VARIABLES_LIMIT:
            known = self.variables[name] = Variable()
        return known

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        # New firmware may have other variables.
        self.whole = False
        self._inventories.clear()
        for known in self.variables.values():
            known.listed, known.unknown = False, None
            known.kinds.clear()
            known.unsupported.clear()
            known.accepted = None

    @track(call("GetBaseReport"))
    def inventory_asked(self, frame: Frame) -> None:
        request = integer(frame.payload, "requestId")
        if request is None or frame.payload.get("reportBase") != "FullInventory":
            return
        self._inventories.pop(request, None)
        self._inventories[request] = set()
        if len(self._inventories) > REQUESTS_LIMIT:
            del self._inventories[next(iter(self._inventories))]

    @track(call("NotifyReport"))
    def reported(self, frame: Frame) -> None:
        listed = self._inventories.get(integer(frame.payload, "requestId") or 0)
        for entry in elements(frame.payload, "reportData"):
            name = name_of(entry)
            known = self._of(name) if name is not None else None
            if name is None or known is None:
                continue
            known.unknown = None
            characteristics = entry.get("variableCharacteristics")
            if type(characteristics) is dict:
                known.characteristics = characteristics
            for attribute in elements(entry, "variableAttribute"):
                kind = string(attribute, "type") or "Actual"
                known.kinds.add(kind)
                mutability = string(attribute, "mutability")
                if mutability is not None:
                    known.mutability[kind] = mutability
                if kind == "Actual" and "value" in attribute:
                    known.value, known.seen_ns, known.accepted = string(attribute, "value"), frame.mono_ns, None
            if listed is not None and len(listed) < VARIABLES_LIMIT:
                listed.add(name)
        if listed is not None and frame.payload.get("tbc") is not True:
            del self._inventories[integer(frame.payload, "requestId") or 0]
            self.whole = bool(listed) and len(self.variables) < VARIABLES_LIMIT
            self.components = {name.component for name in listed}
            for name, known in self.variables.items():
                known.listed = name in listed

    @track(result("GetVariables"))
    def read(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "getVariableResult"):
            self._answered(entry, string(entry, "attributeValue"), None, frame)

    @track(result("SetVariables"))
    def written(self, frame: Frame) -> None:
        asked = {
            (name_of(entry), string(entry, "attributeType") or "Actual"): string(entry, "attributeValue")
            for entry in elements(frame.request, "setVariableData")
        }
        for entry in elements(frame.payload, "setVariableResult"):
            given = asked.get((name_of(entry), string(entry, "attributeType") or "Actual"))
            self._answered(entry, given, given, frame)

    def _answered(self, entry: dict[str, Any], value: str | None, accepted: str | None, frame: Frame) -> None:
        name, status = name_of(entry), string(entry, "attributeStatus")
        known = self._of(name) if name is not None and status in _TELLING else None
        if known is None:
            return
        if status in NO_SUCH:
            known.unknown, known.listed = status, False
            known.kinds.clear()
        elif status == "NotSupportedAttributeType":
            known.unsupported.add(string(entry, "attributeType") or "Actual")
        elif status == "Accepted":
            kind = string(entry, "attributeType") or "Actual"
            known.unknown = None
            known.kinds.add(kind)
            if kind == "Actual":
                known.value, known.seen_ns, known.accepted = value, frame.mono_ns, accepted

    @track(call("NotifyEvent"), dormant=lambda topic: not topic.variables)
    def changed(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "eventData"):
            name = name_of(entry)
            known = self.variables.get(name) if name is not None else None
            if known is not None:
                known.value, known.seen_ns, known.accepted = string(entry, "actualValue"), frame.mono_ns, None


_TELLING = NO_SUCH | {"Accepted", "NotSupportedAttributeType"}
