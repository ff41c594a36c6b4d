"""Messages are assembled as their receiver gets them; unreadable data is reported without an exception."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from inspector.websocket.frames import make_frame
from inspector.websocket.messages import BINARY, CLOSE, FAULT, GAP, PING, TEXT, Message, MessageAssembler
from inspector.websocket.permessage_deflate import inflaters

MASK = b"abcd"


def reader(extensions: str | None = None, limit: int = 10_000) -> MessageAssembler:
    return MessageAssembler(limit, True, inflaters(extensions, limit)[0])


def reasons(messages: list[Message], kind: int) -> list[str]:
    return [notes["reason"] for opcode, _, notes in messages if opcode == kind and notes]


def test_fragments_are_joined_and_counted_and_a_ping_between_comes_first() -> None:
    stream = b"".join(
        make_frame(first, payload, MASK) for first, payload in ((0x01, b"a"), (0x89, b"?"), (0x00, b"b"), (0x80, b"c"))
    )
    assert reader().feed(stream) == [(PING, b"?", None), (TEXT, b"abc", {"fragments": 3})]


@pytest.mark.parametrize(
    ("header", "client_no_context_takeover"),
    [
        ("permessage-deflate", False),
        ("permessage-deflate; client_no_context_takeover; server_max_window_bits=10", True),
    ],
)
def test_deflate_is_undone_for_the_record(header: str, client_no_context_takeover: bool) -> None:
    deflate = PerMessageDeflate(False, client_no_context_takeover, 15, 15)
    texts = [b'[2,"1","Heartbeat",{}]', b"", b'[2,"1","Heartbeat",{}]' * 20]
    stream = b""
    for text in texts:
        stream += make_frame(0xC1, bytes(deflate.encode(Frame(Opcode.TEXT, text)).data), MASK)
    messages = reader(header).feed(stream)
    assert [payload for _, payload, _ in messages] == texts
    assert all(
        notes and notes["compressed"] < len(text) + 3 for text, (_, _, notes) in zip(texts, messages, strict=True)
    )


def test_uncompressed_message_within_a_deflate_session_is_taken_as_it_is() -> None:
    assert reader("permessage-deflate").feed(make_frame(0x81, b"plain", MASK)) == [(TEXT, b"plain", None)]


def test_bomb_is_not_inflated_beyond_the_limit() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = packer.compress(b"\0" * 5_000_000) + packer.flush(zlib.Z_SYNC_FLUSH)
    one = reader("permessage-deflate; client_no_context_takeover", limit=6000)
    messages = one.feed(make_frame(0xC2, bomb[:-4], MASK))
    assert reasons(messages, GAP) == ["permessage-deflate message inflates to more than 6000 bytes"]
    assert one.feed(make_frame(0x81, b"next", MASK)) == [(TEXT, b"next", None)]


def test_what_does_not_inflate_is_a_gap_and_so_is_what_depends_on_it() -> None:
    one = reader("permessage-deflate")
    messages = one.feed(make_frame(0xC1, b"\xff\xff\xff", MASK) * 2)
    assert len(reasons(messages, GAP)) == 2
    assert reasons(messages, FAULT) == []


def test_fragments_count_with_their_payload_however_small_they_are() -> None:
    fragments = make_frame(0x01, b"x", MASK) + make_frame(0x00, b"x", MASK) * 99
    assert reader(limit=100).feed(fragments + make_frame(0x80, b"", MASK)) == [(TEXT, b"x" * 100, {"fragments": 101})]
    (gap,) = reader(limit=100).feed(fragments + make_frame(0x80, b"x", MASK))
    assert gap[2] == {
        "reason": "message longer than 100 bytes was relayed but not stored",
        "cause": "too-long",
        "frames": 1,
        "size": 101 * 7,
    }


@pytest.mark.parametrize("payload", [b"", b"x"])
def test_a_message_that_never_ends_takes_no_more_memory_than_the_limit(payload: bytes) -> None:
    one, chunk = reader(limit=10_000), make_frame(0x00, payload, MASK) * 1000
    one.feed(make_frame(0x01, payload, MASK))
    tracemalloc.start()
    try:
        for _ in range(100):
            one.feed(chunk)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 300_000  # a list of all fragments would take 800,000


def test_message_over_the_limit_is_a_gap_even_in_fragments() -> None:
    messages = reader(limit=100).feed(make_frame(0x01, b"x" * 90, MASK) + make_frame(0x80, b"y" * 90, MASK))
    assert reasons(messages, GAP) == ["message longer than 100 bytes was relayed but not stored"]


@pytest.mark.parametrize(
    ("stream", "section"),
    [
        (make_frame(0x81, b"x"), "5.1"),
        (make_frame(0xC1, b"x", MASK), "5.2"),
        (make_frame(0x83, b"x", MASK), "5.2"),
        (make_frame(0x8B, b"x", MASK), "5.2"),
        (make_frame(0x80, b"x", MASK), "5.4"),
        (make_frame(0x01, b"x", MASK) + make_frame(0x81, b"y", MASK), "5.4"),
        (make_frame(0x09, b"x", MASK), "5.5"),
        (make_frame(0x89, b"x" * 126, MASK), "5.5"),
    ],
)
def test_breach_of_the_framing_is_told_once_with_its_section(stream: bytes, section: str) -> None:
    one = reader()
    (reason,) = reasons(one.feed(stream), FAULT)
    assert section in reason
    assert reasons(one.feed(stream), FAULT) == []


def test_close_and_binary_keep_their_payload() -> None:
    assert reader().feed(make_frame(0x82, b"\xff", MASK) + make_frame(0x88, b"\x03\xe8bye", MASK)) == [
        (BINARY, b"\xff", None),
        (CLOSE, b"\x03\xe8bye", None),
    ]


@given(st.binary(max_size=400), st.sampled_from([None, "permessage-deflate", "x-unknown, permessage-deflate"]))
def test_no_bytes_make_it_raise(data: bytes, extensions: str | None) -> None:
    reader(extensions).feed(data)
