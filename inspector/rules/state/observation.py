"""Since when everything of a charge point has been seen, and when it was connected; judges nothing.

A rule that calls something unknown needs to have seen everything from its beginning. A capture has, from the
first BootNotification in a WebSocket it saw opening: what the charge point reports from then on and has never
mentioned before is new. A gap of the recorder ends that.
"""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import Direction
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import seconds, string
from inspector.rules.rule import CLOSED, OPENED, Topic, call, event, result, track


class Evidence(Topic):
    """What the rules about transactions may take for granted.

    Attributes:
        seen_since: wall-clock nanoseconds since which every frame has been seen, from a boot on; None if not.
        timed: whether the capture tells when its frames were sent, so that date-times can be held against them.
        booted_at: wall-clock nanoseconds of the last BootNotification CALL, None before the first.
        boots: how many BootNotification CALLs there were.
        opened_ns: wall-clock nanoseconds when the latest WebSocket opened, None for a capture begun in mid-session.
        offline_from_ns: when the WebSocket before the latest one closed, with no other open; None if none did.
        connections: how many WebSockets there were.
    """

    scope = "station"

    def setup(self) -> None:
        self.seen_since: int | None = None
        self.timed = True
        self._told_s: float | None = None
        self.booted_at: int | None = None
        self.boots = 0
        self.opened_ns: int | None = None
        self.offline_from_ns: int | None = None
        self.connections = 0
        self._closed_ns: int | None = None

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        self.connections += 1
        self.timed = session.dated
        self.opened_ns = moment.ts_ns if session.from_start else None
        self.offline_from_ns, self._closed_ns = self._closed_ns, None
        if not session.from_start:
            self.seen_since = None

    @track(CLOSED)
    def closed(self, session: SessionContext, moment: Moment) -> None:
        if all(other is session for other in self.station.sessions):
            self._closed_ns = moment.ts_ns

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self.boots += 1
        self.booted_at = frame.ts_ns
        if self.seen_since is None and self.session.from_start and not self.session.facts.get("unseen"):
            self.seen_since, self._told_s = frame.ts_ns, None

    @track(result("BootNotification"))
    def told(self, frame: Frame) -> None:
        # The charge point sets its clock by this answer; what it dates later has happened after the boot.
        if self.seen_since is not None and self._told_s is None:
            self._told_s = seconds(string(frame.payload, "currentTime"))

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        self.seen_since = None

    def told_all(self, session: SessionContext) -> bool:
        """Whether a charge point has told what it has to tell: no CALL of it waits for its answer, none behind that."""
        return not session.protocol.correlation.open_calls(Direction.FROM_CHARGE_POINT)

    def has_seen(self, date_time_s: float | None) -> bool:
        """Whether what happened at this time (seconds since 1970, None: now) was seen from its beginning."""
        if self.seen_since is None:
            return False
        starts = [self._told_s] if self._told_s is not None else []
        if self.timed:
            starts.append(self.seen_since / 1e9)
        # Many clocks tell whole seconds only, cut off.
        return date_time_s is None or not starts or date_time_s + 1 > min(starts)
