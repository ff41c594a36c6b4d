"""Give findings to the writer, each as one row in the file being written, and count them; judges nothing."""

from __future__ import annotations

from inspector.recorder.faults import FINDING_NOT_STORED, Faults
from inspector.recorder.recorded_session import RecordedSession
from inspector.redaction.redactor import Redactor
from inspector.rules.finding import Finding, Severity
from inspector.store.writer import Writer


class FindingRows:
    """The findings of one recorder, over all its files."""

    def __init__(self, writer: Writer, redaction: Redactor, faults: Faults, changed: set[RecordedSession]) -> None:
        """`changed` gets the sessions whose count of errors has changed."""
        self._writer, self._redaction, self._faults, self._changed = writer, redaction, faults, changed
        self.total = self.errors = 0
        self.by_severity: dict[str, int] = {severity.value: 0 for severity in Severity}

    def store(self, link: RecordedSession, found: list[Finding], frame_id: int | None) -> Severity | None:
        """Store findings; returns the worst one about the frame `frame_id`. One that cannot be costs no other.

        `link` is the session that was being judged, which is open.
        """
        worst: Severity | None = None
        for finding in found:
            try:
                about = self._store(link, finding)
            except Exception as error:
                self._faults.note(link, FINDING_NOT_STORED, error)
                continue
            if about is None:
                continue
            if about == frame_id:
                if worst is None or finding.severity.rank > worst.rank:
                    worst = finding.severity
            else:
                self._writer.raise_severity(about, finding.severity)
        return worst

    def _store(self, link: RecordedSession, finding: Finding) -> int | None:
        """Add a finding or count it again; returns the frame of this file that it is about."""
        writer = self._writer
        if finding.finding_id is not None and finding.finding_id < writer.begins["findings"]:
            renew(finding)  # once it has a row in this file, its repeats count there
        new = finding.finding_id is None
        owner: RecordedSession = (finding.session and finding.session.label) or link
        if owner.file != link.file:  # it closed in an earlier file: its charge point's session here speaks for it
            owner = link
        if new and finding.frame_id is None and finding.last_frame_id is not None:
            finding.frame_id, finding.ts_ns = finding.last_frame_id, link.last_seen_ns
        finding.frame_id, finding.last_frame_id = writer.here(finding.frame_id), writer.here(finding.last_frame_id)
        if new:
            finding.message = self._redaction.sentence(owner.secrets, finding.message)
            if finding.pointer:
                finding.pointer = self._redaction.sentence(owner.secrets, finding.pointer)
        writer.finding(owner.session_id, finding)
        if new:
            self.total += 1
            self.by_severity[finding.severity.value] += 1
            if finding.severity is Severity.ERROR:
                self.errors += 1
                owner.error_count += 1
                self._changed.add(owner)
        return finding.last_frame_id

    def take_back(self, session_id: int, finding: Finding, open_links: dict[int, RecordedSession]) -> None:
        """Count a finding no more whose row could not be stored; `open_links` are by session id."""
        self.total -= 1
        if finding.severity is not Severity.ERROR:
            return
        self.errors -= 1
        owner = finding.session.label if finding.session else None
        link = owner if owner and owner.session_id == session_id else open_links.get(session_id)
        if link:
            link.error_count -= 1
            self._changed.add(link)


def renew(finding: Finding) -> None:
    """Have a finding begin again: what it counted is in an earlier file."""
    if finding.finding_id is not None:
        finding.finding_id = finding.frame_id = None
        finding.count = 1
