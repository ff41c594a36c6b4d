"""Several processes that share the charge points of an input find what one process finds."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from inspector.errors import UserMistake
from inspector.offline.check import Checked, check
from inspector.offline.parallel_check import JudgeEnded, check_in_parallel
from inspector.protocol.vocabulary import OcppVersion
from inspector.records import TEXT, EventRecord, FrameRecord, GapRecord, OpenRecord, Record
from inspector.rules.context import Moment
from tests.journeys.test_one_feed import by_turns, cases, ended


def side_by_side(chosen: list[Any], seed: int) -> list[Record]:
    """Return the cases as charge points of one input: of two runs of a recorder, with gaps between their frames."""
    luck = random.Random(seed)
    waiting: list[list[Record]] = []
    for number, parameters in enumerate(chosen):
        version, case = parameters.values
        own = [step for step in ended(case["script"], version) if not isinstance(step, Moment)]
        waiting.append([_renamed(record, number) for record in own])
    played: list[Record] = []
    later = waiting[len(waiting) // 2 :]
    for run in (waiting[: len(waiting) // 2], later):
        while any(run):
            at = luck.randrange(len(run))
            if run[at]:
                played.append(run[at].pop(0))
            else:
                del run[at]
            if luck.random() < 0.0002:
                last = played[-1]
                played.append(GapRecord(0, last.ts_ns, last.mono_ns, 3, last.ts_ns - 1, {}))
    return played


def _renamed(record: Record, number: int) -> Record:
    session = record.session_number and record.session_number + number * 1000
    if isinstance(record, OpenRecord):
        facts: Any = {**record.facts, "charge_point_id": f"CP-{number}", "recording_id": number % 2}
        return record._replace(session_number=session, facts=facts)
    if isinstance(record, EventRecord) and "charge_point_id" in record.detail:
        return record._replace(session_number=session, detail={**record.detail, "charge_point_id": f"CP-{number}"})
    return record._replace(session_number=session)


def seen(checked: Checked) -> list[Any]:
    found = [(one.session, one.charge_point_id, one.finding, list(one.frames)) for one in checked.findings]
    return [checked.frames, checked.sessions, checked.unjudged, checked.failed_attempts, *map(repr, found)]


def compare(chosen: list[Any], seed: int) -> None:
    records = side_by_side(chosen, seed)
    alone = seen(check(records))
    assert len(alone) > len(chosen) / 4, "many cases have a finding"
    assert seen(check_in_parallel(records, processes=3, long=1)) == alone


def test_several_processes_find_what_one_finds_in_the_same_order() -> None:
    """The charge points play cases of rules at the same time."""
    compare(by_turns(cases("boot", "link", "attempt*", "transaction"))[::2], 1)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_several_processes_find_what_one_finds_in_the_cases_of_all_rules() -> None:
    """This is the same comparison with every case of every rule."""
    compare([one for versions in cases("*") for one in versions], 2)


def heartbeats() -> Iterator[Record]:
    """Yield an endless session."""
    yield OpenRecord(1, 1, 1, {"charge_point_id": "CP1", "ocpp_version": OcppVersion.V16.value})
    number = 0
    while True:
        number += 1
        yield FrameRecord(1, number, number, True, TEXT, b'[2,"%d","Heartbeat",{}]' % number)


@pytest.mark.timeout(60)
def test_a_killed_judge_is_reported_and_ends_the_check() -> None:
    """The process that reads gets an error, although its input goes on."""

    def killed() -> Iterator[Record]:
        yield from islice(heartbeats(), 5_000)
        for each in multiprocessing.active_children():
            each.kill()
        yield from heartbeats()

    with pytest.raises(JudgeEnded, match="killed"):
        check_in_parallel(killed(), processes=2, long=100)


def test_no_judge_is_left_when_the_input_cannot_be_read_to_its_end() -> None:
    """The error of the input reaches the caller."""

    def damaged() -> Iterator[Record]:
        yield from islice(heartbeats(), 2_000)
        raise UserMistake("damaged")

    before = set(multiprocessing.active_children())
    with pytest.raises(UserMistake, match="damaged"):
        check_in_parallel(damaged(), processes=2, long=100)
    assert set(multiprocessing.active_children()) == before


def test_a_short_input_is_judged_in_the_process_that_reads_it() -> None:
    """Starting processes would take longer than judging."""
    started = []

    def short() -> Iterator[Record]:
        for record in islice(heartbeats(), 50):
            started.extend(multiprocessing.active_children())
            yield record

    assert check_in_parallel(short(), processes=2).frames == 49
    assert not started
