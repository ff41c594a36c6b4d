"""Track the configuration of a charge point, as far as its frames show it.

In 1.6 it comes from answers to GetConfiguration and from accepted ChangeConfigurations. In 2.x it comes from answers to
GetVariables, accepted SetVariables and NotifyReports; only the Actual value of a variable counts. At most KEYS_LIMIT
keys are remembered; the longest list of standard keys has about 250.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.rule import V2X, V16, Topic, call, result, track

KEYS_LIMIT = 5000


@dataclass(slots=True)
class Setting:
    """The value of a key, and whether it is read-only; None if that is not known."""

    value: str | None
    read_only: bool | None = None


class ConfigurationState(Topic):
    """The current configuration of a charge point.

    Attributes:
        settings_1x: by configuration key, in lower case (1.6 section 7.17: keys are case-insensitive).
        settings_2x: by (component, variable, evse id or None, instance of the variable or None), names in lower case.
    """

    scope = "station"

    def setup(self) -> None:
        self.settings_1x: dict[str, Setting] = {}
        self.settings_2x: dict[tuple[str, str, int | None, str | None], Setting] = {}

    def value(self, key: str) -> str | None:
        """Return the value of a 1.6 configuration key; None if it is not known."""
        known = self.settings_1x.get(key.lower())
        return known.value if known else None

    def number(self, key: str) -> int | None:
        """Return the value of a 1.6 configuration key as an integer; None if it is unknown or not a number."""
        return _whole(self.value(key))

    def flag(self, key: str) -> bool | None:
        """Return the value of a 1.6 configuration key as a boolean; None if it is unknown or not a boolean."""
        return _FLAGS.get((self.value(key) or "").lower())

    def variable(
        self, component: str, variable: str, evse: int | None = None, instance: str | None = None
    ) -> str | None:
        """Return the actual value of a 2.x variable; None if it is not known."""
        known = self.settings_2x.get((component.lower(), variable.lower(), evse, instance))
        return known.value if known else None

    def anywhere(self, component: str, variable: str, instance: str | None = None) -> str | None:
        """Return the value of a 2.x variable of the whole station, or else the one that all its EVSEs have.

        None if it is not known, or differs between EVSEs.
        """
        told = self.variable(component, variable, None, instance)
        if told is not None:
            return told
        wanted = (component.lower(), variable.lower())
        found = {one.value for name, one in self.settings_2x.items() if name[:2] == wanted and name[3] == instance}
        return found.pop() if len(found) == 1 else None

    def variable_number(self, component: str, variable: str, instance: str | None = None) -> int | None:
        """Return the actual value of a 2.x variable as an integer; None if it is unknown or not a number."""
        return _whole(self.variable(component, variable, None, instance))

    @track(result("GetConfiguration"), versions=V16)
    def configuration_reported(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "configurationKey"):
            key = string(entry, "key")
            read_only = entry.get("readonly")
            if key is not None:
                said = Setting(_written(entry.get("value")), read_only if type(read_only) is bool else None)
                _learn(self.settings_1x, key.lower(), said)

    @track(result("ChangeConfiguration"), versions=V16)
    def configuration_changed(self, frame: Frame) -> None:
        key = string(frame.request, "key")
        if key is None or frame.payload.get("status") != "Accepted":
            return
        known = self.settings_1x.get(key.lower())
        value = _written(frame.request.get("value"))
        _learn(self.settings_1x, key.lower(), Setting(value, known.read_only if known else None))

    @track(result("GetVariables"), versions=V2X)
    def variables_reported(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "getVariableResult"):
            if entry.get("attributeStatus") == "Accepted":
                self._learn_variable(entry, entry.get("attributeType"), entry.get("attributeValue"))

    @track(result("SetVariables"), versions=V2X)
    def variables_changed(self, frame: Frame) -> None:
        asked = {_name(entry): entry for entry in elements(frame.request, "setVariableData") if _actual(entry)}
        for entry in elements(frame.payload, "setVariableResult"):
            request = asked.get(_name(entry))
            if request is not None and entry.get("attributeStatus") == "Accepted" and _actual(entry):
                self._learn_variable(entry, None, request.get("attributeValue"))

    @track(call("NotifyReport"), versions=V2X)
    def reported(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "reportData"):
            for attribute in elements(entry, "variableAttribute"):
                self._learn_variable(entry, attribute.get("type"), attribute.get("value"), attribute.get("mutability"))

    def _learn_variable(self, entry: dict[str, Any], kind: Any, value: Any, mutability: Any = None) -> None:
        name = _name(entry)
        if name is None or kind not in (None, "Actual"):
            return
        known = self.settings_2x.get(name)
        read_only = mutability == "ReadOnly" if mutability is not None else known.read_only if known else None
        _learn(self.settings_2x, name, Setting(_written(value), read_only))

    @property
    def connectors(self) -> int | None:
        """Return how many connectors a 1.6 charge point has, from its configuration; None if that is not known."""
        if not self.settings_1x:
            return None
        count = self.number("NumberOfConnectors")
        return count if count and count > 0 else None


_LONGER = {
    "allowenergytransferresumption": "txallowenergytransferresumption",
    "resumptiontimeout": "txresumptiontimeout",
}
"""Variables that the specification names with and without Tx."""


def one_name(variable: str) -> str:
    """Return the name of a variable in lower case, and the longer name where the specification gives it two."""
    name = variable.lower()
    return _LONGER.get(name, name)


_FLAGS = {"true": True, "false": False}


def _learn[K](known: dict[K, Setting], key: K, setting: Setting) -> None:
    if key in known or len(known) < KEYS_LIMIT:
        known[key] = setting


def _actual(entry: dict[str, Any]) -> bool:
    return entry.get("attributeType") in (None, "Actual")


def _name(entry: dict[str, Any]) -> tuple[str, str, int | None, str | None] | None:
    component, variable = member(entry, "component"), member(entry, "variable")
    names = string(component, "name"), string(variable, "name")
    if names[0] is None or names[1] is None:
        return None
    evse = integer(member(component, "evse"), "id")
    return names[0].lower(), one_name(names[1]), evse, string(variable, "instance")


def _written(value: Any) -> str | None:
    # Some charge points send numbers and booleans instead of strings. Accept them, because their meaning is clear.
    if type(value) is bool:
        return "true" if value else "false"
    return value if type(value) is str else str(value) if type(value) in (int, float) else None


def _whole(value: str | None) -> int | None:
    try:
        return int(value) if value is not None and len(value) < 20 else None
    except ValueError:
        return None
