"""Records handed over and not known to be stored: keeps, counts and numbers them; knows no socket and loses none."""

from __future__ import annotations

from collections import deque

from inspector.records import CLOSE, FRAME, OPEN, Record, reopened

BATCH = 2000
BATCH_BYTES = 1 << 20
_RECORD_BYTES = 200


class Backlog:
    """Oldest first: those sent, by batches (the first record has the number `acknowledged` + 1), then the others."""

    def __init__(self) -> None:
        self.sent: deque[tuple[list[Record], int]] = deque()  # batches, with the bytes of each
        self.unsent: deque[Record] = deque()
        self.bytes = 0
        self.acknowledged = 0
        self._unsent_bytes = 0
        self._last = 0
        self._live: dict[int, Record] = {}  # the OPEN of every link whose CLOSE is not acknowledged
        self._opened_after: dict[int, int] = {}  # link -> number of its OPEN

    def __len__(self) -> int:
        return self._last - self.acknowledged

    @property
    def frames(self) -> int:
        """How many of them are frames."""
        sent = [record for batch, _ in self.sent for record in batch]
        return sum(record[0] == FRAME for record in [*sent, *self.unsent])

    def keep(self, record: Record) -> None:
        """Take one more."""
        self.unsent.append(record)
        bytes_ = _RECORD_BYTES + len(record[6]) if record[0] == FRAME else size(record)
        self.bytes += bytes_
        self._unsent_bytes += bytes_
        self._last += 1
        if record[0] == OPEN:
            self._live[record[1]] = record
            self._opened_after[record[1]] = self._last

    def batch(self) -> tuple[int, list[Record]]:
        """Take some unsent ones to be sent; returns the number of the first, and them."""
        first = self._last - len(self.unsent) + 1
        if len(self.unsent) <= BATCH and self._unsent_bytes <= BATCH_BYTES:
            batch, taken = list(self.unsent), self._unsent_bytes
            self.unsent.clear()
        else:
            batch, taken = [], 0
            while self.unsent and len(batch) < BATCH and taken < BATCH_BYTES:
                record = self.unsent.popleft()
                batch.append(record)
                taken += size(record)
        self._unsent_bytes -= taken
        self.sent.append((batch, taken))
        return first, batch

    def acknowledge(self, number: int) -> None:
        """Let go of all up to `number`."""
        while self.sent and self.acknowledged < number:
            batch, taken = self.sent.popleft()
            known = number - self.acknowledged
            if known < len(batch):
                rest = batch[known:]
                batch, left = batch[:known], sum(map(size, rest))
                self.sent.appendleft((rest, left))
                taken -= left
            self.acknowledged += len(batch)
            self.bytes -= taken
            for record in batch:
                if record[0] == CLOSE:
                    self._live.pop(record[1], None)
                    self._opened_after.pop(record[1], None)

    def send_again(self) -> list[Record]:
        """Have all be sent again; returns what tells of the links that were opened before them."""
        for batch, taken in reversed(self.sent):
            self.unsent.extendleft(reversed(batch))
            self._unsent_bytes += taken
        self.sent.clear()
        known = self.acknowledged
        return [reopened(record) for link, record in self._live.items() if self._opened_after[link] <= known]


def size(record: Record) -> int:
    """About how many bytes a record takes in memory."""
    if record[0] == FRAME:
        return _RECORD_BYTES + len(record[6])
    return _RECORD_BYTES + len(repr(record[-1]))
