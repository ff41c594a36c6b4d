"""Split a byte stream into WebSocket frames (RFC 6455 section 5.2), without interpreting their payload."""

from __future__ import annotations

try:
    from websockets.speedups import apply_mask
except ImportError:  # websockets ships no C extension for this platform
    from websockets.utils import apply_mask

type Frame = tuple[int, bool, bytes | None, int]
"""(first byte, whether it was masked, unmasked payload or None if it was over the limit, size on the wire in bytes)"""


class FrameParser:
    """Parses one direction of a stream, given in chunks of any size.

    A frame longer than `limit` bytes is skipped and not buffered: its payload is None. `fault` is set when the bytes
    are no longer valid WebSocket; from then on the parser returns no frames.
    """

    __slots__ = ("_buffer", "_need", "_skip", "fault", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.fault: str | None = None
        self._buffer = bytearray()
        self._need = 0
        self._skip = 0

    @property
    def at_boundary(self) -> bool:
        """Whether the bytes so far end with a whole frame, so that another frame can be inserted after them."""
        return not (self._buffer or self._skip or self.fault)

    @property
    def missing(self) -> int:
        """How many more bytes certainly belong to the frame that has begun; the next frame has at least 2."""
        return self._skip or (self._need - len(self._buffer) if self._buffer else 2)

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that end within `data`, in order."""
        if self.fault:
            return []
        if self._skip:
            if len(data) <= self._skip:
                self._skip -= len(data)
                return []
            data, self._skip = data[self._skip :], 0
        elif self._buffer:
            self._buffer += data
            if len(self._buffer) < self._need:
                return []
            data = bytes(self._buffer)
            self._buffer.clear()
        frames: list[Frame] = []
        start, size = 0, len(data)
        while start < size:
            left = size - start
            if left < 2:
                return self._keep(data, start, 2, frames)
            length = data[start + 1] & 0x7F
            body = start + 2
            if length == 126:
                if left < 4:
                    return self._keep(data, start, 4, frames)
                body += 2
                length = data[start + 2] << 8 | data[start + 3]
            elif length == 127:
                if left < 10:
                    return self._keep(data, start, 10, frames)
                body += 8
                length = int.from_bytes(data[start + 2 : body], "big")
                if length >> 63:
                    self.fault = "a frame's length has its top bit set (RFC 6455 section 5.2)"
                    return frames
            masked = data[start + 1] & 0x80 != 0
            if masked:
                body += 4
            end = body + length
            if length > self.limit:
                frames.append((data[start], masked, None, end - start))
                self._skip = max(0, end - size)
            elif end > size:
                return self._keep(data, start, end - start, frames)
            elif masked:
                frames.append((data[start], True, apply_mask(data[body:end], data[body - 4 : body]), end - start))
            else:
                frames.append((data[start], False, data[body:end], end - start))
            start = end
        return frames

    def _keep(self, data: bytes, start: int, need: int, frames: list[Frame]) -> list[Frame]:
        self._buffer += data[start:]
        self._need = need
        return frames


def make_frame(first_byte: int, payload: bytes, mask: bytes | None = None) -> bytes:
    """Return the bytes of one frame; a client must give a `mask` of 4 bytes, a server None."""
    length = len(payload)
    flag = 0x80 if mask else 0
    if length < 126:
        head = bytes((first_byte, flag | length))
    elif length < 65536:
        head = bytes((first_byte, flag | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((first_byte, flag | 127)) + length.to_bytes(8, "big")
    return head + mask + apply_mask(payload, mask) if mask else head + payload
