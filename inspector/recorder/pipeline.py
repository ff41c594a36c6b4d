"""Process each record: pair, judge, redact, make its rows. Starts no thread and reads no clock."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from operator import sub
from typing import Any, cast

from inspector.protocol.frame import AnswerStatus
from inspector.recorder import frame_row
from inspector.recorder.derived_tables import DerivedTables
from inspector.recorder.faults import HANDSHAKE_NOT_READ, ROW_NOT_DERIVED, RULE_FAILED, Faults, place_of
from inspector.recorder.finding_rows import FindingRows
from inspector.recorder.large_calls import LARGE, LargeCalls
from inspector.recorder.progress_page import DETAILS_FROM, DETAILS_OF, FRAME_OF_SESSION, NUMBER, SESSION, ProgressPage
from inspector.recorder.recorded_session import RecordedSession
from inspector.recorder.recorder import FirstFinding, StoredCounts, Summary
from inspector.recorder.set_aside import as_asterisks, describe
from inspector.records import (
    BINARY,
    FACTS_OF_EVENTS,
    FRAMING,
    INTERVENTION,
    KEPT_NOTES,
    NOTES_OF_INTERVENTIONS,
    CloseRecord,
    EventRecord,
    FrameRecord,
    GapRecord,
    OpenRecord,
    Record,
    ReopenRecord,
    SessionFacts,
)
from inspector.redaction.redacted_frames import RedactedFrames
from inspector.redaction.redactor import Redactor
from inspector.rules.context import Moment
from inspector.rules.feed import Feed, FeedResult
from inspector.rules.finding import Finding
from inspector.rules.judge import SessionJudge
from inspector.rules.settings import DEFAULTS, Settings
from inspector.store.writing.counted_rows import COUNTED
from inspector.store.writing.pending_rows import FRAME_COLUMNS, SESSION_COLUMNS
from inspector.store.writing.writer import Writer

log = logging.getLogger("chargesentinel.recorder")

FRAME_TS = FRAME_COLUMNS.index("ts_ns")

_UNWATCHED = memoryview(bytearray(32)).cast("Q")
"""Used in place of the words of a ProgressPage if there is none."""


class Pipeline:
    """Processes records in order and gives their rows to the writer; `commit` writes the rows to disk."""

    def __init__(self, writer: Writer, settings: Settings = DEFAULTS, redaction: Redactor | None = None) -> None:
        self.writer = writer
        self.redaction = redaction or Redactor()
        self.feed = Feed(settings, failed=self.rule_failed)
        self.open_sessions: dict[int, RecordedSession] = {}
        """By session number."""
        self.restored: dict[int, RecordedSession] = {}
        """By session id: the sessions that were open when the previous recorder process ended."""
        self.redacted_frames = RedactedFrames(self.redaction)
        self.derivation = DerivedTables(writer)
        self._large_calls = LargeCalls()
        self._changed: set[RecordedSession] = set()
        self._faults = Faults(writer)
        self.finding_rows = FindingRows(writer, self.redaction, self._faults, self._changed)
        self.file = 0
        """How many files this recording had before the current one."""
        self.gone = 0
        """How many frames were in files that somebody deleted, or could not be processed."""
        self.closed = 0
        """How many sessions have ended."""
        self.sessions = self.frames = 0
        """How many sessions and frames were processed, committed or not."""

    def take_all(self, records: Iterable[Record], page: ProgressPage | None = None, first: int = 0) -> None:
        """Process records. If one fails, drop it and store a gap, because it would fail again after a restart.

        The number of the current record is written to `page`; the first record has the number `first`.
        """
        words = page.words if page is not None else _UNWATCHED
        for number, record in enumerate(records, first):
            words[NUMBER] = number
            if (
                isinstance(record, FrameRecord)
                and len(record.payload) > DETAILS_FROM
                and (session := self.open_sessions.get(record.session_number))
            ):
                words[SESSION], words[FRAME_OF_SESSION] = session.session_id, session.frame_count + 1
                words[DETAILS_OF] = number
            frames = self.frames
            try:
                self.take(record)
            except Exception as error:
                self._drop(record, error, stored=self.frames != frames)

    def _drop(self, record: Record, error: Exception, *, stored: bool) -> None:
        log.error("%s: could not process a record (%s); it is marked as a gap", self.writer.path, place_of(error))
        lost = int(isinstance(record, FrameRecord) and not stored)  # if `stored`, the frame already has its row
        self.gone += lost
        self.mark_gap(lost, record.ts_ns, record.ts_ns, record.mono_ns, reason="a fault of the recorder")

    def take(self, record: Record) -> None:
        """Process one record. An event of a session that was never opened is stored as an event of no session."""
        if isinstance(record, FrameRecord):
            self._frame(self._session(record), record)
        elif isinstance(record, OpenRecord):
            self._open(record)
        elif isinstance(record, EventRecord):
            self._event(record)
        elif isinstance(record, CloseRecord):
            self._close(record)
        elif isinstance(record, ReopenRecord):
            self._reopen(record)
        elif isinstance(record, GapRecord):
            at, number = (record.ts_ns, record.mono_ns), record.session_number
            self.mark_gap(record.frames, record.since_ns, *at, number, **record.more)
        else:
            stars = as_asterisks(record)
            session = self._session(stars)
            self._frame(session, stars)
            detail = describe(record, session.session_id, session.last_frame_id)
            self.mark_gap(0, record.ts_ns, record.ts_ns, record.mono_ns, record.session_number, **detail)

    def _session(self, record: FrameRecord) -> RecordedSession:
        session = self.open_sessions.get(record.session_number)
        if session is None:
            # The proxy sends an OpenRecord first. If that record was lost, open the session here to keep its frames.
            self._open(OpenRecord(*record[:3], {"from_start": False}))
            session = self.open_sessions[record.session_number]
        return session

    def tick(self, mono_ns: int, ts_ns: int) -> None:
        """Judge every open session by the current time, so that missing messages are found while no frames arrive."""
        for fed in self.feed.advance(Moment(mono_ns, ts_ns)):
            self._store_findings(fed)

    def commit(self, committed: int | None = None) -> None:
        """Write the rows of all records processed so far to disk.

        `committed` is the number of the last of them, which is stored with the rows; None if records have no numbers.

        Raises:
            sqlite3.Error: nothing was written; the rows wait for the next commit.
        """
        try:
            self._write(committed)
        finally:
            refused = self._settle_refused()
        if refused:
            self._write(None)

    def _write(self, committed: int | None) -> None:
        for session in self._changed:
            if session.file == self.file:  # the row of a session that ended in an earlier file does not change
                self._update(session, {})
        self._changed.clear()
        self.writer.commit(committed)

    def _settle_refused(self) -> bool:
        """Subtract rows that the database refused from the counts and store gaps; return whether there were any."""
        sessions = {session.session_id: session for session in self.open_sessions.values()}
        all_refused = self.writer.take_refused()
        for refused in all_refused:
            self.derivation.forget_transactions(refused.transactions)
            for (session_id, finding), times in zip(refused.findings, refused.uncounted, strict=True):
                self.finding_rows.uncount(session_id, finding, times, sessions)
            for row in refused.frames:
                frame_id, session_id, ts_ns = row[0], row[1], row[FRAME_TS]
                self.frames -= 1
                self.gone += 1
                if session := sessions.get(session_id):
                    session.frame_count -= 1
                    self._changed.add(session)
                detail = {"frames": 1, "since_ns": ts_ns, "until_ns": ts_ns, "reason": "the database refuses it"}
                log.error("%s: frame %d could not be stored; it is marked as a gap", self.writer.path, frame_id)
                for whose in (None, session_id):
                    self.writer.event(whose, ts_ns, None, "gap", detail)
        return bool(all_refused)

    def mark_gap(self, frames: int, since_ns: int, until_ns: int, mono_ns: int, number: int = 0, **more: Any) -> None:
        """Store a gap, and report it to the judge: so many `frames` were relayed, but could not be stored.

        They belong to the session with the number `number`; if that is 0, they may belong to any session. `more` is
        added to the detail of the event: how many other events and sessions were lost, and why.
        """
        detail = {"frames": frames, "since_ns": since_ns, "until_ns": until_ns, **more}
        session = self.open_sessions.get(number)
        if session is not None:
            self.writer.event(session.session_id, until_ns, self.writer.here(session.last_frame_id), "gap", detail)
        elif not number:
            self.writer.event(None, until_ns, None, "gap", detail)
        self._store_findings(self.feed.take(GapRecord(number, until_ns, mono_ns, frames, since_ns, more)))

    def store_findings(self, session: RecordedSession, findings: list[Finding]) -> None:
        """Store the findings of an open session."""
        self.finding_rows.store(session, findings, None)

    def summary(self, lost: int = 0) -> Summary:
        """Return how much is stored, with `lost` as the number of frames that could not be stored."""
        return Summary(*self.stored(), lost)

    def stored(self) -> StoredCounts:
        """Return how much is on disk: everything processed, without the rows that wait for a commit."""
        taken = (self.sessions, self.frames, self.findings, self.errors)
        sessions, frames, findings, errors = map(sub, taken, self.writer.waiting_counts())
        return StoredCounts(sessions, frames, findings, errors, self.writer.dropped.total())

    def recount(self) -> None:
        """Set the counts again, from the files and from the rows that wait for a commit."""
        before, rows = self.writer.before, self.finding_rows
        earlier = (before.get(what, 0) for what in COUNTED)
        counts = map(sum, zip(earlier, self.writer.recording_counts(), self.writer.waiting_counts(), strict=True))
        self.sessions, self.frames, rows.total, rows.errors = counts

    def take_first_findings(self) -> list[FirstFinding]:
        """Return the first finding of each rule that had none at the last call."""
        return self.finding_rows.take_first()

    @property
    def findings(self) -> int:
        """How many findings there are; every occurrence counts."""
        return self.finding_rows.total

    @property
    def errors(self) -> int:
        """How many findings of severity error there are; every occurrence counts."""
        return self.finding_rows.errors

    @property
    def by_severity(self) -> dict[str, int]:
        """How many findings of each severity this process has made."""
        return self.finding_rows.by_severity

    def _open(self, record: OpenRecord) -> None:
        number, ts_ns, _, handshake = record
        session_id = self.writer.next_id("sessions")
        secrets = self.redaction.secrets_of(handshake.get("charge_point_id"))
        secrets.add(handshake.get("secrets", ()))
        facts: dict[str, Any] = {name: value for name, value in handshake.items() if name != "secrets"}
        if "shadow_of" in facts:
            mirrored = self.open_sessions.get(facts["shadow_of"])
            same = mirrored is not None and mirrored.judge.station.charge_point_id == facts.get("charge_point_id")
            facts["shadow_of"] = mirrored.session_id if mirrored is not None and same else None
        failed: list[Exception] = []

        def begin(judge: SessionJudge) -> None:
            self.open_sessions[number] = RecordedSession(session_id, judge, ts_ns, secrets, self.file)

        try:
            fed = self.feed.open(record._replace(facts=cast(SessionFacts, facts)), begin)
        except Exception as why:
            failed.append(why)
            fed = self.feed.open(record._replace(facts={"from_start": False}), begin)
        session = self.open_sessions[number]
        try:
            facts = self.redaction.detail(secrets, facts)
        except Exception as why:  # store the session without these facts: they could not be searched for secrets
            failed.append(why)
            facts = {}
        self.sessions += 1
        values = {column: facts.get(column) for column in SESSION_COLUMNS}
        offered = facts.get("subprotocols_offered")
        values |= {
            "id": session_id,
            "opened_ns": ts_ns,
            "ocpp_version": session.judge.version,
            "subprotocols_offered": json.dumps(offered) if offered is not None else None,
        }
        self.writer.session(values)
        for error in failed:
            self._faults.note(session, HANDSHAKE_NOT_READ, error)
        for event, names in FACTS_OF_EVENTS.items():
            if kept := {name: facts[name] for name in names if facts.get(name) is not None and facts[name] is not True}:
                self.writer.event(session_id, ts_ns, None, event, kept)
        try:
            self.derivation.note_charge_point(facts.get("charge_point_id"), ts_ns)
        except Exception as error:
            self._faults.note(session, ROW_NOT_DERIVED, error)
        self._store_findings(fed)

    def _reopen(self, record: ReopenRecord) -> None:
        name = record.facts.get("charge_point_id") or ""
        for session in self.restored.values():
            if session.opened_ns == record.ts_ns and session.judge.station.charge_point_id == name:
                self.open_sessions[record.session_number] = session
                self.feed.sessions[record.session_number] = session.judge
                session.secrets.add(record.facts.get("secrets", ()))
                return
        self._open(OpenRecord(*record)._replace(facts={**record.facts, "from_start": False}))

    def _frame(self, session: RecordedSession, record: FrameRecord) -> None:
        _, ts_ns, mono_ns, from_charge_point, opcode, payload, notes = record
        judge, writer, feed = session.judge, self.writer, self.feed
        frame_id = writer.next_id("frames")
        frame = feed.frame(judge, record, frame_id)
        shown, hidden = self.redacted_frames.of(session.secrets, judge.protocol.version, frame)
        found = feed.call_judge(judge, judge.frame, frame)
        worst = self.finding_rows.store(session, found, frame_id) if found else None
        text = frame_row.stored_text(payload if hidden is None else hidden, opcode)
        msg_type = action = valid = latency = call = id_length = None
        try:
            msg_type, action = frame_row.msg_type(frame), frame_row.shortened(shown.action)
            valid = frame_row.valid(judge.version, frame, found)
            id_length = frame_row.id_length(shown.message, text)
            asked = frame.call
            if asked is not None and frame.answer_status is AnswerStatus.PAIRED:
                call = writer.here(asked.frame_id)
                latency = (frame.mono_ns - asked.mono_ns) // 1000 if judge.timed else None
        except Exception as error:
            self._faults.note(session, ROW_NOT_DERIVED, error)
        writer.frame(
            (
                frame_id,
                session.session_id,
                0 if from_charge_point else 1,
                msg_type,
                action,
                valid,
                worst.value if worst else None,
                latency,
                call,
                len(payload),
                0 if notes and notes.get("forwarded") is False else 1,
                0 if hidden is None else 1,
                ts_ns,
                mono_ns,
                id_length,
                text,
            )
        )
        self.frames += 1
        session.frame_count += 1
        session.last_frame_id = frame_id
        session.last_seen_ns = ts_ns
        self._changed.add(session)
        try:
            notes = frame.notes  # redaction may have added a note
            if opcode == BINARY or (notes and not KEPT_NOTES.isdisjoint(notes)):
                # The stored bytes do not show these facts: a BLOB may be a text message that is not UTF-8.
                detail = {**(notes or {}), **({"binary": True} if opcode == BINARY else {})}
                kind = FRAMING if NOTES_OF_INTERVENTIONS.isdisjoint(detail) else INTERVENTION
                writer.event(session.session_id, ts_ns, frame_id, kind, detail)
            if frame.action is not None and "shadow" not in judge.facts:  # a transaction must not count twice
                self.derivation.derive(session.session_id, judge.station.charge_point_id, judge.version, shown)
            if len(payload) > LARGE and frame.call is None:
                self._large_calls.add(judge.protocol.correlation, frame, shown)
        except Exception as error:
            self._faults.note(session, ROW_NOT_DERIVED, error)

    def _event(self, record: EventRecord) -> None:
        session = self.open_sessions.get(record.session_number)
        secrets = session.secrets if session else self.redaction.secrets_of(record.detail.get("charge_point_id"))
        shown = self.redaction.detail(secrets, record.detail)
        session_id, after = (session.session_id, session.last_frame_id) if session else (None, None)
        self.writer.event(session_id, record.ts_ns, after, record.kind, shown)
        fed = self.feed.take(record)
        if session is not None and fed.session is not None:
            session.judge = fed.session  # another one if interventions have taken the session over
        self._store_findings(fed)

    def _close(self, record: CloseRecord) -> None:
        fed = self.feed.take(record)
        session = self.open_sessions.pop(record.session_number, None)
        if session is None:
            return
        self.closed += 1
        self._store_findings(fed)
        known = ("cp_close_code", "cp_close_reason", "csms_close_code", "csms_close_reason", "closed_by")
        self._changed.discard(session)
        shown = self.redaction.detail(session.secrets, {column: record.facts.get(column) for column in known})
        self._update(session, {"closed_ns": record.ts_ns, **shown})

    def _update(self, session: RecordedSession, values: dict[str, Any]) -> None:
        if session.judge.version is not session.version:
            session.version = session.judge.version
            values["ocpp_version"] = session.version
        counts = {
            "frame_count": session.frame_count,
            "error_count": session.error_count,
            "last_seen_ns": session.last_seen_ns,
        }
        self.writer.update_session(session.session_id, counts | values)

    def _store_findings(self, fed: FeedResult) -> None:
        if fed.findings:
            self.finding_rows.store(fed.session.label if fed.session else None, fed.findings, None)

    def rule_failed(self, session: SessionJudge, error: Exception) -> None:
        """Report that a rule raised an exception. Its findings are missing, but the frame is stored."""
        self._faults.note(session.label, RULE_FAILED, error)
