"""Counters of the relay, for /metrics and the summary at the end."""

from __future__ import annotations

from collections import Counter

BUCKETS_US = (10, 25, 50, 100, 250, 500, 1000, 2500, 10_000, 100_000)
INTERNAL_FAULT = "internal-fault"
"""The cause of a gap that lasts until the end of its session; `websocket.messages` defines the other causes."""


class Counts:
    """Counters of one run of the proxy."""

    __slots__ = ("bytes", "frames", "gaps", "latency_buckets", "latency_seconds", "refused", "sessions")

    def __init__(self) -> None:
        self.frames = {True: 0, False: 0}
        """By direction: True is from the charge point."""
        self.bytes = {True: 0, False: 0}
        self.sessions = 0
        self.refused: Counter[str] = Counter()
        self.gaps: Counter[str] = Counter()
        """Messages that could not be stored, by cause; INTERNAL_FAULT counts once for the whole rest of a session."""
        self.latency_buckets = [0] * (len(BUCKETS_US) + 1)
        self.latency_seconds = 0.0

    def latency(self, nanoseconds: int) -> None:
        """Add the relay time of one chunk."""
        self.latency_seconds += nanoseconds / 1e9
        for number, bound in enumerate(BUCKETS_US):
            if nanoseconds <= bound * 1000:
                self.latency_buckets[number] += 1
                return
        self.latency_buckets[-1] += 1
