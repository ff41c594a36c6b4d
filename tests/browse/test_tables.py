"""Datasette's own pages about a recording, with our titles, descriptions and cells."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest
from datasette.app import Datasette

from inspector.browse import cells, metadata, queries
from inspector.browse.plugin import recordings
from tests.browse.charging import HOSTILE
from tests.browse.conftest import Get


@pytest.mark.parametrize("table", [name for name, facts in metadata.TABLES.items() if not facts.get("hidden")])
async def test_every_table_is_titled_and_described(get: Get, table: str) -> None:
    """Every table has a title besides its SQL name."""
    page = (await get(f"/ocpp/{table}")).text
    assert f"<h1>{metadata.TABLES[table]['title']}" in page  # Datasette marks a view
    assert metadata.TABLES[table]["description"] in page


async def test_frames_come_newest_first_with_arrows_and_readable_json(get: Get) -> None:
    """The table of frames shows arrows for directions and laid-out JSON."""
    page = (await get("/ocpp/frames?_size=60")).text
    ids = [int(number) for number in re.findall(r'href="/ocpp/frames/(\d+)">\1<', page)]
    assert ids == sorted(ids, reverse=True)
    assert "charge point → CSMS" in page
    assert "CSMS → charge point" in page
    assert "CALLRESULT" in page
    assert "  &#34;currentTime&#34;: &#34;" in page


async def test_columns_are_in_the_order_of_the_design(get: Get) -> None:
    """The columns that a reader looks for first come first."""
    columns = (await get("/ocpp/frames.json?_size=1")).json()["columns"]
    assert columns[:10] == [
        *(
            "id",
            "session_id",
            "ts",
            "direction",
            "msg_type",
            "action",
            "valid",
            "max_severity",
            "latency_us",
            "payload",
        ),
    ]


def test_facets_and_sorts_name_indexed_columns(recording: Path) -> None:
    """A facet over a column without an index would time out on a long recording."""
    connection = sqlite3.connect(recording)
    for table, facts in metadata.TABLES.items():
        indexed = {"id"}
        for _, index, *_ in connection.execute(f"PRAGMA index_list({table})"):
            indexed.add(connection.execute(f"PRAGMA index_info({index})").fetchone()[2])
        wanted = {*facts.get("facets", []), *filter(None, [facts.get("sort"), facts.get("sort_desc")])}
        wanted |= set(facts.get("sortable_columns", []))
        assert wanted <= indexed, table
    connection.close()


def test_descriptions_name_columns_that_exist(recording: Path) -> None:
    """A description of a column that is gone would never be seen."""
    connection = sqlite3.connect(recording)
    for table, facts in metadata.TABLES.items():
        columns = {row[1] for row in connection.execute(f"PRAGMA table_xinfo({table})")}
        assert set(facts.get("columns", {})) <= columns, table
    connection.close()


@pytest.mark.parametrize("name", list(queries.canned()))
async def test_each_canned_query_answers(get: Get, name: str) -> None:
    """Each has rows in a recording with good and bad sessions, and a title."""
    answer = await get(f"/ocpp/{name}.json?_shape=objects")
    assert answer.status_code == 200
    assert answer.json()["rows"]
    assert queries.canned()[name]["title"] in (await get(f"/ocpp/{name}")).text


async def test_latency_by_action_has_true_percentiles(get: Get, recording: Path) -> None:
    """p50, p95 and p99 are values of the sorted latencies at their ranks."""
    connection = sqlite3.connect(recording)
    latencies = [
        row[0]
        for row in connection.execute(
            "SELECT latency_us FROM frames WHERE action = 'MeterValues' AND latency_us IS NOT NULL ORDER BY 1"
        )
    ]
    connection.close()
    rows = (await get("/ocpp/latency-by-action.json?_shape=array")).json()
    (row,) = [row for row in rows if row["action"] == "MeterValues"]
    assert row["answers"] == len(latencies) == 90
    assert (row["p50_us"], row["p95_us"], row["p99_us"]) == (latencies[44], latencies[85], latencies[89])


async def test_the_dashboard_and_the_query_tell_the_same_latencies(get: Get) -> None:
    """The dashboard's faster computation of percentiles has the same results as the query."""
    rows = (await get("/ocpp/latency-by-action.json?_shape=array")).json()
    board = (await get("/ocpp/-/dashboards.json")).json()["latency"]
    assert sorted(board, key=str) == sorted(rows, key=str)


async def test_unanswered_calls_are_the_ones_without_an_answer(get: Get) -> None:
    """Only the bad session has unanswered CALLs: a Heartbeat, and the one before the connection broke."""
    rows = (await get("/ocpp/unanswered-calls.json?_shape=array")).json()
    assert [(row["charge_point_id"], row["action"]) for row in rows] == [
        ("CP-DEPOT-07", "Heartbeat"),
        ("CP-DEPOT-07", "MeterValues"),
    ]


async def test_what_the_wire_brings_is_escaped(get: Get) -> None:
    """A vendor name that is a script element appears as text and does not run."""
    for address in ("/ocpp/charge_points", "/ocpp/frames?session_id=2", "/ocpp/findings"):
        page = (await get(address)).text
        assert HOSTILE not in page
        assert "&lt;script&gt;alert(1)" in page


def test_other_databases_are_left_alone(tmp_path: Path, recording: Path) -> None:
    """If Datasette serves other files too, only the recording gets our pages."""
    foreign = tmp_path / "foreign.db"
    sqlite3.connect(foreign).execute(
        "CREATE TABLE frames (id INTEGER PRIMARY KEY, msg_type INTEGER)"
    ).connection.close()
    ds = Datasette([str(foreign), str(recording)])
    assert list(recordings(ds)) == ["traffic"]


async def test_a_foreign_table_of_the_same_name_looks_as_ever(tmp_path: Path) -> None:
    """A database that is not a recording gets none of our cells, headers and queries."""
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE frames (id INTEGER PRIMARY KEY, msg_type INTEGER)")
        connection.execute("INSERT INTO frames VALUES (1, 2)")
    connection.close()
    answer = await Datasette([str(foreign)]).client.get("/foreign/frames", headers={"host": "any.example"})
    assert answer.status_code == 200
    assert "CALL" not in answer.text
    assert "chargesentinel" not in answer.text
    assert "content-security-policy" not in answer.headers


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("latency_us", 34_000, "34 ms"),
        ("size", 1_048_576, "1.05 MB"),
        ("meter_stop_wh", 12_345.6, "12.35 kWh"),
        ("opened_ns", 1_782_986_400_123_000_000, "2026-07-02 10:00:00.123"),
        ("cp_close_code", 1006, "1006 connection lost"),
        ("direction", HOSTILE, "&lt;script&gt;"),
        ("severity", HOSTILE, "&lt;script&gt;"),
        ("rule_id", "a/b.c", "/ocpp/rules/a~2Fb~2Ec"),
    ],
)
def test_a_cell_reads_well(column: str, value: object, shown: str) -> None:
    """Values have units and words; unexpected values are escaped and shown as they are."""
    assert shown in str(cells.render("x", column, value, "/ocpp"))
