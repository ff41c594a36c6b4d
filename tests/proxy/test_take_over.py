"""A session leaves the fast path between two messages, wherever its bytes happen to be cut, compressed or not."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.interventions.interventions import Interventions
from inspector.interventions.rules_file import read
from inspector.proxy.edited_pipe import take_over
from inspector.proxy.pipe import join
from inspector.proxy.session_tap import SessionTap
from inspector.records import SessionFacts
from inspector.websocket.frames import make_frame
from inspector.websocket.messages import TEXT, MessageAssembler
from inspector.websocket.permessage_deflate import inflaters
from tests.proxy.conftest import ListRecorder

DEFLATE = "permessage-deflate"
LIMIT = 100_000


def in_a_loop[T](work: Coroutine[Any, Any, T]) -> T:
    """Run it in a thread of its own: tests that ran before in this process may have left a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


class Wire(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol: Any = protocol

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def frames(texts: list[str], compressed: bool, fragmented: bool) -> bytes:
    """Return the bytes that a charge point sends for these messages."""
    deflate = zlib.compressobj(wbits=-15)
    sent = b""
    for text in texts:
        payload, first = text.encode(), 0x01
        if compressed:
            payload, first = (deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4], 0x41
        if fragmented:
            half = len(payload) // 2
            sent += make_frame(first, payload[:half], b"mask") + make_frame(0x89, b"ping", b"mask")
            sent += make_frame(0x80, payload[half:], b"mask")
        else:
            sent += make_frame(0x80 | first, payload, b"mask")
    return sent


@given(
    texts=st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=300), min_size=1, max_size=8),
    sizes=st.lists(st.integers(1, 200), min_size=1, max_size=20),
    at=st.integers(0, 30),
    compressed=st.booleans(),
    fragmented=st.booleans(),
)
def test_every_message_arrives_once_and_in_order_whenever_a_session_is_taken_over(
    texts: list[str], sizes: list[int], at: int, compressed: bool, fragmented: bool
) -> None:
    async def run() -> tuple[bytes, ListRecorder]:
        recorder, charge_point, csms = ListRecorder(), Wire(), Wire()
        facts: SessionFacts = {"charge_point_id": "CP-1", "extensions": DEFLATE if compressed else None}
        tap = SessionTap(1, facts, recorder, LIMIT)  # type: ignore[arg-type]
        join(charge_point, csms, tap, lambda: None)
        data, place = frames(texts, compressed, fragmented), 0
        for number, size in enumerate([*sizes * (len(data) // sum(sizes) + 1), len(data)]):
            if number == at:
                rules = Interventions(
                    read('[[intervention]]\nname = "r"\nmatch = { action = "Reset" }\ndo = { drop = true }', Path("r"))
                )
                edited = rules.edit(rules.rules_of("CP-1"), facts, tap, tap.readers)
                assert take_over(tap, edited) is None
            charge_point.protocol.data_received(data[place : place + size])
            place += size
        return csms.written, recorder

    written, recorder = in_a_loop(run())
    arrived = MessageAssembler(LIMIT, True, inflaters(DEFLATE, LIMIT)[0] if compressed else None).feed(written)
    assert [payload.decode() for opcode, payload, _ in arrived if opcode == TEXT] == texts
    assert [payload.decode() for _, _, payload in recorder.frames()] == texts
    assert [opcode for opcode, *_ in arrived if opcode < 0] == []


def test_a_session_that_cannot_be_read_is_not_taken_over() -> None:
    async def run() -> str | None:
        tap = SessionTap(1, {"charge_point_id": "CP-1", "extensions": DEFLATE}, ListRecorder(), LIMIT)  # type: ignore[arg-type]
        charge_point, csms = Wire(), Wire()
        join(charge_point, csms, tap, lambda: None)
        charge_point.protocol.data_received(make_frame(0xC1, b"\xff\xff\xff", b"mask"))
        rules = Interventions()
        why = take_over(tap, rules.edit(rules.rules_of("CP-1"), tap.facts, tap, tap.readers))
        charge_point.protocol.data_received(make_frame(0x81, b"more", b"mask"))
        assert csms.written == make_frame(0xC1, b"\xff\xff\xff", b"mask") + make_frame(0x81, b"more", b"mask")
        return why

    why = in_a_loop(run())
    assert why is not None and "could not be inflated" in why


@pytest.mark.parametrize("ended", [True, False])
def test_a_session_that_is_ending_is_not_taken_over(ended: bool) -> None:
    async def run() -> str | None:
        tap = SessionTap(1, {"charge_point_id": "CP-1"}, ListRecorder(), LIMIT)  # type: ignore[arg-type]
        charge_point, csms = Wire(), Wire()
        join(charge_point, csms, tap, lambda: None)
        if ended:
            charge_point.protocol.ended = True
        else:
            tap.go_away(1001, "the proxy stops")
        rules = Interventions()
        return take_over(tap, rules.edit(rules.rules_of("CP-1"), tap.facts, tap, tap.readers))

    assert in_a_loop(run()) == "it is ending"
