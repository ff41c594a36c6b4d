"""With --require-recording charging waits for the recorder and stops if it is dead; without it, charging continues."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

import pytest

from inspector.recorder.recorder import Status
from inspector.websocket.frames import make_frame
from tests.proxy.conftest import RunningProxy, raw_charge_point, raw_csms

type Start = Callable[..., RunningProxy]

CALL = make_frame(0x81, b'[2,"1","Heartbeat",{}]', b"abcd")
STRICT = {"require_recording": True, "recorder_dead_after": 0.2, "queue_limit": 1000}


async def test_dead_recorder_ends_sessions_with_1011_and_refuses_new_ones_until_it_works(start_proxy: Start) -> None:
    async with raw_csms() as csms:
        proxy = start_proxy(csms.url, **STRICT)
        charge_point = await raw_charge_point(proxy.port)
        at_csms = await csms.peer()
        proxy.recorder.now = Status(working=False)
        assert (await charge_point.receive(4))[2:] == struct.pack("!H", 1011)
        assert (await at_csms.receive(2))[0] == 0x88
        assert (await raw_charge_point(proxy.port, "/CP2")).head.startswith(b"HTTP/1.1 503 ")
        proxy.recorder.now = Status()
        assert (await raw_charge_point(proxy.port, "/CP3")).head.startswith(b"HTTP/1.1 101 ")
        if proxy.fast:  # neither peer has answered the close, so the proxy closes both sockets
            assert await charge_point.rest() == b"recording failed"


async def test_recorder_that_is_soon_back_ends_nothing(start_proxy: Start) -> None:
    async with raw_csms() as csms:
        proxy = start_proxy(csms.url, **{**STRICT, "recorder_dead_after": 30})
        charge_point = await raw_charge_point(proxy.port)
        at_csms = await csms.peer()
        proxy.recorder.now = Status(working=False)
        await asyncio.sleep(0.3)
        await charge_point.send(CALL)
        assert await at_csms.receive(len(CALL)) == CALL


@pytest.mark.parametrize("start_proxy", ["fast path"], indirect=True)
async def test_sessions_wait_while_the_recorder_is_behind(start_proxy: Start) -> None:
    async with raw_csms() as csms:
        proxy = start_proxy(csms.url, **STRICT)
        charge_point = await raw_charge_point(proxy.port)
        at_csms = await csms.peer()
        await charge_point.send(CALL)
        assert await at_csms.receive(len(CALL)) == CALL
        proxy.recorder.now = Status(waiting_bytes=600)
        link = next(iter(proxy.engine.recording.sessions.values()))
        for _ in range(200):
            if link.held:
                break
            await asyncio.sleep(0.02)
        await charge_point.send(CALL)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(at_csms.reader.readexactly(1), 0.3)
        proxy.recorder.now = Status(waiting_bytes=100)
        assert await at_csms.receive(len(CALL)) == CALL


async def test_without_it_charging_goes_on(start_proxy: Start) -> None:
    async with raw_csms() as csms:
        proxy = start_proxy(csms.url, recorder_dead_after=0.0)
        proxy.recorder.now = Status(working=False, waiting_bytes=10**9)
        charge_point = await raw_charge_point(proxy.port)
        await charge_point.send(CALL)
        assert await (await csms.peer()).receive(len(CALL)) == CALL


async def taken_over(proxy: RunningProxy) -> None:
    for _ in range(500):
        if any(link.taken_over for link in list(proxy.engine.recording.sessions.values())):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the fast path has not taken over")


@pytest.mark.parametrize("start_proxy", ["fast path"], indirect=True)
async def test_sessions_go_at_the_pace_of_a_recorder_that_is_behind(start_proxy: Start) -> None:
    async with raw_csms() as csms:
        proxy = start_proxy(csms.url)
        charge_point = await raw_charge_point(proxy.port)
        at_csms = await csms.peer()
        await charge_point.send(CALL)
        assert await at_csms.receive(len(CALL)) == CALL
        await taken_over(proxy)
        await proxy.call(lambda: proxy.recorder.hold(1, True))
        await charge_point.send(CALL)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(at_csms.reader.readexactly(1), 0.2)
        await proxy.call(lambda: proxy.recorder.hold(1, False))
        assert await at_csms.receive(len(CALL)) == CALL


@pytest.mark.parametrize("start_proxy", ["fast path"], indirect=True)
async def test_a_session_that_begins_while_the_recorder_is_behind_goes_at_its_pace_too(start_proxy: Start) -> None:
    async with raw_csms() as csms:
        proxy = start_proxy(csms.url)
        await proxy.call(lambda: proxy.recorder.hold(1, True))
        charge_point = await raw_charge_point(proxy.port)
        at_csms = await csms.peer()
        await taken_over(proxy)
        await charge_point.send(CALL)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(at_csms.reader.readexactly(1), 0.2)
        await proxy.call(lambda: proxy.recorder.hold(1, False))
        assert await at_csms.receive(len(CALL)) == CALL
