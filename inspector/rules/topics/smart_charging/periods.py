"""Judge whether the periods of a charging schedule begin within its duration, whichever side sends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.durations import duration
from inspector.rules.fields import elements, integer
from inspector.rules.finding import Fault, Severity
from inspector.rules.rule import Faults, Topic, call, result, rule

DEEPEST = 6
"""Schedules are searched for in so many levels of a payload; a schedule in a list of profiles is the deepest."""

_SENT = ("SetChargingProfile", "RequestStartTransaction")
_COMPOSITE = {
    "1.6": '< [2,"g","GetCompositeSchedule",{"connectorId":1,"duration":60}]\n'
    '> [3,"g",{"status":"Accepted","connectorId":1,"chargingSchedule":{"duration":60,"chargingRateUnit":"A",'
    '"chargingSchedulePeriod":[{"startPeriod":0,"limit":16.0},{"startPeriod":%d,"limit":20.0}]}}]',
    "2x": '< [2,"g","GetCompositeSchedule",{"evseId":1,"duration":60}]\n'
    '> [3,"g",{"status":"Accepted","schedule":{"evseId":1,"duration":60,"scheduleStart":"2026-01-01T12:00:00Z",'
    '"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":16.0},{"startPeriod":%d,"limit":20.0}]}}]',
}


class SchedulePeriods(Topic):
    """The rule about periods and duration of a schedule."""

    @rule(
        "profile.period-after-end",
        call("SetChargingProfile", "RemoteStartTransaction", "RequestStartTransaction"),
        call("NotifyChargingLimit", "NotifyEVChargingSchedule", "ReportChargingProfiles"),
        result("GetCompositeSchedule"),
        title="A period of a charging schedule begins when the schedule is over",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §7.13 and §7.14; OCPP 2.x part 2, ChargingScheduleType",
        remedy="Leave out periods that begin at or after the end of the schedule's duration.",
        bad={version: script % 1006632455 for version, script in _COMPOSITE.items()},
        good={version: script % 30 for version, script in _COMPOSITE.items()},
    )
    def after_end(self, frame: Frame) -> Faults:
        faults = []
        place = "/3" if frame.answer_status is None else "/2"
        for pointer, schedule in _schedules(frame.payload, place, DEEPEST):
            lasts = integer(schedule, "duration")
            if lasts is None:
                continue
            for index, period in enumerate(elements(schedule, "chargingSchedulePeriod")):
                start = integer(period, "startPeriod")
                if start is None or start < lasts or start == 0:
                    continue
                # The CSMS may send such periods: K01.FR.11 says what a station does with them.
                sent = frame.action in _SENT and self.session.version is not OcppVersion.V16
                severity = Severity.INFO if start == lasts or sent else None
                text = f"a period begins after {start} s; the schedule lasts {duration(lasts)}"
                at = f"{pointer}/chargingSchedulePeriod/{index}/startPeriod"
                faults.append(Fault(text, at, severity=severity, key="at the end" if severity else ""))
        return faults


def _schedules(value: Any, pointer: str, levels: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each object with periods, as (JSON pointer, object)."""
    if levels == 0:
        return
    if type(value) is dict:
        if "chargingSchedulePeriod" in value:
            yield pointer, value
            return
        for name, member in value.items():
            if type(member) in (dict, list):
                yield from _schedules(member, f"{pointer}/{name}", levels - 1)
    elif type(value) is list:
        for index, element in enumerate(value):
            yield from _schedules(element, f"{pointer}/{index}", levels - 1)
