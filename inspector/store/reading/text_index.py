"""Index the text of a recording's frames (FTS5), in a separate file beside the recording.

A recording is evidence and has one writer, so a search must not change it. The index has one entry for each block of
BLOCK frames, with every group of three characters in them. It returns the blocks that may contain a text; the search
then reads the frames of those blocks. So the index is small (a fiftieth of the recording) and quick to build. Frames
that were recorded later are not in the index, and a search reads each of them.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from inspector.errors import UnusableFile, UserMistake
from inspector.store.files.lock import holder
from inspector.store.reading.paging import paged

BLOCK = 64
"""The number of frames, in the order of their ids, that share one entry."""
SHORTEST = 3
"""In characters. The index cannot find shorter texts."""

_MOST_GRAMS = 40
_FORMAT = 1


def place(recording: Path) -> Path:
    """Return the path of the index of a recording; a link to the newest of several files is followed."""
    recording = recording.resolve()
    return recording.with_name(f"{recording.name}.search")


def forget(recording: Path) -> None:
    """Remove the index of a recording, so that it does not keep text of deleted frames."""
    place(recording).unlink(missing_ok=True)


def attach(db: sqlite3.Connection, recording: Path) -> int:
    """Attach the index to an open recording and return the id of the last frame in it, 0 without an index.

    An index that does not match the recording is ignored.
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
    """Build the index of a recording, or bring it up to date; returns how many frames were added.

    Args:
        db: the open recording; its index must not be attached.
        recording: its path.
        progress: called with the number of frames read so far.

    Raises:
        UserMistake: another program is writing the recording.
        UnusableFile: the index cannot be written beside the recording.
    """
    if (writer := holder(recording)) is not None:
        raise UserMistake(
            f"{recording}: cannot build its index while {writer} is writing to it; search works without one"
        )
    covered = attach(db, recording)
    if covered:
        db.execute("DETACH text_index")
    (last,) = db.execute("SELECT coalesce(max(id), 0) FROM frames").fetchone()
    if covered == last and last:
        return 0
    path = place(recording)
    if os.path.lexists(path) and not _is_index(path):
        raise UnusableFile(path, "not an index of ChargeSentinel", "move it away; search works without an index")
    # The index gets its final name when it is complete, so that no other program uses an unfinished one.
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
        raise UnusableFile(path, f"cannot be written ({error})", "search works without an index") from None
    finally:
        with contextlib.suppress(OSError):
            growing.unlink(missing_ok=True)
    return int(last)


def _is_index(path: Path) -> bool:
    """Return whether a file is the text index of any recording."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as index:
            index.execute("SELECT covered, format FROM about")
    except sqlite3.Error:
        return False
    return True


def candidates(db: sqlite3.Connection, texts: Sequence[Sequence[str]], newest_first: bool) -> Iterator[tuple[int, int]]:
    """Yield the ranges of frame ids that may contain one text of each tuple; texts below SHORTEST are ignored.

    The index must be attached to `db`.
    """
    query = " AND ".join(
        f"({' OR '.join(map(_grams, alternatives))})" for alternatives in texts if usable(alternatives)
    )
    order = "DESC" if newest_first else "ASC"
    sql = f"SELECT rowid FROM text_index.blocks WHERE blocks MATCH ? ORDER BY rowid {order}"
    rows = db.execute(sql, (query,)).fetchall()  # an open SELECT would hold up the recorder
    step = -1 if newest_first else 1
    for _, run in groupby(enumerate(rows), lambda numbered: numbered[1][0] - step * numbered[0]):
        blocks = [block for _, (block,) in run]
        # Join neighbouring blocks into ranges, but only into short ones, so that a search with a limit can stop early.
        for at in range(0, len(blocks), BLOCK):
            part = blocks[at : at + BLOCK]
            yield min(part) * BLOCK, (max(part) + 1) * BLOCK - 1


def usable(alternatives: Sequence[str]) -> bool:
    """Return whether these texts are long enough for the index."""
    return bool(alternatives) and all(len(text) >= SHORTEST for text in alternatives)


def _grams(text: str) -> str:
    """Return the query for blocks that contain every group of three characters of a text."""
    grams = dict.fromkeys(text[at : at + SHORTEST] for at in range(len(text) - SHORTEST + 1))
    chosen = list(grams)[:: max(1, len(grams) // _MOST_GRAMS)]
    return "(" + " AND ".join('"' + gram.replace('"', '""') + '"' for gram in chosen) + ")"


def _blocks(db: sqlite3.Connection, last: int, progress: Callable[[int], None]) -> Iterator[tuple[int, str]]:
    done = 0
    rows = paged(db, "SELECT id, raw FROM frames WHERE id BETWEEN :low AND :high ORDER BY id", high=last)
    for block, run in groupby(rows, lambda row: row[0] // BLOCK):
        texts = [raw if isinstance(raw, str) else str(raw, "utf-8", "replace") for _, raw in run]
        # The tokenizer stops at a NUL, but a search must find text after it too.
        yield block, "\n".join(texts).replace("\0", "\n")
        done += len(texts)
        progress(done)


def _identity(db: sqlite3.Connection, covered: int) -> tuple[int | None, int | None]:
    """Return the time of the last indexed frame and the begin of the recording, which identify the recording."""
    frame = db.execute("SELECT ts_ns FROM main.frames WHERE id = ?", (covered,)).fetchone()
    (started,) = db.execute("SELECT min(started_ns) FROM main.recordings").fetchone()
    return (frame[0] if frame else None), started
