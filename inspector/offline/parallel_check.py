"""Judge a long input in several processes: one reads it, the others judge a share of the charge points each.

The judge keeps its state by charge point, so the findings are those of `check`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from operator import itemgetter
from typing import TYPE_CHECKING
from zlib import crc32

from inspector.errors import ChargeSentinelError
from inspector.offline.check import Checked, Checker, Counting, Found, Place, check, result
from inspector.recorder.worker.wire import plain, typed
from inspector.records import CloseRecord, EventRecord, GapRecord, OpenRecord, Record
from inspector.rules.settings import DEFAULTS, Settings

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

LONG = 10_000
"""The number of records from which it pays to start other processes."""
MOST_PROCESSES = 4
"""Reading takes a quarter of the time of judging: more processes would wait for the one that reads."""
BATCH = 500


class JudgeEnded(ChargeSentinelError):
    """A process that judged has ended before its input did."""

    def __init__(self) -> None:
        super().__init__("a process that judged frames has ended; was it killed, or is there too little memory?")


def check_in_parallel(
    records: Iterable[Record], settings: Settings = DEFAULTS, processes: int | None = None, long: int = LONG
) -> Checked:
    """Judge a whole input like `check`, with all processors if it is long.

    Args:
        records: the input.
        settings: settings of the rules.
        processes: how many processes judge; by default one for each processor, but at most MOST_PROCESSES.
        long: how many records make it long.

    Raises:
        ChargeSentinelError: the input cannot be read.
        JudgeEnded: a process was killed.
    """
    records = iter(records)
    first = list(islice(records, long))
    processes = processes or min(os.cpu_count() or 1, MOST_PROCESSES)
    if len(first) < long or processes < 2 or not hasattr(os, "fork"):
        return check(chain(first, records), settings)
    shares: list[_Share] = []
    try:
        for _ in range(processes):
            shares.append(_Share(settings, shares))
        return _deal(chain(first, records), shares)
    except (BrokenPipeError, ConnectionResetError, EOFError):
        raise JudgeEnded from None
    finally:
        for share in shares:
            share.end()


def _deal(records: Iterator[Record], shares: list[_Share]) -> Checked:
    """Give each record to the process of its charge point, and collect what they found."""
    counting = Counting()
    share_of: dict[int, _Share] = {}
    run: int | None = None
    for record in records:
        place = counting.place(record)
        if isinstance(record, OpenRecord):
            if run != (run := record.facts.get("recording_id", 0)):
                for each in shares:
                    each.send(run)
            share_of[record.session_number] = _of(record.facts.get("charge_point_id"), shares)
        share = share_of.get(record.session_number)
        if share is not None:
            share.take(record, place)
            if isinstance(record, CloseRecord):
                del share_of[record.session_number]
        elif isinstance(record, GapRecord) or (isinstance(record, EventRecord) and record.is_gap):
            for each in shares:
                each.take(record, place)
        elif isinstance(record, EventRecord):
            _of(record.detail.get("charge_point_id"), shares).take(record, place)
    ended = [share.finish() for share in shares]
    found = sorted(chain.from_iterable(found for found, _ in ended), key=itemgetter(0))
    return result(counting, found, sum(unjudged for _, unjudged in ended))


def _of(charge_point_id: object, shares: list[_Share]) -> _Share:
    return shares[crc32(str(charge_point_id or "").encode(errors="surrogatepass")) % len(shares)]


class _Share:
    """A process that judges a share of the charge points, seen from the process that reads."""

    def __init__(self, settings: Settings, before: list[_Share]) -> None:
        from multiprocessing import get_context  # short inputs need not wait for its import

        context = get_context("fork")
        self._pipe, there = context.Pipe()
        # A pipe ends only when all processes have closed it, and this one inherits those of the others.
        inherited = [self._pipe, *(share._pipe for share in before)]
        self._process = context.Process(target=_judge, args=(there, inherited, settings), daemon=True)
        self._process.start()
        there.close()
        self._records: list[Record] = []
        self._places: list[Place] = []

    def take(self, record: Record, place: Place) -> None:
        """Judge a record, soon."""
        self._records.append(record)
        self._places.append(place)
        if len(self._records) >= BATCH:
            self._flush()

    def send(self, run: int) -> None:
        """Go on with another run of a recorder."""
        self._flush()
        self._pipe.send(run)

    def finish(self) -> tuple[list[tuple[int, Found]], int]:
        """Return the findings and the number of unjudged frames, when all is judged."""
        self._flush()
        self._pipe.send(None)
        found, unjudged = self._pipe.recv()
        return found, unjudged

    def _flush(self) -> None:
        if self._records:
            self._pipe.send((plain(self._records), list(map(tuple, self._places))))
            self._records, self._places = [], []

    def end(self) -> None:
        """End the process, wherever it is."""
        self._pipe.close()
        self._process.kill()
        self._process.join()


def _judge(pipe: Connection, inherited: list[Connection], settings: Settings) -> None:
    """Judge what comes, until the end of the input; runs in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that reads handles Ctrl-C
    for each in inherited:
        each.close()
    checker = Checker(settings)
    with suppress(EOFError, BrokenPipeError):  # the other process has ended
        while (batch := pipe.recv()) is not None:
            if isinstance(batch, int):
                checker.begin_run(batch)
                continue
            records, places = batch
            for record, place in zip(typed(*records), places, strict=True):
                checker.take(record, Place(*place))
        for _, found in checker.found:
            found.finding.session = None
        pipe.send((checker.found, checker.unjudged))
