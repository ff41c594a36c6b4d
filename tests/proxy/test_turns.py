"""The relay serves a socket that always has data in slices, so that other sockets need not wait."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any, cast

import pytest
import uvloop

from inspector import records
from inspector.proxy import pipe
from inspector.proxy.session_tap import SessionTap
from inspector.websocket.frames import make_frame

from .conftest import ListRecorder

PING = make_frame(0x89, b"", b"abcd")
PINGS = 200_000


async def ends(loop: asyncio.AbstractEventLoop) -> tuple[asyncio.Transport, socket.socket]:
    """Return a transport of the relay and the peer's end of its connection."""
    ours, theirs = socket.socketpair()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    return cast(asyncio.Transport, transport), theirs


@pytest.mark.parametrize("ends_with", ["fin", "reset"])
def test_one_turn_of_the_loop_relays_no_more_than_a_slice_and_nothing_is_lost_or_reordered(
    monkeypatch: pytest.MonkeyPatch, ends_with: str
) -> None:
    """Without any time left it relays one slice; all bytes arrive unchanged, and every ping is recorded."""
    monkeypatch.setattr(pipe, "TURN_S", 0.0)
    recorder = ListRecorder()
    most: list[int] = []

    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        charge_point, at_charge_point = await ends(loop)
        csms, at_csms = await ends(loop)
        link = SessionTap(1, {}, recorder, 1 << 20)
        over = asyncio.Event()
        pipe.join(charge_point, csms, link, over.set)
        sending = loop.run_in_executor(None, send, at_charge_point)
        receiving = loop.run_in_executor(None, received, at_csms)
        while not over.is_set():
            before = len(recorder.records)
            await asyncio.sleep(0)  # one turn of the event loop
            most.append(len(recorder.records) - before)
        await sending
        return await receiving

    def send(at_charge_point: socket.socket) -> None:
        with at_charge_point, suppress(BrokenPipeError):
            at_charge_point.sendall(PING * PINGS)

    def received(at_csms: socket.socket) -> bytes:
        with at_csms:
            if ends_with == "reset":  # the other side disconnects in the middle
                return at_csms.recv(1 << 20)
            return b"".join(iter(lambda: at_csms.recv(1 << 20), b""))

    # `uvloop.run` refuses where a browser of this worker is open.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        got: Any = runner.run(main())
    pings = [record for record in recorder.of(records.EventRecord) if record.kind == "ping"]
    if ends_with == "fin":
        assert got == PING * PINGS
        assert len(pings) == PINGS
    assert max(most) <= 2 * (pipe.SLICE // len(PING) + 2)
