"""docs/schema.md agrees with the tables of a new recording."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from inspector.store.schema import connect
from tools import schema_page
from tools.schema_words import TABLES


def test_the_page_of_tables_says_what_a_new_recording_has() -> None:
    assert schema_page.PAGE.read_text() == schema_page.page(), "run `make docs`"


def test_a_new_column_without_words_is_refused(tmp_path: Path) -> None:
    with closing(connect(tmp_path / "new.db").conn) as database:
        database.execute("ALTER TABLE sessions ADD COLUMN mood TEXT")
        with pytest.raises(ValueError, match="mood"):
            schema_page.section(database, "sessions")


def test_a_new_table_without_words_is_refused(tmp_path: Path) -> None:
    with closing(connect(tmp_path / "new.db").conn) as database:
        database.execute("CREATE TABLE moods (id INTEGER PRIMARY KEY)")
        with pytest.raises(ValueError, match="moods"):
            schema_page.tables(database)


def test_every_time_column_has_a_unit() -> None:
    for _, words in TABLES.values():
        for column in words:
            assert (schema_page.unit(column) == "ns") == column.endswith("_ns")
