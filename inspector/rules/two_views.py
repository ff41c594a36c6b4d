"""Judge a session with interventions once from each peer's view: each peer is judged by what it sent and received.

Where the proxy drops, changes or makes frames, the peers see different sessions. One judge gets what the charge point
saw, the other what the CSMS saw; of each judge's findings, only those about its own peer count. A finding that only the
other judge has was caused by an intervention: it becomes a hint that names the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from inspector.protocol.correlation import Correlation
from inspector.protocol.frame import Frame
from inspector.protocol.session import Session
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.rules.caused import Caused
from inspector.rules.context import Moment
from inspector.rules.finding import Finding, Side
from inspector.rules.judge import SessionJudge

MADE_BY = "made_by"
"""The note of a frame that the proxy made; see `inspector.records.FrameRecord`."""
SENT = "sent"
"""The event of a frame that reached its receiver later than it was recorded; see the note `later`."""
MOST_LATER = 1_000
"""Frames that are remembered until they are sent; the oldest one is forgotten first."""


class TwoViews:
    """Two judges of one session, with the interface of one SessionJudge."""

    def __init__(self, charge_point: SessionJudge, csms: SessionJudge, earlier: Sequence[Finding] = ()) -> None:
        """`earlier` are findings about the CSMS from before the views were separate."""
        self._earlier = list(earlier)
        self._charge_point, self._csms = charge_point, csms
        self._caused = Caused()
        self.protocol: Any = _TwoProtocols(charge_point.protocol, csms.protocol, self._caused)
        self.station, self.facts = charge_point.station, charge_point.facts
        self.opened_at, self.timed = charge_point.opened_at, charge_point.timed
        self.settings = charge_point.settings

    @property
    def label(self) -> Any:
        return self._charge_point.label

    @label.setter
    def label(self, label: Any) -> None:
        self._charge_point.label = self._csms.label = label

    @property
    def version(self) -> OcppVersion | None:
        return self._charge_point.version or self._csms.version

    @property
    def frames(self) -> int:
        return self._charge_point.frames

    @property
    def heard_ns(self) -> int | None:
        return self._charge_point.heard_ns

    def opened(self) -> list[Finding]:
        return self._both(lambda judge: judge.opened())

    def frame(self, frame: Frame) -> list[Finding]:
        """Judge the frame that `self.protocol.frame` has just made, in every view that has it."""
        seen: dict[Session, Frame] = self.protocol.seen
        return self._both(lambda judge: judge.frame(seen[judge.protocol]) if judge.protocol in seen else [])

    def event(self, kind: str, moment: Moment, detail: dict[str, Any]) -> list[Finding]:
        if kind == SENT:
            seen = self.protocol.sent(detail.get("later"), moment)
            return self._both(lambda judge: judge.frame(seen[judge.protocol]) if judge.protocol in seen else [])
        return self._both(lambda judge: judge.event(kind, moment, detail))

    def gap(self, moment: Moment) -> list[Finding]:
        return self._both(lambda judge: judge.gap(moment))

    def advance(self, moment: Moment) -> list[Finding]:
        return self._both(lambda judge: judge.advance(moment))

    def closed(self, moment: Moment, facts: dict[str, Any] | None = None) -> list[Finding]:
        return self._both(lambda judge: judge.closed(moment, facts))

    def findings(self) -> list[Finding]:
        mine, _ = self._sorted(lambda judge: judge.findings())
        return self._earlier + mine + self._caused.findings()

    def _both(self, ask: Callable[[SessionJudge], list[Finding]]) -> list[Finding]:
        mine, others = self._sorted(ask)
        for one in mine:
            self._caused.note_own(one)
        return mine + self._caused.of(others)

    def _sorted(self, ask: Callable[[SessionJudge], list[Finding]]) -> tuple[list[Finding], list[Finding]]:
        """Return the findings of each judge about its own peer, and those about the other peer."""
        of_charge_point, of_csms = ask(self._charge_point), ask(self._csms)
        mine = [one for one in of_charge_point if one.side is not Side.CSMS]
        others = [one for one in of_charge_point if one.side is Side.CSMS]
        mine += [one for one in of_csms if one.side is Side.CSMS]
        return mine, others + [one for one in of_csms if one.side is Side.CHARGE_POINT]


class _TwoProtocols:
    """Parses and pairs each frame in the views of the peers that sent or received it."""

    def __init__(self, charge_point: Session, csms: Session, caused: Caused) -> None:
        self._charge_point, self._csms, self._caused = charge_point, csms, caused
        self._last = charge_point
        self.seen: dict[Session, Frame] = {}
        """The latest frame, by the view that has it."""
        self._later: dict[int, tuple[list[Session], tuple[int, Direction, bytes, bool, dict[str, Any]]]] = {}

    @property
    def version(self) -> OcppVersion | None:
        return self._charge_point.version or self._csms.version

    @property
    def correlation(self) -> Correlation:
        """The CALLs of the view that the latest frame belongs to."""
        return self._last.correlation

    def frame(
        self,
        frame_id: int,
        ts_ns: int,
        mono_ns: int,
        direction: Direction,
        raw: bytes,
        binary: bool = False,
        notes: dict[str, Any] | None = None,
    ) -> Frame:
        """Return one message as `Session.frame` does: as its sender has it, or its receiver if the proxy made it."""
        sender, receiver = self._charge_point, self._csms
        if direction is Direction.FROM_CSMS:
            sender, receiver = receiver, sender
        made = notes is not None and MADE_BY in notes
        relayed = notes is None or notes.get("forwarded") is not False
        views = [receiver] if made else [sender, receiver] if relayed else [sender]
        if notes is not None and isinstance(number := notes.get("later"), int):
            receivers = [view for view in views if view is receiver]
            views = [view for view in views if view is not receiver]
            self._later[number] = receivers, (frame_id, direction, raw, binary, notes)
            if len(self._later) > MOST_LATER:
                del self._later[next(iter(self._later))]
            if not views:  # made by the proxy: nobody has it yet
                self.seen = {}
                frame = Session(None, self.version).frame(frame_id, ts_ns, mono_ns, direction, raw, binary, notes)
                self._caused.note(frame, notes)
                return frame
        self.seen = {view: view.frame(frame_id, ts_ns, mono_ns, direction, raw, binary, notes) for view in views}
        self._last = views[0]
        self._caused.note(self.seen[views[0]], notes)
        return self.seen[views[0]]

    def sent(self, number: Any, moment: Moment) -> dict[Session, Frame]:
        """Return a frame that was recorded earlier and reaches its receiver now, by the view that gets it."""
        views, given = self._later.pop(number, ([], None)) if isinstance(number, int) else ([], None)
        if given is None:
            return {}
        frame_id, direction, raw, binary, notes = given
        at = moment.ts_ns, moment.mono_ns
        return {view: view.frame(frame_id, *at, direction, raw, binary, notes) for view in views}
