"""What the relay counts while it works: plain numbers in the hot path; knows nobody who reads them."""

from __future__ import annotations

from collections import Counter

BUCKETS_US = (10, 25, 50, 100, 250, 500, 1000, 2500, 10_000, 100_000)
INTERNAL_FAULT = "internal-fault"
"""Why a session has no more frames to store; `websocket.messages` names the other causes."""


class Counts:
    """Of one run of the proxy."""

    __slots__ = ("bytes", "frames", "gaps", "latency_buckets", "latency_seconds", "refused", "sessions")

    def __init__(self) -> None:
        self.frames = {True: 0, False: 0}
        """By direction, True from the charge point, as everywhere here."""
        self.bytes = {True: 0, False: 0}
        self.sessions = 0
        self.refused: Counter[str] = Counter()
        self.gaps: Counter[str] = Counter()
        """Messages without a frame to store, by cause; each INTERNAL_FAULT stands for all that is left of a session."""
        self.latency_buckets = [0] * (len(BUCKETS_US) + 1)
        self.latency_seconds = 0.0

    def latency(self, nanoseconds: int) -> None:
        """Count one measured chunk."""
        self.latency_seconds += nanoseconds / 1e9
        for number, bound in enumerate(BUCKETS_US):
            if nanoseconds <= bound * 1000:
                self.latency_buckets[number] += 1
                return
        self.latency_buckets[-1] += 1
