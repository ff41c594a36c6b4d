"""Slow, broken or odd handshakes: each ends with its reason in the recording and does not disturb other connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from inspector.proxy import tls
from inspector.proxy.addresses import Upstream
from inspector.proxy.certificates import Authority
from inspector.proxy.routing import Route, Routing
from tests.proxy.conftest import Peer, RunningProxy, raw_charge_point, raw_csms, upgrade_request, upgrade_response

Start = Callable[..., RunningProxy]

pytestmark = pytest.mark.parametrize("start_proxy", ["fast path"], indirect=True)

REJECTED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"


async def opened(port: int, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    return reader, writer


async def once_there_is_room(port: int, answer: bytes, **options: Any) -> Peer:
    """Connect until the answer begins as given; the proxy refuses while it has too many open handshakes."""
    async with asyncio.timeout(20):
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                one = await raw_charge_point(port, **options)
                if one.head.startswith(answer):
                    return one
            await asyncio.sleep(0.05)


async def the_end(reader: asyncio.StreamReader, seconds: float = 5.0) -> bytes:
    """Return everything up to the end of the stream or a reset."""
    found = b""
    try:
        async with asyncio.timeout(seconds):
            while data := await reader.read(65536):
                found += data
    except ConnectionResetError:
        pass
    return found


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class TestDeadline:
    async def test_request_whose_body_does_not_come_is_ended_in_time(self, start_proxy: Start) -> None:
        async with raw_csms() as csms:
            proxy = start_proxy(csms.url, handshake_timeout=0.3)
            for headers in ("Content-Length: 9", "Transfer-Encoding: chunked"):
                reader, _ = await opened(proxy.port, f"POST /CP1 HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n".encode())
                assert await the_end(reader) == b""
            assert csms.peers.empty()
            await proxy.recorder.seen(lambda: len(proxy.recorder.events("fault")) == 2)
        assert all("within 0.3 s" in event["reason"] for event in proxy.recorder.events("fault"))

    async def test_rejected_charge_point_that_asks_no_more_gives_its_place_back(self, start_proxy: Start) -> None:
        async with raw_csms(REJECTED) as csms:
            proxy = start_proxy(csms.url, handshake_timeout=0.3, max_connections=1)
            one = await raw_charge_point(proxy.port)
            assert one.head == REJECTED
            assert await one.rest() == b""
            await once_there_is_room(proxy.port, REJECTED)

    async def test_rejected_charge_point_may_ask_again_on_its_connection(self, start_proxy: Start) -> None:
        async with raw_csms(REJECTED) as csms:
            proxy = start_proxy(csms.url, handshake_timeout=5)
            one = await raw_charge_point(proxy.port)
            at_csms = await csms.peer()
            await one.send(upgrade_request("/CP1"))
            assert await at_csms.reader.readuntil(b"\r\n\r\n")
            await at_csms.send(upgrade_response())
            assert await one.receive(len(upgrade_response())) == upgrade_response()

    async def test_charge_point_may_be_rejected_any_number_of_times(self, start_proxy: Start) -> None:
        request = upgrade_request("/CP1", f"X-Long: {'x' * 30_000}")
        async with raw_csms(REJECTED) as csms:
            proxy = start_proxy(csms.url)
            one = await raw_charge_point(proxy.port)
            at_csms = await csms.peer()
            for _ in range(40):
                await one.send(request)
                await at_csms.receive(len(request))
                await at_csms.send(REJECTED)
                assert await one.receive(len(REJECTED)) == REJECTED
        assert proxy.recorder.events("fault") == []


class TestPlaces:
    async def test_charge_points_within_their_tls_handshake_count(self, start_proxy: Start, tmp_path: Path) -> None:
        authority = Authority(tmp_path)
        server = authority.server(["localhost"])
        async with raw_csms() as csms:
            proxy = start_proxy(csms.url, listener_tls=tls.listener_context(server.cert, server.key), max_connections=2)
            silent = [await asyncio.open_connection("127.0.0.1", proxy.port) for _ in range(2)]
            context = ssl.create_default_context(cafile=str(authority.ca.cert))
            with pytest.raises((ssl.SSLError, OSError)):
                await raw_charge_point(proxy.port, ssl=context, server_hostname="localhost")
            await proxy.recorder.seen(lambda: proxy.recorder.events("fault"))
            silent[0][1].close()
            await proxy.recorder.seen(lambda: proxy.recorder.events("tls"))
            one = await raw_charge_point(proxy.port, ssl=context, server_hostname="localhost")
            assert one.head.startswith(b"HTTP/1.1 101 ")
        assert "--max-connections 2" in proxy.recorder.events("fault")[0]["reason"]

    async def test_connection_to_the_csms_that_rejected_is_not_left_open(self, start_proxy: Start) -> None:
        async with raw_csms(REJECTED) as strict, raw_csms() as other:
            routing = Routing(Upstream.parse(other.url), (Route("/strict", Upstream.parse(strict.url)),))
            proxy = start_proxy(other.url, routing=routing)
            before = open_files()
            for _ in range(5):
                one = await raw_charge_point(proxy.port, "/strict/CP1")
                at_strict = await strict.peer()
                await one.send(upgrade_request("/CP1"))
                assert (await one.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
                assert await at_strict.rest() == b""
                at_strict.writer.close()
                one.writer.close()
                (await other.peer()).writer.close()
            for _ in range(100):
                if open_files() <= before:
                    break
                await asyncio.sleep(0.05)
            assert open_files() <= before

    async def test_refused_client_that_does_not_end_tls_gives_its_place_back(
        self, start_proxy: Start, tmp_path: Path
    ) -> None:
        authority = Authority(tmp_path)
        server = authority.server(["localhost"])
        async with raw_csms() as csms:
            context = tls.listener_context(server.cert, server.key)
            proxy = start_proxy(csms.url, listener_tls=context, max_connections=1, handshake_timeout=0.5)
            trusting = ssl.create_default_context(cafile=str(authority.ca.cert))
            mute = await asyncio.open_connection("127.0.0.1", proxy.port, ssl=trusting, server_hostname="localhost")
            mute[1].transport.pause_reading()
            await proxy.recorder.seen(lambda: proxy.recorder.events("fault"))
            await once_there_is_room(proxy.port, b"HTTP/1.1 101 ", ssl=trusting, server_hostname="localhost")
            mute[1].transport.abort()


class TestEnds:
    @pytest.mark.parametrize("version", ["1.0", "1.1"])
    async def test_rejection_that_ends_with_its_connection_crosses_whole(
        self, start_proxy: Start, version: str
    ) -> None:
        answer = f"HTTP/{version} 404 Not Found\r\nX-Why: because\r\n\r\nno such charge point".encode()
        async with raw_csms(answer) as csms:
            proxy = start_proxy(csms.url)
            reader, _ = await opened(proxy.port, upgrade_request("/CP1"))
            (await csms.peer()).writer.close()
            assert await the_end(reader) == answer

    async def test_request_that_breaks_off_half_way_is_one_event(self, start_proxy: Start) -> None:
        async with raw_csms() as csms:
            proxy = start_proxy(csms.url, handshake_timeout=1)
            _, writer = await opened(proxy.port, b"GET /CP1 HTTP/1.1\r\nHost: x\r\n")
            writer.close()
            await proxy.recorder.seen(lambda: proxy.recorder.events("fault"))
            await asyncio.sleep(1.1)  # longer than a handshake may take
        (event,) = proxy.recorder.events("fault")
        assert "disconnected before its request was complete" in event["reason"]

    async def test_csms_that_hangs_up_after_its_rejection_hangs_up_on_the_charge_point(
        self, start_proxy: Start
    ) -> None:
        async with raw_csms(REJECTED) as csms:
            proxy = start_proxy(csms.url)
            one = await raw_charge_point(proxy.port)
            (await csms.peer()).writer.close()
            assert await one.rest() == b""

    async def test_reset_of_a_charge_point_that_waits_for_its_answer_is_a_reset(self, start_proxy: Start) -> None:
        async with raw_csms(b"") as csms:
            proxy = start_proxy(csms.url)
            _, writer = await opened(proxy.port, upgrade_request("/CP1"))
            at_csms = await csms.peer()
            await asyncio.sleep(0.1)
            writer.get_extra_info("socket").setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER of 0 s
            writer.transport.abort()
            with pytest.raises(ConnectionResetError):
                await at_csms.rest()

    async def test_port_scan_of_a_wss_port_is_one_line_and_an_event(
        self, start_proxy: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        server = Authority(tmp_path).server(["localhost"])
        async with raw_csms() as csms:
            proxy = start_proxy(csms.url, listener_tls=tls.listener_context(server.cert, server.key))
            for _ in range(5):
                _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
                writer.get_extra_info("socket").setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")
                writer.transport.abort()
            await proxy.recorder.seen(lambda: len(proxy.recorder.events("tls")) == 5)
        assert not [line for line in caplog.messages if "Unhandled" in line or "Traceback" in line]
        assert not [record for record in caplog.records if record.exc_info]


class TestLog:
    @pytest.mark.parametrize("path", ["/CP1;password=hush-hush", "/CP1&token=hush-hush", "/x/password=hush-hush"])
    async def test_secret_in_what_counts_as_the_charge_points_id_is_in_no_line(
        self, start_proxy: Start, path: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        rejected = b"HTTP/1.1 401 No hush-hush\r\nContent-Length: 0\r\n\r\n"
        with caplog.at_level("INFO"):
            async with raw_csms(rejected) as csms:
                proxy = start_proxy(csms.url)
                await raw_charge_point(proxy.port, path)
                await proxy.recorder.seen(lambda: proxy.recorder.events("rejected-upgrade"))
                proxy.stop()
            async with raw_csms(b"SSH-2.0-odd\r\n\r\n") as csms:
                proxy = start_proxy(csms.url)
                await raw_charge_point(proxy.port, path)
                await proxy.recorder.seen(lambda: proxy.recorder.events("unreachable"))
                proxy.stop()
            proxy = start_proxy("ws://127.0.0.1:1")
            await raw_charge_point(proxy.port, path)
            await proxy.recorder.seen(lambda: proxy.recorder.events("unreachable"))
        lines = "\n".join(caplog.messages)
        assert "the CSMS answered 401" in lines and lines.count("cannot reach") == 2
        assert "hush" not in lines


class TestOddHttp:
    @pytest.mark.parametrize("interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.0 103\r\nLink: </x>\r\n\r\n"])
    @pytest.mark.parametrize("cut", [1, 5, 10, 12, 13, 20])
    async def test_interim_answers_cross_and_the_upgrade_goes_on(
        self, start_proxy: Start, interim: bytes, cut: int
    ) -> None:
        crossed = interim * 2 + upgrade_response()
        async with raw_csms(b"") as csms:
            proxy = start_proxy(csms.url)
            reader, _ = await opened(proxy.port, upgrade_request("/CP1"))
            at_csms = await csms.peer()
            for part in (crossed[:cut], crossed[cut : len(interim) + cut], crossed[len(interim) + cut :]):
                await at_csms.send(part)
                await asyncio.sleep(0.05)
            assert await reader.readexactly(len(crossed)) == crossed
            await proxy.recorder.seen(lambda: proxy.recorder.events("handshake"))
        assert proxy.recorder.events("rejected-upgrade") == []

    async def test_trailers_of_a_request_are_the_charge_points_own(self, start_proxy: Start) -> None:
        async with raw_csms() as csms:
            proxy = start_proxy(csms.url)
            head = b"POST /CP1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            reader, _ = await opened(proxy.port, head + b"2\r\nno\r\n0\r\nX-Sum: 1\r\n\r\n")
            assert await the_end(reader) == b""
            (event,) = await proxy.recorder.seen(lambda: proxy.recorder.events("fault"))
        assert "trailers" in event["reason"]
        assert proxy.recorder.events("unreachable") == []

    @pytest.mark.parametrize(
        "request_head",
        [
            b"GET /CP 1?token=hush HTTP/1.1\r\n\r\n",
            b"GET ws://u:hush@host/CP 1 HTTP/1.1\r\n\r\n",
            b"GET /CP1 HTTP/1.1\r\nAuthorization Basic hush\r\n\r\n",
            b"Authorization: Basic hush\r\n\r\n",
            b"hush\r\n\r\n",
        ],
    )
    async def test_request_that_is_no_http_gives_no_secret_away(
        self, start_proxy: Start, request_head: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with raw_csms() as csms:
            proxy = start_proxy(csms.url)
            await opened(proxy.port, request_head)
            await proxy.recorder.seen(lambda: proxy.recorder.events("fault"))
        assert "hush" not in repr(proxy.recorder.records)
        assert "hush" not in repr(caplog.messages)

    @pytest.mark.parametrize(
        "answer", [b"HTTP/1.1 401 No\r\nset cookie sid=hush\r\n\r\n", b"HTTP/1.1 401 No\r\nX: hush"]
    )
    async def test_answer_that_is_no_http_gives_no_secret_away(
        self, start_proxy: Start, answer: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with raw_csms(answer) as csms:
            proxy = start_proxy(csms.url)
            reader, _ = await opened(proxy.port, upgrade_request("/CP1"))
            (await csms.peer()).writer.close()
            await the_end(reader)
            await proxy.recorder.seen(lambda: proxy.recorder.events("unreachable"))
        assert "hush" not in repr(proxy.recorder.records)
        assert "hush" not in repr(caplog.messages)

    async def test_trailers_of_a_rejection_end_it_at_once_with_502(self, start_proxy: Start) -> None:
        answer = b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\nX-Sum: 1\r\n\r\n"
        async with raw_csms(answer) as csms:
            proxy = start_proxy(csms.url)
            one = await raw_charge_point(proxy.port)
            assert one.head.startswith(b"HTTP/1.1 502 ")
            assert await one.rest() == b""
            (event,) = await proxy.recorder.seen(lambda: proxy.recorder.events("unreachable"))
        assert "trailers" in event["reason"] and event["charge_point_id"] == "CP1"

    async def test_endless_head_of_an_answer_is_cut_off(self, start_proxy: Start) -> None:
        async with raw_csms(b"HTTP/1.1 101 Switching Protocols\r\nX-Endless: " + b"x" * 200_000) as csms:
            proxy = start_proxy(csms.url)
            one = await raw_charge_point(proxy.port)
            assert one.head.startswith(b"HTTP/1.1 502 ")
            (event,) = await proxy.recorder.seen(lambda: proxy.recorder.events("unreachable"))
        assert "headers" in event["reason"] and len(repr(event)) < 1000

    @pytest.mark.parametrize(
        "request_head", [b"GET /CP 1 HTTP/1.1\r\n\r\n", b"GET /CP1 HTTP/1.1\r\nno colon\r\n\r\n", b"\0\1\2\r\n\r\n"]
    )
    async def test_request_that_is_no_http_is_an_event_with_the_reason(
        self, start_proxy: Start, request_head: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with raw_csms() as csms:
            proxy = start_proxy(csms.url)
            reader, _ = await opened(proxy.port, request_head)
            assert (await the_end(reader)).startswith(b"HTTP/1.1 400 ")
            (event,) = await proxy.recorder.seen(lambda: proxy.recorder.events("fault"))
        assert "sent no HTTP request: " in event["reason"] and not event["reason"].endswith(": ")
        await asyncio.sleep(0.1)
        assert len(proxy.recorder.events("fault")) == 1
        assert any("sent no HTTP request" in line for line in caplog.messages)

    async def test_what_the_charge_point_does_wrong_is_not_the_csmss_fault(self, start_proxy: Start) -> None:
        async with raw_csms() as csms:
            proxy = start_proxy(csms.url)
            reader, _ = await opened(proxy.port, b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere:443\r\n\r\n")
            await the_end(reader)
            (event,) = await proxy.recorder.seen(lambda: proxy.recorder.events("fault"))
        assert event["refused"] is True
        assert proxy.recorder.events("unreachable") == []

    async def test_rejection_with_a_large_body_leaves_an_event(self, start_proxy: Start) -> None:
        answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000
        async with raw_csms(answer) as csms:
            proxy = start_proxy(csms.url)
            await raw_charge_point(proxy.port)
            (event,) = await proxy.recorder.seen(lambda: proxy.recorder.events("unreachable"))
        assert "body" in event["reason"]

    @pytest.mark.parametrize("host", ["csms..example", f"{'x' * 70}.example"])
    async def test_host_name_that_cannot_be_is_told_with_502(self, start_proxy: Start, host: str) -> None:
        routing: Any = Routing(Upstream(host, 99))
        proxy = start_proxy("ws://127.0.0.1:1", routing=routing)
        one = await raw_charge_point(proxy.port)
        assert one.head.startswith(b"HTTP/1.1 502 ")
        await proxy.recorder.seen(lambda: proxy.recorder.events("unreachable"))
