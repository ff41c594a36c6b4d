"""Give findings to the writer, which stores one row for each, and count them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from inspector.recorder.faults import FINDING_NOT_STORED, Faults
from inspector.recorder.recorded_session import RecordedSession
from inspector.recorder.recorder import FirstFinding
from inspector.redaction.redactor import Redactor
from inspector.rules.finding import Finding, Severity
from inspector.store.writing.counted_rows import StoredFinding
from inspector.store.writing.writer import Writer


class FindingRows:
    """Stores and counts the findings of one recorder, in all its files."""

    def __init__(self, writer: Writer, redaction: Redactor, faults: Faults, changed: set[RecordedSession]) -> None:
        """Begin without findings. Sessions whose count of errors changes are added to `changed`."""
        self._writer, self._redaction, self._faults, self._changed = writer, redaction, faults, changed
        self.total = self.errors = 0
        self._known_rules: set[str] = set()
        self.first: list[FirstFinding] = []
        """The first finding of each rule that `take_first` has not returned yet."""
        self.on_count: Callable[[str | None, Finding, int], None] = lambda charge_point_id, finding, times: None
        """Called with each count of a finding and its charge point; the count is below 0 if it could not be stored."""
        self.by_severity: dict[str, int] = {severity.value: 0 for severity in Severity}

    def store(self, session: RecordedSession | None, found: list[Finding], frame_id: int | None) -> Severity | None:
        """Store findings; return the worst severity among those about the frame `frame_id`, or None.

        If a finding cannot be stored, report a fault and store the other findings. `session` is the open session that
        was being judged; None for a failed attempt to connect.
        """
        worst: Severity | None = None
        for finding in found:
            try:
                frames = self._store(session, finding)
            except Exception as error:
                self._faults.note(session, FINDING_NOT_STORED, error)
                continue
            for about in frames:
                if about != frame_id:
                    self._writer.raise_severity(about, finding.severity)
                elif worst is None or finding.severity.rank > worst.rank:
                    worst = finding.severity
        return worst

    def _store(self, session: RecordedSession | None, finding: Finding) -> Sequence[int]:
        """Add a row for a finding or raise its count; return the ids of the frames in this file that it is new on."""
        writer = self._writer
        if finding.finding_id is not None and finding.finding_id < writer.begins["findings"]:
            begin_new_row(finding)  # its row is in an earlier file; repeats count in a row of this file
        new = finding.finding_id is None
        owner: RecordedSession | None = (finding.session and finding.session.label) or session
        if owner is not None and session is not None and owner.file != session.file:
            owner = session  # the owner ended in an earlier file: count in the charge point's session in this file
        if new and finding.frame_id is None and finding.last_frame_id is not None and session is not None:
            finding.frame_id, finding.ts_ns = finding.last_frame_id, session.last_seen_ns
        finding.frame_id, finding.last_frame_id = writer.here(finding.frame_id), writer.here(finding.last_frame_id)
        frames = [one for one in finding.take_frames() if writer.here(one) is not None]
        if new:
            self.hide_secrets(owner, finding)
            self._note_first(owner, finding)
        more, finding.counted = finding.count - finding.counted, finding.count
        writer.finding(owner.session_id if owner else None, finding, frames, finding.take_times())
        self._count(owner, finding, more)
        return frames or (() if finding.last_frame_id is None else (finding.last_frame_id,))

    def _note_first(self, owner: RecordedSession | None, finding: Finding) -> None:
        if finding.rule_id in self._known_rules:
            return
        self._known_rules.add(finding.rule_id)
        about = owner.judge if owner else finding.session
        name = about.station.charge_point_id if about else ""
        first = FirstFinding(name, finding.severity.value, finding.side.value, finding.rule_id, finding.message)
        self.first.append(first)

    def take_first(self) -> list[FirstFinding]:
        """Return the first finding of each rule that had none at the last call."""
        taken, self.first = self.first, []
        return taken

    def _count(self, owner: RecordedSession | None, finding: Finding, more: int) -> None:
        self.total += more
        self.by_severity[finding.severity.value] += more
        about = owner.judge if owner else finding.session
        self.on_count(about.station.charge_point_id if about else None, finding, more)
        if finding.severity is Severity.ERROR:
            self.errors += more
            if owner is not None:
                owner.error_count += more
                self._changed.add(owner)

    def hide_secrets(self, owner: RecordedSession | None, finding: Finding) -> None:
        """Hide secrets in the message and the pointer of a finding."""
        charge_point_id = finding.session.station.charge_point_id if finding.session else ""
        secrets = owner.secrets if owner else self._redaction.secrets_of(charge_point_id)
        finding.message = self._redaction.sentence(secrets, finding.message)
        if finding.pointer:
            finding.pointer = self._redaction.sentence(secrets, finding.pointer)

    def count_on_in_rows(self, owner: RecordedSession, stored: dict[tuple[Any, ...], list[StoredFinding]]) -> None:
        """Connect a session's findings with their rows in the file, so that new occurrences count in the same rows.

        It is called after a restart, when rules have made these findings again from stored frames. `stored` comes from
        `CountedRows.session_findings`.
        """
        for finding in owner.judge.findings():
            self.hide_secrets(owner, finding)
            rows = stored.get((finding.rule_id, finding.frame_id, finding.pointer))
            if not rows:
                continue
            row = next((one for one in rows if one.message == finding.message), rows[0])
            rows.remove(row)
            finding.take_frames()
            finding.take_times()
            finding.finding_id, finding.kept_frames, finding.kept_times = row.id, row.kept, row.kept_times
            finding.count = finding.counted = finding.committed = max(row.times, finding.count)

    def uncount(
        self, session_id: int | None, finding: Finding, times: int, open_sessions: dict[int, RecordedSession]
    ) -> None:
        """Subtract occurrences that could not be stored from the counts; `open_sessions` is by session id."""
        owner = finding.session.label if finding.session else None
        session = owner if owner and owner.session_id == session_id else open_sessions.get(session_id or 0)
        self._count(session, finding, -times)


def begin_new_row(finding: Finding) -> None:
    """Prepare a finding whose row is in an earlier file to get a new row in this file, with a count of its own."""
    if finding.finding_id is not None:
        frames, times = finding.take_frames(), finding.take_times()
        if not frames and not times and finding.last_frame_id is not None:
            frames = [finding.last_frame_id]
        finding.begin_again()
        finding.count = 1
        for frame_id in frames:
            finding.occurred(frame_id)
        for ts_ns in times:
            finding.missed(ts_ns)
            finding.ts_ns = ts_ns
