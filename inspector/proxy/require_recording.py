"""Implement `--require-recording`: pause sessions while the recorder is too slow, end them if it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from inspector.proxy.addon import RecordingAddon
from inspector.recorder.recorder import Status

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.05
GOODBYE_SECONDS = 2.0
"""How long peers have to answer the close frame before their connections are ended."""

DEAD_AFTER_S = 5.0
"""How long the recorder may fail before sessions are ended; longer than a restart takes."""


class RecordingGuard:
    """Watch the recorder's status, and pause or end all sessions."""

    def __init__(
        self,
        recording: RecordingAddon,
        status: Callable[[], Status],
        queue_limit: int,
        dead_after: float = DEAD_AFTER_S,
    ) -> None:
        """Prepare to watch; `queue_limit` is how many bytes may wait before the recorder loses frames."""
        self._recording, self._status = recording, status
        self._limit, self._dead_after = queue_limit, dead_after
        self._holding = False
        self._failing_since: float | None = None
        self._dead = False
        recording.refusing = self.refusing

    def refusing(self) -> str | None:
        """The reason why no session may be opened now, in words; None while the recorder works."""
        refuses = self._dead and not self._status().working
        return "the recorder does not work, and --require-recording forbids sessions without it" if refuses else None

    async def run(self) -> None:
        """Watch the recorder until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._look(self._status(), loop.time())
            await asyncio.sleep(LOOK_EVERY_S)

    def _look(self, status: Status, now: float) -> None:
        # Pause at half of the limit: there must be room for data that was already received.
        if not self._holding and status.waiting_bytes > self._limit // 2:
            logger.warning("%d bytes are waiting for the recorder: pausing all sessions", status.waiting_bytes)
            self._holding = True
        elif self._holding and status.waiting_bytes < self._limit // 4:
            logger.info("the recorder has caught up: resuming all sessions")
            self._holding = False
        for session in self._recording.sessions.values():
            session.hold("guard", self._holding)
        if status.working:
            self._failing_since, self._dead = None, False
            return
        if self._failing_since is None:
            self._failing_since = now
        if now - self._failing_since >= self._dead_after and not self._dead:
            logger.error(
                "the recorder has failed for %g s: ending all sessions (--require-recording)", self._dead_after
            )
            self._dead = True
        if self._dead:
            for session in list(self._recording.sessions.values()):
                if session.go_away(1011, "recording failed"):
                    asyncio.get_running_loop().call_later(GOODBYE_SECONDS, session.drop)
