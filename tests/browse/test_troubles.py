"""A recording that is locked, damaged or replaced while it is browsed is reported in plain words."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.browse.charging import Recording
from tests.browse.conftest import client


@pytest.fixture
def copy(recording: Path, tmp_path: Path) -> Path:
    """Return a copy of the recording, which the test may damage."""
    return Path(shutil.copy(recording, tmp_path / "traffic.db"))


async def test_a_locked_recording_is_said_to_be_held(copy: Path) -> None:
    """The page says that the file is locked instead of an SQLite error; once unlocked, the page works."""
    get = client(copy)
    with closing(sqlite3.connect(copy, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        page, answer = await asyncio.gather(get("/"), get("/ocpp/sessions/1.json"))
    assert page.status_code == answer.status_code == 503
    assert "<h1>Not readable now</h1>" in page.text
    assert "traffic.db is held by another program" in page.text
    assert answer.json()["error"].endswith("Try again in a moment.")
    assert (await get("/")).status_code == 200


@pytest.mark.parametrize("what", ["junk", "another database", "nothing", "a folder", "half of it"])
async def test_a_recording_that_is_none_any_more_is_said_to_be_gone(copy: Path, what: str) -> None:
    """When a recording has that name again, it is shown."""
    get = client(copy)
    assert (await get("/ocpp/sessions/1")).status_code == 200
    aside = copy.rename(copy.with_name("aside.db"))
    match what:
        case "junk":
            copy.write_bytes(b"\xa5" * 20_000)
        case "another database":
            with closing(sqlite3.connect(copy)) as other:
                other.execute("CREATE TABLE cats (name TEXT)")
        case "nothing":
            copy.touch()
        case "a folder":
            copy.mkdir()
        case _:
            copy.write_bytes(aside.read_bytes()[:20_000])
    page = await get("/ocpp/sessions/1")
    assert page.status_code == 503
    assert "Not readable now" in page.text
    copy.rename(copy.with_name("gone"))
    aside.rename(copy)
    assert (await get("/ocpp/sessions/1")).status_code == 200


async def test_a_mistake_of_ours_is_not_blamed_on_the_file(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invalid SQL in a query of ours is an internal error, and the log has its message."""
    monkeypatch.setattr("inspector.store.reading.reader.EVENT", "SELECT no_such_column FROM events")
    assert (await client(copy)("/")).status_code == 500


async def test_a_file_that_has_just_begun_names_the_one_before(copy: Path, tmp_path: Path) -> None:
    """An empty file of a recording in several files is skipped, not shown as an empty recording."""
    first = copy.rename(tmp_path / "traffic-2026-07-02T09-00-00Z.db")
    newest = Recording(tmp_path / "traffic-2026-07-02T10-00-00Z.db").finish()
    copy.symlink_to(newest.name)
    page = (await client(copy)("/")).text
    assert "recording goes on here with the next frame" in page
    assert f"chargesentinel browse {first}</code>" in page.partition('id="sessions"')[2]
    assert "Point a charge point" not in page
