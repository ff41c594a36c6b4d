"""Judge whether the report of a GetReport has everything that the full inventory lists for it."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import ABSENT, Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.device_model import DeviceModel, Name, Variable, name_of
from inspector.rules.topics.example_frames import csms, entry_2x, inventory_2x, report_2x, script, variable_2x
from inspector.rules.topics.provisioning.report_content_v2x import EXCERPT
from inspector.rules.topics.provisioning.values_v2x import COMMON

FRESH_S = 300
"""Values that were reported more than so many seconds ago are not used, because they may have changed."""
_WITHOUT = frozenset({"active", "available", "enabled"})
"""A component meets these criteria also if it does not have the variable with this name."""
_FAN = (entry_2x("FanCtrlr", "Speed", "4"), entry_2x("FanCtrlr", "Problem", "true"))
_FAN_ASKED = {"componentVariable": [{"component": {"name": "FanCtrlr"}}]}
_SETTABLE = (
    entry_2x("FanCtrlr", "Speed", "4", mutability="ReadWrite"),
    entry_2x("FanCtrlr", "Limit", "9", mutability="ReadWrite"),
)
_CONFIGURATION = {"reportBase": "ConfigurationInventory"}
_FAN_READ = variable_2x("FanCtrlr", "Speed", "4")
_WRITABLE = {"ReadWrite", "WriteOnly"}


class _Wanted:
    """The variables and components that must still come in a report."""

    def __init__(self, names: set[Name], components: set[tuple[Any, ...]]) -> None:
        self.names, self.components = names, components


def _matches(asked: dict[str, Any], name: Name) -> bool:
    """Return whether an element of componentVariable matches this variable; a member left out matches anything."""
    component, variable = member(asked, "component"), member(asked, "variable")
    evse = member(component, "evse")
    wanted = (
        string(component, "name"),
        string(component, "instance"),
        integer(evse, "id"),
        integer(evse, "connectorId"),
        string(variable, "name"),
        string(variable, "instance"),
    )
    for given, told in zip(wanted, name, strict=True):
        if given is not None and (given.lower() if isinstance(given, str) else given) != told:
            return False
    return True


class ReportWhole2x(Topic):
    """The rules that need a full inventory. They run before DeviceModel is updated."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._accepted: Known[int, Frame] = Known()  # the answer to each GetReport without a report yet, by requestId
        self._model = self.station.topic(DeviceModel)
        self._wanted: Known[int, _Wanted] = Known()  # by requestId
        self._inventories: Known[int, set[tuple[str, str]]] = Known()  # what a full inventory has so far
        self._settable: Known[int, set[Name]] = Known()  # what a ConfigurationInventory still lacks, by requestId

    def _expected(self, payload: dict[str, Any], now_ns: int) -> _Wanted | None:
        """Return what the report must have at least; None if that is not known."""
        asked = elements(payload, "componentVariable")
        given = payload.get("componentCriteria")
        criteria = [one.lower() for one in given if type(one) is str] if type(given) is list else []
        listed = {name: known for name, known in self._model.variables.items() if known.listed}
        if not self._model.whole or not (asked or criteria):
            return None
        names = {name for name in listed if not asked or any(_matches(one, name) for one in asked)}
        if not criteria:
            return _Wanted(names, set())
        components = {name[:4] for name in names}
        return _Wanted(set(), {one for one in components if self._meets(one, criteria, listed, now_ns)})

    def _meets(
        self, component: tuple[Any, ...], criteria: list[str], listed: dict[Name, Variable], now_ns: int
    ) -> bool:
        for criterion in criteria:
            known = listed.get(Name._make((*component, criterion, "")))
            if known is None:
                if criterion in _WITHOUT:
                    return True
            elif (known.value or "").lower() == "true" and now_ns - known.seen_ns < FRESH_S * 1e9:
                return True
        return False

    @track(call("GetReport"))
    def asked(self, frame: Frame) -> None:
        request = integer(frame.payload, "requestId")
        self._wanted.pop(request or 0, None)
        wanted = self._expected(frame.payload, frame.mono_ns) if request is not None else None
        if request is not None and wanted is not None:
            self._wanted.note(request, wanted)

    @rule(
        "report.empty-result",
        result("GetReport"),
        call("NotifyReport"),
        title="The answer to GetReport contradicts what the station has",
        severity=Severity.WARNING,
        spec="OCPP 2.x B08.FR.15",
        remedy="Answer EmptyResultSet where no variable fits the request, and only there.",
        bad=script(
            inventory_2x(*_FAN), csms("GetReport", {"requestId": 7, **_FAN_ASKED}, {"status": "EmptyResultSet"})
        ),
        good=script(inventory_2x(*_FAN), report_2x(_FAN_ASKED, *_FAN)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def empty_result(self, frame: Frame) -> Faults:
        if frame.call is None:
            promised = self._accepted.pop(integer(frame.payload, "requestId") or 0, None)
            if promised is None or frame.payload.get("reportData") or frame.payload.get("tbc") is True:
                return None
            text = "the report is empty, but the status of GetReport was Accepted; expected EmptyResultSet"
            return Fault(text, "/2/status", frame=promised, key="empty")
        if frame.payload.get("status") == "Accepted":
            self._accepted.note(integer(frame.request, "requestId") or 0, frame)
        wanted, status = self._wanted.get(integer(frame.request, "requestId") or 0), frame.payload.get("status")
        if wanted is None:
            return None
        if status == "EmptyResultSet" and (wanted.names or wanted.components):
            one = str(min(wanted.names)) if wanted.names else _shown(min(wanted.components, key=str))
            return Fault(f"the status is EmptyResultSet, but the full inventory has {one}", "/2/status")
        exact = not frame.request.get("componentCriteria")
        if status == "Accepted" and exact and not wanted.names:
            asked = [member(one, "component") for one in elements(frame.request, "componentVariable")]
            names = {(string(one, "name") or "").lower() for one in asked}
            if not names & self._model.components:
                text = "the status is Accepted, but the full inventory has no such component; expected EmptyResultSet"
                return Fault(text, "/2/status", key="accepted")
        return None

    @rule(
        "report.incomplete",
        call("NotifyReport"),
        title="A report lacks variables that were requested and that the station has",
        severity=Severity.WARNING,
        spec="OCPP 2.x B08.FR.07, B08.FR.08, B08.FR.09, B08.FR.10, B08.FR.13, B08.FR.20, B08.FR.21, B08.FR.22, "
        "B08.FR.23, B08.FR.24, B08.FR.25",
        remedy="Report every variable, instance, EVSE and connector that fits the request; a component meets Active, "
        "Available and Enabled, too, if it does not have that variable.",
        bad=script(inventory_2x(*_FAN), report_2x(_FAN_ASKED, _FAN[0])),
        good=script(inventory_2x(*_FAN), report_2x(_FAN_ASKED, *_FAN)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def incomplete(self, frame: Frame) -> Faults:
        request = integer(frame.payload, "requestId") or 0
        wanted = self._wanted.get(request)
        if wanted is None:
            return None
        for entry in elements(frame.payload, "reportData"):
            name = name_of(entry)
            if name is not None:
                wanted.names.discard(name)
                wanted.components.discard(name[:4])
        if frame.payload.get("tbc") is True:
            return None
        del self._wanted[request]
        if wanted.names:
            text = f"report {request} lacks {min(wanted.names)}, which was requested"
            return Fault(text, frame=ABSENT, key=str(request))
        if wanted.components:
            text = f"report {request} lacks {_shown(min(wanted.components, key=str))}, which meets the criteria"
            return Fault(text, frame=ABSENT, key=str(request))
        return None

    @track(call("GetBaseReport"))
    def base_asked(self, frame: Frame) -> None:
        request = integer(frame.payload, "requestId") or 0
        self._settable.pop(request, None)
        if frame.payload.get("reportBase") == "ConfigurationInventory" and self._model.whole:
            listed = ((name, known) for name, known in self._model.variables.items() if known.listed)
            wanted = {name for name, known in listed if _WRITABLE & set(known.mutability.values())}
            if wanted:
                self._settable.note(request, wanted)

    @rule(
        "report.configuration-missing",
        call("NotifyReport"),
        title="A configuration inventory lacks a variable that can be set",
        severity=Severity.WARNING,
        spec="OCPP 2.x B07.FR.07",
        remedy="Report every variable that can be set in a ConfigurationInventory.",
        bad=script(inventory_2x(*_SETTABLE), report_2x(_CONFIGURATION, _SETTABLE[0], action="GetBaseReport")),
        good=script(inventory_2x(*_SETTABLE), report_2x(_CONFIGURATION, *_SETTABLE, action="GetBaseReport")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def configuration_missing(self, frame: Frame) -> Faults:
        request = integer(frame.payload, "requestId") or 0
        wanted = self._settable.get(request)
        if wanted is None:
            return None
        wanted.difference_update(name for entry in elements(frame.payload, "reportData") if (name := name_of(entry)))
        if frame.payload.get("tbc") is True:
            return None
        del self._settable[request]
        if not wanted:
            return None
        return Fault(f"report {request} lacks {min(wanted, key=str)}, which can be set", frame=ABSENT, key=str(request))

    @track(call("GetBaseReport"))
    def inventory_asked(self, frame: Frame) -> None:
        request = integer(frame.payload, "requestId") or 0
        self._inventories.pop(request, None)
        if frame.payload.get("reportBase") == "FullInventory":
            self._inventories.note(request, set())

    @rule(
        "report.inventory-incomplete",
        call("NotifyReport"),
        title="A full inventory lacks a variable that the station has",
        severity=Severity.WARNING,
        spec="OCPP 2.x B07.FR.08",
        remedy="Report every variable in a FullInventory, also those that a GetVariables has read before.",
        bad=script(_FAN_READ, inventory_2x(entry_2x("PumpCtrlr", "Speed", "1"))),
        good=script(_FAN_READ, inventory_2x(entry_2x("PumpCtrlr", "Speed", "1"), _FAN[0])),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def inventory_incomplete(self, frame: Frame) -> Faults:
        request = integer(frame.payload, "requestId") or 0
        told = self._inventories.get(request)
        if told is None:
            return None
        names = [name for entry in elements(frame.payload, "reportData") if (name := name_of(entry)) is not None]
        told.update((name.component, name.variable) for name in names)
        if frame.payload.get("tbc") is True:
            return None
        del self._inventories[request]
        for name, known in self._model.variables.items():
            left_out = (name.component, name.variable) not in told
            judged = told and (name.component not in COMMON or len(told) >= EXCERPT)
            if judged and left_out and known.kinds and known.unknown is None:
                return Fault(f"report {request} lacks {name}, which the station has", frame=ABSENT, key=str(request))
        return None


def _shown(component: tuple[Any, ...]) -> str:
    return " ".join(str(part)[:50] for part in component if part not in ("", None))
