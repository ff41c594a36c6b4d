"""Judge whether a 2.x station supports the reports of its device model, and whether they have the required content."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.device_model import DeviceModel, name_of
from inspector.rules.topics.example_frames import csms, entry_2x, inventory_2x, report_2x, script

REQUIRED = ("ConfigurationInventory", "FullInventory")
EXCERPT = 20
"""A full inventory with fewer variables is not judged, because it is probably an excerpt for a test."""
_SUMMARY = {"reportBase": "SummaryInventory"}
_AVAILABLE = entry_2x("ChargingStation", "AvailabilityState", "Available")
_PROBLEM = entry_2x("ChargingStation", "Problem", "false")
_TARGET = {"component": {"name": "FanCtrlr"}, "variable": {"name": "Speed"}, "attributeType": "Target"}
_SPEED_READ = csms(
    "GetVariables",
    {"getVariableData": [_TARGET]},
    {"getVariableResult": [{"attributeStatus": "Accepted", "attributeValue": "5", **_TARGET}]},
)
_CODE = {"mutability": "WriteOnly"}
_SLOTS = {"dataType": "SequenceList", "valuesList": "1,2"}


def _base(base: str, status: str, request: int = 1) -> str:
    return csms("GetBaseReport", {"requestId": request, "reportBase": base}, {"status": status})


def _slot(number: int) -> dict[str, Any]:
    return entry_2x({"name": "NetworkConfiguration", "instance": str(number)}, "OcppCsmsUrl", "wss://csms.example")


def _networks(*numbers: int) -> str:
    priority = entry_2x("OCPPCommCtrlr", "NetworkConfigurationPriority", "1", mutability="ReadWrite", **_SLOTS)
    return inventory_2x(priority, *map(_slot, numbers))


def _criteria(payload: dict[str, Any]) -> list[str]:
    given = payload.get("componentCriteria")
    return [one for one in given if type(one) is str] if type(given) is list else []


class ReportContent2x(Topic):
    """The rules about GetBaseReport, GetReport and NotifyReport. They run before DeviceModel is updated."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._model = self.station.topic(DeviceModel)
        self._answers: Known[str, str] = Known()  # the last status of the answer, by the requested report
        self._asked: Known[int, dict[str, Any]] = Known()  # the request, by requestId
        self._told: Known[int, set[str]] = Known()  # the content so far of reports that are judged at their end

    @rule(
        "report.base-refused",
        result("GetBaseReport"),
        title="A report that every station must support is not supported",
        severity=Severity.WARNING,
        spec="OCPP 2.x B07.FR.01, B07.FR.12",
        remedy="Support ConfigurationInventory and FullInventory; answer Rejected where that is not possible just now.",
        bad=script(_base("FullInventory", "NotSupported")),
        good=script(_base("SummaryInventory", "NotSupported")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def base_refused(self, frame: Frame) -> Faults:
        base, status = string(frame.request, "reportBase"), string(frame.payload, "status")
        if base not in REQUIRED or status not in ("NotSupported", "EmptyResultSet"):
            return None
        return Fault(f"{base} is answered with {status}", "/2/status", key=base or "")

    @rule(
        "report.support-changes",
        result("GetBaseReport", "GetReport"),
        title="A kind of report is supported at one time and not at another",
        severity=Severity.WARNING,
        spec="OCPP 2.x B07.FR.02, B08.FR.01, B08.FR.02",
        remedy="Answer NotSupported to every request for a report that the station cannot make, and to no other.",
        bad=script(_base("SummaryInventory", "NotSupported"), _base("SummaryInventory", "Accepted", 2)),
        good=script(_base("SummaryInventory", "Rejected"), _base("SummaryInventory", "Accepted", 2)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def support_changes(self, frame: Frame) -> Faults:
        status = string(frame.payload, "status")
        if status not in ("Accepted", "NotSupported", "EmptyResultSet"):
            return None
        kind = string(frame.request, "reportBase")
        if kind is None:
            if frame.request.get("componentVariable"):
                return None
            kind = ", ".join(sorted(_criteria(frame.request)))
        before = self._answers.get(kind)
        self._answers.note(kind, status)
        if before is None or (before == "NotSupported") == (status == "NotSupported"):
            return None
        return Fault(f"{kind[:60]} is answered with {status}, before with {before}", "/2/status", key=kind[:60])

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._answers.clear()  # new firmware may support other reports

    @track(call("GetBaseReport"))
    def asked(self, frame: Frame) -> None:
        request, base = integer(frame.payload, "requestId"), frame.payload.get("reportBase")
        if request is None:
            return
        self._asked.note(request, frame.payload)
        self._told.pop(request, None)
        if base in ("SummaryInventory", "FullInventory"):
            self._told.note(request, set())

    @track(call("GetReport"))
    def others_asked(self, frame: Frame) -> None:
        request = integer(frame.payload, "requestId")
        if request is not None:
            self._asked.note(request, frame.payload)
            self._told.pop(request, None)

    @rule(
        "report.attribute-missing",
        call("NotifyReport"),
        title="A full inventory leaves out an attribute that the variable has",
        severity=Severity.WARNING,
        spec="OCPP 2.x B07.FR.11",
        remedy="Report every type of attribute that a variable has, even those without a value.",
        bad=script(_SPEED_READ, inventory_2x(entry_2x("FanCtrlr", "Speed", "4"))),
        good=script(_SPEED_READ, inventory_2x(entry_2x("FanCtrlr", "Speed", "4", type="Target"))),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def attribute_missing(self, frame: Frame) -> Faults:
        asked = self._asked.get(integer(frame.payload, "requestId") or 0)
        if asked is None or asked.get("reportBase") != "FullInventory":
            return None
        for index, entry in enumerate(elements(frame.payload, "reportData")):
            name = name_of(entry)
            known = self._model.variables.get(name) if name is not None else None
            if known is None:
                continue
            told = {string(one, "type") or "Actual" for one in elements(entry, "variableAttribute")}
            left = sorted(known.kinds - told)
            if left:
                text = f"{name} is reported without its attribute {left[0][:9]}"
                return Fault(text, f"/3/reportData/{index}/variableAttribute", key=str(name))
        return None

    @rule(
        "report.write-only-value",
        call("NotifyReport"),
        title="The value of a write-only variable is reported",
        severity=Severity.WARNING,
        spec="OCPP 2.1 B07.FR.15; OCPP 2.x B07.FR.03, B08.FR.03",
        remedy="Leave out the value of a variable whose mutability is WriteOnly.",
        bad=script(inventory_2x(entry_2x("PinCtrlr", "Code", "1234", **_CODE))),
        good=script(inventory_2x(entry_2x("PinCtrlr", "Code", **_CODE))),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def write_only(self, frame: Frame) -> Faults:
        for index, entry in enumerate(elements(frame.payload, "reportData")):
            for attribute in elements(entry, "variableAttribute"):
                name = name_of(entry)
                if attribute.get("mutability") != "WriteOnly" or not attribute.get("value"):
                    continue
                if name is None or name.variable == "basicauthpassword":
                    continue  # the rule security.key-readable reports it
                return Fault(f"the value of {name} is reported, which is write-only", f"/3/reportData/{index}")
        return None

    @rule(
        "report.criteria",
        call("NotifyReport"),
        title="A report has a component that does not meet the requested criteria",
        severity=Severity.WARNING,
        spec="OCPP 2.x B08.FR.05, B08.FR.10",
        remedy="Report only components that meet one of the componentCriteria of the request.",
        bad=script(report_2x({"componentCriteria": ["Problem"]}, _PROBLEM)),
        good=script(report_2x({"componentCriteria": ["Problem"]}, entry_2x("ChargingStation", "Problem", "true"))),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def criteria(self, frame: Frame) -> Faults:
        asked = self._asked.get(integer(frame.payload, "requestId") or 0)
        wanted = {one.lower() for one in _criteria(asked)} if asked is not None else set()
        if not wanted:
            return None
        failed: dict[tuple[Any, ...], set[str]] = {}
        for index, entry in enumerate(elements(frame.payload, "reportData")):
            name = name_of(entry)
            if name is None or name.variable not in wanted:
                continue
            values = [
                one.get("value")
                for one in elements(entry, "variableAttribute")
                if one.get("type", "Actual") == "Actual"
            ]
            if any(str(value).lower() == "false" for value in values):
                missed = failed.setdefault(name[:4], set())
                missed.add(name.variable)
                if missed == wanted:
                    text = f"{name} is false, but the report is for {', '.join(sorted(wanted))}"
                    return Fault(text, f"/3/reportData/{index}", key=str(name))
        return None

    @rule(
        "report.summary",
        call("NotifyReport"),
        title="A summary inventory does not have the availability of the station",
        severity=Severity.WARNING,
        spec="OCPP 2.x B07.FR.09",
        remedy="Report AvailabilityState of ChargingStation and of each EVSE in a SummaryInventory.",
        bad=script(report_2x(_SUMMARY, _PROBLEM, action="GetBaseReport")),
        good=script(
            report_2x(
                _SUMMARY,
                _AVAILABLE,
                entry_2x({"name": "EVSE", "evse": {"id": 1}}, "AvailabilityState", "Available"),
                action="GetBaseReport",
            )
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def summary(self, frame: Frame) -> Faults:
        request = integer(frame.payload, "requestId") or 0
        told, asked = self._told.get(request), self._asked.get(request)
        if told is None or asked is None or asked.get("reportBase") != "SummaryInventory":
            return None
        for entry in elements(frame.payload, "reportData"):
            name = name_of(entry)
            if name is not None and name.variable == "availabilitystate":
                told.add(name.component)
        if frame.payload.get("tbc") is True:
            return None
        del self._told[request]
        missing = [shown for shown in ("ChargingStation", "EVSE") if shown.lower() not in told]
        if not missing:
            return None
        return Fault(f"the summary inventory has no AvailabilityState of {' and '.join(missing)}", "/3/reportData")

    @rule(
        "report.network-missing",
        call("NotifyReport"),
        title="A full inventory does not have the network configuration of each slot",
        severity=Severity.WARNING,
        spec="OCPP 2.1 B09.FR.08",
        remedy="Report the component NetworkConfiguration with one instance for each slot that the valuesList of "
        "NetworkConfigurationPriority names.",
        bad=script(_networks(1)),
        good=script(_networks(1, 2)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def network_missing(self, frame: Frame) -> Faults:
        request = integer(frame.payload, "requestId") or 0
        told, asked = self._told.get(request), self._asked.get(request)
        if told is None or asked is None or asked.get("reportBase") != "FullInventory":
            return None
        for entry in elements(frame.payload, "reportData"):
            name = name_of(entry)
            told.add(f"entry {name}")
            if name is not None and name.component == "networkconfiguration":
                told.add(name.component_instance)
            elif name is not None and name.variable == "networkconfigurationpriority":
                slots = string(member(entry, "variableCharacteristics"), "valuesList") or ""
                told.update(f"wanted {slot.strip()}" for slot in slots.split(",") if slot.strip())
        if frame.payload.get("tbc") is True:
            return None
        del self._told[request]
        left = sorted(one.removeprefix("wanted ") for one in told if one.startswith("wanted "))
        missing = [slot for slot in left if slot not in told]
        entries = sum(one.startswith("entry ") for one in told)
        if not missing or (missing == left and entries < EXCERPT):
            return None
        return Fault(f"NetworkConfiguration has no instance for slot {missing[0][:20]}", "/3/reportData")
