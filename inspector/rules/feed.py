"""Turn records into judged frames, for live recording, restore, check, import, rebuild and replay.

A feed receives records in order, makes frames from them, lets the judge of each session judge them, and returns the
findings. It stores nothing and prints nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, cast

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import Direction
from inspector.records import (
    BINARY,
    EDITED,
    TAKEN_OVER,
    CloseRecord,
    EventRecord,
    FrameRecord,
    GapRecord,
    OpenRecord,
    Record,
    ReopenRecord,
    SetAsideRecord,
)
from inspector.rules.context import Moment
from inspector.rules.finding import Finding, Side
from inspector.rules.judge import Judge, SessionJudge
from inspector.rules.settings import DEFAULTS, Settings
from inspector.rules.two_views import TwoViews

FAILED_ATTEMPTS = ("rejected-upgrade", "unreachable")
"""The kinds of events that report a failed attempt to connect."""

_DIRECTIONS = {False: Direction.FROM_CSMS, True: Direction.FROM_CHARGE_POINT}


class FeedResult(NamedTuple):
    """The result of one record.

    Attributes:
        session: the session of the record; None for a failed attempt to connect or a record of an unknown session.
        frame: the frame of a FrameRecord, otherwise None.
        findings: the findings that are new or whose count rose.
    """

    session: SessionJudge | None
    frame: Frame | None = None
    findings: list[Finding] = []  # noqa: RUF012  # never changed: findings come in a list of their own


_NOTHING = FeedResult(None)


class Feed:
    """Turns records into judged frames.

    A file may contain several runs of a recorder (`recording_id` in the facts of an OpenRecord). Frames between two
    runs were not seen, so each run has a judge of its own.
    """

    def __init__(
        self,
        settings: Settings = DEFAULTS,
        *,
        judge: Judge | None = None,
        other_views: dict[Judge, Judge] | None = None,
        judging: bool = True,
        before: Callable[[SessionJudge, Frame], None] | None = None,
        failed: Callable[[SessionJudge, Exception], None] | None = None,
    ) -> None:
        """Begin without any session.

        Args:
            settings: settings of the rules.
            judge: a judge that already has state of these charge points; by default a new one.
            other_views: `other_views` of another feed, to share its state.
            judging: False to get only the frames, parsed and paired.
            before: called with each frame before it is judged.
            failed: called if a rule raises an exception; there are no findings then. Without `failed`, the exception
                reaches the caller.
        """
        self.settings = settings
        self.judge = judge or Judge(settings)
        self.sessions: dict[int, SessionJudge] = {}
        """The open sessions by session number."""
        self._judges: dict[int, Judge] = {}
        self.other_views: dict[Judge, Judge] = other_views if other_views is not None else {}
        """The judges of what the CSMS saw in sessions with interventions, by the judge of what the charge point saw."""
        self._judging = judging
        self._before = before
        self._failed = failed

    def take(self, record: Record, frame_id: int = 0) -> FeedResult:
        """Judge one record and return the result; if it is a frame, `frame_id` is any number that identifies it."""
        if isinstance(record, OpenRecord):
            return self.open(record)
        session = self.sessions.get(record.session_number)
        if session is None:
            return self._outside(record)
        if isinstance(record, FrameRecord):
            frame = self.frame(session, record, frame_id)
            if self._before is not None:
                self._before(session, frame)
            return FeedResult(session, frame, self.call_judge(session, session.frame, frame) if self._judging else [])
        moment = Moment(record.mono_ns, record.ts_ns)
        if isinstance(record, CloseRecord):
            del self.sessions[record.session_number]
            return FeedResult(session, None, self.call_judge(session, session.closed, moment, dict(record.facts)))
        if isinstance(record, GapRecord) or (isinstance(record, EventRecord) and record.is_gap):
            return FeedResult(session, None, self.call_judge(session, session.gap, moment))
        if isinstance(record, EventRecord) and record.kind == TAKEN_OVER:
            session = self._split(session, record)
        assert not isinstance(record, ReopenRecord | SetAsideRecord), "the recorder handles these itself"
        return FeedResult(session, None, self.call_judge(session, session.event, record.kind, moment, record.detail))

    def begin_run(self, run: int) -> None:
        """Judge what comes next with the judge of this run of a recorder."""
        if run not in self._judges:
            self._judges[run] = self.judge if not self._judges else Judge(self.settings)
        self.judge = self._judges[run]

    def open(self, record: OpenRecord, begun: Callable[[SessionJudge], None] | None = None) -> FeedResult:
        """Begin a session and judge its handshake; `begun` is called with the session before that."""
        self.begin_run(record.facts.get("recording_id", 0))
        facts, moment = dict(record.facts), Moment(record.mono_ns, record.ts_ns)
        shadow = record.facts.get("shadow")
        judge = self.judge.of_shadow(shadow) if shadow else self.judge
        session: SessionJudge = judge.open(facts, moment)
        if facts.get("relay") == EDITED:
            other = self.other_views.setdefault(self.judge, Judge(self.settings)).open(facts, moment)
            session = cast(SessionJudge, TwoViews(session, other))
        self.sessions[record.session_number] = session
        if begun is not None:
            begun(session)
        return FeedResult(session, None, self.call_judge(session, session.opened))

    def _split(self, session: SessionJudge, record: EventRecord) -> SessionJudge:
        """Judge a session once from each peer's view from now on, as rules of the proxy may change its frames."""
        if isinstance(session, TwoViews):
            return session
        run = session.facts.get("recording_id", 0)
        facts = {**session.facts, "from_start": False, "ocpp_version": session.version}
        moment = Moment(record.mono_ns, record.ts_ns)
        judge = self._judges.get(run, self.judge)
        other = self.other_views.setdefault(judge, Judge(self.settings)).open(facts, moment)
        self.call_judge(other, other.opened)
        views = cast(SessionJudge, TwoViews(session, other, session.take_findings(Side.CSMS)))
        views.label = session.label
        self.sessions[record.session_number] = views
        return views

    def frame(self, session: SessionJudge, record: FrameRecord, frame_id: int) -> Frame:
        """Return the frame of a record, parsed and paired with its CALL, without judging it."""
        _, ts_ns, mono_ns, from_charge_point, opcode, payload, notes = record
        return session.protocol.frame(
            frame_id, ts_ns, mono_ns, _DIRECTIONS[from_charge_point], payload, opcode == BINARY, notes
        )

    def call_judge[**P](
        self, session: SessionJudge, ask: Callable[P, list[Finding]], *given: P.args, **named: P.kwargs
    ) -> list[Finding]:
        """Call the method `ask` of a judge and return its findings; pass an exception of a rule to `failed`."""
        if self._failed is None:
            return ask(*given, **named)
        try:
            return ask(*given, **named)
        except Exception as error:
            self._failed(session, error)
            return []

    def advance(self, moment: Moment) -> Iterator[FeedResult]:
        """Judge every open session by the current time, so that missing messages are found while no frames arrive."""
        for session in list(self.sessions.values()):
            yield FeedResult(session, None, self.call_judge(session, session.advance, moment))

    def _outside(self, record: Record) -> FeedResult:
        """Judge a record of an unknown session. Only failed attempts to connect and gaps have an effect."""
        if isinstance(record, GapRecord) or (isinstance(record, EventRecord) and record.is_gap):
            if not record.session_number:  # a gap of one unknown session does not affect other sessions
                self.judge.gap()
        elif isinstance(record, EventRecord) and record.kind in FAILED_ATTEMPTS:
            moment = Moment(record.mono_ns, record.ts_ns)
            attempts = self.judge.note_failed_attempt(record.detail, moment)
            if self._judging:
                found = self.call_judge(attempts, attempts.event, record.kind, moment, record.detail)
                return FeedResult(None, None, found)
        return _NOTHING
