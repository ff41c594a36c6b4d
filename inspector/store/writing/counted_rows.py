"""Count the rows that one run of a recorder has stored and those that still wait. Writes nothing."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from inspector.rules.finding import Finding, Severity, tally
from inspector.store.writing.pending_rows import INSERT_SESSION, PendingRows

COUNTED = ("sessions", "frames", "findings", "errors")
"""The names of the counts in `CountedRows.recording_counts`, in order."""


class StoredFinding(NamedTuple):
    """A finding in a file; `kept` is the number of its rows in `occurrences`, `kept_times` of those in `absences`."""

    message: str
    id: int
    times: int
    kept: int
    kept_times: int


class CountedRows(PendingRows):
    """The waiting rows of one run, and counts of its stored ones."""

    recording_id: int
    begins: dict[str, int]
    """By table, the first id that may be in this file."""

    def recording_counts(self) -> tuple[int, int, int, int]:
        """Return how many sessions, frames, findings and errors of this run are committed.

        Every occurrence of a finding counts.
        """
        sessions = "SELECT count(*), coalesce(sum(frame_count), 0) FROM sessions WHERE recording_id = ?"
        number, frames = self._connection.execute(sessions, (self.recording_id,)).fetchone()
        sql = """SELECT coalesce(sum(count), 0), coalesce(sum(CASE severity WHEN 'error' THEN count END), 0)
            FROM findings WHERE session_id IN (SELECT id FROM sessions WHERE recording_id = :id) OR (session_id IS NULL
            AND ts_ns >= (SELECT started_ns FROM recordings WHERE id = :id))"""
        findings, errors = self._connection.execute(sql, {"id": self.recording_id}).fetchone()
        return number, frames, findings, errors

    def waiting_counts(self) -> tuple[int, int, int, int]:
        """Return the same counts of the rows that wait for a commit."""
        sessions = sum(sql is INSERT_SESSION for sql, _ in self._rows)
        counts = tally(self._waiting_findings(), waiting=True)
        return sessions, len(self._frames), sum(counts.values()), counts[Severity.ERROR]

    def _waiting_findings(self) -> list[Finding]:
        """Return each finding that is new or has occurred again since the last commit."""
        return list({id(one): one for one in (*self._recounted.values(), *(new for _, new in self._findings))}.values())

    def session_counts(self, session_id: int) -> tuple[int, int]:
        """Return how many frames and errors of a session are committed."""
        sql = "SELECT frame_count, error_count FROM sessions WHERE id = ?"
        frames, errors = self._connection.execute(sql, (session_id,)).fetchone() or (0, 0)
        return frames, errors

    def waiting_by_session(self) -> tuple[Counter[int], Counter[int]]:
        """Return how many frames and errors wait for a commit, by session."""
        frames = Counter(self._frames.values[1 :: self._frames.columns])
        errors: Counter[int] = Counter()
        for one in self._waiting_findings():
            if one.severity is Severity.ERROR and one.row_session is not None:
                errors[one.row_session] += one.counted - one.committed
        return frames, errors

    def take_stale_recounts(self) -> list[Finding]:
        """Remove and return findings that occurred again but whose rows are in an earlier file."""
        stale = {number: one for number, one in self._recounted.items() if number < self.begins["findings"]}
        self._recounted = {number: one for number, one in self._recounted.items() if number not in stale}
        found, self._occurrences = self._occurrences, []
        for finding_id, frame_id in found:
            if finding_id in stale:
                stale[finding_id].new_frames.append(frame_id)
            else:
                self._occurrences.append((finding_id, frame_id))
        missed, self._absences = self._absences, []
        for finding_id, ts_ns in missed:
            if finding_id in stale:
                stale[finding_id].new_times.append(ts_ns)
            else:
                self._absences.append((finding_id, ts_ns))
        return list(stale.values())

    def session_findings(self, session_id: int) -> dict[tuple[Any, ...], list[StoredFinding]]:
        """Return the committed findings of a session, oldest first, by rule, frame and pointer."""
        sql = """SELECT rule_id, frame_id, pointer, message, id, count,
            (SELECT count(*) FROM occurrences WHERE finding_id = f.id),
            (SELECT count(*) FROM absences WHERE finding_id = f.id)
            FROM findings f WHERE session_id = ? ORDER BY id"""
        found: dict[tuple[Any, ...], list[StoredFinding]] = {}
        for row in self._connection.execute(sql, (session_id,)):
            found.setdefault(row[:3], []).append(StoredFinding(*row[3:]))
        return found
