"""Inflate messages of permessage-deflate (RFC 7692), within limits on their size."""

from __future__ import annotations

import zlib
from bisect import bisect_left

END_OF_BLOCK = b"\x00\x00\xff\xff"
"""Bytes that a sender removes from the end of every message (RFC 7692 section 7.2.1)."""
AT_ONCE = 32 * 1024 * 1024
"""The messages that end in one chunk may inflate to so many bytes together; more if the limit of one message is higher.

A chunk has at most 256 KiB. Repeated messages shrink to 1/137 (258 bytes in 15 bits), so only an attack exceeds this.
"""
MOST_TO_ONE = 1032
"""One byte of DEFLATE inflates to at most so many bytes: 258 for each two bits."""
WINDOW = 32 * 1024
_LONG = 8 * 1024
"""From this size on (in bytes), zlib's stream is copied before a message is inflated; see `Inflater`.

A message of this size may have several blocks, and inflating it takes longer than copying the stream.
"""
_FINAL_BLOCKS = 64
"""One message may have at most so many blocks with BFINAL. Each needs a new stream; real senders set it once per flush.
"""


class Inflater:
    """Inflates the messages of one direction (RFC 7692 section 7.2.2), each to `limit` bytes at most.

    A block with BFINAL ends a DEFLATE stream, but later messages may still refer to earlier data (section 7.2.3.4). So
    the next stream starts with the window of the previous one. zlib does not return the window of a stream that has
    ended. Therefore the stream is copied before each message that is likely to end it: a long one, or one whose first
    block has BFINAL. If another message ends the stream, the window is lost, and later messages that need it fail to
    inflate.
    """

    def __init__(self, limit: int, context_takeover: bool) -> None:
        self.limit, self.context_takeover = limit, context_takeover
        self.at_once = max(limit, AT_ONCE)
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self._window: bytes | None = None  # None until the first block with BFINAL; most peers never send one

    def inflate(self, payload: bytes, before: int = 0) -> bytes:
        """Return the inflated message.

        Args:
            payload: the compressed message, not empty.
            before: the inflated size in bytes of the messages before it in the same chunk.

        Raises:
            ValueError: the message cannot be inflated; the text says why.
        """
        room = self.at_once - before
        limit = min(self.limit, room)
        if limit < 0:
            raise ValueError(self._too_much(limit))
        earlier = None
        if not self.context_takeover:
            self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        elif self._window is None and (payload[0] & 1 or len(payload) >= _LONG):
            earlier = self._stream.copy()
        try:
            data = self._stream.decompress(payload + END_OF_BLOCK, limit + 1)
            if self._stream.eof or self._window is not None:
                data = self._go_on(data, limit, earlier)
        except zlib.error as error:
            raise ValueError(f"permessage-deflate data does not inflate: {error}") from None
        if len(data) > limit:
            raise ValueError(self._too_much(limit))
        return data

    def _too_much(self, limit: int) -> str:
        if limit == self.limit:
            return f"permessage-deflate message inflates to more than {limit} bytes"
        return f"permessage-deflate messages received together inflate to more than {self.at_once} bytes"

    def _go_on(self, data: bytes, limit: int, earlier: zlib._Decompress | None) -> bytes:
        """Inflate the rest of a message whose stream may have ended after `data`; return the whole message.

        Keep the window for the next message.
        """
        history = self._window
        if history is None:
            history = window_of(earlier) if earlier else b""
        for _ in range(_FINAL_BLOCKS):
            if not self._stream.eof or len(data) > limit:
                break
            rest = self._stream.unused_data
            if len(rest) < len(END_OF_BLOCK):
                raise ValueError("permessage-deflate data does not inflate: its last block is cut off")
            self._stream = zlib.decompressobj(-zlib.MAX_WBITS, zdict=_last(history, data))
            if rest == END_OF_BLOCK:  # the sender left out the byte that section 7.2.3.4 requires after the last block
                break
            data += self._stream.decompress(rest, limit + 1 - len(data))
        if self._stream.eof:
            raise ValueError(f"permessage-deflate message has more than {_FINAL_BLOCKS} blocks with BFINAL")
        if self.context_takeover:
            self._window = _last(history, data)
        return data


def _last(history: bytes, data: bytes) -> bytes:
    return (history + data[-WINDOW:])[-WINDOW:]


def _recall() -> bytes:
    """Return a DEFLATE block that inflates to the 32 KiB window of a stream, oldest byte first, and one more byte.

    It has 128 copy commands (127 of 258 bytes, one of 3), each of which copies from 32 KiB back.
    """
    distance = "11101" + "1" * 13  # 32768, in the fixed codes of RFC 1951 sections 3.2.5 and 3.2.6
    longest, shortest, end = "11000101", "0000001", "0000000"  # the codes of 258 bytes, 3 bytes, end of block
    bits = "010" + (longest + distance) * 127 + shortest + distance + end + "000"
    return int(bits[::-1], 2).to_bytes((len(bits) + 7) // 8, "little") + END_OF_BLOCK


_RECALL = _recall()


def window_of(stream: zlib._Decompress) -> bytes:
    """Return the window: the data that the next block of a stream may refer to, up to 32 KiB.

    The stream does not change. The window is empty if the stream is in the middle of a block.
    """

    def with_filler(size: int) -> bytes | None:
        """Add `size` zeros to the window and return it; None if both together have less than 32 KiB."""
        filler = b"\x00" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + bytes(size)
        try:
            copied = stream.copy().decompress(filler + _RECALL)
        except zlib.error:
            return None
        return copied[size:WINDOW] if len(copied) == size + WINDOW + 1 else None

    missing = bisect_left(range(WINDOW), True, key=lambda size: with_filler(size) is not None)
    return with_filler(missing) or b""


def inflaters(extensions: str | None, limit: int) -> tuple[Inflater | None, Inflater | None]:
    """Return the inflaters for messages from the charge point and from the CSMS, or two None without compression.

    `extensions` is the Sec-WebSocket-Extensions header of the answer 101; unknown extensions are ignored.
    """
    for extension in (extensions or "").split(","):
        name, *parameters = (part.strip().lower() for part in extension.split(";"))
        if name == "permessage-deflate":
            return (
                Inflater(limit, "client_no_context_takeover" not in parameters),
                Inflater(limit, "server_no_context_takeover" not in parameters),
            )
    return None, None
