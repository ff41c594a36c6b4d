"""A charge point's connection over time: connect, boot, send heartbeats, reconnect, answer the CSMS.

Connectors and charging are in `station`.
"""

from __future__ import annotations

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from simulator.answers import Answering
from simulator.clock import Clock
from simulator.settings import Settings
from simulator.wire.connection import Identity, Unreachable, open_socket
from simulator.wire.link import CallFailed, CallRefused, Link, LinkLost, Message, Payload, Traffic
from simulator.wire.outbox import Build, Outbox

PENDING_WAIT_S = 10
"""Seconds before the next boot if the CSMS answers interval 0: then the charge point chooses (2.x, B02.FR.07)."""

REBOOT_S = 30.0
"""The duration of a reboot, in simulated seconds."""

LOOK_AGAIN_S = 60.0
"""A changed HeartbeatInterval takes effect within this many seconds."""

STEADY_S = 30.0
"""After a connection of at least this many seconds, or a used one, the next reconnection delay is the shortest."""


class Lifecycle(ABC):
    """One charge point from power on to power off, over one WebSocket after another."""

    def __init__(self, version: str, identity: Identity, log: Callable[[str], None]) -> None:
        self.version, self.identity, self.log = version, identity, log
        self.random = random.Random(None if identity.seed is None else f"{identity.seed} {identity.id}")
        self.clock = Clock(identity.speed)
        self.settings = Settings()
        self.settings.by_key["SecurityProfile"].value = str(identity.security_profile)
        self.traffic = Traffic()
        self.link: Link | None = None
        self.registration = "None"
        self.firmware = identity.firmware
        self.failures: list[str] = []
        self.unreachable: str | None = None
        """Why the last attempt to connect failed; None after one that succeeded."""
        self.connections = 0
        self.online = asyncio.Event()
        self.offline = asyncio.Event()
        self.offline.set()
        self.outbox = Outbox(self.call, self.online, self.settings.attempts)
        self.answering = Answering(version, lambda: self.registration, self.failed, log)
        self.before_boot: Callable[[], Awaitable[object]] | None = None
        self._boot_reason = "PowerUp"
        self._boot_now = asyncio.Event()
        self._interval_set = asyncio.Event()
        self._may_connect = asyncio.Event()
        self._may_connect.set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._leaving = False
        self._rebooting = False
        self._since_offline = time.monotonic()
        self._booted_here = False
        self._exchanged = False
        """Whether messages went over the last connection after its beginning."""

    @abstractmethod
    def boot_message(self, reason: str) -> Message:
        """Return the BootNotification to send."""

    @abstractmethod
    async def report_all(self) -> None:
        """Report the status of every connector, as after an accepted boot."""

    @abstractmethod
    async def report_changes(self) -> None:
        """Report the statuses that changed while the connection was down."""

    @property
    def reconnects(self) -> int:
        """The number of reconnections."""
        return max(0, self.connections - 1)

    # --- on and off ----------------------------------------------------------------------------------------------

    async def power_on(self, reason: str = "PowerUp", patient: bool = False) -> None:
        """Connect, boot until Accepted, report every connector, and stay connected in the background.

        Args:
            reason: the reason in BootNotification.
            patient: whether to try again with growing delays, instead of raising, if the CSMS cannot be reached.

        Raises:
            Unreachable: no server answers at the address, or the server refuses OCPP.
            CallFailed: the CSMS refuses the boot.
        """
        self._boot_reason = reason
        up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.spawn(self.outbox.run())
        living = self.spawn(self._live(up, patient))
        self.spawn(self._heartbeats())
        await asyncio.wait({up, living}, return_when=asyncio.FIRST_COMPLETED)
        await (up if up.done() else living)

    async def power_off(self) -> None:
        """Close the connection and stop all tasks."""
        self._leaving = True
        self._go_offline()
        if self.link is not None:
            await self.link.close(1000, "powered off")
        running = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def restart(self, reason: str) -> None:
        """Reboot: close the connection, connect again and boot."""
        self._boot_reason, self.registration, self._rebooting = reason, "None", True
        self._go_offline()
        self._may_connect.set()
        if self.link is not None:
            await self.link.close(1000, "rebooting")

    async def go_offline(self, abruptly: bool = False) -> None:
        """Lose the network until `come_back` is called."""
        self._may_connect.clear()
        self._go_offline()
        if self.link is not None:
            if abruptly:
                self.link.socket.transport.abort()
            else:
                await self.link.close(1001, "network lost")

    async def come_back(self) -> None:
        """Reconnect, and wait until all queued messages are delivered."""
        self._may_connect.set()
        await self.online.wait()
        await self.outbox.drained()

    async def _live(self, up: asyncio.Future[None], patient: bool) -> None:
        """Connect, and reconnect until power off; `up` gets the outcome of the first attempt."""
        attempt = 0
        while not self._leaving:
            await self._may_connect.wait()
            since = time.monotonic()
            self._exchanged = False
            try:
                await self._one_link(up)
            except (Unreachable, CallFailed) as error:
                if not (patient or up.done()):
                    up.set_exception(error)
                    return
                if isinstance(error, Unreachable):
                    self.unreachable = error.why
                    self.log(f"{error.why}; trying again")
                elif not isinstance(error, LinkLost):
                    self.failed(error)
            if self._rebooting:
                self._rebooting, attempt = False, 0
                await self.clock.sleep(REBOOT_S)
            elif self._may_connect.is_set() and not self._leaving:
                # A CSMS that closes each connection at once does not get a new one every second.
                lasted = self._exchanged or time.monotonic() - since > STEADY_S
                attempt = 1 if lasted else attempt + 1
                await asyncio.sleep(self._back_off(attempt))

    async def _one_link(self, up: asyncio.Future[None]) -> None:
        """Open one WebSocket, boot if necessary, and wait until the WebSocket ends."""
        link = await self._connect()
        reading = asyncio.create_task(link.serve())
        reading.add_done_callback(lambda _: self._link_ended())
        self.connections += 1
        self.unreachable = None
        self._booted_here = self._rebooting = False
        try:
            await self._settle()
            before = self.traffic.answered + self.traffic.served
            if not up.done():
                up.set_result(None)
            await reading
            self._exchanged = self.traffic.answered + self.traffic.served > before
            if not (self._leaving or self._rebooting) and self._may_connect.is_set():
                self.log("connection lost")
        finally:
            await link.close()
            reading.cancel()
            self.link = None
            self._go_offline()

    def _link_ended(self) -> None:
        """Wake all tasks that wait for the CSMS."""
        self._go_offline()
        self._boot_now.set()

    async def _settle(self) -> None:
        """Boot, but only after power on or a reset; after a lost connection, deliver queued messages (1.6-J, 5.4)."""
        if self.registration != "Accepted":
            if self.before_boot is not None:
                await self.before_boot()
            await self.boot(self._boot_reason)
            return
        away = time.monotonic() - self._since_offline
        threshold = float(self.settings.by_variable["OCPPCommCtrlr", "OfflineThreshold"].value)
        self._go_online()
        if not await self._before_offline(self.outbox.drained()):
            return
        await (self.report_all() if away > threshold else self.report_changes())

    def _back_off(self, attempt: int) -> float:
        """Return the seconds before the next attempt: doubled each time, plus a random part (2.x, J5.3)."""
        rows = self.settings.by_variable
        least = float(rows["OCPPCommCtrlr", "RetryBackOffWaitMinimum"].value)
        spread = float(rows["OCPPCommCtrlr", "RetryBackOffRandomRange"].value)
        times = int(rows["OCPPCommCtrlr", "RetryBackOffRepeatTimes"].value)
        return least * 2.0 ** min(attempt - 1, times) + self.random.uniform(0, spread)

    async def _connect(self) -> Link:
        ping = float(self.settings.text("WebSocketPingInterval")) or None
        # In 1.6 the CSMS sets a new password in hexadecimal (whitepaper 2.4), in 2.x as text.
        password = self.settings.password(hexadecimal=self.version == "1.6") or self.identity.secret
        socket = await open_socket(self.identity, self.version, ping, password)
        self.link = Link(socket, self.version, self.answering.answer, self.spawn, self.traffic, self.identity.timeout)
        self.log(f"connected to {self.identity.address} ({socket.subprotocol})")
        return self.link

    # --- boot and heartbeat --------------------------------------------------------------------------------------

    async def boot(self, reason: str) -> None:
        """Send BootNotification at the CSMS's interval until it is accepted, then report every connector."""
        while True:
            self._boot_now.clear()
            answer = await self.call(*self.boot_message(reason))
            status, interval = str(answer["status"]), int(answer["interval"])
            self.registration = status
            if status == "Accepted":
                break
            wait = interval or PENDING_WAIT_S
            self.log(f"boot {status.lower()}, next one in {wait} s")
            try:
                await asyncio.wait_for(self._boot_now.wait(), wait)
                reason = "Triggered"
            except TimeoutError:
                reason = self._boot_reason
        self._booted_here = True
        self.log(f"boot accepted, heartbeat every {interval} s")
        if interval > 0:
            self.settings.by_key["HeartbeatInterval"].value = str(interval)
            self._interval_set.set()
        self._go_online()
        await self.report_all()

    def _go_offline(self) -> None:
        if self.online.is_set():
            self._since_offline = time.monotonic()
        self.online.clear()
        self.offline.set()

    def _go_online(self) -> None:
        self.offline.clear()
        self.online.set()

    async def _heartbeats(self) -> None:
        """Send Heartbeat if no CALL was sent for the interval, which varies at random to spread the load of a fleet."""
        while True:
            self._interval_set.clear()
            interval = max(1.0, self.settings.number("HeartbeatInterval")) * self.random.uniform(0.85, 1.0)
            quiet = 0.0 if self.link is None else time.monotonic() - self.link.last_called
            if quiet < interval:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._interval_set.wait(), min(interval - quiet, LOOK_AGAIN_S))
                continue
            await self.online.wait()
            if not await self.attempt(self.heartbeat()):
                await asyncio.sleep(1)

    def setting_changed(self) -> None:
        """Look at the heartbeat interval again."""
        self._interval_set.set()

    async def heartbeat(self) -> None:
        """Send Heartbeat."""
        await self.call("Heartbeat", {})
        self.log("heartbeat answered")

    # --- messages ------------------------------------------------------------------------------------------------

    async def call(self, action: str, payload: Payload, message_id: str | None = None) -> Payload:
        """Send a CALL over the current connection; see `Link.call`."""
        if self.link is None:
            raise LinkLost(action, "was not sent: offline")
        try:
            return await self.link.call(action, payload, message_id)
        except CallRefused as failure:
            if failure.code != "SecurityError" or self._booted_here or action == "BootNotification":
                raise
            # After its restart a CSMS may not know this charge point and refuse CALLs before a boot (2.x, B01.FR.10).
            if self.registration == "Accepted":
                self.log("the CSMS no longer knows this charge point: booting again")
                self.registration = "None"
                self._go_offline()
                self.spawn(self.restart("Unknown"))
            raise LinkLost(action, "was refused because the CSMS wants a boot first") from failure

    def post(self, build: Build, taken: Callable[[Payload], None] | None = None) -> asyncio.Future[Payload]:
        """Queue a transaction message; see `Outbox.put`."""
        return self.outbox.put(build, not self.online.is_set(), taken)

    async def receive(self, receipt: asyncio.Future[Payload]) -> Payload | None:
        """Wait for the answer to a queued message, and return it; return None as soon as the connection is down.

        Raises:
            CallFailed: the message was refused or unanswered after the last attempt.
        """
        await self._before_offline(receipt)
        return receipt.result() if receipt.done() else None

    async def _before_offline(self, event: Coroutine[Any, Any, None] | asyncio.Future[Any]) -> bool:
        """Wait for an event or the end of the connection; return whether the event came first."""
        coming = asyncio.ensure_future(event)
        down = asyncio.create_task(self.offline.wait())
        either: set[asyncio.Future[Any]] = {coming, down}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            down.cancel()
            if coming is not event:
                coming.cancel()
        return coming.done() and not coming.cancelled()

    async def deliver(self, build: Build | None) -> None:
        """Queue a transaction message and wait for its answer or the loss of the connection; None does nothing."""
        if build is not None:
            await self.attempt(self.receive(self.post(build)))

    async def all_delivered(self) -> None:
        """Wait until the outbox is empty, at most for one time-out: then undelivered messages are a failure."""
        try:
            await asyncio.wait_for(self.outbox.drained(), self.identity.timeout)
        except TimeoutError:
            self.failures.append(f"{len(self.outbox)} transaction messages were not delivered")

    async def send(self, message: Message | None) -> bool:
        """Send a CALL and wait for its answer, like `attempt`; None does nothing."""
        return message is None or await self.attempt(self.call(*message))

    async def attempt(self, sending: Awaitable[object]) -> bool:
        """Wait for the answer to a CALL, and return whether it came. A lost connection is not a failure of the run."""
        try:
            await sending
        except LinkLost:
            return False
        except CallFailed as failure:
            self.failed(failure)
            return False
        return True

    def boot_now(self) -> None:
        """Send the next BootNotification now, without waiting for the interval."""
        self._boot_now.set()

    def spawn(self, job: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine as a task; its failure is kept for the summary."""
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failed(error)

    def failed(self, error: BaseException) -> None:
        """Keep a failure for the summary."""
        if isinstance(error, LinkLost) and self._leaving:
            return
        self.failures.append(str(error) or type(error).__name__)
        self.log(f"FAILED: {error}")
