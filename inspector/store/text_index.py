"""An index of the text of a recording's frames (FTS5), in a file of its own beside it; knows no filter.

A recording is evidence and has one writer, so nothing is added to it. What is indexed is not a frame but the text
of BLOCK frames one after the other, by its groups of three characters: the index says in which blocks a text may
be, and the frames there are looked at. That makes it small (a fiftieth of the recording) and quick to build. Frames
that came later are not in it, and searching them is looking at each.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from inspector.errors import UnusableFile, UserMistake
from inspector.store.lock import holder
from inspector.store.paging import paged

BLOCK = 64
"""Frames whose ids differ in the lower bits only share an entry."""
SHORTEST = 3
"""Characters a text must have for the index to know it."""

_MOST_GRAMS = 40
_FORMAT = 1


def place(recording: Path) -> Path:
    """Where the index of a recording is; its name may be a link to the newest of several files."""
    recording = recording.resolve()
    return recording.with_name(f"{recording.name}.search")


def forget(recording: Path) -> None:
    """Remove the index of a recording, if there is one: what was taken out of a recording must not live on in it."""
    place(recording).unlink(missing_ok=True)


def attach(db: sqlite3.Connection, recording: Path) -> int:
    """Let an open recording use its index; returns the id of the last frame that is in it, 0 where there is none.

    An index that is not of this recording as it stands is left alone.
    """
    path = place(recording)
    if not path.is_file():
        return 0
    try:
        db.execute("ATTACH ? AS text_index", (f"{path.absolute().as_uri()}?mode=ro",))
        row = db.execute("SELECT covered, covered_ns, recording_ns, format FROM text_index.about").fetchone()
        if row is not None and row[3] == _FORMAT and _identity(db, row[0]) == (row[1], row[2]):
            return int(row[0])
        db.execute("DETACH text_index")
    except sqlite3.Error:
        with contextlib.suppress(sqlite3.Error):
            db.execute("DETACH text_index")
    return 0


def build(db: sqlite3.Connection, recording: Path, progress: Callable[[int], None]) -> int:
    """Make the index of a recording anew, or bring it up to its last frame; returns how many frames were added.

    Args:
        db: the recording, open, its index not attached.
        recording: its path.
        progress: is told how many frames have been read so far.

    Raises:
        UserMistake: the recording is being written.
        UnusableFile: the index cannot be written beside the recording.
    """
    if (writer := holder(recording)) is not None:
        raise UserMistake(f"{recording}: no index is built while it is written by {writer}; search works without one")
    covered = attach(db, recording)
    if covered:
        db.execute("DETACH text_index")
    (last,) = db.execute("SELECT coalesce(max(id), 0) FROM frames").fetchone()
    if covered == last and last:
        return 0
    path = place(recording)
    if os.path.lexists(path) and not _is_index(path):
        raise UnusableFile(path, "not an index of ChargeSentinel", "move it away; search works without an index too")
    # A half-built index must not be taken for a whole one: it gets its name at the end.
    growing = path.with_name(f"{path.name}.part")
    try:
        growing.unlink(missing_ok=True)
        os.close(os.open(growing, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with contextlib.closing(sqlite3.connect(growing, isolation_level=None)) as index:
            index.execute("PRAGMA journal_mode = OFF")
            index.execute("PRAGMA synchronous = OFF")
            index.execute(
                "CREATE VIRTUAL TABLE blocks USING fts5"
                "(text, content='', detail=none, columnsize=0, tokenize='trigram')"
            )
            index.execute(
                "CREATE TABLE about (covered INTEGER, covered_ns INTEGER, recording_ns INTEGER, format INTEGER)"
            )
            index.execute("BEGIN")
            index.executemany("INSERT INTO blocks (rowid, text) VALUES (?, ?)", _blocks(db, last, progress))
            index.execute("INSERT INTO about VALUES (?, ?, ?, ?)", (last, *_identity(db, last), _FORMAT))
            index.execute("COMMIT")
        growing.chmod(recording.stat().st_mode & 0o666)
        growing.replace(path)
    except (OSError, sqlite3.OperationalError) as error:
        raise UnusableFile(path, f"cannot be written ({error})", "search works without an index too") from None
    finally:
        with contextlib.suppress(OSError):
            growing.unlink(missing_ok=True)
    return int(last)


def _is_index(path: Path) -> bool:
    """Whether a file is an index, of whatever recording."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as index:
            index.execute("SELECT covered, format FROM about")
    except sqlite3.Error:
        return False
    return True


def candidates(db: sqlite3.Connection, texts: Sequence[Sequence[str]], newest_first: bool) -> Iterator[tuple[int, int]]:
    """Ranges of frame ids, in their order, outside of which no frame has one text of each; texts too short count not.

    `db` has the index attached.
    """
    query = " AND ".join(
        f"({' OR '.join(map(_grams, alternatives))})" for alternatives in texts if usable(alternatives)
    )
    order = "DESC" if newest_first else "ASC"
    sql = f"SELECT rowid FROM text_index.blocks WHERE blocks MATCH ? ORDER BY rowid {order}"
    rows = db.execute(sql, (query,)).fetchall()  # an open SELECT would hold up whoever records
    step = -1 if newest_first else 1
    for _, run in groupby(enumerate(rows), lambda numbered: numbered[1][0] - step * numbered[0]):
        blocks = [block for _, (block,) in run]
        # Blocks side by side are read in one go, but not so many that a limit could not stop in between.
        for at in range(0, len(blocks), BLOCK):
            part = blocks[at : at + BLOCK]
            yield min(part) * BLOCK, (max(part) + 1) * BLOCK - 1


def usable(alternatives: Sequence[str]) -> bool:
    """Whether the index can tell where one of these texts may be."""
    return bool(alternatives) and all(len(text) >= SHORTEST for text in alternatives)


def _grams(text: str) -> str:
    """The query for blocks that have every group of three characters of a text."""
    grams = dict.fromkeys(text[at : at + SHORTEST] for at in range(len(text) - SHORTEST + 1))
    chosen = list(grams)[:: max(1, len(grams) // _MOST_GRAMS)]
    return "(" + " AND ".join('"' + gram.replace('"', '""') + '"' for gram in chosen) + ")"


def _blocks(db: sqlite3.Connection, last: int, progress: Callable[[int], None]) -> Iterator[tuple[int, str]]:
    done = 0
    rows = paged(db, "SELECT id, raw FROM frames WHERE id BETWEEN :low AND :high ORDER BY id", high=last)
    for block, run in groupby(rows, lambda row: row[0] // BLOCK):
        texts = [raw if isinstance(raw, str) else str(raw, "utf-8", "replace") for _, raw in run]
        # The tokenizer ends at a NUL, and a search must find what stands behind one.
        yield block, "\n".join(texts).replace("\0", "\n")
        done += len(texts)
        progress(done)


def _identity(db: sqlite3.Connection, covered: int) -> tuple[int | None, int | None]:
    """What tells that the last frame of an index still is the same one: its time, and the file's first start."""
    frame = db.execute("SELECT ts_ns FROM main.frames WHERE id = ?", (covered,)).fetchone()
    (started,) = db.execute("SELECT min(started_ns) FROM main.recordings").fetchone()
    return (frame[0] if frame else None), started
