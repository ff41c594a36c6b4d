"""`--require-recording`: makes charging wait for the recorder, and ends it rather than let it run unrecorded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from inspector.proxy.addon import RecordingAddon
from inspector.recorder.recorder import Status

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.05
GOODBYE_SECONDS = 2.0
"""How long peers have to answer the close frame before their connections end."""

DEAD_AFTER_S = 5.0
"""How long the recorder may fail before sessions end: longer than a crashed one takes to be back."""


class Strictness:
    """Looks at the recorder's status and acts on every session."""

    def __init__(
        self,
        recording: RecordingAddon,
        status: Callable[[], Status],
        queue_limit: int,
        dead_after: float = DEAD_AFTER_S,
    ) -> None:
        """`queue_limit` is in bytes: what the recorder keeps at most before it loses frames."""
        self._recording, self._status = recording, status
        self._limit, self._dead_after = queue_limit, dead_after
        self._holding = False
        self._failing_since: float | None = None
        self._dead = False
        recording.refusing = self.refusing

    def refusing(self) -> str | None:
        """Why a charge point that comes now may have no session; None the moment the recorder works again."""
        refuses = self._dead and not self._status().working
        return "the proxy cannot record and must not relay without" if refuses else None

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._look(self._status(), loop.time())
            await asyncio.sleep(LOOK_EVERY_S)

    def _look(self, status: Status, now: float) -> None:
        # Held from half of the bound on, so that what is under way still fits.
        if not self._holding and status.waiting_bytes > self._limit // 2:
            logger.warning("%d bytes wait for the recorder: sessions wait too", status.waiting_bytes)
            self._holding = True
        elif self._holding and status.waiting_bytes < self._limit // 4:
            logger.info("the recorder has caught up: sessions go on")
            self._holding = False
        for link in self._recording.links.values():
            link.hold("strictness", self._holding)
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
            for link in list(self._recording.links.values()):
                if link.go_away(1011, "recording failed"):
                    asyncio.get_running_loop().call_later(GOODBYE_SECONDS, link.drop)
