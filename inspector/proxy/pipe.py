"""Relay bytes between two asyncio transports, including FIN, RST and back-pressure, and pass them to the session tap.

A busy socket does not block the others: large chunks are relayed in slices, and after a few milliseconds the rest waits
for the next turn of the event loop.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from functools import partial
from time import perf_counter, perf_counter_ns

from inspector.proxy.session_tap import Handover, SessionTap

MEASURE_EVERY = 16
"""One in 16 chunks is measured: measuring each would cost more than half of the relay time."""
SLICE = 8 * 1024
"""Bytes relayed at once. A chunk may be 32 times as long and have 40,000 frames, which take a quarter of a second."""
TURN_S = 0.002
"""How long one socket is served before the others get a turn."""

type ClosedCallback = Callable[[], None]


class Pipe(asyncio.Protocol):
    """The protocol of one transport: write each chunk that arrives to the transport `peer`, unchanged."""

    __slots__ = (
        "_feed",
        "_from_cp",
        "_on_closed",
        "_other",
        "_peer",
        "_rest",
        "_scheduled",
        "_session",
        "_then",
        "_transport",
        "_until_measured",
        "ended",
        "full",
        "lost",
        "retired",
    )

    _other: Pipe

    def __init__(
        self,
        transport: asyncio.Transport,
        peer: asyncio.Transport,
        session: SessionTap,
        from_charge_point: bool,
        on_closed: ClosedCallback,
    ) -> None:
        self._transport, self._peer = transport, peer
        self._session, self._from_cp, self._on_closed = session, from_charge_point, on_closed
        self._feed = session.feed
        self.ended = self.lost = self.full = self.retired = False
        self._until_measured = MEASURE_EVERY
        self._rest: memoryview | None = None
        self._scheduled = False
        self._then: Callable[[], None] | None = None  # reports the end of this side, after the waiting data

    def data_received(self, data: bytes) -> None:
        peer = self._peer
        if len(data) > SLICE or self._rest is not None:
            self._relay_in_slices(data)
            return
        if self._session.shut or peer.is_closing():
            self._not_forwarded(data)
            return
        self._until_measured -= 1
        if self._until_measured:
            peer.write(data)
        else:
            self._until_measured = MEASURE_EVERY
            arrived = perf_counter_ns()
            peer.write(data)
            self._session.counts.latency(perf_counter_ns() - arrived)
        self._feed(self._from_cp, data)

    def _relay_in_slices(self, data: bytes) -> None:
        # Stop reading until this chunk is relayed: otherwise uvloop delivers up to 32 chunks in one turn.
        self._transport.pause_reading()
        self._rest = memoryview(data if self._rest is None else bytes(self._rest) + data)
        self._relay_for_a_turn()

    def _relay_for_a_turn(self) -> None:
        """Relay slices for a few milliseconds; the rest follows in the next turn of the event loop."""
        self._scheduled = False
        if self.retired:
            return
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
        if self._session.shut or self._peer.is_closing():
            self._not_forwarded(data)
        else:
            self._peer.write(data)
            self._feed(self._from_cp, data)

    def retire(self) -> bytes:
        """Relay no more; return the bytes that have arrived and were not relayed yet."""
        rest, self._rest, self.retired = bytes(self._rest or b""), None, True
        return rest

    @property
    def ending(self) -> bool:
        """Whether one of the connections has ended, or is about to."""
        return self.ended or self.lost or self._then is not None or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Write the proxy's own bytes to this transport, unless a FIN was sent on it."""
        if not (self._transport.is_closing() or self._other.ended):
            self._transport.write(data)

    def _not_forwarded(self, data: bytes) -> None:
        """Record data that is not relayed: after the proxy's own close frame, or for a peer that is gone."""
        session = self._session
        forward = self._from_cp not in session.shut and not self._peer.is_closing()
        if forward:
            self._peer.write(data)
        session.feed(self._from_cp, data, forward)
        if session.shut and session.close_sent[self._from_cp] is not None:
            self._transport.close()

    def eof_received(self) -> bool:
        """Pass a FIN on. TLS connections are closed completely, as Python's TLS cannot close one direction alone."""
        while self._rest is not None:  # TLS may report the end although reading is paused
            self._relay_slice()
        self._session.ended(self._from_cp, "fin")
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
        if self._rest is not None:  # this data came before the end: relay it first
            self._then = partial(self.connection_lost, exc)
            self.read_again()
            return
        self.lost = True
        if exc is None:
            self._session.ended(self._from_cp, "fin")
            self._peer.close()
        else:
            self._session.ended(self._from_cp, "reset" if isinstance(exc, ConnectionError) else str(exc))
            reset(self._peer)
        if self._other.lost:
            self._on_closed()

    def pause_writing(self) -> None:
        """Stop reading from the peer while this side accepts no data, which bounds the memory."""
        self.full = True
        self._peer.pause_reading()

    def resume_writing(self) -> None:
        self.full = False
        self._other.read_again()

    @property
    def _waits(self) -> bool:
        """Whether to stop reading: the other side accepts no data now, or the session is paused."""
        return bool(self._session.held) or (self._other.full and self._then is None)

    def read_again(self) -> None:
        """Relay the waiting data, then resume reading, unless there is another reason to wait."""
        if self._waits:
            return
        if self._rest is not None:
            if not self._scheduled:
                self._scheduled = True
                asyncio.get_running_loop().call_soon(self._relay_for_a_turn)
        elif not (self._transport.is_closing() or self.ended):
            self._transport.resume_reading()


def join(
    charge_point: asyncio.Transport, csms: asyncio.Transport, session: SessionTap, on_closed: ClosedCallback
) -> None:
    """Replace the protocols of both transports by pipes. The old protocols' buffers must be empty.

    The old protocols get no more events, so the caller must release them.
    """
    pipes = []
    for transport, peer, from_cp in ((charge_point, csms, True), (csms, charge_point, False)):
        raw = transport.get_extra_info("socket")
        if raw is not None:
            # A charge point that loses power sends no FIN; keep-alive detects that.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        pipes.append(Pipe(transport, peer, session, from_cp, on_closed))
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

    def hand_over() -> Handover | None:
        if session.shut or any(pipe.ending for pipe in pipes):
            return None
        sides = {True: pipes[0], False: pipes[1]}
        full = {side for side, pipe in sides.items() if pipe.full}
        rest = {side: pipe.retire() for side, pipe in sides.items()}
        return Handover({True: charge_point, False: csms}, rest, full, on_closed)

    session.drop = drop
    session.hand_over = hand_over
    session.pause_reading = pause_reading
    session.write = lambda to_charge_point, data: pipes[not to_charge_point].write(data)


def reset(transport: asyncio.Transport) -> None:
    """End a connection with a TCP RST."""
    if transport.is_closing():
        return
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
