"""Judge how a station answers when monitors are set and cleared, and remember its monitors."""

from __future__ import annotations

from collections import Counter
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule, track
from inspector.rules.topics.example_frames import Payload, csms, script
from inspector.rules.topics.provisioning.variables_v2x import Item, item_of

_PLACE: Payload = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
_OTHER: Payload = {"component": {"name": "EVSE", "evse": {"id": 2}}, "variable": {"name": "Power"}}


def monitored(kind: str = "UpperThreshold", told: dict[str, Any] | None = None, **asked: Any) -> str:
    """Return a SetVariableMonitoring of one monitor and its answer.

    `asked` changes members of the request, `told` those of the result; None in `told` leaves a member out.
    """
    data = {"value": 1000, "type": kind, "severity": 5, **_PLACE, **asked}
    answer = {"id": 1, "status": "Accepted", "type": kind, "severity": 5, **_PLACE, **(told or {})}
    answer = {name: value for name, value in answer.items() if value is not None}
    return csms("SetVariableMonitoring", {"setMonitoringData": [data]}, {"setMonitoringResult": [answer]})


def _cleared(*ids: int, status: str = "Accepted") -> str:
    told = [{"status": status, "id": number} for number in ids]
    return csms("ClearVariableMonitoring", {"id": [1, 2]}, {"clearMonitoringResult": told})


class Monitors(Topic):
    """The rules about SetVariableMonitoring and ClearVariableMonitoring.

    Attributes:
        kinds: the type of each monitor that the station has accepted or reported, by id.
        severities: the severity of each of these monitors, by id.
    """

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self.kinds: Known[int, str] = Known()
        self.severities: Known[int, int] = Known()
        self._listed: set[int | None] | None = None  # the ids in the latest report of all monitors
        self._report: tuple[int, set[int | None]] | None = None  # such a report on its way, by its requestId
        self._cleared: Known[int, None] = Known()

    @rule(
        "monitor.results",
        result("SetVariableMonitoring"),
        title="SetVariableMonitoring does not have one result for each requested monitor",
        severity=Severity.ERROR,
        spec="OCPP 2.x N04.FR.01, N04.FR.02",
        remedy="Answer with one result for each element of the request, with its component and variable.",
        bad=script(monitored(told=_OTHER)),
        good=script(monitored()),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def results(self, frame: Frame) -> Faults:
        asked, told = _items(frame.request, "setMonitoringData"), _items(frame.payload, "setMonitoringResult")
        if len(asked) != len(told):
            text = f"results: {len(told)}, requested monitors: {len(asked)}"
            return Fault(text, "/2/setMonitoringResult", key="count")
        left = Counter(asked)
        for index, item in enumerate(told):
            if item is None:
                continue
            if left[item] == 0:
                return Fault(f"a result for {item}, which was not requested", f"/2/setMonitoringResult/{index}")
            left[item] -= 1
        return None

    @rule(
        "monitor.id-missing",
        result("SetVariableMonitoring"),
        title="An accepted monitor has no id",
        severity=Severity.ERROR,
        spec="OCPP 2.x N04.FR.11",
        remedy="Give the id of the monitor with the status Accepted; make one up where the request has none.",
        bad=script(monitored(told={"id": None})),
        good=script(monitored()),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def id_missing(self, frame: Frame) -> Faults:
        for index, entry in enumerate(elements(frame.payload, "setMonitoringResult")):
            if entry.get("status") == "Accepted" and "id" not in entry:
                return Fault(
                    f"the monitor of {item_of(entry)} is Accepted without an id", f"/2/setMonitoringResult/{index}"
                )
        return None

    @rule(
        "monitor.negative-delta",
        result("SetVariableMonitoring"),
        title="A Delta monitor is accepted with a negative value",
        severity=Severity.WARNING,
        spec="OCPP 2.x N04.FR.14",
        remedy="Answer Rejected where the type is Delta and the value is negative.",
        bad=script(monitored("Delta", value=-5)),
        good=script(monitored("Delta", {"status": "Rejected", "id": None}, value=-5)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def negative_delta(self, frame: Frame) -> Faults:
        asked = {
            item_of(entry): entry.get("value")
            for entry in elements(frame.request, "setMonitoringData")
            if entry.get("type") == "Delta" and isinstance(entry.get("value"), int | float) and entry["value"] < 0
        }
        for index, entry in enumerate(elements(frame.payload, "setMonitoringResult")):
            if entry.get("status") != "Accepted" or entry.get("type") != "Delta":
                continue
            value = asked.get(item_of(entry))
            if value is not None:
                return Fault(f"a Delta monitor with the value {value} is Accepted", f"/2/setMonitoringResult/{index}")
        return None

    @rule(
        "monitor.unknown-id",
        result("SetVariableMonitoring"),
        title="A monitor is accepted under an id that does not exist",
        severity=Severity.WARNING,
        spec="OCPP 2.x N04.FR.13",
        remedy="Answer Rejected when the request has the id of a monitor that does not exist.",
        bad=script(monitored(), _cleared(1, 2), monitored(id=1)),
        good=script(monitored(), monitored(id=1)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unknown_id(self, frame: Frame) -> Faults:
        asked = {integer(entry, "id") for entry in elements(frame.request, "setMonitoringData") if "id" in entry}
        for index, entry in enumerate(elements(frame.payload, "setMonitoringResult")):
            number = integer(entry, "id")
            if entry.get("status") == "Accepted" and number in asked and number in self._cleared:
                at = f"/2/setMonitoringResult/{index}/status"
                return Fault(f"monitor {number} is Accepted, but it was cleared before", at, key=str(number))
        return None

    @rule(
        "monitor.clear-results",
        result("ClearVariableMonitoring"),
        title="ClearVariableMonitoring does not have one result for each requested monitor",
        severity=Severity.ERROR,
        spec="OCPP 2.x N06.FR.05",
        remedy="Answer with one result for each requested id, NotFound for those that do not exist.",
        bad=script(_cleared(1)),
        good=script(_cleared(1, 2)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def clear_results(self, frame: Frame) -> Faults:
        told = {integer(entry, "id") for entry in elements(frame.payload, "clearMonitoringResult")}
        ids = frame.request.get("id")
        if type(ids) is not list:
            return None
        asked = {number for number in ids if type(number) is int}
        missing = sorted(asked - told - {None})
        more = [number for number in told if number is not None and number not in asked]
        if missing:
            return Fault(f"no result for monitor {missing[0]}", "/2/clearMonitoringResult", key="missing")
        if more:
            return Fault(
                f"a result for monitor {more[0]}, which was not requested", "/2/clearMonitoringResult", key="more"
            )
        return None

    @rule(
        "monitor.clear-status",
        result("ClearVariableMonitoring"),
        title="The result of clearing a monitor contradicts which monitors there are",
        severity=Severity.WARNING,
        spec="OCPP 2.x N06.FR.01, N06.FR.02",
        remedy="Answer Accepted or Rejected for a monitor that exists, NotFound for one that does not.",
        bad=script(monitored(), _cleared(1, 2, status="NotFound")),
        good=script(monitored(), _cleared(1, 2)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def clear_status(self, frame: Frame) -> Faults:
        for index, entry in enumerate(elements(frame.payload, "clearMonitoringResult")):
            number, at = integer(entry, "id"), f"/2/clearMonitoringResult/{index}/status"
            if entry.get("status") == "NotFound" and number in self.kinds:
                return Fault(f"monitor {number} is not found, although it was accepted", at, key=str(number))
            known = {*self.kinds, *self._cleared, *(self._listed or ())}
            if entry.get("status") == "Accepted" and self._listed is not None and number not in known:
                text = f"monitor {number} is cleared, although a report of all monitors did not have it"
                return Fault(text, at, key=str(number))
            if entry.get("status") == "Accepted" and number in self._cleared:
                return Fault(f"monitor {number} is cleared again, although it does not exist", at, key=str(number))
        return None

    @track(result("SetVariableMonitoring"))
    def accepted(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "setMonitoringResult"):
            number, kind = integer(entry, "id"), string(entry, "type")
            if number is not None and kind is not None and entry.get("status") == "Accepted":
                self.kinds.note(number, kind)
                self.severities.note(number, integer(entry, "severity") or 0)
                self._cleared.pop(number, None)

    @track(result("GetMonitoringReport"))
    def asked(self, frame: Frame) -> None:
        whole = not frame.request.get("monitoringCriteria") and not frame.request.get("componentVariable")
        number, status = integer(frame.request, "requestId"), frame.payload.get("status")
        if whole and status == "EmptyResultSet":
            self._listed = set()
        elif whole and status == "Accepted" and number is not None:
            self._report = (number, set())

    @track(call("NotifyMonitoringReport"))
    def reported(self, frame: Frame) -> None:
        if self._report is not None and self._report[0] == integer(frame.payload, "requestId"):
            found = elements(frame.payload, "monitor")
            self._report[1].update(integer(one, "id") for each in found for one in elements(each, "variableMonitoring"))
            if frame.payload.get("tbc") is not True:
                self._listed, self._report = self._report[1], None
        for entry in elements(frame.payload, "monitor"):
            for one in elements(entry, "variableMonitoring"):
                number, kind = integer(one, "id"), string(one, "type")
                if number is not None and kind is not None:
                    self.kinds.note(number, kind)
                    self.severities.note(number, integer(one, "severity") or 0)
                    self._cleared.pop(number, None)

    @track(result("ClearVariableMonitoring", "SetMonitoringBase"))
    def cleared(self, frame: Frame) -> None:
        if frame.action == "SetMonitoringBase":
            self.kinds.clear()
            self._cleared.clear()
        for entry in elements(frame.payload, "clearMonitoringResult"):
            number = integer(entry, "id")
            if number is not None and entry.get("status") == "Accepted":
                self.kinds.pop(number, None)
                self._cleared.note(number, None)

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self.kinds.clear()  # monitors outlive a restart, but their ids may be others
        self.severities.clear()
        self._cleared.clear()
        self._listed = self._report = None


def _items(payload: Payload, name: str) -> list[Item | None]:
    return [item_of(entry) for entry in elements(payload, name)]
