"""Relay a session with interventions between two asyncio transports: the fast path's pipes without the fast path."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from time import monotonic, time_ns

from inspector.interventions.edited_session import EditedSession
from inspector.proxy.pipe import reset
from inspector.proxy.session_tap import SessionTap
from inspector.records import TAKEN_OVER

logger = logging.getLogger(__name__)

MOST_WAITING = 16 * 1024 * 1024
"""Bytes from one side that may wait to be sent, because rules delay or hold them; then its peer has to wait."""
GOODBYE_S = 5.0
"""How long both peers have to answer a close frame that a rule sent."""


class EditedRelay:
    """Both directions of one session: reads chunks, has the rules applied, and writes each frame when it is due."""

    def __init__(
        self,
        charge_point: asyncio.Transport,
        csms: asyncio.Transport,
        tap: SessionTap,
        edited: EditedSession,
        on_closed: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transports = {True: charge_point, False: csms}
        self._tap, self._edited, self._on_closed = tap, edited, on_closed
        self._timer: asyncio.TimerHandle | None = None
        self._ended: dict[bool, str] = {}
        self._lost: set[bool] = set()
        self._full: set[bool] = set()
        self._stalled: set[bool] = set()
        self._crowded: set[bool] = set()
        self._closing = False
        self._unfinished: dict[bool, list[bytes]] = {}
        """Sides in the middle of a message that began on the fast path, with the frames that wait for its end."""

    def begin(self, full: Collection[bool] = ()) -> None:
        """Take both transports over; sides in `full` accept no more data for now.

        A side that is in the middle of a message stays on the fast path until the message ends. Nothing else is
        written to its receiver until then.
        """
        self._full.update(full)
        tap = self._tap
        self._unfinished = {side: [] for side, reader in tap.readers.items() if reader.unfinished}
        for side, transport in self._transports.items():
            transport.set_protocol(_Side(self, side))
        tap.drop, tap.write, tap.flush = self._drop, self._write, self._flush
        tap.hand_over = lambda: None
        tap.pause_reading = lambda held: self.read_or_wait()
        tap.may_insert = lambda side: side not in self._unfinished or not tap.readers[side].unfinished
        early, tap.early = tap.early, []
        for side, data in early:
            self.arrived(side, data)

    def arrived(self, side: bool, data: bytes) -> None:
        """Handle a chunk from one peer."""
        if side in self._unfinished:
            data = self._finish_message(side, data)
        if side in self._tap.shut:  # the proxy has said goodbye: record what still comes, relay nothing
            self._tap.feed(side, data, False)
            return
        self._tap.counts.bytes[side] += len(data)
        try:
            if self._edited.feed(side, data, monotonic(), time_ns()):
                self._write(not side, data)
                return
        except Exception:
            logger.exception("%s: an internal error in its interventions; the session ends", self._tap)
            self._edited.broken = "internal fault"
        self._flush()

    def _finish_message(self, side: bool, data: bytes) -> bytes:
        """Relay the bytes of the message that had begun before; return those of later messages."""
        reader = self._tap.readers[side]
        while data and reader.unfinished:
            size = reader.splitter.missing
            part, data = data[:size], data[size:]
            if side not in self._tap.shut:
                self._write(not side, part)
            self._tap.feed(side, part, side not in self._tap.shut)
        if not reader.unfinished:
            for waiting in self._unfinished.pop(side):
                self._write(not side, waiting)
        return data

    def _flush(self) -> None:
        now = monotonic()
        edited = self._edited
        for to_charge_point, data in edited.due(now):
            if (not to_charge_point) in self._unfinished:
                self._unfinished[not to_charge_point].append(data)
            elif (not to_charge_point) not in self._tap.shut:  # no frame may follow the proxy's own close frame
                self._write(to_charge_point, data)
        if edited.reset:
            self._tap.event("close", {"from": "proxy", "tcp": "reset by an intervention"})
            for transport in self._transports.values():
                reset(transport)
            return
        if edited.close is not None and not self._closing:
            self._say_goodbye(*edited.close)
        elif edited.broken is not None and not self._closing:
            self._say_goodbye(1011, f"the recording proxy cannot relay this: {edited.broken}"[:120])
        for side in edited.stalled_until.keys() - self._stalled:
            self._stall(side, edited.stalled_until[side] - now)
        crowded = {side for side in self._transports if edited.waiting_bytes(side) > MOST_WAITING}
        if crowded != self._crowded:
            self._crowded = crowded
            self.read_or_wait()
        self._schedule(now)
        self._pass_ends_on()

    def _say_goodbye(self, code: int, reason: str) -> None:
        self._closing = True
        if self._tap.go_away(code, reason):
            self._loop.call_later(GOODBYE_S, self._drop)
        else:
            self._drop()

    def _schedule(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (at := self._edited.next_due()) is not None:
            self._timer = self._loop.call_later(max(0.0, at - now), self._flush)

    def _stall(self, side: bool, seconds: float) -> None:
        self._stalled.add(side)
        self._transports[side].pause_reading()
        if seconds != float("inf"):
            self._loop.call_later(seconds, self._read_again, side)

    def _read_again(self, side: bool) -> None:
        self._stalled.discard(side)
        self._edited.stalled_until.pop(side, None)
        self.read_or_wait()

    def read_or_wait(self) -> None:
        """Read from a peer unless a rule, the recorder or the other peer makes it wait."""
        for side, transport in self._transports.items():
            if transport.is_closing() or side in self._ended:
                continue
            if self._tap.held or side in self._stalled | self._crowded or (not side) in self._full:
                transport.pause_reading()
            else:
                transport.resume_reading()

    def full(self, side: bool, is_full: bool) -> None:
        """Note that a transport accepts no more data for now, or does again."""
        (self._full.add if is_full else self._full.discard)(side)
        self.read_or_wait()

    def _write(self, to_charge_point: bool, data: bytes) -> None:
        transport = self._transports[to_charge_point]
        if not transport.is_closing():
            transport.write(data)

    def ended(self, side: bool, how: str) -> bool:
        """Note that a peer's stream ended; the other peer's ends when all earlier frames are sent."""
        if side not in self._ended:
            self._ended[side] = how
            self._tap.ended(side, how)
        self._pass_ends_on()
        return self._transports[side].can_write_eof() and not self._edited.idle

    def _pass_ends_on(self) -> None:
        for side, how in list(self._ended.items()):
            other = self._transports[not side]
            if other.is_closing() or (how == "fin" and not self._edited.idle):
                continue
            if how == "fin":
                other.close()
                self._transports[side].close()
            else:
                reset(other)

    def lost(self, side: bool) -> None:
        """Note that a connection is gone; with both gone the session has ended."""
        self._lost.add(side)
        if len(self._lost) == 2:
            if self._timer is not None:
                self._timer.cancel()
            self._edited.ended()
            self._on_closed()

    def _drop(self) -> None:
        for transport in self._transports.values():
            transport.close()


def take_over(tap: SessionTap, edited: EditedSession) -> str | None:
    """Let rules apply to a session that the fast path relays, from its next messages on.

    Frames that a peer compresses are inflated with the data observed so far, and sent on without compression.

    Returns:
        Why that is not possible, None if it is done.
    """
    if tap.broken:
        return "the proxy had an internal error and reads it no more"
    for side, reader in tap.readers.items():
        if reader.lost is not None:
            return f"the {'charge point' if side else 'CSMS'}'s frames cannot be read: {reader.lost}"
    handed = tap.hand_over()
    if handed is None:
        return "it is ending"
    tap.edited = edited
    tap.event(TAKEN_OVER, {"by": "interventions"})
    edited.settle(monotonic())
    relay = EditedRelay(handed.transports[True], handed.transports[False], tap, edited, handed.on_closed)
    relay.begin(handed.full)
    for side, rest in handed.rest.items():
        if rest:
            relay.arrived(side, rest)
    relay.read_or_wait()
    return None


class _Side(asyncio.Protocol):
    """The protocol of one transport."""

    def __init__(self, relay: EditedRelay, side: bool) -> None:
        self._relay, self._side = relay, side

    def data_received(self, data: bytes) -> None:
        self._relay.arrived(self._side, data)

    def eof_received(self) -> bool:
        return self._relay.ended(self._side, "fin")

    def connection_lost(self, exc: Exception | None) -> None:
        how = "fin" if exc is None else ("reset" if isinstance(exc, ConnectionError) else str(exc))
        self._relay.ended(self._side, how)
        self._relay.lost(self._side)

    def pause_writing(self) -> None:
        self._relay.full(self._side, True)

    def resume_writing(self) -> None:
        self._relay.full(self._side, False)
