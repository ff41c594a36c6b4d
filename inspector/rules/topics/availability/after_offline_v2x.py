"""Judge which statuses a 2.x station reports after it has reconnected."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment, SessionContext
from inspector.rules.durations import duration
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import ABSENT, Fault, Severity, Side
from inspector.rules.rule import DEADLINE, OPENED, V2X, Faults, Topic, call, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.example_frames import cp, script, status_2x, variable_2x

_KNOWN = variable_2x("OCPPCommCtrlr", "OfflineThreshold", "60")
_OTHER = cp("DataTransfer", {"vendorId": "V"}, {"status": "Accepted"})
_BACK = 'open {"from_start": true}'


class AfterOffline2x(Topic):
    """The rules about statuses after a time without connection. They run before Evses2x is updated."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._evidence = self.station.topic(Observation)
        self._before: dict[tuple[int, int], str] = {}  # the last status of each connector before the reconnect
        self._reported: set[tuple[int, int]] = set()
        self._short = False  # whether the time without connection was at most OfflineThreshold
        self._listening = False

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        since, known = self._evidence.offline_from_ns, self.station.topic(Evses2x).connectors
        most = self.station.topic(ConfigurationState).variable_number("OCPPCommCtrlr", "OfflineThreshold")
        self._listening = bool(since is not None and most is not None and known and session.from_start)
        if not self._listening or since is None or most is None:
            return
        offline = (moment.ts_ns - since) / 1e9
        self._short, self._before, self._reported = offline <= most, dict(known), set()
        wait = self.settings.status_after_boot_s
        connections, boots = self._evidence.connections, self._evidence.boots
        self.station.deadline(moment, wait, self.done, connections, boots, offline)
        self.station.deadline(moment, wait, self.unreported, connections, boots, offline, at_close=AtClose.LATE)

    @track(DEADLINE)
    def done(self, moment: Moment, connections: int, boots: int, offline: float) -> None:
        if self._evidence.connections == connections:
            self._listening = False
            self.station.refresh_listeners()

    @rule(
        "status.after-offline",
        DEADLINE,
        title="A connector is not reported after a long time without connection",
        severity=Severity.WARNING,
        spec="OCPP 2.x B04.FR.01",
        remedy="After more than OfflineThreshold without connection, report the status of every connector.",
        bad=script(_KNOWN, status_2x("Available"), "close", "+ 5m", _BACK, _OTHER, "+ 5m"),
        good=script(_KNOWN, status_2x("Available"), "close", "+ 5m", _BACK, status_2x("Available"), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unreported(self, moment: Moment, connections: int, boots: int, offline: float) -> Faults:
        if self._short or self._evidence.boots != boots or self._evidence.connections != connections:
            return None
        left = sorted(self._before.keys() - self._reported)
        if not left or self.session not in self.station.sessions:
            return None
        place = f"connector {left[0][1]} of EVSE {left[0][0]}"
        text = f"{place} is not reported; the station was {duration(offline)} without connection"
        return Fault(text, frame=ABSENT, key=place)

    @rule(
        "status.unchanged-after-offline",
        call("StatusNotification", "NotifyEvent"),
        title="A status that has not changed is reported after a short time without connection",
        severity=Severity.WARNING,
        spec="OCPP 2.x B04.FR.02",
        remedy="After OfflineThreshold or less without connection, report only connectors whose status has changed.",
        bad=script(_KNOWN, status_2x("Available"), "close", "+ 9s", _BACK, status_2x("Available")),
        good=script(_KNOWN, status_2x("Available"), "close", "+ 9s", _BACK, status_2x("Occupied")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._listening,
    )
    def unchanged(self, frame: Frame) -> Faults:
        if self._evidence.booted_at is not None and self._evidence.booted_at >= (self._evidence.opened_ns or 0):
            return None  # after a boot, a station reports the status of all connectors
        place = integer(frame.payload, "evseId"), integer(frame.payload, "connectorId")
        told = [(*place, frame.payload.get("connectorStatus"))]
        if frame.action == "NotifyEvent":
            told = []
            for entry in elements(frame.payload, "eventData"):
                evse = member(member(entry, "component"), "evse")
                if string(member(entry, "variable"), "name") == "AvailabilityState":
                    told.append((integer(evse, "id"), integer(evse, "connectorId"), entry.get("actualValue")))
        for number, connector, status in told:
            if number is None or connector is None:
                continue
            again = (number, connector) in self._reported
            self._reported.add((number, connector))
            if self._short and not again and self._before.get((number, connector)) == status:
                text = f"connector {connector} of EVSE {number} was {str(status)[:20]} before, too"
                return Fault(text, "/3", key=f"{number} {connector}")
        return None
