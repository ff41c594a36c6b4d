"""Judge records without storing them, in the same way as a recorder does."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from inspector.protocol.frame import Frame
from inspector.records import EventRecord, FrameRecord, OpenRecord, Record
from inspector.redaction.redactor import Redactor
from inspector.rules.feed import FAILED_ATTEMPTS, Feed
from inspector.rules.finding import Finding
from inspector.rules.judge import SessionJudge
from inspector.rules.settings import DEFAULTS, Settings
from inspector.rules.topics.attempts import what_failed


class Found(NamedTuple):
    """A finding with its session (the number in the input, from 1) and its charge point.

    `session` is 0 for a failed attempt to connect. `frames` are the first frames with this finding.
    """

    session: int
    charge_point_id: str
    finding: Finding
    frames: array[int]


@dataclass
class Checked:
    """The result of judging an input; frames are numbered from 1 in the order of the input."""

    frames: int = 0
    sessions: int = 0
    unjudged: int = 0  # frames of sessions with an unknown OCPP version
    findings: list[Found] = field(default_factory=list)
    failed_attempts: Counter[str] = field(default_factory=Counter)  # by outcome

    def count_against_peers(self) -> None:
        """Give findings that interventions caused their severity, and the side that would be at fault."""
        for found in self.findings:
            found.finding.count_against_peer()


def check(
    records: Iterable[Record], settings: Settings = DEFAULTS, shown: Callable[[bytes], None] = lambda content: None
) -> Checked:
    """Judge a whole input.

    Args:
        records: the input.
        settings: settings of the rules.
        shown: gets each frame in order as it may be shown, with asterisks for its secrets.

    Raises:
        ChargeSentinelError: the input cannot be read.
    """
    checked = Checked()
    redactor = Redactor()
    seen: dict[int, Found] = {}

    def learn_secrets(session: SessionJudge, frame: Frame) -> None:
        shown(redactor.frame(redactor.secrets_of(session.station.charge_point_id), frame) or frame.raw)

    feed = Feed(settings, before=learn_secrets)
    for record in records:
        known_session = record.session_number in feed.sessions
        checked.frames += isinstance(record, FrameRecord) and known_session
        if isinstance(record, EventRecord) and record.kind in FAILED_ATTEMPTS and not known_session:
            checked.failed_attempts[what_failed(record.kind, record.detail)] += 1
        session, frame, findings = feed.take(record, checked.frames)
        if session is not None and isinstance(record, OpenRecord):
            checked.sessions += 1
            session.label = checked.sessions
        checked.unjudged += frame is not None and session is not None and session.version is None
        for finding in findings:
            if (known := seen.get(id(finding))) is None:
                about = finding.session or session
                charge_point_id = about.station.charge_point_id if about else ""
                secrets = redactor.secrets_of(charge_point_id)
                finding.message = redactor.sentence(secrets, finding.message)
                finding.pointer = finding.pointer and redactor.sentence(secrets, finding.pointer)
                number = about.label if about and about.label else 0
                known = seen[id(finding)] = Found(number, charge_point_id, finding, array("Q"))
                checked.findings.append(known)
            known.frames.extend(finding.take_frames())
    return checked
