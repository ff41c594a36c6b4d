"""Run many charge points in one process, and decide when each starts, charges and stops."""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from simulator.charge_point import make
from simulator.station import Station
from simulator.wire.connection import Identity
from simulator.wire.link import CallFailed

SESSION_MINUTES = (1.0, 5.0)
IDLE_MINUTES = (0.2, 2.0)
COUNT_EVERY_S = 0.2
DRIVES_OFF = 0.1
"""The share of drivers who unplug without stopping the transaction first."""

LOSES_NETWORK = 0.05
"""The share of sessions in which the network fails for a while."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The options of a fleet.

    Attributes:
        identity: the options of each charge point; a number is appended to the id.
        versions: the OCPP versions, used in turn.
        count: the number of charge points.
        rate: how many power on per second.
        duration: seconds from the first power on until all stop; None runs until `stop` is called.
        token: the id token that charges.
        minutes: simulated minutes of each session, without pauses and faults; None makes random sessions.
    """

    identity: Identity
    versions: Sequence[str]
    count: int
    rate: float
    duration: float | None
    token: str
    minutes: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The counts of all charge points of a fleet together; latencies are in milliseconds, by action."""

    count: int
    online: int
    lost: tuple[str, ...]
    charging: int
    most: int
    transactions: int
    energy_wh: int
    sent: int
    answered: int
    refused: int
    unanswered: int
    served: int
    reconnects: int
    waiting: int
    seconds: float
    failures: Counter[str]
    unreachable: Counter[str]
    latencies: dict[str, array[float]]

    @property
    def good(self) -> bool:
        return not self.lost and not self.failures

    def __str__(self) -> str:
        lost = "none lost" if not self.lost else f"{len(self.lost)} LOST ({', '.join(self.lost[:5])}…)"
        return (
            f"{self.count} charge points, {lost}: {self.transactions} transactions, at most {self.most} at once, "
            f"{self.energy_wh / 1000:.1f} kWh, "
            f"{self.sent} calls sent, {self.answered} answered, {self.refused} refused, "
            f"{self.unanswered} unanswered, {self.reconnects} reconnections in {self.seconds:.0f} s"
        )


OTHER_FILES = 60
"""The most open files of the process besides the connections of charge points."""


def room() -> int:
    """Raise the limit of open files, and return how many charge points this process can connect."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS reports an unlimited hard limit, but does not allow setting it.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else max(0, soft - OTHER_FILES)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which the given share of the sorted values is; 0 without values."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0


@dataclass(slots=True)
class Fleet:
    """Charge points that power on one after the other, run session after session, and stop together."""

    plan: Plan
    log: Callable[[str], None] = lambda line: None
    stations: list[Station] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _lost: list[str] = field(default_factory=list)
    _logged: set[str] = field(default_factory=set)
    _most: int = 0

    async def run(self) -> Report:
        """Run until the duration is over or `stop` is called, then power every charge point off."""
        plan = self.plan
        async with asyncio.TaskGroup() as group:
            counting = group.create_task(self._count())
            if plan.duration is not None:
                timer = group.create_task(self._wait(plan.duration))
                timer.add_done_callback(lambda _: self.stop())
            for number in range(1, plan.count + 1):
                if self._stop.is_set():
                    break
                identity = replace(plan.identity, id=f"{plan.identity.id}-{number:04d}")
                station = make(plan.versions[(number - 1) % len(plan.versions)], identity, self._listener(identity.id))
                self.stations.append(station)
                group.create_task(self._drive(station))
                # Compute the pause from the clock, so that a late start does not delay the next ones.
                await self._wait(max(0.0, self._started + number / plan.rate - time.monotonic()))
            await self._stop.wait()
            counting.cancel()
        return self.report()

    async def _count(self) -> None:
        """Record the highest number of charge points that charge at the same time."""
        while True:
            await asyncio.sleep(COUNT_EVERY_S)
            self._most = max(self._most, sum(station.charging() for station in self.stations))

    def stop(self) -> None:
        """Stop all transactions, deliver queued messages and close all connections."""
        self._stop.set()

    def _listener(self, charge_point_id: str) -> Callable[[str], None]:
        def log(line: str) -> None:
            if "FAILED" in line:
                self.log(f"{charge_point_id}  {line}")
            elif line.endswith("trying again") and line not in self._logged:
                # Log the same failure of many charge points only once.
                self._logged.add(line)
                self.log(f"{charge_point_id}  {line}")

        return log

    async def _wait(self, seconds: float) -> None:
        """Sleep for some seconds, or until `stop` is called."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    async def _drive(self, station: Station) -> None:
        on = asyncio.create_task(station.power_on(patient=True))
        ended = asyncio.create_task(self._stop.wait())
        await asyncio.wait([on, ended], return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if on.done():
            try:
                while not self._stop.is_set():
                    await self._session(station)
                await station.all_delivered()
            except CallFailed as failure:
                station.failed(failure)
        else:
            on.cancel()
        if not station.online.is_set() or len(station.outbox):
            self._lost.append(station.identity.id)
        await station.power_off()

    async def _session(self, station: Station) -> None:
        chance, speed, number = station.random, station.clock.speed, 1
        if self.plan.minutes is None:
            await self._wait(chance.uniform(*IDLE_MINUTES) * 60 / speed)
        if self._stop.is_set():
            return
        await station.plug_in(number)
        await station.present(number, self.plan.token)
        if self.plan.minutes is not None:
            await self._wait(self.plan.minutes * 60 / speed)
            await station.present(number, self.plan.token)
            await station.unplug(number)
            return
        length = chance.uniform(*SESSION_MINUTES) * 60 / speed
        if chance.random() < LOSES_NETWORK:
            await self._wait(length / 2)
            await station.go_offline(abruptly=chance.random() < 0.5)
            await self._wait(length / 2)
            await asyncio.wait_for(station.come_back(), station.identity.timeout * 2)
        else:
            await self._wait(length)
        if station.connectors[number].transaction is not None and chance.random() >= DRIVES_OFF:
            await station.present(number, self.plan.token)
        await station.unplug(number)

    def report(self) -> Report:
        """Return the counts of the fleet so far."""
        latencies: dict[str, array[float]] = {}
        for station in self.stations:
            for action, values in station.traffic.latencies.items():
                latencies.setdefault(action, array("f")).extend(values)
        traffic = [station.traffic for station in self.stations]
        return Report(
            count=self.plan.count,
            online=sum(station.online.is_set() for station in self.stations),
            lost=tuple(self._lost),
            charging=sum(station.charging() for station in self.stations),
            most=self._most,
            transactions=sum(station.transactions for station in self.stations),
            energy_wh=sum(station.energy_wh for station in self.stations),
            sent=sum(found.sent for found in traffic),
            answered=sum(found.answered for found in traffic),
            refused=sum(found.refused for found in traffic),
            unanswered=sum(found.unanswered for found in traffic),
            served=sum(found.served for found in traffic),
            reconnects=sum(station.reconnects for station in self.stations),
            waiting=sum(len(station.outbox) for station in self.stations),
            seconds=time.monotonic() - self._started,
            unreachable=Counter(station.unreachable for station in self.stations if station.unreachable),
            failures=Counter(failure for station in self.stations for failure in station.failures),
            latencies=latencies,
        )
