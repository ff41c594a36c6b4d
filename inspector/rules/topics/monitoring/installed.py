"""Which monitors a station has, with their types and limits, as its frames say; judges nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.kit import Known
from inspector.rules.rule import OPENED, V2X, Topic, call, event, result, track
from inspector.rules.state.observation import Observation
from inspector.rules.topics.example_frames import NOW, Payload, cp
from inspector.rules.topics.provisioning.variables_v2x import Item, item_of

CUSTOM, HARD_WIRED, PRECONFIGURED = "CustomMonitor", "HardWiredMonitor", "PreconfiguredMonitor"
THRESHOLDS = frozenset({"UpperThreshold", "LowerThreshold"})
POWER: Payload = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}


class Monitor(NamedTuple):
    """A monitor as it was accepted or reported.

    `stable` says whether nothing was waiting to be sent when it was set, so that later events are about it as it is.
    """

    item: Item
    kind: str
    value: float | None
    severity: int | None
    origin: str | None  # CustomMonitor and so on, None where nothing says it
    place: Payload  # its component and variable
    streamed: bool
    set_s: float  # since 1970
    stable: bool


class Limits(NamedTuple):
    """What a report says of a variable."""

    least: float | None
    most: float | None
    monitored: bool
    write_only: bool


def characteristics(entry: Payload) -> str:
    """Return a NotifyReport of one variable, and its answer."""
    return cp("NotifyReport", {"requestId": 1, "generatedAt": NOW, "seqNo": 0, "reportData": [entry]})


def notified(kind: str = CUSTOM, **more: Any) -> str:
    """Return a NotifyEvent of monitor 1 on EVSE.Power, and its answer."""
    told: Payload = {"eventId": 1, "timestamp": NOW, "trigger": "Alerting", "actualValue": "1100", **POWER}
    told = {**told, "eventNotificationType": kind, "variableMonitoringId": 1, **more}
    return cp("NotifyEvent", {"generatedAt": NOW, "seqNo": 0, "eventData": [told]})


def number(entry: Payload, name: str) -> float | None:
    """Return a member that is a number."""
    value: Any = entry.get(name)
    return float(value) if type(value) in (int, float) and abs(value) < 1e15 else None


class InstalledMonitors(Topic):
    """The monitors of one station.

    Attributes:
        monitors: the monitors that exist, by id.
        before_boot: those that existed at the last boot; their ids may be others now.
        limits: what reports have said of variables.
        base: the monitoring base that was accepted last, with its time and whether nothing was waiting to be sent.
        custom: whether a monitor has been set since then.
        origins: the variable and the eventNotificationType of monitors that reports or events have named.
    """

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self.monitors: Known[int, Monitor] = Known()
        self.before_boot: Known[int, Monitor] = Known()
        self.limits: Known[Item, Limits] = Known()
        self.base: tuple[str, float, bool] | None = None
        self.custom = False
        self.origins: Known[int, tuple[Item, str]] = Known()
        self._evidence = self.station.topic(Observation)

    def accepted(self, frame: Frame) -> Iterator[tuple[int, Payload, Payload, Item]]:
        """Yield each accepted result of a SetVariableMonitoring: its index, its request, itself, and its variable."""
        asked = elements(frame.request, "setMonitoringData")
        for index, told in enumerate(elements(frame.payload, "setMonitoringResult")):
            item = item_of(told)
            if told.get("status") != "Accepted" or item is None:
                continue
            alike = [one for one in asked if one.get("type") == told.get("type") and item_of(one) == item]
            own = (
                asked[index]
                if index < len(asked) and asked[index] in alike
                else (alike[0] if len(alike) == 1 else None)
            )
            if own is not None:
                yield index, own, told, item

    @track(result("SetVariableMonitoring"))
    def set_by_csms(self, frame: Frame) -> None:
        stable = self._evidence.has_sent_all(self.session)
        for _, asked, told, item in self.accepted(frame):
            own, kind = integer(told, "id"), string(told, "type")
            if own is None or kind is None:
                continue
            severity, streamed = integer(told, "severity"), "periodicEventStream" in asked
            place = {"component": told.get("component"), "variable": told.get("variable")}
            at = frame.ts_ns / 1e9
            self._note(own, Monitor(item, kind, number(asked, "value"), severity, CUSTOM, place, streamed, at, stable))
            self.custom = True

    @track(call("NotifyMonitoringReport"))
    def reported(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "monitor"):
            item = item_of(entry)
            for one in elements(entry, "variableMonitoring") if item is not None else ():
                own, kind = integer(one, "id"), string(one, "type")
                if own is None or kind is None or item is None:
                    continue
                known, place = self.monitors.get(own), {name: entry.get(name) for name in ("component", "variable")}
                origin = string(one, "eventNotificationType")
                if origin is not None:
                    self.origins.note(own, (item, origin))
                if origin is None and known is not None and known.item == item and known.kind == kind:
                    origin = known.origin  # 2.0.1 does not report it
                streamed = known is not None and known.streamed
                severity, value = integer(one, "severity"), number(one, "value")
                at = frame.ts_ns / 1e9
                self._note(own, Monitor(item, kind, value, severity, origin, place, streamed, at, True))

    @track(call("NotifyEvent"))
    def raised(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "eventData"):
            origin = entry.get("eventNotificationType")
            if origin in (HARD_WIRED, PRECONFIGURED):
                own, item = integer(entry, "variableMonitoringId"), item_of(entry)
                if own is not None and item is not None:
                    if not self.origins:
                        self.station.refresh_listeners()
                    self.origins.note(own, (item, origin))

    @track(call("NotifyReport"))
    def characterized(self, frame: Frame) -> None:
        fresh = not self.limits
        for entry in elements(frame.payload, "reportData"):
            told = member(entry, "variableCharacteristics")
            least, most, can = number(told, "minLimit"), number(told, "maxLimit"), told.get("supportsMonitoring")
            attributes = elements(entry, "variableAttribute")
            actual = [one for one in attributes if one.get("type") in (None, "Actual")]
            hidden = any(one.get("mutability") == "WriteOnly" for one in actual)
            if least is None and most is None and can is not False and not hidden:
                continue
            item = item_of(entry)
            if item is not None:
                self.limits.note(item, Limits(least, most, can is not False, hidden))
        if fresh and self.limits:
            self.station.refresh_listeners()

    @track(result("ClearVariableMonitoring"))
    def cleared(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "clearMonitoringResult"):
            own = integer(entry, "id")
            if own is not None and entry.get("status") in ("Accepted", "NotFound"):
                self.monitors.pop(own, None)
                self.before_boot.clear()  # which of them it was is not known

    @track(result("SetMonitoringBase"))
    def based(self, frame: Frame) -> None:
        base = string(frame.request, "monitoringBase")
        if frame.payload.get("status") != "Accepted" or base is None:
            return
        self.base = (base, frame.ts_ns / 1e9, self._evidence.has_sent_all(self.session))
        self.custom = False
        if base != "All":
            self.monitors.clear()
            self.before_boot.clear()
        self.station.refresh_listeners()

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        for own, monitor in self.monitors.items():
            self.before_boot.note(own, monitor)
        self.monitors.clear()
        self.origins.clear()
        self.station.refresh_listeners()

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self._forget()

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        self._forget()

    def _forget(self) -> None:
        # Monitors may have been set and cleared unseen.
        self.monitors.clear()
        self.before_boot.clear()
        self.base = None
        self.station.refresh_listeners()

    def _note(self, own: int, monitor: Monitor) -> None:
        if not self.monitors:
            self.station.refresh_listeners()
        self.monitors.note(own, monitor)
