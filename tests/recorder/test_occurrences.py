"""Every occurrence of a finding is stored: counts are right, and each occurrence has its frame."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from inspector import records
from inspector.offline.anonymize import anonymize
from inspector.offline.check import check
from inspector.recorder.recorder import Summary
from inspector.recorder.start import start_recorder
from inspector.rules.finding import OCCURRENCES_KEPT
from inspector.store.files.connection import open_recording
from inspector.store.reading.occurrences import findings_on, frames_of
from inspector.store.reading.stored_records import read
from inspector.store.schema import connect
from inspector.store.writing.pruning import plan, prune
from tests.database import rows

HEARTBEAT = '[2,"{}","Heartbeat",{}]'
ANSWER = '[3,"{}",{{"currentTime":"2026-01-01T12:00:00Z"}}]'
START = 1_767_268_800_000_000_000
SECOND = 1_000_000_000


def recorded(path: Path, steps: list[tuple[Any, ...]]) -> Summary:
    recorder = start_recorder(path, holder="test")
    for step in steps:
        recorder.put(step)
    return recorder.close()


def opened(link: int = 1, **facts: Any) -> tuple[Any, ...]:
    return records.OpenRecord(link, START, START, {"charge_point_id": f"CP{link}", "subprotocol": "ocpp1.6", **facts})


def said(at: int, raw: str, *, up: bool = True, link: int = 1) -> tuple[Any, ...]:
    now = START + at * SECOND
    return records.FrameRecord(link, now, now, up, records.TEXT, raw.encode())


def beats(wrong: list[bool]) -> list[tuple[Any, ...]]:
    """Record answered heartbeats, one a second, some of them with an unknown member."""
    frames = []
    for number, bad in enumerate(wrong):
        frames += [
            said(number, HEARTBEAT.format(number, '{"x":1}' if bad else "{}")),
            said(number, ANSWER.format(number), up=False),
        ]
    return frames


OCCURRED = "SELECT o.frame_id FROM occurrences o JOIN findings f ON f.id = finding_id WHERE f.rule_id = '{}' ORDER BY 1"


@settings(max_examples=15)
@given(wrong=st.lists(st.booleans(), min_size=1, max_size=12))
def test_every_frame_that_breaks_a_rule_is_an_occurrence(wrong: list[bool], tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("recording") / "t.db"
    summary = recorded(path, [opened(from_start=False), *beats(wrong)])
    expected = [(1 + 2 * number,) for number, bad in enumerate(wrong) if bad]
    assert rows(path, OCCURRED.format("payload.schema")) == expected
    counted = rows(path, "SELECT coalesce(sum(count), 0) FROM findings WHERE rule_id = 'payload.schema'")
    assert counted == [(len(expected),)]
    assert summary.errors == len(expected) == rows(path, "SELECT error_count FROM sessions")[0][0]
    assert summary.findings == rows(path, "SELECT coalesce(sum(count), 0) FROM findings")[0][0]


def test_one_look_that_finds_several_frames_gives_each_its_occurrence_and_its_mark(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    calls = [said(0, f'[2,"{n}","DataTransfer",{{"vendorId":"V"}}]') for n in range(3)]
    recorded(path, [opened(from_start=False), *calls, said(60, HEARTBEAT.format("h", "{}"))])
    assert rows(path, OCCURRED.format("rpc.no-answer")) == [(1,), (2,), (3,)]
    assert rows(path, "SELECT count FROM findings WHERE rule_id = 'rpc.no-answer'") == [(3,)]
    assert rows(path, "SELECT id FROM frames WHERE max_severity = 'warning'") == [(1,), (2,), (3,)]


def test_what_repeats_without_end_is_counted_and_keeps_no_more_than_so_many_frames(tmp_path: Path) -> None:
    path, many = tmp_path / "t.db", OCCURRENCES_KEPT + 50
    summary = recorded(path, [opened(from_start=False), *beats([True] * many)])
    ((count, last),) = rows(path, "SELECT count, last_frame_id FROM findings WHERE rule_id = 'payload.schema'")
    assert (count, last) == (many, 2 * many - 1)
    assert len(rows(path, OCCURRED.format("payload.schema"))) == OCCURRENCES_KEPT
    assert rows(path, "SELECT count(*) FROM frames WHERE max_severity = 'error'") == [(many,)]
    assert summary.errors == many


def test_pruning_takes_the_occurrences_of_the_frames_it_takes(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    recorded(path, [opened(from_start=False), *beats([True] * 6), said(7, "pong", link=2)])
    limit = START + 3 * SECOND
    with closing(connect(path).conn) as db:
        prune(db, plan(db, limit, []), limit, [], time.time_ns(), lambda gone: None)
    assert rows(path, OCCURRED.format("payload.schema")) == [(7,), (9,), (11,)]
    with closing(connect(path).conn) as db:
        prune(db, plan(db, None, ["CP1"]), None, ["CP1"], time.time_ns(), lambda gone: None)
    assert rows(path, "SELECT count(*) FROM occurrences WHERE frame_id NOT IN (SELECT id FROM frames)") == [(0,)]
    assert rows(path, OCCURRED.format("payload.schema")) == []


def test_an_anonymized_copy_keeps_the_occurrences(tmp_path: Path) -> None:
    path, copy = tmp_path / "t.db", tmp_path / "copy.db"
    recorded(path, [opened(from_start=False), *beats([True, False, True])])
    anonymize(path, copy, {}, lambda done, all: None)
    assert rows(copy, "SELECT * FROM occurrences") == rows(path, "SELECT * FROM occurrences") != []


def test_check_names_the_frames_that_the_recording_names(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    recorded(path, [opened(from_start=False), *beats([True, False, True, True])])
    found = check(record for record, _ in read(path)).findings
    told = {one.finding.rule_id: list(one.frames) for one in found}
    assert told["payload.schema"] == [frame for (frame,) in rows(path, OCCURRED.format("payload.schema"))]


def test_a_failed_attempt_has_findings_without_a_session(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    heads = [["Connection", "Upgrade"], ["Upgrade", "websocket"], ["Sec-WebSocket-Version", "13"]]
    heads += [["Sec-WebSocket-Key", "a"], ["Sec-WebSocket-Protocol", "OCPP1.6"]]
    detail = {"charge_point_id": "CP1", "status": 400, "request_headers": heads}
    now = time.time_ns()
    events = [records.EventRecord(0, now + n, now + n, "rejected-upgrade", detail) for n in range(3)]
    summary = recorded(path, events)
    found = rows(path, "SELECT rule_id, count, session_id, frame_id FROM findings")
    assert found == [("link.subprotocol-spelling", 3, None, None)]
    assert (summary.sessions, summary.findings, summary.errors) == (0, 3, 3)
    checked = check(record for record, _ in read(path))
    assert [(one.finding.rule_id, one.finding.count, one.session) for one in checked.findings] == [
        ("link.subprotocol-spelling", 3, 0)
    ]
    assert checked.failed_attempts == {"the CSMS answered 400": 3}


def test_a_file_from_before_there_were_occurrences_gets_those_that_it_knows(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    recorded(path, [opened(from_start=False), *beats([True, True, True])])
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            "DROP TABLE occurrences; DELETE FROM _sqlite_migrations WHERE name = '0002_occurrences';"
            "UPDATE sessions SET error_count = 1"
        )
    with closing(open_recording(path)) as db:  # read before a migration changes it
        assert db.execute("SELECT count FROM findings WHERE rule_id = 'payload.schema'").fetchall() == [(3,)]
    connect(path).conn.close()
    assert rows(path, OCCURRED.format("payload.schema")) == [(1,), (5,)]
    assert rows(path, "SELECT error_count FROM sessions") == [(3,)]
    assert json.loads(json.dumps(rows(path, "PRAGMA foreign_key_check"))) == []


def test_a_finding_leads_to_its_frames_and_each_of_them_back_to_it(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    recorded(path, [opened(from_start=False), *beats([True, False, True, True])])
    ((number,),) = rows(path, "SELECT id FROM findings WHERE rule_id = 'payload.schema'")
    with closing(open_recording(path)) as db:
        assert frames_of(db, number) == [1, 5, 7]
        assert frames_of(db, number, after=1, limit=1) == [5]
        on = {frame: [one.id for one in findings_on(db, frame)] for frame in (1, 3, 5, 7)}
    assert {frame: number in found for frame, found in on.items()} == {1: True, 3: False, 5: True, 7: True}
