"""Large CALLs, which others keep for their answers: lets go of what the oldest hold; knows no rule and no storage."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from inspector.protocol.messages import Call

if TYPE_CHECKING:
    from inspector.protocol.correlation import Correlation
    from inspector.protocol.frame import Frame

LARGE = 64 * 1024
"""Bytes above which a frame is looked after here; how many of the smaller ones are kept is bound enough."""
LARGE_LIMIT = 32 * 1024 * 1024
"""Bytes of large CALLs that are kept, over all sessions: answered ones count too, for a while they are remembered."""


class LargeCalls:
    """The CALLs of one recording that are large, oldest first."""

    def __init__(self) -> None:
        self._kept: deque[tuple[int, Correlation, Frame, Frame]] = deque()
        self._bytes = 0

    def add(self, correlation: Correlation, frame: Frame, shown: Frame) -> None:
        """Note one that has been judged and stored, with its stored form.

        The oldest are emptied where they are too many, as rules and pairing hold them by themselves. One that still
        waits is forgotten too, so that no answer is judged by an empty request.
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
