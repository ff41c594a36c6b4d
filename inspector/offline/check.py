"""Judge records without storing them, in the same way as a recorder does."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from inspector.protocol.frame import Frame
from inspector.records import CloseRecord, EventRecord, FrameRecord, OpenRecord, Record
from inspector.redaction.redactor import Redactor
from inspector.rules.context import SessionContext
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


class Place(NamedTuple):
    """Where a record stands in its input: how many records, frames and sessions there are up to and including it."""

    record: int
    frame: int
    session: int


class Counting:
    """Counts the records of an input; frames of unknown sessions do not count."""

    def __init__(self) -> None:
        self.counts = Checked()
        self._records = 0
        self._open: set[int] = set()

    def place(self, record: Record) -> Place:
        """Count the next record of the input and return its place."""
        counts, number = self.counts, record.session_number
        self._records += 1
        if isinstance(record, FrameRecord):
            counts.frames += number in self._open
        elif isinstance(record, OpenRecord):
            counts.sessions += 1
            self._open.add(number)
        elif isinstance(record, CloseRecord):
            self._open.discard(number)
        elif isinstance(record, EventRecord) and record.kind in FAILED_ATTEMPTS and number not in self._open:
            counts.failed_attempts[what_failed(record.kind, record.detail)] += 1
        return Place(self._records, counts.frames, counts.sessions)


class Checker:
    """Judges the records of all charge points, or of some of them, and keeps the findings.

    Attributes:
        found: each finding after the number of the record that brought it up.
        unjudged: the number of frames of sessions with an unknown OCPP version.
    """

    def __init__(self, settings: Settings, shown: Callable[[bytes], None] | None = None) -> None:
        self.found: list[tuple[int, Found]] = []
        self.unjudged = 0
        self._shown = shown
        self._seen: dict[int, Found] = {}
        self._redactor = Redactor()
        self._feed = Feed(settings, before=self._learn_secrets)

    def begin_run(self, run: int) -> None:
        """Note that the input goes on with this run of a recorder; see `SessionFacts.recording_id`."""
        self._feed.begin_run(run)

    def take(self, record: Record, place: Place) -> None:
        """Judge the next record."""
        session, frame, findings = self._feed.take(record, place.frame)
        if session is not None and isinstance(record, OpenRecord):
            session.label = place.session
        self.unjudged += frame is not None and session is not None and session.version is None
        for finding in findings:
            if (known := self._seen.get(id(finding))) is None:
                known = self._seen[id(finding)] = self._first(finding, finding.session or session)
                self.found.append((place.record, known))
            known.frames.extend(finding.take_frames())

    def _first(self, finding: Finding, about: SessionContext | SessionJudge | None) -> Found:
        charge_point_id = about.station.charge_point_id if about else ""
        secrets = self._redactor.secrets_of(charge_point_id)
        finding.message = self._redactor.sentence(secrets, finding.message)
        finding.pointer = finding.pointer and self._redactor.sentence(secrets, finding.pointer)
        return Found(about.label if about and about.label else 0, charge_point_id, finding, array("Q"))

    def _learn_secrets(self, session: SessionJudge, frame: Frame) -> None:
        hidden = self._redactor.frame(self._redactor.secrets_of(session.station.charge_point_id), frame)
        if self._shown is not None:
            self._shown(hidden or frame.raw)


def check(
    records: Iterable[Record], settings: Settings = DEFAULTS, shown: Callable[[bytes], None] | None = None
) -> Checked:
    """Judge a whole input.

    Args:
        records: the input.
        settings: settings of the rules.
        shown: gets each frame in order as it may be shown, with asterisks for its secrets.

    Raises:
        ChargeSentinelError: the input cannot be read.
    """
    counting, checker = Counting(), Checker(settings, shown)
    for record in records:
        checker.take(record, counting.place(record))
    return result(counting, checker.found, checker.unjudged)


def result(counting: Counting, found: Iterable[tuple[int, Found]], unjudged: int) -> Checked:
    """Return the result of a whole input; `found` and `unjudged` are those of all its Checkers."""
    checked = counting.counts
    checked.unjudged = unjudged
    checked.findings = [each for _, each in found]
    return checked
