"""A frame that is missing again and again: each time is kept, through rotation, pruning and copies."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.offline.anonymize import anonymize
from inspector.rules.finding import OCCURRENCES_KEPT, Finding, Severity, Side
from inspector.store.files.connection import open_recording
from inspector.store.reading.occurrences import absences, silent_findings, ticks
from inspector.store.schema import connect
from inspector.store.writing.pruning import plan, prune
from tests.database import rows
from tests.recorder.test_occurrences import ANSWER, HEARTBEAT, SECOND, START, opened, recorded, said

BOOT = '[2,"b","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'
ACCEPTED = '[3,"b",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":60}]'
RULE = "heartbeat.gap"
TIMES = f"SELECT a.ts_ns FROM absences a JOIN findings f ON f.id = finding_id WHERE f.rule_id = '{RULE}' ORDER BY 1"
COUNT = f"SELECT coalesce(sum(count), 0) FROM findings WHERE rule_id = '{RULE}'"


def silent(pauses: list[int]) -> list[tuple[object, ...]]:
    """A charge point that has to send a heartbeat each minute, and sends them after these pauses."""
    steps = [opened(), said(0, BOOT), said(0, ACCEPTED, up=False)]
    now = 0
    for number, pause in enumerate(pauses):
        now += pause
        steps += [said(now, HEARTBEAT.format(number, "{}")), said(now, ANSWER.format(number), up=False)]
    return steps


@settings(max_examples=10)
@given(pauses=st.lists(st.sampled_from([30, 600]), min_size=1, max_size=8))
def test_each_time_a_frame_is_missing_is_kept(pauses: list[int], tmp_path_factory: object) -> None:
    path = tmp_path_factory.mktemp("absences") / "t.db"  # type: ignore[attr-defined]
    recorded(path, silent(pauses))
    times = rows(path, TIMES)
    assert [(len(times),)] == rows(path, COUNT)
    assert len(times) >= pauses.count(600)
    with closing(open_recording(path)) as db:
        assert [each.ts_ns for each in ticks(db, 1, 100) if each.rule_id == RULE] == [ns for (ns,) in times]
        assert [each.ts_ns for each in absences(db, silent_findings(db, 1, [RULE]))] == [ns for (ns,) in times]


def test_no_more_than_so_many_times_are_kept() -> None:
    finding = Finding("r", Severity.INFO, Side.LINK, "m", None, None, 0, None, None)
    for place in range(OCCURRENCES_KEPT + 9):
        finding.missed(place)
    assert len(finding.take_times()) == OCCURRENCES_KEPT
    assert finding.take_times() == []


def test_pruning_takes_the_times_that_are_too_old_and_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    recorded(path, silent([600, 600, 30, 600]))
    times = [ns for (ns,) in rows(path, TIMES)]
    limit = START + 1300 * SECOND
    later = [ns for ns in times if ns >= limit]
    assert 0 < len(later) < len(times)
    with closing(connect(path).conn) as db:
        prune(db, plan(db, limit, []), limit, [], time.time_ns(), lambda gone: None)
    assert [ns for (ns,) in rows(path, TIMES)] == later
    assert rows(path, f"SELECT ts_ns FROM findings WHERE rule_id = '{RULE}'") == [(later[0],)]
    with closing(connect(path).conn) as db:
        prune(db, plan(db, None, ["CP1"]), None, ["CP1"], time.time_ns(), lambda gone: None)
    assert rows(path, "SELECT count(*) FROM absences") == [(0,)]


def test_an_anonymized_copy_keeps_them(tmp_path: Path) -> None:
    path, copy = tmp_path / "t.db", tmp_path / "copy.db"
    recorded(path, silent([600, 600]))
    anonymize(path, copy, {}, lambda done, all: None)
    assert rows(copy, TIMES) == rows(path, TIMES) != []


def test_an_older_file_is_read_with_the_first_time_of_each_and_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    recorded(path, silent([600, 600]))
    first = rows(path, TIMES)[:1]
    with closing(sqlite3.connect(path)) as db:
        db.executescript("DROP TABLE absences; DELETE FROM _sqlite_migrations WHERE name = '0004_absences'")
    with closing(open_recording(path)) as db:
        assert [(each.ts_ns,) for each in absences(db, silent_findings(db, 1, [RULE]))] == first
        assert [(each.ts_ns,) for each in ticks(db, 1, 100) if each.rule_id == RULE] == first
    connect(path).conn.close()
    assert rows(path, TIMES) == first
