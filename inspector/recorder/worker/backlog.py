"""Records handed over and not known to be stored: keeps, counts and numbers them; knows no socket and loses none.

Records are numbered when they are sent, in the order they are sent in: a recorder tells the number up to which it has
stored, and one that is started again is sent the others once more, in the same order under the same numbers. As long
as the recorder keeps up, that is the order they came in. When it does not, `FairQueue` says whose turn it is.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from inspector.recorder.worker.fair_queue import BATCH, BATCH_US, USUAL_RATE, FairQueue, Station, size
from inspector.records import CLOSE, FRAME, OPEN, SET_ASIDE, Record, reopened, set_aside

BATCH_BYTES = 150_000
"""Bytes up to which all that has arrived is sent in the order it came, without a look at whose turn it is."""
WINDOW_US = 2 * BATCH_US
"""Recorder time that may be on its way: enough that the recorder never waits for more, and no more than that."""
_RECORD_BYTES = 200


@dataclass(slots=True)
class Batch:
    """Records that are sent at once; the first of them has the number `first`."""

    records: list[Record]
    bytes: int
    cost: float
    stations: dict[Station, int] | None = None
    """Bytes of each charge point, where the recorder is asked how long it took."""
    first: int = 0

    @property
    def last(self) -> int:
        """The number of the last of them."""
        return self.first + len(self.records) - 1


class Backlog:
    """What is sent and not acknowledged, what is to be sent again, and what has arrived since."""

    def __init__(self, limit: int = 1 << 28) -> None:
        """`limit` is in bytes: what is kept at most."""
        self.fair = FairQueue(limit)
        self.bytes = 0
        self.acknowledged = 0
        self._sent: deque[Batch] = deque()
        self._again: deque[Batch] = deque()
        self._untaken: deque[Batch] = deque()
        self._in_flight = 0.0
        self._arrived: deque[Record] = deque()
        self._arrived_bytes = 0
        self._kept = 0
        self._last_sent = 0
        self._live: dict[int, Record] = {}  # the OPEN of every session whose CLOSE is not acknowledged
        self._closing: set[int] = set()  # those whose CLOSE is kept

    def __len__(self) -> int:
        return self._kept - self.acknowledged

    @property
    def unsent(self) -> bool:
        """Whether anything is still to be sent."""
        return bool(self._arrived or self.fair.count or self._again)

    @property
    def may_send(self) -> bool:
        """Whether there is something to send, and the recorder can do with more."""
        return self._in_flight < WINDOW_US and self.unsent

    @property
    def frames(self) -> int:
        """How many of the records are frames."""
        return sum(record[0] in (FRAME, SET_ASIDE) for record in self._all())

    def _all(self) -> list[Record]:
        """All records: those sent first, then the others."""
        found = [record for batch in (*self._sent, *self._again) for record in batch.records]
        return [*found, *self.fair.records(), *self._arrived]

    def keep(self, record: Record) -> None:
        """Take one more."""
        self._arrived.append(record)
        bytes_ = _RECORD_BYTES + len(record[6]) if record[0] == FRAME else size(record)
        self.bytes += bytes_
        self._arrived_bytes += bytes_
        self._kept += 1
        if record[0] == OPEN:
            self._live[record[1]] = record
        elif record[0] == CLOSE:
            self._closing.add(record[1])

    def sort(self) -> None:
        """Have those that have arrived queue up by charge point."""
        add, arrived = self.fair.add, self._arrived
        while arrived:
            record = arrived.popleft()
            add(record, self.charge_point_of(record[1]))
        self._arrived_bytes = 0

    def charge_point_of(self, session: int) -> str | None:
        """Return the id of a session's charge point, None where it has none or the session is over."""
        opening = self._live.get(session)
        return opening[4].get("charge_point_id") if opening else None

    def station(self, session: int) -> Station:
        """Return the queue of a session's charge point."""
        return self.fair.of(session, self.charge_point_of(session))

    def batch(self) -> Batch:
        """Take some unsent ones to be sent."""
        if self._again:
            batch = self._again.popleft()
        elif not self.fair.count and len(self._arrived) <= BATCH and self._arrived_bytes <= BATCH_BYTES:
            batch = Batch(list(self._arrived), self._arrived_bytes, self._arrived_bytes * USUAL_RATE)
            self._arrived.clear()
            self._arrived_bytes = 0
        else:
            self.sort()
            batch = Batch(*self.fair.take())
        batch.first = self._last_sent + 1
        self._last_sent += len(batch.records)
        self._sent.append(batch)
        self._untaken.append(batch)
        self._in_flight += batch.cost
        return batch

    def taken(self, number: int, spent_us: dict[int, float] | None = None) -> None:
        """Note that the recorder has worked through all up to `number`, and how long it took for the last batch."""
        batch = None
        while self._untaken and self._untaken[0].last <= number:
            batch = self._untaken.popleft()
            self._in_flight -= batch.cost
        if not self._untaken:
            self._in_flight = 0.0
        if spent_us and batch is not None and batch.stations:
            self.fair.learn(batch.stations, spent_us)

    def acknowledge(self, number: int) -> None:
        """Let go of all up to `number`."""
        self.taken(number)
        while self._sent and self.acknowledged < number:
            batch = self._sent[0]
            known = number - self.acknowledged
            if known < len(batch.records):
                done, batch.records = batch.records[:known], batch.records[known:]
                batch.first += known
                left = sum(map(size, batch.records))
                self.bytes -= batch.bytes - left
                batch.bytes = left
            else:
                done = batch.records
                self._sent.popleft()
                self.bytes -= batch.bytes
            self.acknowledged += len(done)
            if self._closing:
                for record in done:
                    if record[0] == CLOSE:
                        self._live.pop(record[1], None)
                        self._closing.discard(record[1])

    def drop_unsent(self) -> list[Record]:
        """Let go of all that has not been sent; returns it, oldest first."""
        self.sort()
        dropped: list[Record] = []
        for batch in self._again:
            dropped += batch.records
            self.bytes -= batch.bytes
        self._again.clear()
        while self.fair.count:
            records, bytes_, *_ = self.fair.take()
            dropped += records
            self.bytes -= bytes_
        self._kept -= len(dropped)
        return dropped

    def sent(self, number: int) -> Record | None:
        """Return the record with a number, None where it is acknowledged or has none yet."""
        found = self._place(number)
        return found and found[0][found[1]]

    def set_aside(self, number: int) -> None:
        """Have asterisks sent in place of a record that ended the recorder, or made it hang."""
        if found := self._place(number):
            records, at = found
            records[at] = set_aside(records[at])

    def _place(self, number: int) -> tuple[list[Record], int] | None:
        at = number - self.acknowledged - 1
        for batch in (*self._sent, *self._again):
            if 0 <= at < len(batch.records):
                return batch.records, at
            at -= len(batch.records)
        return None

    def send_again(self) -> list[Record]:
        """Have all be sent again; returns what tells of the sessions that were opened before them."""
        self._again.extendleft(reversed(self._sent))
        self._sent.clear()
        self._untaken.clear()
        self._in_flight = 0.0
        self._last_sent = self.acknowledged
        unknown = {record[1] for record in self._all() if record[0] == OPEN}
        return [reopened(record) for session, record in self._live.items() if session not in unknown]
