"""The parser finds the same frames as the websockets library, however the stream is cut into chunks."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame as WebsocketsFrame
from websockets.frames import Opcode
from websockets.streams import StreamReader

from inspector.websocket.frames import Frame, FrameParser, make_frame

LIMIT = 200_000

sizes = st.one_of(st.integers(0, 300), st.sampled_from([125, 126, 127, 65535, 65536, 70_000]))
frames = st.tuples(
    st.sampled_from([0x81, 0x82, 0x01, 0x00, 0x80, 0x89, 0x8A, 0x88, 0xC1]),
    sizes,
    st.none() | st.binary(min_size=4, max_size=4),
)


def built(parts: list[tuple[int, int, bytes | None]]) -> tuple[bytes, list[Frame]]:
    stream, expected = b"", []
    for number, (first, size, mask) in enumerate(parts):
        payload = random.Random(number).randbytes(size)
        frame = make_frame(first, payload, mask)
        expected.append((first, mask is not None, payload, len(frame)))
        stream += frame
    return stream, expected


def fed(splitter: FrameParser, chunks: list[bytes]) -> list[Frame]:
    return [frame for chunk in chunks for frame in splitter.feed(chunk)]


@given(st.lists(frames, max_size=6), st.randoms(use_true_random=False))
def test_any_cut_of_the_stream_yields_the_same_frames(
    parts: list[tuple[int, int, bytes | None]], rng: random.Random
) -> None:
    stream, expected = built(parts)
    whole = FrameParser(LIMIT)
    assert fed(whole, [stream]) == expected
    assert whole.at_boundary
    chunks, rest = [], stream
    while rest:
        cut = rng.choice([1, 2, 3, 5, 9, 14, 1000, 65536])
        chunks.append(rest[:cut])
        rest = rest[cut:]
    assert fed(FrameParser(LIMIT), chunks) == expected


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0x81, 0x89, 0x88]), st.integers(0, 40), st.none() | st.binary(min_size=4, max_size=4)
        ),
        max_size=5,
    )
)
def test_byte_by_byte_yields_the_same_frames(parts: list[tuple[int, int, bytes | None]]) -> None:
    stream, expected = built(parts)
    splitter = FrameParser(LIMIT)
    assert fed(splitter, [bytes([byte]) for byte in stream]) == expected
    assert splitter.at_boundary


@given(st.binary(max_size=200))
def test_trailing_bytes_of_an_unfinished_frame_are_kept_and_not_yielded(payload: bytes) -> None:
    frame = make_frame(0x81, payload, b"abcd")
    splitter = FrameParser(LIMIT)
    assert fed(splitter, [frame + frame[:-1]]) == [(0x81, True, payload, len(frame))]
    assert not splitter.at_boundary
    assert splitter.feed(frame[-1:]) == [(0x81, True, payload, len(frame))]


@given(st.lists(st.tuples(st.binary(max_size=300), st.booleans()), min_size=1, max_size=5))
def test_agrees_with_the_websockets_library(messages: list[tuple[bytes, bool]]) -> None:
    stream = b"".join(WebsocketsFrame(Opcode.BINARY, data, fin).serialize(mask=True) for data, fin in messages)
    assert [frame[2] for frame in FrameParser(LIMIT).feed(stream)] == [data for data, _ in messages]
    reader = StreamReader()
    reader.feed_data(make_frame(0x82, messages[0][0], b"wxyz"))
    parsing = WebsocketsFrame.parse(reader.read_exact, mask=True)
    try:
        next(parsing)
    except StopIteration as finished:
        assert finished.value.data == messages[0][0]


@given(st.integers(0, 30), st.integers(1, 50))
def test_frame_over_the_limit_is_skipped_and_the_next_one_found(cut: int, step: int) -> None:
    stream = make_frame(0x82, b"x" * 500, b"abcd") + make_frame(0x81, b"next", b"efgh")
    splitter = FrameParser(limit=499)
    chunks = [stream[:cut]] + [stream[i : i + step] for i in range(cut, len(stream), step)]
    assert fed(splitter, chunks) == [(0x82, True, None, 508), (0x81, True, b"next", 10)]
    assert splitter.at_boundary


def test_length_with_its_top_bit_set_is_a_fault_and_ends_the_reading() -> None:
    splitter = FrameParser(LIMIT)
    assert splitter.feed(make_frame(0x81, b"ok") + b"\x81\x7f" + b"\xff" * 8) == [(0x81, False, b"ok", 4)]
    assert splitter.fault and "5.2" in splitter.fault
    assert splitter.feed(make_frame(0x81, b"more")) == []
