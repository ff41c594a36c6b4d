"""Judges records without storing them, by the same judge and in the same order as a recorder does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from inspector.protocol.vocabulary import Direction
from inspector.records import BINARY, CLOSE, EVENT, FRAME, OPEN, Record, is_gap
from inspector.redaction.redactor import Redactor
from inspector.rules.context import Moment
from inspector.rules.finding import Finding
from inspector.rules.judge import Judge, SessionJudge
from inspector.rules.settings import DEFAULTS, Settings


class Found(NamedTuple):
    """A finding with the session it is about: its number in the input, from 1, and its charge point."""

    session: int
    charge_point_id: str
    finding: Finding


@dataclass
class Checked:
    """What judging an input gave; frames are numbered from 1 in the order of the input."""

    frames: int = 0
    sessions: int = 0
    unjudged: int = 0  # frames of sessions whose OCPP version nothing told
    findings: list[Found] = field(default_factory=list)


def check(records: Iterable[Record], settings: Settings = DEFAULTS) -> Checked:
    """Judge a whole input.

    Raises:
        ChargeSentinelError: what reading the input raises.
    """
    # What one run of a recorder has seen says nothing about the next: in between frames went unseen.
    judges: dict[int, Judge] = {}
    judge = Judge(settings)
    links: dict[int, SessionJudge] = {}
    checked = Checked()
    redaction = Redactor()
    seen: set[int] = set()

    def keep(session: SessionJudge, found: list[Finding]) -> None:
        for finding in found:
            if id(finding) not in seen:
                seen.add(id(finding))
                about = finding.session or session
                secrets = redaction.secrets_of(about.station.charge_point_id)
                finding.message = redaction.sentence(secrets, finding.message)
                finding.pointer = finding.pointer and redaction.sentence(secrets, finding.pointer)
                checked.findings.append(Found(about.label, about.station.charge_point_id, finding))

    for record in records:
        kind, number, ts_ns, mono_ns = record[:4]
        moment = Moment(mono_ns, ts_ns)
        session = links.get(number)
        if kind == OPEN:
            judge = judges.setdefault(record[4].get("recording_id", 0), judge if not judges else Judge(settings))
            session = links[number] = judge.open(record[4], moment)
            checked.sessions += 1
            session.label = checked.sessions
            keep(session, session.opened())
        elif session is None:
            if kind == EVENT and record[4] in ("rejected-upgrade", "unreachable"):
                judge.refused(record[5], moment)
            elif kind == EVENT and is_gap(record):
                judge.gap()
        elif kind == FRAME:
            checked.frames += 1
            direction = Direction.FROM_CHARGE_POINT if record[4] else Direction.FROM_CSMS
            binary = record[5] == BINARY
            frame = session.protocol.frame(checked.frames, ts_ns, mono_ns, direction, record[6], binary, record[7])
            redaction.frame(redaction.secrets_of(session.station.charge_point_id), frame)
            keep(session, session.frame(frame))
            checked.unjudged += session.version is None
        elif kind == EVENT and is_gap(record):
            keep(session, session.gap(moment))
        elif kind == EVENT:
            keep(session, session.event(record[4], moment, record[5]))
        elif kind == CLOSE:
            keep(session, session.closed(moment, record[4]))
            del links[number]
    return checked
