"""Another file takes the name of a live recording: that file is not changed, and recording continues."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from inspector import records
from inspector.errors import UnusableFile
from inspector.recorder import rollover
from inspector.recorder.pipeline import Pipeline
from inspector.store.files import name_watch
from inspector.store.files.connection import is_recording, open_recording
from inspector.store.files.rotation import segments
from inspector.store.writing.writer import Writer

ROWS = 400


class Recording:
    """A recording in this process, with one commit per frame."""

    def __init__(self, path: Path, **options: object) -> None:
        self.path = path
        self.pipeline = Pipeline(Writer(path, tool_version="0", **options))  # type: ignore[arg-type]
        self.pipeline.take(
            records.OpenRecord(1, time.time_ns(), 0, {"charge_point_id": "CP1", "subprotocol": "ocpp1.6"})
        )
        self.sent: list[str] = []

    def beat(self, times: int = 1) -> None:
        for _ in range(times):
            self.sent.append(f'[2,"{len(self.sent)}","Heartbeat",{{}}]')
            frame = records.FrameRecord(1, time.time_ns(), 1, True, records.TEXT, self.sent[-1].encode())
            self.pipeline.take(frame)
            with suppress(*rollover.FAILURES):
                rollover.commit(self.pipeline)

    def close(self) -> None:
        self.pipeline.writer.close(clean=True)


def stranger(folder: Path, journal: str) -> Path:
    """Make a database of another program; in WAL mode half of its rows are only in the -wal, as after a crash."""
    folder.mkdir(exist_ok=True)
    made, path = folder / "made.db", folder / "backup.db"
    with closing(sqlite3.connect(made)) as db:
        db.execute(f"PRAGMA journal_mode = {journal}")
        db.execute("CREATE TABLE theirs (id INTEGER PRIMARY KEY, words TEXT)")
        for half in (range(ROWS // 2), range(ROWS // 2, ROWS)):
            db.executemany("INSERT INTO theirs VALUES (?, ?)", [(number, f"{number} " * 30) for number in half])
            db.commit()
            if half.start == 0:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for suffix in ("", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copy(f"{made}{suffix}", f"{path}{suffix}")
    return path


def rows_of(path: Path) -> tuple[str, int, str]:
    with closing(sqlite3.connect(path)) as db:
        words = [word for (word,) in db.execute("SELECT words FROM theirs ORDER BY id")]
        (verdict,) = db.execute("PRAGMA integrity_check").fetchone()
    return verdict, len(words), hashlib.sha256("".join(words).encode()).hexdigest()


def move_over(theirs: Path, ours: Path) -> None:
    theirs.replace(ours)


def move_pair_wal_first(theirs: Path, ours: Path) -> None:
    with suppress(FileNotFoundError):
        Path(f"{theirs}-wal").replace(f"{ours}-wal")
    theirs.replace(ours)


def move_pair_wal_last(theirs: Path, ours: Path) -> None:
    theirs.replace(ours)
    with suppress(FileNotFoundError):
        Path(f"{theirs}-wal").replace(f"{ours}-wal")


def delete_and_copy(theirs: Path, ours: Path) -> None:
    ours.unlink()
    shutil.copy(theirs, ours)


def delete_all_and_copy(theirs: Path, ours: Path) -> None:
    for file in ours.parent.glob(f"{ours.name}*"):
        file.unlink()
    shutil.copy(theirs, ours)


def hard_link(theirs: Path, ours: Path) -> None:
    ours.unlink()
    os.link(theirs, ours)


def link_to_it(theirs: Path, ours: Path) -> None:
    ours.unlink()
    ours.symlink_to(theirs)


def move_ours_away_and_theirs_in(theirs: Path, ours: Path) -> None:
    ours.replace(ours.with_name("elsewhere.db"))
    theirs.replace(ours)


def replace_folder(theirs: Path, ours: Path) -> None:
    ours.parent.replace(ours.parent.with_name("moved"))
    ours.parent.mkdir()
    theirs.replace(ours)


WAYS = (
    *(move_over, move_pair_wal_first, move_pair_wal_last, delete_and_copy, delete_all_and_copy, hard_link),
    *(link_to_it, move_ours_away_and_theirs_in, replace_folder),
)


def all_frames(folder: Path) -> list[str]:
    """Return the texts of all frames in the recordings below a folder, by the number in each text."""
    found: list[str] = []
    for path in folder.rglob("*.db"):
        if is_recording(path) and not path.is_symlink():
            with closing(open_recording(path)) as db:
                found += [raw for (raw,) in db.execute("SELECT raw FROM frames")]
    return sorted(found, key=lambda raw: int(raw.split('"')[1]))


@pytest.mark.parametrize("rotate", [None, "1h"])
@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
@pytest.mark.parametrize("replace", WAYS, ids=lambda way: way.__name__)
def test_a_database_put_in_the_place_of_a_recording_keeps_every_row(
    tmp_path: Path, replace: Callable[[Path, Path], None], journal: str, rotate: str | None
) -> None:
    (tmp_path / "rec").mkdir()
    recording = Recording(tmp_path / "rec" / "traffic.db", rotate=rotate)
    recording.beat(4)
    ours = recording.pipeline.writer.path
    theirs = stranger(tmp_path / "theirs", journal)
    with_wal = journal == "WAL" and replace in {move_pair_wal_first, move_pair_wal_last}
    complete, bare = tmp_path / "complete.db", tmp_path / "bare.db"
    shutil.copy(theirs, bare)
    shutil.copy(theirs, complete)
    if with_wal:
        shutil.copy(f"{theirs}-wal", f"{complete}-wal")
    replace(theirs, ours)
    before, names = ours.read_bytes(), len(recording.sent)
    recording.beat(4)
    assert ours.read_bytes() == before
    expected = rows_of(complete if with_wal else bare)
    if replace is not link_to_it:  # with a link, the -wal is beside the link's target
        assert rows_of(ours) == expected
    recording.beat(2)
    recording.close()
    assert rows_of(ours.resolve())[0] == "ok"
    if replace is not link_to_it:
        assert rows_of(ours) == expected
    stored = all_frames(tmp_path)
    assert stored[-6:] == recording.sent[names:]
    assert len(stored) == len(set(stored))
    assert len(recording.sent) - len(stored) == recording.pipeline.gone


def into_a_name(ours: Path) -> Path:
    ours.rename(ours.with_name("kept.db"))
    return ours.with_name("kept.db")


def into_a_folder_below(ours: Path) -> Path:
    (ours.parent / "old").mkdir()
    ours.rename(ours.parent / "old" / ours.name)
    return ours.parent / "old" / ours.name


def with_all_its_files(ours: Path) -> Path:
    (ours.parent / "old").mkdir()
    for file in ours.parent.glob(f"{ours.name}*"):
        file.rename(ours.parent / "old" / file.name)
    return ours.parent / "old" / ours.name


def with_its_folder(ours: Path) -> Path:
    ours.parent.rename(ours.parent.with_name("moved"))
    return ours.parent.with_name("moved") / ours.name


def behind_a_link(ours: Path) -> Path:
    kept = into_a_name(ours)
    ours.symlink_to(kept)
    return kept


def to_its_second_name(ours: Path) -> Path:
    os.link(ours, ours.with_name("second.db"))
    ours.unlink()
    return ours.with_name("second.db")


@pytest.mark.parametrize("read_meanwhile", [False, True])
@pytest.mark.parametrize(
    "move",
    [into_a_name, into_a_folder_below, with_all_its_files, with_its_folder, behind_a_link, to_its_second_name],
    ids=lambda way: way.__name__,
)
def test_a_recording_that_is_moved_is_whole_where_it_is_and_loses_nothing(
    tmp_path: Path, move: Callable[[Path], Path], read_meanwhile: bool
) -> None:
    (tmp_path / "rec").mkdir()
    path = tmp_path / "rec" / "traffic.db"
    recording = Recording(path)
    recording.beat(4)
    reader = open_recording(path) if read_meanwhile else None
    if reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM frames").fetchone() == (4,)
    recording.beat(2)
    kept = move(path)
    recording.beat(2)
    if reader:
        reader.close()
    recording.close()
    assert recording.pipeline.gone == 0
    with closing(open_recording(kept)) as db:
        old = [raw for (raw,) in db.execute("SELECT raw FROM frames ORDER BY id")]
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT closed_by FROM sessions").fetchall() == [("rotation",)]
    (later,) = segments(path) or [path]
    with closing(open_recording(later)) as db:
        new = [raw for (raw,) in db.execute("SELECT raw FROM frames ORDER BY id")]
        (told,) = db.execute("SELECT detail ->> 'from' FROM events WHERE kind = 'continued'").fetchone()
    assert old + new == recording.sent
    assert len(old) >= 6 and told == kept.name


@pytest.mark.skipif(not hasattr(os, "eventfd"), reason="the name is watched on Linux alone")
def test_the_wal_is_away_before_the_next_commit_and_the_next_look(tmp_path: Path) -> None:
    """The owner may open the file at once, before the recorder notices; our -wal must not be there then."""
    path = tmp_path / "traffic.db"
    recording = Recording(path)
    recording.beat(20)
    theirs = stranger(tmp_path / "theirs", "DELETE")
    expected = rows_of(theirs)
    theirs.replace(path)
    deadline = time.monotonic() + 10
    while path.with_name("traffic.db-wal").exists():
        assert time.monotonic() < deadline
    assert rows_of(path) == expected
    recording.beat()
    recording.close()
    assert rows_of(path) == expected


def test_what_a_kept_wal_holds_can_be_read_with_a_copy_of_its_recording(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    recording = Recording(path)
    recording.beat(20)
    shutil.copy(path, tmp_path / "copy.db")
    stranger(tmp_path / "theirs", "DELETE").replace(path)
    recording.beat()
    recording.close()
    (wal,) = tmp_path.glob("traffic.db.replaced-*-wal")
    named = wal.with_name(wal.name.removesuffix("-wal"))
    (tmp_path / "copy.db").rename(named)
    with closing(open_recording(named)) as db:
        frames = [raw for (raw,) in db.execute("SELECT raw FROM frames ORDER BY id")]
    assert frames[:20] == recording.sent[:20]


def overwrite(ours: Path, theirs: Path) -> None:
    shutil.copyfile(theirs, ours)


def empty(ours: Path, theirs: Path) -> None:
    ours.write_bytes(b"")


def write_text(ours: Path, theirs: Path) -> None:
    ours.write_text("a note\n" * 1000)


@pytest.mark.parametrize("change", [overwrite, empty, write_text], ids=lambda way: way.__name__)
def test_what_is_written_into_the_file_itself_is_left_as_it_is(
    tmp_path: Path, change: Callable[[Path, Path], None]
) -> None:
    """`cp backup.db traffic.db` and `> traffic.db` keep the file's inode."""
    path = tmp_path / "traffic.db"
    recording = Recording(path)
    recording.beat(20)
    change(path, stranger(tmp_path / "theirs", "DELETE"))
    written = path.read_bytes()
    recording.beat(5)
    recording.pipeline.writer._let_go()
    assert path.read_bytes() == written
    assert not list(tmp_path.glob("traffic.db-*"))
    assert not recording.pipeline.writer.is_open  # the recorder process has to restart with another file
    resumed = Writer(path, tool_version="0", resume=recording.pipeline.writer.recording_id)
    resumed.close(clean=True)
    assert not resumed.resumed and resumed.path in segments(path)
    assert path.read_bytes() == written
    if change is overwrite:
        assert rows_of(path)[:2] == ("ok", ROWS)


KILLED = """
import os, pathlib, sys
from tests.store.test_replaced_files import Recording
recording = Recording(pathlib.Path(sys.argv[1]))
recording.beat(20)
os._exit(9)
"""


@pytest.mark.parametrize("resume", [None, 1])
def test_a_database_put_in_place_while_no_recorder_runs_keeps_every_row(tmp_path: Path, resume: int | None) -> None:
    """After a kill our -wal remains; neither a start nor a restart may apply it to a file that is not ours."""
    path = tmp_path / "traffic.db"
    subprocess.run([sys.executable, "-c", KILLED, path], cwd=Path(__file__).parents[2], check=False)
    assert path.with_name("traffic.db-wal").stat().st_size
    theirs = stranger(tmp_path / "theirs", "DELETE")
    expected = rows_of(theirs)
    theirs.replace(path)
    if resume:
        Writer(path, tool_version="0", resume=resume).close(clean=True)
        assert len(segments(path)) == 1
    else:
        with pytest.raises(UnusableFile, match="not a recording of ChargeSentinel"):
            Writer(path, tool_version="0")
    assert rows_of(path) == expected
    assert list(tmp_path.glob("traffic.db.replaced-*-wal"))


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, Path.touch], ids=["folder", "pipe", "empty file"])
def test_recording_goes_on_beside_what_is_no_database(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "traffic.db"
    recording = Recording(path)
    recording.beat(5)
    path.unlink()
    make(path)
    recording.beat(5)
    recording.close()
    (beside,) = segments(path)
    with closing(open_recording(beside)) as db:
        assert [raw for (raw,) in db.execute("SELECT raw FROM frames")] == recording.sent[-5:]
    assert path.stat().st_size == 0 or path.is_dir()


def test_a_file_with_the_name_of_the_next_one_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    recording = Recording(path, rotate="1h")
    recording.beat(5)
    theirs = stranger(tmp_path / "theirs", "DELETE")
    expected = rows_of(theirs)
    path.unlink()
    theirs.replace(path)
    rollover.rotate(recording.pipeline, time.time_ns())
    recording.beat(5)
    recording.close()
    assert rows_of(path) == expected
    first, second = segments(path)
    assert all_frames(tmp_path) == recording.sent
    for name in ("traffic-notes.db.part", "traffic.db.link", f"{first.name}.part"):
        (tmp_path / name).write_text("a note")
    path.unlink()
    Recording(path, rotate="1h").close()
    assert {name.read_text() for name in (*tmp_path.glob("*.part"), tmp_path / "traffic.db.link")} == {"a note"}
    assert path.readlink() == Path(second.name)


def test_a_wal_without_its_database_is_kept_when_recording_begins(tmp_path: Path) -> None:
    theirs = stranger(tmp_path / "theirs", "WAL")
    wal = Path(f"{theirs}-wal").read_bytes()
    (tmp_path / "traffic.db-wal").write_bytes(wal)
    recording = Recording(tmp_path / "traffic.db")
    recording.beat()
    recording.close()
    (kept,) = tmp_path.glob("traffic.db.replaced-*-wal")
    assert kept.read_bytes() == wal


def test_a_name_watch_ends_when_it_is_told_to(tmp_path: Path) -> None:
    seen: list[bool] = []
    watch = name_watch.NameWatch(tmp_path / "a", lambda: seen.append(True))
    watch.stop()
    (tmp_path / "a").touch()
    assert len(seen) <= 1
