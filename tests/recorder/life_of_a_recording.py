"""Runs a recording through a plan: sessions, rotations, deletions, restarts, and rows that fail at random.

The real pipeline, writer and backlog run in one process, combined as in the relay and the recorder process.
"""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from inspector import records
from inspector.recorder import derived_tables, rollover
from inspector.recorder.pipeline import Pipeline
from inspector.recorder.restore import restore
from inspector.recorder.worker.backlog import Backlog
from inspector.recorder.worker.process import stored as stored_records
from inspector.records import Record
from inspector.rules.settings import DEFAULTS, Settings
from inspector.store.files.rotation import segments
from inspector.store.schema import connect
from inspector.store.writing import pending_rows, writer
from inspector.store.writing.writer import RecordingGone, Writer

SECOND = 10**9
NOW = 1_767_268_800 * SECOND
CONVERSATION = (
    (True, '[2,"{n}","BootNotification",{{"chargePointVendor":"V","chargePointModel":"M","x":"{u}"}}]'),
    (False, '[3,"{n}",{{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":300,"x":"{u}"}}]'),
    (True, '[2,"{n}","StartTransaction",{{"connectorId":1,"idTag":"T","meterStart":1,"x":"{u}"}}]'),
    (False, '[3,"{n}",{{"transactionId":{t},"idTagInfo":{{"status":"Accepted"}},"x":"{u}"}}]'),
    (True, '[2,"{n}","MeterValues",{{"connectorId":1,"transactionId":{t},"meterValue":[{{"sampledValue":'
     '[{{"value":"7"}},{{"value":"8","unit":"kWh"}}]}}],"x":"{u}"}}]'),
    (False, '[3,"{n}",{{"x":"{u}"}}]'),
    (True, '[2,"{n}","StopTransaction",{{"transactionId":{t},"meterStop":9,"x":"{u}"}}]'),
    (False, '[3,"{n}",{{"x":"{u}"}}]'),
    (True, '[2,"{n}","Heartbeat",{{"x":"{u}"}}]'),
    (False, '[3,"{n}",{{"currentTime":"2026-01-01T12:00:00Z","x":"{u}"}}]'),
    (True, 'no frame at all: {u}'),
)  # fmt: skip
"""What a charge point and its CSMS say, over and over: {n} restarts with each connection, {u} is like no other."""


class Chance:
    """Decides which statements for derived rows fail: a share of them, the same ones for the same seed."""

    KINDS = ("ABORT", "FAIL", "ROLLBACK")

    def __init__(self, seed: int, share: float) -> None:
        self._random, self._share = random.Random(seed), share
        self.failed: Counter[str] = Counter()

    def __call__(self, where: str) -> int:
        """Return 0 or an index of KINDS; raise an exception if SQLite or our own code is to fail at `where`."""
        if self._random.random() >= self._share:
            return 0
        self.failed[where] += 1
        kind = self._random.randint(1, len(self.KINDS) + 1)
        if kind > len(self.KINDS):
            raise RuntimeError(where)
        return kind

    def watch(self, connection: sqlite3.Connection) -> None:
        """Make statements that write derived rows fail at random, without changing the file."""
        connection.create_function("chance", 1, self)
        kinds = " ".join(f"WHEN {at} THEN RAISE({kind}, 'by chance')" for at, kind in enumerate(self.KINDS, 1))
        for table in (
            *("findings", "occurrences", "absences"),
            *("events", "charge_points", "transactions", "meter_samples"),
        ):
            for what in ("INSERT", "UPDATE"):
                self._trigger(connection, table, what, kinds)
        self._trigger(connection, "frames", "UPDATE OF max_severity", kinds)

    def _trigger(self, connection: sqlite3.Connection, table: str, what: str, kinds: str) -> None:
        connection.execute(
            f'CREATE TEMP TRIGGER "{what} {table}" BEFORE {what} ON main.{table}'
            f" BEGIN SELECT CASE chance('{what} {table}') {kinds} END; END"
        )

    @contextmanager
    def everywhere(self) -> Iterator[None]:
        """Make rows fail in every file, and the code that makes rows."""

        def watched(*given: Any, **more: Any) -> Database:
            db = connect(*given, **more)
            db.conn.execute("PRAGMA synchronous = OFF")  # this test is not about power cuts
            self.watch(db.conn)
            return db

        def failing(made: Any) -> Any:
            def make(*given: Any) -> Any:
                self(made.__name__)
                return made(*given)

            return make

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writer, "connect", watched)
            if self._share:
                patch.setattr(pending_rows, "_finding_row", failing(pending_rows._finding_row))
                patch.setattr(derived_tables, "_labels", failing(derived_tables._labels))
                patch.setattr(derived_tables, "_identifier", failing(derived_tables._identifier))
            yield


class Life:
    """One recording from beginning to end, over all its files and restarts."""

    def __init__(self, folder: Path, *, rotate: bool, settings: Settings = DEFAULTS) -> None:
        self._settings = settings
        self.path = folder / "traffic.db"
        self._setup = {"path": self.path, "tool_version": "0", "rotate": "1GB" if rotate else None}
        self._backlog = Backlog()
        self._clock = itertools.count(NOW, SECOND // 10)
        self._link = 0
        self._open: dict[str, tuple[int, int]] = {}  # charge point: (session, number of its messages)
        self.sent: list[str] = []
        self.gone = 0
        self._gone_before = self._stored = 0
        self._recording_id: int | None = None
        self._start()

    def _start(self) -> None:
        writer = Writer(**self._setup, resume=self._recording_id)
        self.pipeline = Pipeline(writer, self._settings)
        self._taken = self._committed = writer.committed()
        self._gone_before = self.gone
        if writer.resumed:
            restore(self.pipeline, stored_records(writer.db.conn, writer.recording_id))
        if (lost := self._stored - self.pipeline.stored()[1]) > 0:
            self.gone = self._gone_before = self._gone_before + lost
            self._put(records.GapRecord(0, *self._now(), lost, 0, {}))
        self._stored = self.pipeline.stored()[1]
        self._recording_id = writer.recording_id
        self._backlog.acknowledge(self._committed)
        for record in self._backlog.send_again():
            self.pipeline.take(record)

    def _now(self) -> tuple[int, int]:
        now = next(self._clock)
        return now, now

    def _put(self, record: Record) -> None:
        self._backlog.keep(record)

    def connect(self, charge_point: str) -> None:
        if charge_point in self._open:
            self.close(charge_point)
        self._link += 1
        self._open[charge_point] = self._link, 0
        facts: records.SessionFacts = {"charge_point_id": charge_point, "subprotocol": "ocpp1.6"}
        self._put(records.OpenRecord(self._link, *self._now(), facts))

    def say(self, charge_point: str, messages: int) -> None:
        if charge_point not in self._open:
            self.connect(charge_point)
        link, said = self._open[charge_point]
        for number in range(said, said + messages):
            from_charge_point, text = CONVERSATION[number % len(CONVERSATION)]
            raw = text.format(n=number // 2, t=link, u=len(self.sent))
            self.hear(charge_point, from_charge_point, raw)
        self._open[charge_point] = link, said + messages

    def hear(self, charge_point: str, from_charge_point: bool, raw: str) -> None:
        """Relay one frame on the connection of a charge point."""
        self.sent.append(raw)
        link, _ = self._open[charge_point]
        self._put(records.FrameRecord(link, *self._now(), from_charge_point, records.TEXT, raw.encode()))

    def close(self, charge_point: str) -> None:
        if charge_point in self._open:
            link, _ = self._open.pop(charge_point)
            self._put(records.CloseRecord(link, *self._now(), {"closed_by": "charge-point"}))

    def commit(self) -> None:
        self.deliver()
        rollover.commit(self.pipeline, self._taken if self._taken > self._committed else None)
        self._committed = self._taken
        self._backlog.acknowledge(self._committed)
        self._stored = self.pipeline.stored()[1]
        self.gone = self._gone_before + self.pipeline.gone

    def deliver(self) -> None:
        """Send the waiting records to the pipeline, without a commit."""
        while self._backlog.unsent:
            batch = self._backlog.batch()
            self.pipeline.take_all(batch.records[max(0, self._taken + 1 - batch.first) :])
            self._taken = max(self._taken, batch.last)

    def tick(self) -> None:
        for _ in range(600):
            at = self._now()
        self.pipeline.tick(*at)
        self.pipeline.writer.look()

    def rotate(self) -> None:
        if self.pipeline.writer.rotation:
            self.commit()
            with suppress(RecordingGone):
                rollover.rotate(self.pipeline, self._now()[0])

    def delete(self) -> None:
        """Delete the file that is being written, with its -wal and other companions."""
        for file in self.path.parent.glob(f"{self.pipeline.writer.path.name}*"):
            file.unlink()

    def kill(self) -> None:
        """End the recorder like kill -9: its memory is lost, its locks are free."""
        writer = self.pipeline.writer
        writer.db.conn.close()
        if writer._sealing:
            writer._sealing.join()
        writer._let_go()
        self._start()

    def end(self) -> None:
        for charge_point in list(self._open):
            self.close(charge_point)
        self.pipeline.writer.look()
        self.commit()
        self.summary = self.pipeline.summary(self.gone)
        self.pipeline.writer.close(clean=True)

    @property
    def files(self) -> list[Path]:
        return segments(self.path) or [self.path]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of all files together."""
        found: list[tuple[Any, ...]] = []
        for file in self.files:
            with closing(sqlite3.connect(file)) as db:
                found += db.execute(sql)
        return found
