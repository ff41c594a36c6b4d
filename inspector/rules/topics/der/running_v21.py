"""Judge what a 2.1 station reports about its DER controls: their list, their start and stop, and alarms."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, integer, string
from inspector.rules.finding import ABSENT, Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, OPENED, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.topics.der.controls_v21 import SETTINGS
from inspector.rules.topics.der.known_v21 import FOREVER, DerControl, KnownControls, control, read, settings
from inspector.rules.topics.example_frames import NOW, Payload, cp, csms, script

LONGEST_S = 7 * 86400.0
"""There is no deadline for a start or stop of a control that is more than so many seconds (a week) away."""
_LATER, _LAST = "2026-01-01T12:10:00Z", "2026-01-01T12:20:00Z"


def asked(**criteria: object) -> str:
    """Return a GetDERControl and its answer Accepted."""
    return csms("GetDERControl", {"requestId": 1, **criteria})


def reported(number: str = "c1", *, default: bool = True, **more: object) -> str:
    """Return a ReportDERControl with a FixedVar control."""
    told = {"id": number, "isDefault": default, "isSuperseded": False, **settings("FixedVar", priority=1, **more)}
    return cp("ReportDERControl", {"requestId": 1, "fixedVar": [told]})


def scheduled(number: str = "c1", start: str = _LATER, **more: object) -> str:
    """Return a SetDERControl with a control that lasts ten minutes, and its answer."""
    return control(number, isDefault=False, startTime=start, duration=600, **more)  # type: ignore[arg-type]


def started(number: str = "c1", begun: bool = True, *superseded: str, when: str = NOW) -> str:
    """Return a NotifyDERStartStop and its answer."""
    more = {"supersededIds": list(superseded)} if superseded else {}
    return cp("NotifyDERStartStop", {"controlId": number, "started": begun, "timestamp": when, **more})


def alarm(kind: str = "HVMustTrip", fault: str = "OverVoltage", ended: bool | None = None) -> str:
    """Return a NotifyDERAlarm and its answer."""
    more = {"alarmEnded": ended} if ended is not None else {}
    return cp("NotifyDERAlarm", {"controlType": kind, "gridEventFault": fault, "timestamp": NOW, **more})


def _listed(payload: Payload) -> Iterator[tuple[str, Payload, str | None]]:
    """Yield each control of a report, as (JSON pointer, control, type)."""
    names = {member_name: kind for kind, member_name in SETTINGS.items()}
    for name in (*names, "curve"):
        for index, one in enumerate(elements(payload, name)):
            yield f"/3/{name}/{index}", one, names.get(name) or string(one, "curveType")


class DerReports21(Topic):
    """The rules about reports, starts and stops, and alarms."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._asked: Known[int, tuple[Payload, set[str]]] = Known()  # by requestId: criteria, and missing control ids
        self._started: Known[str, None] = Known()  # ids of controls whose start was reported, but no stop
        self._superseded: Known[str, None] = Known()  # controls that the station has called so
        self._told: Known[tuple[str, bool], None] = Known()  # reported starts (True) and stops (False), by control id
        self._alarm: tuple[str, str] | None = None  # the type and fault of the current alarm
        self._known = self.station.topic(KnownControls)
        self._evidence = self.station.topic(Observation)

    @track(call("GetDERControl"))
    def requested(self, frame: Frame) -> None:
        number, now = integer(frame.payload, "requestId"), frame.ts_ns / 1e9 + self.settings.clock_skew_s
        if number is not None:
            matching = self._known.matching(frame.payload)
            lasting = {one.number for one in matching if one.ends > now and not self._known.alike(one)}
            self._asked.note(number, (frame.payload, lasting))

    @rule(
        "der.report",
        call("ReportDERControl"),
        title="A report of DER controls does not have those that were requested",
        severity=Severity.WARNING,
        spec="OCPP 2.1 R04.FR.03, R04.FR.06, R04.FR.10, R04.FR.33, R04.FR.34, R04.FR.35, R04.FR.37",
        remedy="Report all controls that match isDefault, controlType and controlId of the request, and no others. "
        "Delete controls that have expired.",
        bad=script(control(), asked(controlType="FixedVar"), reported("c2", default=False)),
        good=script(control(), asked(controlType="FixedVar"), reported("c1")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def report(self, frame: Frame) -> Faults:
        request = self._asked.get(integer(frame.payload, "requestId") or 0)
        if request is None:
            return None
        criteria, missing = request
        now = frame.ts_ns / 1e9 - min(self.settings.clock_skew_s, self._evidence.skew_s + 10)
        for pointer, one, kind in _listed(frame.payload):
            number = string(one, "id") or ""
            missing.discard(number)
            if criteria.get("controlId") not in (None, number):
                return Fault(f"control {number[:36]!r} was not requested", pointer, key="id")
            if kind is not None and criteria.get("controlType") not in (None, kind):
                return Fault(f"a control of type {kind[:30]} was not requested", pointer, key="type")
            if "isDefault" in one and criteria.get("isDefault") not in (None, one["isDefault"]):
                return Fault(f"control {number[:36]!r} was not requested: isDefault differs", pointer, key="isDefault")
            known = self._known.controls.get(number)
            if known is None and number in self._known.cleared:
                return Fault(f"control {number[:36]!r} was cleared", pointer, key="cleared")
            if one.get("isSuperseded") is False and number in self._superseded:
                text = f"isSuperseded of control {number[:36]!r} is false, but it was superseded"
                return Fault(text, f"{pointer}/isSuperseded", key="superseded")
            if known is not None and not known.default and known.ends < now and self._evidence.timed:
                return Fault(f"control {number[:36]!r} has expired", pointer, key="expired")
        if frame.payload.get("tbc") is True:
            return None
        left = sorted(missing & self._known.controls.keys())
        missing.clear()
        return (
            Fault(f"control {left[0][:36]!r} was accepted, but is not reported", "/3", key="missing") if left else None
        )

    @rule(
        "der.not-notified",
        DEADLINE,
        title="The start or the end of a scheduled DER control is not reported",
        severity=Severity.WARNING,
        spec="OCPP 2.1 R04.FR.20, R04.FR.21, R04.FR.22",
        remedy="Send NotifyDERStartStop at the startTime of a scheduled control, and when its duration is over.",
        bad=script(scheduled(), "+ 30m"),
        good=script(scheduled(), "+ 10m", started(when=_LATER), "+ 10m", started("c1", False, when=_LAST), "+ 10m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def not_notified(self, moment: Moment, one: DerControl, begun: bool, frame: Frame, connections: int) -> Faults:
        if self._known.controls.get(one.number) is not one or (one.number, begun) in self._told:
            return None
        if self._evidence.connections != connections or self.session not in self.station.sessions:
            return None
        if self._known.alike(one):
            return None  # one of the two may replace the other
        what = "start" if begun else "end"
        text = f"control {one.number[:36]!r} was to {what}, but no NotifyDERStartStop has said so"
        return Fault(text, frame=ABSENT, key=f"{one.number[:36]} {what}")

    @track(result("SetDERControl"))
    def accepted(self, frame: Frame) -> None:
        now = frame.ts_ns / 1e9
        one = self._known.controls.get(string(frame.request, "controlId") or "")
        if frame.payload.get("status") == "Accepted":
            self._superseded.pop(string(frame.request, "controlId") or "", None)
            self._supersede(frame.payload)
        if one is None or one != read(frame.request, now) or one.default or not self._evidence.timed:
            return
        self._told.pop((one.number, True), None)
        self._told.pop((one.number, False), None)
        late = min(self.settings.clock_skew_s, self._evidence.skew_s + 10) + self.settings.effect_timeout_s
        for when, begun in ((one.begins, True), (one.ends, False)):
            if now < when < min(now + LONGEST_S, FOREVER):
                wait = when - now + late
                self.station.deadline(frame, wait, self.not_notified, one, begun, frame, self._evidence.connections)

    @rule(
        "der.superseded-start",
        call("NotifyDERStartStop"),
        title="The start of a DER control does not name the active control that it supersedes",
        severity=Severity.WARNING,
        spec="OCPP 2.1 R04.FR.21",
        remedy="Give supersededIds with the active control of the same type that has a higher priority value.",
        bad=script(scheduled("c1", NOW, priority=5), started(), scheduled("c2"), started("c2")),
        good=script(scheduled("c1", NOW, priority=5), started(), scheduled("c2"), started("c2", True, "c1")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def superseded_start(self, frame: Frame) -> Faults:
        one = self._known.controls.get(string(frame.payload, "controlId") or "")
        if one is None or one.default or frame.payload.get("started") is not True:
            return None
        told = frame.payload.get("supersededIds")
        for other in self._known.alike(one):
            if other.priority > one.priority and other.number in self._started:
                if type(told) is list and other.number in told:
                    continue
                text = f"control {other.number[:36]!r} was active, but is not in supersededIds"
                return Fault(text, "/3", key=other.number[:36])
        return None

    @rule(
        "der.superseded-runs",
        call("NotifyDERStartStop"),
        title="A DER control starts although it was superseded",
        severity=Severity.ERROR,
        spec="OCPP 2.1 R04.FR.09",
        remedy="Do not execute a control whose isSuperseded is true.",
        bad=script(scheduled("c1", priority=5), scheduled("c2", superseded=["c1"]), started("c1")),
        good=script(scheduled("c1", priority=5), scheduled("c2", superseded=["c1"]), started("c2")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def superseded_runs(self, frame: Frame) -> Faults:
        number = string(frame.payload, "controlId") or ""
        if frame.payload.get("started") is not True or number not in self._superseded:
            return None
        return Fault(f"control {number[:36]!r} starts, but it was superseded", "/3/controlId", key=number[:36])

    @rule(
        "der.default-runs",
        call("NotifyDERStartStop"),
        title="A default DER control starts or stops against a scheduled one",
        severity=Severity.WARNING,
        spec="OCPP 2.1 R04.FR.04, R04.FR.11",
        remedy="Execute the default control whenever no scheduled control of its type is active, and only then.",
        bad=script(control("c0"), scheduled("c1", NOW), started("c1"), started("c0")),
        good=script(control("c0"), scheduled("c1", NOW), started("c1"), started("c1", False), started("c0")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def default_runs(self, frame: Frame) -> Faults:
        one, begun = self._known.controls.get(string(frame.payload, "controlId") or ""), frame.payload.get("started")
        if one is None or not one.default or type(begun) is not bool:
            return None
        others = [other for other in self._known.controls.values() if not other.default and other.kind == one.kind]
        now, skew = frame.ts_ns / 1e9, self.settings.clock_skew_s
        active = [other for other in others if other.number in self._started and other.active(now + skew)]
        if begun and active and self._evidence.timed:
            text = f"the default control {one.number[:36]!r} starts, but {active[0].number[:36]!r} is active"
            return Fault(text, "/3/controlId", key=one.number[:36])
        due = any(other.begins <= now + skew and other.ends >= now - skew for other in others)
        if begun or due or one.number in self._superseded or self._known.alike(one):
            return None
        if self._evidence.seen_since is not None and self._evidence.timed:
            text = f"the default control {one.number[:36]!r} stops, but no scheduled control is active"
            return Fault(text, "/3/controlId", key=one.number[:36])
        return None

    @track(call("NotifyDERStartStop"))
    def notified(self, frame: Frame) -> None:
        number, begun = string(frame.payload, "controlId"), frame.payload.get("started")
        if number is None or type(begun) is not bool:
            return
        self._told.note((number, begun), None)
        self._started.pop(number, None)
        if begun:
            self._started.note(number, None)
        self._supersede(frame.payload)

    def _supersede(self, payload: Payload) -> None:
        gone = payload.get("supersededIds")
        for name in gone if type(gone) is list else ():
            if type(name) is str:
                self._started.pop(name, None)
                self._superseded.note(name, None)

    @rule(
        "der.alarm",
        call("NotifyDERAlarm"),
        title="DER alarms do not follow one another",
        severity=Severity.WARNING,
        spec="OCPP 2.1 R05.FR.01, R05.FR.02, R05.FR.03, R05.FR.04",
        remedy="Report an alarm once, report another control that takes over, and end only the latest alarm.",
        bad=script(alarm(), alarm("LVMustTrip", "UnderVoltage"), alarm("HVMustTrip", "OverVoltage", ended=True)),
        good=script(alarm(), alarm("LVMustTrip", "UnderVoltage"), alarm("LVMustTrip", "UnderVoltage", ended=True)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def alarmed(self, frame: Frame) -> Faults:
        kind, fault = string(frame.payload, "controlType") or "", string(frame.payload, "gridEventFault")
        before = self._alarm
        if frame.payload.get("alarmEnded") is True:
            self._alarm = None
            if before is not None and before[0] != kind:
                text = f"the alarm of {kind[:30]} has ended, but that of {before[0][:30]} is on"
                return Fault(text, "/3/controlType", key=kind[:30])
            if before is not None and fault is not None and before[1] not in ("", fault):
                text = f"the alarm ends with {fault[:30]}; it began with {before[1][:30]}"
                return Fault(text, "/3/gridEventFault", key="other fault")
            if before is None and self._evidence.seen_since is not None and self._evidence.boots == 1:
                return Fault("an alarm ends that has not begun", "/3", key="not begun")
            return Fault("the alarm ends without gridEventFault", "/3", key="ended") if fault is None else None
        self._alarm = (kind, fault or "")
        if fault is None:
            return Fault("an alarm without gridEventFault", "/3", key="fault")
        if before == self._alarm:
            text = f"the alarm of {kind[:30]} is on already"
            return Fault(text, "/3/controlType", key="twice")
        return None

    @track(result("ClearDERControl"))
    def cleared(self, frame: Frame) -> None:
        self._superseded.clear()  # those that the cleared ones superseded may run again

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self._asked.clear()
            self._started.clear()
            self._superseded.clear()
            self._alarm = None
