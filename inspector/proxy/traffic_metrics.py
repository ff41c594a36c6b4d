"""Turn the traffic figures of a recorder into metrics for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from inspector.recorder.traffic import BUCKETS_S, Traffic

_NAME = "chargesentinel_"
_DIRECTIONS = {True: "cp-to-csms", False: "csms-to-cp"}


def families(traffic: Traffic) -> Iterator[Metric]:
    """Yield the metrics."""
    labels = ["action", "direction", "outcome"]
    calls = CounterMetricFamily(_NAME + "calls", "CALLs answered, or open when their session ended", labels=labels)
    durations = HistogramMetricFamily(_NAME + "call_duration_seconds", "Time from a CALL to its answer", labels=labels)
    for (action, from_charge_point, outcome), (count, took_ns, *buckets) in traffic.calls.items():
        values = [action, _DIRECTIONS[from_charge_point], outcome]
        calls.add_metric(values, count)
        if outcome != "unanswered":
            bounds = [*map(str, BUCKETS_S), "+Inf"]
            sums = [(bound, sum(buckets[: at + 1])) for at, bound in enumerate(bounds)]
            durations.add_metric(values, sums, took_ns / 1e9)
    yield calls
    yield durations
    disconnects = CounterMetricFamily(
        _NAME + "disconnects",
        "Ended sessions, by the side that ended them and its close code",
        labels=["by", "code"],
    )
    for (by, code), count in traffic.disconnects.items():
        disconnects.add_metric([by, code], count)
    yield disconnects
    found = CounterMetricFamily(_NAME + "rule_findings", "Findings by rule", labels=["rule", "severity", "side"])
    for of_rule, count in traffic.findings.items():
        found.add_metric(of_rule, count)
    yield found
    yield CounterMetricFamily(
        _NAME + "energy_delivered_watthours", "Energy that the registers of transactions gained", traffic.energy_wh
    )
    yield CounterMetricFamily(_NAME + "transactions_started", "Transactions that began", traffic.transactions_started)
    yield GaugeMetricFamily(_NAME + "transactions_active", "Transactions that go on", traffic.transactions_active)
    if traffic.charge_points:
        yield from _of_charge_points(traffic)


def _of_charge_points(traffic: Traffic) -> Iterator[Metric]:
    name, by = _NAME + "charge_point_", ["charge_point"]
    opened = GaugeMetricFamily(name + "sessions_open", "Open sessions", labels=by)
    calls = CounterMetricFamily(name + "calls", "CALLs of both sides", labels=[*by, "outcome"])
    found = CounterMetricFamily(name + "findings", "Findings", labels=[*by, "severity"])
    energy = CounterMetricFamily(name + "energy_delivered_watthours", "Energy delivered", labels=by)
    active = GaugeMetricFamily(name + "transactions_active", "Transactions that go on", labels=by)
    last = GaugeMetricFamily(name + "last_frame_timestamp_seconds", "When its last frame came", labels=by)
    for one, (open_now, outcomes, severities, energy_wh, active_now, last_ns) in traffic.charge_points.items():
        opened.add_metric([one], open_now)
        energy.add_metric([one], energy_wh)
        active.add_metric([one], active_now)
        last.add_metric([one], last_ns / 1e9)
        for outcome, count in outcomes.items():
            calls.add_metric([one, outcome], count)
        for severity, count in severities.items():
            found.add_metric([one, severity], count)
    yield from (opened, calls, found, energy, active, last)
