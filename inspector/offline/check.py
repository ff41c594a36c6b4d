"""Judges records without storing them, by the same judge and in the same order as a recorder does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from inspector.protocol.frame import Frame
from inspector.records import FRAME, OPEN, Record
from inspector.redaction.redactor import Redactor
from inspector.rules.feed import Feed
from inspector.rules.finding import Finding
from inspector.rules.judge import SessionJudge
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
    checked = Checked()
    redactor = Redactor()
    seen: set[int] = set()

    def learn_secrets(session: SessionJudge, frame: Frame) -> None:
        redactor.frame(redactor.secrets_of(session.station.charge_point_id), frame)

    feed = Feed(settings, before=learn_secrets)
    for record in records:
        checked.frames += record[0] == FRAME and record[1] in feed.sessions
        session, frame, findings = feed.take(record, checked.frames)
        if session is None:
            continue
        if record[0] == OPEN:
            checked.sessions += 1
            session.label = checked.sessions
        checked.unjudged += frame is not None and session.version is None
        for finding in findings:
            if id(finding) not in seen:
                seen.add(id(finding))
                about = finding.session or session
                secrets = redactor.secrets_of(about.station.charge_point_id)
                finding.message = redactor.sentence(secrets, finding.message)
                finding.pointer = finding.pointer and redactor.sentence(secrets, finding.pointer)
                checked.findings.append(Found(about.label, about.station.charge_point_id, finding))
    return checked
