"""What shows after a monitor was refused, and whether the events of the time without a connection are delivered."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.durations import duration
from inspector.rules.fields import elements, integer, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, OPENED, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.topics.example_frames import NOW, cp, csms, script, variable_2x
from inspector.rules.topics.monitoring.installed import CUSTOM, POWER, InstalledMonitors, notified, number
from inspector.rules.topics.monitoring.monitors import monitored
from inspector.rules.topics.provisioning.variables_v2x import Item, item_of

_REFUSED = {"id": None, "status": "Rejected"}
_QUEUED = variable_2x("MonitoringCtrlr", "OfflineQueuingSeverity", "5")
_OFFLINE = ("close", "+ 10m", "open")


def _report(*, new: bool = False) -> str:
    origin = {"eventNotificationType": CUSTOM} if new else {}
    one = {"id": 1, "transaction": False, "value": 1000, "type": "UpperThreshold", "severity": 5, **origin}
    told = {"requestId": 7, "seqNo": 0, "generatedAt": NOW, "monitor": [{**POWER, "variableMonitoring": [one]}]}
    return csms("GetMonitoringReport", {"requestId": 7}) + cp("NotifyMonitoringReport", told).replace('"#"', '"part"')


type _Alike = tuple[Item, str | None, float | None, int | None]


class RefusedMonitors(Topic):
    """Rules about monitors that were refused, and about events while there is no connection."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._refused: Known[_Alike, None] = Known()
        self._installed = self.station.topic(InstalledMonitors)
        self._configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)
        self._told_s: Known[int, float] = Known()  # the latest time in an event of each periodic monitor

    @rule(
        "monitor.kept-after-all",
        call("NotifyMonitoringReport"),
        title="A monitor was refused, but the station reports it",
        severity=Severity.WARNING,
        spec="OCPP 2.x N04.FR.08",
        remedy="Answer Accepted for a monitor that you set, and set none that you refuse.",
        bad={
            "2.0.1": script(monitored(told=_REFUSED), _report()),
            "2.1": script(monitored(told=_REFUSED), _report(new=True)),
        },
        good={"2.0.1": script(monitored(), _report()), "2.1": script(monitored(), _report(new=True))},
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._refused,
    )
    def kept(self, frame: Frame) -> Faults:
        for index, entry in enumerate(elements(frame.payload, "monitor")):
            item = item_of(entry)
            for one in elements(entry, "variableMonitoring") if item is not None else ():
                assert item is not None
                alike = (item, string(one, "type"), number(one, "value"), integer(one, "severity"))
                if alike in self._refused and one.get("eventNotificationType") in (None, CUSTOM):
                    del self._refused[alike]
                    text = f"the {alike[1]} monitor of {item} was refused, but is reported"
                    return Fault(text, f"/3/monitor/{index}", key=f"{item} {alike[1]}")
        return None

    @track(result("SetVariableMonitoring"))
    def answered(self, frame: Frame) -> None:
        asked = elements(frame.request, "setMonitoringData")
        told = elements(frame.payload, "setMonitoringResult")
        if len(asked) != len(told):
            return
        for own, result_ in zip(asked, told, strict=True):
            item = item_of(own)
            if item is None or item_of(result_) != item or own.get("type") != result_.get("type"):
                continue
            alike = (item, string(own, "type"), number(own, "value"), integer(own, "severity"))
            self._refused.pop(alike, None)
            existed = any((one.item, one.kind) == (item, own.get("type")) for one in self._installed.monitors.values())
            if result_.get("status") == "Rejected" and not existed and "id" not in own:
                self._refused.note(alike, None)
        self.station.refresh_listeners()

    @rule(
        "event.not-queued",
        DEADLINE,
        title="The events of a periodic monitor from the time without a connection are missing",
        severity=Severity.WARNING,
        spec="OCPP 2.x N08.FR.03",
        remedy="Keep events whose severity number is at most MonitoringCtrlr.OfflineQueuingSeverity, and send them "
        "after the connection is back.",
        bad=script(_QUEUED, monitored("Periodic", value=60), *_OFFLINE, notified(trigger="Periodic"), "+ 3m"),
        good=script(
            _QUEUED,
            monitored("Periodic", value=60),
            *_OFFLINE,
            notified(trigger="Periodic", timestamp="2026-01-01T12:06:00Z"),
            "+ 3m",
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_queued(self, moment: Moment, own: int, begin_s: float, end_s: float, boots: int) -> Faults:
        one = self._installed.monitors.get(own)
        if one is None or boots != self._evidence.boots or self.session not in self.station.sessions:
            return None
        if self._told_s.get(own, 0.0) > begin_s:
            return None
        text = f"no event of monitor {own} is from the {duration(end_s - begin_s)} without a connection"
        return Fault(f"{text}; its value is {one.value or 0:g} seconds", key=str(own))

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        since_ns, queued = self._evidence.offline_from_ns, self._most()
        if since_ns is None or queued is None or not session.from_start or not self._evidence.timed:
            return
        begin_s, end_s = since_ns / 1e9, moment.ts_ns / 1e9
        for own, one in self._installed.monitors.items():
            if one.kind != "Periodic" or one.streamed or not one.value or one.severity is None:
                continue
            if one.severity <= queued and end_s - begin_s > 2 * one.value + self.settings.effect_timeout_s:
                wait = self.settings.effect_timeout_s
                self.station.deadline(moment, wait, self.not_queued, own, begin_s, end_s, self._evidence.boots)

    def _most(self) -> int | None:
        return self._configuration.variable_number("MonitoringCtrlr", "OfflineQueuingSeverity")

    @track(call("NotifyEvent"), dormant=lambda topic: not topic._installed.monitors)
    def raised(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "eventData"):
            own, at = integer(entry, "variableMonitoringId"), seconds(string(entry, "timestamp"))
            if own is None or at is None:
                continue
            offline_ns, opened_ns = self._evidence.offline_from_ns, self._evidence.opened_ns
            inside = offline_ns is not None and opened_ns is not None and offline_ns / 1e9 < at < opened_ns / 1e9
            if inside:
                self._told_s.note(own, at)
