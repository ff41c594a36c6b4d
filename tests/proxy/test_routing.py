"""Charge points reach the CSMS of their route, many at once, up to the configured limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inspector.errors import UnusableAddress, UserMistake
from inspector.proxy import fastpath
from inspector.proxy.addresses import Upstream
from inspector.proxy.routing import Route, Routing
from inspector.records import OpenRecord
from inspector.websocket.frames import make_frame
from tests.proxy.conftest import RunningProxy, raw_charge_point, raw_csms

type Start = Callable[..., RunningProxy]


@pytest.mark.parametrize(
    ("pattern", "charge_point_id", "path", "matches"),
    [
        ("/site-a", "CP1", "/site-a/CP1", True),
        ("/site-a/", "CP1", "/site-a/CP1?x=1", True),
        ("/site-a", "CP1", "/site-ab/CP1", False),
        ("CP-*", "CP-7", "/x/CP-7", True),
        ("CP-*", "cp-7", "/x/cp-7", False),
        ("CP-?", "CP-10", "/CP-10", False),
    ],
)
def test_route_matches_by_path_prefix_or_charge_point_id(
    pattern: str, charge_point_id: str, path: str, matches: bool
) -> None:
    assert Route(pattern, Upstream("h", 1)).matches(charge_point_id, path) is matches


@pytest.mark.parametrize("text", ["", "CP-*", "=ws://a", "CP-*="])
def test_malformed_route_is_a_users_mistake(text: str) -> None:
    with pytest.raises(UserMistake):
        Route.parse(text)


def test_route_names_a_malformed_address() -> None:
    with pytest.raises(UnusableAddress, match="http://x"):
        Route.parse("CP-*=http://x")


async def test_charge_points_are_routed_to_different_csmss(start_proxy: Start) -> None:
    async with raw_csms() as one, raw_csms(path="/ocpp") as two, raw_csms() as rest:
        routing = Routing(Upstream.parse(rest.url), (Route.parse(f"/site-a={one.url}"), Route.parse(f"CP-*={two.url}")))
        proxy = start_proxy(rest.url, routing=routing)
        for path, csms, seen in (
            ("/site-a/CP-1", one, b"GET /site-a/CP-1 "),
            ("/x/CP-1", two, b"GET /ocpp/x/CP-1 "),
            ("/x/other", rest, b"GET /x/other "),
        ):
            await raw_charge_point(proxy.port, path)
            assert (await csms.peer()).head.startswith(seen)
        await proxy.recorder.seen(lambda: len(proxy.recorder.of(OpenRecord)) == 3)
    assert [r.facts["upstream_url"] for r in proxy.recorder.of(OpenRecord)] == [
        f"{one.url}/site-a/CP-1",
        f"{two.url}/x/CP-1",
        f"{rest.url}/x/other",
    ]


async def test_rewrite_host_sends_the_csmss_own_name(start_proxy: Start) -> None:
    async with raw_csms() as csms:
        proxy = start_proxy(csms.url, rewrite_host=True)
        await raw_charge_point(proxy.port)
        assert f"\r\nHost: {csms.url.removeprefix('ws://')}\r\n".encode() in (await csms.peer()).head


@pytest.mark.parametrize("start_proxy", ["fast path"], indirect=True)
class TestLimits:
    async def test_one_connection_too_many_gets_503_and_the_others_stay(self, start_proxy: Start) -> None:
        async with raw_csms() as csms:
            proxy = start_proxy(csms.url, max_connections=2)
            first = await raw_charge_point(proxy.port, "/CP1")
            await raw_charge_point(proxy.port, "/CP2")
            assert (await raw_charge_point(proxy.port, "/CP3")).head.startswith(b"HTTP/1.1 503 ")
            (event,) = await proxy.recorder.seen(lambda: proxy.recorder.events("fault"))
            assert "--max-connections 2" in event["reason"]
            at_csms = await csms.peer()
            await first.send(b"\x89\x80abcd")
            assert await at_csms.receive(6) == b"\x89\x80abcd"

    async def test_silent_connection_is_dropped_after_the_handshake_timeout(self, start_proxy: Start) -> None:
        async with raw_csms() as csms:
            proxy = start_proxy(csms.url, handshake_timeout=0.2)
            reader, _ = await asyncio.open_connection("127.0.0.1", proxy.port)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            (event,) = await proxy.recorder.seen(lambda: proxy.recorder.events("fault"))
            assert "within 0.2 s" in event["reason"]

    async def test_slow_accept_of_the_csms_is_waited_for(self, start_proxy: Start) -> None:
        async with raw_csms(b"") as csms:
            proxy = start_proxy(csms.url, handshake_timeout=0.2)
            connecting = asyncio.create_task(raw_charge_point(proxy.port))
            at_csms = await csms.peer()
            await asyncio.sleep(0.5)
            await at_csms.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
            assert (await connecting).head.startswith(b"HTTP/1.1 101 ")

    async def test_endless_request_head_is_cut_off(self, start_proxy: Start) -> None:
        async with raw_csms() as csms:
            proxy = start_proxy(csms.url)
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"GET /CP1 HTTP/1.1\r\nX-Endless: " + b"x" * 100_000)
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await asyncio.wait_for(reader.readexactly(1), 5)
            (event,) = await proxy.recorder.seen(lambda: proxy.recorder.events("fault"))
            assert "too much" in event["reason"]

    async def test_message_over_the_limit_crosses_and_is_a_gap(self, start_proxy: Start) -> None:
        async with raw_csms() as csms:
            proxy = start_proxy(csms.url, max_frame_size=1024)
            charge_point = await raw_charge_point(proxy.port)
            at_csms = await csms.peer()
            stream = make_frame(0x81, b"x" * 100_000, b"abcd") + make_frame(0x81, b"[]", b"abcd")
            await charge_point.send(stream)
            assert await at_csms.receive(len(stream)) == stream
            await proxy.recorder.seen(proxy.recorder.frames)
        assert proxy.recorder.frames() == [(True, 1, b"[]")]
        (gap,) = proxy.recorder.events("gap")
        assert gap["size"] == 100_014 and gap["direction"] == "cp-to-csms"

    async def test_stalled_csms_makes_the_charge_point_wait_and_memory_stay_bounded(self, start_proxy: Start) -> None:
        async with raw_csms() as csms:
            proxy = start_proxy(csms.url)
            charge_point = await raw_charge_point(proxy.port)
            at_csms = await csms.peer()
            at_csms.writer.transport.pause_reading()
            stream = make_frame(0x82, b"x" * 65_536, b"abcd") * 640
            charge_point.writer.write(stream)
            sent = -1
            while sent != (sent := len(stream) - charge_point.writer.transport.get_write_buffer_size()):
                await asyncio.sleep(0.3)
            # The charge point's bytes wait in socket buffers and two transports; the proxy's own memory is bounded.
            assert sent < 20_000_000
            at_csms.writer.transport.resume_reading()
            assert await at_csms.receive(len(stream)) == stream
            await proxy.recorder.seen(lambda: len(proxy.recorder.frames()) == 640)

    async def test_half_closed_charge_point_still_hears_the_csms(self, start_proxy: Start) -> None:
        async with raw_csms() as csms:
            proxy = start_proxy(csms.url)
            charge_point = await raw_charge_point(proxy.port)
            at_csms = await csms.peer()
            await charge_point.send(make_frame(0x81, b"[1]", b"abcd"))
            charge_point.writer.write_eof()
            assert await at_csms.rest() == make_frame(0x81, b"[1]", b"abcd")
            late = make_frame(0x81, b"[2]")
            await at_csms.send(late)
            assert await charge_point.receive(len(late)) == late
            at_csms.writer.close()
            assert await charge_point.rest() == b""
            charge_point.writer.close()
            await proxy.recorder.closed()
        assert [frame[2] for frame in proxy.recorder.frames()] == [b"[1]", b"[2]"]


async def test_public_hooks_refuse_what_they_cannot_do(start_proxy: Start) -> None:
    import ssl

    with pytest.raises(UserMistake, match="--tls-cert"):
        start_proxy("ws://127.0.0.1:1", fast_path=False, listener_tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


@pytest.mark.parametrize(
    ("setting", "option"),
    [
        ({"max_connections": 2}, "--max-connections 2;"),
        ({"handshake_timeout": 0.5}, "--handshake-timeout 0.5;"),
        ({"connect_timeout": 3.0}, "--connect-timeout 3;"),
        ({"upstream_key": Path("csms.key")}, "--upstream-key"),
    ],
)
async def test_public_hooks_refuse_limits_they_would_not_keep(
    start_proxy: Start, setting: dict[str, Any], option: str
) -> None:
    with pytest.raises(UserMistake, match=f"{option}.*leave out --no-fast-path"):
        start_proxy("ws://127.0.0.1:1", **{"fast_path": False, **setting})


async def test_falling_back_to_public_hooks_names_the_limits_that_do_not_hold(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fastpath, "missing_names", lambda: ["HttpLayer.gone()"])
    proxy = RunningProxy("ws://127.0.0.1:1", max_connections=2)
    proxy.stop()
    told = [line for line in caplog.messages if "limit" in line]
    assert told == [
        "without the fast path there are no limits: ignoring "
        "--max-connections 2, --handshake-timeout 30, --connect-timeout 10"
    ]
