"""Find connections that are lost several times in a row after the same time.

A connection is lost if it ends without a close frame. The time that is equal each time shows the probable cause:
- since the last frame: a NAT or a load balancer drops idle connections;
- since a ping without a pong: the peer does not answer;
- since the connection was opened: something limits how long connections may last.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

from inspector.protocol.vocabulary import SIDE_NAMES, Direction
from inspector.rules.context import Moment, SessionContext
from inspector.rules.durations import duration
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import CLOSED, Faults, Topic, event, rule, track

LEAST_S = 10.0
"""Shorter times are ignored, because no network drops a connection so soon."""
PONG_S = 1.0
"""A ping counts as unanswered if there is no pong after so many seconds."""
TOLERANCE, TOLERANCE_S = 0.05, 2.0
"""Times count as equal if they differ by at most this share of their mean, or by at most so many seconds."""

_LIFE = 'open\n> [2,"%d","Heartbeat",{}]\n< [3,"%d",{"currentTime":"2026-01-01T12:00:00Z"}]\n+ %s\nclose\n+ 5s\n'


class Lost(NamedTuple):
    """How one connection was lost; times are in seconds."""

    lasted_s: float
    idle_s: float  # since the last frame of either side
    last_sender: Direction
    unanswered: Direction | None  # the side that had sent a ping which was not answered
    closed_by: str


class LostConnections(Topic):
    """The rule about connections that are lost regularly."""

    scope = "station"

    def setup(self) -> None:
        self._lost: deque[Lost] = deque(maxlen=max(2, self.settings.regular_drops))
        self._pinged: tuple[SessionContext, Direction, int] | None = None  # the last ping; None after a pong

    @track(event("ping"))
    def pinged(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        sender = detail.get("direction")
        if sender in set(Direction):
            self._pinged = session, Direction(sender), moment.mono_ns

    @track(event("pong"))
    def answered(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        self._pinged = None

    @rule(
        "link.regular-loss",
        CLOSED,
        title="Connections are repeatedly lost after the same time",
        severity=Severity.WARNING,
        side=Side.LINK,
        spec="",
        remedy="Look for the common cause: an idle time-out on the network path (set HeartbeatInterval or "
        "WebSocketPingInterval below it), a peer that does not answer pings, or a limit on the lifetime of a "
        "connection. `regular_drops` is the number of losses that count as regular.",
        bad="".join(_LIFE % (n, n, "60s") for n in range(4)),
        good="".join(_LIFE % (n, n, time) for n, time in enumerate(("60s", "7m", "25s", "2h"))),
        heuristic=True,
    )
    def regular(self, session: SessionContext, moment: Moment) -> Faults:
        facts = session.facts
        codes = {facts.get("cp_close_code"), facts.get("csms_close_code")} - {None, 1006}
        if codes or not session.frames or facts.get("timed") is False:
            self._lost.clear()
            return None
        last_ns = max(session.protocol.latest_ns, session.heard_ns or 0)
        pinged, self._pinged = self._pinged, None
        hung = pinged is not None and pinged[0] is session and moment.mono_ns - pinged[2] >= PONG_S * 1e9
        self._lost.append(
            Lost(
                (moment.mono_ns - session.opened_at.mono_ns) / 1e9,
                (moment.mono_ns - last_ns) / 1e9,
                Direction.FROM_CHARGE_POINT if session.heard_ns == last_ns else Direction.FROM_CSMS,
                pinged[1] if pinged is not None and hung else None,
                str(facts.get("closed_by") or "unknown"),
            )
        )
        return self._judge() if len(self._lost) == self._lost.maxlen else None

    def _judge(self) -> Faults:
        lost = list(self._lost)
        told = f"the last {len(lost)} connections were lost without a close frame"
        idle_s, life_s = _same([one.idle_s for one in lost]), _same([one.lasted_s for one in lost])
        after_s = idle_s if idle_s is not None else life_s
        if after_s is None:
            return None
        pinging = {one.unanswered for one in lost}
        if len(pinging) == 1 and (sender := lost[0].unanswered) is not None:
            silent = SIDE_NAMES[sender.opposite]
            text = f"{told}, {duration(after_s)} each after the last frame or the opening: a ping of the"
            text += f" {SIDE_NAMES[sender]} went unanswered each time, so the {silent} had fallen silent"
            return Fault(text, side=Side.sender(sender.opposite), key="ping")
        if idle_s is not None:
            senders = {one.last_sender for one in lost}
            of = f"frame of the {SIDE_NAMES[lost[0].last_sender]}" if len(senders) == 1 else "frame of either side"
            text = f"{told}, each {duration(idle_s)} after the last {of}: something on the way, such as a NAT or a load"
            return Fault(f"{text} balancer, forgets connections that are idle for so long", key="idle")
        enders = {one.closed_by for one in lost}
        who = f", ended by the {lost[0].closed_by}" if len(enders) == 1 and "unknown" not in enders else ""
        text = f"{told}, each {duration(after_s)} after it was opened{who}: something limits how long one may last"
        return Fault(text, key="life")


def _same(times_s: list[float]) -> float | None:
    """Return the mean of some times if they are about equal and long enough, otherwise None."""
    mean_s = sum(times_s) / len(times_s)
    alike = max(times_s) - min(times_s) <= max(TOLERANCE_S, TOLERANCE * mean_s)
    return mean_s if alike and mean_s >= LEAST_S else None
