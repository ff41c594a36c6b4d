"""Count for metrics what a pipeline processes. Without metrics, recorders use the plain pipeline."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import AnswerStatus, Frame
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.recorder.derived_tables import DerivedTables
from inspector.recorder.pipeline import Pipeline
from inspector.recorder.traffic_counts import ENERGY, TrafficCounts
from inspector.records import CloseRecord, OpenRecord, ReopenRecord
from inspector.redaction.redactor import Redactor
from inspector.rules.settings import Settings
from inspector.store.writing.pending_rows import PendingRows
from inspector.store.writing.writer import Writer


class CountedPipeline(Pipeline):
    """A pipeline with the attribute `counts`."""

    def __init__(self, writer: Writer, settings: Settings, redaction: Redactor, charge_points: int) -> None:
        """Begin with zero; `charge_points` is how many charge points get figures of their own."""
        super().__init__(writer, settings, redaction)
        self.counts = TrafficCounts(charge_points)
        self.derivation = _CountedTables(writer, self.counts)
        self.finding_rows.on_count = self.counts.finding

    def note_open_transactions(self, recording_id: int) -> None:
        """Read the transactions that an earlier process of this recording has left open."""
        registers = f"""SELECT max(value) FROM meter_samples WHERE transaction_id = transactions.id
            AND measurand = '{ENERGY}' AND phase IS NULL AND location IS NULL"""
        sql = f"""SELECT id, charge_point_id, transaction_id, meter_start_wh, ({registers}) FROM transactions
            WHERE stopped_ns IS NULL AND session_id IN (SELECT id FROM sessions WHERE recording_id = ?) ORDER BY id"""
        for row_id, name, identifier, first, latest in self.writer.db.execute(sql, (recording_id,)).fetchall():
            register = first if latest is None else latest
            row = {"charge_point_id": name, "transaction_id": identifier, "meter_start_wh": register}
            self.counts.begun(row_id, row, new=False)

    def _open(self, record: OpenRecord) -> None:
        super()._open(record)
        if "shadow" in record.facts:
            return  # the metrics are about the charge points and their own CSMS
        self.counts.opened(record.facts.get("charge_point_id"))

    def _reopen(self, record: ReopenRecord) -> None:
        known = len(self.open_sessions)
        super()._reopen(record)
        if "shadow" in record.facts:
            return
        if len(self.open_sessions) > known and self.open_sessions[record.session_number] in self.restored.values():
            self.counts.opened(record.facts.get("charge_point_id"))

    def _close(self, record: CloseRecord) -> None:
        session = self.open_sessions.get(record.session_number)
        super()._close(record)
        if session is not None and "shadow" not in session.judge.facts:
            calls = session.judge.protocol.correlation.open_calls
            unanswered = [call for caller in Direction for call in calls(caller).values()]
            self.counts.closed(session.judge.station.charge_point_id, record.facts, unanswered)


class _CountedTables(DerivedTables):
    def __init__(self, writer: PendingRows, counts: TrafficCounts) -> None:
        super().__init__(_CountedRows(writer, counts))
        self._counts = counts

    def derive(self, session_id: int, charge_point_id: str, version: OcppVersion | None, frame: Frame) -> None:
        """Add the derived rows of one frame, and count the CALL that it answers."""
        counts = self._counts
        if frame.answer_status is AnswerStatus.PAIRED and frame.call is not None:
            counts.answered(charge_point_id, frame, frame.call)
        if counts.charge_points_limit:
            counts.seen(charge_point_id, frame.ts_ns)
        super().derive(session_id, charge_point_id, version, frame)


class _CountedRows:
    """Passes derived rows on to the writer, and counts those of transactions and meter samples."""

    def __init__(self, writer: PendingRows, counts: TrafficCounts) -> None:
        self._writer, self._counts = writer, counts
        self._sample = writer.meter_sample
        self.here, self.next_id = writer.here, writer.next_id
        self.charge_point, self.transaction = writer.charge_point, writer.transaction

    def insert(self, table: str, values: dict[str, Any], *, replace: bool = False) -> None:
        self._writer.insert(table, values, replace=replace)
        if table == "transactions":
            self._counts.begun(values["id"], values)

    def update(self, table: str, row_id: int, values: dict[str, Any]) -> None:
        self._writer.update(table, row_id, values)
        if table == "transactions":
            self._counts.changed(row_id, values)

    def meter_sample(self, row: tuple[Any, ...]) -> None:
        self._sample(row)
        if row[0] is not None and row[4] == ENERGY and row[5] is row[6] is None and row[8] is not None:
            self._counts.register(row[0], row[8])
