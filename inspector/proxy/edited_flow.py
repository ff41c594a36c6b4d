"""Apply interventions to a session that mitmproxy's TCP layer relays, through its public hooks alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic, time_ns

from inspector.errors import UserMistake
from inspector.interventions import shipped
from inspector.interventions.edited_session import EditedSession
from inspector.interventions.intervention import Intervention, Reset, Stall
from inspector.interventions.interventions import Interventions
from inspector.interventions.rules_file import load
from inspector.proxy.session_tap import SessionTap

logger = logging.getLogger(__name__)


def interventions_for_hooks(text: str) -> Interventions:
    """Return the rules of a file, by its path or name. Raises UserMistake, also for what hooks cannot do."""
    path = shipped.find(text)
    return Interventions(_possible(load(path), path), path)


def _possible(rules: Iterable[Intervention], path: Path) -> tuple[Intervention, ...]:
    for rule in rules:
        if isinstance(rule.do, Reset | Stall):
            verb = type(rule.do).__name__.lower()
            raise UserMistake(
                f"{path}: {rule.name}: mitmproxy's hooks cannot {verb} a connection; `chargesentinel proxy` can"
            )
    return tuple(rules)


class EditedFlow:
    """One session in mitmdump: takes chunks, and hands on what the rules have made of them."""

    def __init__(self, tap: SessionTap, edited: EditedSession, waits: Callable[[], bool]) -> None:
        """`waits` returns whether earlier bytes that the addon sent are still on their way."""
        self._tap, self._edited, self._waits = tap, edited, waits
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False

    def arrived(self, side: bool, data: bytes) -> bytes:
        """Handle a chunk from one peer; return what to relay in its place."""
        if side in self._tap.shut:
            self._tap.feed(side, data, False)
            return b""
        self._tap.counts.bytes[side] += len(data)
        try:
            if self._edited.feed(side, data, monotonic(), time_ns()):
                if not self._waits():
                    return data
                self._write(not side, data)
        except Exception:
            logger.exception("%s: an internal error in its interventions; the session ends", self._tap)
            self._edited.broken = "internal fault"
        self._flush()
        return b""

    def end(self) -> None:
        """Send nothing more: the session has ended."""
        self._stop_timer()
        self._edited.ended()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _flush(self) -> None:
        for to_charge_point, data in self._edited.due(monotonic()):
            if (not to_charge_point) not in self._tap.shut:
                self._write(to_charge_point, data)
        if not self._closing and (self._edited.close or self._edited.broken):
            code, reason = self._edited.close or (1011, f"the recording proxy cannot relay this: {self._edited.broken}")
            self._closing = True
            self._tap.go_away(code, reason[:120])
        self._stop_timer()
        if (at := self._edited.next_due()) is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, at - monotonic()), self._flush)

    def _write(self, to_charge_point: bool, data: bytes) -> None:
        if self._tap.write is not None:
            self._tap.write(to_charge_point, data)
