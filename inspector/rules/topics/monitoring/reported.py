"""Whether reports of monitors hold every monitor that the station is known to have."""

from __future__ import annotations

from dataclasses import dataclass, field

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule, track
from inspector.rules.topics.example_frames import NOW, Payload, cp, csms, script
from inspector.rules.topics.monitoring.installed import CUSTOM, POWER, PRECONFIGURED, InstalledMonitors, Monitor
from inspector.rules.topics.monitoring.installed import number as number_in
from inspector.rules.topics.monitoring.monitors import monitored
from inspector.rules.topics.provisioning.reports_v2x import WANTED_LIMIT, covers, kinds_of
from inspector.rules.topics.provisioning.variables_v2x import Item, item_of

_REPORTS_LIMIT = 20


def _asked(status: str = "Accepted", **criteria: object) -> str:
    return csms("GetMonitoringReport", {"requestId": 7, **criteria}, {"status": status})


_BASE = csms("SetMonitoringBase", {"monitoringBase": "HardWiredOnly"})


def _report(*severities: int, new: bool = False) -> str:
    origin = {"eventNotificationType": CUSTOM} if new else {}
    told = [
        {"id": 1, "transaction": False, "value": 1000, "type": "UpperThreshold", "severity": severity, **origin}
        for severity in severities
    ]
    monitors = {"monitor": [{**POWER, "variableMonitoring": told}]} if told else {}
    return cp("NotifyMonitoringReport", {"requestId": 7, "seqNo": 0, "generatedAt": NOW, **monitors})


@dataclass(slots=True, eq=False)
class _Report:
    """A report on its way: what it has to hold, and what it has held so far."""

    wanted: dict[int, Monitor]
    lasting: list[Monitor]  # those set before a restart
    ids: set[int] = field(default_factory=set)
    kinds: set[tuple[Item | None, object]] = field(default_factory=set)


class MonitorReports(Topic):
    """Rules about GetMonitoringReport."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._reports: Known[int, _Report] = Known()
        self._clearing: Known[int, Monitor] = Known()  # monitors that the CSMS has asked to clear
        self._cleared: Known[int, Monitor] = Known()
        self._removable: dict[int, Monitor] = {}  # custom monitors at the latest SetMonitoringBase
        self._removed: dict[int, Monitor] = {}  # those that an accepted base has removed
        self._installed = self.station.topic(InstalledMonitors)

    @rule(
        "monitor.report-status",
        result("GetMonitoringReport"),
        title="GetMonitoringReport is refused although there is something to report",
        severity=Severity.WARNING,
        spec="OCPP 2.x N02.FR.01, N02.FR.10, N07.FR.13",
        remedy="Answer NotSupported only for monitoringCriteria, EmptyResultSet only where no monitor matches.",
        bad=script(_asked("NotSupported")),
        good=script(_asked("NotSupported", monitoringCriteria=["DeltaMonitoring"])),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def report_status(self, frame: Frame) -> Faults:
        status = frame.payload.get("status")
        if status == "NotSupported" and not frame.request.get("monitoringCriteria"):
            return Fault("NotSupported, but no monitoringCriteria are given", "/2/status", key="criteria")
        if status == "EmptyResultSet" and (known := self._wanted(frame.request, self._installed.monitors)):
            one = next(iter(known))
            return Fault(f"EmptyResultSet, but there is monitor {one} of {known[one].item}", "/2/status", key="empty")
        if status == "EmptyResultSet" and not self._installed.monitors:
            for lasting in self._wanted(frame.request, self._installed.before_boot).values():
                if lasting.origin == CUSTOM:
                    text = (
                        f"EmptyResultSet, but the {lasting.kind} monitor of {lasting.item} was set before the restart"
                    )
                    return Fault(text, "/2/status", key="restart")
        return None

    def _wanted(self, asked: Payload, monitors: dict[int, Monitor]) -> dict[int, Monitor]:
        """Return those monitors that a request is about."""
        kinds, places = kinds_of(asked), elements(asked, "componentVariable")
        if len(places) > WANTED_LIMIT:
            return {}
        return {
            own: one
            for own, one in monitors.items()
            if (not kinds or one.kind in kinds) and (not places or any(covers(place, one.place) for place in places))
        }

    @track(result("GetMonitoringReport"))
    def promised(self, frame: Frame) -> None:
        number = integer(frame.request, "requestId")
        installed = self._installed
        if number is None or frame.payload.get("status") != "Accepted":
            return
        lasting = [one for one in self._wanted(frame.request, installed.before_boot).values() if one.origin == CUSTOM]
        wanted = self._wanted(frame.request, installed.monitors)
        self._reports.pop(number, None)
        if wanted or lasting:
            self._reports.note(number, _Report(wanted, lasting))
            self.station.refresh_listeners()
        if len(self._reports) > _REPORTS_LIMIT:
            del self._reports[next(iter(self._reports))]

    @rule(
        "monitor.report-empty",
        call("NotifyMonitoringReport"),
        title="A report of monitors has none",
        severity=Severity.WARNING,
        spec="OCPP 2.x N02.FR.10",
        remedy="Answer EmptyResultSet where no monitor matches, and send no report.",
        bad=script(_asked(), _report()),
        good={"2.0.1": script(_asked(), _report(5)), "2.1": script(_asked(), _report(5, new=True))},
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def report_empty(self, frame: Frame) -> Faults:
        if frame.payload.get("monitor") or frame.payload.get("tbc") is True or frame.payload.get("seqNo") != 0:
            return None
        if integer(frame.payload, "requestId") in self._reports:
            return None  # what is missing is reported then
        return Fault("the report has no monitors; expected the answer EmptyResultSet", "/3")

    @rule(
        "monitor.removed-reported",
        call("NotifyMonitoringReport"),
        title="The station reports a monitor that was cleared, or that the accepted monitoring base removed",
        severity=Severity.WARNING,
        spec="OCPP 2.x N03.FR.04, N03.FR.05, N06.FR.01",
        remedy="Remove monitors that were cleared, and custom monitors at FactoryDefault; at HardWiredOnly disable "
        "preconfigured ones too.",
        bad={
            "2.0.1": script(monitored(), _BASE, _asked(), _report(5)),
            "2.1": script(monitored(), _BASE, _asked(), _report(5, new=True)),
        },
        good={
            "2.0.1": script(monitored(), _BASE, monitored(), _asked(), _report(5)),
            "2.1": script(monitored(), _BASE, monitored(), _asked(), _report(5, new=True)),
        },
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: topic._installed.base is None and not topic._cleared,
    )
    def base_kept(self, frame: Frame) -> Faults:
        for index, entry in enumerate(elements(frame.payload, "monitor") if self._cleared else ()):
            for one in elements(entry, "variableMonitoring"):
                number = integer(one, "id")
                gone_one = self._cleared.get(number) if number is not None else None
                if gone_one is not None and (gone_one.item, gone_one.kind) == (item_of(entry), one.get("type")):
                    return Fault(f"monitor {number} was cleared", f"/3/monitor/{index}", key=f"{number} cleared")
        if self._installed.base is None or self._installed.custom:
            return None
        base = self._installed.base[0]
        gone = {"FactoryDefault": (CUSTOM,), "HardWiredOnly": (CUSTOM, PRECONFIGURED)}.get(base, ())
        for index, entry in enumerate(elements(frame.payload, "monitor") if gone else ()):
            item = item_of(entry)
            for one in elements(entry, "variableMonitoring"):
                origin, number = string(one, "eventNotificationType"), integer(one, "id")
                removed = self._removed.get(number) if number is not None else None
                own = removed is not None and removed.item == item and removed.kind == one.get("type")
                if origin in gone or (origin is None and own):
                    text = f"monitor {number} is still there, although {base} was accepted"
                    return Fault(text, f"/3/monitor/{index}", key=str(number))
        return None

    @track(call("ClearVariableMonitoring"))
    def clearing(self, frame: Frame) -> None:
        given = frame.payload.get("id")
        for number in given if type(given) is list else ():
            known = self._installed.monitors.get(number) if type(number) is int else None
            if known is not None:
                self._clearing.note(number, known)

    @track(result("ClearVariableMonitoring"))
    def cleared(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "clearMonitoringResult"):
            number = integer(entry, "id")
            known = self._clearing.pop(number, None) if number is not None else None
            if number is not None and known is not None and entry.get("status") == "Accepted":
                self._cleared.note(number, known)
        self.station.refresh_listeners()

    @track(result("SetVariableMonitoring"))
    def set_again(self, frame: Frame) -> None:
        self._cleared.clear()  # a new monitor may have the id of a cleared one
        self.station.refresh_listeners()

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._cleared.clear()  # ids may have changed
        self.station.refresh_listeners()

    @track(call("SetMonitoringBase"))
    def base_asked(self, frame: Frame) -> None:
        known = self._installed.monitors.items()
        self._removable = {number: one for number, one in known if one.origin == CUSTOM}

    @track(result("SetMonitoringBase"))
    def base_answered(self, frame: Frame) -> None:
        self._removed = self._removable if frame.payload.get("status") == "Accepted" else {}

    @rule(
        "monitor.report-missing",
        call("NotifyMonitoringReport"),
        title="A report of monitors lacks a monitor that exists, or has another value of it",
        severity=Severity.WARNING,
        spec="OCPP 2.x N02.FR.11 to N02.FR.14, N02.FR.16 to N02.FR.21, N03.FR.03, N04.FR.12, N07.FR.13",
        remedy="Report every monitor that monitoringCriteria and componentVariable name, also after a restart.",
        bad=script(monitored(), _asked(), _report()),
        good={
            "2.0.1": script(monitored(), _asked(), _report(5)),
            "2.1": script(monitored(), _asked(), _report(5, new=True)),
        },
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._reports,
    )
    def report_missing(self, frame: Frame) -> Faults:
        number = integer(frame.payload, "requestId")
        report = self._reports.get(number) if number is not None else None
        if report is None or number is None:
            return None
        differs = ""
        for entry in elements(frame.payload, "monitor"):
            item = item_of(entry)
            for one in elements(entry, "variableMonitoring"):
                report.ids.add(integer(one, "id") or 0)
                report.kinds.add((item, one.get("type")))
                own = integer(one, "id")
                accepted = report.wanted.get(own) if own is not None else None
                if accepted is not None and accepted.origin == CUSTOM and accepted.item == item:
                    differs = differs or _other_value(own, accepted, one)
        if frame.payload.get("tbc") is not True:
            del self._reports[number]
        if differs:
            return Fault(differs, "/3/monitor", key="value")
        if frame.payload.get("tbc") is True:
            return None
        for own, known in report.wanted.items():
            if own not in report.ids and self._installed.monitors.get(own) is known:
                return Fault(f"monitor {own} of {known.item} is missing", "/3", key=str(own))
        for lasting in report.lasting:
            if (lasting.item, lasting.kind) not in report.kinds and lasting in self._installed.before_boot.values():
                text = f"the {lasting.kind} monitor of {lasting.item} is missing since the restart"
                return Fault(text, "/3", key=f"{lasting.item} {lasting.kind}")
        return None


def _other_value(own: int | None, accepted: Monitor, told: Payload) -> str:
    """Say how the value of a reported monitor differs from the one that was accepted; "" if it does not."""
    value = number_in(told, "value")
    if value is None or accepted.value is None or value == accepted.value or accepted.kind != told.get("type"):
        return ""
    return f"monitor {own} is reported with {value:g}, but {accepted.value:g} was accepted"
