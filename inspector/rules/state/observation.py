"""Track since when the capture has all frames of a charge point, and when the charge point was connected.

A rule may report that a transaction, for example, is unknown only if the capture has all frames since some moment. This
moment is the first BootNotification in a session whose opening was seen. After a gap, a new BootNotification is needed.
"""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import Direction
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import seconds, string
from inspector.rules.rule import CLOSED, OPENED, V2X, Topic, call, event, result, track


class Observation(Topic):
    """Which part of a charge point's frames the capture has. Times are nanoseconds since 1970.

    Attributes:
        seen_since: the time of the BootNotification since which every frame was seen; None if frames are missing.
        timed: whether date-times in payloads can be compared with the times of frames.
        booted_at: the time of the last BootNotification CALL; None before the first.
        boots: how many BootNotification CALLs there were.
        opened_ns: the time when the latest session opened; None if its opening was not seen.
        offline_from_ns: the time when the previous session closed, if no other session was open then; otherwise None.
        connections: how many sessions there were.
        skew_s: how far the clock of a 2.x station differed in its latest StatusNotification; infinite before.
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
        self.skew_s = float("inf")
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
    def boot_answered(self, frame: Frame) -> None:
        # The charge point sets its clock to this time, so a message with a later timestamp was made after the boot.
        if self.seen_since is not None and self._told_s is None:
            self._told_s = seconds(string(frame.payload, "currentTime"))

    @track(call("StatusNotification"), versions=V2X)
    def timestamped(self, frame: Frame) -> None:
        told = seconds(string(frame.payload, "timestamp"))
        if told is not None:
            self.skew_s = abs(told - frame.ts_ns / 1e9)

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        self.seen_since = None

    def has_sent_all(self, session: SessionContext) -> bool:
        """Return whether no CALL of the charge point waits for its answer, and so none behind it waits to be sent."""
        return not session.protocol.correlation.open_calls(Direction.FROM_CHARGE_POINT)

    def has_seen_since(self, date_time_s: float | None) -> bool:
        """Return whether the capture has all frames since this time (in seconds since 1970; None for now)."""
        if self.seen_since is None:
            return False
        starts = [self._told_s] if self._told_s is not None else []
        if self.timed:
            starts.append(self.seen_since / 1e9)
        # Add a second, because many clocks round their times down to whole seconds.
        return date_time_s is None or not starts or date_time_s + 1 > min(starts)
