"""Hold the state of one session while it is recorded: the numbers of its row, its judge and its secrets."""

from __future__ import annotations

from inspector.redaction.secrets import Secrets
from inspector.rules.judge import SessionJudge


class RecordedSession:
    """One session while it is recorded."""

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

    def __init__(self, session_id: int, judge: SessionJudge, opened_ns: int, secrets: Secrets, file: int) -> None:
        self.session_id = session_id
        self.secrets = secrets
        self.judge = judge
        judge.label = self
        self.frame_count = 0
        self.error_count = 0
        self.last_frame_id: int | None = None
        self.opened_ns = self.last_seen_ns = opened_ns
        self.version = judge.version
        self.file = file
        """The number, from 0, of the newest of the recorder's files in which the session was open."""
