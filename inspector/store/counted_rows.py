"""Count what one run of a recorder has stored in its file and what waits there; writes nothing."""

from __future__ import annotations

from collections import Counter

from inspector.rules.finding import Finding, Severity
from inspector.store.pending_rows import INSERT_SESSION, PendingRows

COUNTED = ("sessions", "frames", "findings", "errors")
"""What `CountedRows.recording_counts` counts."""


class CountedRows(PendingRows):
    """The rows of one run."""

    recording_id: int
    begins: dict[str, int]
    """By table, the first id that may be in this file."""

    def recording_counts(self) -> tuple[int, int, int, int]:
        """Sessions, frames, findings and findings of severity error of this recording, as committed."""
        sql = """SELECT count(*), coalesce(sum(frame_count), 0), coalesce(sum((SELECT count(*) FROM findings
            WHERE session_id = sessions.id)), 0), coalesce(sum(error_count), 0) FROM sessions WHERE recording_id = ?"""
        sessions, frames, findings, errors = self._connection.execute(sql, (self.recording_id,)).fetchone()
        return sessions, frames, findings, errors

    def waiting_counts(self) -> tuple[int, int, int, int]:
        """The same of what waits for a commit."""
        sessions = sum(sql is INSERT_SESSION for sql, _ in self._rows)
        errors = sum(finding.severity is Severity.ERROR for _, finding in self._findings)
        return sessions, len(self._frames), len(self._findings), errors

    def session_counts(self, session_id: int) -> tuple[int, int]:
        """The counts of frames and errors of a session, as committed."""
        sql = "SELECT frame_count, error_count FROM sessions WHERE id = ?"
        frames, errors = self._connection.execute(sql, (session_id,)).fetchone() or (0, 0)
        return frames, errors

    def waiting_by_session(self) -> tuple[Counter[int], Counter[int]]:
        """Frames and errors that wait for a commit, by session."""
        frames = Counter(self._frames.values[1 :: self._frames.columns])
        return frames, Counter(session for session, one in self._findings if one.severity is Severity.ERROR)

    def take_stale_recounts(self) -> list[Finding]:
        """Findings that were counted again since the last commit, and whose rows are not in this file."""
        stale = {number: one for number, one in self._recounted.items() if number < self.begins["findings"]}
        self._recounted = {number: one for number, one in self._recounted.items() if number not in stale}
        return list(stale.values())

    def session_findings(self, session_id: int) -> dict[tuple[str, int | None, str | None], list[int]]:
        """The ids of a session's findings by rule, frame and pointer, in the order they were made, as committed."""
        sql = "SELECT rule_id, frame_id, pointer, id FROM findings WHERE session_id = ? ORDER BY id"
        found: dict[tuple[str, int | None, str | None], list[int]] = {}
        for rule, frame, pointer, row in self._connection.execute(sql, (session_id,)):
            found.setdefault((rule, frame, pointer), []).append(row)
        return found
