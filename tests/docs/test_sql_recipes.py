"""Each recipe of docs/sql.md runs as written on our recordings, and answers with rows."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.test_repository import ROOT

PAGE = (ROOT / "docs" / "sql.md").read_text()
RECIPE = re.compile(r"^### (\d+)\. [^\n]+\n\n```(sql|python)\n(.*?)^```", re.M | re.S)
RECIPES = [(int(number), language, code) for number, language, code in RECIPE.findall(PAGE)]
SQL = [pytest.param(code, id=f"recipe-{number}") for number, language, code in RECIPES if language == "sql"]
PANDAS = [pytest.param(code, id=f"recipe-{number}") for number, language, code in RECIPES if language == "python"]
ANSWERS = {
    1: ("meter.outside-transaction", "charge_point", "warning", 8, 1),
    12: ("CHARGING-16", "217503750", "CAFE0001", "Local", 0.08, 0.617),
}
"""A row that a recipe must give for our recordings."""


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Import our recordings with the command of the page."""
    folder = tmp_path_factory.mktemp("sql")
    (folder / "recordings").symlink_to(ROOT / "recordings")
    command = re.search(r"^chargesentinel (import .*)$", PAGE, re.M)
    assert command
    done = subprocess.run(
        f'"{sys.executable}" -m inspector {command[1]}',
        shell=True,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "traffic.db"


def rows(recording: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{recording}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def test_the_page_has_twenty_numbered_recipes() -> None:
    assert [number for number, _, _ in RECIPES] == list(range(1, 21))
    assert PAGE.count("```sql") == len(SQL)
    assert PAGE.count("```python") == len(PANDAS)


@pytest.mark.system
@pytest.mark.parametrize("sql", SQL)
def test_a_query_runs_as_written_and_finds_rows(sql: str, traffic: Path) -> None:
    assert rows(traffic, sql)


@pytest.mark.system
@pytest.mark.parametrize("number", ANSWERS)
def test_a_query_gives_the_numbers_that_the_recordings_have(number: int, traffic: Path) -> None:
    (sql,) = [code for found, _, code in RECIPES if found == number]
    assert ANSWERS[number] in rows(traffic, sql)


@pytest.mark.system
@pytest.mark.parametrize("code", PANDAS)
def test_a_pandas_recipe_runs_as_written(code: str, traffic: Path, tmp_path: Path) -> None:
    shutil.copy(traffic, tmp_path / "traffic.db")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 3, done.stdout
