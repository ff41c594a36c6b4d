"""Print events while the proxy runs: connections, refusals, and the first finding of each rule.

The relay must not wait for a terminal, so a thread prints the lines. If there are too many to read, the rest are only
counted.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from inspector.escaping import visible
from inspector.proxy import refusals
from inspector.proxy.safe_log import safe
from inspector.recorder.recorder import FirstFinding

LINES_A_SECOND = 20
"""The most lines printed per second; one more line has the number of the others."""
UNHEARD_S = 60.0
"""After so long without any charge point, the user is asked to check the address."""
NOBODY_YET = "nobody has connected yet: check the address in the charge point, and restart it"
WAITING = 1000
"""The most lines that wait for a slow terminal."""
_LONGEST = 300
_REASON = 60
"""Characters of the reason in a close frame."""
_SIDES = {"charge_point": "charge point", "csms": "CSMS", "link": "link"}
_ENDERS = {"charge-point": "the charge point", "csms": "the CSMS", "proxy": "the proxy"}


class Console:
    """Print one line for each event, and the number of events that come too fast."""

    def __init__(
        self, write: Callable[[str], None], clock: Callable[[], float] = monotonic, *, reasons: bool = True
    ) -> None:
        """Begin without any session.

        Args:
            write: prints one line; it is called from a thread and may block.
            clock: returns seconds.
            reasons: whether to print the reasons in close frames. They may hold personal data.
        """
        self._write, self._clock, self._reasons = write, clock, reasons
        self._lines: queue.Queue[str | None] = queue.Queue(WAITING)
        self._second, self._said = 0, 0
        self._left_out: Counter[str] = Counter()
        self._opened: dict[int, float] = {}
        self._rules: set[str] = set()
        self._started, self._unheard = self._clock(), True
        self._thread = threading.Thread(target=self._run, name="console", daemon=True)
        self._thread.start()

    def connected(self, number: int, facts: Any) -> None:
        """Print that a session was opened."""
        self._unheard = False
        self._opened[number] = self._clock()
        if self._may("connect"):
            agreed = str(facts.get("subprotocol") or "no subprotocol")[:60]
            self._put(f"{_name(facts)} connected from {facts.get('remote_addr') or '?'}, {agreed}")

    def gone(self, number: int, facts: Any, closing: Any) -> None:
        """Print that a session ended."""
        lasted = self._clock() - self._opened.pop(number, self._clock())
        if not self._may("disconnect"):
            return
        by = closing.get("closed_by")
        code = closing.get("cp_close_code" if by == "charge-point" else "csms_close_code")
        who = f" by {_ENDERS[by]}" if by in _ENDERS else ""
        reason = closing.get("cp_close_reason" if by == "charge-point" else "csms_close_reason")
        how = f"closed{who} with {code}" if code is not None else f"ended{who} without a close frame (1006)"
        self._put(f"{_name(facts)} disconnected after {_span(lasted)}: {how}{_quoted(reason) if self._reasons else ''}")

    def refused(self, kind: str, detail: dict[str, Any]) -> None:
        """Print that a charge point could not connect."""
        self._unheard = False
        if not self._may("refusal"):
            return
        name = _name(detail) if detail.get("charge_point_id") else str(detail.get("remote_addr") or "?")
        reason = str(detail.get("reason") or kind)
        if kind == "rejected-upgrade":
            self._put(f"{name} refused: {refusals.told(detail)}")
        elif kind == "unreachable":
            self._put(f"{name} refused: cannot reach {detail.get('upstream') or 'its CSMS'}: {reason}")
        else:
            self._put(f"{name} refused: {reason}")

    def shadow(self, charge_point_id: str, text: str) -> None:
        """Print what happened between a charge point's session and its shadow."""
        if self._may("shadow"):
            self._put(f"{safe(charge_point_id or '?')[0]} {text}")

    def found(self, first: list[FirstFinding]) -> None:
        """Print the first finding of each rule in `first`."""
        for charge_point_id, severity, side, rule, message in first:
            if rule in self._rules:
                continue
            self._rules.add(rule)
            if self._may("finding"):
                name = safe(charge_point_id or "?")[0]
                self._put(f"{name} first {severity} {rule} ({_SIDES.get(side, side)}): {message}")

    def close(self, seconds: float = 0.5) -> None:
        """Print the waiting lines, but stop after `seconds`."""
        self._flush()
        with suppress(queue.Full):
            self._lines.put_nowait(None)
        self._thread.join(seconds)

    def _may(self, kind: str) -> bool:
        """Return whether one more line may be printed in this second; if not, count it."""
        second = int(self._clock())
        if second != self._second:
            self._flush()
            self._second, self._said = second, 0
        self._said += 1
        if self._said <= LINES_A_SECOND:
            return True
        self._left_out[kind] += 1
        return False

    def _flush(self) -> None:
        if self._left_out:
            told = ", ".join(f"{times} {kind}{'s' if times != 1 else ''}" for kind, times in self._left_out.items())
            self._left_out.clear()
            self._put(f"... and {told} more")

    def _put(self, line: str) -> None:
        with suppress(queue.Full):  # the terminal is too slow; the recording has the event
            self._lines.put_nowait(visible(line)[:_LONGEST])

    def _run(self) -> None:
        while (line := self._next()) is not None:
            if line:
                with suppress(OSError, ValueError):  # the terminal was closed
                    self._write(line)

    def _next(self) -> str | None:
        try:
            return self._lines.get(timeout=1.0)
        except queue.Empty:
            if self._unheard and self._clock() - self._started >= UNHEARD_S:
                self._unheard = False
                return NOBODY_YET
            # No line came for a while: print the counts of the last busy second.
            if self._left_out and int(self._clock()) != self._second:
                self._flush()
            return ""


def _name(facts: Any) -> str:
    return safe(str(facts.get("charge_point_id") or "?"))[0]


def _quoted(reason: Any) -> str:
    """Return the reason in a close frame, without the secrets that a peer may write there."""
    return f", {safe(str(reason))[0][:_REASON]!r}" if reason else ""


def _span(seconds: float) -> str:
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left} s" if minutes else f"{seconds:.1f} s"
