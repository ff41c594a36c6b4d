"""Limit the memory of large CALLs, which rules and pairing keep until they are answered."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from inspector.protocol.messages import Call

if TYPE_CHECKING:
    from inspector.protocol.correlation import Correlation
    from inspector.protocol.frame import Frame

LARGE = 64 * 1024
"""Frames above so many bytes are counted here. For smaller ones, the limits on their number are enough."""
LARGE_LIMIT = 32 * 1024 * 1024
"""The most bytes of large CALLs over all sessions. Answered ones count too, as they are remembered for a while."""


class LargeCalls:
    """The large CALLs of one recording, oldest first."""

    def __init__(self) -> None:
        self._kept: deque[tuple[int, Correlation, Frame, Frame]] = deque()
        self._bytes = 0

    def add(self, correlation: Correlation, frame: Frame, shown: Frame) -> None:
        """Note a CALL that has been judged and stored, with its stored form.

        When they take too much memory, the oldest are emptied, as rules and pairing hold references to them. A CALL
        that still waits for its answer is also forgotten, so that the answer is not judged by an empty request.
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
