"""Serve /metrics for Prometheus, and /healthz."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Collection, Iterable, Iterator
from http.client import HTTPException, parse_headers
from io import BytesIO

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from inspector.proxy.counters import BUCKETS_US, INTERNAL_FAULT, Counts
from inspector.proxy.traffic_metrics import families
from inspector.recorder.recorder import Status
from inspector.web_requests import admits_host, host_name, is_foreign, is_loopback
from inspector.websocket.messages import NOT_INFLATED, TOO_LONG

_REQUEST_SECONDS = 5.0
_HEADERS = (
    "Connection: close\r\nX-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\n"
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
)


class _Collector(Collector):
    def __init__(
        self,
        counts: Counts,
        open_sessions: Callable[[], int],
        status: Callable[[], Status],
        edited_sessions: Callable[[], int],
        more: Callable[[], Iterable[Metric]] | None,
    ) -> None:
        self._counts, self._status, self._more = counts, status, more
        self._open_sessions, self._edited_sessions = open_sessions, edited_sessions

    def collect(self) -> Iterator[Metric]:
        counts, status = self._counts, self._status()
        name = "chargesentinel_"
        everything, edited = self._open_sessions(), self._edited_sessions()
        yield GaugeMetricFamily(name + "sessions_open", "WebSockets being relayed", everything)
        paths = GaugeMetricFamily(
            name + "sessions_on_path",
            "WebSockets being relayed, by path: rules can change frames on the path editing, never on the path fast",
            labels=["path"],
        )
        paths.add_metric(["fast"], everything - edited)
        paths.add_metric(["editing"], edited)
        yield paths
        yield CounterMetricFamily(name + "sessions", "WebSockets accepted since the start", counts.sessions)
        for what, by_direction in (("frames", counts.frames), ("bytes", counts.bytes)):
            family = CounterMetricFamily(name + what, f"WebSocket {what} relayed", labels=["direction"])
            family.add_metric(["cp-to-csms"], by_direction[True])
            family.add_metric(["csms-to-cp"], by_direction[False])
            yield family
        refused = CounterMetricFamily(name + "refused", "Connections that did not become a session", labels=["kind"])
        for kind, count in counts.refused.items():
            refused.add_metric([kind], count)
        yield refused
        gaps = CounterMetricFamily(
            name + "gaps", "Messages relayed that could not be stored, by cause", labels=["cause"]
        )
        for cause in (TOO_LONG, NOT_INFLATED, INTERNAL_FAULT):
            gaps.add_metric([cause], counts.gaps[cause])
        yield gaps
        findings = CounterMetricFamily(name + "findings", "Findings of the judge", labels=["severity"])
        for severity, count in status.findings.items():
            findings.add_metric([severity], count)
        yield findings
        yield GaugeMetricFamily(name + "recorder_working", "1 while the recorder stores frames", int(status.working))
        yield GaugeMetricFamily(
            name + "recorder_waiting_records", "Records passed to the recorder and not yet committed", status.waiting
        )
        yield GaugeMetricFamily(
            name + "recorder_waiting_bytes",
            "Bytes of records passed to the recorder and not yet committed",
            status.waiting_bytes,
        )
        yield CounterMetricFamily(
            name + "recorder_lost_frames", "Frames that are missing in the recording", status.lost
        )
        yield CounterMetricFamily(
            name + "recorder_dropped_rows",
            "Derived rows that could not be stored although their frames were",
            status.dropped,
        )
        yield GaugeMetricFamily(name + "recorder_wal_bytes", "Size of the recording's -wal file", status.wal_bytes)
        yield CounterMetricFamily(name + "recorder_commits", "Group commits", status.commits)
        yield CounterMetricFamily(
            name + "recorder_commit_seconds",
            "Time spent in group commits; divide by their number",
            status.commit_seconds,
        )
        if status.traffic is not None:
            yield from families(status.traffic)
        if self._more is not None:
            yield from self._more()
        total, buckets = 0, []
        for bound, count in zip([*(bound / 1e6 for bound in BUCKETS_US), "+Inf"], counts.latency_buckets, strict=True):
            total += count
            buckets.append((str(bound), total))
        yield HistogramMetricFamily(
            name + "added_latency_seconds",
            "Time from the arrival of a chunk until it is passed on, of every 16th chunk",
            buckets=buckets,
            sum_value=counts.latency_seconds,
        )


class MetricsServer:
    """Answer GET and HEAD requests for /metrics and /healthz; a query is ignored.

    Args:
        hosts: more names of this machine that a request may have as its Host.
        more: returns further metrics.
    """

    def __init__(
        self,
        listener: socket.socket,
        counts: Counts,
        open_sessions: Callable[[], int],
        status: Callable[[], Status],
        hosts: Collection[str] = (),
        edited_sessions: Callable[[], int] = lambda: 0,
        more: Callable[[], Iterable[Metric]] | None = None,
    ) -> None:
        self._listener, self._status = listener, status
        self._open = not is_loopback(listener.getsockname()[0])
        own = [socket.gethostname()] if self._open else []
        self._hosts = frozenset(map(host_name, [*hosts, *own]))
        self._registry = CollectorRegistry()
        self._registry.register(_Collector(counts, open_sessions, status, edited_sessions, more))

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._listener)

    def stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(head))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    def _answer(self, head: bytes) -> bytes:
        line, _, rest = head.partition(b"\r\n")
        method, _, target = line.rpartition(b" ")[0].partition(b" ")
        path = target.partition(b"?")[0] if method in (b"GET", b"HEAD") else b""
        refusal = self._refusal(method.decode("latin-1"), target.decode("latin-1"), rest)
        kind = "text/plain; charset=utf-8"
        if refusal is not None:
            status, body = refusal[0], refusal[1].encode()
        elif path == b"/metrics":
            status, kind, body = "200 OK", "text/plain; version=0.0.4; charset=utf-8", generate_latest(self._registry)
        elif path == b"/healthz":
            now = self._status()
            well = now.working and not now.lost
            status = "200 OK" if well else "503 Service Unavailable"
            trouble = f"{now.lost} frames not stored" if now.lost else "the recorder cannot store frames now"
            body = b"ok\n" if well else f"{trouble}; {now.waiting} records wait\n".encode()
        else:
            status, body = "404 Not Found", b"there is /metrics and /healthz\n"
        answer = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{_HEADERS}\r\n"
        return answer.encode() + (b"" if method == b"HEAD" else body)

    def _refusal(self, method: str, target: str, rest: bytes) -> tuple[str, str] | None:
        """Return the status and the reason for refusing a request; None if it cannot be from a foreign web page."""
        try:
            message = parse_headers(BytesIO(rest))
        except HTTPException as error:
            return "400 Bad Request", f"{error}\n"
        headers = {name.lower(): ", ".join(message.get_all(name, [])) for name in message}
        if not self._admits(headers.get("host")):
            host = headers["host"][:200]
            return "421 Misdirected Request", f"not served under the name {host!r}; allow it with --allow-host\n"
        if is_foreign(method, target, headers):
            return "403 Forbidden", "not served to pages of other sites\n"
        return None

    def _admits(self, host: str | None) -> bool:
        if host is None:
            return True  # an HTTP/1.0 program: every browser sends a Host
        # A name without a dot belongs to a local network or a container: no foreign DNS server resolves it.
        local = self._open and bool(host) and "." not in host_name(host)
        return local or admits_host(host, self._hosts, any_address=self._open)
