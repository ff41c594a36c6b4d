"""Put the bytes of one direction of a TCP connection in order."""

from __future__ import annotations

MOST_WAITING = 4 * 1024 * 1024
MOST_SEGMENTS = 4000
"""So many bytes and segments may wait for an earlier one; beyond that, it counts as missing in the capture."""
_AROUND = 1 << 32


class Direction:
    """The bytes of one direction, in the order of their sequence numbers."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._waiting: dict[int, bytes] = {}
        self._size = 0
        self.lost = False
        """Whether the capture lacks a segment; nothing can be read after it."""

    def begin(self, sequence: int) -> None:
        """Note the first sequence number, which a SYN names."""
        self._next = (sequence + 1) % _AROUND

    def add(self, sequence: int, data: bytes) -> bytes:
        """Add a segment; return the bytes that are now complete. Repeated bytes are dropped."""
        if self.lost or not data:
            return b""
        if self._next is None:
            self._next = sequence
        ahead = (sequence - self._next) % _AROUND
        if ahead >= _AROUND // 2:  # it was sent again
            data, ahead = data[_AROUND - ahead :], 0
        if ahead:
            if len(data) > len(self._waiting.get(sequence, b"")):
                self._size += len(data) - len(self._waiting.get(sequence, b""))
                self._waiting[sequence] = data
            self.lost = self._size > MOST_WAITING or len(self._waiting) > MOST_SEGMENTS
            return b""
        return self._joined(data)

    def _joined(self, data: bytes) -> bytes:
        """Return the segment with all that follow it without a gap."""
        assert self._next is not None
        parts = [data]
        self._next = (self._next + len(data)) % _AROUND
        while self._waiting:
            if self._next in self._waiting:
                sequence = self._next
            else:  # segments may overlap, if they were sent again in other sizes
                behind = [one for one in self._waiting if self._behind(one) < _AROUND // 2]
                if not behind:
                    break
                sequence = behind[0]
            skipped = self._behind(sequence)
            waiting = self._waiting.pop(sequence)
            self._size -= len(waiting)
            parts.append(waiting[skipped:])
            self._next = (self._next + len(parts[-1])) % _AROUND
        return b"".join(parts)

    def _behind(self, sequence: int) -> int:
        assert self._next is not None
        return (self._next - sequence) % _AROUND

    def end(self) -> None:
        """Note that the capture has ended: what still waits lacks an earlier segment."""
        self.lost = self.lost or bool(self._waiting)
