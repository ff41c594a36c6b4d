"""`chargesentinel mcp`: an agent reads a recording, with the SDK's own client over stdio."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from inspector.cli.agents import tools as tools_module
from inspector.cli.agents.answers import LONGEST_TEXT, MOST_BYTES, NOTICE
from inspector.cli.agents.tools import Tools
from inspector.errors import UserMistake
from inspector.store.reading.filter import Filter
from tests.browse.charging import Recording
from tests.cli.conftest import in_this_process

pytestmark = pytest.mark.system  # each asks a server process

SECRET = "hunter2-of-the-depot"
CALLS: dict[str, dict[str, Any]] = {
    "sessions": {"severity": "error"},
    "show": {"session": 2},
    "search": {"action": "Boot*", "sender": "charge-point"},
    "findings": {"severity": "error"},
    "explain_rule": {"rule": "rpc.orphan-answer"},
    "diff": {"session": 1, "other_session": 2},
    "sql": {"query": "SELECT count(*) FROM frames"},
}


@asynccontextmanager
async def agent(recording: Path) -> AsyncIterator[ClientSession]:
    command = StdioServerParameters(command=sys.executable, args=["-m", "inspector", "mcp", str(recording)])
    async with stdio_client(command) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        yield session


@pytest.fixture(scope="module")
def with_secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording made with --redact none, in which a CSMS sets a password."""
    folder = tmp_path_factory.mktemp("secrets")
    change = {"key": "AuthorizationKey", "value": SECRET}
    frames = [
        ["2", "a", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}],
        [2, "b", "ChangeConfiguration", change],
        [3, "b", {"status": "Accepted"}],
    ]
    source, recording = folder / "frames.txt", folder / "open.db"
    source.write_text("".join(json.dumps(frame) + "\n" for frame in frames))
    done = in_this_process("import", source, "--db", recording, "--ocpp", "1.6", "--redact", "none")
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(recording)) as db:
        assert any(SECRET in raw for (raw,) in db.execute("SELECT raw FROM frames"))
    return recording


async def test_a_client_lists_and_calls_each_tool_and_each_result_is_marked_as_data_from_the_wire(
    recording: Path,
) -> None:
    async with agent(recording) as session:
        listed = (await session.list_tools()).tools
        assert {tool.name for tool in listed} == set(CALLS)
        for tool in listed:
            assert tool.annotations is not None
            assert tool.annotations.readOnlyHint
            assert tool.description
            result = await session.call_tool(tool.name, CALLS[tool.name])
            assert not result.isError, result
            (text,) = result.content
            assert text.type == "text"
            document = json.loads(text.text)
            assert document["notice"] == NOTICE
            assert document["data"]
        refused = await session.call_tool("sql", {"query": "DELETE FROM frames"})
        assert refused.isError
        unknown = await session.call_tool("explain_rule", {"rule": "rpc.orphan-anwser"})
        assert unknown.isError
        assert "did you mean rpc.orphan-answer?" in unknown.content[0].text  # type: ignore[union-attr]


async def test_with_a_folder_each_tool_takes_the_name_of_a_recording(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "one.db").write_bytes(recording.read_bytes())
    (tmp_path / "two.db").write_bytes(recording.read_bytes())
    (tmp_path / "notes.db").write_text("not a recording")
    async with agent(tmp_path) as session:
        assert {tool.name for tool in (await session.list_tools()).tools} == {*CALLS, "recordings"}
        listed = await session.call_tool("recordings", {})
        assert '"one.db"' in str(listed.content) and "notes.db" not in str(listed.content)
        for name, arguments in CALLS.items():
            result = await session.call_tool(name, {"recording": "two.db", **arguments})
            assert not result.isError, result
        for wrong in ("../elsewhere.db", "notes.db", "tow.db"):
            refused = await session.call_tool("sessions", {"recording": wrong})
            assert refused.isError
        assert "did you mean two.db?" in str(refused.content)


def test_a_folder_without_recordings_is_refused_in_one_line(tmp_path: Path) -> None:
    done = in_this_process("mcp", tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "a folder without recordings" in done.stderr


def test_the_server_ends_with_its_client_and_says_nothing(with_secrets: Path) -> None:
    command = [sys.executable, "-m", "inspector", "mcp", str(with_secrets)]
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}) + "\n"
    done = subprocess.run(command, input=line, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["result"]["serverInfo"]["name"] == "chargesentinel"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT raw FROM frames",
        "SELECT hex(raw) FROM frames",
        "SELECT substr(raw, 40, 9), substr(raw, 49) FROM frames",
        "SELECT payload FROM frames",
    ],
)
def test_no_sql_shows_a_secret_that_was_recorded(with_secrets: Path, query: str) -> None:
    tools = Tools(with_secrets)
    try:
        said = json.dumps(tools.sql(query, 100))
        assert '"rows": [[' in said
        for part in (SECRET, SECRET[:7], SECRET.encode().hex()):
            assert part not in said
            assert part.upper() not in said
    finally:
        tools.close()


def test_no_tool_shows_a_secret_that_was_recorded(with_secrets: Path) -> None:
    tools = Tools(with_secrets)
    try:
        for said in (
            tools.show(1, 0, 50),
            tools.search(Filter(), None, 50),
            tools.findings(None, None, None, 0, 50),
            tools.diff(1, 1, "strict"),
            tools.sessions(),
        ):
            assert SECRET not in json.dumps(said)
        assert not tools.search(Filter(text=SECRET), None, 50)["data"]["frames"]
    finally:
        tools.close()


def test_a_growing_recording_with_secrets_is_copied_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.cli.agents.shown_recording._PAUSE_S", 0.0)
    monkeypatch.setattr("inspector.cli.agents.shown_recording._PATIENCE", 0)
    growing = Recording(tmp_path / "growing.db")
    link = growing.connect("CP-1")
    link.boot()
    growing.commit()
    tools = Tools(growing.path)
    try:
        before = tools.sql("SELECT count(*) FROM frames", 1)["data"]["rows"]
        link.call("Heartbeat", {}, {"currentTime": link.clock})
        growing.commit()
        assert tools.sql("SELECT count(*) FROM frames", 1)["data"]["rows"] == [[before[0][0] + 2]]
    finally:
        tools.close()
        growing.finish()


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM frames",
        "PRAGMA writable_schema = ON",
        "ATTACH '/tmp/other.db' AS other",
        "SELECT 1; DELETE FROM frames",
        "WITH gone AS (SELECT 1) DELETE FROM frames",
        "VACUUM INTO '/tmp/copy.db'",
        "SELECT no_such_function()",
    ],
)
def test_sql_that_is_not_one_select_is_refused_in_a_sentence(recording: Path, query: str) -> None:
    tools = Tools(recording)
    try:
        with pytest.raises(UserMistake):
            tools.sql(query, 10)
        assert tools.sql("SELECT count(*) > 0 FROM frames", 1)["data"]["rows"] == [[1]]
    finally:
        tools.close()


def test_a_result_has_bounds_for_rows_bytes_and_time(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools_module, "LONGEST_S", 0.3)
    many = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT "
    tools = Tools(recording)
    try:
        rows = tools.sql(f"{many} x FROM n", 10**9)["data"]
        assert len(rows["rows"]) == tools_module.MOST_ROWS
        assert rows["more"]
        large = tools.sql(f"{many} hex(zeroblob(2000)) FROM n", 400)
        assert large["data"]["more"]
        assert len(json.dumps(large)) < MOST_BYTES * 1.2
        (long,) = tools.sql("SELECT hex(zeroblob(1000000))", 1)["data"]["rows"]
        assert len(long[0]) < LONGEST_TEXT + 100
        assert "2,000,000 characters" in long[0]
        with pytest.raises(UserMistake, match="longer than"):
            tools.sql(f"{many} max(x) FROM n", 1)
        with pytest.raises(UserMistake, match="no session 99"):
            tools.show(99, 0, 10)
    finally:
        tools.close()


def test_pages_of_a_session_hold_each_of_its_frames_once(recording: Path) -> None:
    tools = Tools(recording)
    try:
        seen, after = [], 0
        while True:
            page = tools.show(1, after, 50)["data"]
            seen += [frame["id"] for frame in page["frames"]]
            if not page["more"]:
                break
            after = page["after"]
        stored = tools.sql("SELECT id FROM frames WHERE session_id = 1 ORDER BY id", 500)["data"]["rows"]
        assert seen == [number for (number,) in stored]
    finally:
        tools.close()


def test_without_the_extra_the_command_says_in_one_line_what_to_install(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = in_this_process("mcp", recording)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "pip install 'chargesentinel[mcp]'" in done.stderr


def test_a_file_that_is_not_a_recording_is_refused_in_one_line(tmp_path: Path) -> None:
    done = in_this_process("mcp", tmp_path / "none.db")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no such file" in done.stderr
