"""Tells when a recorder process is behind, and when it hangs; knows how much waits for it, not what, and no process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from inspector.recorder.worker.backlog import Backlog

BEHIND_AT, CAUGHT_UP_AT = 6_000, 5_000
"""Records: two commits' worth, a fifth of a second's work; close together, so that nobody waits long."""
BEHIND_AT_SHARE, CAUGHT_UP_AT_SHARE = 4, 8
"""The same in bytes, for few but large frames: what the bound is divided by. The rest is for what is under way."""
STALLED_AFTER_S = 2.0
"""Seconds without an acknowledgement after which nobody waits for the recorder any longer."""
HANGS_AFTER_S = 5.0
"""Seconds without one, while records wait, after which it counts as not working."""


class Pacing:
    """How far a recorder is behind its relay."""

    def __init__(self, backlog: Backlog, limit: int) -> None:
        """`limit` is in bytes: what is kept at most."""
        self._backlog, self._limit = backlog, limit
        self.tell: Callable[[bool], None] | None = None
        """Called when it falls behind or has caught up."""
        self._works = self._behind = self._looking = False
        self._acknowledged_at = self._much_since = self._some_since = 0.0

    @property
    def look_from(self) -> int:
        """Bytes up to which nothing but the number of records can make it late."""
        return self._limit // BEHIND_AT_SHARE

    def acknowledged(self) -> None:
        """Note that something has been stored."""
        self._acknowledged_at = time.monotonic()

    def hangs(self) -> bool:
        """Whether records have waited for long, and none was stored meanwhile."""
        # After some silence the last acknowledgement is old, and means nothing.
        heard_at = max(self._acknowledged_at, self._some_since)
        return self._some_since > 0 and time.monotonic() - heard_at > HANGS_AFTER_S

    def look(self, works: bool, loop: asyncio.AbstractEventLoop | None) -> None:
        """Find out whether it is behind; cheap, to be called once a tick and on each acknowledgement.

        `works` is whether it can store anything: one that cannot is not behind, as nothing gets better by waiting.
        """
        self._works = works
        if not self._backlog:
            self._some_since = 0.0
        elif not self._some_since:
            self._some_since = time.monotonic()
        behind = works and self._much_waits()
        if behind:
            now = time.monotonic()
            self._much_since = self._much_since or now
            # A disk that hangs acknowledges nothing: waiting for it would stop charging for nothing.
            behind = now - max(self._acknowledged_at, self._much_since) < STALLED_AFTER_S
        else:
            self._much_since = 0.0
        if behind is not self._behind:
            self._behind = behind
            if self.tell is not None:
                self.tell(behind)
        if behind and loop is not None and not self._looking:
            # Held peers send nothing that would bring us back here.
            self._looking = True
            loop.call_later(STALLED_AFTER_S, self._look_again, loop)

    def _much_waits(self) -> bool:
        backlog = self._backlog
        if self._behind:
            return len(backlog) > CAUGHT_UP_AT or backlog.bytes > self._limit // CAUGHT_UP_AT_SHARE
        return len(backlog) > BEHIND_AT or backlog.bytes > self.look_from

    def _look_again(self, loop: asyncio.AbstractEventLoop) -> None:
        self._looking = False
        self.look(self._works, loop)
