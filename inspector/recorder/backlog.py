"""Records handed over and not known to be stored: keeps, counts and numbers them; knows no socket and loses none."""

from __future__ import annotations

from collections import deque

from inspector.recorder.records import CLOSE, FRAME, OPEN, Record, reopened

BATCH = 2000
BATCH_BYTES = 1 << 20
_RECORD_BYTES = 200


class Backlog:
    """Oldest first: those sent (the first has the number `acknowledged` + 1), then the others."""

    def __init__(self) -> None:
        self.sent: deque[Record] = deque()
        self.unsent: deque[Record] = deque()
        self.bytes = 0
        self.acknowledged = 0
        self._last = 0
        self._live: dict[int, Record] = {}  # the OPEN of every link whose CLOSE is not acknowledged
        self._opened_after: dict[int, int] = {}  # link -> number of its OPEN

    def __len__(self) -> int:
        return len(self.sent) + len(self.unsent)

    @property
    def frames(self) -> int:
        """How many of them are frames."""
        return sum(record[0] == FRAME for record in [*self.sent, *self.unsent])

    def keep(self, record: Record) -> None:
        """Take one more."""
        self.unsent.append(record)
        self.bytes += size(record)
        self._last += 1
        if record[0] == OPEN:
            self._live[record[1]] = record
            self._opened_after[record[1]] = self._last

    def batch(self) -> tuple[int, list[Record]]:
        """Take some unsent ones to be sent; returns the number of the first, and them."""
        first = self.acknowledged + len(self.sent) + 1
        batch: list[Record] = []
        taken = 0
        while self.unsent and len(batch) < BATCH and taken < BATCH_BYTES:
            record = self.unsent.popleft()
            batch.append(record)
            taken += size(record)
        self.sent.extend(batch)
        return first, batch

    def acknowledge(self, number: int) -> None:
        """Let go of all up to `number`."""
        while self.acknowledged < number and (self.sent or self.unsent):
            record = (self.sent or self.unsent).popleft()
            self.acknowledged += 1
            self.bytes -= size(record)
            if record[0] == CLOSE:
                self._live.pop(record[1], None)
                self._opened_after.pop(record[1], None)

    def send_again(self) -> list[Record]:
        """Have all be sent again; returns what tells of the links that were opened before them."""
        self.unsent.extendleft(reversed(self.sent))
        self.sent.clear()
        known = self.acknowledged
        return [reopened(record) for link, record in self._live.items() if self._opened_after[link] <= known]


def size(record: Record) -> int:
    """About how many bytes a record takes in memory."""
    if record[0] == FRAME:
        return _RECORD_BYTES + len(record[6])
    return _RECORD_BYTES + len(repr(record[-1]))
