"""Whether a device model report arrives as asked, in order and whole; knows nothing of what it reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.durations import duration
from inspector.rules.fields import integer
from inspector.rules.finding import ABSENT, Fault, Severity, Side
from inspector.rules.rule import DEADLINE, OPENED, V2X, Faults, Topic, call, event, refusal, result, rule, track
from inspector.rules.state.observation import Evidence

REPORTS_LIMIT = 200

_BOOT = """open {"from_start": true}
> [2,"b","BootNotification",{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}]
< [3,"b",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":86400}]
"""
_ASKED = '< [2,"r","GetBaseReport",{"requestId":7,"reportBase":"FullInventory"}]\n> [3,"r",{"status":"Accepted"}]\n'


def _part(sequence: int, more: bool, request: int = 7) -> str:
    return (
        f'> [2,"p{sequence}","NotifyReport",{{"requestId":{request},"generatedAt":"2026-01-01T12:00:00Z",'
        f'"seqNo":{sequence},"tbc":{"true" if more else "false"}}}]\n< [3,"p{sequence}",{{}}]\n'
    )


@dataclass(slots=True, eq=False)
class Report:
    """A report asked for; `latest` is its last part, or the answer that promised it, None before that."""

    session: SessionContext
    sequence: int | None = None  # seqNo of the last part
    whole: bool = False
    refused: bool = False
    latest: Frame | None = None


class Reports2x(Topic):
    """Rules about NotifyReport.

    Attributes:
        reports: those asked for, by requestId, oldest first; at most REPORTS_LIMIT.
    """

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self.reports: dict[int, Report] = {}
        self._evidence = self.station.topic(Evidence)

    @track(call("GetBaseReport", "GetReport"))
    def asked(self, frame: Frame) -> None:
        request = integer(frame.payload, "requestId")
        if request is None:
            return
        self.reports.pop(request, None)
        self.reports[request] = Report(self.session)
        if len(self.reports) > REPORTS_LIMIT:
            del self.reports[next(iter(self.reports))]

    @track(result("GetBaseReport", "GetReport"))
    def promised(self, frame: Frame) -> None:
        report = self._of(integer(frame.request, "requestId"))
        if report is None:
            return
        if frame.payload.get("status") != "Accepted":
            report.refused = True
        elif report.latest is None:
            report.latest = frame
            self.station.deadline(frame, self.settings.effect_timeout_s, self.not_whole, report, frame)

    @track(refusal("GetBaseReport", "GetReport"))
    def refused(self, frame: Frame) -> None:
        report = self._of(integer(frame.request, "requestId"))
        if report is not None:
            report.refused = True

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self.reports.clear()  # parts may have come unseen

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        self.reports.clear()

    def _of(self, request: int | None) -> Report | None:
        return self.reports.get(request) if request is not None else None

    @rule(
        "report.request",
        call("NotifyReport"),
        title="A report that was not asked for",
        severity=Severity.ERROR,
        spec="OCPP 2.x B07.FR.04, B07.FR.05, B08.FR.04",
        remedy="Repeat the requestId of the request in each part; send none for a request you have not accepted.",
        bad=_BOOT + _ASKED + _part(0, False, request=8),
        good=_BOOT + _ASKED + _part(0, False),
        versions=V2X,
        side=Side.CHARGE_POINT,
        catalogue="RPT",
    )
    def request(self, frame: Frame) -> Faults:
        request = integer(frame.payload, "requestId")
        if request is None:
            return None
        report = self.reports.get(request)
        if report is not None:
            if not report.refused:
                return None
            return Fault(f"a report for request {request}, which was not accepted", "/3/requestId", key=str(request))
        if self._evidence.seen_since is None or len(self.reports) >= REPORTS_LIMIT:
            return None
        return Fault(f"a report for request {request}; nobody has asked with that", "/3/requestId", key=str(request))

    @rule(
        "report.sequence",
        call("NotifyReport"),
        title="The parts of a report are not numbered 0, 1, 2 and so on",
        severity=Severity.ERROR,
        spec="OCPP 2.x B07.FR.10, B08.FR.14",
        remedy="Give the first part seqNo 0 and each next one 1 more; end with the part that has tbc false.",
        bad=_ASKED + _part(0, True) + _part(2, False),
        good=_ASKED + _part(0, True) + _part(1, False),
        versions=V2X,
        side=Side.CHARGE_POINT,
        catalogue="RPT",
    )
    def sequence(self, frame: Frame) -> Faults:
        sequence, request = integer(frame.payload, "seqNo"), integer(frame.payload, "requestId")
        report = self._of(request)
        if sequence is None or report is None or report.refused:
            return None
        before, ended, previous = report.sequence, report.whole, report.latest
        report.sequence, report.latest = sequence, frame
        report.whole = frame.payload.get("tbc") is not True
        expected = 0 if before is None else before + 1
        if sequence == expected and not ended:
            return None
        if sequence == before and previous is not None and previous.payload == frame.payload:
            return None  # the same part, sent again because its answer stayed out
        why = "the report had ended" if ended else f"{expected} is next"
        return Fault(f"seqNo {sequence} in the report for request {request}; {why}", "/3/seqNo", key=str(request))

    @rule(
        "report.unfinished",
        DEADLINE,
        title="A report has no last part",
        severity=Severity.WARNING,
        spec="OCPP 2.x B07.FR.03, B08.FR.03",
        remedy="Send all parts; the last one has tbc false or leaves it out.",
        bad=_ASKED + _part(0, True) + "+ 5m",
        good=_ASKED + _part(0, True) + _part(1, False) + "+ 5m",
        versions=V2X,
        side=Side.CHARGE_POINT,
        catalogue="RPT",
    )
    def not_whole(self, moment: Moment, report: Report, latest: Frame) -> Faults:
        if report.whole or report not in self.reports.values() or report.session not in self.station.sessions:
            return None
        wait = self.settings.effect_timeout_s
        if report.latest is not latest and report.latest is not None:
            self.station.deadline(report.latest, wait, self.not_whole, report, report.latest)
            return None
        number = next(request for request, one in self.reports.items() if one is report)
        what = "no part" if report.sequence is None else f"no part after seqNo {report.sequence}"
        return Fault(
            f"{what} of the report for request {number} within {duration(wait)}", frame=ABSENT, key=str(number)
        )
