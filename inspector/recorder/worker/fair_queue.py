"""Shares a recorder among charge points: whose turn it is, and who sends more than its share; knows no socket.

Deficit round robin in microseconds of recorder time: every charge point whose records wait gets the same time in each
round, and one that has been quiet gets its turn first. What a byte of a charge point costs is learned from what the
recorder reports, so that few expensive bytes count as much as many cheap ones. Records of one charge point keep their
order over its connections: the judge follows it from one to the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from inspector.records import CLOSE, EVENT, FRAME, Record

BATCH = 2000
"""Records sent to the recorder at once."""
BATCH_US = 20_000.0
"""About how much recorder time they may take: so long a quiet charge point's record waits for others at most, twice."""
QUANTUM_US = 1000.0
"""Recorder time of one charge point in one round."""
USUAL_RATE, LEAST_RATE = 0.05, 0.02
"""Microseconds a byte: of small frames, as long as nothing is known, and the least that is assumed of any."""
LARGE, RATE_OF_LARGE = 64 * 1024, 1.0
"""Bytes from which on a frame counts as expensive until its charge point's rate is known: most are cheap, but of the
others, a few would keep everybody waiting for seconds before that is found out."""
SHARED_US = 200_000.0
"""Recorder time that may wait before anybody has to: then it is who stands out among those whose records wait."""
STANDS_OUT, FULL = 4, 3
"""Times the average that one has who stands out; and times `SHARED_US` from which on the average is too much."""
_RECORD_BYTES = 200
_CONTROL_FRAME_BYTES = 350
_REMEMBERED = 2000


class Station:
    """One charge point's records, oldest first."""

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
    """Records that wait for a recorder, by charge point."""

    def __init__(self, limit: int) -> None:
        """`limit` is in bytes: an eighth of it counts as `SHARED_US`, if it is not more anyway."""
        self.least_rate = max(LEAST_RATE, SHARED_US / (limit / 8))
        self.shared_us = SHARED_US
        """Infinite while nobody is to wait."""
        self.tell: Callable[[int, bool], None] | None = None
        """Called with the number of a session that has to wait (True), or need not wait any longer."""
        self.count = 0
        self.cost = 0.0
        """Recorder time that the records will take, as far as is known."""
        self._stations: dict[str | int, Station] = {}
        self._of: dict[int, Station] = {}  # by session
        self._forget_at = _REMEMBERED
        self._new: deque[Station] = deque()
        self._old: deque[Station] = deque()
        self._held: set[Station] = set()
        self._round = 0  # another one each time that nothing waits any more: debts end with it

    def of(self, session: int, charge_point_id: str | None) -> Station:
        """Return the station that a session is one of."""
        station = self._of.get(session)
        if station is None:
            if len(self._of) > self._forget_at:
                self._forget()
            station = self._of[session] = self._stations.setdefault(charge_point_id or session, Station())
            station.rate = max(station.rate, self.least_rate)
            station.sessions.add(session)
            if station.held and self.tell is not None:
                self.tell(session, True)
        return station

    def _forget(self) -> None:
        busy = {key: station for key, station in self._stations.items() if station.records or station.held}
        self._stations = busy
        self._of = {session: station for station in busy.values() for session in station.sessions}
        self._forget_at = max(_REMEMBERED, 2 * len(self._of))

    def add(self, record: Record, charge_point_id: str | None) -> None:
        """Put a record behind the others of its charge point; who has too many then has to wait."""
        session = record[1]
        station = self._of.get(session) or self.of(session, charge_point_id)
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
            self._hold(station, True)
        if record[0] == CLOSE:
            station.sessions.discard(session)

    def _has_too_much(self, station: Station) -> bool:
        """Whether a charge point has much more waiting than the others, while too much waits in all."""
        if self.cost < self.shared_us:
            return False
        times = 1 if self.cost >= FULL * self.shared_us else STANDS_OUT
        return station.bytes * station.rate * self._listed >= times * self.cost

    def _has_little(self, station: Station) -> bool:
        return 2 * station.bytes * station.rate * self._listed <= max(self.cost, self.shared_us)

    @property
    def _listed(self) -> int:
        return len(self._new) + len(self._old)

    def _hold(self, station: Station, held: bool) -> None:
        station.held = held
        (self._held.add if held else self._held.discard)(station)
        if self.tell is not None:
            for session in station.sessions:
                self.tell(session, held)

    @property
    def holds(self) -> bool:
        """Whether any charge point has to wait."""
        return bool(self._held)

    def release(self) -> None:
        """Let everybody go on."""
        for station in list(self._held):
            self._hold(station, False)

    def take(self) -> tuple[list[Record], int, float, dict[Station, int]]:
        """Return the records whose turn it is, their bytes, their likely cost, and the bytes of each charge point."""
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
            else:  # behind the others for one more round, or who comes and goes would always be first
                self._old.append(station)
        self.count -= len(batch)
        self._settle(by_station)
        return batch, sum(by_station.values()), cost, by_station

    def _take_of(self, station: Station, batch: list[Record], room: float) -> int:
        """Move records of a charge point to `batch`, until `room` bytes are used up; returns how many were."""
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
        """Yield all records, those of each charge point in their order."""
        for station in {*self._new, *self._old}:
            yield from station.records

    def _settle(self, taken: Iterable[Station]) -> None:
        if not self.count:
            self.cost = 0.0
            self._round += 1
            for station in (*self._new, *self._old):
                station.listed = False
            self._new.clear()
            self._old.clear()
        for station in taken:
            if station.held and self._has_little(station):
                self._hold(station, False)

    def learn(self, bytes_: dict[Station, int], spent_us: dict[int, float]) -> None:
        """Note how long the recorder took for the records of a batch, by session."""
        spent: dict[Station, float] = {}
        for session, us in spent_us.items():
            if (station := self._of.get(session)) is not None:
                spent[station] = spent.get(station, 0.0) + us
        for station, us in spent.items():
            if not (used := bytes_.get(station)):
                continue
            # Up in leaps, since what is too cheap is too much; bounded, as a single record may have had bad luck.
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
    """Return about how many bytes a record takes in memory."""
    kind = record[0]
    if kind == FRAME:
        return _RECORD_BYTES + len(record[6])
    if kind == EVENT and record[4] in ("ping", "pong"):
        return _CONTROL_FRAME_BYTES
    return _RECORD_BYTES + len(repr(record[-1]))
