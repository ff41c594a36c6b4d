"""Dashboards: a range of time, charts whose columns add up, and bars that lead somewhere."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.browse.views.time_range import TimeRange, time_marks, top_of
from inspector.records import EventRecord
from tests.browse import faulty
from tests.browse.charging import Recording
from tests.browse.conftest import Get, client

SEVERITIES = ("error", "warning", "info")


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faulty.several(tmp_path_factory.mktemp("boards") / "several.db")


@pytest.fixture(scope="module")
def ask(several: Path) -> Get:
    return client(several)


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(path) as db:
        found = db.execute(sql).fetchall()
    db.close()
    return found


async def test_the_columns_over_time_add_up_to_the_figures(several: Path, ask: Get) -> None:
    """Every occurrence is in the column of its time; those whose times are not kept are counted beside."""
    board = (await ask("/ocpp/-/dashboards.json")).json()
    drawn = Counter({name: sum(row[f"{name}s"] for row in board["findings"]) for name in SEVERITIES})
    whole = dict(rows(several, "SELECT severity, sum(count) FROM findings GROUP BY 1"))
    assert sum(drawn.values()) + board["findings_elsewhen"] == sum(whole.values())
    assert [board["figures"][f"{name}s"] for name in SEVERITIES] == [whole.get(name, 0) for name in SEVERITIES]
    times = [ns for (ns,) in rows(several, """SELECT r.ts_ns FROM occurrences o JOIN frames r ON r.id = o.frame_id
        UNION ALL SELECT ts_ns FROM absences""")]  # fmt: skip
    assert sum(drawn.values()) == len(times)


async def test_a_range_shows_the_sessions_that_were_open_in_it(several: Path, ask: Get) -> None:
    """Their findings, transactions and latency, and nothing of the others."""
    first = (await ask("/ocpp/sessions/1.json")).json()["session"]
    board = (await ask(f"/ocpp/-/dashboards.json?from={first['opened']}&until={first['closed']}")).json()
    assert board["figures"]["sessions"] == 1
    assert {row["rule_id"]: row["times"] for row in board["rules"]} == dict(
        rows(several, "SELECT rule_id, sum(count) FROM findings WHERE session_id = 1 GROUP BY 1")
    )
    assert [row["charge_point_id"] for row in board["connections"]] == ["VEST-052"]
    assert [row["charge_point_id"] for row in board["energy"]] == ["VEST-052"]
    answers = rows(several, "SELECT count(*) FROM frames WHERE session_id = 1 AND latency_us IS NOT NULL")
    assert sum(row["answers"] for row in board["latency"]) == answers[0][0]
    assert board["range"]["chosen"]
    home = (await ask(f"/ocpp/-/home.json?from={first['opened']}&until={first['closed']}")).json()
    assert [row["id"] for row in home["sessions"]] == [1]
    empty = (await ask("/ocpp/-/dashboards.json?from=2001-01-01&until=2001-01-02")).json()
    assert (empty["figures"]["sessions"], empty["rules"], empty["findings"]) == (0, [], [])
    for nonsense in ("yesterday", "-1", "9999-99-99", "0001-01-01"):
        assert (await ask(f"/ocpp/-/dashboards?from={nonsense}&until=x")).status_code == 200


async def test_every_bar_and_cell_leads_somewhere(ask: Get) -> None:
    """Cells to where this make broke this rule, columns to their span of time, bars to what they are about."""
    page = (await ask("/ocpp/-/dashboards")).text
    cells = re.findall(r'<td class="heat [^>]*style[^>]*>(.*?)</td>', page)
    assert cells
    assert all("<a href=" in cell for cell in cells)
    assert re.search(r'href="/ocpp/rules/meter[^/]+falls\?make=Vestel\+EVC04-AC22"', page)
    for drawn in re.findall(r"<rect [^>]*class=\"(?:cs-\w+|again|)\"[^>]*>|class=\"(?:hbar|stack)[^\"]*\"[^>]*>", page):
        assert "rect" in drawn or "href=" in drawn, drawn
    assert not re.search(r"<span class=\"(hbar|stack)", page)
    rule = (await ask("/ocpp/rules/meter.register-falls.json?make=Vestel+EVC04-AC22")).json()
    assert {row["charge_point_id"] for row in rule["findings"]} == {"VEST-052"}
    other = (await ask("/ocpp/rules/meter.register-falls?make=No+Such")).text
    assert "No session of this make broke it" in other
    home = (await ask("/ocpp/-/home.json?make=Vestel+EVC04-AC22")).json()
    assert [row["charge_point_id"] for row in home["sessions"]] == ["VEST-052"]


async def test_a_recording_without_times_has_dashboards(tmp_path: Path) -> None:
    """Frames that are only numbered have no place in time, but their findings count."""
    recording = Recording(tmp_path / "untimed.db", start_ns=1_000_000)
    link = recording.connect("CP-U", timed=False)
    link.boot()
    link.call("StatusNotification", {"connectorId": 1, "errorCode": "Error", "status": "Available"}, {})
    link.close()
    get = client(recording.finish())
    board = (await get("/ocpp/-/dashboards.json")).json()
    assert board["range"] is None
    assert board["figures"]["errors"] == sum(row["times"] for row in board["rules"] if row["severity"] == "error") > 0
    assert (await get("/ocpp/-/dashboards")).status_code == 200


async def test_the_dashboards_count_what_the_queries_count(several: Path, ask: Get) -> None:
    """One pass over the findings gives the rows of the four canned queries."""
    board = (await ask("/ocpp/-/dashboards.json")).json()
    for name, kind in (("rule", "rules"), ("model", "models"), ("charge-point", "charge_points")):
        told = (await ask(f"/ocpp/findings-by-{name}.json?_shape=array&_size=max")).json()
        mine = [{key: value for key, value in row.items() if key != "title"} for row in board[kind]]
        assert sorted(map(str, mine)) == sorted(map(str, told)), name
    cells = (await ask("/ocpp/findings-by-make-and-rule.json?_shape=array&_size=max")).json()
    assert sum(row["times"] for row in cells) == sum(sum(make["times"]) for make in board["matrix"]["makes"])


async def test_a_failed_attempt_is_not_of_the_charge_point_without_a_name(tmp_path: Path) -> None:
    """A session without a charge point id has a make; findings outside of any session have none."""
    recording = faulty.Recording(tmp_path / "nameless.db")
    link = recording.connect("")
    link.boot("Nameless", "N1")
    link.call("StatusNotification", {"connectorId": 1, "errorCode": "Error", "status": "Available"}, {})
    link.close()
    heads = [["Connection", "Upgrade"], ["Upgrade", "websocket"], ["Sec-WebSocket-Version", "13"]]
    heads += [["Sec-WebSocket-Key", "a"], ["Sec-WebSocket-Protocol", "OCPP1.6"]]
    for _ in range(4):
        refused = {"charge_point_id": "CP-X", "status": 400, "request_headers": heads}
        recording.wait(1)
        recording.pipeline.take(EventRecord(0, recording.now, recording.now, "rejected-upgrade", refused))
    get = client(recording.finish())
    cells = (await get("/ocpp/findings-by-make-and-rule.json?_shape=array")).json()
    board = (await get("/ocpp/-/dashboards.json")).json()
    rules = [each["rule_id"] for each in board["matrix"]["rules"]]
    mine = {
        (make["vendor"], rule): times
        for make in board["matrix"]["makes"]
        for rule, times in zip(rules, make["times"], strict=True)
        if times
    }
    assert mine == {(row["vendor"], row["rule_id"]): row["times"] for row in cells}
    assert {vendor for vendor, _ in mine} == {"Nameless", "?"}


@given(since=st.integers(10**18, 2 * 10**18), long=st.integers(10**7, 10**17))
def test_time_marks_are_in_the_range_and_do_not_collide(since: int, long: int) -> None:
    """At most eight, in order, at least a tenth of the axis apart."""
    marks = time_marks(TimeRange(since, since + long, since, since + long, False))
    assert len(marks) <= 8
    assert all(0 <= mark["at"] <= 100 for mark in marks)
    assert all(b["at"] - a["at"] >= 10 for a, b in pairwise(marks))


@given(st.integers(0, 10**9))
def test_a_value_axis_ends_at_a_round_number_above_its_values(value: int) -> None:
    """Not far above, and 0 is its lowest mark."""
    top, marks = top_of(value)
    assert max(1, value) <= top <= max(1, 2 * value)
    assert marks[0] == top
    assert marks[-1] == 0
