"""Undoes permessage-deflate (RFC 7692) within bounds: knows DEFLATE streams and their windows, no WebSocket frame."""

from __future__ import annotations

import zlib
from bisect import bisect_left

END_OF_BLOCK = b"\x00\x00\xff\xff"
"""What a sender leaves out at the end of every message (RFC 7692 section 7.2.1)."""
AT_ONCE = 32 * 1024 * 1024
"""Bytes that the messages ending in one chunk may inflate to together, or one message if its limit is higher.

A chunk is 256 KiB at most. Repeating earlier messages packs them to a 137th (258 bytes in 15 bits), so that this
is beyond what any but a bomb holds.
"""
MOST_TO_ONE = 1032
"""The most that one byte of DEFLATE can become: 258 bytes in two bits."""
WINDOW = 32 * 1024
_LONG = 8 * 1024
"""Bytes from which on a message may well be of several blocks, and take much longer than a copy of the stream."""
_FINAL_BLOCKS = 64
"""Blocks with BFINAL in one message: senders set it once a flush, and each one costs a new stream."""


class Inflater:
    """Undoes permessage-deflate of one direction (RFC 7692 section 7.2.2), never beyond `limit` bytes a message.

    A block with BFINAL set ends a DEFLATE stream but not what later messages may refer to (section 7.2.3.4), so the
    next stream begins with the window of the one before. zlib does not hand that out once a stream has ended: it
    is taken from a copy made before. No copy is made of the many messages that cannot end a stream. Where
    a short message does so all the same, in its second block or later, what came before it stays unknown: zlib refuses
    to reach back that far, so that nothing is made up.
    """

    def __init__(self, limit: int, context_takeover: bool) -> None:
        self.limit, self.context_takeover = limit, context_takeover
        self.at_once = max(limit, AT_ONCE)
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self._window: bytes | None = None  # kept from the first BFINAL on: most peers never set it

    def inflate(self, payload: bytes, before: int = 0) -> bytes:
        """Return the message; `payload` is not empty, `before` are the bytes others of its chunk have inflated to.

        Raises:
            ValueError: it cannot be had; the words are the reason.
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
        return f"permessage-deflate messages that came at once inflate to more than {self.at_once} bytes"

    def _go_on(self, data: bytes, limit: int, earlier: zlib._Decompress | None) -> bytes:
        """Return the message of which `data` came before a stream's end, and keep what the next may refer to."""
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
            if rest == END_OF_BLOCK:  # the octet that section 7.2.3.4 wants behind the last block is missing
                break
            data += self._stream.decompress(rest, limit + 1 - len(data))
        if self._stream.eof:
            raise ValueError(f"permessage-deflate message of more than {_FINAL_BLOCKS} blocks with BFINAL")
        if self.context_takeover:
            self._window = _last(history, data)
        return data


def _last(history: bytes, data: bytes) -> bytes:
    return (history + data[-WINDOW:])[-WINDOW:]


def _recall() -> bytes:
    """Return a block that copies 128 times from 32 KiB back: its output is the window, in order, and a byte more."""
    distance = "11101" + "1" * 13  # 32768, in the fixed codes of RFC 1951 sections 3.2.5 and 3.2.6
    longest, shortest, end = "11000101", "0000001", "0000000"  # 258 bytes, 3 bytes, end of block
    bits = "010" + (longest + distance) * 127 + shortest + distance + end + "000"
    return int(bits[::-1], 2).to_bytes((len(bits) + 7) // 8, "little") + END_OF_BLOCK


_RECALL = _recall()


def window_of(stream: zlib._Decompress) -> bytes:
    """Return what the next block of a stream may refer to, up to 32 KiB; leaves the stream as it is.

    Empty where the stream stands within a block: there is no asking it.
    """

    def with_filler(size: int) -> bytes | None:
        """Put `size` zeros behind the window and have the last 32 KiB copied; None where there are not so many."""
        filler = b"\x00" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + bytes(size)
        try:
            copied = stream.copy().decompress(filler + _RECALL)
        except zlib.error:
            return None
        return copied[size:WINDOW] if len(copied) == size + WINDOW + 1 else None

    missing = bisect_left(range(WINDOW), True, key=lambda size: with_filler(size) is not None)
    return with_filler(missing) or b""


def inflaters(extensions: str | None, limit: int) -> tuple[Inflater | None, Inflater | None]:
    """Return what undoes the agreed extensions from the charge point and from the CSMS.

    `extensions` is the Sec-WebSocket-Extensions header of the 101; unknown ones are left alone.
    """
    for extension in (extensions or "").split(","):
        name, *parameters = (part.strip().lower() for part in extension.split(";"))
        if name == "permessage-deflate":
            return (
                Inflater(limit, "client_no_context_takeover" not in parameters),
                Inflater(limit, "server_no_context_takeover" not in parameters),
            )
    return None, None
