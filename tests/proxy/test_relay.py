"""The proxy relays every byte unchanged, and the recording has the same bytes."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Callable

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from inspector import records
from inspector.proxy import fastpath
from inspector.websocket.frames import make_frame
from tests.proxy.conftest import Peer, RunningProxy, raw_charge_point, raw_csms, upgrade_request, upgrade_response

type Start = Callable[..., RunningProxy]

MASK = b"\x12\x34\x56\x78"
CALL = b'[2,"1","Heartbeat",{}]'
RESULT = b'[3,"1",{"currentTime":"2030-01-01T00:00:00Z"}]'


async def test_handshake_crosses_with_path_headers_and_order_untouched(start_proxy: Start) -> None:
    request = upgrade_request(
        "/a%2Fb%20c/CP%C3%A9?x=%41&y", "X-oDd-CaSe: 1", "Authorization: Basic Q1A6c2VjcmV0", "x-odd-case: 2"
    )
    answer = upgrade_response("sec-WEBSOCKET-protocol: ocpp2.0.1", "X-Csms: a", "Set-Cookie: id=7")
    async with raw_csms(answer, path="/ocpp/") as csms:
        proxy = start_proxy(csms.url)
        charge_point = await raw_charge_point(proxy.port, request=request)
        seen = (await csms.peer()).head
    assert seen == request.replace(b"GET /a", b"GET /ocpp/a")
    assert charge_point.head == answer


async def test_frames_cross_and_are_recorded_unchanged(start_proxy: Start) -> None:
    async with raw_csms() as csms:
        proxy = start_proxy(csms.url)
        charge_point = await raw_charge_point(proxy.port)
        at_csms = await csms.peer()
        up = b"".join(
            [
                make_frame(0x81, CALL, MASK),
                make_frame(0x81, b"", MASK),
                make_frame(0x82, b"\x00\xff\xfe", MASK),
                make_frame(0x81, b"not json \xff\xfe", MASK),
                make_frame(0x01, b"[2,", MASK),
                make_frame(0x89, b"between", MASK),
                make_frame(0x00, b'"2",', MASK),
                make_frame(0x80, b'"Heartbeat",{}]', MASK),
                make_frame(0x81, b"x" * 1_200_000, MASK),
            ]
        )
        down = make_frame(0x81, RESULT) + make_frame(0x8A, b"between") + make_frame(0x81, b"y" * 70_000)
        await charge_point.send(up)
        assert await at_csms.receive(len(up)) == up
        await at_csms.send(down)
        assert await charge_point.receive(len(down)) == down
        await proxy.recorder.seen(lambda: len(proxy.recorder.frames()) == 8)
    assert [f[1:] for f in proxy.recorder.frames() if f[0]] == [
        (1, CALL),
        (1, b""),
        (2, b"\x00\xff\xfe"),
        (1, b"not json \xff\xfe"),
        (1, b'[2,"2","Heartbeat",{}]'),
        (1, b"x" * 1_200_000),
    ]
    assert [f[1:] for f in proxy.recorder.frames() if not f[0]] == [(1, RESULT), (1, b"y" * 70_000)]
    fragmented = next(r for r in proxy.recorder.of(records.FrameRecord) if r.payload.startswith(b'[2,"2"'))
    assert fragmented.notes == {"fragments": 3}
    assert proxy.recorder.events("ping") == [{"direction": "cp-to-csms", "payload": b"between".hex()}]
    assert proxy.recorder.events("pong") == [{"direction": "csms-to-cp", "payload": b"between".hex()}]


async def test_data_right_behind_the_101_is_not_lost(start_proxy: Start) -> None:
    behind = make_frame(0x81, RESULT)
    async with raw_csms(upgrade_response() + behind) as csms:
        proxy = start_proxy(csms.url)
        charge_point = await raw_charge_point(proxy.port)
        assert await charge_point.receive(len(behind)) == behind
        await proxy.recorder.seen(lambda: proxy.recorder.frames() == [(False, 1, RESULT)])


async def test_data_sent_before_the_101_arrives_is_not_lost(start_proxy: Start) -> None:
    early = make_frame(0x81, CALL, MASK)
    async with raw_csms() as csms:
        proxy = start_proxy(csms.url)
        await raw_charge_point(proxy.port, request=upgrade_request("/CP1") + early)
        assert await (await csms.peer()).receive(len(early)) == early
        await proxy.recorder.seen(lambda: proxy.recorder.frames() == [(True, 1, CALL)])


async def test_closing_handshake_crosses_and_both_codes_are_recorded(start_proxy: Start) -> None:
    first = make_frame(0x88, struct.pack("!H", 1000) + b"done", MASK)
    answer = make_frame(0x88, struct.pack("!H", 3001))
    async with raw_csms() as csms:
        proxy = start_proxy(csms.url)
        charge_point = await raw_charge_point(proxy.port)
        at_csms = await csms.peer()
        await charge_point.send(first)
        assert await at_csms.receive(len(first)) == first
        await at_csms.send(answer)
        at_csms.writer.close()
        assert await charge_point.rest() == answer
        charge_point.writer.close()
        assert await proxy.recorder.closed() == {
            "cp_close_code": 1000,
            "cp_close_reason": "done",
            "csms_close_code": 3001,
            "csms_close_reason": None,
            "closed_by": "charge-point",
        }


@pytest.mark.parametrize("side", ["charge-point", "csms"])
@pytest.mark.parametrize("how", ["fin", "reset"])
async def test_abnormal_end_reaches_the_other_side_at_once_and_is_no_clean_close(
    start_proxy: Start, side: str, how: str
) -> None:
    async with raw_csms() as csms:
        proxy = start_proxy(csms.url)
        charge_point = await raw_charge_point(proxy.port)
        at_csms = await csms.peer()
        one, other = (charge_point, at_csms) if side == "charge-point" else (at_csms, charge_point)
        started = asyncio.get_running_loop().time()
        if how == "fin":
            one.writer.close()
        else:
            one.reset()
        try:
            assert await other.rest() == b""
            assert how == "fin" or not proxy.fast
        except ConnectionResetError:
            assert how == "reset"
        assert asyncio.get_running_loop().time() - started < 1
        other.writer.close()
        facts = await proxy.recorder.closed()
    assert facts["cp_close_code"] is None and facts["csms_close_code"] is None
    (event,) = proxy.recorder.events("close")
    assert event["code"] is None
    if proxy.fast:  # mitmproxy's public hooks do not report who closed first, nor whether by RST or FIN
        assert facts["closed_by"] == side
        assert event == {
            "direction": "cp-to-csms" if side == "charge-point" else "csms-to-cp",
            "code": None,
            "tcp": how,
        }


@pytest.mark.parametrize("start_proxy", ["fast path"], indirect=True)
@pytest.mark.parametrize("side", ["charge-point", "csms"])
async def test_reset_before_the_sockets_are_taken_over_is_a_reset_too(
    start_proxy: Start, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fastpath.RelayHandler, "_take_over", lambda *_: None)
    async with raw_csms() as csms:
        proxy = start_proxy(csms.url)
        charge_point = await raw_charge_point(proxy.port)
        at_csms = await csms.peer()
        one, other = (charge_point, at_csms) if side == "charge-point" else (at_csms, charge_point)
        one.reset()
        with pytest.raises(ConnectionResetError):
            await other.rest()
        facts = await proxy.recorder.closed()
    assert facts["closed_by"] == side
    (event,) = proxy.recorder.events("close")
    assert event["tcp"] == "reset"


async def test_unreachable_csms_is_told_with_502_at_once_and_recorded(start_proxy: Start) -> None:
    async with raw_csms() as csms:
        url = csms.url
    proxy = start_proxy(url)
    started = asyncio.get_running_loop().time()
    charge_point = await raw_charge_point(proxy.port, "/CP9", "Authorization: Basic Q1A5OnNlY3JldA==")
    assert charge_point.head.startswith(b"HTTP/1.1 502 ")
    assert asyncio.get_running_loop().time() - started < 2
    (event,) = await proxy.recorder.seen(lambda: proxy.recorder.events("unreachable"))
    assert event["charge_point_id"] == "CP9"
    assert event["path"] == "/CP9"
    assert event["reason"]
    assert "secret" not in repr(proxy.recorder.records) and "Q1A5" not in repr(proxy.recorder.records)


async def test_csms_that_goes_away_during_the_handshake_gives_502_at_once(start_proxy: Start) -> None:
    async with raw_csms(b"") as csms:
        proxy = start_proxy(csms.url)
        connecting = asyncio.create_task(raw_charge_point(proxy.port))
        (await csms.peer()).writer.close()
        assert (await connecting).head.startswith(b"HTTP/1.1 502 ")
        await proxy.recorder.seen(lambda: proxy.recorder.events("unreachable"))


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "404 Not Found", "500 Odd Reason"])
async def test_rejected_upgrade_crosses_unchanged_and_is_recorded(start_proxy: Start, status: str) -> None:
    body = b"no \xffentry"
    answer = f"HTTP/1.1 {status}\r\nX-Why: because\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    async with raw_csms(answer + body) as csms:
        proxy = start_proxy(csms.url)
        charge_point = await raw_charge_point(proxy.port, "/CP1", "Authorization: Basic Q1A6c2VjcmV0")
        assert charge_point.head == answer
        assert await charge_point.receive(len(body)) == body
        (event,) = await proxy.recorder.seen(lambda: proxy.recorder.events("rejected-upgrade"))
    assert event["status"] == int(status[:3])
    assert ["X-Why", "because"] in event["response_headers"]
    assert event["body"] == "no \\xffentry"
    assert "Q1A6c2VjcmV0" not in repr(proxy.recorder.records)


async def test_handshake_event_shows_the_scheme_and_never_the_secret(start_proxy: Start) -> None:
    async with raw_csms() as csms:
        proxy = start_proxy(csms.url)
        await raw_charge_point(
            proxy.port,
            "/CP1?token=hush",
            "Authorization: Basic Q1A6c2VjcmV0",
            "Sec-WebSocket-Protocol: ocpp1.6, ocpp2.0.1",
        )
        (event,) = await proxy.recorder.seen(lambda: proxy.recorder.events("handshake"))
    assert ["Authorization", "Basic «redacted»"] in event["request_headers"]
    assert event["redacted"] == ["Authorization"]
    facts = proxy.recorder.of(records.OpenRecord)[0].facts
    # The recorder keeps these secrets in memory only, to hide them wherever a frame quotes them; see records.LinkFacts.
    assert facts.pop("secrets")[:3] == ["Q1A6c2VjcmV0", "secret", "hush"]
    assert not any(secret in repr(proxy.recorder.records) for secret in ("Q1A6c2VjcmV0", "secret", "hush"))
    assert facts["charge_point_id"] == "CP1"
    assert facts["subprotocols_offered"] == ["ocpp1.6", "ocpp2.0.1"]
    assert facts["subprotocol"] == "ocpp1.6"
    assert (facts["auth_scheme"], facts["auth_user"], facts["auth_password_length"]) == ("Basic", "CP", 6)


@pytest.mark.parametrize("target", ["/CP1#token=hush-hush", "/CP1?pass=hush-hush", "/CP1?a=1#jwt=hush-hush"])
async def test_secret_of_the_request_target_crosses_and_is_in_no_record_and_no_log(
    start_proxy: Start, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with raw_csms() as csms:
        proxy = start_proxy(csms.url)
        await raw_charge_point(proxy.port, target)
        assert (await csms.peer()).head.startswith(f"GET {target} ".encode())
        await proxy.recorder.seen(lambda: proxy.recorder.of(records.OpenRecord))
    ((*_, facts),) = proxy.recorder.of(records.OpenRecord)
    assert set(facts.pop("secrets")) == {"hush-hush"} and facts["charge_point_id"] == "CP1"
    proxy.stop()
    assert "hush" not in repr(proxy.recorder.records)
    with caplog.at_level("INFO"):
        proxy = start_proxy("ws://127.0.0.1:1")
        assert (await raw_charge_point(proxy.port, target)).head.startswith(b"HTTP/1.1 502")
        await proxy.recorder.seen(lambda: proxy.recorder.events("unreachable"))
    assert "CP1: cannot reach" in repr(caplog.messages) and "hush" not in repr(
        [*proxy.recorder.records, *caplog.messages]
    )


async def test_stopping_tells_both_peers_with_1001(start_proxy: Start) -> None:
    async with raw_csms() as csms:
        proxy = start_proxy(csms.url)
        charge_point = await raw_charge_point(proxy.port)
        at_csms = await csms.peer()
        call = make_frame(0x81, CALL, MASK)
        await charge_point.send(call)
        assert await at_csms.receive(len(call)) == call
        stopping = asyncio.create_task(asyncio.to_thread(proxy.stop))
        to_charge_point = await charge_point.receive(4)
        assert to_charge_point[0] == 0x88 and to_charge_point[2:] == struct.pack("!H", 1001)
        to_csms = await at_csms.receive(8)
        assert to_csms[0] == 0x88 and to_csms[1] & 0x80
        await charge_point.send(make_frame(0x88, struct.pack("!H", 1001), MASK))
        await at_csms.send(make_frame(0x88, struct.pack("!H", 1001)))
        await asyncio.wait_for(stopping, 3)
    assert (await proxy.recorder.closed())["closed_by"] == "proxy"
    assert proxy.recorder.frames() == [(True, 1, CALL)]


@pytest.mark.parametrize("seed", range(3))
async def test_any_bytes_cross_unchanged_both_ways_at_once(start_proxy: Start, seed: int) -> None:
    """Even invalid framing is relayed unchanged; only the recording interprets it."""
    rng = random.Random(seed)
    up, down = rng.randbytes(300_000), rng.randbytes(300_000)
    async with raw_csms() as csms:
        proxy = start_proxy(csms.url)
        charge_point = await raw_charge_point(proxy.port)
        at_csms = await csms.peer()

        async def pour(peer: Peer, data: bytes) -> None:
            while data:
                cut = rng.choice([1, 3, 100, 5000, 70_000])
                await peer.send(data[:cut])
                data = data[cut:]
                await asyncio.sleep(0)

        pouring = asyncio.gather(pour(charge_point, up), pour(at_csms, down))
        assert await asyncio.gather(at_csms.receive(len(up)), charge_point.receive(len(down))) == [up, down]
        await pouring


async def test_compressed_session_of_real_peers_is_recorded_in_the_clear(start_proxy: Start) -> None:
    async def answer(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(f"[3,{message}]" * 50)

    async with serve(answer, "127.0.0.1", 0, subprotocols=["ocpp1.6"]) as server:
        proxy = start_proxy(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp")
        async with connect(f"{proxy.url}/CP1", subprotocols=["ocpp1.6"]) as charge_point:
            for number in range(5):
                await charge_point.send(f'[2,"{number}","Heartbeat",{{}}]' * 40)
                await charge_point.recv()
            await charge_point.ping()
        await proxy.recorder.closed()
    frames = proxy.recorder.frames()
    assert [payload for up, _, payload in frames if up] == [
        (b'[2,"%d","Heartbeat",{}]' % number) * 40 for number in range(5)
    ]
    assert len(frames) == 10
    assert all(r.notes["compressed"] < len(r.payload) / 5 for r in proxy.recorder.of(records.FrameRecord))
    assert proxy.recorder.of(records.OpenRecord)[0].facts["extensions"].startswith("permessage-deflate")
    assert proxy.recorder.events("fault") == proxy.recorder.events("gap") == []


@pytest.mark.parametrize("start_proxy", ["fast path"], indirect=True)
async def test_fast_path_takes_over_soon_after_the_upgrade(start_proxy: Start) -> None:
    async with raw_csms() as csms:
        proxy = start_proxy(csms.url)
        charge_point = await raw_charge_point(proxy.port)
        link = next(iter(proxy.engine.recording.sessions.values()))
        for _ in range(100):
            if link.taken_over:
                break
            await asyncio.sleep(0.01)
        assert link.taken_over
        charge_point.writer.close()


@pytest.mark.parametrize("start_proxy", ["fast path"], indirect=True)
async def test_mitmproxy_without_a_needed_name_is_told_and_the_public_hooks_serve(
    start_proxy: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fastpath, "NEEDED", [*fastpath.NEEDED, (fastpath.HttpStream, "flow_finished", ["self"])])
    call = make_frame(0x81, CALL, MASK)
    async with raw_csms() as csms:
        proxy = start_proxy(csms.url)
        charge_point = await raw_charge_point(proxy.port)
        await charge_point.send(call)
        assert await (await csms.peer()).receive(len(call)) == call
        await proxy.recorder.seen(proxy.recorder.frames)
        assert not next(iter(proxy.engine.recording.sessions.values())).taken_over
    assert any("lacks HttpStream.flow_finished()" in message for message in caplog.messages)
