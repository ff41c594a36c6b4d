"""Judge whether the answers of a 2.x station about its variables agree with its reports."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule
from inspector.rules.state.device_model import NO_SUCH, DeviceModel, Name, Variable, name_of
from inspector.rules.topics.example_frames import csms, entry_2x, inventory_2x, script, set_2x, variable_2x

_INTEGER = re.compile(r"[+-]?\d{1,18}")
_DECIMAL = re.compile(r"[+-]?(\d{1,18}(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
COMMON = frozenset(
    "aligneddatactrlr authcachectrlr authctrlr chademoctrlr clockctrlr customizationctrlr devicedatactrlr "
    "displaymessagectrlr iso15118ctrlr localauthlistctrlr monitoringctrlr ocppcommctrlr reservationctrlr "
    "sampleddatactrlr securityctrlr smartchargingctrlr tariffcostctrlr txctrlr chargingstation evse connector "
    "connectedev networkconfiguration paymentctrlr webpaymentsctrlr v2xchargingctrlr dcderctrlr acderctrlr "
    "batteryswapstation".split()
)
"""Components that a station may have although an excerpt of its inventory leaves them out."""
_INTEGERS = frozenset(
    "evconnectiontimeout heartbeatinterval lifetime maxenergyoninvalidid messageattempts messageattemptinterval "
    "messagetimeout networkprofileconnectionattempts offlinethreshold resetretries retrybackoffrandomrange "
    "retrybackoffrepeattimes retrybackoffwaitminimum txendedinterval txupdatedinterval websocketpinginterval".split()
)
"""Variables of common components that are integers in the specification."""
_HEARTBEAT = ("OCPPCommCtrlr", "HeartbeatInterval")
_INVENTORY = inventory_2x(
    entry_2x(*_HEARTBEAT, "300", mutability="ReadWrite", dataType="integer", minLimit=10, maxLimit=3600),
    entry_2x("SecurityCtrlr", "SecurityProfile", "1", mutability="ReadOnly", dataType="integer"),
)

_WRITE_ONLY = inventory_2x(entry_2x("PinCtrlr", "Code", mutability="WriteOnly"))


def _unknown(component: str, name: str, status: str = "UnknownVariable") -> str:
    one = {"component": {"name": component}, "variable": {"name": name}}
    return csms("GetVariables", {"getVariableData": [one]}, {"getVariableResult": [{"attributeStatus": status, **one}]})


def _misfit(value: str, characteristics: dict[str, Any]) -> str | None:
    """Return why a value does not have the format of its variable; None if it has it or that is not known."""
    kind = string(characteristics, "dataType")
    if kind == "integer" and not _INTEGER.fullmatch(value):
        return "is no integer"
    if kind == "decimal" and not _DECIMAL.fullmatch(value):
        return "is no decimal number"
    if kind == "boolean" and value.lower() not in ("true", "false"):
        return "is neither true nor false"
    if kind == "dateTime":
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return "is no date-time"
    listed = string(characteristics, "valuesList")
    if listed and kind in ("OptionList", "SequenceList", "MemberList"):
        allowed = {one.strip().lower() for one in listed.split(",")}
        parts = [value] if kind == "OptionList" else [part for part in value.split(",") if part.strip()]
        for part in parts:
            if part.strip().lower() not in allowed:
                return f"has {part.strip()[:30]!r}, which is not in {listed[:80]!r}"
    return None


def _usual(name: Name | None) -> str | None:
    """Return the data type that the specification gives a variable; None if it gives none or many."""
    if name is None or name.component not in COMMON:
        return None
    if name.variable in ("active", "available", "enabled", "problem"):
        return "boolean"
    return "integer" if name.variable in _INTEGERS else None


def _beyond(value: str, characteristics: dict[str, Any]) -> str | None:
    """Return which limit of its variable a value exceeds, for a sentence; None if it exceeds none."""
    kind, low, high = (characteristics.get(name) for name in ("dataType", "minLimit", "maxLimit"))
    if kind in ("integer", "decimal"):
        if not _DECIMAL.fullmatch(value):
            return None
        size: float = float(value)
    elif kind in ("string", "OptionList", "SequenceList", "MemberList"):
        size = len(value)
    else:
        return None
    if isinstance(low, int | float) and size < low:
        return f"below its minLimit {low:g}"
    if isinstance(high, int | float) and size > high:
        return f"above its maxLimit {high:g}"
    return None


class VariableValues2x(Topic):
    """The rules about the results of GetVariables and SetVariables. They run before DeviceModel is updated."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._model = self.station.topic(DeviceModel)

    def _known(self, entry: dict[str, Any]) -> tuple[Name | None, Variable | None]:
        name = name_of(entry)
        return name, self._model.variables.get(name) if name is not None else None

    @rule(
        "variables.bad-value-accepted",
        result("SetVariables"),
        title="A value that the variable cannot have is accepted",
        severity=Severity.WARNING,
        spec="OCPP 2.x B05.FR.07, B05.FR.08, B10.FR.02",
        remedy="Answer Rejected where the value does not have the variable's dataType, is not in its valuesList, or "
        "goes beyond its minLimit or maxLimit.",
        bad=script(_INVENTORY, set_2x(*_HEARTBEAT, "5")),
        good=script(_INVENTORY, set_2x(*_HEARTBEAT, "5", "Rejected")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def bad_value(self, frame: Frame) -> Faults:
        asked = {
            (name_of(entry), string(entry, "attributeType") or "Actual"): string(entry, "attributeValue")
            for entry in elements(frame.request, "setVariableData")
        }
        for index, entry in enumerate(elements(frame.payload, "setVariableResult")):
            name, known = self._known(entry)
            value = asked.get((name, string(entry, "attributeType") or "Actual"))
            if not value:
                continue
            if entry.get("attributeStatus") not in ("Accepted", "RebootRequired"):
                continue
            told = (known.characteristics if known is not None else None) or {"dataType": _usual(name)}
            why = _misfit(value, told) or _beyond(value, told)
            if why is not None:
                shown = "the value" if name is not None and "password" in name.variable else repr(value[:30])
                return Fault(
                    f"{shown} for {name} is accepted, but {why}", f"/2/setVariableResult/{index}", key=str(name)
                )
        return None

    @rule(
        "variables.read-only-accepted",
        result("SetVariables"),
        title="A change of a read-only variable is accepted",
        severity=Severity.WARNING,
        spec="OCPP 2.x B05.FR.09",
        remedy="Answer Rejected to SetVariables for a variable whose mutability is ReadOnly.",
        bad=script(_INVENTORY, set_2x("SecurityCtrlr", "SecurityProfile", "2")),
        good=script(_INVENTORY, set_2x("SecurityCtrlr", "SecurityProfile", "2", "Rejected")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def read_only(self, frame: Frame) -> Faults:
        for index, entry in enumerate(elements(frame.payload, "setVariableResult")):
            name, known = self._known(entry)
            kind = string(entry, "attributeType") or "Actual"
            if known is None or entry.get("attributeStatus") not in ("Accepted", "RebootRequired"):
                continue
            if known.mutability.get(kind) == "ReadOnly":
                text = f"{name} is set, but its mutability is ReadOnly"
                return Fault(text, f"/2/setVariableResult/{index}", key=str(name))
        return None

    @rule(
        "variables.unknown-accepted",
        result("GetVariables", "SetVariables"),
        title="A station accepts a variable that it has called unknown",
        severity=Severity.WARNING,
        spec="OCPP 2.x B05.FR.04, B05.FR.05, B05.FR.06, B06.FR.06, B06.FR.07, B06.FR.08, B06.FR.15",
        remedy="Answer UnknownComponent or UnknownVariable each time for a component or variable that the station "
        "does not have, and never for one that it has.",
        bad=script(_unknown(*_HEARTBEAT), set_2x(*_HEARTBEAT, "300")),
        good=script(_unknown(*_HEARTBEAT), set_2x(*_HEARTBEAT, "300", "UnknownVariable")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unknown_accepted(self, frame: Frame) -> Faults:
        setting = frame.action == "SetVariables"
        results = "setVariableResult" if setting else "getVariableResult"
        for index, entry in enumerate(elements(frame.payload, results)):
            name, known = self._known(entry)
            status = string(entry, "attributeStatus")
            if name is not None and status != "UnknownComponent" and self._no_component(name):
                text = f"{name} is answered with {status}; the full inventory has no such component"
                return Fault(text, f"/2/{results}/{index}", key=str(name))
            if name is None or status != "Accepted":
                continue
            if known is not None and known.unknown is not None:
                text = f"{name} is accepted; it was answered with {known.unknown} before"
                return Fault(text, f"/2/{results}/{index}", key=str(name))
            kind = string(entry, "attributeType") or "Actual"
            if known is not None and kind in known.unsupported:
                text = f"{name} is accepted; {kind[:9]} was answered with NotSupportedAttributeType before"
                return Fault(text, f"/2/{results}/{index}", key=str(name))
            if self._model.whole and known is not None and known.listed and kind not in known.kinds:
                text = f"{name} is accepted with attributeType {kind[:9]}; the full inventory lists it without that"
                return Fault(text, f"/2/{results}/{index}", key=str(name))
            if self._no_variable(name):
                text = f"{name} is accepted; the full inventory has this component without this variable"
                return Fault(text, f"/2/{results}/{index}", key=str(name))
            if not setting and self._only_instances(name):
                text = f"{name} is read without an instance; the full inventory has it with instances only"
                return Fault(text, f"/2/{results}/{index}", key=str(name))
        return None

    def _no_component(self, name: Name) -> bool:
        model = self._model
        return model.whole and name.component not in COMMON and name.component not in model.components

    def _no_variable(self, name: Name) -> bool:
        """Return whether the inventory lists other variables of this component, which is none of the common ones."""
        model = self._model
        if not model.whole or name.component in COMMON or name.component not in model.components:
            return False
        same = [one for one, known in model.variables.items() if known.listed and one.component == name.component]
        return bool(same) and all(one.variable != name.variable for one in same)

    def _only_instances(self, name: Name) -> bool:
        """Return whether the inventory lists this variable only with instances, but `name` has no instance."""
        if not self._model.whole or name.variable_instance:
            return False
        own = self._model.variables.get(name)
        if own is not None and own.listed:
            return False
        listed = [one for one, known in self._model.variables.items() if known.listed]
        if any(one[:5] == name[:5] and one.variable_instance for one in listed):
            return True
        same = [one for one in listed if (one.component, one.variable) == (name.component, name.variable)]
        return not name.component_instance and bool(same) and all(one.component_instance for one in same)

    @rule(
        "variables.known-refused",
        result("GetVariables", "SetVariables"),
        title="A variable that the station has reported is called unknown",
        severity=Severity.WARNING,
        spec="OCPP 2.x B05.FR.04, B05.FR.05, B05.FR.06, B06.FR.06, B06.FR.07, B06.FR.08",
        remedy="Answer UnknownComponent, UnknownVariable or NotSupportedAttributeType only for what the station does "
        "not have.",
        bad=script(_INVENTORY, _unknown(*_HEARTBEAT)),
        good=script(_INVENTORY, _unknown("OCPPCommCtrlr", "OfflineThreshold")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def known_refused(self, frame: Frame) -> Faults:
        results = "setVariableResult" if frame.action == "SetVariables" else "getVariableResult"
        for index, entry in enumerate(elements(frame.payload, results)):
            status = string(entry, "attributeStatus")
            name, known = self._known(entry)
            kind = string(entry, "attributeType") or "Actual"
            listed = self._model.whole and known is not None and known.listed
            if status == "Rejected" and listed and known is not None and kind not in known.kinds:
                text = f"Rejected for {name}; it has no {kind[:9]}, so NotSupportedAttributeType is expected"
                return Fault(text, f"/2/{results}/{index}", key=str(name))
            if status not in NO_SUCH and status != "NotSupportedAttributeType":
                continue
            if known is not None and kind in known.kinds:
                text = f"{status} for {name} ({kind[:9]}), which the station has reported"
                return Fault(text, f"/2/{results}/{index}", key=str(name))
            if known is not None and known.kinds and status in NO_SUCH:
                text = f"{status} for {name} ({kind[:9]}), whose {min(known.kinds)[:9]} the station has reported"
                return Fault(text + "; expected NotSupportedAttributeType", f"/2/{results}/{index}", key=str(name))
            model = self._model
            if name is not None and status == "UnknownComponent" and model.whole and name.component in model.components:
                text = f"UnknownComponent for {name}; the full inventory has this component"
                return Fault(text, f"/2/{results}/{index}", key=str(name))
        return None

    @rule(
        "variables.write-only-read",
        result("GetVariables"),
        title="A write-only variable can be read",
        severity=Severity.WARNING,
        spec="OCPP 2.x B06.FR.09",
        remedy="Answer Rejected to GetVariables for a variable whose mutability is WriteOnly.",
        bad=script(_WRITE_ONLY, variable_2x("PinCtrlr", "Code", "1234")),
        good=script(_WRITE_ONLY, _unknown("PinCtrlr", "Code", "Rejected")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def write_only(self, frame: Frame) -> Faults:
        for index, entry in enumerate(elements(frame.payload, "getVariableResult")):
            name, known = self._known(entry)
            if name is None or entry.get("attributeStatus") != "Accepted":
                continue
            password = name.variable == "basicauthpassword"
            if password and entry.get("attributeValue"):
                continue  # the rule security.key-readable reports it
            kind = string(entry, "attributeType") or "Actual"
            if password or (known is not None and known.mutability.get(kind) == "WriteOnly"):
                text = f"{name} is answered with Accepted; it is write-only, so Rejected is expected"
                return Fault(text, f"/2/getVariableResult/{index}", key=str(name))
        return None

    @rule(
        "variables.not-kept",
        result("GetVariables"),
        call("NotifyReport"),
        title="A variable does not have the value that was accepted",
        severity=Severity.WARNING,
        spec="OCPP 2.x B05.FR.10; OCPP 2.1 B09.FR.24",
        remedy="Answer Accepted only where the value was set, RebootRequired where it is set later.",
        bad=script(set_2x(*_HEARTBEAT, "300"), variable_2x(*_HEARTBEAT, "60")),
        good=script(set_2x(*_HEARTBEAT, "300", "RebootRequired"), variable_2x(*_HEARTBEAT, "60")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_kept(self, frame: Frame) -> Faults:
        read = frame.action == "GetVariables"
        part = "getVariableResult" if read else "reportData"
        for index, entry in enumerate(elements(frame.payload, part)):
            name, known = self._known(entry)
            wanted = known.accepted if known is not None else None
            if wanted is None or name is None or "password" in name.variable:
                continue
            told = [
                string(one, "attributeValue" if read else "value")
                for one in ([entry] if read else elements(entry, "variableAttribute"))
                if one.get("attributeType" if read else "type") in (None, "Actual")
            ]
            if told and told[0] is not None and _plain(told[0]) != _plain(wanted):
                text = f"{name} is {told[0][:50]!r}, but {wanted[:50]!r} was accepted"
                at = f"/2/{part}/{index}/attributeValue" if read else f"/3/{part}/{index}/variableAttribute"
                return Fault(text, at, key=str(name))
        return None


def _plain(value: str) -> str:
    """A value as it compares: without case, spaces in lists and needless digits."""
    if _DECIMAL.fullmatch(value):
        return f"{float(value):g}"
    return ",".join(part.strip() for part in value.lower().split(","))
