"""The CSMS's file: which files it refuses, and what stays bounded without a file."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from csms import schema, store
from csms.errors import CsmsMistake
from csms.store import Sample, Store


def test_a_file_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "csms.db"
    Store(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, 'of_tomorrow', '2030')",
            (schema.migrations.name,),
        )
    before = path.read_bytes()
    with pytest.raises(CsmsMistake, match="newer"):
        Store(path)
    assert path.read_bytes() == before


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE theirs (a)")
    before = path.read_bytes()
    with pytest.raises(CsmsMistake, match="tables of another program"):
        Store(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("place", ["missing/csms.db", "."])
def test_a_place_that_holds_no_file_is_a_users_mistake(tmp_path: Path, place: str) -> None:
    with pytest.raises(CsmsMistake, match="--db"):
        Store(tmp_path / place)


def test_a_failed_message_leaves_no_trace(tmp_path: Path) -> None:
    """What one message wrote before it failed is rolled back, and the next message is kept."""
    kept = Store(tmp_path / "csms.db")
    with pytest.raises(RuntimeError), kept.writing():
        kept.seen("FAILED", "1.6")
        raise RuntimeError
    with kept.writing():
        kept.seen("FINE", "1.6")
    assert [row["charge_point_id"] for row in kept.rows("SELECT * FROM charge_points")] == ["FINE"]
    kept.close()


def test_samples_are_bounded_in_memory_and_all_kept_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "KEPT_IN_MEMORY", 500)
    sample = Sample("2026-01-01T00:00:00Z", "Voltage", "230", "V")
    counts = []
    for place in (None, tmp_path / "csms.db"):
        kept = Store(place)
        for _ in range(40):
            kept.measured("A", 1, None, [sample] * 50)
        counts.append(kept.rows("SELECT count(*) AS n FROM meter_values")[0]["n"])
        kept.close()
    assert counts == [500, 2000]


def test_ids_without_a_file_go_on_from_the_clock() -> None:
    """So a run that starts a second later does not reuse ids that charge points still know from this one."""
    since_2020 = time.time() - datetime(2020, 1, 1, tzinfo=UTC).timestamp()
    first = Store().start("A", 1, "TAG", "2026-01-01T00:00:00Z", 0, "Accepted")
    assert first == pytest.approx(since_2020, abs=30)
