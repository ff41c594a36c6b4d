"""One charge point's connection to one shadow: dial, mirror, record, and dial again after a while.

Nothing here is awaited by the relay: it calls `ShadowLink.offer`, which only puts the message in a bounded queue.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic, monotonic_ns, time_ns
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from inspector import records
from inspector.proxy.shadows.shadow_counts import ShadowCounts
from inspector.proxy.shadows.shadow_dial import CLOSE_S, FAILURES, dial, why
from inspector.proxy.shadows.turns import Turns
from inspector.records import BINARY, TEXT, CloseFacts, SessionFacts
from inspector.shadow.mirror import CAUSES, Mirror

PRIMARY_FIRST_S = 0.05
"""How long a CALL waits for the primary's answer before it is mirrored: so mirroring delays that answer less."""
FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 60.0
"""The pause before the second attempt to connect, and the longest one; each is twice as long as the one before."""
STABLE_S = 30.0
"""After a connection that lasted so long, the next one is tried after the first delay again."""
MOST_WAITING = 256 * 1024 * 1024
"""How much may wait in bytes for all shadows of all charge points together."""
DRAIN_S = 10.0
"""How long a shadow has for what waits when the charge point has gone."""
MESSAGES_PER_S, BURST = 20.0, 100.0
"""How many messages of a shadow are read besides its answers: so many each second, after a burst."""
LOSSES_EVERY_S = 10.0
"""How often lost CALLs are recorded while no CALL is sent."""
MADE_BY = "shadow"
"""The note `made_by` of the proxy's answers to CALLs of a shadow."""


class ShadowLink:
    """One shadow of one session of a charge point. `run` connects to it until `end` is called."""

    def __init__(
        self,
        name: str,
        url: str,
        facts: SessionFacts,
        mirror: Mirror,
        *,
        headers: dict[str, str],
        context: ssl.SSLContext | None,
        put: Callable[[records.Record], None],
        number: Callable[[], int],
        counts: ShadowCounts,
        earlier: Counter[str],
        turn: Turns,
        say: Callable[[str], None],
        note: Callable[[dict[str, Any]], None],
    ) -> None:
        """Prepare without connecting.

        Args:
            name: the address of the shadow, as the operator gave it.
            url: the address with the charge point's path.
            facts: what the OpenRecord of each session with the shadow says.
            mirror: decides what the shadow gets.
            headers: sent in the handshake.
            context: for wss:// addresses.
            put: gets the records of sessions with the shadow.
            number: returns the next session number.
            counts: the counters of this run.
            earlier: CALLs of earlier sessions that are lost and not reported yet, by cause; shared by later sessions.
            turn: shared by all links, to limit the time that they take from the relay.
            say: prints a line about the link.
            note: records a fact about the link in the charge point's session.
        """
        self.name, self._url, self._facts, self.mirror = name, url, facts, mirror
        self._headers, self._context = headers, context
        self._put, self._next_number, self._counts = put, number, counts
        self._lost, self._turn, self._say, self._note = earlier, turn, say, note
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._ends_s: float | None = None
        self._drain_s = DRAIN_S
        self._number = 0
        self._reported_down = False
        self._may_read = BURST
        self._waiting_bytes = 0
        self._losses_told_s = 0.0

    def offer(self, from_charge_point: bool, raw: bytes) -> None:
        """Take a message of the charge point's session."""
        self.mirror.offer(from_charge_point, raw, self._counts.waiting_bytes.total() > MOST_WAITING)
        self._count_waiting(self.mirror.waiting_bytes)
        if not from_charge_point:
            self._wake_up()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PRIMARY_FIRST_S, self._wake_up)

    def _wake_up(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake.set()

    def end(self, drain_s: float = DRAIN_S) -> None:
        """Note that the charge point's session has ended; `run` returns as soon as nothing waits any more."""
        ends_s, self._drain_s = monotonic() + drain_s, drain_s
        self._ends_s = ends_s if self._ends_s is None else min(self._ends_s, ends_s)
        self._wake.set()

    async def run(self, before: asyncio.Task[None] | None = None) -> None:
        """Connect, mirror and record until the charge point's session has ended.

        `before` is the link of the charge point's session before this one: it may still send what waits, and most CSMSs
        close the connection of a charge point that connects once more.
        """
        delays = _delays()
        try:
            if before is not None and not before.done():
                await asyncio.wait([before], timeout=DRAIN_S)
                if self._ends_s is not None:  # a short session: it has the same time, from now on
                    self._ends_s = monotonic() + self._drain_s
            first = True
            while first or self._ends_s is None:
                first = False
                began = monotonic()
                if (connection := await self._connect()) is not None:
                    await self._talk(connection)
                    if monotonic() - began > STABLE_S:
                        delays = _delays()
                await self._pause(next(delays))
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self.mirror.ended()
            self._collect_losses()
            self._count_waiting(0)

    async def _pause(self, seconds: float) -> None:
        until = monotonic() + seconds
        while self._ends_s is None and (left := until - monotonic()) > 0:
            await self._wait(left)
            self.mirror.settle()
            self._count_waiting(self.mirror.waiting_bytes)

    async def _wait(self, seconds: float | None) -> None:
        if seconds is None:
            await self._wake.wait()
            self._wake.clear()
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    async def _connect(self) -> ClientConnection | None:
        try:
            connection = await dial(self._url, self._facts.get("subprotocol"), self._headers, self._context)
        except FAILURES as failure:
            self._counts.failed[self.name] += 1
            if not self._reported_down:
                self._reported_down = True
                reason = why(failure)
                self._say(f"cannot reach its shadow {self.name}: {reason}")
                self._note({"shadow": self.name, "state": "unreachable", "reason": reason})
            return None
        self._reported_down = False
        self._counts.connected[self.name] += 1
        self._say(f"mirrored to its shadow {self.name}")
        return connection

    async def _talk(self, connection: ClientConnection) -> None:
        """Mirror over one connection until it ends, and record it as a session."""
        self._number = self._next_number()
        facts = self._facts.copy()
        tls: ssl.SSLObject | None = connection.transport.get_extra_info("ssl_object")
        if tls is not None:
            facts["upstream_tls_version"] = tls.version()
        self._put(records.OpenRecord(self._number, time_ns(), monotonic_ns(), facts))
        self._counts.open[self.name] += 1
        self._may_read = BURST
        self.mirror.connected(monotonic())
        tasks = [asyncio.create_task(work(connection)) for work in (self._write, self._read)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            try:
                with suppress(TimeoutError, ConnectionClosed):
                    async with asyncio.timeout(CLOSE_S):
                        await connection.close()
            finally:  # this task may be cancelled while it closes
                connection.transport.abort()
                self._note_end(connection, tasks)

    def _note_end(self, connection: ClientConnection, tasks: list[asyncio.Task[None]]) -> None:
        self.mirror.disconnected()
        if self._ends_s is not None:
            self.mirror.ended()
        self._record_losses()
        self._counts.open[self.name] -= 1
        faults = [task.exception() for task in tasks if task.done() and not task.cancelled()]
        for fault in faults:
            if fault is not None and not isinstance(fault, ConnectionClosed | OSError):
                self._event("fault", {"reason": f"the proxy failed: {type(fault).__name__}"})
        self._put(records.CloseRecord(self._number, time_ns(), monotonic_ns(), _closing(connection)))
        for fault in faults:
            if fault is not None and not isinstance(fault, ConnectionClosed | OSError):
                raise fault

    async def _write(self, connection: ClientConnection) -> None:
        mirror = self.mirror
        while True:
            async with self._turn:
                sending = next(mirror.due(monotonic()), None)
                if sending is not None or monotonic() > self._losses_told_s + LOSSES_EVERY_S:
                    self._record_losses()
                if sending is not None:
                    notes = {"made_by": MADE_BY} if sending.made else None
                    self._frame(True, TEXT, sending.text.encode(), notes)
                self._count_waiting(mirror.waiting_bytes)
            if sending is not None:
                if not sending.made:
                    self._may_read += 1
                self._counts.mirrored[self.name] += 1
                await connection.send(sending.text)
                continue
            at = mirror.next_due()
            if self._ends_s is not None:
                if mirror.idle or monotonic() >= self._ends_s:
                    return
                at = self._ends_s if at is None else min(at, self._ends_s)
            await self._wait(None if at is None else max(0.0, at - monotonic()))

    async def _read(self, connection: ClientConnection) -> None:
        refilled = monotonic()
        while True:
            message = await connection.recv()
            async with self._turn:
                is_text = isinstance(message, str)
                raw = message.encode() if isinstance(message, str) else message
                self._frame(False, TEXT if is_text else BINARY, raw, None)
                self._counts.received[self.name] += 1
                if is_text:
                    self.mirror.received(raw)
            self._wake.set()
            self._may_read -= 1
            while self._may_read < 0 or self.mirror.crowded:
                await asyncio.sleep(1 / MESSAGES_PER_S)
                now = monotonic()
                self._may_read = min(BURST, self._may_read + (now - refilled) * MESSAGES_PER_S)
                refilled = now

    def _frame(self, from_charge_point: bool, opcode: int, raw: bytes, notes: dict[str, Any] | None) -> None:
        at = time_ns(), monotonic_ns()
        self._put(records.FrameRecord(self._number, *at, from_charge_point, opcode, raw, notes))

    def _event(self, kind: str, detail: dict[str, Any]) -> None:
        self._put(records.EventRecord(self._number, time_ns(), monotonic_ns(), kind, detail))

    def _collect_losses(self) -> None:
        for loss in self.mirror.take_losses():
            self._lost[loss.cause] += loss.frames
            self._counts.lost[self.name, loss.cause] += loss.frames

    def _record_losses(self) -> None:
        """Record the CALLs that the shadow did not get, as gaps of its session."""
        self._collect_losses()
        self._losses_told_s = monotonic()
        for cause, frames in self._lost.items():
            self._event("gap", {"frames": frames, "cause": cause, "reason": CAUSES[cause]})
        self._lost.clear()

    def _count_waiting(self, waiting_bytes: int) -> None:
        self._counts.waiting_bytes[self.name] += waiting_bytes - self._waiting_bytes
        self._waiting_bytes = waiting_bytes


def _delays() -> Iterator[float]:
    delay = FIRST_DELAY_S
    while True:
        yield delay * random.uniform(0.8, 1.2)  # so that a fleet does not return to its shadow at once
        delay = min(2 * delay, LONGEST_DELAY_S)


def _closing(connection: ClientConnection) -> CloseFacts:
    """Return how a connection ended; what the charge point would send, the proxy has sent."""
    sent, received = connection.protocol.close_sent, connection.protocol.close_rcvd
    ours_first = connection.protocol.close_rcvd_then_sent is False or (sent is not None and received is None)
    return {
        "cp_close_code": int(sent.code) if sent else None,
        "cp_close_reason": (sent.reason or None) if sent else None,
        "csms_close_code": int(received.code) if received else None,
        "csms_close_reason": (received.reason or None) if received else None,
        "closed_by": "proxy" if ours_first else "csms",
    }
