"""Writes docs/schema.md from the tables of a new recording and the words of `schema_words.py`. `make docs` runs it."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from inspector.store.schema import connect
from tools.schema_words import EVENTS, TABLES

PAGE = Path(__file__).parent.parent / "docs" / "schema.md"

HEAD = """\
# Tables of a recording

A recording is one SQLite 3 file. Its `PRAGMA application_id` is 0x4F435050, "OCPP" in ASCII. `make docs` writes this
page from the tables of a new recording. [SQL recipes](sql.md) use them;
[what may change](stability.md#the-tables) says what you can rely on.

## What belongs together

```text
recordings 1 ──── n sessions 1 ──── n frames ◄──── call_id of answers
                        │                 ▲
                        ├── n findings ───┤ frame_id, occurrences
                        ├── n events      │ after_frame_id
                        └── n transactions 1 ──── n meter_samples ──► frame_id
```

- Names that end in `_ns` are times in nanoseconds since 1970-01-01 in UTC, except `mono_ns`. They are integers of 64
  bits, which JavaScript reads only as BigInt.
- Columns marked *computed* are not stored: SQLite computes them when they are read. They cannot be written. Only
  indexed columns are fast to search.
- Truth values are 0 and 1. JSON is text; read it with `->>`, as in `payload ->> '$.status'`.
- The tables `charge_points`, `transactions` and `meter_samples` can be derived again from the frames with
  `chargesentinel rebuild`.
"""
TAIL = """\
## Other tables

`_progress` and `_sqlite_migrations` are for ChargeSentinel: how far a run was committed, and which upgrades a file
has had.

## Kinds of events

New kinds may come with a new version.

| kind | what it means |
| --- | --- |
"""


def tables(database: sqlite3.Connection) -> list[str]:
    """Return the names of the tables and views that are meant for readers, in the order of this page."""
    found = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
    ours = {name for name in found if not name.startswith(("_", "sqlite_"))}
    if ours != TABLES.keys():
        raise ValueError(f"schema_words.py and the schema have different tables: {sorted(ours ^ TABLES.keys())}")
    return list(TABLES)


def section(database: sqlite3.Connection, table: str) -> str:
    """Return the heading, the columns and the indexes of a table or view.

    Raises:
        ValueError: the words are about other columns than the table has.
    """
    about, words = TABLES[table]
    columns = database.execute(f"PRAGMA table_xinfo({table})").fetchall()
    if (names := [column[1] for column in columns]) != list(words):
        raise ValueError(f"schema_words.py says about {table}: {list(words)}, but it has {names}")
    foreign = {row[3]: (row[2], row[4]) for row in database.execute(f"PRAGMA foreign_key_list({table})")}
    lines = [f"## {table}", "", about, "", "| column | type | unit | meaning |", "| --- | --- | --- | --- |"]
    for _, name, kind, not_null, _, key, hidden in columns:
        facts = [kind.lower()] if kind else []
        facts += ["key"] if key else ["not null"] if not_null else []
        facts += ["computed"] if hidden else []
        meaning = words[name]
        if name in foreign:
            meaning += f" → `{foreign[name][0]}.{foreign[name][1] or 'id'}`"
        lines.append(f"| `{name}` | {', '.join(facts)} | {unit(name)} | {meaning} |")
    indexed = [
        ", ".join(f"`{row[2]}`" for row in database.execute(f"PRAGMA index_info({index})"))
        + (" (only some rows)" if partial else "")
        for _, index, _, origin, partial in database.execute(f"PRAGMA index_list({table})").fetchall()[::-1]
        if origin == "c"
    ]
    if indexed:
        lines += ["", f"Indexes: {'; '.join(indexed)}."]
    return "\n".join([*lines, ""])


def unit(column: str) -> str:
    """Return the unit of a column, by its name."""
    if column == "size":
        return "bytes"
    if column == "id_length":
        return "characters"
    return {"ns": "ns", "us": "µs", "wh": "Wh"}.get(column.rpartition("_")[2], "")


def page() -> str:
    """Return the text of docs/schema.md."""
    with tempfile.TemporaryDirectory() as folder, closing(connect(Path(folder) / "new.db").conn) as database:
        sections = [section(database, table) for table in tables(database)]
    return "\n".join([HEAD, *sections, TAIL.rstrip(), *(f"| `{kind}` | {what} |" for kind, what in EVENTS.items()), ""])


if __name__ == "__main__":
    PAGE.write_text(page())
