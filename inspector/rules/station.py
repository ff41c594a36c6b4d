"""Keep the state of one charge point across its sessions: the topics of scope "station" and the deadlines."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any, Protocol

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import Direction
from inspector.rules.context import LATE_S, AtClose, Moment, SessionContext, TopicState
from inspector.rules.durations import nanoseconds
from inspector.rules.finding import Fault, Finding
from inspector.rules.rule import Rule
from inspector.rules.settings import Settings

_LATE_NS = nanoseconds(LATE_S)


class JudgedSession(SessionContext, Protocol):
    """What a Station needs from its sessions; implemented by `inspector.rules.judge.SessionJudge`."""

    def forget(self) -> None:
        """Drop the state of the session's topics."""

    def refresh_listeners(self) -> None:
        """Forget which checks to call, so that they are determined again."""

    def report(
        self,
        rule: Rule | None,
        faults: Fault | list[Fault],
        frame: Frame | None,
        moment: Moment | None,
        found: list[Finding],
    ) -> None:
        """Make findings from faults and append them to `found`; see `SessionJudge`."""


class Station:
    """One charge point with all its sessions."""

    def __init__(self, charge_point_id: str, settings: Settings) -> None:
        self.charge_point_id = charge_point_id
        self.settings = settings
        self.sessions: list[JudgedSession] = []  # the open sessions, oldest first
        self.refused: list[Moment] = []  # the latest failed attempts to connect
        self.attempts: Any = None  # the SessionJudge that judges failed attempts to connect; its session never opens
        self.topics: dict[type[Any], Any] = {}
        self.deadlines: list[
            tuple[int, int, Moment, JudgedSession, Callable[..., Any], tuple[Any, ...], AtClose, int]
        ] = []  # the last item: from which monotonic time on AtClose.LATE counts
        self._serial = itertools.count()
        self._now_ns = 0  # monotonic; deadlines up to this time have fired
        self.judging: JudgedSession | None = None

    @property
    def current(self) -> JudgedSession:
        """The session whose frame, event or deadline is being judged."""
        assert self.judging is not None, "asked for the current session outside of judging"
        return self.judging

    def deadline(
        self,
        after: Moment | Frame,
        seconds: float,
        check: Callable[..., Any],
        *given: Any,
        at_close: AtClose = AtClose.WAITS,
    ) -> None:
        """Call `check(moment, *given)` once `seconds` have passed since `after`.

        A deadline cannot be cancelled: the check must find out whether it still applies. `check` is a bound method of a
        topic with the decorator `@rule(..., DEADLINE)` or `@track(DEADLINE)`. `at_close` says what happens if the
        session that set the deadline closes first.
        """
        span = nanoseconds(seconds)
        due = Moment(after.mono_ns + span, after.ts_ns + span)
        late_ns = after.mono_ns + min(span, _LATE_NS)
        entry = (due.mono_ns, next(self._serial), due, self.current, check, given, at_close, late_ns)
        heapq.heappush(self.deadlines, entry)

    def last_passed(self, moment: Moment, seconds: float) -> Moment:
        """Return the latest of `moment`, `moment` + `seconds`, `moment` + 2 × `seconds`, … that has passed.

        A check that repeats itself uses this to skip repetitions when the clock jumps, even by years.
        """
        span = nanoseconds(seconds)
        passed_ns = max((self._now_ns - moment.mono_ns) // span, 0) * span
        return Moment(moment.mono_ns + passed_ns, moment.ts_ns + passed_ns)

    def forget(self) -> None:
        """Drop the state of every topic and all deadlines, because frames that may have changed them are missing."""
        self.topics.clear()
        self.deadlines.clear()
        for session in self.sessions:
            session.forget()

    def refresh_listeners(self) -> None:
        """Determine again which checks are dormant. A topic calls this when the result may have changed."""
        for session in self.sessions:
            session.refresh_listeners()

    def end_deadlines_of(self, session: JudgedSession, moment: Moment, found: list[Finding]) -> None:
        """Fire or drop the deadlines of a closed session as their `AtClose` says."""
        facts = session.facts
        until_ns = moment.mono_ns
        if facts.get("closed_by") == "charge-point" and facts.get("cp_close_code") is None:
            # The connection was lost, perhaps long before this showed: it may send what it owes after it reconnects.
            until_ns = session.heard_ns or 0
        # While one of its CALLs has no answer, it may send no other one.
        for waiting in session.protocol.correlation.open_calls(Direction.FROM_CHARGE_POINT).values():
            until_ns = min(until_ns, waiting.mono_ns)

        def waits(entry: tuple[Any, ...]) -> bool:
            early = entry[6] is AtClose.LATE and entry[7] > until_ns
            return entry[3] is not session or entry[6] is AtClose.WAITS or early

        left = sorted(entry for entry in self.deadlines if not waits(entry))
        if not left:
            return
        self.deadlines = [entry for entry in self.deadlines if waits(entry)]
        heapq.heapify(self.deadlines)
        for entry in left:
            if entry[6] is not AtClose.DROPPED:
                self._fire(session, entry[4], moment, entry[5], found)

    def _fire(
        self,
        session: JudgedSession,
        check: Callable[..., Any],
        moment: Moment,
        given: tuple[Any, ...],
        found: list[Finding],
    ) -> None:
        self.judging = session
        faults = check(moment, *given)
        if session.facts.get("unseen"):
            return  # the capture lacks frames of a side, so a missing message is not a fault
        if faults:
            session.report(check.rule, faults, None, moment, found)  # type: ignore[attr-defined]

    def advance(self, mono_ns: int) -> list[Finding]:
        """Fire the deadlines that are due at `mono_ns`, in order; return their findings."""
        found: list[Finding] = []
        self._now_ns = mono_ns
        while self.deadlines and self.deadlines[0][0] <= mono_ns:
            _, _, due, session, check, given, _, _ = heapq.heappop(self.deadlines)
            self._fire(session, check, due, given, found)
        return found

    def topic[T: TopicState](self, kind: type[T]) -> T:
        """Return the state of a topic of scope "station"."""
        found = self.topics.get(kind)
        if found is None:
            found = self.topics[kind] = kind(self, self.settings)
        assert isinstance(found, kind)
        return found
