"""Judge whether a charge point sends something often enough, and whether its CSMS answers with the right time."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import Direction
from inspector.rules.context import AtClose, Moment, SessionContext
from inspector.rules.durations import duration, nanoseconds
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import (
    DEADLINE,
    OPENED,
    Faults,
    Topic,
    call,
    event,
    result,
    rule,
    track,
)
from inspector.rules.state.registration import Registration, RegistrationState
from inspector.rules.topics.rpc.timestamps import seconds

LENIENCE = 1.5
"""A charge point may send nothing for so many heartbeat intervals."""
DAY_S = 86_400.0
_STRICTLY_S = 0.001  # added to deadlines: a silence of exactly the limit is still allowed

_BOOT = {
    "1.6": '> [2,"b","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]',
    "2x": '> [2,"b","BootNotification",{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}]',
}
_ACCEPTED = '< [3,"b",{"status":"Accepted","currentTime":"%s","interval":60}]'
_NOON = "2026-01-01T12:00:00Z"


def _script(rest: str, time: str = _NOON) -> dict[str, str]:
    return {version: f"open\n{boot}\n{_ACCEPTED % time}\n{rest}" for version, boot in _BOOT.items()}


def _beats(*waits: str) -> str:
    """Return two Heartbeats, and a DataTransfer between them, with these times before and after it."""
    beat = '> [2,"%s","Heartbeat",{}]\n< [3,"%s",{"currentTime":"2026-01-01T12:00:00Z"}]\n'
    other = '> [2,"o","DataTransfer",{"vendorId":"V"}]\n< [3,"o",{"status":"Accepted"}]\n'
    return f"{beat % ('h', 'h')}{waits[0]}\n{other}{waits[1]}\n{beat % ('i', 'i')}"


class Heartbeat(Topic):
    """The rules about heartbeats on one WebSocket."""

    def setup(self) -> None:
        self._boot = self.session.topic(RegistrationState)
        self._due_ns: int | None = None  # monotonic time of the next deadline
        self._gap_ns = self.session.opened_at.mono_ns  # monotonic time since which every frame was seen
        self._told_ns: int | None = None  # monotonic time of the last message before the silence that was reported
        self._beat_ns = self._other_ns = self.session.opened_at.mono_ns
        self._regular_ns: int | None = None  # monotonic time of the latest Heartbeat

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        self.station.deadline(moment, DAY_S, self.daily, at_close=AtClose.DROPPED)
        self._listen(moment)

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        self._gap_ns = self._beat_ns = moment.mono_ns
        self.station.deadline(moment, DAY_S, self.daily, at_close=AtClose.DROPPED)

    @track(result("BootNotification", "ChangeConfiguration", "SetVariables", "GetConfiguration", "GetVariables"))
    def interval_told(self, frame: Frame) -> None:
        self._listen(frame)

    @rule(
        "heartbeat.not-reset",
        call("Heartbeat"),
        title="Heartbeats are sent at their interval although other messages are sent between them",
        severity=Severity.INFO,
        side=Side.CHARGE_POINT,
        spec="OCPP 1.6 §4.6; 2.x G02.FR.05",
        remedy="Restart the interval after each message: every message shows that the charge point is online.",
        bad=_script(_beats("+ 30s", "+ 30s")),
        good=_script(_beats("+ 30s", "+ 60s")),
    )
    def not_reset(self, frame: Frame) -> Faults:
        interval_s, last_ns = self._boot.heartbeat_s, self._regular_ns
        self._regular_ns = frame.mono_ns
        if self._boot.state is not Registration.ACCEPTED or not interval_s or last_ns is None:
            return None
        passed_s, after_s = ((frame.mono_ns - ns) / 1e9 for ns in (last_ns, self._other_ns))
        between = 0.1 * interval_s < after_s < 0.9 * interval_s and self._other_ns > last_ns
        if not between or abs(passed_s - interval_s) > 0.05 * interval_s:
            return None
        return Fault(
            f"a Heartbeat {duration(interval_s)} after the last one, but {after_s:.0f} s after another message"
        )

    @track(call("Heartbeat", "BootNotification"))
    def beat(self, frame: Frame) -> None:
        self._beat_ns = frame.mono_ns

    @track(call("TransactionEvent", "MeterValues", "StatusNotification", "NotifyEvent", "Authorize", "DataTransfer"))
    def other(self, frame: Frame) -> None:
        self._other_ns = frame.mono_ns

    @track(result("TriggerMessage"))
    def triggered(self, frame: Frame) -> None:
        self._regular_ns = None

    @track(event("ping", "pong"))
    def control_frame(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        """Count a ping or pong of the charge point as a sign of life.

        It can replace all heartbeats except for one a day (OCPP-J 1.6 section 5.3, 2.x section 5.2).
        """
        if detail.get("direction") == Direction.FROM_CHARGE_POINT:
            session.heard_ns = moment.mono_ns

    def _limit_s(self) -> float | None:
        boot = self._boot
        if boot.state is not Registration.ACCEPTED or not boot.heartbeat_s or boot.heartbeat_s < 0:
            return None  # an interval below 0 would be over again and again
        return LENIENCE * boot.heartbeat_s

    def _listen(self, since: Moment | Frame) -> None:
        """Set the deadline for the next message from the charge point; it replaces a later one."""
        limit_s = self._limit_s()
        if limit_s is not None:
            self._look_at(since, limit_s)

    def _look_at(self, since: Moment | Frame, seconds: float) -> None:
        due_ns = since.mono_ns + nanoseconds(seconds + _STRICTLY_S)
        if self._due_ns is None or due_ns < self._due_ns:
            self._due_ns = due_ns
            self.station.deadline(since, seconds + _STRICTLY_S, self.silent, at_close=AtClose.DROPPED)

    @rule(
        "heartbeat.gap",
        DEADLINE,
        title="A charge point is silent for longer than 1.5 heartbeat intervals",
        severity=Severity.WARNING,
        side=Side.CHARGE_POINT,
        spec="OCPP 1.6 §4.6; G02.FR.01, G02.FR.02, B01.FR.04",
        remedy="Send a Heartbeat whenever you have sent nothing else for the heartbeat interval.",
        bad=_script("+ 91s"),
        good=_script('+ 80s\n> [2,"d","DataTransfer",{"vendorId":"V"}]\n< [3,"d",{"status":"Accepted"}]\n+ 80s'),
    )
    def silent(self, moment: Moment) -> Faults:
        """Report that the charge point has sent nothing. Any frame or ping replaces a heartbeat (§4.6)."""
        if moment.mono_ns != self._due_ns:
            return None
        self._due_ns = None
        limit_s = self._limit_s()
        if limit_s is None or self.session not in self.station.sessions:
            return None
        heard_ns = max(self.session.heard_ns or 0, self._gap_ns)
        silent_s = (moment.mono_ns - heard_ns) / 1e9
        if silent_s <= limit_s:
            self._look_at(moment, limit_s - silent_s)
            return None
        self._look_at(self.station.last_passed(moment, limit_s + _STRICTLY_S), limit_s)
        if self._told_ns == heard_ns:
            return None
        self._told_ns = heard_ns
        return Fault(
            f"nothing was sent for {duration(limit_s)}; the heartbeat interval is {duration(limit_s / LENIENCE)}"
        )

    @rule(
        "heartbeat.daily",
        DEADLINE,
        title="No Heartbeat was sent for a day, so the clock was not set",
        severity=Severity.INFO,
        side=Side.CHARGE_POINT,
        spec="OCPP 1.6 §4.6, OCPP-J 1.6 §5.3; G02.FR.07",
        remedy="Send at least one Heartbeat every 24 hours, whatever else is sent.",
        bad="+ 25h",
        good='+ 20h\n> [2,"1","Heartbeat",{}]\n< [3,"1",{"currentTime":"2026-01-02T08:00:00Z"}]\n+ 20h',
    )
    def daily(self, moment: Moment) -> Faults:
        if self.session not in self.station.sessions:
            return None
        since_s = (moment.mono_ns - self._beat_ns) / 1e9
        if since_s < DAY_S:
            self.station.deadline(moment, DAY_S - since_s, self.daily, at_close=AtClose.DROPPED)
            return None
        last = self.station.last_passed(moment, DAY_S)
        self.station.deadline(last, DAY_S, self.daily, at_close=AtClose.DROPPED)
        days = 1 + (last.mono_ns - moment.mono_ns) // nanoseconds(DAY_S)
        return Fault(f"no Heartbeat for {since_s / 3600:.0f} hours", times=days)

    @rule(
        "clock.csms",
        result("BootNotification", "Heartbeat"),
        title="The CSMS's currentTime differs from the recorder's clock",
        severity=Severity.INFO,
        side=Side.CSMS,
        spec="OCPP 1.6 §4.2 and §4.6; B01.FR.06, G02.FR.03",
        remedy="Compare both clocks with a time server. `clock_skew_s` is the difference that is tolerated.",
        bad=_script("", "2026-01-01T13:00:00Z"),
        good=_script("", "2026-01-01T12:04:00Z"),
    )
    def csms_clock(self, frame: Frame) -> Faults:
        if not self.session.dated:
            return None
        told = frame.payload.get("currentTime")
        when = seconds(told) if type(told) is str else None
        if when is None:
            return None
        ahead_s = when - frame.ts_ns / 1e9
        if abs(ahead_s) <= self.settings.clock_skew_s:
            return None
        off = "ahead of" if ahead_s > 0 else "behind"
        return Fault(f"currentTime {told!r} is {duration(abs(ahead_s))} {off} the recorder's clock", "/2/currentTime")
