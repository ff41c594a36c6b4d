"""Read recorded sessions as scripts to play: frames in order, answers paired with their CALLs."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from inspector.errors import UserMistake
from inspector.formats.inputs import open_input
from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.records import CloseRecord, FrameRecord, OpenRecord, Record
from inspector.rules.context import Moment
from inspector.rules.feed import Feed
from inspector.rules.finding import Finding, Severity, Side
from inspector.rules.judge import Judge, SessionJudge
from inspector.units import quantity

FRAMES_LIMIT = 1_000_000
"""The most frames of one session. They are held in memory, so a longer session is refused."""

_COUNTED = 0
"""The number of every finding here: only stored findings need different numbers."""

type FindingKey = tuple[str, Side]
"""Identifies findings of one kind in two runs: the rule, and the side at fault."""


@dataclass
class Script:
    """One recorded session; frames are numbered from 1 within it."""

    source: str
    charge_point_id: str
    version: OcppVersion | None = None
    frames: list[Frame] = field(default_factory=list)
    findings: Counter[FindingKey] = field(default_factory=Counter)
    examples: dict[FindingKey, str] = field(default_factory=dict)  # the first finding of each kind, in words
    request_path: str | None = None
    closed_by: str = "unknown"  # "charge-point", "csms", "proxy" or "unknown"
    recording_ends_ns: int = 0  # wall-clock time of the last frame of this charge point in this source

    def __str__(self) -> str:
        frames = quantity(len(self.frames), "frame")
        return f"{self.source}: {self.charge_point_id or 'a charge point'}, OCPP {self.version}, {frames}"

    @property
    def began_ns(self) -> int:
        """Wall-clock time of the first frame."""
        return self.frames[0].ts_ns if self.frames else 0

    @property
    def lasted_s(self) -> float:
        """Seconds from the first frame to the last."""
        return (self.frames[-1].mono_ns - self.frames[0].mono_ns) / 1e9 if self.frames else 0.0

    def action_of(self, frame_id: int) -> str | None:
        """Return the action of the frame with this number."""
        at = bisect_left(self.frames, frame_id, key=lambda frame: frame.frame_id)
        found = self.frames[at : at + 1]
        return found[0].action if found and found[0].frame_id == frame_id else None

    def answers(self) -> dict[int, Frame]:
        """Return the recorded answers, by the number of the CALL that they answer."""
        return {
            frame.call.frame_id: frame
            for frame in self.frames
            if frame.latency_ns is not None and frame.call is not None
        }


def read(source: str, ocpp: OcppVersion | None = None) -> list[Script]:
    """Read the sessions of a recording, trace or file of raw frames, in order; sessions without frames are left out.

    Raises:
        UserMistake: the file cannot be used, or the OCPP version of a session is unknown.
    """
    made = scripts(source, (record for record, _ in open_input(source, ocpp)))
    playable = [script for script in made if script.frames]
    for script in playable:
        if script.version is None:
            raise UserMistake(
                f"{source}: nothing tells which OCPP version {script.charge_point_id!r} speaks; use --ocpp"
            )
    if not playable:
        raise UserMistake(f"{source}: there is no frame to play in it")
    return playable


NOT_PLAYED = frozenset({"made_by", "to_proxy"})
"""Notes of frames that interventions made, and of answers to them."""


def scripts(source: str, records: Iterable[Record]) -> list[Script]:
    """Make scripts from records, with the findings of the recording."""
    feed = Feed()
    scripts_by_session: dict[SessionJudge, Script] = {}
    made: list[Script] = []
    for record in records:
        open_session = feed.sessions.get(record.session_number)
        known = scripts_by_session.get(open_session) if open_session is not None else None
        number = len(known.frames) + 1 if known is not None else 0
        if number > FRAMES_LIMIT:
            raise UserMistake(f"{source}: a session has more than {FRAMES_LIMIT:,} frames; export a part of it")
        if isinstance(record, FrameRecord) and record.notes and not NOT_PLAYED.isdisjoint(record.notes):
            continue  # no peer sent it, or it answers what no peer has sent
        session, frame, findings = feed.take(record, number)
        if session is None:
            continue
        if "shadow" in session.facts:
            continue  # it is a copy of what another session of this recording has
        if isinstance(record, OpenRecord):
            path = record.facts.get("request_path")
            script = Script(source, session.station.charge_point_id, session.version, request_path=path)
            scripts_by_session[session] = script
            made.append(script)
        script = scripts_by_session[session]
        if frame is not None:
            script.frames.append(frame)
            script.version = session.version
        elif isinstance(record, CloseRecord):
            script.closed_by = record.facts.get("closed_by", "unknown")
            del scripts_by_session[session]
        count(findings, script.findings, script.examples, script.action_of)
    ends = {script.charge_point_id: script.frames[-1].ts_ns for script in made if script.frames}
    for script in made:
        script.recording_ends_ns = ends.get(script.charge_point_id, 0)
    return made


def choose(scripts: list[Script], number: int | None, from_frame: int = 1) -> list[Script]:
    """Return all sessions, or only the one with this number, with the findings that it has when judged alone.

    Args:
        scripts: the sessions of a recording.
        number: the number of the session; None for all.
        from_frame: the first frame to play, counted from 1 within the session.

    Raises:
        UserMistake: there is no such session, or no such frame.
    """
    if number is None:
        if from_frame != 1 and len(scripts) > 1:
            raise UserMistake(f"{scripts[0].source}: has {len(scripts)} sessions; say which with --session")
        if from_frame == 1:
            return scripts
        number = 1
    if not 1 <= number <= len(scripts):
        raise UserMistake(f"{scripts[0].source}: there is no session {number}; there are {len(scripts)}")
    script = scripts[number - 1]
    assert script.version is not None
    if not 1 <= from_frame <= len(script.frames):
        raise UserMistake(f"{script.source}: there is no frame {from_frame}; the session has {len(script.frames)}")
    # Leave out answers to CALLs that are not played.
    script.frames = [
        frame
        for frame in script.frames
        if frame.frame_id >= from_frame and (frame.call is None or frame.call.frame_id >= from_frame)
    ]
    if not script.frames:
        raise UserMistake(f"{script.source}: from frame {from_frame} on there are only answers to earlier frames")
    facts = {"charge_point_id": script.charge_point_id, "subprotocol": script.version.subprotocol}
    session = Judge().open(facts, _moment(script.frames[0]))
    script.findings.clear()
    script.examples.clear()
    note = partial(count, findings=script.findings, examples=script.examples, action_of=script.action_of)
    note(session.opened())
    for frame in script.frames:
        again = session.protocol.frame(
            frame.frame_id, frame.ts_ns, frame.mono_ns, frame.direction, frame.raw, frame.binary
        )
        note(session.frame(again))
    note(session.closed(_moment(script.frames[-1])))
    script.recording_ends_ns = script.frames[-1].ts_ns
    return [script]


def _moment(frame: Frame) -> Moment:
    return Moment(frame.mono_ns, frame.ts_ns)


def count(
    found: Iterable[Finding],
    findings: Counter[FindingKey],
    examples: dict[FindingKey, str],
    action_of: Callable[[int], str | None],
) -> None:
    """Count in `findings` the findings that are compared between two runs, each once.

    Hints and findings that depend on the clock are not counted. `examples` gets the first finding of each kind in
    words; `action_of` returns the action of a frame by its number.
    """
    for finding in found:
        key = finding.rule_id, finding.side
        if key not in examples:
            examples[key] = in_words(finding, action_of)
        hint = finding.severity.rank <= Severity.INFO.rank or finding.rule_id.startswith("clock.")
        if finding.finding_id is None and not hint:
            findings[key] += 1
        finding.finding_id = _COUNTED


def in_words(finding: Finding, action_of: Callable[[int], str | None]) -> str:
    """Return the frame, the action and the message of a finding: `frame 12 MeterValues: unit is "Hz"`."""
    if finding.frame_id is None:
        return finding.message
    action = action_of(finding.frame_id)
    return f"frame {finding.frame_id}{f' {action}' if action else ''}: {finding.message}"
