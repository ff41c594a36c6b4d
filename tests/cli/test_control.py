"""The command `control` as a user types it, against a running proxy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from inspector.cli.options.rule_words import deed, edit
from inspector.errors import UserMistake
from tests.forked import chargesentinel
from tests.proxy.control_bench import REMOTE_START, ControlBench, control_bench
from tests.waiting import until


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("hold", {"hold": True}),
        ("delay=3s", {"delay": "3s"}),
        ("close = 4000", {"close": 4000}),
        ('delay=["1s","5s"]', {"delay": ["1s", "5s"]}),
        ('edit=[{pointer="/idTag",value="T"}]', {"edit": [{"pointer": "/idTag", "value": "T"}]}),
    ],
)
def test_what_a_rule_does_needs_no_quotes(text: str, table: object) -> None:
    assert deed(text) == table


@pytest.mark.parametrize("text", ["delay=[1s", "edit={", 'a="b'])
def test_what_is_no_rule_gets_examples(text: str) -> None:
    with pytest.raises(UserMistake, match="write it as hold, drop, delay=3s"):
        deed(text)


def test_an_edit_takes_json_or_text() -> None:
    assert edit("/connectorId=2") == {"pointer": "/connectorId", "value": 2}
    assert edit("/idTag=TAG-2=x") == {"pointer": "/idTag", "value": "TAG-2=x"}
    assert edit("/idTag=") == {"pointer": "/idTag", "remove": True}


@pytest.mark.system
def test_a_control_port_needs_the_fast_path_and_a_usable_token(tmp_path: Path) -> None:
    proxy = ("proxy", "--upstream", "ws://127.0.0.1:1", "--listen", "0", "--db", tmp_path / "traffic.db")
    for words, said in (
        (("--control", "0", "--no-fast-path"), "without the fast path: --control"),
        (("--control-token-file", "x"), "--control-token-file needs --control"),
        (("--control", "0", "--control-token-file", tmp_path / "x"), "cannot be read"),
        (("--control", "nowhere:"), "write it as PORT or HOST:PORT"),
    ):
        done = chargesentinel(*proxy, *words)
        assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "traffic.db-control").exists()


@pytest.mark.system
async def test_a_token_that_the_user_has_chosen_is_not_printed(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("chosen-token\n")
    async with control_bench(tmp_path, "--control-token-file", tmp_path / "token") as bench:
        assert "chosen-token" not in bench.proxy.report() and bench.page.count("?") == 0
        assert await control(bench, "held") == "no frame is held"
        assert "chosen-token" in (tmp_path / "traffic.db-control").read_text()
        for token, status in (("chosen-token", 200), ("chosen-tokem", 401)):
            answer = await bench.api.get("/api/held", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == status


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ControlBench]:
    async with control_bench(tmp_path) as bench:
        yield bench


async def control(bench: ControlBench, *words: str, code: int = 0) -> str:
    """Run `chargesentinel control`; return what it prints, its error line last."""
    done = await asyncio.to_thread(chargesentinel, "control", *words, "--db", bench.db)
    assert done.returncode == code, done.stdout + done.stderr
    return str(done.stdout + done.stderr).strip()


@pytest.mark.system
async def test_a_user_holds_edits_sends_and_closes_in_a_terminal(bench: ControlBench) -> None:
    async with bench.charge_point() as (_, heard):
        await until(lambda: bench.csms.connections)
        assert await control(bench, "rules") == "no rule; `chargesentinel control add --help` shows how to add one"
        added = ("--from", "csms", "--action", "RemoteStartTransaction", "--times", "1")
        assert await control(bench, "add", "hold-start", "hold", *added) == "added hold-start"
        await bench.csms.connections[0].send(REMOTE_START)
        (one,) = await bench.held()
        assert "RemoteStartTransaction CALL from the CSMS" in await control(bench, "held")
        assert "did you mean" in await control(bench, "release", f"{one['id']}0", code=2)
        await control(bench, "release", one["id"], "--edit", "/idTag=TAG-2")
        await until(lambda: heard)
        assert json.loads(heard[0])[3] == {"idTag": "TAG-2", "connectorId": 1}
        assert "applied 1 time " in await control(bench, "rules")
        assert await control(bench, "switch", "hold-start", "off") == "hold-start is off"
        assert await control(bench, "remove", "hold-start") == "removed hold-start"
        said = await control(bench, "send", "CP-1", "--as", "csms", "Reset", '{"type":"Soft"}')
        assert said == 'Reset answered: {"status": "Accepted"}'
        said = await control(bench, "send", "CP-11", "--as", "csms", "Reset", code=2)
        assert said == "chargesentinel: no session of the charge point 'CP-11'; did you mean CP-1?"
        assert "did you mean delay?" in await control(bench, "add", "x", "dely=3s", code=2)
        said = await control(bench, "rules", "--token", "wrong", code=2)
        assert "does not accept this token" in said and said.count("\n") == 0
        assert await control(bench, "close", "CP-1") == "closed CP-1"
    await until(lambda: bench.csms.closed)
