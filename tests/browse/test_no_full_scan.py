"""No page reads all frames: the test shows each SQL statement of the pages to SQLite's query planner."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from inspector.browse import skip_counts
from inspector.browse.server import Recording
from tests.browse.conftest import client
from tests.browse.test_speed import DATASETTES, OURS


@pytest.mark.parametrize("address", [*OURS, *DATASETTES])
async def test_no_page_reads_all_frames(recording: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Every query of the frames uses an index or stops early.

    SQLite makes the same plan for ten frames and ten million, so a small recording is enough.
    """
    monkeypatch.setattr(skip_counts, "LONG_BYTES", 0)
    statements: list[str] = []
    connect = Recording.connect

    def watched(self: Recording, write: bool = False) -> sqlite3.Connection:
        connection = connect(self, write)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr(Recording, "connect", watched)
    silent = sqlite3.connect(recording)
    ((absent,),) = silent.execute("SELECT min(finding_id) FROM absences").fetchall()
    silent.close()
    answer = await client(recording)(f"/ocpp{address}".format(session=1, frame=180, long=1, charged=1, absent=absent))
    assert answer.status_code in (200, 404), answer.text
    asked = [statement for statement in dict.fromkeys(statements) if reads_frames(statement)]
    planner = sqlite3.connect(recording)
    # Datasette's first page of a table reads the frames in the order of their ids, up to the LIMIT.
    whole = {
        statement: plan
        for statement in asked
        if (plan := scanned(planner, statement))
        and not re.search(r"(?i)^select [^(]*from frames [^(]*order by id( desc)? limit", statement)
    }
    planner.close()
    assert not whole


def reads_frames(statement: str) -> bool:
    """Return whether a statement reads the table of frames."""
    return bool(re.search(r"(?i)\b(?:from|join)\s+\[?frames\b", statement))


def scanned(planner: sqlite3.Connection, statement: str) -> list[str]:
    """Return the steps of the plan that read all frames, or a whole index over them."""
    names = {"frames", *re.findall(r"(?i)\bframes\s+(?:as\s+)?(\w+)", statement)}
    plan = [row[3] for row in planner.execute(f"EXPLAIN QUERY PLAN {statement}")]
    return [step for step in plan if (found := re.match(r"SCAN (\w+)", step)) and found[1] in names]


def test_the_planner_is_understood(recording: Path) -> None:
    """The check reports a count of all frames, and accepts a count of one session's frames."""
    planner = sqlite3.connect(recording)
    assert scanned(planner, "SELECT count(*) FROM frames")
    assert scanned(planner, "SELECT count(*) FROM frames AS f WHERE f.direction = 'x'")
    assert not scanned(planner, "SELECT count(*) FROM frames WHERE session_id = 3")
    planner.close()
