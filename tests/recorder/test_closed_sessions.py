"""Memory is freed in time: the state of closed sessions, and CALLs of megabytes."""

from __future__ import annotations

import gc
import socket
import weakref
from pathlib import Path

import pytest

from inspector import records
from inspector.protocol.frame import Frame
from inspector.recorder import large_calls
from inspector.recorder.pipeline import Pipeline
from inspector.recorder.progress_page import ProgressPage
from inspector.recorder.worker.process import CLEAR_AFTER, Process
from inspector.recorder.worker.wire import Setup
from inspector.records import Record
from inspector.rules.judge import SessionJudge
from inspector.rules.settings import DEFAULTS
from inspector.store.writing.writer import Writer

ROUNDS, CALLS = 30, 40
ROUND_NS = 60 * 10**9
KEPT_FOR = 6
"""Rounds: what is to come after a boot is waited for over reconnections, for up to five minutes."""


def one_session(link: int, at_ns: int) -> list[Record]:
    facts: records.SessionFacts = {"charge_point_id": "CP1", "subprotocol": "ocpp1.6"}
    found = [records.OpenRecord(link, at_ns, at_ns, facts)]
    pairs = [
        (
            f'[2,"b{link}","BootNotification",{{"chargePointVendor":"V","chargePointModel":"M"}}]',
            f'[3,"b{link}",{{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":300}}]',
        )
    ]
    for number in range(CALLS):
        pairs.append((f'[2,"{link}-{number}","Authorize",{{"idTag":"T"}}]', f'[3,"{link}-{number}",{{}}]'))
    for pair in pairs:
        for from_charge_point, raw in zip((True, False), pair, strict=True):
            at_ns += 10**6
            found.append(records.FrameRecord(link, at_ns, at_ns, from_charge_point, records.TEXT, raw.encode()))
    return [*found, records.CloseRecord(link, at_ns, at_ns, {"closed_by": "charge-point"})]


def test_closed_sessions_keep_no_answered_call_and_are_gone_once_nothing_is_waited_for(tmp_path: Path) -> None:
    gc.collect()
    before = {id(one) for one in gc.get_objects() if isinstance(one, SessionJudge)}
    writer = Writer(tmp_path / "again.db", tool_version="0")
    pipeline = Pipeline(writer)
    for link in range(1, ROUNDS + 1):
        for record in one_session(link, link * ROUND_NS):
            pipeline.take(record)
        pipeline.commit()
    gc.collect()
    alive = [one for one in gc.get_objects() if isinstance(one, SessionJudge) and id(one) not in before]
    frames = [one for one in gc.get_objects() if type(one) is Frame]
    assert pipeline.closed == ROUNDS and pipeline.frames == ROUNDS * 2 * (CALLS + 1)
    assert len(alive) <= KEPT_FOR
    assert len(frames) <= KEPT_FOR * 4  # a boot and what refers to it, not every answered CALL
    writer.close(clean=True)


@pytest.mark.parametrize("answered", [False, True])
def test_large_calls_are_kept_up_to_so_many_bytes_and_the_oldest_forgotten_without_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answered: bool
) -> None:
    monkeypatch.setattr(large_calls, "LARGE_LIMIT", 4 * large_calls.LARGE)
    gc.collect()
    before = {id(one) for one in gc.get_objects() if type(one) is Frame}
    writer = Writer(tmp_path / "large.db", tool_version="0")
    pipeline = Pipeline(writer)

    def says(at_ns: int, from_charge_point: bool, raw: str) -> None:
        pipeline.take(records.FrameRecord(1, at_ns, at_ns, from_charge_point, records.TEXT, raw.encode()))

    def answers(number: int) -> None:
        says(100 + number, False, f'[3,"{number}",{{"status":"Accepted"}}]')

    pipeline.take(records.OpenRecord(1, 1, 1, {"charge_point_id": "CP1", "subprotocol": "ocpp1.6"}))
    for number in range(10):
        says(2, True, f'[2,"{number}","DataTransfer",{{"vendorId":"v","data":"{"x" * large_calls.LARGE}"}}]')
        if answered:
            answers(number)
    kept = [one for one in gc.get_objects() if type(one) is Frame and id(one) not in before]
    assert sum(len(one.raw) for one in kept) <= large_calls.LARGE_LIMIT
    assert sum(len(one.payload.get("data", "")) for one in kept) <= large_calls.LARGE_LIMIT
    for number in range(10):
        answers(number)
    pipeline.commit()
    paired = writer.db.execute("SELECT call_id FROM frames WHERE call_id IS NOT NULL").fetchall()
    assert len(paired) == (10 if answered else 3)
    stray = {rule for (rule,) in writer.db.execute("SELECT rule_id FROM findings WHERE rule_id LIKE 'rpc.%answer%'")}
    assert stray == ({"rpc.second-answer"} if answered else set())
    writer.close(clean=True)


def test_the_recorder_frees_closed_sessions_without_waiting_for_the_collector(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    setup = Setup({"path": tmp_path / "freed.db", "tool_version": "0"}, DEFAULTS, {}, None)
    process = Process(theirs, setup, ProgressPage())
    gc.collect()
    gc.disable()
    try:
        for record in one_session(1, ROUND_NS):
            process._pipeline.take(record)
            if isinstance(record, records.OpenRecord):
                session = weakref.ref(process._pipeline.open_sessions[1].judge)
        process._pipeline.commit()
        process._pipeline.feed.judge._stations.clear()  # this also removes their waiting deadlines
        process._pipeline.closed = CLEAR_AFTER - 1
        process._free_closed_sessions()
        assert session() is not None
        process._pipeline.closed = CLEAR_AFTER
        process._free_closed_sessions()
        assert session() is None
    finally:
        gc.enable()
        process._writer.close(clean=True)
        ours.close()
        theirs.close()
