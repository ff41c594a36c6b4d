"""Moves bytes between two asyncio transports and shows them to a link: knows FIN, RST and back-pressure, not frames.

One socket that always has data does not keep the others waiting: what comes in bulk is relayed in slices, and after
a few milliseconds the rest of it waits for the next turn of the event loop.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from functools import partial
from time import perf_counter, perf_counter_ns

from inspector.proxy.session_tap import SessionTap

MEASURE_EVERY = 16
"""Chunks; measuring each would cost more than half of what is measured."""
SLICE = 8 * 1024
"""Bytes relayed at once. A chunk may be 32 times as long and hold 40,000 frames, which take a quarter of a second."""
TURN_S = 0.002
"""How long one socket is served before the others have their turn."""

type ClosedCallback = Callable[[], None]


class Pipe(asyncio.Protocol):
    """The protocol of one transport: what arrives here goes out on `peer`, the chunk as it came."""

    __slots__ = (
        "_feed",
        "_from_cp",
        "_link",
        "_on_closed",
        "_other",
        "_peer",
        "_rest",
        "_scheduled",
        "_then",
        "_transport",
        "_until_measured",
        "ended",
        "full",
        "lost",
    )

    _other: Pipe

    def __init__(
        self,
        transport: asyncio.Transport,
        peer: asyncio.Transport,
        link: SessionTap,
        from_charge_point: bool,
        on_closed: ClosedCallback,
    ) -> None:
        self._transport, self._peer = transport, peer
        self._link, self._from_cp, self._on_closed = link, from_charge_point, on_closed
        self._feed = link.feed
        self.ended = self.lost = self.full = False
        self._until_measured = MEASURE_EVERY
        self._rest: memoryview | None = None
        self._scheduled = False
        self._then: Callable[[], None] | None = None  # the end of this side, which is told after what waits

    def data_received(self, data: bytes) -> None:
        peer = self._peer
        if len(data) > SLICE or self._rest is not None:
            self._relay_in_slices(data)
            return
        if self._link.shut or peer.is_closing():
            self._not_forwarded(data)
            return
        self._until_measured -= 1
        if self._until_measured:
            peer.write(data)
        else:
            self._until_measured = MEASURE_EVERY
            arrived = perf_counter_ns()
            peer.write(data)
            self._link.counts.latency(perf_counter_ns() - arrived)
        self._feed(self._from_cp, data)

    def _relay_in_slices(self, data: bytes) -> None:
        # Nothing more is read until this is relayed: otherwise uvloop hands over up to 32 chunks in one turn.
        self._transport.pause_reading()
        self._rest = memoryview(data if self._rest is None else bytes(self._rest) + data)
        self._relay_for_a_turn()

    def _relay_for_a_turn(self) -> None:
        """Relay slices for a few milliseconds, and what is left then in the next turn of the event loop."""
        self._scheduled = False
        until = perf_counter() + TURN_S
        while self._rest is not None and not self._waits:
            self._relay_slice()
            if perf_counter() > until:
                break
        if self._rest is None and self._then is not None:
            self._then()
        else:
            self.read_again()

    def _relay_slice(self) -> None:
        assert self._rest is not None
        data, rest = bytes(self._rest[:SLICE]), self._rest[SLICE:]
        self._rest = rest or None
        if self._link.shut or self._peer.is_closing():
            self._not_forwarded(data)
        else:
            self._peer.write(data)
            self._feed(self._from_cp, data)

    def write(self, data: bytes) -> None:
        """Put bytes of our own on this transport, unless its stream has had its FIN."""
        if not (self._transport.is_closing() or self._other.ended):
            self._transport.write(data)

    def _not_forwarded(self, data: bytes) -> None:
        """Handle what comes after our own close frame, or for a peer that is gone."""
        link = self._link
        forward = self._from_cp not in link.shut and not self._peer.is_closing()
        if forward:
            self._peer.write(data)
        link.feed(self._from_cp, data, forward)
        if link.shut and link.close_sent[self._from_cp] is not None:
            self._transport.close()

    def eof_received(self) -> bool:
        """Pass a FIN on as a FIN; TLS knows no half-close (RFC 8446 section 6.1 notwithstanding), so all ends."""
        while self._rest is not None:  # TLS may tell of the end while nothing is read
            self._relay_slice()
        self._link.ended(self._from_cp, "fin")
        self.ended = True
        if self._other.ended or not self._transport.can_write_eof():
            return False
        if self._peer.is_closing():
            return False
        if not self._peer.can_write_eof():
            self._peer.close()
            return False
        self._peer.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self._rest is not None:  # it came before the end, and has its turns too
            self._then = partial(self.connection_lost, exc)
            self.read_again()
            return
        self.lost = True
        if exc is None:
            self._link.ended(self._from_cp, "fin")
            self._peer.close()
        else:
            self._link.ended(self._from_cp, "reset" if isinstance(exc, ConnectionError) else str(exc))
            reset(self._peer)
        if self._other.lost:
            self._on_closed()

    def pause_writing(self) -> None:
        """Stop reading from the peer while this side does not take what it is sent: memory stays bounded."""
        self.full = True
        self._peer.pause_reading()

    def resume_writing(self) -> None:
        self.full = False
        self._other.read_again()

    @property
    def _waits(self) -> bool:
        """Whether the other side takes no more for now, or the link is held."""
        return bool(self._link.held) or (self._other.full and self._then is None)

    def read_again(self) -> None:
        """Resume relaying what waits here, then reading, if nothing else speaks against it."""
        if self._waits:
            return
        if self._rest is not None:
            if not self._scheduled:
                self._scheduled = True
                asyncio.get_running_loop().call_soon(self._relay_for_a_turn)
        elif not (self._transport.is_closing() or self.ended):
            self._transport.resume_reading()


def join(charge_point: asyncio.Transport, csms: asyncio.Transport, link: SessionTap, on_closed: ClosedCallback) -> None:
    """Take both transports over from the protocols that have them; the caller has seen to empty buffers.

    Those protocols hear nothing any more: whoever owns them is to let go.
    """
    pipes = []
    for transport, peer, from_cp in ((charge_point, csms, True), (csms, charge_point, False)):
        raw = transport.get_extra_info("socket")
        if raw is not None:
            # A charge point without power sends no FIN; this finds out in the end.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        pipes.append(Pipe(transport, peer, link, from_cp, on_closed))
    pipes[0]._other, pipes[1]._other = pipes[1], pipes[0]
    charge_point.set_protocol(pipes[0])
    csms.set_protocol(pipes[1])

    def pause_reading(held: bool) -> None:
        for pipe in pipes:
            if held:
                pipe._transport.pause_reading()
            else:
                pipe.read_again()

    def drop() -> None:
        charge_point.close()
        csms.close()

    link.drop = drop
    link.pause_reading = pause_reading
    link.write = lambda to_charge_point, data: pipes[not to_charge_point].write(data)


def reset(transport: asyncio.Transport) -> None:
    """End a connection with a TCP RST, as it came from the other side."""
    if transport.is_closing():
        return
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
