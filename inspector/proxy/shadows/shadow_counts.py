"""Counters of the shadows of one run, for /metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from inspector.shadow.mirror import CAUSES

_NAME = "chargesentinel_shadow_"


class ShadowCounts:
    """Counters by shadow, for all charge points together."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.open: Counter[str] = Counter()
        self.connected: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.mirrored: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self.waiting_bytes: Counter[str] = Counter()
        self.lost: Counter[tuple[str, str]] = Counter()

    def families(self) -> Iterator[Metric]:
        """Yield the metrics."""
        by = ["shadow"]
        for name, text, values in (
            ("sessions_open", "Sessions with a shadow", self.open),
            ("waiting_bytes", "What waits to be sent to a shadow", self.waiting_bytes),
        ):
            gauge = GaugeMetricFamily(_NAME + name, text, labels=by)
            for shadow in self.names:
                gauge.add_metric([shadow], values[shadow])
            yield gauge
        for name, text, values in (
            ("sessions", "Sessions that a shadow has accepted", self.connected),
            ("failures", "Attempts to connect to a shadow that failed", self.failed),
            ("frames_sent", "Frames sent to a shadow", self.mirrored),
            ("frames_received", "Frames received from a shadow", self.received),
        ):
            counter = CounterMetricFamily(_NAME + name, text, labels=by)
            for shadow in self.names:
                counter.add_metric([shadow], values[shadow])
            yield counter
        lost = CounterMetricFamily(
            _NAME + "lost_calls", "CALLs of charge points that a shadow did not get", labels=[*by, "cause"]
        )
        for shadow in self.names:
            for cause in CAUSES:
                lost.add_metric([shadow, cause], self.lost[shadow, cause])
        yield lost
