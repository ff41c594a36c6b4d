"""Keep, count and number the records that a recorder process has not yet stored.

Records are numbered when they are sent, in the order of sending. The recorder acknowledges the number up to which it
has stored them. A restarted recorder gets all later records again, in the same order and with the same numbers. As long
as the recorder keeps up, records are sent in the order in which they came. Otherwise, `FairQueue` chooses the order.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from inspector.recorder.worker.fair_queue import BATCH, BATCH_US, USUAL_RATE, FairQueue, Station, size
from inspector.records import CloseRecord, FrameRecord, OpenRecord, Record, ReopenRecord, SetAsideRecord, set_aside

BATCH_BYTES = 150_000
"""If more bytes than this wait to be sent, `FairQueue` chooses the order; otherwise it is the order of arrival."""
WINDOW_US = 2 * BATCH_US
"""Records are sent ahead for about so much recorder time (in microseconds), so that the recorder never has to wait."""
_RECORD_BYTES = 200


@dataclass(slots=True)
class Batch:
    """Records that are sent together; the first of them has the number `first`."""

    records: list[Record]
    bytes: int
    cost: float
    stations: dict[Station, int] | None = None
    """Bytes by charge point, if the recorder is to report how long the records take; otherwise None."""
    first: int = 0

    @property
    def last(self) -> int:
        """The number of the last of these records."""
        return self.first + len(self.records) - 1


class Backlog:
    """Records that are sent and not acknowledged, records to be sent again, and records that have arrived since."""

    def __init__(self, limit: int = 1 << 28) -> None:
        """Begin without records. `limit` in bytes sizes the queues; `Intake` enforces it."""
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
        self._live: dict[int, OpenRecord] = {}  # by session number, until the session's CloseRecord is acknowledged
        self._closing: set[int] = set()  # the session numbers of all CloseRecords in the backlog

    def __len__(self) -> int:
        return self._kept - self.acknowledged

    @property
    def unsent(self) -> bool:
        """Whether any record still has to be sent."""
        return bool(self._arrived or self.fair.count or self._again)

    @property
    def may_send(self) -> bool:
        """Whether there are records to send, and the recorder does not have enough work already."""
        return self._in_flight < WINDOW_US and self.unsent

    @property
    def frames(self) -> int:
        """How many of the records are frames."""
        return sum(isinstance(record, FrameRecord | SetAsideRecord) for record in self._all())

    def _all(self) -> list[Record]:
        """Return all records; the ones that were sent come first."""
        found = [record for batch in (*self._sent, *self._again) for record in batch.records]
        return [*found, *self.fair.records(), *self._arrived]

    def keep(self, record: Record) -> None:
        """Add one record."""
        self._arrived.append(record)
        if isinstance(record, FrameRecord):
            bytes_ = _RECORD_BYTES + len(record.payload)
        else:
            bytes_ = size(record)
            if isinstance(record, OpenRecord):
                self._live[record.session_number] = record
            elif isinstance(record, CloseRecord):
                self._closing.add(record.session_number)
        self.bytes += bytes_
        self._arrived_bytes += bytes_
        self._kept += 1

    def sort_by_charge_point(self) -> None:
        """Move the records that have arrived into the queues of their charge points."""
        add, arrived = self.fair.add, self._arrived
        while arrived:
            record = arrived.popleft()
            add(record, self.charge_point_of(record.session_number))
        self._arrived_bytes = 0

    def charge_point_of(self, session: int) -> str | None:
        """Return the id of a session's charge point; None if it has none or the session is over."""
        opening = self._live.get(session)
        return opening.facts.get("charge_point_id") if opening else None

    def station(self, session: int) -> Station:
        """Return the queue of a session's charge point."""
        return self.fair.station_of(session, self.charge_point_of(session))

    def batch(self) -> Batch:
        """Number the records to send next, and return them."""
        if self._again:
            batch = self._again.popleft()
        elif not self.fair.count and len(self._arrived) <= BATCH and self._arrived_bytes <= BATCH_BYTES:
            batch = Batch(list(self._arrived), self._arrived_bytes, self._arrived_bytes * USUAL_RATE)
            self._arrived.clear()
            self._arrived_bytes = 0
        else:
            self.sort_by_charge_point()
            batch = Batch(*self.fair.take())
        batch.first = self._last_sent + 1
        self._last_sent += len(batch.records)
        self._sent.append(batch)
        self._untaken.append(batch)
        self._in_flight += batch.cost
        return batch

    def note_taken(self, number: int, spent_us: dict[int, float] | None = None) -> None:
        """Note that the recorder has processed all records up to `number`, but not yet stored them.

        `spent_us` has the microseconds that they took, by session number.
        """
        batch = None
        while self._untaken and self._untaken[0].last <= number:
            batch = self._untaken.popleft()
            self._in_flight -= batch.cost
        if not self._untaken:
            self._in_flight = 0.0
        if spent_us and batch is not None and batch.stations:
            self.fair.learn_rates(batch.stations, spent_us)

    def acknowledge(self, number: int) -> None:
        """Drop all records up to `number`, which are stored."""
        self.note_taken(number)
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
                    if isinstance(record, CloseRecord):
                        self._live.pop(record.session_number, None)
                        self._closing.discard(record.session_number)

    def drop_unsent(self) -> list[Record]:
        """Drop and return all records that have not been sent, oldest first."""
        self.sort_by_charge_point()
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

    def sent_record(self, number: int) -> Record | None:
        """Return the record with this number; None if it is acknowledged or not sent yet."""
        found = self._place(number)
        return found and found[0][found[1]]

    def hide_content(self, number: int) -> None:
        """Hide the content of the record with this number, because the recorder crashed or hung on it."""
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

    def send_again(self) -> list[ReopenRecord]:
        """Mark all records to be sent again, to a restarted recorder.

        Return a ReopenRecord for each open session whose OpenRecord is not among them.
        """
        self._again.extendleft(reversed(self._sent))
        self._sent.clear()
        self._untaken.clear()
        self._in_flight = 0.0
        self._last_sent = self.acknowledged
        unknown = {record.session_number for record in self._all() if isinstance(record, OpenRecord)}
        return [ReopenRecord(*record) for session, record in self._live.items() if session not in unknown]
