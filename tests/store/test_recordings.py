"""A recording is opened, refused, locked and migrated as the design says."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from inspector.errors import UnusableFile
from inspector.store.files.connection import KNOWN_STEPS, applied_steps, is_recording, open_recording
from inspector.store.files.lock import WriterLock
from inspector.store.schema import connect, migrations
from inspector.store.writing.writer import Writer


def test_a_new_file_gets_all_tables_in_the_order_datasette_shows(tmp_path: Path) -> None:
    db = connect(tmp_path / "new.db")
    columns = [row[1] for row in db.execute("PRAGMA table_xinfo(frames)")]
    assert columns[:5] == ["id", "session_id", "ts", "direction", "msg_type"]
    assert columns[-1] == "raw"
    assert {"recordings", "sessions", "frames", "findings", "events", "charge_points", "transactions"} <= set(
        db.table_names()
    )
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_database_of_someone_else_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    Database(path)["frames"].insert({"id": 1})  # type: ignore[union-attr]
    before = path.read_bytes()
    with pytest.raises(UnusableFile, match="not a recording of ChargeSentinel"):
        connect(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("not a database" * 100)
    with pytest.raises(UnusableFile, match="not a SQLite database"):
        connect(path)


def test_a_newer_file_is_refused_with_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "newer.db"
    db = connect(path)
    db.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, '9999_future', '2030')",
        [migrations.name],
    )
    with pytest.raises(UnusableFile) as refused:
        connect(path)
    assert "9999_future" in str(refused.value) and "update" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_from_before_the_first_release_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    connect(path).execute("UPDATE _sqlite_migrations SET name = '0001_tables' WHERE name = '0001_recording'")
    with pytest.raises(UnusableFile, match=r"before the first release.*; name another file"):
        connect(path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableFile, match="cannot be written"):
        Writer(tmp_path / "no" / "such" / "a.db", tool_version="0")


@pytest.mark.parametrize("rotate", [None, "1MB"])
@pytest.mark.parametrize("name", ["pipe", "link"])
def test_what_is_no_file_is_refused_and_stays_as_it_is(tmp_path: Path, name: str, rotate: str | None) -> None:
    """Otherwise SQLite would leave a journal beside a device file, and rotation would rename the device file."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with pytest.raises(UnusableFile, match="not a file"):
        Writer(tmp_path / name, tool_version="0", rotate=rotate)
    assert sorted(left.name for left in tmp_path.iterdir()) == ["link", "pipe"]
    assert (tmp_path / "pipe").is_fifo() and (tmp_path / "link").is_symlink()


def test_a_second_writer_is_told_who_holds_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a b.db"
    first = Writer(path, tool_version="0", holder="chargesentinel proxy")
    script = f"from inspector.store.writing.writer import Writer; Writer({str(path)!r}, tool_version='0')"
    second = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert "is being written by chargesentinel proxy (process" in second.stderr
    first.close(clean=True)
    Writer(path, tool_version="0").close(clean=True)


def test_what_a_killed_writer_left_is_marked_when_the_next_one_starts(tmp_path: Path) -> None:
    path = tmp_path / "killed.db"
    script = f"""
import os
from inspector.store.writing.writer import Writer
writer = Writer({str(path)!r}, tool_version="0")
writer.session({{"id": writer.next_id("sessions"), "opened_ns": 5}})
writer.update_session(1, {{"last_seen_ns": 7}})
writer.commit()
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    Writer(path, tool_version="0").close(clean=True)
    db = sqlite3.connect(path)
    assert db.execute("SELECT clean_close FROM recordings ORDER BY id").fetchall() == [(0,), (1,)]
    assert db.execute("SELECT closed_ns, closed_by FROM sessions").fetchall() == [(7, "unknown")]


def test_a_commit_that_fails_keeps_every_row_for_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "busy.db"
    writer = Writer(path, tool_version="0")
    writer.db.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writer.session({"id": writer.next_id("sessions"), "charge_point_id": "CP1", "opened_ns": 5})
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        writer.commit()
    assert writer.waiting
    other.execute("ROLLBACK")
    writer.commit()
    assert not writer.waiting
    assert other.execute("SELECT charge_point_id FROM sessions").fetchall() == [("CP1",)]
    writer.close(clean=True)


@pytest.mark.parametrize(
    ("msg_type", "raw", "payload"),
    [
        (2, '[2,"1","Heartbeat",{"a":1.10}]', '{"a":1.10}'),
        (3, '[3,"1",{"b":[]}]', '{"b":[]}'),
        (4, '[4,"1","GenericError","x",{}]', '{"errorCode":"GenericError","errorDescription":"x","errorDetails":{}}'),
        (4, '[4,"1","GenericError"]', '{"errorCode":"GenericError","errorDescription":null,"errorDetails":null}'),
        (2, "[2,", None),
        (None, b"\xff\x00", None),
        (2, "[" * 5000, None),
    ],
)
def test_the_payload_column_shows_the_payload_and_never_fails(
    tmp_path: Path, msg_type: int | None, raw: str | bytes, payload: str | None
) -> None:
    db = connect(tmp_path / "payload.db")
    db.execute("INSERT INTO recordings (started_ns, tool_version) VALUES (1, '0')")
    db.execute("INSERT INTO sessions (opened_ns, recording_id) VALUES (1, 1)")
    db.execute(
        "INSERT INTO frames (session_id, from_csms, msg_type, size, ts_ns, mono_ns, raw) VALUES (1, 0, ?, 1, 1, 1, ?)",
        [msg_type, raw],
    )
    assert db.execute("SELECT payload, raw FROM frames").fetchone() == (payload, raw)


def test_those_who_only_read_know_every_step_that_writers_take(tmp_path: Path) -> None:
    db = connect(tmp_path / "new.db")
    assert applied_steps(db.conn) == [step.name for step in migrations.applied(db)]
    assert set(applied_steps(db.conn)) == KNOWN_STEPS


@pytest.mark.parametrize("old", [False, True])
def test_input_without_times_shows_no_dates(tmp_path: Path, old: bool) -> None:
    """Older files too, once they are opened for writing; the order of their columns stays the same."""
    path, noon = tmp_path / "t.db", 1_782_986_400_000_000_000
    db = Database(path)
    migrations.apply(db, stop_before="0003_untimed" if old else None)
    db.execute("INSERT INTO recordings (started_ns, tool_version) VALUES (1, '0')")
    for session, at in enumerate((1_000_000, noon), 1):
        sql = (
            "INSERT INTO sessions (charge_point_id, ocpp_version, opened_ns, recording_id) VALUES ('CP1', '1.6', ?, 1)"
        )
        db.execute(sql, [at])
        sql = "INSERT INTO frames (session_id, from_csms, size, ts_ns, mono_ns, raw) VALUES (?, 0, 1, ?, 1, '')"
        db.execute(sql, [session, at])
    db.conn.commit()
    columns = [[row[1] for row in db.execute(f"PRAGMA table_xinfo({table})")] for table in ("sessions", "frames")]
    if old:
        assert db.execute("SELECT ts FROM frames").fetchone() == ("1970-01-01T00:00:00.001Z",)
    db.close()
    db = connect(path)
    assert db.execute("SELECT opened, label FROM sessions").fetchall() == [
        (None, "CP1 · 1.6"),
        ("2026-07-02T10:00:00.000Z", "CP1 · 1.6 · 2026-07-02 10:00:00"),
    ]
    assert db.execute("SELECT ts FROM frames").fetchall() == [(None,), ("2026-07-02T10:00:00.000Z",)]
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert columns == [
        [row[1] for row in db.execute(f"PRAGMA table_xinfo({table})")] for table in ("sessions", "frames")
    ]


@pytest.mark.parametrize(
    ("raw", "message_id"),
    [
        ('[2,"a-1","Heartbeat",{}]', "a-1"),
        ('[3, "\\u00e9\\"x" ,{}]', 'é"x'),
        ("[3,17,{}]", "17"),
        ("[3,true,{}]", None),
        ("[3]", None),
        ('{"1":2}', None),
        ('[2,"cut-short","Heart', "cut-short"),
        ("[2,", None),
        (b"\xff\x00", None),
        (f'[2,"{"x" * 300}","A",{{}}]', "x" * 255),
    ],
)
def test_the_message_id_column_is_read_from_the_frame_and_takes_no_room(
    tmp_path: Path, raw: str | bytes, message_id: str | None
) -> None:
    db = connect(tmp_path / "ids.db")
    db.execute("INSERT INTO recordings (started_ns, tool_version) VALUES (1, '0')")
    db.execute("INSERT INTO sessions (opened_ns, recording_id) VALUES (1, 1)")
    db.execute("INSERT INTO frames (session_id, from_csms, size, ts_ns, mono_ns, raw) VALUES (1, 0, 1, 1, 1, ?)", [raw])
    assert db.execute("SELECT message_id FROM frames").fetchone() == (message_id,)


def test_a_lock_file_that_its_holder_has_just_removed_locks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the lock file is opened before its holder removes it and locked afterwards, the lock must not count."""
    path = tmp_path / "a.db"
    first = WriterLock(path, "first")
    real = os.open

    def opened_just_before_the_release(*arguments: Any, **more: Any) -> int:
        monkeypatch.setattr(os, "open", real)
        descriptor = real(*arguments, **more)
        first.release()
        return descriptor

    monkeypatch.setattr(os, "open", opened_just_before_the_release)
    second = WriterLock(path, "second")
    with pytest.raises(UnusableFile, match="is being written by second"):
        WriterLock(path, "third")
    second.release()


def killed_in_a_change(path: Path) -> None:
    """Leave a recording as after a kill during the merge of its -wal: half changed, with a -journal."""
    changed = path.with_name("changed.db")
    with closing(connect(path, wal=False).conn) as db:
        db.execute("PRAGMA cache_size = 1")
        db.execute("BEGIN")
        db.execute("UPDATE sessions SET charge_point_id = 'half of it'")
        db.executemany("INSERT INTO events (ts_ns, kind, detail) VALUES (1, 'fault', ?)", [("x" * 4000,)] * 100)
        journal = path.with_name(f"{path.name}-journal").read_bytes()
        changed.write_bytes(path.read_bytes())
        db.execute("ROLLBACK")
    changed.replace(path)
    path.with_name(f"{path.name}-journal").write_bytes(journal)


def one_session(path: Path) -> Path:
    writer = Writer(path, tool_version="0")
    writer.session({"id": writer.next_id("sessions"), "charge_point_id": "CP1", "opened_ns": 5, "closed_ns": 6})
    writer.close(clean=True)
    return writer.path


def test_what_a_killed_writer_had_half_changed_is_undone_for_a_reader(tmp_path: Path) -> None:
    path = one_session(tmp_path / "traffic.db")
    killed_in_a_change(path)
    assert is_recording(path)
    killed_in_a_change(path)
    with closing(open_recording(path)) as db:
        assert db.execute("SELECT charge_point_id FROM sessions").fetchall() == [("CP1",)]
        assert db.execute("SELECT count(*) FROM events").fetchone() == (0,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_journal_that_would_delete_another_file_is_refused(tmp_path: Path) -> None:
    """A journal can name a super-journal, and SQLite deletes that file."""
    path = one_session(tmp_path / "traffic.db")
    killed_in_a_change(path)
    victim = tmp_path / "letters.txt"
    victim.write_text("dear all")
    name = str(victim).encode()
    ours = path.with_name("traffic.db-journal")
    page = (2**30 // 4096 + 1).to_bytes(4, "big")
    told = len(name).to_bytes(4, "big") + sum(name).to_bytes(4, "big") + bytes.fromhex("d9d505f920a163d7")
    ours.write_bytes(ours.read_bytes() + page + name + told)
    with pytest.raises(UnusableFile, match="cannot be read"):
        open_recording(path)
    assert not is_recording(path)
    assert victim.exists()
