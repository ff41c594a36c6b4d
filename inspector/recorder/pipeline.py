"""What happens to a record behind the door: paired, judged, turned into rows; knows no thread and no clock."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from inspector.protocol.correlation import AnswerStatus
from inspector.protocol.vocabulary import Direction
from inspector.recorder import frame_row
from inspector.recorder.derived_tables import DerivedTables
from inspector.recorder.large_calls import LARGE, LargeCalls
from inspector.recorder.recorder import Summary
from inspector.records import (
    BINARY,
    CLOSE,
    EVENT,
    FACTS_OF_EVENTS,
    FRAME,
    FRAMING,
    GAP,
    KEPT_NOTES,
    OPEN,
    REOPEN,
    Record,
    is_gap,
)
from inspector.redaction.redacted_frames import RedactedFrames
from inspector.redaction.redactor import Redactor
from inspector.redaction.secrets import Secrets
from inspector.rules.context import Moment
from inspector.rules.finding import Finding, Severity
from inspector.rules.judge import Judge, SessionJudge
from inspector.rules.settings import DEFAULTS, Settings
from inspector.store.pending_rows import SESSION_COLUMNS
from inspector.store.writer import COUNTED, Writer

log = logging.getLogger("chargesentinel.recorder")

_DIRECTIONS = {False: Direction.FROM_CSMS, True: Direction.FROM_CHARGE_POINT}


class RecordedSession:
    """One WebSocket being recorded."""

    __slots__ = (
        "error_count",
        "file",
        "frame_count",
        "judge",
        "last_frame_id",
        "last_seen_ns",
        "opened_ns",
        "secrets",
        "session_id",
        "version",
    )

    def __init__(self, session_id: int, judge: SessionJudge, opened_ns: int, secrets: Secrets) -> None:
        self.session_id = session_id
        self.secrets = secrets
        self.judge = judge
        judge.label = self
        self.frame_count = 0
        self.error_count = 0
        self.last_frame_id: int | None = None
        self.opened_ns = self.last_seen_ns = opened_ns
        self.version = judge.version
        self.file = 0
        """Which of the recorder's files the session is in, counted from 0: the newest that it was open in."""


class Pipeline:
    """Takes records in the order they happened and fills the writer; `commit` puts them on disk."""

    def __init__(self, writer: Writer, settings: Settings = DEFAULTS, redaction: Redactor | None = None) -> None:
        self.writer = writer
        self._redaction = redaction or Redactor()
        self.judge = Judge(settings)
        self.links: dict[int, RecordedSession] = {}
        self._large_calls = LargeCalls()
        self._restored: dict[int, RecordedSession] = {}  # by session id: open when the recorder before this one ended
        self._changed: set[RecordedSession] = set()
        self._stored_forms = RedactedFrames(self._redaction)
        self.derivation = DerivedTables(writer)
        self._failed_rules: set[str] = set()
        self.file = 0  # how many files came before this one
        self.gone = 0  # frames that were stored in files which others deleted
        self.closed = 0  # sessions that have ended
        self.sessions = self.frames = self.findings = self.errors = 0
        self.by_severity: dict[str, int] = {severity.value: 0 for severity in Severity}

    def take(self, record: Record) -> None:
        """Take one record; one of a link that was never opened is an event of no session."""
        kind, number = record[0], record[1]
        if kind == FRAME:
            link = self.links.get(number)
            if link is None:
                # The tap sends no frame before its OPEN; should it be lost, the frames are still kept.
                self._open((OPEN, number, record[2], record[3], {"from_start": False}))
                link = self.links[number]
            self._frame(link, record)
        elif kind == OPEN:
            self._open(record)
        elif kind == EVENT:
            self._event(record)
        elif kind == CLOSE:
            self._close(record)
        elif kind == REOPEN:
            self._reopen(record)
        elif kind == GAP:
            self.lost(record[4], record[5], record[2], record[3], number, **record[6])

    def restore(self, steps: Iterable[tuple[Record, int]]) -> None:
        """Rebuild the judge's state from what a recorder before this one has stored.

        `steps` are those of `rereading.reread`. Nothing is written; findings that are stored already go on being
        counted where they are.
        """
        for record, frame_id in steps:
            kind, session_id, ts_ns, mono_ns = record[:4]
            moment = Moment(mono_ns, ts_ns)
            link = self._restored.get(session_id)
            if kind == OPEN:
                judge = self.judge.open(record[4], moment)
                secrets = self._redaction.secrets_of(record[4].get("charge_point_id"))
                link = self._restored[session_id] = RecordedSession(session_id, judge, ts_ns, secrets)
                self._stored_forms.judged = True
                self._judged(link, judge.opened)
            elif link is None:
                if kind == EVENT and is_gap(record):
                    self.judge.gap()
            elif kind == FRAME:
                direction = Direction.FROM_CHARGE_POINT if record[4] else Direction.FROM_CSMS
                binary = record[5] == BINARY
                frame = link.judge.protocol.frame(frame_id, ts_ns, mono_ns, direction, record[6], binary, record[7])
                self._judged(link, link.judge.frame, frame)
                link.last_frame_id, link.last_seen_ns = frame_id, ts_ns
            elif kind == EVENT and not is_gap(record):
                self._judged(link, link.judge.event, record[4], moment, record[5])
            elif kind == EVENT:
                self._judged(link, link.judge.gap, moment)
            elif kind == CLOSE:
                self._judged(link, link.judge.closed, moment, record[4])
                del self._restored[session_id]
        before = self.writer.before
        counts = zip(COUNTED, self.writer.recording_counts(), strict=True)
        self.sessions, self.frames, self.findings, self.errors = (n + before.get(what, 0) for what, n in counts)
        for link in self._restored.values():
            link.version = link.judge.version
            link.frame_count, link.error_count = self.writer.session_counts(link.session_id)
            stored = self.writer.session_findings(link.session_id)
            for finding in link.judge.findings():
                finding.finding_id = stored.get((finding.rule_id, finding.frame_id, finding.pointer))

    def tick(self, mono_ns: int, ts_ns: int) -> None:
        """Let time pass for every open session, so that silence is judged while it lasts."""
        for link in self.links.values():
            self._found(link, self._judged(link, link.judge.advance, Moment(mono_ns, ts_ns)), None)

    def commit(self, committed: int | None = None) -> None:
        """Put everything taken so far on disk.

        Raises:
            sqlite3.Error: nothing was written, all of it still waits.
        """
        for link in self._changed:
            self._update(link, {})
        self._changed.clear()
        self.writer.commit(committed)

    def lost(self, frames: int, since_ns: int, until_ns: int, mono_ns: int, link: int = 0, **more: Any) -> None:
        """Mark a gap: `frames` crossed the wire and could not be stored; of one session, or of all where `link` is 0.

        `more` is what else is to be said: how many events and sessions went with them, and why.
        """
        detail = {"frames": frames, "since_ns": since_ns, "until_ns": until_ns, **more}
        if not link:
            self.writer.event(None, until_ns, None, "gap", detail)
            self.judge.gap()
        elif one := self.links.get(link):
            self.writer.event(one.session_id, until_ns, self.writer.here(one.last_frame_id), "gap", detail)
            self._judged(one, one.judge.gap, Moment(mono_ns, until_ns))

    def summary(self, lost: int = 0) -> Summary:
        """What went through so far."""
        return Summary(self.sessions, self.frames, self.findings, self.errors, lost)

    def _open(self, record: Record) -> None:
        _, number, ts_ns, mono_ns, facts = record
        session_id = self.writer.next_id("sessions")
        secrets = self._redaction.secrets_of(facts.get("charge_point_id"))
        secrets.add(facts.get("secrets", ()))
        facts = {name: value for name, value in facts.items() if name != "secrets"}
        judge = self.judge.open(facts, Moment(mono_ns, ts_ns))
        link = self.links[number] = RecordedSession(session_id, judge, ts_ns, secrets)
        facts = self._redaction.detail(secrets, facts)
        self.sessions += 1
        values = {column: facts.get(column) for column in SESSION_COLUMNS}
        offered = facts.get("subprotocols_offered")
        values |= {
            "id": session_id,
            "opened_ns": ts_ns,
            "ocpp_version": judge.version,
            "subprotocols_offered": json.dumps(offered) if offered is not None else None,
        }
        self.writer.session(values)
        for event, names in FACTS_OF_EVENTS.items():
            if kept := {name: facts[name] for name in names if facts.get(name) is not None and facts[name] is not True}:
                self.writer.event(session_id, ts_ns, None, event, kept)
        self.derivation.seen(facts.get("charge_point_id"), ts_ns)
        self._found(link, self._judged(link, judge.opened), None)

    def _reopen(self, record: Record) -> None:
        _, number, ts_ns, _, facts = record
        for link in self._restored.values():
            if link.opened_ns == ts_ns and link.judge.station.charge_point_id == (facts.get("charge_point_id") or ""):
                self.links[number] = link
                link.secrets.add(facts.get("secrets", ()))
                return
        self._open((OPEN, *record[1:4], {**facts, "from_start": False}))

    def _frame(self, link: RecordedSession, record: Record) -> None:
        _, _, ts_ns, mono_ns, from_charge_point, opcode, payload, notes = record
        judge, writer = link.judge, self.writer
        frame_id = writer.next_id("frames")
        frame = judge.protocol.frame(
            frame_id, ts_ns, mono_ns, _DIRECTIONS[from_charge_point], payload, opcode == BINARY, notes
        )
        shown, hidden = self._stored_forms.of(link.secrets, judge.protocol.version, frame)
        try:  # as `_judged` does
            found = judge.frame(frame)
        except Exception as error:
            self._note_failed_rule(link, error)
            found = []
        worst = self._found(link, found, frame_id) if found else None
        asked, call, latency = frame.call, None, None
        if asked is not None and frame.answer_status is AnswerStatus.PAIRED:
            call, latency = writer.here(asked.frame_id), (frame.mono_ns - asked.mono_ns) // 1000
        text = frame_row.text(payload if hidden is None else hidden, opcode)
        writer.frame(
            (
                frame_id,
                link.session_id,
                0 if from_charge_point else 1,
                frame_row.msg_type(frame),
                frame_row.short(shown.action),
                frame_row.valid(judge.version, frame, found),
                worst.value if worst else None,
                latency,
                call,
                len(payload),
                0 if notes and notes.get("forwarded") is False else 1,
                0 if hidden is None else 1,
                ts_ns,
                mono_ns,
                frame_row.id_length(shown.message, text),
                text,
            )
        )
        self.frames += 1
        link.frame_count += 1
        link.last_frame_id = frame_id
        link.last_seen_ns = ts_ns
        self._changed.add(link)
        if opcode == BINARY or (notes and not KEPT_NOTES.isdisjoint(notes)):
            # What the stored bytes do not show: a BLOB may also be a text message that is not UTF-8.
            detail = {**(notes or {}), **({"binary": True} if opcode == BINARY else {})}
            writer.event(link.session_id, ts_ns, frame_id, FRAMING, detail)
        if frame.action is not None:
            self.derivation.frame(link.session_id, judge.station.charge_point_id, judge.version, shown)
        if len(payload) > LARGE and frame.call is None:
            self._large_calls.add(judge.protocol.correlation, frame, shown)

    def _event(self, record: Record) -> None:
        _, number, ts_ns, mono_ns, kind, detail = record
        link = self.links.get(number)
        secrets = link.secrets if link else self._redaction.secrets_of(detail.get("charge_point_id"))
        shown = self._redaction.detail(secrets, detail)
        self.writer.event(link.session_id if link else None, ts_ns, link.last_frame_id if link else None, kind, shown)
        if link is not None:
            self._found(link, self._judged(link, link.judge.event, kind, Moment(mono_ns, ts_ns), detail), None)
        elif kind in ("rejected-upgrade", "unreachable"):
            self.judge.refused(detail, Moment(mono_ns, ts_ns))

    def _close(self, record: Record) -> None:
        _, number, ts_ns, mono_ns, facts = record
        link = self.links.pop(number, None)
        if link is None:
            return
        self.closed += 1
        self._found(link, self._judged(link, link.judge.closed, Moment(mono_ns, ts_ns), facts), None)
        known = ("cp_close_code", "cp_close_reason", "csms_close_code", "csms_close_reason", "closed_by")
        self._changed.discard(link)
        shown = self._redaction.detail(link.secrets, {column: facts.get(column) for column in known})
        self._update(link, {"closed_ns": ts_ns, **shown})

    def _update(self, link: RecordedSession, values: dict[str, Any]) -> None:
        if link.judge.version is not link.version:
            link.version = link.judge.version
            values["ocpp_version"] = link.version
        counts = {
            "frame_count": link.frame_count,
            "error_count": link.error_count,
            "last_seen_ns": link.last_seen_ns,
        }
        self.writer.update_session(link.session_id, counts | values)

    def _judged(self, link: RecordedSession, ask: Callable[..., list[Finding] | None], *given: Any) -> list[Finding]:
        """Ask the judge; a rule that fails on us costs its findings, never the frame it failed on."""
        try:
            return ask(*given) or []
        except Exception as error:
            self._note_failed_rule(link, error)
            return []

    def _note_failed_rule(self, link: RecordedSession, error: Exception) -> None:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        if where in self._failed_rules:
            return
        self._failed_rules.add(where)
        # What an exception says may quote the frame, so that neither the log nor the file has its words.
        why = type(error).__name__
        log.error("a rule failed (%s at %s); frames are stored, this one without all its findings", why, where)
        detail = {"what": "a rule failed", "where": where, "why": why}
        self.writer.event(link.session_id, link.last_seen_ns, link.last_frame_id, "fault", detail)

    def _found(self, link: RecordedSession, found: list[Finding], frame_id: int | None) -> Severity | None:
        """Store findings; returns the worst one about the frame `frame_id`."""
        worst: Severity | None = None
        for finding in found:
            if finding.finding_id is not None and finding.finding_id < self.writer.begins["findings"]:
                renew(finding)  # its row is in an earlier file; once renewed it has one here, and repeats count on it
            new = finding.finding_id is None
            owner: RecordedSession = (finding.session and finding.session.label) or link
            if owner.file != self.file:  # it closed in an earlier file: its charge point's session here speaks for it
                owner = link
            if new and finding.frame_id is None and finding.last_frame_id is not None:
                finding.frame_id, finding.ts_ns = finding.last_frame_id, link.last_seen_ns
            if self.file:
                finding.frame_id = self.writer.here(finding.frame_id)
                finding.last_frame_id = self.writer.here(finding.last_frame_id)
            if new:
                finding.message = self._redaction.sentence(owner.secrets, finding.message)
                if finding.pointer:
                    finding.pointer = self._redaction.sentence(owner.secrets, finding.pointer)
            self.writer.finding(owner.session_id, finding)
            if new:
                self.findings += 1
                self.by_severity[finding.severity.value] += 1
                if finding.severity is Severity.ERROR:
                    self.errors += 1
                    owner.error_count += 1
                    self._changed.add(owner)
            about = finding.last_frame_id
            if about is None:
                continue
            if about == frame_id:
                if worst is None or finding.severity.rank > worst.rank:
                    worst = finding.severity
            else:
                self.writer.raise_severity(about, finding.severity)
        return worst


def renew(finding: Finding) -> None:
    """Have a finding begin again: what it counted is in an earlier file."""
    if finding.finding_id is not None:
        finding.finding_id = finding.frame_id = None
        finding.count = 1
