"""Judge whether reports arrive as they were requested, in order and complete.

These rules apply to all requests whose result comes in parts after the answer: device model, monitors, charging
profiles, customer information, display messages, DER controls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment, SessionContext
from inspector.rules.durations import duration
from inspector.rules.fields import elements, integer, member
from inspector.rules.finding import ABSENT, Fault, Severity, Side
from inspector.rules.rule import DEADLINE, OPENED, V2X, Faults, Topic, call, event, refusal, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.topics.provisioning.variables_v2x import item_of

REPORTS_LIMIT = 200
MONITORS = {
    "ThresholdMonitoring": ("UpperThreshold", "LowerThreshold"),
    "DeltaMonitoring": ("Delta", "TargetDelta", "TargetDeltaRelative"),  # 2.1 errata: there is no other criterion
    "PeriodicMonitoring": ("Periodic", "PeriodicClockAligned"),
}
"""For each monitoringCriteria, the types of monitors that it selects."""
WANTED_LIMIT = 100
"""The entries of a report are compared with at most so many elements of the requested componentVariable list."""
REQUESTS = {
    "GetBaseReport": "NotifyReport",
    "GetReport": "NotifyReport",
    "GetMonitoringReport": "NotifyMonitoringReport",
    "GetChargingProfiles": "ReportChargingProfiles",
    "CustomerInformation": "NotifyCustomerInformation",
    "GetDisplayMessages": "NotifyDisplayMessages",
    "GetDERControl": "ReportDERControl",
}
"""For each request of the CSMS for a report, the action of the messages with its parts."""
_PARTS = tuple(dict.fromkeys(REQUESTS.values()))

_BOOT = """open {"from_start": true}
> [2,"b","BootNotification",{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}]
< [3,"b",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":86400}]
"""
_ASKED = '< [2,"r","GetBaseReport",{"requestId":7,"reportBase":"FullInventory"}]\n> [3,"r",{"status":"Accepted"}]\n'


_ASKED_ONE = (
    '< [2,"r","GetReport",{"requestId":7,"componentVariable":[{"component":{"name":"EVSE"},'
    '"variable":{"name":"Available"}}]}]\n> [3,"r",{"status":"Accepted"}]\n'
)
_POWER = '"component":{"name":"EVSE"},"variable":{"name":"Power"},"variableAttribute":[{"value":"1"}]'
_CHARACTERISTICS = ',"variableCharacteristics":{"dataType":"decimal","supportsMonitoring":true}'


def _reported(entry: str) -> str:
    return _part(0, False).replace('"tbc"', f'"reportData":[{{{entry}}}],"tbc"', 1)


def _part(sequence: int, more: bool, request: int = 7) -> str:
    return (
        f'> [2,"p{sequence}","NotifyReport",{{"requestId":{request},"generatedAt":"2026-01-01T12:00:00Z",'
        f'"seqNo":{sequence},"tbc":{"true" if more else "false"}}}]\n< [3,"p{sequence}",{{}}]\n'
    )


@dataclass(slots=True, eq=False)
class Report:
    """A requested report. `latest` is its last part or, if none has come, the answer to the request or None."""

    session: SessionContext
    action: str  # the action of its parts
    request: int
    asked: Frame
    sequence: int | None = None  # the seqNo of its last part
    whole: bool = False
    refused: bool = False
    latest: Frame | None = None


class Reports2x(Topic):
    """The rules about reports that come in parts.

    Attributes:
        reports: the latest REPORTS_LIMIT requested reports, by the action of their parts and requestId, oldest first.
    """

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self.reports: dict[tuple[str, int], Report] = {}
        self._evidence = self.station.topic(Observation)

    @track(call(*REQUESTS))
    def asked(self, frame: Frame) -> None:
        request, action = integer(frame.payload, "requestId"), REQUESTS[frame.action or ""]
        if request is None:
            return
        self.reports.pop((action, request), None)
        self.reports[action, request] = Report(self.session, action, request, frame)
        if len(self.reports) > REPORTS_LIMIT:
            del self.reports[next(iter(self.reports))]

    @track(result(*REQUESTS))
    def promised(self, frame: Frame) -> None:
        report = self._of(frame.request, REQUESTS[frame.action or ""])
        if report is None:
            return
        if frame.payload.get("status") != "Accepted":
            report.refused = True
        elif report.latest is None and (frame.request.get("report"), frame.request.get("clear")) != (False, False):
            report.latest = frame
            self.station.deadline(
                frame, self.settings.effect_timeout_s, self.not_whole, report, frame, at_close=AtClose.LATE
            )

    @track(refusal(*REQUESTS))
    def refused(self, frame: Frame) -> None:
        report = self._of(frame.request, REQUESTS[frame.action or ""])
        if report is not None:
            report.refused = True

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self.reports.clear()  # the capture may lack some of their parts

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        self.reports.clear()

    def _of(self, payload: dict[str, Any], action: str | None) -> Report | None:
        request = integer(payload, "requestId")
        return self.reports.get((action or "", request)) if request is not None else None

    @rule(
        "report.request",
        call(*_PARTS),
        title="A report was not requested",
        severity=Severity.ERROR,
        spec="OCPP 2.x B07.FR.04, B07.FR.05, B07.FR.13, B08.FR.04, B08.FR.16, N02.FR.04, N02.FR.10, "
        "K09.FR.01, O03.FR.05, O04.FR.06; OCPP 2.1 R04.FR.31",
        remedy="Repeat the requestId of the request in each part; send none for a request you have not accepted.",
        bad=_BOOT + _ASKED + _part(0, False, request=8),
        good=_BOOT + _ASKED + _part(0, False),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def request(self, frame: Frame) -> Faults:
        request = integer(frame.payload, "requestId")
        if request is None:
            return None
        report = self._of(frame.payload, frame.action)
        if report is not None:
            if not report.refused:
                return None
            text = f"{frame.action} for request {request}, which was not accepted"
            return Fault(text, "/3/requestId", key=str(request))
        if self._evidence.seen_since is None or len(self.reports) >= REPORTS_LIMIT:
            return None
        text = f"{frame.action} for request {request}; no request has had this requestId"
        return Fault(text, "/3/requestId", key=str(request))

    @rule(
        "report.sequence",
        call(*_PARTS),
        title="The parts of a report are not numbered 0, 1, 2 and so on",
        severity=Severity.ERROR,
        spec="OCPP 2.x B07.FR.10, B08.FR.14, N02.FR.09, K09.FR.02, O03.FR.04, O04.FR.05; OCPP 2.1 R04.FR.32",
        remedy="Number the parts from 0 without gaps; tbc is false in the last part.",
        bad=_ASKED + _part(0, True) + _part(2, False),
        good=_ASKED + _part(0, True) + _part(1, False),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def sequence(self, frame: Frame) -> Faults:
        sequence, report = integer(frame.payload, "seqNo"), self._of(frame.payload, frame.action)
        if report is None or report.refused:
            return None
        before, ended, previous = report.sequence, report.whole, report.latest
        report.sequence, report.latest = sequence, frame
        report.whole = frame.payload.get("tbc") is not True
        expected = 0 if before is None else before + 1
        if not ended and sequence in (expected, None):  # charging profiles, messages and DER controls have no seqNo
            return None
        if sequence == before and previous is not None and previous.payload == frame.payload:
            return None  # the same part was sent again, because its answer did not arrive
        why = "the report had ended" if ended else f"expected {expected}"
        part = f"seqNo {sequence}" if sequence is not None else "another part"
        text = f"{part} in {frame.action} for request {report.request}; {why}"
        return Fault(text, "/3/tbc" if sequence is None else "/3/seqNo", key=str(report.request))

    @rule(
        "report.characteristics",
        call("NotifyReport"),
        title="A device model report lacks the characteristics of its variables",
        severity=Severity.WARNING,
        spec="OCPP 2.x B07.FR.07, B07.FR.08, B08.FR.12",
        remedy="Give variableCharacteristics with each variable; only a summary inventory may leave it out.",
        bad=_ASKED + _reported(_POWER),
        good=_ASKED + _reported(_POWER + _CHARACTERISTICS),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def characteristics(self, frame: Frame) -> Faults:
        report = self._of(frame.payload, frame.action)
        if report is None or report.asked.payload.get("reportBase") == "SummaryInventory":
            return None
        for index, entry in enumerate(elements(frame.payload, "reportData")):
            if "variableCharacteristics" not in entry:
                text = f"{item_of(entry)} is reported without variableCharacteristics"
                return Fault(text, f"/3/reportData/{index}", key=str(report.request))
        return None

    @rule(
        "report.not-asked",
        call("NotifyReport", "NotifyMonitoringReport"),
        title="A report has variables or monitors that were not requested",
        severity=Severity.WARNING,
        spec="OCPP 2.x B08.FR.11, N02.FR.05, N02.FR.06, N02.FR.08",
        remedy="Report only what componentVariable and monitoringCriteria of the request name.",
        bad=_ASKED_ONE + _reported(_POWER + _CHARACTERISTICS),
        good=_ASKED_ONE + _reported(_POWER.replace("Power", "Available") + _CHARACTERISTICS),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_asked(self, frame: Frame) -> Faults:
        report = self._of(frame.payload, frame.action)
        if report is None:
            return None
        wanted, name = elements(report.asked.payload, "componentVariable"), "reportData"
        if frame.action == "NotifyMonitoringReport":
            name = "monitor"
        for index, entry in enumerate(elements(frame.payload, name)):
            asked = not wanted or len(wanted) > WANTED_LIMIT or any(covers(one, entry) for one in wanted)
            if not asked:
                text = f"{item_of(entry)} is reported, but was not requested"
                return Fault(text, f"/3/{name}/{index}", key=str(report.request))
            kinds = kinds_of(report.asked.payload)
            for one in elements(entry, "variableMonitoring") if kinds else ():
                if one.get("type") not in kinds:
                    text = f"a monitor of type {str(one.get('type'))[:20]} is reported, but was not requested"
                    return Fault(text, f"/3/{name}/{index}", key=str(report.request))
        return None

    @rule(
        "report.unfinished",
        DEADLINE,
        title="A report has not been completed",
        severity=Severity.WARNING,
        spec="OCPP 2.x B07.FR.03, B08.FR.03, N02.FR.03, N09.FR.05, N09.FR.06, N10.FR.03, "
        "N10.FR.04, N10.FR.06, K09.FR.02, O03.FR.02; "
        "OCPP 2.1 R04.FR.33, R04.FR.34",
        remedy="Send all parts; the last one has tbc false or leaves it out.",
        bad=_ASKED + _part(0, True) + "+ 5m",
        good=_ASKED + _part(0, True) + _part(1, False) + "+ 5m",
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_whole(self, moment: Moment, report: Report, latest: Frame) -> Faults:
        if report.whole or report not in self.reports.values() or report.session not in self.station.sessions:
            return None
        wait = self.settings.effect_timeout_s
        if report.latest is not latest and report.latest is not None:
            self.station.deadline(report.latest, wait, self.not_whole, report, report.latest, at_close=AtClose.LATE)
            return None
        begun = report.latest is not None and report.latest.action == report.action
        what = f"{'no last' if begun else 'no'} {report.action}"
        text = f"{what} for request {report.request} has come within {duration(wait)}"
        return Fault(text, frame=ABSENT, key=f"{report.action} {report.request}")


def covers(wanted: dict[str, Any], entry: dict[str, Any]) -> bool:
    """Return whether an entry of a report matches a requested componentVariable; a member left out matches anything."""
    for kind in ("component", "variable"):
        asked, told = member(wanted, kind), member(entry, kind)
        for name in ("name", "instance"):
            if name in asked and str(asked[name]).lower() != str(told.get(name)).lower():
                return False
        evse, its = member(asked, "evse"), member(told, "evse")
        if any(evse[name] != its.get(name) for name in evse if name in ("id", "connectorId")):
            return False
    return True


def kinds_of(asked: dict[str, Any]) -> list[str]:
    """Return the types of monitors that the criteria of a GetMonitoringReport select; empty for all types."""
    criteria = asked.get("monitoringCriteria")
    if type(criteria) is not list:
        return []
    return [kind for name in criteria[: len(MONITORS)] if type(name) is str for kind in MONITORS.get(name, ())]
