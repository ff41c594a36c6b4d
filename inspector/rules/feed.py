"""The one place where records become judged frames: live recording, restore, check, import, rebuild and replay use it.

A feed takes records in the order they happened. It makes frames of them, tells each session's judge what happened,
and returns the findings. It stores nothing and prints nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import Direction
from inspector.records import BINARY, CLOSE, EVENT, FRAME, GAP, OPEN, Record, is_gap
from inspector.rules.context import Moment
from inspector.rules.finding import Finding
from inspector.rules.judge import Judge, SessionJudge
from inspector.rules.settings import DEFAULTS, Settings

CAME_TO_NOTHING = ("rejected-upgrade", "unreachable")
"""The kinds of the events that are attempts to connect: no session came of them."""

_DIRECTIONS = {False: Direction.FROM_CSMS, True: Direction.FROM_CHARGE_POINT}


class Fed(NamedTuple):
    """What one record came to.

    Attributes:
        session: the session it belongs to; None for an attempt to connect, or a record of no known session.
        frame: the frame, where the record is one.
        findings: those that are new or whose count rose.
    """

    session: SessionJudge | None
    frame: Frame | None = None
    findings: list[Finding] = []  # noqa: RUF012  # never changed: each record with findings brings its own list


_NOTHING = Fed(None)


class Feed:
    """Records in, judged frames out.

    A recording may hold several runs of a recorder (`recording_id` in the facts of an opening). Between two runs
    frames went unseen, so each run is judged by itself.
    """

    def __init__(
        self,
        settings: Settings = DEFAULTS,
        *,
        judge: Judge | None = None,
        judging: bool = True,
        before: Callable[[SessionJudge, Frame], None] | None = None,
        failed: Callable[[SessionJudge, Exception], None] | None = None,
    ) -> None:
        """Begin with no session.

        Args:
            settings: the thresholds of the rules.
            judge: one that knows these charge points already; a new one by default.
            judging: False where only the frames are wanted, parsed and paired.
            before: called with each frame before it is judged.
            failed: called with what a rule raised, which then costs its findings and not the frame; without it the
                exception goes to the caller.
        """
        self.settings = settings
        self.judge = judge or Judge(settings)
        self.sessions: dict[int, SessionJudge] = {}
        """The open sessions by the number that their records carry."""
        self._judges: dict[int, Judge] = {}
        self._judging = judging
        self._before = before
        self._failed = failed

    def take(self, record: Record, frame_id: int = 0) -> Fed:
        """Take one record; `frame_id` is the caller's number for it where it is a frame."""
        kind = record[0]
        if kind == OPEN:
            return self.open(record)
        session = self.sessions.get(record[1])
        if session is None:
            return self._outside(record)
        if kind == FRAME:
            frame = self.frame(session, record, frame_id)
            if self._before is not None:
                self._before(session, frame)
            return Fed(session, frame, self.judged(session, session.frame, frame) if self._judging else [])
        moment = Moment(record[3], record[2])
        if kind == CLOSE:
            del self.sessions[record[1]]
            return Fed(session, None, self.judged(session, session.closed, moment, record[4]))
        if kind == GAP or is_gap(record):
            return Fed(session, None, self.judged(session, session.gap, moment))
        return Fed(session, None, self.judged(session, session.event, record[4], moment, record[5]))

    def open(self, record: Record, begun: Callable[[SessionJudge], None] | None = None) -> Fed:
        """Begin the session of an OPEN record; `begun` is called with it before it is judged."""
        facts = record[4]
        run = facts.get("recording_id", 0)
        if run not in self._judges:
            self._judges[run] = self.judge if not self._judges else Judge(self.settings)
        self.judge = self._judges[run]
        session = self.judge.open(facts, Moment(record[3], record[2]))
        self.sessions[record[1]] = session
        if begun is not None:
            begun(session)
        return Fed(session, None, self.judged(session, session.opened))

    def frame(self, session: SessionJudge, record: Record, frame_id: int) -> Frame:
        """Parse a FRAME record and pair it with its CALL; judges nothing."""
        _, _, ts_ns, mono_ns, from_charge_point, opcode, payload, notes = record
        return session.protocol.frame(
            frame_id, ts_ns, mono_ns, _DIRECTIONS[from_charge_point], payload, opcode == BINARY, notes
        )

    def judged[**P](
        self, session: SessionJudge, ask: Callable[P, list[Finding]], *given: P.args, **named: P.kwargs
    ) -> list[Finding]:
        """Ask the judge; see `failed` above for a rule that raises."""
        if self._failed is None:
            return ask(*given, **named)
        try:
            return ask(*given, **named)
        except Exception as error:
            self._failed(session, error)
            return []

    def advance(self, moment: Moment) -> Iterator[Fed]:
        """Let time pass for every open session, so that silence is judged while it lasts."""
        for session in list(self.sessions.values()):
            yield Fed(session, None, self.judged(session, session.advance, moment))

    def _outside(self, record: Record) -> Fed:
        """Take a record of no known session: only an attempt to connect and a gap mean anything then."""
        if record[0] == GAP or (record[0] == EVENT and is_gap(record)):
            if not record[1]:  # the gap of a session that is not known says nothing about the others
                self.judge.gap()
        elif record[0] == EVENT and record[4] in CAME_TO_NOTHING:
            attempts = self.judge.attempts(record[5], Moment(record[3], record[2]))
            if self._judging:
                moment = Moment(record[3], record[2])
                return Fed(None, None, self.judged(attempts, attempts.event, record[4], moment, record[5]))
        return _NOTHING
