"""Whatever SQL somebody types: no query exceeds the limits of time and memory, and normal queries still work."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from datasette.app import Datasette
from datasette.database import Database

from inspector.browse import query_worker
from inspector.browse.query_process import LONGEST_GRACE_S
from tests.browse import charging
from tests.browse.charging import Recording
from tests.browse.conftest import Get
from tests.processes import Program

NUMBERS = "with recursive n(x) as (select 1 union all select x + 1 from n)"
HEAVY = {
    "values larger than any frame": ("select randomblob(500000000) from frames", "too big"),
    "many values": (f"{NUMBERS} select zeroblob(20000000) from n", "larger than 100 MB"),
    "many values in one row": (f"select {', '.join(['hex(zeroblob(20000000))'] * 9)}", "256 MiB|too long"),
    "a list that grows": (f"{NUMBERS} select json_group_array(hex(zeroblob(9000000))) from n", "256 MiB|too long"),
}
"""By what they need: SQL, and a word of what is said about it."""

SQL, WHERE = "/ocpp.json?sql={}", "/ocpp/frames.json?_where=({})"
ENDLESS = {
    "a search in one long text": "select instr(hex(zeroblob(9000000)), hex(zeroblob(4000000)) || '1')",
    "a long pattern": "select hex(zeroblob(9000000)) like '%' || hex(zeroblob(20000)) || '1%'",
    "steps without end": f"{NUMBERS} select count(*) from n",
}


def children(pid: int) -> list[int]:
    return [int(text) for path in Path(f"/proc/{pid}/task").glob("*/children") for text in path.read_text().split()]


def largest_mib(pid: int) -> int:
    """Return the peak memory of a process in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


@pytest.fixture(scope="module")
def browse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, httpx.Client]]:
    recording = charging.example(tmp_path_factory.mktemp("limits") / "traffic.db")
    with Program("browse", recording, "--listen", "0") as program:
        address = program.wait_for(r"browse at (\S+)")[1]
        with httpx.Client(base_url=address, timeout=60, trust_env=False) as http:
            yield program, http


def plain(path: Path) -> Get:
    """Start Datasette without our command; return a function that asks it for pages."""
    transport = httpx.ASGITransport(app=Datasette([str(path)]).app())

    async def ask(address: str, **keywords: object) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8001") as http:
            return await http.get(address, **keywords)  # type: ignore[arg-type]

    return ask


@pytest.mark.parametrize("what", HEAVY)
def test_a_query_that_needs_too_much_is_refused(browse: tuple[Program, httpx.Client], what: str) -> None:
    """The page says why, and the memory of the server and of the query's process stays bounded."""
    program, http = browse
    sql, why = HEAVY[what]
    answer = http.get("/ocpp.json", params={"sql": sql})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert any(word in error for word in why.split("|")), error
    assert largest_mib(program.process.pid) < 300
    assert sum(map(largest_mib, children(program.process.pid))) < 700


@pytest.mark.system
@pytest.mark.parametrize(("address", "what"), [*((SQL, what) for what in ENDLESS), (WHERE, "steps without end")])
def test_no_query_takes_longer_than_it_may(browse: tuple[Program, httpx.Client], what: str, address: str) -> None:
    """Even a single SQLite function that cannot be interrupted is stopped; the next query works."""
    _, http = browse
    begin = time.monotonic()
    answer = http.get(address.format(quote(ENDLESS[what])) + "&_timelimit=300")
    spent = time.monotonic() - begin
    assert answer.status_code == 400
    assert "took too long" in answer.text
    assert spent < LONGEST_GRACE_S + 5.0
    assert http.get("/ocpp.json?sql=select+count(*)+from+frames").json()["rows"][0][0] > 10


def test_a_csv_of_what_is_too_much_is_refused(browse: tuple[Program, httpx.Client]) -> None:
    """As a table and as a query."""
    program, http = browse
    answer = http.get("/ocpp/frames.csv?_stream=on&_where=length(hex(zeroblob(90000000)))>0")
    assert answer.status_code == 400
    assert "too big" in answer.text
    assert largest_mib(program.process.pid) < 300


def test_a_csv_that_takes_too_long_says_so(browse: tuple[Program, httpx.Client]) -> None:
    """The CSV ends with one line about it; Datasette alone would send a page about an internal error."""
    _, http = browse
    answer = http.get("/ocpp/frames.csv", params={"_where": f"({ENDLESS['steps without end']})", "_timelimit": "300"})
    assert (answer.status_code, answer.text) == (400, "The query took too long; ask for less.\n")


@pytest.mark.system
async def test_a_plain_datasette_has_the_same_limits(recording: Path) -> None:
    """The plugin brings them."""
    get = plain(recording)
    base = f"/{recording.stem}.json"
    answer = await get(base, params={"sql": ENDLESS["a search in one long text"], "_timelimit": "300"})
    assert answer.status_code == 400
    assert "took too long" in answer.text
    answer = await get(base, params={"sql": HEAVY["values larger than any frame"][0]})
    assert "too big" in answer.json()["error"]


ASKED = [
    ("select * from frames", {}),
    ("select id, id, 1 as \"a \"\" b\", null, 1.5, x'00ff', cast(x'ff41' as text) from sessions", {}),
    ("select :a || $b || @c as joined", {"a": "x", "b": 'y"', "c": "é", "unused": object()}),
    ("select ? + 1", [41]),
    ("select 9223372036854775807, -1e300, ''", {}),
    ("select * from sessions where 0", {}),
    ("select id from frames order by id", {}),
    ("select nothing from frames", {}),
    ("select :missing", {}),
    ("this is no sql", {}),
    ("delete from frames", {}),
    ("PRAGMA schema_version", {}),
    ("select name from pragma_table_info('frames')", {}),
    ("select escape_fts('a b')", {}),
]


@pytest.mark.parametrize(("sql", "values"), ASKED, ids=[sql[:40] for sql, _ in ASKED])
@pytest.mark.parametrize("truncate", [True, False])
async def test_other_queries_answer_as_in_datasette(recording: Path, sql: str, values: object, truncate: bool) -> None:
    """Rows, column names, types and errors are the same as without our separate process for queries."""
    ds = Datasette([str(recording)], settings={"max_returned_rows": 20})
    database = ds.databases[recording.stem]
    outcomes = []
    for isolated in (False, True):
        if isolated:
            query_worker.isolate(database)
        try:
            found = await database.execute(sql, values, truncate=truncate, log_sql_errors=False)
        except sqlite3.Error as error:
            outcomes.append((type(error), str(error)))
        else:
            names = [column[0] for column in found.description or ()]
            rows = [(type(row), row.keys(), tuple(row), dict(row)) for row in found.rows]
            outcomes.append((names if rows else None, rows, found.truncated))
    assert outcomes[0] == outcomes[1]


async def test_a_file_that_takes_the_place_of_another_is_asked(tmp_path: Path) -> None:
    """As with --rotate, where the path is a link to the newest file."""
    first, second, link = charging.example(tmp_path / "1.db"), Recording(tmp_path / "2.db").finish(), tmp_path / "l.db"
    link.symlink_to(first)
    database = Database(Datasette([]), str(link))
    database.name = "l"
    query_worker.isolate(database)
    assert (await database.execute("select count(*) from frames")).first()[0] > 10
    link.unlink()
    link.symlink_to(second)
    assert (await database.execute("select count(*) from frames")).first()[0] == 0


@pytest.mark.long
def test_a_frame_of_the_largest_size_is_shown(tmp_path: Path) -> None:
    """A frame of 16 MiB, the proxy's limit: its page, session and tables work, and the JSON has all of it."""
    recording = Recording(tmp_path / "large.db")
    link = recording.connect("CP-1")
    link.boot()
    start, end = '[2,"7","DataTransfer",{"vendorId":"x","data":"', '"}]'
    raw = start + "€" * ((16 * 1024 * 1024 - len(start + end)) // 3) + end
    link.say(True, raw)
    link.close()
    with closing(sqlite3.connect(recording.finish())) as db:
        (number,) = db.execute("select max(id) from frames").fetchone()
    with Program("browse", tmp_path / "large.db", "--listen", "0") as program:
        address = program.wait_for(r"browse at (\S+)")[1]
        with httpx.Client(base_url=address, timeout=60, trust_env=False) as http:
            for page in (
                f"/ocpp/frames/{number}",
                "/ocpp/sessions/1",
                "/ocpp/frames",
                "/ocpp?sql=select+*+from+frames",
            ):
                assert http.get(page).status_code == 200, page
            assert json.loads(http.get(f"/ocpp/frames/{number}.json").text)["frame"]["raw"] == raw
            assert http.get(f"/ocpp/frames.json?id={number}&_shape=array&_nl=on").json()["raw"] == raw
        assert program.stop() == 0


def test_a_query_does_not_outlive_its_server(tmp_path: Path) -> None:
    """If the server is killed while a query is inside one function, the query's process ends by itself."""
    recording = charging.example(tmp_path / "traffic.db")
    with Program("browse", recording, "--listen", "0") as program:
        address = program.wait_for(r"browse at (\S+)")[1]
        httpx.get(f"{address}/ocpp.json?sql=select+1")
        (child,) = children(program.process.pid)
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{address}/ocpp.json", params={"sql": ENDLESS["a search in one long text"]}, timeout=0.5)
        os.kill(program.process.pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while Path(f"/proc/{child}").exists() and "(zombie)" not in Path(f"/proc/{child}/status").read_text():
            assert time.monotonic() < deadline, "the query still runs"
            time.sleep(0.1)
