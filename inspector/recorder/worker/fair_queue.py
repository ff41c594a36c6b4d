"""Share a recorder among charge points: choose whose records are sent next, and which charge point has to wait.

The algorithm is deficit round robin, in microseconds of recorder time. Each round gives the same time to every charge
point with waiting records; a charge point that had none before gets its turn first. The recorder reports how long
records take, so that a few expensive bytes count as much as many cheap ones. The records of one charge point keep their
order across its connections, because the judge follows the charge point from one connection to the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from inspector.records import CloseRecord, EventRecord, FrameRecord, GapRecord, Record, SetAsideRecord

BATCH = 2000
"""At most so many records are sent to the recorder together."""
BATCH_US = 20_000.0
"""Records sent together may take about so many microseconds. A record of a quiet charge point waits at most twice that.
"""
QUANTUM_US = 1000.0
"""The recorder time in microseconds that one charge point gets in one round."""
USUAL_RATE, LEAST_RATE = 0.05, 0.02
"""Recorder time in microseconds per byte: the first estimate for small frames, and the minimum of all estimates."""
LARGE, RATE_OF_LARGE = 64 * 1024, 1.0
"""For a frame of more bytes than LARGE, the first estimate is RATE_OF_LARGE, until its charge point's rate is known.

Most large frames are cheap, but a few expensive ones would delay all others for seconds before this is noticed.
"""
SHARED_US = 200_000.0
"""Charge points have to wait only while records with more recorder time than this (in microseconds) wait in all."""
STANDS_OUT, FULL = 4, 3
"""Then a charge point has to wait if it has STANDS_OUT times the average.

Once FULL times SHARED_US waits in all, the average itself is enough.
"""
_RECORD_BYTES = 200
_CONTROL_FRAME_BYTES = 350
_REMEMBERED = 2000


class Station:
    """The waiting records of one charge point, oldest first."""

    __slots__ = ("bytes", "credit", "held", "known", "listed", "rate", "records", "round", "sessions")

    def __init__(self) -> None:
        self.records: deque[Record] = deque()
        self.sessions: set[int] = set()
        self.bytes = 0
        self.rate = USUAL_RATE
        self.credit = 0.0
        self.round = 0
        self.listed = self.held = self.known = False


class FairQueue:
    """The records that wait for a recorder, by charge point."""

    def __init__(self, limit: int) -> None:
        """Begin without records. An eighth of `limit` (in bytes) counts as at least SHARED_US of recorder time."""
        self.least_rate = max(LEAST_RATE, SHARED_US / (limit / 8))
        self.shared_us = SHARED_US
        """SHARED_US, or another threshold in its place; infinite if no charge point may be made to wait."""
        self.hold: Callable[[int, bool], None] | None = None
        """Called with a session number, and True if the session has to wait, False if it may continue."""
        self.count = 0
        self.cost = 0.0
        """The recorder time in microseconds that the waiting records will probably take."""
        self._stations: dict[str | int, Station] = {}
        self._of: dict[int, Station] = {}  # by session number
        self._forget_at = _REMEMBERED
        self._new: deque[Station] = deque()
        self._old: deque[Station] = deque()
        self._held: set[Station] = set()
        self._round = 0  # begins anew whenever no record waits; credits of an earlier round do not count

    def station_of(self, session: int, charge_point_id: str | None) -> Station:
        """Return the Station of a session; create it if necessary."""
        station = self._of.get(session)
        if station is None:
            if len(self._of) > self._forget_at:
                self._forget()
            station = self._of[session] = self._stations.setdefault(charge_point_id or session, Station())
            station.rate = max(station.rate, self.least_rate)
            station.sessions.add(session)
            if station.held and self.hold is not None:
                self.hold(session, True)
        return station

    def _forget(self) -> None:
        busy = {key: station for key, station in self._stations.items() if station.records or station.held}
        self._stations = busy
        self._of = {session: station for station in busy.values() for session in station.sessions}
        self._forget_at = max(_REMEMBERED, 2 * len(self._of))

    def add(self, record: Record, charge_point_id: str | None) -> None:
        """Add a record to the queue of its charge point. If the charge point now has too many, make it wait."""
        session = record.session_number
        station = self._of.get(session) or self.station_of(session, charge_point_id)
        bytes_ = size(record)
        station.records.append(record)
        self.count += 1
        if bytes_ > LARGE and not station.known:
            self._set_rate(station, max(station.rate, RATE_OF_LARGE))
        station.bytes += bytes_
        self.cost += bytes_ * station.rate
        if not station.listed:
            station.listed = True
            if station.round != self._round:
                station.round, station.credit = self._round, 0.0
            if station.credit >= 0:
                station.credit = QUANTUM_US
            self._new.append(station)
        if not station.held and self._has_too_much(station):
            self._set_held(station, True)
        if isinstance(record, CloseRecord):
            station.sessions.discard(session)

    def _has_too_much(self, station: Station) -> bool:
        """Return whether a charge point has to wait; see SHARED_US and STANDS_OUT."""
        if self.cost < self.shared_us:
            return False
        times = 1 if self.cost >= FULL * self.shared_us else STANDS_OUT
        return station.bytes * station.rate * self._listed >= times * self.cost

    def _has_little(self, station: Station) -> bool:
        return 2 * station.bytes * station.rate * self._listed <= max(self.cost, self.shared_us)

    @property
    def _listed(self) -> int:
        return len(self._new) + len(self._old)

    def _set_held(self, station: Station, held: bool) -> None:
        station.held = held
        (self._held.add if held else self._held.discard)(station)
        if self.hold is not None:
            for session in station.sessions:
                self.hold(session, held)

    @property
    def holds(self) -> bool:
        """Whether any charge point has to wait."""
        return bool(self._held)

    def release(self) -> None:
        """Let every charge point continue."""
        for station in list(self._held):
            self._set_held(station, False)

    def take(self) -> tuple[list[Record], int, float, dict[Station, int]]:
        """Remove the records to send next; return them, their bytes, estimated cost, and bytes by charge point."""
        batch: list[Record] = []
        cost, by_station = 0.0, dict[Station, int]()
        while cost < BATCH_US and len(batch) < BATCH and (self._new or self._old):
            lane = self._new or self._old
            station = lane.popleft()
            if not station.records:
                station.listed = False
                continue
            if station.credit <= 0:
                station.credit += QUANTUM_US
                self._old.append(station)
                continue
            used = self._take_of(station, batch, min(station.credit, BATCH_US - cost) / station.rate)
            spent = used * station.rate
            station.credit -= spent
            self.cost -= spent
            cost += spent
            by_station[station] = by_station.get(station, 0) + used
            if station.records:
                lane.appendleft(station)
            else:  # keep its place at the end: if it left the queue, its next record would be sent first
                self._old.append(station)
        self.count -= len(batch)
        self._let_continue(by_station)
        return batch, sum(by_station.values()), cost, by_station

    def _take_of(self, station: Station, batch: list[Record], room: float) -> int:
        """Move records of a charge point to `batch` until about `room` bytes are moved; return the bytes moved."""
        records = station.records
        if station.bytes <= room and len(batch) + len(records) <= BATCH:
            batch += records
            used = station.bytes
            records.clear()
        else:
            used = 0
            while records and used < room and len(batch) < BATCH:
                record = records.popleft()
                batch.append(record)
                used += size(record)
        station.bytes -= used
        return used

    def records(self) -> Iterator[Record]:
        """Yield all waiting records, those of each charge point in order."""
        for station in {*self._new, *self._old}:
            yield from station.records

    def _let_continue(self, taken: Iterable[Station]) -> None:
        if not self.count:
            self.cost = 0.0
            self._round += 1
            for station in (*self._new, *self._old):
                station.listed = False
            self._new.clear()
            self._old.clear()
        for station in taken:
            if station.held and self._has_little(station):
                self._set_held(station, False)

    def learn_rates(self, bytes_: dict[Station, int], spent_us: dict[int, float]) -> None:
        """Update the estimates with the microseconds that the recorder took for a batch, by session number."""
        spent: dict[Station, float] = {}
        for session, us in spent_us.items():
            if (station := self._of.get(session)) is not None:
                spent[station] = spent.get(station, 0.0) + us
        for station, us in spent.items():
            if not (used := bytes_.get(station)):
                continue
            # Raise the rate fast, because a low rate lets too much through; but at most fourfold, because one record
            # may be slow by chance.
            rate = us / used
            rate = min(rate, 4 * station.rate) if rate > station.rate else (rate + station.rate) / 2
            rate = max(self.least_rate, rate)
            station.credit -= us - used * station.rate
            self._set_rate(station, rate)
            station.known = True

    def _set_rate(self, station: Station, rate: float) -> None:
        self.cost += station.bytes * (rate - station.rate)
        station.rate = rate


def size(record: Record) -> int:
    """Return an estimate of the bytes that a record takes in memory."""
    if isinstance(record, FrameRecord | SetAsideRecord):
        return _RECORD_BYTES + len(record.payload)
    if isinstance(record, EventRecord):
        if record.kind in ("ping", "pong"):
            return _CONTROL_FRAME_BYTES
        return _RECORD_BYTES + len(repr(record.detail))
    return _RECORD_BYTES + len(repr(record.more if isinstance(record, GapRecord) else record.facts))
