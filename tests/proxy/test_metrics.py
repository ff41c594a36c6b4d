"""/metrics and /healthz report the state of the proxy; Prometheus can parse them."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from inspector.proxy.addresses import listening_socket
from inspector.proxy.counters import Counts
from inspector.proxy.metrics import MetricsServer
from inspector.recorder.recorder import Status
from inspector.websocket.frames import make_frame
from tests.origin_cases import CASES, HOST, Case
from tests.processes import Program
from tests.proxy.conftest import raw_charge_point, raw_csms, upgrade_response

MASK = b"abcd"


async def get(
    port: int, path: str, method: str = "GET", host: str | None = "127.0.0.1", headers: dict[str, str] | None = None
) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = ({} if host is None else {"Host": host}) | (headers or {})
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    head, _, body = (await asyncio.wait_for(reader.read(), 10)).decode().partition("\r\n\r\n")
    writer.close()
    return int(head.split()[1]), body


def samples(text: str) -> dict[tuple[str, str], float]:
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_running_proxy_is_watched(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    async with raw_csms() as csms:
        with Program(
            *("proxy", "--upstream", csms.url, "--listen", "127.0.0.1:0", "--db", path, "--metrics", "127.0.0.1:0")
        ) as proxy:
            port = int((await asyncio.to_thread(proxy.wait_for, r"listening on ws://127\.0\.0\.1:(\d+)"))[1])
            metrics = int((await asyncio.to_thread(proxy.wait_for, r"metrics at http://127\.0\.0\.1:(\d+)/"))[1])
            charge_point = await raw_charge_point(port)
            at_csms = await csms.peer()
            stream = make_frame(0x81, b"not ocpp", MASK) * 40
            await charge_point.send(stream)
            assert await at_csms.receive(len(stream)) == stream
            for _ in range(200):
                seen = samples((await get(metrics, "/metrics"))[1])
                if seen.get(("chargesentinel_findings_total", "error")):
                    break
                await asyncio.sleep(0.02)
            assert seen["chargesentinel_sessions_open", ""] == 1
            assert seen["chargesentinel_frames_total", "cp-to-csms"] == 40
            assert seen["chargesentinel_frames_total", "csms-to-cp"] == 0
            assert seen["chargesentinel_bytes_total", "cp-to-csms"] == len(stream)
            assert seen["chargesentinel_recorder_working", ""] == 1
            assert seen["chargesentinel_recorder_lost_frames_total", ""] == 0
            assert await get(metrics, "/healthz") == (200, "ok\n")
            assert (await get(metrics, "/other"))[0] == 404
            assert (await get(metrics, "/metrics?x=1"))[0] == 200
            assert await get(metrics, "/healthz?x", "HEAD") == (200, "")
            assert await get(metrics, "/metrics", "HEAD") == (200, "")
            assert (await get(metrics, "/metrics", "POST"))[0] == 404
            assert await asyncio.to_thread(proxy.stop) == 0
    with sqlite3.connect(path) as connection:
        errors = connection.execute("SELECT sum(count) FROM findings WHERE severity = 'error'").fetchone()[0]
    assert seen["chargesentinel_findings_total", "error"] == errors > 0


async def test_messages_that_cannot_be_stored_are_counted_by_cause(tmp_path: Path) -> None:
    stream = make_frame(0x81, b"x" * 2000, MASK) + make_frame(0xC1, b"\xff\xff\xff", MASK) * 2
    answer = upgrade_response("Sec-WebSocket-Protocol: ocpp1.6", "Sec-WebSocket-Extensions: permessage-deflate")
    arguments = ("--listen", "127.0.0.1:0", "--db", tmp_path / "t.db", "--metrics", "127.0.0.1:0")
    async with raw_csms(answer) as csms:
        with Program("proxy", "--upstream", csms.url, *arguments, "--max-frame-size", 1024) as proxy:
            port = int((await asyncio.to_thread(proxy.wait_for, r"listening on ws://127\.0\.0\.1:(\d+)"))[1])
            metrics = int((await asyncio.to_thread(proxy.wait_for, r"metrics at http://127\.0\.0\.1:(\d+)/"))[1])
            charge_point = await raw_charge_point(port)
            at_csms = await csms.peer()
            await charge_point.send(stream)
            assert await at_csms.receive(len(stream)) == stream
            seen = samples((await get(metrics, "/metrics"))[1])
            assert seen["chargesentinel_gaps_total", "too-long"] == 1
            assert seen["chargesentinel_gaps_total", "not-inflated"] == 2
            assert seen["chargesentinel_gaps_total", "internal-fault"] == 0
            assert await get(metrics, "/healthz") == (200, "ok\n")  # the recorder works
            assert await asyncio.to_thread(proxy.stop) == 0
    with sqlite3.connect(tmp_path / "t.db") as connection:
        causes = connection.execute("SELECT detail ->> '$.cause' FROM events WHERE kind = 'gap' ORDER BY id").fetchall()
    assert causes == [("too-long",), ("not-inflated",), ("not-inflated",)]


async def test_healthz_says_when_frames_are_not_stored() -> None:
    status = Status(lost=3, waiting=7)
    with listening_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        server = MetricsServer(listener, Counts(), lambda: 0, lambda: status)
        await server.start()
        assert await get(port, "/healthz") == (503, "3 frames not stored; 7 records wait\n")
        status = Status(working=False)
        assert (await get(port, "/healthz"))[0] == 503
        server.stop()


async def test_added_latency_is_counted_in_its_bucket() -> None:
    counts = Counts()
    for nanoseconds in (9_000, 90_000, 900_000_000):
        counts.latency(nanoseconds)
    with listening_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        server = MetricsServer(listener, counts, lambda: 0, Status)
        await server.start()
        text = (await get(port, "/metrics"))[1]
        server.stop()
    assert 'chargesentinel_added_latency_seconds_bucket{le="1e-05"} 1.0' in text
    assert 'chargesentinel_added_latency_seconds_bucket{le="0.0001"} 2.0' in text
    assert 'chargesentinel_added_latency_seconds_bucket{le="+Inf"} 3.0' in text


async def _statuses(listen_on: str, hosts: list[str | None]) -> list[int]:
    with listening_socket(listen_on, 0) as listener:
        port = listener.getsockname()[1]
        server = MetricsServer(listener, Counts(), lambda: 0, Status, ["bench.example"])
        await server.start()
        statuses = [(await get(port, "/metrics", host=host))[0] for host in hosts]
        server.stop()
    return statuses


async def test_metrics_are_refused_under_a_foreign_name() -> None:
    """A foreign host name that resolves to this machine gets nothing; requests without a Host header are answered."""
    ours = ["127.0.0.1:9101", "localhost", "[::1]:9101", "Bench.Example:9101", None]
    assert await _statuses("127.0.0.1", ours) == [200] * len(ours)
    foreign: list[str | None] = ["evil.example", "localhost.evil.example", "192.0.2.7", "proxy", ""]
    assert await _statuses("127.0.0.1", foreign) == [421] * len(foreign)


async def test_metrics_for_other_machines_answer_to_addresses_and_local_names() -> None:
    """Prometheus on another machine uses an IP address, this machine's name, or a container's name."""
    ours: list[str | None] = ["192.0.2.7:9101", "[2001:db8::1]", socket.gethostname(), "proxy:9101", "bench.example"]
    assert await _statuses("0.0.0.0", ours) == [200] * len(ours)
    assert await _statuses("0.0.0.0", ["evil.example:9101", ""]) == [421, 421]


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
async def test_metrics_are_refused_to_foreign_pages(case: Case) -> None:
    """The port refuses the same requests as our other servers, also for unknown paths."""
    _, method, target, headers, foreign = case
    with listening_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        server = MetricsServer(listener, Counts(), lambda: 0, Status)
        await server.start()
        status, text = await get(port, target, method, HOST, headers)
        server.stop()
    assert status == (403 if foreign else 404)
    assert "chargesentinel" not in text
