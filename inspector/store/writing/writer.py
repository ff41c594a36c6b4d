"""Write one recording: begin it, commit rows in groups, continue in another file, end it.

A commit counts only after a check that its file is still the one at the path of the recording. Rows that went to a
deleted file are written to a new one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

from inspector.errors import RecorderFailure, UnusableFile
from inspector.store.files import rotation
from inspector.store.files.connection import DEFAULT_MODE, is_marked
from inspector.store.files.lock import WriterLock
from inspector.store.files.name_watch import NameWatch
from inspector.store.files.open_files import Left, OpenFiles, set_aside_left_behind
from inspector.store.files.sealing import seal
from inspector.store.files.wal_watch import WalWatch
from inspector.store.schema import connect
from inspector.store.writing import next_file
from inspector.store.writing.counted_rows import COUNTED, CountedRows
from inspector.store.writing.pending_rows import (
    INSERT_EVENT,
    INSERT_SESSION,
    NUMBERED,
    SESSION_COLUMNS,
    Change,
    dropped_rows,
)

log = logging.getLogger("chargesentinel.store")


class RecordingGone(RecorderFailure):
    """The file, or its `-wal`, was deleted or replaced while it was written."""


class Writer(CountedRows):
    """One run of a recorder, and the file that it writes."""

    def __init__(
        self,
        path: Path | str,
        *,
        tool_version: str,
        holder: str = "chargesentinel",
        listen: str | None = None,
        upstream: str | None = None,
        config: dict[str, Any] | None = None,
        started_ns: int | None = None,
        resume: int | None = None,
        rotate: str | None = None,
        busy_s: float = 5.0,
        file_mode: int = DEFAULT_MODE,
        pid: int | None = None,
    ) -> None:
        """Open `path`, mark what an earlier run left unfinished, and begin a row in `recordings`.

        A restarted recorder gives the id of its row as `resume`, to continue that row; `resumed` is False if the file
        with the row is gone. With `rotate` (see `rotation.Rotation.parse`) `path` is a link to the newest of several
        files. A commit waits `busy_s` at most for another program's lock. New files get the permissions `file_mode`.
        The lock file names the process `pid`.

        Raises:
            UnusableFile: see `WriterLock`, `rotation.prepare` and `schema.connect`.
        """
        given = Path(path)
        self.name = given.parent.resolve() / given.name
        self.rotation = rotation.Rotation.parse(rotate) if rotate else None
        self._holder, self._pid, self._file_mode = holder, pid, file_mode
        self._locks = {self.name: WriterLock(given, holder, pid, file_mode)}
        try:
            now = started_ns or time.time_ns()
            self.path = rotation.prepare(self.name, now) if self.rotation else self.name.resolve()
            if self.path != self.name:
                self._locks[self.path] = WriterLock(self.path, holder, pid, file_mode)
            if os.path.lexists(self.path) and not is_marked(self.path):
                # Do this before SQLite opens the file, or it would merge a -wal of this recording into another file.
                set_aside_left_behind(self.path, self._locks[self.path].left_behind)
                if resume is not None:
                    log.error("%s was replaced while the recorder was restarted", self.path)
                    self.path = rotation.segment(self.name, now)
                    self._locks[self.path] = WriterLock(self.path, holder, pid, file_mode)
            self._busy_s, self._wal_watch = busy_s, WalWatch()
            super().__init__(connect(self.path, busy_s=busy_s, mode=file_mode))
            if self.rotation:
                rotation.point(self.name, self.path)
            self.resumed = resume is not None and self._has_recording(resume)
            if resume is not None and self.resumed:
                self.recording_id = resume
            else:
                self.recording_id = self._begin(tool_version, listen, upstream, config, now)
            self._learn_where_it_begins()
            self._look_at_file()
        except BaseException:
            self._let_go()
            raise

    def _begin(
        self, tool_version: str, listen: str | None, upstream: str | None, config: dict[str, Any] | None, now: int
    ) -> int:
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        # Mark the runs that were killed. Their sessions end at the time of their last frame.
        run("UPDATE recordings SET clean_close = 0 WHERE clean_close IS NULL")
        run(
            "UPDATE sessions SET closed_ns = coalesce(last_seen_ns, opened_ns), closed_by = 'unknown'"
            " WHERE closed_ns IS NULL"
        )
        cursor = run(
            "INSERT INTO recordings (started_ns, tool_version, listen, upstream, config) VALUES (?, ?, ?, ?, ?)",
            (now, tool_version, listen, upstream, json.dumps(config or {})),
        )
        run("COMMIT")
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _has_recording(self, recording_id: int) -> bool:
        found = self._connection.execute("SELECT 1 FROM recordings WHERE id = ?", (recording_id,))
        return found.fetchone() is not None

    def _learn_where_it_begins(self) -> None:
        """Read the first id of each table that may be in this file: lower ids are in earlier files."""
        self.since_ns, origin = next_file.origin(self._connection)
        self.begins: dict[str, int] = {table: origin.get("first", {}).get(table, 1) for table in NUMBERED}
        self.before: dict[str, int] = origin.get("before", {})
        self._next = {table: max(number, self.begins[table]) for table, number in self._next.items()}
        self._counted = self._written = dict(self._next)
        self.gone = self._recount = False

    _sealing: threading.Thread | None = None
    is_open = True
    """False if the file could not be opened again: then nothing can be copied from it."""
    rotate_after_ns = 0
    """After a failure to make the next file: when to try again."""

    def here(self, frame_id: int | None) -> int | None:
        return frame_id if frame_id is not None and frame_id >= self.begins["frames"] else None

    _files: OpenFiles
    _stop_watching: Callable[[], object] | None = None

    def _look_at_file(self, files: OpenFiles | None = None) -> None:
        self._files = files or OpenFiles(self.path)
        self._locks[self.path].note(self._files.beside)
        if self._stop_watching:
            self._stop_watching()
        watch = NameWatch(self.path, partial(self._files.step_aside, unless_free=True))
        # End the thread even if the writer is garbage-collected without `close`: the system limits watches.
        self._stop_watching = weakref.finalize(self, watch.stop)

    @property
    def wal_bytes(self) -> int:
        """The size of the `-wal` at the last look."""
        return self._files.wal_bytes

    def in_place(self) -> bool:
        """Return whether the files being written are still those at their paths."""
        return self._files.in_place()

    def reopen(self) -> None:
        """Open the file again, if that is possible. Waiting rows are kept."""
        if not self._files.has_name():
            return
        with contextlib.suppress(UnusableFile, OSError, sqlite3.Error):
            # Close it first: a file that was read-only stays so for later connections while this one is open.
            self._connection.close()
            self._files.closing()
            self.is_open = False
            self._use(connect(self.path, create=False, busy_s=self._busy_s))
            opened = OpenFiles(self.path)
            if not opened.is_same_as(self._files):  # the file was replaced meanwhile
                opened.close(self._connection)
                return
            self.is_open = True
            self._look_at_file(opened)

    def look(self) -> None:
        """Check for a deleted file and a `-wal` that grows too large, even while nothing is committed."""
        self._wal_watch.look(self.path, self.wal_bytes, time.monotonic())
        if not (self.gone or self.in_place()):
            self._lose()

    def _lose(self) -> None:
        """Note that the file was replaced, and move its `-wal` and `-shm` away from the file that is there now."""
        self.gone = True
        self._files.step_aside()
        if self.is_open and self._files.overwritten():
            # Another program overwrote the file: nothing can be copied from it, and SQLite must not write into it.
            self._files.close(self._connection)
            self.is_open = False

    def committed(self) -> int:
        """Return the number of the last record in this recording, as given to `commit`."""
        sql = "SELECT committed FROM _progress WHERE recording_id = ?"
        row = self._connection.execute(sql, (self.recording_id,)).fetchone()
        return int(row[0]) if row else 0

    def session(self, values: dict[str, Any]) -> None:
        """Add a session; the keys of `values` are from SESSION_COLUMNS, and missing ones become NULL."""
        row = {**values, "recording_id": self.recording_id}
        self._add(INSERT_SESSION, tuple(row.get(column) for column in SESSION_COLUMNS))

    def commit(self, committed: int | None = None) -> None:
        """Write everything that waits in one transaction.

        Args:
            committed: the number of the last record in these rows. It is stored in the same transaction, so that after
                a crash the relay can resend exactly the missing records.

        Raises:
            sqlite3.Error: nothing was written, and everything still waits.
            RecordingGone: the rows went to a file that is gone; `begin_again` writes them to another one.
        """
        if not self.waiting and committed is None:
            return
        if self.gone:
            raise RecordingGone(f"{self.path}: deleted or replaced while it was written")
        more: list[Change] = []
        if committed is not None:
            more.append(("INSERT OR REPLACE INTO _progress VALUES (?, ?)", (self.recording_id, committed)))
        if self._recount:
            more += next_file.corrections(self.begins["frames"])
        self._write(more)
        self._clear()
        self._recount = False
        self._written = dict(self._next)
        if not self.in_place():
            self._lose()
            raise RecordingGone(f"{self.path}: deleted or replaced while it was written")
        self._counted = self._written

    def rotation_due(self, now_ns: int) -> bool:
        """Return whether it is time for the next file."""
        self.look()
        if self.rotation is None or self.gone or now_ns < self.rotate_after_ns:
            return False
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        (size,) = self._connection.execute("PRAGMA page_size").fetchone()
        return self.rotation.due(pages * size, self.since_ns, now_ns)

    def rotate(self, open_sessions: Collection[int], now_ns: int) -> Path:
        """Continue in the next file, seal this one and return its path. Call it when no rows wait.

        Args:
            open_sessions: the ids of the sessions that continue.
            now_ns: when the next file begins.

        Raises:
            sqlite3.Error, OSError, UnusableFile: the next file cannot be made; recording continues in this one.
            RecordingGone: this file is gone; call `begin_again`.
        """
        self.look()
        if self.gone:
            raise RecordingGone(f"{self.path}: deleted or replaced while it was written")
        left, old, files = self.path, self._connection, self._files
        self._go_on_in(rotation.segment(self.name, now_ns), open_sessions, now_ns, complete=True)
        files.close(old)
        # Seal in a thread: on a slow disk it takes longer than frames may wait for their commit.
        self._sealing = threading.Thread(target=_seal, args=(files, self.path, now_ns, self._locks.pop(left)))
        self._sealing.start()
        return left

    def begin_again(self, open_sessions: Collection[int], now_ns: int) -> Left:
        """Continue in a new file in place of one that is gone.

        The new file has the same path, or one beside it if another file is there now. It contains the rows that the
        last commit wrote to the file that is gone. If that file was only moved, nothing is lost: it is complete in its
        new place. If only its -wal was deleted, nothing is lost either: the file is completed from the open -wal.

        Raises:
            sqlite3.Error, OSError, UnusableFile: the new file cannot be made; try again later.
        """
        left, old, files = self.path, self._connection, self._files
        sessions = self._sessions_to_carry(open_sessions)
        files.step_aside()
        intact = files.has_name()
        (had,) = old.execute(
            "SELECT coalesce(sum(frame_count), 0) FROM sessions WHERE recording_id = ?", (self.recording_id,)
        ).fetchone()
        # The -wal or -journal of another file may be there before that file itself.
        taken = any(os.path.lexists(f"{self.name}{suffix}") for suffix in ("", "-wal", "-shm", "-journal"))
        path = rotation.segment(self.name, now_ns) if self.rotation is not None or taken else self.name
        whole = left if intact else files.moved_to
        self._go_on_in(path, sessions, now_ns, complete=whole is not None, left=whole or left)
        self.gone, self._recount = False, True
        if intact:
            with contextlib.suppress(sqlite3.Error):
                old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            whole = files.flee(rotation.segment(self.name, now_ns)) or left
        files.close(old)
        lock = self._locks.pop(left) if left not in (self.name, self.path) else None
        if whole:
            _seal(files, self.path, now_ns, lock)
            return Left(0, whole)
        if lock:
            lock.release()
        (kept,) = self._connection.execute("SELECT count(*) FROM frames").fetchone()
        return Left(int(had - kept), None)

    def _sessions_to_carry(self, open_sessions: Collection[int]) -> set[int]:
        """Return the sessions whose rows the next file needs: open ones, and those with rows that wait."""
        found = {*open_sessions, *self._frames.values[1 :: self._frames.columns]}
        found |= {session for session, _ in self._findings if session is not None}
        for sql, row in self._rows:
            if sql.startswith("UPDATE sessions"):
                found.add(row[-1])
            elif sql == INSERT_EVENT and row[1] is not None:
                found.add(row[1])
        return found - {row[0] for sql, row in self._rows if sql is INSERT_SESSION}

    def _go_on_in(
        self, path: Path, open_sessions: Collection[int], now_ns: int, *, complete: bool, left: Path | None = None
    ) -> None:
        # Rows of the last commit stay in a complete file; from a file that is gone they are copied.
        after = self._written if complete else self._counted
        before = dict(self.before)
        if complete:
            for what, count in zip(COUNTED, self.recording_counts(), strict=True):
                before[what] = before.get(what, 0) + count - (len(open_sessions) if what == "sessions" else 0)
        if path in self._locks:
            self._locks.pop(path).release()  # the lock file may have been deleted with the recording
        with contextlib.suppress(OSError):
            path.parent.mkdir()  # the folder was moved or deleted
        self._locks[path] = WriterLock(path, self._holder, self._pid, self._file_mode)
        was, self.path = self.path, path
        seam = next_file.Seam(left or was, self.recording_id, open_sessions, after, before, now_ns, not complete)
        try:
            refused = next_file.make_next(self._connection, path, seam, self._file_mode)
            self._use(connect(path, busy_s=self._busy_s))
        except BaseException:
            self.path = was
            if path not in (self.name, was):
                self._locks.pop(path).release()
            raise
        if self.rotation:
            rotation.point(self.name, path)
        numbers = self._next
        self._learn_where_it_begins()
        self._next, self._counted, self._written = numbers, after, after
        for table, rows in refused.rows.items():
            self._count_dropped(table, rows, refused.why[table])
            self.event(None, now_ns, None, "fault", dropped_rows(table, rows, refused.why[table]))
        self._look_at_file()
        for other in set(self._locks) - {self.name, was, path}:
            self._locks.pop(other).release()

    def close(self, *, clean: bool, stopped_ns: int | None = None) -> None:
        """Commit, mark how the recording ended and close the file.

        Raises:
            sqlite3.Error: the last commit failed; the file is closed nevertheless.
            RecordingGone: the rows are in a file that is gone.
        """
        try:
            self.commit()
            self._connection.execute(
                "UPDATE recordings SET stopped_ns = ?, clean_close = ? WHERE id = ?",
                (stopped_ns or time.time_ns(), int(clean), self.recording_id),
            )
            if self.in_place():
                with contextlib.suppress(sqlite3.OperationalError):  # a reader keeps the file in WAL mode
                    self._connection.execute("PRAGMA busy_timeout = 0")
                    self._connection.execute("PRAGMA journal_mode = DELETE")
        finally:
            self._files.close(self._connection)
            if self._sealing:
                self._sealing.join()
            self._let_go()

    def _let_go(self) -> None:
        if self._stop_watching:
            self._stop_watching()
        for lock in self._locks.values():
            lock.release()


def _seal(files: OpenFiles, following: Path, now_ns: int, lock: WriterLock | None) -> None:
    # If a reader prevents sealing, the end is still marked; the next start seals the file.
    if files.moved_to or files.has_name():
        with contextlib.suppress(sqlite3.Error):
            seal(files.moved_to or files.path, following, now_ns)
    if lock:
        lock.release()
