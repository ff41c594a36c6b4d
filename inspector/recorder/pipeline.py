"""What happens to a record behind the door: paired, judged, turned into rows; knows no thread and no clock."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterable
from operator import sub
from pathlib import Path
from typing import Any

from inspector.protocol.frame import AnswerStatus
from inspector.recorder import frame_row
from inspector.recorder.derived_tables import DerivedTables
from inspector.recorder.faults import HANDSHAKE_NOT_READ, ROW_NOT_DERIVED, RULE_FAILED, Faults
from inspector.recorder.finding_rows import FindingRows
from inspector.recorder.large_calls import LARGE, LargeCalls
from inspector.recorder.recorded_session import RecordedSession
from inspector.recorder.recorder import FirstFinding, Summary
from inspector.recorder.set_aside import about, as_asterisks
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
    SET_ASIDE,
    Record,
)
from inspector.redaction.redacted_frames import RedactedFrames
from inspector.redaction.redactor import Redactor
from inspector.redaction.secrets import Secrets
from inspector.rules.context import Moment
from inspector.rules.feed import Fed, Feed
from inspector.rules.finding import Finding
from inspector.rules.judge import SessionJudge
from inspector.rules.settings import DEFAULTS, Settings
from inspector.store.counted_rows import COUNTED
from inspector.store.pending_rows import FRAME_COLUMNS, SESSION_COLUMNS
from inspector.store.writer import Writer

log = logging.getLogger("chargesentinel.recorder")

FRAME_TS = FRAME_COLUMNS.index("ts_ns")


class Pipeline:
    """Takes records in the order they happened and fills the writer; `commit` puts them on disk."""

    def __init__(self, writer: Writer, settings: Settings = DEFAULTS, redaction: Redactor | None = None) -> None:
        self.writer = writer
        self._redaction = redaction or Redactor()
        self.feed = Feed(settings, failed=self._rule_failed)
        self.links: dict[int, RecordedSession] = {}
        self._large_calls = LargeCalls()
        self._restored: dict[int, RecordedSession] = {}  # by session id: open when the recorder before this one ended
        self._changed: set[RecordedSession] = set()
        self._stored_forms = RedactedFrames(self._redaction)
        self.derivation = DerivedTables(writer)
        self._faults = Faults(writer)
        self._finding_rows = FindingRows(writer, self._redaction, self._faults, self._changed)
        self.file = 0  # how many files came before this one
        self.gone = 0  # frames that were stored in files which others deleted
        self.closed = 0  # sessions that have ended
        self.sessions = self.frames = 0

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
        elif kind == SET_ASIDE:
            self.take(as_asterisks(record))
            link = self.links[number]
            detail = about(record, link.session_id, link.last_frame_id)
            self.lost(0, record[2], record[2], record[3], number, **detail)

    def restore(self, steps: Iterable[tuple[Record, int]]) -> None:
        """Rebuild the judge's state from what a recorder before this one has stored.

        `steps` are those of `rereading.reread`. Nothing is written; findings that are stored already go on being
        counted where they are. What cannot be read back is for the judge a gap, and stops nothing.
        """
        seen: list[RecordedSession] = []
        try:
            self._read_back(steps, seen)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
            log.error("%s: what was recorded before cannot all be read back (%s)", self.writer.path, where)
            for link in self._restored.values():
                self.feed.judged(link.judge, link.judge.gap, link.judge.opened_at)
            self.feed.judge.gap()
        self.recount()
        for link in seen:
            link.version = link.judge.version
            link.frame_count, link.error_count = self.writer.session_counts(link.session_id)
            if link.judge.findings():
                self._finding_rows.take_up(link, self.writer.session_findings(link.session_id))

    def _read_back(self, steps: Iterable[tuple[Record, int]], seen: list[RecordedSession]) -> None:
        # The sessions of the file have its numbers, not those that the relay gives them.
        feed = Feed(self.feed.settings, judge=self.feed.judge, failed=self._rule_failed)

        def begin(judge: SessionJudge, session_id: int, ts_ns: int, secrets: Secrets) -> None:
            link = self._restored[session_id] = RecordedSession(session_id, judge, ts_ns, secrets, self.file)
            seen.append(link)
            self._stored_forms.judged = True

        for record, frame_id in steps:
            kind, session_id, ts_ns = record[:3]
            if kind == OPEN:
                secrets = self._redaction.secrets_of(record[4].get("charge_point_id"))
                feed.open(record, lambda judge, at=(session_id, ts_ns, secrets): begin(judge, *at))  # type: ignore[misc]
                continue
            feed.take(record, frame_id)
            if kind == CLOSE:
                self._restored.pop(session_id, None)
            elif kind == FRAME and (link := self._restored.get(session_id)) is not None:
                link.last_frame_id, link.last_seen_ns = frame_id, ts_ns

    def tick(self, mono_ns: int, ts_ns: int) -> None:
        """Let time pass for every open session, so that silence is judged while it lasts."""
        for fed in self.feed.advance(Moment(mono_ns, ts_ns)):
            self._store_findings(fed)

    def commit(self, committed: int | None = None) -> None:
        """Put everything taken so far on disk.

        Raises:
            sqlite3.Error: nothing was written, all of it still waits.
        """
        try:
            self._write(committed)
        finally:
            refused = self._settle_refused()
        if refused:
            self._write(None)

    def _write(self, committed: int | None) -> None:
        for link in self._changed:
            if link.file == self.file:  # else its row was counted anew when it came to this file
                self._update(link, {})
        self._changed.clear()
        self.writer.commit(committed)

    def _settle_refused(self) -> bool:
        """Take back what was counted of rows that could not be stored; returns whether that changed anything."""
        links = {link.session_id: link for link in self.links.values()}
        all_refused = self.writer.take_refused()
        for refused in all_refused:
            self.derivation.forget_transactions(refused.transactions)
            for (session_id, finding), times in zip(refused.findings, refused.uncounted, strict=True):
                self._finding_rows.take_back(session_id, finding, times, links)
            for row in refused.frames:
                frame_id, session_id, ts_ns = row[0], row[1], row[FRAME_TS]
                self.frames -= 1
                self.gone += 1
                if link := links.get(session_id):
                    link.frame_count -= 1
                    self._changed.add(link)
                detail = {"frames": 1, "since_ns": ts_ns, "until_ns": ts_ns, "reason": "no column takes it"}
                log.error("%s: frame %d could not be stored; it is marked as a gap", self.writer.path, frame_id)
                for whose in (None, session_id):
                    self.writer.event(whose, ts_ns, None, "gap", detail)
        return bool(all_refused)

    def lost(self, frames: int, since_ns: int, until_ns: int, mono_ns: int, link: int = 0, **more: Any) -> None:
        """Mark a gap: `frames` crossed the wire and could not be stored; of one session, or of all where `link` is 0.

        `more` is what else is to be said: how many events and sessions went with them, and why.
        """
        detail = {"frames": frames, "since_ns": since_ns, "until_ns": until_ns, **more}
        one = self.links.get(link)
        if one is not None:
            self.writer.event(one.session_id, until_ns, self.writer.here(one.last_frame_id), "gap", detail)
        elif not link:
            self.writer.event(None, until_ns, None, "gap", detail)
        self._store_findings(self.feed.take((GAP, link, until_ns, mono_ns, frames, since_ns, more)))

    def found(self, link: RecordedSession, findings: list[Finding]) -> None:
        """Store findings of a session that is open."""
        self._finding_rows.store(link, findings, None)

    def summary(self, lost: int = 0) -> Summary:
        """What went through so far."""
        return Summary(*self.stored(), lost)

    def stored(self) -> tuple[int, int, int, int, int]:
        """Sessions, frames, findings and errors that are on disk, and derived rows that could not be stored."""
        taken = (self.sessions, self.frames, self.findings, self.errors)
        sessions, frames, findings, errors = map(sub, taken, self.writer.waiting_counts())
        return sessions, frames, findings, errors, self.writer.dropped.total()

    def recount(self) -> None:
        """Count anew, from the files and from what waits."""
        before, rows = self.writer.before, self._finding_rows
        earlier = (before.get(what, 0) for what in COUNTED)
        counts = map(sum, zip(earlier, self.writer.recording_counts(), self.writer.waiting_counts(), strict=True))
        self.sessions, self.frames, rows.total, rows.errors = counts

    def take_first_findings(self) -> list[FirstFinding]:
        """Return the first finding of each rule, those that were not taken before."""
        return self._finding_rows.take_first()

    @property
    def findings(self) -> int:
        """Findings so far, each counted as often as it was made."""
        return self._finding_rows.total

    @property
    def errors(self) -> int:
        """Those of severity error."""
        return self._finding_rows.errors

    @property
    def by_severity(self) -> dict[str, int]:
        """Findings of this process by severity."""
        return self._finding_rows.by_severity

    def _open(self, record: Record) -> None:
        _, number, ts_ns, mono_ns, facts = record
        session_id = self.writer.next_id("sessions")
        secrets = self._redaction.secrets_of(facts.get("charge_point_id"))
        secrets.add(facts.get("secrets", ()))
        facts = {name: value for name, value in facts.items() if name != "secrets"}
        failed: list[Exception] = []

        def begin(judge: SessionJudge) -> None:
            self.links[number] = RecordedSession(session_id, judge, ts_ns, secrets, self.file)

        try:
            fed = self.feed.open((OPEN, number, ts_ns, mono_ns, facts), begin)
        except Exception as why:
            failed.append(why)
            fed = self.feed.open((OPEN, number, ts_ns, mono_ns, {"from_start": False}), begin)
        link = self.links[number]
        try:
            facts = self._redaction.detail(secrets, facts)
        except Exception as why:  # unseen it is not stored; the session is
            failed.append(why)
            facts = {}
        self.sessions += 1
        values = {column: facts.get(column) for column in SESSION_COLUMNS}
        offered = facts.get("subprotocols_offered")
        values |= {
            "id": session_id,
            "opened_ns": ts_ns,
            "ocpp_version": link.judge.version,
            "subprotocols_offered": json.dumps(offered) if offered is not None else None,
        }
        self.writer.session(values)
        for error in failed:
            self._faults.note(link, HANDSHAKE_NOT_READ, error)
        for event, names in FACTS_OF_EVENTS.items():
            if kept := {name: facts[name] for name in names if facts.get(name) is not None and facts[name] is not True}:
                self.writer.event(session_id, ts_ns, None, event, kept)
        try:
            self.derivation.seen(facts.get("charge_point_id"), ts_ns)
        except Exception as error:
            self._faults.note(link, ROW_NOT_DERIVED, error)
        self._store_findings(fed)

    def _reopen(self, record: Record) -> None:
        _, number, ts_ns, _, facts = record
        for link in self._restored.values():
            if link.opened_ns == ts_ns and link.judge.station.charge_point_id == (facts.get("charge_point_id") or ""):
                self.links[number] = link
                self.feed.sessions[number] = link.judge
                link.secrets.add(facts.get("secrets", ()))
                return
        self._open((OPEN, *record[1:4], {**facts, "from_start": False}))

    def _frame(self, link: RecordedSession, record: Record) -> None:
        _, _, ts_ns, mono_ns, from_charge_point, opcode, payload, notes = record
        judge, writer, feed = link.judge, self.writer, self.feed
        frame_id = writer.next_id("frames")
        frame = feed.frame(judge, record, frame_id)
        shown, hidden = self._stored_forms.of(link.secrets, judge.protocol.version, frame)
        found = feed.judged(judge, judge.frame, frame)
        worst = self._finding_rows.store(link, found, frame_id) if found else None
        text = frame_row.text(payload if hidden is None else hidden, opcode)
        msg_type = action = valid = latency = call = id_length = None
        try:
            msg_type, action = frame_row.msg_type(frame), frame_row.short(shown.action)
            valid = frame_row.valid(judge.version, frame, found)
            id_length = frame_row.id_length(shown.message, text)
            asked = frame.call
            if asked is not None and frame.answer_status is AnswerStatus.PAIRED:
                call = writer.here(asked.frame_id)
                latency = (frame.mono_ns - asked.mono_ns) // 1000 if judge.timed else None
        except Exception as error:
            self._faults.note(link, ROW_NOT_DERIVED, error)
        writer.frame(
            (
                frame_id,
                link.session_id,
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
        link.frame_count += 1
        link.last_frame_id = frame_id
        link.last_seen_ns = ts_ns
        self._changed.add(link)
        try:
            notes = frame.notes  # redaction may have added one
            if opcode == BINARY or (notes and not KEPT_NOTES.isdisjoint(notes)):
                # What the stored bytes do not show: a BLOB may also be a text message that is not UTF-8.
                detail = {**(notes or {}), **({"binary": True} if opcode == BINARY else {})}
                writer.event(link.session_id, ts_ns, frame_id, FRAMING, detail)
            if frame.action is not None:
                self.derivation.frame(link.session_id, judge.station.charge_point_id, judge.version, shown)
            if len(payload) > LARGE and frame.call is None:
                self._large_calls.add(judge.protocol.correlation, frame, shown)
        except Exception as error:
            self._faults.note(link, ROW_NOT_DERIVED, error)

    def _event(self, record: Record) -> None:
        _, number, ts_ns, _, kind, detail = record
        link = self.links.get(number)
        secrets = link.secrets if link else self._redaction.secrets_of(detail.get("charge_point_id"))
        shown = self._redaction.detail(secrets, detail)
        self.writer.event(link.session_id if link else None, ts_ns, link.last_frame_id if link else None, kind, shown)
        self._store_findings(self.feed.take(record))

    def _close(self, record: Record) -> None:
        _, number, ts_ns, _, facts = record
        fed = self.feed.take(record)
        link = self.links.pop(number, None)
        if link is None:
            return
        self.closed += 1
        self._store_findings(fed)
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

    def _store_findings(self, fed: Fed) -> None:
        if fed.findings:
            self._finding_rows.store(fed.session.label if fed.session else None, fed.findings, None)

    def _rule_failed(self, session: SessionJudge, error: Exception) -> None:
        """A rule that fails on us costs its findings, never the frame it failed on."""
        self._faults.note(session.label, RULE_FAILED, error)
