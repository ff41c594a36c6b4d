"""Call the rules that listen to a frame, an event or a deadline, and turn their faults into findings.

The judge reads no clock: time is always an argument. A deadline fires when something later happens: a frame, an event,
a tick of the recorder or the close of the session. Its check gets the moment at which it was due, so that live
recording and offline checks make the same findings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from inspector.protocol.correlation import Correlation
from inspector.protocol.frame import AnswerStatus, Frame
from inspector.protocol.session import Session
from inspector.protocol.vocabulary import EVERY_ACTION, Direction, OcppVersion
from inspector.rules.catalogue import listeners
from inspector.rules.context import Moment, TopicState
from inspector.rules.finding import Fault, Finding, Inapplicable, Severity, Side
from inspector.rules.rule import KIND_OF_MESSAGE, PLAIN, Rule, is_plain
from inspector.rules.settings import DEFAULTS, Settings
from inspector.rules.station import Station

FINDINGS_PER_RULE = 200
"""One rule makes at most so many findings in one session; all further faults are counted on one more finding."""

STATIONS_LIMIT = 20_000
"""At most so many charge points are remembered; beyond that, the oldest one without a connection is forgotten."""
TO_SHADOW = " (a shadow's session: the charge point follows the answers of its own CSMS)"
"""Ends the message of a finding about a charge point towards a shadow. Such a finding is a hint: if the charge point is
at fault, the session with its own CSMS has the finding too.
"""
REFUSED_LIMIT = 32
"""At most so many failed attempts to connect are remembered for each charge point."""


type _Check = Callable[..., Any]
"""A bound method of a topic; it has the attribute `rule` if it is the check of a rule."""

_INDEX = re.compile(r"/\d+(?=/|$)")


class Judge:
    """Keeps the state of all charge points of one recording, and begins the judging of sessions."""

    def __init__(self, settings: Settings = DEFAULTS) -> None:
        self.settings = settings
        self._stations: dict[str, Station] = {}
        self._nameless = Station("", settings)  # for attempts to connect without an id
        self._shadows: dict[str, Judge] = {}

    def open(self, facts: dict[str, Any], moment: Moment) -> SessionJudge:
        """Begin a session and return its judge.

        Args:
            facts: the facts of the handshake, with the keys of `inspector.records.SessionFacts`; all are optional.
            moment: when the session opened.
        """
        station = self._station(str(facts.get("charge_point_id") or ""))
        if not facts.get("from_start", True):
            station.forget()  # frames before this capture are missing, so the state may be wrong
        return SessionJudge(station, facts, moment)

    def of_shadow(self, name: str) -> Judge:
        """Return the judge of sessions with a shadow: what it knows of a charge point may differ from the primary."""
        if name not in self._shadows:
            self._shadows[name] = Judge(self.settings)
        return self._shadows[name]

    def note_failed_attempt(self, detail: dict[str, Any], moment: Moment) -> SessionJudge:
        """Remember a failed attempt to connect; return the judge for all failed attempts of its charge point.

        Args:
            detail: the detail of its event: the charge point, the headers of both sides, the status or the reason.
            moment: when the charge point tried.
        """
        name = str(detail.get("charge_point_id") or "")
        station = self._station(name) if name else self._nameless
        station.refused.append(moment)
        del station.refused[:-REFUSED_LIMIT]
        if station.attempts is None:
            station.attempts = SessionJudge(station, {"charge_point_id": name}, moment)
        judge: SessionJudge = station.attempts
        return judge

    def gap(self) -> None:
        """Forget the state of all charge points, because frames of unknown sessions are missing.

        Callers must call `SessionJudge.gap` for open sessions, too.
        """
        for station in self._stations.values():
            station.forget()
        for shadow in self._shadows.values():
            shadow.gap()

    def _station(self, name: str) -> Station:
        if not name:
            return Station(name, self.settings)  # sessions without an id may be from different charge points
        station = self._stations.get(name)
        if station is None:
            if len(self._stations) >= STATIONS_LIMIT:
                gone = next((name for name, known in self._stations.items() if not known.sessions), None)
                if gone is not None:
                    del self._stations[gone]
            station = self._stations[name] = Station(name, self.settings)
        return station


class SessionJudge:
    """Judges one session.

    The methods that judge return the findings that are new or whose count rose, in the order in which rules made them.
    """

    def __init__(self, station: Station, facts: dict[str, Any], moment: Moment) -> None:
        self.station = station
        self.facts = facts
        self.utc_offset_ns: int = facts.get("utc_offset_s", 0) * 1_000_000_000
        self.opened_at = self._in_utc(moment)
        self.timed: bool = facts.get("timed", True) is not False
        """False if the input has no times; then the times of its frames only number them."""
        self.from_start: bool = facts.get("from_start", True)
        forced = facts.get("ocpp_version")
        self.protocol = Session(facts.get("subprotocol"), OcppVersion(forced) if forced else None)
        self.protocol.before_frame = self._due_before
        self.protocol.utc_offset_ns = self.utc_offset_ns
        self.version = self.protocol.version
        """The OCPP version after the last judged frame; None while it is not known."""
        self._due: list[Finding] = []  # from deadlines that were due before the frame that is judged next
        self.settings = station.settings
        self.frames = 0
        self.label: Any = None  # any object with which a caller identifies this session; not used here
        self.heard_ns: int | None = None  # monotonic time of the charge point's last frame
        self._topics: dict[type[Any], Any] = {}
        self._tables: dict[Direction, dict[tuple[str, str | None], tuple[_Check, ...]]] = {d: {} for d in Direction}
        """The checks to call, by sender, kind of message and action."""
        self._table_version: OcppVersion | None = None
        self._found: dict[tuple[str, Side, str | None, str, str], Finding] = {}
        self._kept: dict[str, int] = {}

    @property
    def dated(self) -> bool:
        """Whether the wall-clock times of frames can be compared with date-times in their payloads."""
        return self.timed and self.facts.get("clock") != "unknown"

    def unseen(self, sender: Direction, kind: str) -> bool:
        """Return whether the capture lacks all CALLs ("calls") or all answers ("answers") that a side has sent."""
        return f"{Side.sender(sender)} {kind}" in self.facts.get("unseen", ())

    def _in_utc(self, moment: Moment) -> Moment:
        return Moment(moment.mono_ns, moment.ts_ns - self.utc_offset_ns) if self.utc_offset_ns else moment

    def topic[T: TopicState](self, kind: type[T]) -> T:
        """Return the state of a topic: that of this session or, for scope "station", that of the charge point."""
        if kind.scope == "station":
            return self.station.topic(kind)
        found = self._topics.get(kind)
        if found is None:
            found = self._topics[kind] = kind(self.station, self.settings, self)
        assert isinstance(found, kind)
        return found

    def opened(self) -> list[Finding]:
        """Judge the handshake. Call this once, before any other method."""
        found = self.station.advance(self.opened_at.mono_ns)
        self.station.sessions.append(self)
        return self._judge_now(("opened", None), self.opened_at, (self, self.opened_at), found)

    def frame(self, frame: Frame) -> list[Finding]:
        """Judge one frame that `self.protocol.frame` has made."""
        found, self._due = self._due, []
        self.version = self.protocol.version
        self.station.judging = self
        self.frames += 1
        if frame.direction is Direction.FROM_CHARGE_POINT:
            self.heard_ns = frame.mono_ns
        if frame.notes is not None and frame.cut:  # the log has only its beginning: it is paired, but not judged
            self._run(("cut", None), frame, found)
            return found
        message, answer_status = frame.message, frame.answer_status
        kind = KIND_OF_MESSAGE[type(message)]
        if message.problems:
            self._run(("problem", None), frame, found)
        if answer_status is None or answer_status is AnswerStatus.PAIRED:
            if frame.action == "TransactionEvent" and kind in ("call", "result") and is_plain(frame):
                kind = PLAIN + kind
            self._run((kind, frame.action), frame, found)
            return found
        if kind != "malformed":
            self._run(("unpaired", None), frame, found)
        self._run((kind, None), frame, found)
        return found

    def _due_before(self, mono_ns: int) -> None:
        station = self.station
        if station.deadlines and station.deadlines[0][0] <= mono_ns:
            self._due += station.advance(mono_ns)

    def _run(self, key: tuple[str, str | None], frame: Frame, found: list[Finding]) -> None:
        checks = self._tables[frame.direction].get(key) if self._table_version is self.version else None
        for check in self._checks(key, frame.direction) if checks is None else checks:
            faults = check(frame)
            if faults:
                self.report(check.rule, faults, frame, None, found)  # type: ignore[attr-defined]

    def event(self, kind: str, moment: Moment, detail: dict[str, Any]) -> list[Finding]:
        """Judge an event of the session; the event `gap` means that frames are missing."""
        moment = self._in_utc(moment)
        found = self.station.advance(moment.mono_ns)
        if kind == "gap":
            self._unseen(moment)
        return self._judge_now(("event", kind), moment, (self, moment, detail), found)

    def advance(self, moment: Moment) -> list[Finding]:
        """Fire the deadlines of the charge point that are due at `moment`."""
        return self.station.advance(moment.mono_ns)

    def findings(self) -> list[Finding]:
        """Return all findings of this session, each one once."""
        return list(self._found.values())

    def take_findings(self, side: Side) -> list[Finding]:
        """Remove and return the findings about one side; their next occurrences make new findings."""
        taken = {key: found for key, found in self._found.items() if found.side is side}
        for key in taken:
            del self._found[key]
        return list(taken.values())

    def gap(self, moment: Moment) -> list[Finding]:
        """Judge from now on as if the capture began at `moment`, because frames before it are missing."""
        return self.event("gap", moment, {})

    def _unseen(self, moment: Moment) -> None:
        self.from_start = False
        self.opened_at = moment
        self.protocol.correlation = Correlation()
        self.station.forget()
        if self not in self.station.sessions:
            self.forget()

    def forget(self) -> None:
        """Drop the state of this session's topics. Its findings stay, and new occurrences are counted on them."""
        self._topics.clear()
        self.refresh_listeners()

    def refresh_listeners(self) -> None:
        """Forget which checks to call. The next frame of each kind determines them again; see `Station`."""
        for table in self._tables.values():
            table.clear()

    def closed(self, moment: Moment, facts: dict[str, Any] | None = None) -> list[Finding]:
        """Judge the end of the session; `facts` has the keys of `inspector.records.CloseFacts`."""
        self.facts = {**self.facts, **(facts or {})}
        moment = self._in_utc(moment)
        found = self.station.advance(moment.mono_ns)
        found = self._judge_now(("closed", None), moment, (self, moment), found)
        self.station.end_deadlines_of(self, moment, found)
        if self in self.station.sessions:
            self.station.sessions.remove(self)
        # Free memory: deadlines and findings have references to this session for minutes, and a charge point that
        # reconnects often has many sessions.
        self.protocol.before_frame = None
        self.protocol.correlation.end()
        self.refresh_listeners()
        return found

    def _judge_now(
        self, key: tuple[str, str | None], moment: Moment, given: tuple[Any, ...], found: list[Finding]
    ) -> list[Finding]:
        self.station.judging = self
        # Openings, closings and events are rare, so their checks are not kept in a table of each session.
        for check in self._listening(key):
            faults = check(*given)
            if faults:
                self.report(check.rule, faults, None, moment, found)  # type: ignore[attr-defined]
        return found

    def _checks(self, key: tuple[str, str | None], sender: Direction) -> tuple[_Check, ...]:
        if self._table_version is not self.version:
            self._table_version = self.version
            self.refresh_listeners()
        kind, name = key
        if name is not None and name not in EVERY_ACTION:
            # A hostile peer may invent actions, which must not fill the table; only checks for all actions get them.
            key = kind, None
        table = self._tables[sender]
        checks = table.get(key)
        if checks is None:
            checks = table[key] = tuple(self._listening(key, sender))
        return checks

    def _listening(self, key: tuple[str, str | None], sender: Direction | None = None) -> Iterable[_Check]:
        for topic, attribute, rule, dormant in listeners(key, self.version, sender):
            if rule and rule.setting and not getattr(self.settings, rule.setting):
                continue
            state = self.topic(topic)
            if dormant is None or sender is None or not dormant(state):
                yield getattr(state, attribute)

    def report(
        self,
        of: Rule | None,
        faults: Fault | list[Fault],
        frame: Frame | None,
        moment: Moment | None,
        found: list[Finding],
    ) -> None:
        """Make findings from faults, or count them on existing findings; append all of these to `found`.

        Args:
            of: the rule whose check returned the faults.
            faults: the faults.
            frame: the frame that was judged; None for an event or a deadline.
            moment: when an event happened or a deadline was due; None for a frame.
            found: the list of findings.
        """
        for fault in [faults] if isinstance(faults, Fault) else faults:
            rule = fault.rule or of
            assert rule is not None, "a tracker returned a fault"
            if rule.slug in self.settings.disabled:
                continue  # checks of disabled rules still run, because other checks may use the state that they set
            at = frame if fault.frame is None else fault.frame
            seen = None if isinstance(at, Inapplicable) else at
            side = fault.side or rule.side or (Side.sender(seen.direction) if seen is not None else Side.LINK)
            if seen is not None and seen.guessed:
                side = Side.LINK
            action = seen.action if seen is not None else None
            place = _INDEX.sub("/*", fault.pointer) if fault.pointer else ""
            key = (
                (rule.slug, side, None, "", fault.key)
                if fault.everywhere
                else (rule.slug, side, action, place, fault.key)
            )
            ts_ns = moment.ts_ns if moment is not None else frame.ts_ns if frame is not None else 0
            ts_ns += self.utc_offset_ns
            known = self._found.get(key)
            if known is None and self._kept.get(rule.slug, 0) >= FINDINGS_PER_RULE:
                key = (rule.slug, side, "", "", "and more")
                known = self._found.get(key)
            if known is not None:
                known.count += fault.times
                if seen is not None:
                    known.last_frame_id = seen.frame_id
                    known.occurred(seen.frame_id)
                else:
                    known.missed(ts_ns)
                found.append(known)
                continue
            severity = fault.severity or rule.severity_in(self.version)
            message = fault.message
            if side is Side.CHARGE_POINT and severity is not Severity.INFO and "shadow" in self.facts:
                severity, message = Severity.INFO, f"{message}{TO_SHADOW}"
            finding = Finding(
                rule_id=rule.slug,
                severity=self.settings.severity.get(rule.slug) or severity,
                side=side,
                message=message,
                pointer=fault.pointer,
                spec_ref=rule.spec_in(self.version) or None,
                ts_ns=ts_ns,
                frame_id=seen.frame_id if seen is not None else None,
                last_frame_id=seen.frame_id if seen is not None else None,
                count=fault.times,
                session=self,
            )
            if seen is not None:
                finding.occurred(seen.frame_id)
            else:
                finding.missed(ts_ns)
            self._found[key] = finding
            self._kept[rule.slug] = self._kept.get(rule.slug, 0) + 1
            found.append(finding)
