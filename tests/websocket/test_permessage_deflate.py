"""permessage-deflate is decompressed by RFC 7692, for any DEFLATE blocks, in bounded memory."""

from __future__ import annotations

import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from inspector.websocket.frames import make_frame
from inspector.websocket.messages import FAULT, GAP, TEXT, Message, MessageAssembler
from inspector.websocket.permessage_deflate import WINDOW, inflaters, window_of

MASK = b"abcd"
TAKEOVER, NO_TAKEOVER = "permessage-deflate", "permessage-deflate; client_no_context_takeover"
HELLO_FINAL = bytes.fromhex("f348cdc9c9070000")
"""RFC 7692 section 7.2.3.4."""
LIMIT = 200_000

texts = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b'[2,"1","Heartbeat",{}]', b'[3,"1",{"currentTime":"2026-01-01T12:00:00Z"}]']),
    st.integers(1, 50_000).map(lambda size: random.Random(size).randbytes(size)),  # larger than a block and the window
)


class Sender:
    """Compresses as RFC 7692 allows; each piece can end with another kind of block."""

    def __init__(self, context_takeover: bool) -> None:
        self.context_takeover = context_takeover
        self._sent = b""
        self._begin(b"")

    def _begin(self, history: bytes) -> None:
        self._stream = zlib.compressobj(wbits=-15, zdict=history[-WINDOW:])

    def message(self, pieces: list[tuple[bytes, bool]]) -> bytes:
        """Return the payload of one message; a piece is (content, whether its last block has BFINAL)."""
        if not self.context_takeover:
            self._sent = b""
            self._begin(b"")
        out, final = b"", True
        for content, final in pieces:
            out += self._stream.compress(content)
            self._sent += content
            if final:
                out += self._stream.flush(zlib.Z_FINISH)
                self._begin(self._sent)
            else:
                out += self._stream.flush(zlib.Z_SYNC_FLUSH)
        return out + b"\x00" if final else out[:-4]


def reader(extensions: str = TAKEOVER, limit: int = LIMIT) -> MessageAssembler:
    return MessageAssembler(limit, True, inflaters(extensions, limit)[0])


def fed(one: MessageAssembler, *payloads: bytes) -> list[Message]:
    return [message for payload in payloads for message in one.feed(make_frame(0xC1, payload, MASK))]


def payloads(messages: list[Message]) -> list[bytes]:
    return [payload for opcode, payload, _ in messages if opcode == TEXT]


def reasons(messages: list[Message], kind: int = GAP) -> list[str]:
    return [notes["reason"] for opcode, _, notes in messages if opcode == kind and notes]


def packed(text: bytes) -> bytes:
    return Sender(False).message([(text, False)])


@pytest.mark.parametrize("extensions", [TAKEOVER, NO_TAKEOVER])
@pytest.mark.parametrize("payload", [HELLO_FINAL, HELLO_FINAL[:-1]], ids=["as in the RFC", "without the last octet"])
def test_messages_go_on_behind_a_block_with_bfinal(extensions: str, payload: bytes) -> None:
    messages = fed(reader(extensions), payload, payload, packed(b"and on"), payload)
    assert payloads(messages) == [b"Hello", b"Hello", b"and on", b"Hello"]


@given(st.lists(st.tuples(texts, st.booleans()), min_size=1, max_size=8), st.booleans())
def test_a_message_may_end_with_either_block_and_refer_to_any_before_it(
    messages: list[tuple[bytes, bool]], context_takeover: bool
) -> None:
    sender, one = Sender(context_takeover), reader(TAKEOVER if context_takeover else NO_TAKEOVER)
    for text, final in messages:
        assert payloads(fed(one, sender.message([(text, final)]))) == [text]


@given(st.lists(st.lists(st.tuples(texts, st.booleans()), min_size=1, max_size=4), min_size=1, max_size=5))
def test_no_mixture_of_blocks_is_read_otherwise_than_it_was_sent(messages: list[list[tuple[bytes, bool]]]) -> None:
    """If a stream ends in the middle of a message, the unreadable rest is a gap."""
    sender, one = Sender(True), reader()
    for pieces in messages:
        (found,) = fed(one, sender.message(pieces))
        assert found[0] == GAP or found[1] == b"".join(text for text, _ in pieces)


def test_what_came_before_the_first_bfinal_is_still_referred_to() -> None:
    sender, one = Sender(True), reader()
    noise = random.Random(1).randbytes(20_000)
    sent = [sender.message([(text, final)]) for text, final in ((noise, False), (b"short", True), (noise, False))]
    assert len(sent[2]) < 1000  # the second copy is compressed to a reference
    assert payloads(fed(one, *sent)) == [noise, b"short", noise]


def test_what_refers_to_a_window_that_is_unknown_is_a_gap_and_no_empty_frame() -> None:
    sender, one = Sender(True), reader()
    noise = random.Random(1).randbytes(300)
    first, second = sender.message([(noise, False)]), sender.message([(b"ab", False), (b"cd", True)])
    assert payloads(fed(one, first, second)) == [noise, b"abcd"]
    assert payloads(fed(one, sender.message([(b"abcd", False)]))) == [b"abcd"]
    (reason,) = reasons(fed(one, sender.message([(noise, False)])))
    assert "too far back" in reason


@given(st.lists(texts, max_size=4))
def test_the_window_of_a_stream_is_told_whatever_it_holds(messages: list[bytes]) -> None:
    sender, stream = Sender(True), zlib.decompressobj(-15)
    for text in messages:
        stream.decompress(sender.message([(text, False)]) + b"\x00\x00\xff\xff")
    assert window_of(stream) == b"".join(messages)[-WINDOW:]


def test_a_final_block_that_is_cut_off_is_a_gap() -> None:
    (reason,) = reasons(fed(reader(), HELLO_FINAL[:-2]))
    assert reason == "permessage-deflate data does not inflate: its last block is cut off"


def test_a_message_of_final_blocks_without_end_is_a_gap() -> None:
    (reason,) = reasons(fed(reader(), b"\x03\x00" * 50_000))
    assert reason == "permessage-deflate message has more than 64 blocks with BFINAL"


def test_a_bomb_behind_a_final_block_is_not_inflated_beyond_the_limit() -> None:
    bomb = Sender(False).message([(b"\0" * LIMIT, True), (b"\0" * 10, False)])
    assert reasons(fed(reader(), bomb)) == [f"permessage-deflate message inflates to more than {LIMIT} bytes"]


def test_what_one_chunk_inflates_to_is_bounded_and_the_next_chunk_has_room_again() -> None:
    text = b"a" * 15_000_000
    frame = make_frame(0xC1, packed(text), MASK)
    one = reader(NO_TAKEOVER, limit=16_000_000)
    messages = one.feed(frame * 3)
    assert payloads(messages) == [text, text]
    assert reasons(messages) == ["permessage-deflate messages received together inflate to more than 33554432 bytes"]
    assert payloads(one.feed(frame)) == [text]


def test_a_compressed_message_without_data_is_a_fault_and_spoils_nothing_behind_it() -> None:
    sender, one = Sender(True), reader()
    sent = [sender.message([(b"before", False)]), b"", sender.message([(b"", False)]), sender.message([(b"on", False)])]
    messages = fed(one, *sent)
    assert payloads(messages) == [b"before", b"", b"", b"on"]
    assert reasons(messages, FAULT) == ["compressed message without any data (RFC 7692 section 7.2.3.6)"]


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=6))
def test_odd_data_is_read_as_a_peer_reads_it(sent: list[bytes]) -> None:
    """A message that ends within a block, or has data after its end, is read as zlib reads it."""
    peer, one = PerMessageDeflate(False, False, 15, 15), reader()
    for payload in sent:
        (found,) = fed(one, payload)
        try:
            there = bytes(peer.decode(Frame(Opcode.TEXT, payload, rsv1=True)).data)
        except ProtocolError:
            there = None
        if peer.decoder.eof:
            return  # the websockets library fails after a block with BFINAL
        if there is None:
            assert found[0] == GAP
            return
        assert found[:2] == (TEXT, there)
