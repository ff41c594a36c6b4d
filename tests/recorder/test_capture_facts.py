"""A recording remembers what its capture could not show, so that no rule blames a peer for that."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from inspector import records
from inspector.formats.inputs import open_input
from inspector.offline.check import check
from inspector.offline.store_records import store
from inspector.records import Record
from inspector.rules.finding import Finding, Side
from inspector.store.writing.writer import Writer

NOON = 1_767_268_800_000_000_000
HOUR_NS = 3_600_000_000_000
STATUS = '{"connectorId":1,"errorCode":"NoError","status":"Available","timestamp":"2026-01-01T12:00:00Z"}'


def session(facts: dict[str, Any], *frames: tuple[bool, str, dict[str, Any] | None], at: int = NOON) -> list[Record]:
    opened: Any = {"charge_point_id": "CP1", "ocpp_version": "1.6", "from_start": False, **facts}
    steps = [records.OpenRecord(1, at, at, opened)]
    for number, (up, raw, notes) in enumerate(frames):
        steps.append(records.FrameRecord(1, at + number, at + number, up, records.TEXT, raw.encode(), notes))
    return [*steps, records.CloseRecord(1, at + 99, at + 99, {"closed_by": "unknown"})]


def judged(steps: list[Record]) -> list[Finding]:
    return [found.finding for found in check(steps).findings]


def judged_again(steps: list[Record], path: Path) -> list[Finding]:
    store(steps, Writer(path, tool_version="test", holder="test"))
    return judged([step for step, _ in open_input(str(path))])


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    return sorted((finding.rule_id, str(finding.side)) for finding in findings)


@pytest.mark.parametrize(
    ("facts", "hours", "skew"),
    [
        ({}, 2, True),
        ({}, 0, False),
        ({"utc_offset_s": 7200}, 2, False),
        ({"utc_offset_s": -7200}, 2, True),
        ({"clock": "unknown"}, 2, False),
        ({"timed": False}, 2, False),
    ],
)
def test_date_times_are_held_against_frames_only_where_the_offset_of_their_times_is_known(
    tmp_path: Path, facts: dict[str, Any], hours: int, skew: bool
) -> None:
    late = session(facts, (True, f'[2,"1","StatusNotification",{STATUS}]', None), at=NOON + hours * HOUR_NS)
    late[0] = late[0]._replace(ts_ns=NOON - 9 * HOUR_NS)
    now = judged(late)
    assert ("time.skew" in {finding.rule_id for finding in now}) is skew
    assert told(judged_again(late, tmp_path / "a.db")) == told(now)


def test_times_are_stored_as_they_came_whatever_their_offset(tmp_path: Path) -> None:
    steps = session({"utc_offset_s": 7200}, (True, '[2,"1","Nonsense",{}]', None))
    store(steps, Writer(tmp_path / "a.db", tool_version="test", holder="test"))
    with sqlite3.connect(tmp_path / "a.db") as db:
        sql = (
            "SELECT DISTINCT ts_ns FROM (SELECT ts_ns FROM frames UNION SELECT ts_ns FROM findings WHERE frame_id = 1)"
        )
        assert db.execute(sql).fetchall() == [(NOON,)]
        (detail,) = db.execute("SELECT detail FROM events WHERE kind = 'capture'").fetchone()
    assert json.loads(detail) == {"from_start": False, "utc_offset_s": 7200}


def test_a_frame_that_a_log_broke_off_is_stored_and_nobody_is_accused(tmp_path: Path) -> None:
    steps = session(
        {}, (True, f'[2,"1","StatusNotification",{STATUS[:30]}', {"cut": True}), (False, '[3,"1",{}]', None)
    )
    assert judged(steps) == []
    assert judged_again(steps, tmp_path / "a.db") == []
    with sqlite3.connect(tmp_path / "a.db") as db:
        assert db.execute("SELECT valid, action FROM frames").fetchall()[0] == (None, "StatusNotification")


def test_no_side_is_accused_of_a_frame_whose_sender_is_a_guess(tmp_path: Path) -> None:
    steps = session({}, (True, '[2,"1","Nonsense",{}]', {"direction": "guessed"}))
    found = judged(steps)
    assert found and {finding.side for finding in found} == {Side.LINK}
    assert told(judged_again(steps, tmp_path / "a.db")) == told(found)
