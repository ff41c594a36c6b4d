"""Records waiting for a recorder are neither lost nor doubled, in any order of acknowledgements and any load."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inspector import records
from inspector.recorder.worker import backlog as backlog_module
from inspector.recorder.worker import fair_queue
from inspector.recorder.worker.backlog import Backlog
from inspector.recorder.worker.fair_queue import size
from inspector.records import CloseRecord, FrameRecord, OpenRecord, Record

KEEP, BATCH, TAKEN, ACKNOWLEDGE, AGAIN = range(5)
SESSIONS = 3


class Peers:
    """Charge points whose sessions follow each other; each has seven records: open, five frames, close."""

    def __init__(self) -> None:
        self.made = [0] * SESSIONS

    def next(self, charge_point: int, bytes_: int) -> Record:
        turn, place = divmod(self.made[charge_point], 7)
        self.made[charge_point] += 1
        session, at = turn * SESSIONS + charge_point + 1, self.made[charge_point]
        if place == 0:
            return records.OpenRecord(session, at, at, {"charge_point_id": f"CP{charge_point}"})
        if place == 6:
            return records.CloseRecord(session, at, at, {"closed_by": "csms"})
        return records.FrameRecord(session, at, at, True, records.TEXT, b"x" * bytes_)


def charge_point_of(record: Record) -> int:
    return int((record.session_number - 1) % SESSIONS)


def sums(waiting: list[Record]) -> tuple[int, int, int]:
    return len(waiting), sum(map(size, waiting)), sum(isinstance(record, FrameRecord) for record in waiting)


step = st.one_of(
    st.tuples(st.just(KEEP), st.tuples(st.integers(0, SESSIONS - 1), st.integers(1, 30), st.integers(0, 3000))),
    st.tuples(st.sampled_from([BATCH, TAKEN, ACKNOWLEDGE, AGAIN]), st.integers(0, 30)),
)


@example([(KEEP, (0, 7, 1)), (BATCH, 0), (ACKNOWLEDGE, 3), (AGAIN, 0), (BATCH, 0)], 20_000.0)
@given(st.lists(step, max_size=60), st.sampled_from([300.0, 20_000.0]))
def test_each_record_is_sent_under_one_number_and_those_of_a_charge_point_in_their_order(
    steps: list[tuple[int, object]], batch_us: float
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # With small batches many charge points must queue; a batch of the usual size holds everything.
        patch.setattr(fair_queue, "BATCH_US", batch_us)
        patch.setattr(fair_queue, "QUANTUM_US", batch_us / 20)
        patch.setattr(backlog_module, "BATCH_BYTES", batch_us / fair_queue.USUAL_RATE)
        backlog, peers = Backlog(), Peers()
        kept: list[Record] = []
        by_number: dict[int, Record] = {}
        sent = known = 0
        for what, amount in steps:
            if what == KEEP:
                charge_point, count, bytes_ = amount  # type: ignore[misc]
                for _ in range(count):
                    kept.append(peers.next(charge_point, bytes_))
                    backlog.keep(kept[-1])
            elif what == BATCH and backlog.unsent:
                batch = backlog.batch()
                assert batch.first == sent + 1
                assert batch.records
                for record in batch.records:
                    sent += 1
                    assert by_number.setdefault(sent, record) is record
            elif what == TAKEN:
                backlog.note_taken(min(sent, known + int(amount)), {1: 20.0, 2: 20_000.0})  # type: ignore[call-overload]
            elif what == ACKNOWLEDGE:
                known = max(known, min(sent, known + int(amount)))  # type: ignore[call-overload]
                backlog.acknowledge(known)
            elif what == AGAIN:
                told = [by_number[number] for number in range(1, known + 1)]
                opened = [record.session_number for record in told if isinstance(record, OpenRecord)]
                closed = {record.session_number for record in told if isinstance(record, CloseRecord)}
                again = sorted(record.session_number for record in backlog.send_again())
                assert again == sorted(session for session in opened if session not in closed)
                sent = known
            stored = {id(by_number[number]) for number in range(1, known + 1)}
            waiting = [record for record in kept if id(record) not in stored]
            assert (len(backlog), backlog.bytes, backlog.frames) == sums(waiting)
        while backlog.unsent:
            for record in backlog.batch().records:
                sent += 1
                assert by_number.setdefault(sent, record) is record
        for charge_point in range(SESSIONS):
            own = [record for record in by_number.values() if charge_point_of(record) == charge_point]
            assert own == [record for record in kept if charge_point_of(record) == charge_point]


def test_what_comes_while_the_recorder_keeps_up_is_sent_in_the_order_it_came() -> None:
    backlog, peers = Backlog(), Peers()
    kept = [peers.next(number % SESSIONS, 100) for number in range(300)]
    for record in kept:
        backlog.keep(record)
    assert backlog.batch().records == kept


def test_no_more_is_on_its_way_than_the_recorder_needs() -> None:
    """The rest waits in the fair queue, where the order can still change."""
    backlog = Backlog()
    for number in range(10_000):
        backlog.keep(records.FrameRecord(1, number, number, True, records.TEXT, b"x" * 150))
    on_its_way = 0
    while backlog.may_send:
        on_its_way += len(backlog.batch().records)
    assert 2 * 1100 < on_its_way < 3 * 1200
    backlog.note_taken(on_its_way)
    assert backlog.may_send
