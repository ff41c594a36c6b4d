"""Limit the memory of large CALLs, to which rules and pairing keep references until they are answered."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from inspector.protocol.messages import Call

if TYPE_CHECKING:
    from inspector.protocol.correlation import Correlation
    from inspector.protocol.frame import Frame

LARGE = 64 * 1024
"""CALLs of more bytes than this are limited here. For smaller ones, the limits on their number are enough."""
LARGE_LIMIT = 32 * 1024 * 1024
"""The large CALLs of all sessions may have so many bytes together. Answered CALLs, kept for a while, count too."""


class LargeCalls:
    """The large CALLs of one recording, oldest first."""

    def __init__(self) -> None:
        self._kept: deque[tuple[int, Correlation, Frame, Frame]] = deque()
        self._bytes = 0

    def add(self, correlation: Correlation, frame: Frame, shown: Frame) -> None:
        """Add a large CALL that has been judged and stored, with its redacted form `shown`.

        If large CALLs take too much memory, empty the oldest ones in place, because rules and pairing have references
        to them. If one is still open, pairing also forgets it, so that rules do not compare its answer with an empty
        request.
        """
        self._kept.append((len(frame.raw), correlation, frame, shown))
        self._bytes += len(frame.raw)
        while self._bytes > LARGE_LIMIT:
            size, correlation, frame, shown = self._kept.popleft()
            self._bytes -= size
            correlation.forget(frame)
            for one in (frame, shown):
                one.raw, one.payload = b"", {}
                if type(one.message) is Call:
                    one.message = one.message._replace(payload={})
