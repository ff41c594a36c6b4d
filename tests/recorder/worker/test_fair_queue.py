"""Charge points share the recorder: one that floods it waits, the others are served at once."""

from __future__ import annotations

from collections import Counter

import pytest

from inspector import records
from inspector.recorder.worker.fair_queue import SHARED_US, USUAL_RATE, FairQueue
from inspector.records import Record


def frame(session: int, bytes_: int = 200, at: int = 0) -> Record:
    return records.FrameRecord(session, at, at, True, records.TEXT, b"x" * bytes_)


def put(fair: FairQueue, session: int, count: int, bytes_: int = 200) -> None:
    for number in range(count):
        fair.add(frame(session, bytes_, number), f"CP{session}")


def sessions(batch: list[Record]) -> Counter[int]:
    return Counter(record.session_number for record in batch)


@pytest.fixture
def fair() -> FairQueue:
    return FairQueue(1 << 28)


def test_who_has_been_quiet_has_its_turn_before_who_floods(fair: FairQueue) -> None:
    put(fair, 1, 10_000)
    fair.take()
    put(fair, 2, 2)
    batch, *_ = fair.take()
    assert [record.session_number for record in batch[:2]] == [2, 2]


def test_those_who_flood_share_the_recorder_evenly_whatever_the_size_of_their_frames(fair: FairQueue) -> None:
    put(fair, 1, 30_000, 100)
    put(fair, 2, 300, 30_000)
    put(fair, 3, 6, 2_000_000)
    fair.learn_rates({fair.station_of(3, "CP3"): 1}, {3: 0.05})  # otherwise large frames count as expensive
    fair.learn_rates({fair.station_of(3, "CP3"): 1}, {3: 0.05})
    for _ in range(10):
        fair.learn_rates({fair.station_of(3, "CP3"): 1}, {3: 0.05})
    bytes_: Counter[int] = Counter()
    for _ in range(40):
        for session, count in sessions(fair.take()[0]).items():
            bytes_[session] += count * {1: 300, 2: 30_200, 3: 2_000_200}[session]
    most, least = max(bytes_.values()), min(bytes_.values())
    assert most - least <= 2_000_200 + 100_000, bytes_


def test_expensive_bytes_count_as_much_as_many_cheap_ones(fair: FairQueue) -> None:
    """Once the recorder has reported the costs, both charge points get the same share of its time."""
    us_of = {1: 0.04 * 400, 2: 1.0 * 10_200}
    put(fair, 1, 40_000)
    put(fair, 2, 500, 10_000)
    spent: Counter[int] = Counter()
    for turn in range(40):
        batch, _, _, stations = fair.take()
        took = {session: count * us_of[session] for session, count in sessions(batch).items()}
        fair.learn_rates(stations, took)
        if turn >= 10:
            spent.update({session: int(us) for session, us in took.items()})
    assert 0.7 < spent[1] / spent[2] < 1.4, spent


def test_only_who_stands_out_waits_and_goes_on_once_little_of_it_is_left(fair: FairQueue) -> None:
    told: list[tuple[int, bool]] = []
    fair.hold = lambda session, waits: told.append((session, waits))
    for session in range(2, 22):
        put(fair, session, 3)
    much = int(SHARED_US / USUAL_RATE / 400)  # 400 bytes each
    put(fair, 1, much - 100)
    assert told == []
    put(fair, 1, 100)
    assert told == [(1, True)]
    for session in range(2, 22):
        put(fair, session, 10)
    assert told == [(1, True)]
    while len(told) < 2:
        fair.take()
    assert told == [(1, True), (1, False)]
    assert fair.count > 0


def test_nobody_waits_while_the_recorder_is_away_for_seconds_unless_somebody_floods_it(fair: FairQueue) -> None:
    """For five seconds, sixty charge points send twenty records a second each, some of them sixty."""
    told: list[tuple[int, bool]] = []
    fair.hold = lambda session, waits: told.append((session, waits))
    for _ in range(20):
        for session in range(1, 61):
            put(fair, session, 5 * (3 if session % 10 == 0 else 1))
    assert told == []


def test_all_wait_in_their_turns_where_all_together_send_too_much(fair: FairQueue) -> None:
    held: set[int] = set()
    fair.hold = lambda session, waits: (held.add if waits else held.discard)(session)
    for _ in range(3000):
        for session in range(1, 51):
            if session not in held:
                put(fair, session, 1)
        if len(held) == 50:
            break
    assert len(held) > 25
    assert fair.cost < 4 * SHARED_US
    while fair.count:
        fair.take()
    assert not held


def test_a_charge_point_that_connects_again_and_again_has_no_more_than_one_share(fair: FairQueue) -> None:
    told: list[tuple[int, bool]] = []
    fair.hold = lambda session, waits: told.append((session, waits))
    for session in range(1, 20_000):
        for record in (records.OpenRecord(session, 1, 1, {}), frame(session), records.CloseRecord(session, 1, 1, {})):
            fair.add(record, "CP")
    open_now = 20_000
    fair.add(records.OpenRecord(open_now, 1, 1, {}), "CP")
    fair.add(frame(open_now), "CP")
    assert told[-1] == (open_now, True)
    put(fair, 30_000, 1)
    assert sessions(fair.take()[0])[30_000] == 1


def test_nobody_waits_where_nothing_gets_better_by_it(fair: FairQueue) -> None:
    told: list[tuple[int, bool]] = []
    fair.hold = lambda session, waits: told.append((session, waits))
    put(fair, 1, 40_000)
    fair.shared_us = float("inf")
    fair.release()
    put(fair, 1, 40_000)
    assert told == [(1, True), (1, False)]


def test_a_debt_ends_with_the_rush(fair: FairQueue) -> None:
    """The cost of a single large frame is forgotten as soon as nothing waits."""
    put(fair, 1, 1, 16_000_000)
    _, _, _, stations = fair.take()
    fair.learn_rates(stations, {1: 5_000_000.0})
    put(fair, 1, 1)
    put(fair, 2, 1)
    assert [record.session_number for record in fair.take()[0]] == [1, 2]
